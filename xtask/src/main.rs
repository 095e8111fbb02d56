//! `cargo xtask`: benchmarks, of what faults and edits cost and of how many voices a core renders.

#![forbid(unsafe_code)]

mod edits;
mod engine;
mod faults;
mod voices;

use std::error::Error;
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
    /// A patch of 200 modules, edited while workers are killed; the size of workers
    Edits {
        /// How many edits
        #[arg(long, default_value_t = 1_000)]
        edits: u64,
        /// The seed of edits and kills
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// How many voices a core renders, beside other synthesizers with the same voice
    Voices(voices::Voices),
}

fn main() -> ExitCode {
    let Task::Bench(bench) = Cli::parse().task;
    let done = match bench {
        Bench::Faults(faults) => build().and_then(|()| faults::bench(&faults)),
        Bench::Edits { edits, seed } => build().and_then(|()| edits::bench(edits, seed)),
        Bench::Voices(voices) => voices::bench(&voices).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the engine that is measured, and says what it is measured on.
fn build() -> Result<(), Box<dyn Error>> {
    let built =
        Command::new("cargo").args(["build", "--release", "--package", "chronus"]).status()?;
    if !built.success() {
        return Err("the engine does not build".into());
    }
    println!("{}, commit {}\n", machine(), commit());
    Ok(())
}

/// The processor.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores, {}", model.trim_start_matches(['\t', ' ', ':']))
}

/// The commit that is checked out, and whether files were changed since.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output();
        output.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let more = if changed.is_empty() { "" } else { ", changed" };
    git(&["rev-parse", "--short", "HEAD"]) + more
}
