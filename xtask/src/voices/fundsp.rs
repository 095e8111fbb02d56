//! fundsp: a program of its own (`xtask/peers/fundsp`), so that no other build needs the library.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::child;
use super::player::Play;
use super::voice::{
    ATTACK_S, BLOCK, CUTOFF_HZ, DECAY_S, Q, RATE_HZ, RELEASE_S, SUSTAIN, Voice, gain,
};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/fundsp/Cargo.toml");
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers");

/// The held voice, built.
pub struct Fundsp {
    program: PathBuf,
    /// Where it writes its sound.
    sound: PathBuf,
}

impl Fundsp {
    /// Builds the program for this very processor.
    pub fn build(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--quiet", "--manifest-path", MANIFEST]);
        cargo.env("CARGO_TARGET_DIR", TARGET).env("RUSTFLAGS", "-C target-cpu=native");
        if !cargo.status()?.success() {
            return Err("it does not build".into());
        }
        let program = Path::new(TARGET).join("release/fundsp-voices");
        Ok(Self { program, sound: folder.join("fundsp.raw") })
    }

    fn play(&self, voices: usize, seconds: f64, output: &Path) -> Result<f64, Box<dyn Error>> {
        let blocks = (seconds * f64::from(RATE_HZ) / BLOCK as f64) as u64;
        let mut command = Command::new(&self.program);
        command.arg(output).arg(RATE_HZ.to_string()).arg(blocks.to_string());
        for value in [gain(voices), ATTACK_S, DECAY_S, SUSTAIN, RELEASE_S, CUTOFF_HZ, Q] {
            command.arg(value.to_string());
        }
        let pitches = (0..voices).map(|index| Voice::Held.freq_hz(index).to_string());
        child::cpu_seconds(command.args(pitches))
    }
}

impl Play for Fundsp {
    fn cpu_seconds(&self, voices: usize, seconds: f64) -> Result<f64, Box<dyn Error>> {
        self.play(voices, seconds, Path::new("-"))
    }

    fn sound(&self, voices: usize, seconds: f64) -> Result<Vec<f32>, Box<dyn Error>> {
        self.play(voices, seconds, &self.sound)?;
        child::raw_samples(&self.sound)
    }
}
