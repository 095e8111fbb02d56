//! A wavetable: a row of single turns, from one of which to the next its sound can move.

use super::cycles::{Cycles, Level, analyse, samples_of};
use super::shapes;
use crate::io::Io;
use crate::math::{PhaseSteps, frames_of_ms};
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec, Recording, RecordingSpec};
use std::sync::Arc;

/// The kind `wavetable`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "wavetable",
    summary: "Plays a row of single turns and moves between them, band-limited.",
    inputs: &[super::FM],
    outputs: &[PortSpec::audio("out", "the tone; a table of its own peaks at about gain")],
    params: &[
        super::FREQ,
        super::GAIN,
        super::INDEX,
        ParamSpec::choice(
            "table",
            shapes::NAMES,
            "which row of turns; the file of the patch, if it has one, takes the place of basic",
        ),
        ParamSpec::number(
            "position",
            "",
            [0.0, 1.0],
            0.0,
            "where in the table, from its first turn to its last",
        )
        .smoothed(10.0),
    ],
    recording: Some(RecordingSpec {
        doc: "its first channel is the table: turns of 2048 frames each, at most 256; a shorter \
              file is one turn",
        prepare: cycles_of,
        is_needed: false,
    }),
    tables: &[&shapes::CYCLES],
    ..ModuleSpec::BARE
};

const FREQ: usize = 0;
const GAIN: usize = 1;
const INDEX: usize = 2;
const TABLE: usize = 3;
const POSITION: usize = 4;
/// The input.
const FM: usize = 0;
/// Frames of a turn in a recording.
const TURN_FRAMES: usize = 2048;
const TURNS_MAX: usize = 256;
/// How long it takes to fade from one table to another.
const FADE_MS: f32 = 10.0;

/// See [`SPEC`].
pub struct Wavetable<const C: usize> {
    steps: PhaseSteps,
    built_in: [Cycles<'static>; 8],
    /// The cycles of the file.
    own: Option<Recording>,
    /// 2^32 is one turn.
    phase: [u32; C],
    /// The tables that are heard; `None` before the first frame.
    tables: [Option<usize>; C],
    /// Those that are heard no longer, once they have faded.
    before: [usize; C],
    /// How many frames are left to fade.
    fading: [u32; C],
    fade_frames: u32,
}

impl<const C: usize> Wavetable<C> {
    /// A wavetable at phase 0.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            built_in: shapes::tables(),
            steps: PhaseSteps::new(rate_hz),
            own: None,
            phase: [0; C],
            tables: [None; C],
            before: [0; C],
            fading: [0; C],
            fade_frames: frames_of_ms(FADE_MS, rate_hz),
        }
    }

    /// What channel `c` is at now; `table` is what it is to play, and of `own` it is the first one.
    fn sample(
        &mut self,
        c: usize,
        own: Option<Cycles<'_>>,
        (level, table, position): (Level, usize, f32),
    ) -> f32 {
        let heard = *self.tables[c].get_or_insert(table);
        if heard != table && self.fading[c] == 0 {
            self.before[c] = heard;
            self.tables[c] = Some(table);
            self.fading[c] = self.fade_frames;
        }
        let read = |table: usize| {
            let own = own.filter(|_| table == 0);
            own.unwrap_or(self.built_in[table]).read(self.phase[c], level, position)
        };
        let now = read(self.tables[c].unwrap_or(table));
        if self.fading[c] == 0 {
            return now;
        }
        let share = self.fading[c] as f32 / self.fade_frames as f32;
        let mixed = now + share * (read(self.before[c]) - now);
        self.fading[c] -= 1;
        mixed
    }
}

impl<const C: usize> Module for Wavetable<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [0; C];
        self.tables = [None; C];
        self.fading = [0; C];
    }

    fn set_recording(&mut self, recording: Recording) {
        self.own = Some(recording).filter(|recording| recording.frames() > 0);
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let [freq, gain, index, table, position] =
            [FREQ, GAIN, INDEX, TABLE, POSITION].map(|param| io.param::<C>(param));
        let has_fm = io.is_connected(FM);
        let file = self.own.take();
        let own = file.as_ref().map(|file| Cycles::new(file.samples()));
        let ([fm], [out]) = io.ports::<C, 1, 1>();
        let mut step = freq.at(0).map(|freq_hz| self.steps.of(freq_hz) as i32);
        let mut level = step.map(Level::of);
        for (n, out) in out.iter_mut().enumerate() {
            if has_fm || freq.is_moving() {
                let (freq_hz, index) = (freq.at(n), index.at(n));
                for c in 0..C {
                    let by = index[c] * fm[n][c];
                    step[c] = PhaseSteps::modulated(self.steps.of(freq_hz[c]), by) as i32;
                    level[c] = Level::of(step[c]);
                }
            }
            let (gain, table, position) = (gain.at(n), table.at(n), position.at(n));
            for c in 0..C {
                let table = (table[c] as usize).min(shapes::NAMES.len() - 1);
                out[c] = gain[c] * self.sample(c, own, (level[c], table, position[c]));
                self.phase[c] = self.phase[c].wrapping_add(step[c] as u32);
            }
        }
        self.own = file;
    }
}

/// The cycles that the turns of a file give.
#[expect(clippy::needless_pass_by_value, reason = "a plain recording is passed on")]
fn cycles_of(recording: Recording) -> Recording {
    let first = recording.samples().chunks_exact(recording.channels()).map(|frame| frame[0]);
    let samples: Vec<f32> = first.take(TURN_FRAMES * TURNS_MAX).collect();
    let turns = samples.chunks_exact(TURN_FRAMES.min(samples.len().max(2)));
    let sounds: Vec<_> = turns.map(analyse).collect();
    Recording::new(Arc::new(samples_of(&sounds)), 1, recording.rate_hz())
}
