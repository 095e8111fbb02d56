//! fundsp: a program of its own (`xtask/peers/fundsp`), so that no other build needs the library.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{
    ATTACK_S, BLOCK, CUTOFF_HZ, DECAY_S, Q, RATE_HZ, RELEASE_S, SUSTAIN, child, freq_hz, gain,
};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/fundsp/Cargo.toml");
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers");

/// Builds the program for this very processor.
pub fn build() -> Result<PathBuf, Box<dyn Error>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "--manifest-path", MANIFEST]);
    cargo.env("CARGO_TARGET_DIR", TARGET).env("RUSTFLAGS", "-C target-cpu=native");
    if !cargo.status()?.success() {
        return Err("it does not build".into());
    }
    Ok(Path::new(TARGET).join("release/fundsp-voices"))
}

/// CPU seconds of rendering so many seconds, start-up included.
pub fn cpu_seconds(program: &Path, voices: usize, seconds: f64) -> Result<f64, Box<dyn Error>> {
    let blocks = (seconds * f64::from(RATE_HZ) / BLOCK as f64) as u64;
    let mut command = Command::new(program);
    command.arg(RATE_HZ.to_string()).arg(blocks.to_string());
    for value in [gain(voices), ATTACK_S, DECAY_S, SUSTAIN, RELEASE_S, CUTOFF_HZ, Q] {
        command.arg(value.to_string());
    }
    child::cpu_seconds(command.args((0..voices).map(|index| freq_hz(index).to_string())))
}
