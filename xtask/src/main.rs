//! `cargo xtask`: what the continuous integration checks; benchmarks, of what faults and edits cost, of how constant the
//! time from a message to its sound is and of how many voices a core renders; chaos; an hour of playing; the noise of a bad
//! machine beside them; and what instructions kernels became.

#![forbid(unsafe_code)]

mod chaos;
mod check;
mod commands;
mod comparison;
mod edits;
mod engine;
mod faults;
mod noise;
mod osc;
mod soak;
mod vectors;
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
    /// Runs what the continuous integration runs, each check by its name
    Check(check::Check),
    /// Everything that can go wrong, by chance; every sample is compared
    Chaos(chaos::Chaos),
    /// An hour in real time: does anything grow?
    Soak(soak::Soak),
    /// Stops each core for some milliseconds again and again, as a busy host does to a virtual machine
    Noise(noise::NoiseCommand),
    /// Finds gathers and scatters in the program, which only look-ups in tables may have
    Vectors(vectors::Vectors),
}

#[derive(Subcommand)]
enum Bench {
    /// Faults free-running and in real time, CPU cost of a replica, idle cost of the supervisor
    Faults(faults::Faults),
    /// A patch of 200 modules, edited while workers are killed; the size of workers
    Edits(edits::Edits),
    /// How constant the time from a message to its sound is
    Osc(osc::Osc),
    /// How many voices a core renders, beside other synthesizers with the same voice
    Voices(voices::Voices),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Bench(Bench::Faults(faults)) => faults::bench(&faults),
        Task::Bench(Bench::Edits(edits)) => edits::bench(&edits),
        Task::Bench(Bench::Osc(osc)) => osc::bench(&osc),
        Task::Bench(Bench::Voices(voices)) => voices::bench(&voices).map(|()| true),
        Task::Soak(soak) => soak::run(&soak),
        Task::Check(check) => check::run(&check),
        Task::Chaos(chaos) => chaos::run(&chaos),
        Task::Noise(command) => noise::run(&command),
        Task::Vectors(options) => vectors::run(&options),
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

/// Builds the engine that is measured, and says what it is measured on.
fn build() -> Result<(), Box<dyn std::error::Error>> {
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

/// The commit that is checked out; a + marks changes since.
fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    output.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}
