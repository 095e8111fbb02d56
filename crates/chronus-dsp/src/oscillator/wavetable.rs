//! A wavetable: a row of single turns, from one of which to the next its sound can move.

use super::cycles::{Cycles, Level, Place, analyse, samples_of};
use super::shapes;
use crate::io::{Io, Param};
use crate::lanes::{Lanes, Rows};
use crate::math::{PhaseSteps, frames_of_ms};
use crate::module::{ModuleSpec, ParamSpec, PortSpec, Recording, RecordingSpec};
use crate::simd::Kernel;
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

    /// The cycles of a table, of which `own`, if there are, are the first.
    #[inline(always)]
    fn cycles<'a>(&self, own: Option<Cycles<'a>>, table: usize) -> Cycles<'a> {
        own.filter(|_| table == 0).unwrap_or(self.built_in[table])
    }

    /// What channel `c` is at now; `table` is what it is to play.
    fn sample(&mut self, c: usize, own: Option<Cycles<'_>>, table: usize, place: Place) -> f32 {
        let heard = *self.tables[c].get_or_insert(table);
        if heard != table && self.fading[c] == 0 {
            self.before[c] = heard;
            self.tables[c] = Some(table);
            self.fading[c] = self.fade_frames;
        }
        let now = self.cycles(own, self.tables[c].unwrap_or(table)).read(place);
        if self.fading[c] == 0 {
            return now;
        }
        let share = self.fading[c] as f32 / self.fade_frames as f32;
        let mixed = now + share * (self.cycles(own, self.before[c]).read(place) - now);
        self.fading[c] -= 1;
        mixed
    }

    /// All frames of channel `c`. Four frames at a time while its table rests: neighbours in time are read alike.
    #[inline(always)]
    fn channel<R: Rows>(
        &mut self,
        rows: R,
        c: usize,
        own: Option<Cycles<'_>>,
        wanted: &Wanted<'_, C>,
        out: &mut [[f32; C]],
    ) {
        let mut way = Way::new(wanted, c, self.steps, self.phase[c]);
        let table = wanted.table_of(0, c);
        let rests = !wanted.table.is_moving()
            && self.tables[c] == Some(table)
            && self.fading[c] == 0;
        let mut done = 0;
        if rests {
            let cycles = self.cycles(own, table);
            for (i, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let mut places = [way.start(); 4];
                for (k, place) in places.iter_mut().enumerate() {
                    *place = way.next(4 * i + k);
                }
                let heard = cycles.read_four(rows, &places);
                for (k, (out, heard)) in out.iter_mut().zip(heard).enumerate() {
                    out[c] = wanted.gain.of(4 * i + k, c) * heard;
                }
            }
            done = out.len() / 4 * 4;
        }
        for n in done..out.len() {
            let place = way.next(n);
            let heard = self.sample(c, own, wanted.table_of(n, c), place);
            out[n][c] = wanted.gain.of(n, c) * heard;
        }
        self.phase[c] = way.phase;
    }
}

/// The inputs and parameters of some frames.
struct Wanted<'a, const C: usize> {
    freq: Param<'a, C>,
    gain: Param<'a, C>,
    index: Param<'a, C>,
    table: Param<'a, C>,
    position: Param<'a, C>,
    /// If a cable ends there.
    fm: Option<&'a [[f32; C]]>,
}

impl<const C: usize> Wanted<'_, C> {
    #[inline(always)]
    fn table_of(&self, n: usize, c: usize) -> usize {
        (self.table.of(n, c) as usize).min(shapes::NAMES.len() - 1)
    }
}

/// The places that a channel comes to.
struct Way<'a, const C: usize> {
    wanted: &'a Wanted<'a, C>,
    c: usize,
    steps: PhaseSteps,
    phase: u32,
    step: u32,
    level: Level,
}

impl<'a, const C: usize> Way<'a, C> {
    #[inline(always)]
    fn new(wanted: &'a Wanted<'a, C>, c: usize, steps: PhaseSteps, phase: u32) -> Self {
        let step = steps.of(wanted.freq.of(0, c));
        Self { wanted, c, steps, phase, step, level: Level::of(step as i32) }
    }

    /// Where it is before the first frame.
    #[inline(always)]
    fn start(&self) -> Place {
        Place { phase: self.phase, level: self.level, position: 0.0 }
    }

    /// Where it is in frame `n`, which follows the last one.
    #[inline(always)]
    fn next(&mut self, n: usize) -> Place {
        let Wanted { freq, index, fm, .. } = self.wanted;
        if freq.is_moving() {
            self.step = self.steps.of(freq.of(n, self.c));
        }
        let mut step = self.step;
        if let Some(fm) = fm {
            step = PhaseSteps::modulated(step, index.of(n, self.c) * fm[n][self.c]);
        }
        if freq.is_moving() || fm.is_some() {
            self.level = Level::of(step as i32);
        }
        let phase = self.phase;
        self.phase = phase.wrapping_add(step);
        Place { phase, level: self.level, position: self.wanted.position.of(n, self.c) }
    }
}

impl<const C: usize> Kernel<C> for Wavetable<C> {
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

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [freq, gain, index, table, position] =
            [FREQ, GAIN, INDEX, TABLE, POSITION].map(|param| io.param::<C>(param));
        let has_fm = io.is_connected(FM);
        let ([fm], [out]) = io.ports::<C, 1, 1>();
        if out.is_empty() {
            return;
        }
        let file = self.own.take();
        let own = file.as_ref().map(|file| Cycles::new(file.samples()));
        let fm = has_fm.then_some(fm);
        let wanted = Wanted { freq, gain, index, table, position, fm };
        for c in 0..C {
            self.channel(lanes.rows(), c, own, &wanted, out);
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
