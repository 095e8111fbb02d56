//! `cargo xtask`: benchmarks, of what faults cost and of how many voices a core renders.

#![forbid(unsafe_code)]

mod engine;
mod faults;
mod voices;

use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measures, and prints tables
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    /// Faults free-running and in real time, CPU cost of a replica, idle cost of the supervisor
    Faults(faults::Faults),
    /// How many voices a core renders, beside other synthesizers with the same voice
    Voices(voices::Voices),
}

fn main() -> ExitCode {
    let Task::Bench(bench) = Cli::parse().task;
    let result = match bench {
        Bench::Faults(faults) => faults::bench(&faults),
        Bench::Voices(voices) => voices::bench(&voices).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The processor.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores, {}", model.trim_start_matches(['\t', ' ', ':']))
}

/// The commit that is checked out; a + marks changes since.
fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    output.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}
