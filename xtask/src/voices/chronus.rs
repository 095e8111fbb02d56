//! The real thing: the patch sine, envelope, filter through the engine.
#![allow(clippy::format_push_string)] // Nothing here is timed but the rendering.

use std::error::Error;

use chronus_engine::{
    BLOCK_FRAMES, CHANNELS, Command, Controls, Directory, Engine, NoRecordings, Note, Patch,
};
use chronus_os::clock::thread_cpu_ns;

use super::{ATTACK_S, CUTOFF_HZ, DECAY_S, Q, RATE_HZ, RELEASE_S, SUSTAIN, freq_hz, gain};

/// What the gates do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gates {
    /// Open from the start; measured are sustained notes.
    Open,
    /// As [`Open`](Self::Open), with neither limiter nor DC blocker, as the others.
    OpenBare,
    /// Open, in an attack that lasts longer than the measurement.
    Attack,
    /// Never opened.
    Closed,
    /// Each group of voices plays notes, which are held.
    Notes,
    /// As [`Notes`](Self::Notes), but all notes are over, and their sound too.
    NotesOver,
}

impl Gates {
    fn has_notes(self) -> bool {
        matches!(self, Self::Notes | Self::NotesOver)
    }
}

/// The most voices that one module plays.
const GROUP: usize = 16;

fn patch(voices: usize, gates: Gates) -> Result<Patch, Box<dyn Error>> {
    let mut text = "format = 1\n".to_owned();
    let mut module = |id: String, kind: &str, more: &str| {
        text += &format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n{more}\n");
    };
    let attack_ms = if gates == Gates::Attack { 20_000.0 } else { ATTACK_S * 1000.0 };
    let [decay_ms, release_ms] = [DECAY_S, RELEASE_S].map(|s| s * 1000.0);
    let envelope = format!(
        "attack = {attack_ms:?}\ndecay = {decay_ms:?}\nsustain = {SUSTAIN:?}\nrelease = {release_ms:?}"
    );
    let filter = format!("cutoff = {CUTOFF_HZ:?}\nq = {Q:?}");
    let groups = voices.div_ceil(GROUP);
    for group in 0..groups {
        let (freq, gain) = (freq_hz(group * GROUP), gain(voices));
        let sine = format!("channels = {GROUP}\nfreq = {freq:?}\ngain = {gain:?}");
        if gates.has_notes() {
            module(format!("n{group}"), "voices", &format!("channels = {GROUP}"));
        }
        module(format!("s{group}"), "sine", &sine);
        module(format!("e{group}"), "adsr", &envelope);
        module(format!("f{group}"), "biquad", &filter);
    }
    let mut sum = "f0.out";
    if groups > 1 {
        module("out".into(), "merge", "channels = 1");
        sum = "out.out";
    }
    for group in 0..groups {
        for (from, to) in [("s", "e"), ("e", "f")] {
            text += &format!("[[cable]]\nfrom = \"{from}{group}.out\"\nto = \"{to}{group}.in\"\n");
        }
        if gates.has_notes() {
            for (from, to) in
                [("pitch", format!("s{group}.freq")), ("gate", format!("e{group}.gate"))]
            {
                text += &format!("[[cable]]\nfrom = \"n{group}.{from}\"\nto = \"{to}\"\n");
            }
        }
        if groups > 1 {
            text += &format!("[[cable]]\nfrom = \"f{group}.out\"\nto = \"out.in_1\"\n");
        }
    }
    text += &format!("[output]\nleft = \"{sum}\"\nright = \"{sum}\"\n");
    if gates == Gates::OpenBare {
        text += "limiter = false\ndc_blocker = false\n";
    }
    Ok(Patch::parse(&text, "voices")?)
}

/// CPU seconds of rendering so many seconds, the start not counted.
pub fn cpu_seconds(voices: usize, seconds: f64, gates: Gates) -> Result<f64, Box<dyn Error>> {
    let patch = patch(voices, gates)?;
    let mut engine = Engine::new(patch.clone(), RATE_HZ, Controls::of(&patch), 0, &NoRecordings)?;
    let mut block = [0.0; BLOCK_FRAMES * CHANNELS];
    let directory = Directory::of(&patch);
    if matches!(gates, Gates::Open | Gates::OpenBare | Gates::Attack) {
        for entry in directory.modules().filter(|entry| entry.has_gate()) {
            engine.apply(0, &Command::Gate { module: entry.handle, on: true });
        }
    }
    if gates.has_notes() {
        play_notes(&mut engine, &directory, true);
    }
    let blocks = |seconds: f64| 0..(seconds * f64::from(RATE_HZ) / BLOCK_FRAMES as f64) as usize;
    for _ in blocks(f64::from(ATTACK_S + DECAY_S)) {
        engine.render(&mut block);
    }
    if gates == Gates::NotesOver {
        play_notes(&mut engine, &directory, false);
        // A second lets the filters ring out.
        for _ in blocks(1.0) {
            engine.render(&mut block);
        }
    }
    let start = thread_cpu_ns();
    for _ in blocks(seconds) {
        engine.render(&mut block);
    }
    Ok((thread_cpu_ns() - start) as f64 / 1e9)
}

/// Begins or ends a note for each voice.
fn play_notes(engine: &mut Engine, directory: &Directory, on: bool) {
    for entry in directory.modules().filter(|entry| entry.spec.notes) {
        for voice in 0..GROUP {
            let note = Note { on, key: 48.0 + voice as f32, velocity: 1.0, id: 0 };
            engine.apply(0, &Command::Note { module: entry.handle, note });
        }
    }
}
