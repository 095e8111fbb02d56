//! `cargo xtask check`: what the continuous integration runs, each check by its name.

use std::error::Error;
use std::process::Command;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::commands;

/// Which checks are run.
#[derive(Args)]
pub struct Check {
    /// Only these; all without it
    #[arg(value_enum)]
    names: Vec<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// All tests, as the README says
    Test,
    /// Every order in which threads can meet in shared memory
    Loom,
    /// Lints, in all targets
    Clippy,
    /// rustfmt
    Format,
    /// The documents of all items, private ones too
    Documents,
    /// The targets of cargo fuzz compile
    Fuzz,
    /// The command lines that documents show in blocks marked `sh run`
    Commands,
}

/// A command line of a check, and what is set for it.
struct Line {
    arguments: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

impl Name {
    fn line(self) -> Line {
        let (arguments, environment): (_, &[_]) = match self {
            Self::Test => ("test --workspace", &[]),
            Self::Loom => (
                "test --package chronus-shm --release --test loom",
                &[("RUSTFLAGS", "--cfg loom"), ("CARGO_TARGET_DIR", "target/loom")],
            ),
            Self::Clippy => ("clippy --workspace --all-targets -- --deny warnings", &[]),
            Self::Format => ("fmt --all --check", &[]),
            Self::Documents => (
                "doc --workspace --no-deps --document-private-items",
                &[("RUSTDOCFLAGS", "--deny warnings")],
            ),
            Self::Fuzz => (
                "check --manifest-path fuzz/Cargo.toml --all-targets",
                &[("CARGO_TARGET_DIR", "target/fuzz")],
            ),
            Self::Commands if cfg!(debug_assertions) => ("build --package chronus", &[]),
            Self::Commands => ("build --package chronus --release", &[]),
        };
        Line { arguments, environment }
    }

    fn run(self) -> Result<bool, Box<dyn Error>> {
        let Line { arguments, environment } = self.line();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let set: Vec<String> =
            environment.iter().map(|(name, value)| format!("{name}={value:?} ")).collect();
        println!("{self:?}: {}cargo {arguments}", set.concat());
        let began = Instant::now();
        let status = Command::new(cargo)
            .args(arguments.split(' '))
            .envs(environment.iter().copied())
            .status()?;
        let passed = status.success() && (self != Self::Commands || commands::run()?);
        let told = if passed { "passed" } else { "FAILED" };
        println!("{self:?}: {told} after {:.0} s", began.elapsed().as_secs_f64());
        Ok(passed)
    }
}

/// Runs them one after the other, all of them even if some fail; whether all passed.
pub fn run(check: &Check) -> Result<bool, Box<dyn Error>> {
    let wanted = if check.names.is_empty() { Name::value_variants() } else { &check.names };
    let mut failed = Vec::new();
    for name in wanted {
        if !name.run()? {
            failed.push(format!("{name:?}"));
        }
    }
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}
