//! The commands of the command line, each in a file of its name.

mod check;
pub mod cli;
mod client;
mod demo;
mod doctor;
mod events;
pub mod files;
mod graph;
mod journal;
mod kill;
mod modules;
mod render;
mod run;
mod send;
mod status;

use std::error::Error;
use std::process::ExitCode;

use chronus_engine::Vectors;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use cli::{Action, Cli, JournalAction};

use crate::log;
use crate::osc::address;
use crate::processes::{supervisor, worker};

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
        Action::Run(args) => run::run(&args),
        Action::Supervisor(args) => supervisor::start::run(&args),
        Action::Demo(args) => files::need_proc().map_err(Box::from).and_then(|()| demo::run(&args)),
        Action::Render(args) => render::run(&args),
        Action::Journal(JournalAction::Prune { name }) => journal::run(&name),
        Action::Check(args) => Ok(check::run(&args)),
        Action::Graph(args) => graph::run(&args),
        Action::Modules(args) => modules::run(&args),
        Action::Status(args) => status::run(&args),
        Action::Events(args) => events::run(&args),
        Action::Send(args) => send::run(&args),
        Action::Kill(args) => kill::run(&args),
        Action::Doctor(args) => {
            address::osc_address(args.osc).map(|osc| doctor::run(&args, osc)).map_err(Box::from)
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
