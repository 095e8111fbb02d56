//! Chronus: a headless modular synthesizer that cannot be stopped. This crate is the only one that
//! knows both towers: the instrument, and that it never stops.

#![forbid(unsafe_code)]

mod cli;
mod client;
mod demo;
mod doctor;
mod journal;
mod machine;
mod osc_server;
mod picture;
mod playback;
mod render;
mod run;
mod supervisor;
mod worker;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use cli::{Action, Cli};

#[global_allocator]
static ALLOCATOR: chronus_os::alloc_guard::GuardedAllocator =
    chronus_os::alloc_guard::GuardedAllocator;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if !matches!(cli.command, Action::Worker(_)) {
        start_log();
    }
    let result: Result<ExitCode, Box<dyn Error>> = match cli.command {
        Action::Run(args) => run::run(&args),
        Action::Demo(args) => demo::run(&args),
        Action::Render(args) => run::render(&args),
        Action::Status(args) => client::status(&args),
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

/// Messages go to standard error; `CHRONUS_LOG=debug` shows more of them.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CHRONUS_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("warn,chronus=info,chronus_output=info")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
