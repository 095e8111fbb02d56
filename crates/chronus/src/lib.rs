//! Chronus: a headless modular synthesizer that cannot be stopped. This crate is the only one that
//! knows both towers: the instrument, and that it never stops.
//!
//! It is a program. What it shows as a library is for its own tests and for fuzzing, and may change at any
//! time.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod client;
mod complaints;
pub mod content;
mod deeds;
mod demo;
mod doctor;
mod files;
mod gesture;
mod graph;
mod handover;
pub mod journal;
mod journal_file;
pub mod journal_writer;
mod keeper;
mod lead;
mod log;
mod machine;
mod modules;
mod osc_address;
mod osc_server;
mod patcher;
mod performance;
mod picture;
pub mod playback;
mod post;
mod receiver;
mod recovery;
mod refusals;
pub mod render;
mod run;
mod service;
pub mod shared_assets;
mod snapshot;
mod socket_file;
mod sockets;
mod stall_monitor;
mod supervise;
mod supervisor;
mod timetags;
#[cfg(test)]
#[path = "../../chronus-output/tests/support/waiting.rs"]
mod waiting;
mod worker;

use std::error::Error;
use std::process::ExitCode;

use chronus_engine::Vectors;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use cli::{Action, Cli, JournalAction};

#[global_allocator]
static ALLOCATOR: chronus_os::alloc_guard::GuardedAllocator =
    chronus_os::alloc_guard::GuardedAllocator;

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse_from(cli::readable(std::env::args_os()));
    if !matches!(cli.command, Action::Run(_) | Action::Supervisor(_) | Action::Worker(_)) {
        // Who prints for a reader that has gone has nothing more to do.
        chronus_os::child::end_with_a_broken_pipe();
    }
    let _log = (!matches!(cli.command, Action::Worker(_))).then(log::start);
    if let (false, Err(refusal)) =
        (matches!(cli.command, Action::Worker(_)), Vectors::of_environment())
    {
        refuse(&refusal.to_string());
    }
    let result: Result<ExitCode, Box<dyn Error>> = match cli.command {
        Action::Run(args) => {
            files::need_proc().map_err(Box::from).and_then(|()| keeper::run(&args))
        }
        Action::Supervisor(args) => supervise::run(&args),
        Action::Demo(args) => files::need_proc().map_err(Box::from).and_then(|()| demo::run(&args)),
        Action::Render(args) => run::render(&args),
        Action::Journal(JournalAction::Prune { name }) => content::prune::run(&name),
        Action::Check(args) => Ok(check::run(&args)),
        Action::Graph(args) => graph::run(&args),
        Action::Modules(args) => modules::run(&args),
        Action::Status(args) => client::status(&args),
        Action::Events(args) => client::events(&args),
        Action::Send(args) => client::send(&args),
        Action::Kill(args) => client::kill(&args),
        Action::Doctor(args) => {
            osc_address::osc_address(args.osc).map(|osc| doctor::run(&args, osc)).map_err(Box::from)
        }
        Action::Worker(args) => worker::run(&args).map(|()| ExitCode::SUCCESS).map_err(Box::from),
    };
    result.unwrap_or_else(|error| {
        if error.is::<files::Refusal>() {
            refuse(&error.to_string());
        }
        eprintln!("chronus: {error}");
        ExitCode::FAILURE
    })
}

/// Ends as with any command line that can't be understood: with status 2.
fn refuse(sentence: &str) -> ! {
    let mut cli = Cli::command();
    cli.build();
    let name = std::env::args().nth(1).unwrap_or_default();
    let command = cli.find_subcommand(&name).cloned();
    command.unwrap_or(cli).error(ErrorKind::ArgumentConflict, sentence).exit()
}
