//! Csound, rendering without real time.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::child;
use super::player::Play;
use super::voice::{
    ATTACK_S, BLOCK, CUTOFF_HZ, DECAY_S, Q, RATE_HZ, RELEASE_S, SUSTAIN, Voice, gain,
};

/// The held voice.
pub struct Csound {
    /// Where its files are written.
    folder: PathBuf,
}

impl Csound {
    /// One that writes its files here.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Start-up included; returns the CPU seconds.
    fn run(&self, voices: usize, seconds: f64, output: &[&str]) -> Result<f64, Box<dyn Error>> {
        let gain = gain(voices);
        let mut score = String::new();
        for index in 0..voices {
            writeln!(score, "i 1 0 {seconds} {}", Voice::Held.freq_hz(index))?;
        }
        let text = format!(
            "<CsoundSynthesizer>\n<CsInstruments>\nsr = {RATE_HZ}\nksmps = {BLOCK}\nnchnls = 1\n\
             0dbfs = 1\ngisine ftgen 1, 0, 16384, 10, 1\ninstr 1\n\
             aenv linsegr 0, {ATTACK_S}, 1, {DECAY_S}, {SUSTAIN}, {RELEASE_S}, 0\n\
             asine poscil {gain}, p4, 1\n\
             afiltered rbjeq asine * aenv, {CUTOFF_HZ}, 1, {Q}, 1, 0\n\
             out afiltered\nendin\n</CsInstruments>\n<CsScore>\n{score}</CsScore>\n\
             </CsoundSynthesizer>\n"
        );
        let path = self.folder.join("voices.csd");
        std::fs::write(&path, text)?;
        child::cpu_seconds(Command::new("csound").args(["-d", "-m0"]).args(output).arg(path))
    }
}

impl Play for Csound {
    /// It writes nothing.
    fn cpu_seconds(&self, voices: usize, seconds: f64) -> Result<f64, Box<dyn Error>> {
        self.run(voices, seconds, &["-n"])
    }

    fn sound(&self, voices: usize, seconds: f64) -> Result<Vec<f32>, Box<dyn Error>> {
        let path = self.folder.join("csound.wav");
        let name = path.to_str().ok_or("a path that is no text")?;
        self.run(voices, seconds, &["-W", "-f", "-o", name])?;
        // After its end it releases the notes.
        let frames = (seconds * f64::from(RATE_HZ)) as usize;
        let samples = hound::WavReader::open(&path)?.into_samples::<f32>().take(frames);
        Ok(samples.collect::<Result<_, _>>()?)
    }
}
