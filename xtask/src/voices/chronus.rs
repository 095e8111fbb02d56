//! The real thing: the patch of a voice through the engine.

use std::error::Error;

use chronus_dsp::Vectors;
use chronus_engine::{
    BLOCK_FRAMES, CHANNELS, Command, Controls, Directory, Engine, NoRecordings, Note,
};
use chronus_os::clock::thread_cpu_ns;

use super::patch::{GROUP, patch};
use super::voice::{ATTACK_S, DECAY_S, RATE_HZ, Voice, key};

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
    /// Whether the patch takes notes.
    pub fn has_notes(self) -> bool {
        matches!(self, Self::Notes | Self::NotesOver)
    }
}

/// How Chronus plays: which voice, with which vectors, and what the gates do.
#[derive(Clone, Copy)]
pub struct Chronus {
    pub voice: Voice,
    pub set: Vectors,
    pub gates: Gates,
}

/// An engine at work.
struct Play {
    engine: Engine,
    block: [f32; BLOCK_FRAMES * CHANNELS],
}

impl Play {
    fn render(&mut self, seconds: f64, mut heard: Option<&mut Vec<f32>>) {
        for _ in 0..(seconds * f64::from(RATE_HZ) / BLOCK_FRAMES as f64) as usize {
            self.engine.render(&mut self.block);
            if let Some(heard) = &mut heard {
                heard.extend(self.block.iter().step_by(CHANNELS));
            }
        }
    }
}

impl Chronus {
    /// CPU seconds of rendering so many seconds, the start not counted.
    pub fn cpu_seconds(self, voices: usize, seconds: f64) -> Result<f64, Box<dyn Error>> {
        let (mut play, directory) = self.begin(voices)?;
        play.render(f64::from(ATTACK_S + DECAY_S), None);
        if self.gates == Gates::NotesOver {
            self.play_notes(&mut play.engine, &directory, (voices, false));
            // A second lets the filters ring out.
            play.render(1.0, None);
        }
        let start = thread_cpu_ns();
        play.render(seconds, None);
        Ok((thread_cpu_ns() - start) as f64 / 1e9)
    }

    /// What is heard from the start on.
    pub fn sound(self, voices: usize, seconds: f64) -> Result<Vec<f32>, Box<dyn Error>> {
        let (mut play, _) = self.begin(voices)?;
        let mut heard = Vec::new();
        play.render(seconds, Some(&mut heard));
        Ok(heard)
    }

    fn begin(self, voices: usize) -> Result<(Play, Directory), Box<dyn Error>> {
        self.set.choose();
        let patch = patch(self.voice, voices, self.gates)?;
        let controls = Controls::of(&patch);
        let mut engine = Engine::new(patch.clone(), RATE_HZ, controls, 0, &NoRecordings)?;
        let directory = Directory::of(&patch);
        if matches!(self.gates, Gates::Open | Gates::OpenBare | Gates::Attack) {
            for entry in directory.modules().filter(|entry| entry.has_gate()) {
                engine.apply(0, &Command::Gate { module: entry.handle, on: true });
            }
        }
        self.play_notes(&mut engine, &directory, (voices, true));
        Ok((Play { engine, block: [0.0; BLOCK_FRAMES * CHANNELS] }, directory))
    }

    /// Begins or ends a note for each voice, if the patch takes notes.
    fn play_notes(self, engine: &mut Engine, directory: &Directory, (voices, on): (usize, bool)) {
        let modules = directory.modules().filter(|entry| entry.spec.notes);
        for (group, entry) in modules.enumerate() {
            for index in (group * GROUP..(group + 1) * GROUP).take_while(|index| *index < voices) {
                let key = match self.voice {
                    Voice::Held => 48.0 + (index % GROUP) as f32,
                    _ => key(index),
                };
                let note = Note { on, key, velocity: 1.0, id: 0 };
                engine.apply(0, &Command::Note { module: entry.handle, note });
            }
        }
    }
}
