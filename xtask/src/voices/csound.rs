//! Csound, rendering without real time and writing nothing.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use super::{
    ATTACK_S, BLOCK, CUTOFF_HZ, DECAY_S, Q, RATE_HZ, RELEASE_S, SUSTAIN, child, freq_hz, gain,
};

/// CPU seconds of rendering so many seconds, start-up included.
pub fn cpu_seconds(voices: usize, seconds: f64, folder: &Path) -> Result<f64, Box<dyn Error>> {
    let gain = gain(voices);
    let mut score = String::new();
    for index in 0..voices {
        writeln!(score, "i 1 0 {seconds} {}", freq_hz(index))?;
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
    let path = folder.join("voices.csd");
    std::fs::write(&path, text)?;
    child::cpu_seconds(Command::new("csound").args(["-d", "-m0", "-n"]).arg(path))
}
