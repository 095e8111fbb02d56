//! Chronus: a headless modular synthesizer that cannot be stopped. This crate is the only one that
//! knows both towers: the instrument, and that it never stops.
//!
//! It is a program. What it shows as a library is for its own tests and for fuzzing, and may change at any
//! time.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod client;
mod deeds;
mod demo;
mod doctor;
mod graph;
pub mod journal;
pub mod machine;
mod modules;
mod osc_server;
mod patcher;
mod picture;
pub mod playback;
pub mod render;
mod run;
pub mod shelf;
mod supervisor;
mod worker;

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use cli::{Action, Cli};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: chronus_os::alloc_guard::GuardedAllocator =
    chronus_os::alloc_guard::GuardedAllocator;

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let _log = (!matches!(cli.command, Action::Worker(_))).then(start_log);
    let result: Result<ExitCode, Box<dyn Error>> = match cli.command {
        Action::Run(args) => run::run(&args),
        Action::Demo(args) => demo::run(&args),
        Action::Render(args) => run::render(&args),
        Action::Check(args) => Ok(check::run(&args)),
        Action::Graph(args) => graph::run(&args),
        Action::Modules(args) => modules::run(&args),
        Action::Status(args) => client::status(&args),
        Action::Events(args) => client::events(&args),
        Action::Send(args) => client::send(&args),
        Action::Kill(args) => client::kill(&args),
        Action::Doctor => Ok(doctor::run()),
        Action::Worker(args) => worker::run(&args).map(|()| ExitCode::SUCCESS).map_err(Box::from),
    };
    result.unwrap_or_else(|error| {
        eprintln!("chronus: {error}");
        ExitCode::FAILURE
    })
}

/// Messages go to standard error; `CHRONUS_LOG=debug` shows more of them. A thread of its own writes
/// them: a terminal that was halted, or a full pipe, must not hold up whoever has something to say.
/// What is left is written when the guard is dropped.
fn start_log() -> WorkerGuard {
    let filter = EnvFilter::try_from_env("CHRONUS_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,chronus=info,chronus_output=info"));
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    guard
}
