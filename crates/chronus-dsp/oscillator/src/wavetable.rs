//! A wavetable: a row of single turns, from one of which to the next its sound can move.

use super::cycles::{Cycles, Level, Place, analyse, samples_of};
use super::shapes;
use crate::io::{Io, Param};
use crate::lanes::{Lanes, Rows, base};
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
    fn sample(&mut self, c: usize, own: Option<Cycles<'_>>, table: usize, way: &Way) -> f32 {
        let heard = *self.tables[c].get_or_insert(table);
        if heard != table && self.fading[c] == 0 {
            self.before[c] = heard;
            self.tables[c] = Some(table);
            self.fading[c] = self.fade_frames;
        }
        let (cycles, before) =
            (self.cycles(own, self.tables[c].unwrap_or(table)), self.cycles(own, self.before[c]));
        let read = |cycles: Cycles<'_>| cycles.read(way.phase, way.level, way.position);
        let now = read(cycles);
        if self.fading[c] == 0 {
            return now;
        }
        let share = self.fading[c] as f32 / self.fade_frames as f32;
        let mixed = now + share * (read(before) - now);
        self.fading[c] -= 1;
        mixed
    }

    /// All frames of channel `c`: four at a time while its pitch and table rest, for neighbours in time are read alike.
    #[inline(always)]
    fn channel<R: Rows>(
        &mut self,
        rows: R,
        c: usize,
        own: Option<Cycles<'_>>,
        wanted: &Wanted<'_, C>,
        out: &mut [[f32; C]],
    ) {
        let table = wanted.table_of(0, c);
        let is_sure = !wanted.table.is_moving() && self.tables[c] == Some(table);
        let mut way = Way::new(wanted, c, self.steps, self.phase[c]);
        let mut done = 0;
        if is_sure && self.fading[c] == 0 {
            done = out.len() / 4 * 4;
            let (cycles, out) = (self.cycles(own, table), &mut out[..done]);
            if wanted.pitch_moves() {
                way.through_moving(cycles, wanted, c, out);
            } else {
                way.through(rows, cycles, wanted, c, out);
            }
        }
        self.one_by_one(c, own, wanted, way, (done, out));
    }

    /// Frames of channel `c` from a certain one on.
    fn one_by_one(
        &mut self,
        c: usize,
        own: Option<Cycles<'_>>,
        wanted: &Wanted<'_, C>,
        mut way: Way,
        (first, out): (usize, &mut [[f32; C]]),
    ) {
        for (n, out) in out.iter_mut().enumerate().skip(first) {
            way.look(wanted, n, c);
            let heard = self.sample(c, own, wanted.table_of(n, c), &way);
            out[c] = wanted.gain.of(n, c) * heard;
            way.go();
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
    fn pitch_moves(&self) -> bool {
        self.freq.is_moving() || self.fm.is_some()
    }

    #[inline(always)]
    fn table_of(&self, n: usize, c: usize) -> usize {
        (self.table.of(n, c) as usize).min(shapes::NAMES.len() - 1)
    }
}

/// Where a channel is, and how it goes on.
struct Way {
    steps: PhaseSteps,
    phase: u32,
    step: u32,
    level: Level,
    position: f32,
}

impl Way {
    #[inline(always)]
    fn new<const C: usize>(
        wanted: &Wanted<'_, C>,
        c: usize,
        steps: PhaseSteps,
        phase: u32,
    ) -> Self {
        let step = steps.of(wanted.freq.of(0, c));
        let position = wanted.position.of(0, c);
        Self { steps, phase, step, level: Level::of(step as i32), position }
    }

    /// Looks what is wanted in frame `n`.
    #[inline(always)]
    fn look<const C: usize>(&mut self, wanted: &Wanted<'_, C>, n: usize, c: usize) {
        self.position = wanted.position.of(n, c);
        if wanted.pitch_moves() {
            let by = wanted.fm.map_or(0.0, |fm| wanted.index.of(n, c) * fm[n][c]);
            self.step = PhaseSteps::modulated(self.steps.of(wanted.freq.of(n, c)), by);
            self.level = Level::of(self.step as i32);
        }
    }

    #[inline(always)]
    fn go(&mut self) {
        self.phase = self.phase.wrapping_add(self.step);
    }

    /// Frames of a pitch that rests, four at a time.
    #[inline(always)]
    fn through<const C: usize, R: Rows>(
        &mut self,
        rows: R,
        cycles: Cycles<'_>,
        wanted: &Wanted<'_, C>,
        c: usize,
        out: &mut [[f32; C]],
    ) {
        let (level, step) = (self.level, self.step);
        let mut between = [cycles.between(self.position); 4];
        for (i, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let at = |k: usize| cycles.between(wanted.position.of(4 * i + k, c));
            if wanted.position.is_moving() {
                between = [at(0), at(1), at(2), at(3)];
            }
            let heard = cycles.read_four(rows, (self.phase, step), level, between);
            for (k, (out, heard)) in out.iter_mut().zip(heard).enumerate() {
                out[c] = wanted.gain.of(4 * i + k, c) * heard;
            }
            self.phase = self.phase.wrapping_add(step.wrapping_mul(4));
        }
    }
}

impl Way {
    /// Frames of a pitch that moves, four at a time.
    fn through_moving<const C: usize>(
        &mut self,
        cycles: Cycles<'_>,
        wanted: &Wanted<'_, C>,
        c: usize,
        out: &mut [[f32; C]],
    ) {
        for (i, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let places = core::array::from_fn(|k| {
                self.look(wanted, 4 * i + k, c);
                let between = cycles.between(self.position);
                let place = Place { phase: self.phase, level: self.level, between };
                self.go();
                place
            });
            let heard = cycles.read_places(base(), places);
            for (k, (out, heard)) in out.iter_mut().zip(heard).enumerate() {
                out[c] = wanted.gain.of(4 * i + k, c) * heard;
            }
        }
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
