//! A pure tone: a sine whose phase is counted in whole numbers, so it never drifts.
//!
//! While a frequency rests, the sine of each frame comes from the sine and cosine at the start of its cell
//! of 16 frames and a table of those of the way since: `sin(a + b) = sin a cos b + cos a sin b`, two
//! multiplications instead of a polynomial. The gain is in the sine and cosine where the cell starts. In the same
//! way each cell starts from the one before it, and the block from a polynomial. All are within a few roundings
//! of `f32`. Which of them a frame gets depends on the frequencies before it and on nothing else, least of all on
//! how a block is divided.

use core::marker::PhantomData;
use core::ops::Range;

use crate::fused::Fused;
use crate::io::{Io, Param};
use crate::math::{PhaseSteps, same, sine_of_phase};
use crate::module::{BLOCK_FRAMES, Curve, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `sine`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "sine",
    summary: "A pure tone, and the building block of FM.",
    inputs: &[super::FM],
    outputs: &[PortSpec::audio("out", "the tone, from -gain to gain")],
    params: &[
        ParamSpec {
            name: "freq",
            unit: "Hz",
            min: 20.0,
            max: 20_000.0,
            default: 440.0,
            smoothing_ms: 5.0,
            curve: Curve::Exponential,
            choices: &[],
            doc: "frequency, held below 0.49 of the rate",
        },
        ParamSpec {
            name: "gain",
            unit: "",
            min: 0.0,
            max: 1.0,
            default: 0.5,
            smoothing_ms: 10.0,
            curve: Curve::Linear,
            choices: &[],
            doc: "amplitude",
        },
        super::INDEX,
    ],
    skips: true,
    ..ModuleSpec::BARE
};

const FREQ: usize = 0;
const GAIN: usize = 1;
const INDEX: usize = 2;
/// The input.
const FM: usize = 0;
const QUARTER_TURN: u32 = 1 << 30;
/// Frames of a cell. Cells begin at multiples of this in the block.
const CELL_FRAMES: usize = 16;
/// The table serves once the frequency has rested for so many frames, so that a frequency that never
/// does costs no tables.
const REST_FRAMES: u32 = 64;

const _: () = assert!(BLOCK_FRAMES.is_multiple_of(CELL_FRAMES));

/// See [`SPEC`].
pub struct Sine<const C: usize, F> {
    steps: PhaseSteps,
    /// 2^32 is one turn. One unit is 1.1e-5 Hz at 48 kHz: at 20 Hz, at most 0.0005 cent off.
    phase: [u32; C],
    /// What the phase advanced by in the last frame.
    step: [u32; C],
    /// For how many frames that has been so, up to [`REST_FRAMES`].
    rested: [u32; C],
    /// Whether all of them are there.
    all_rest: bool,
    /// What the frequency is, the same in all channels, if all of them are there and `turns` are its.
    settled_at: Option<f32>,
    turns: Turns<C>,
    fuses: PhantomData<F>,
}

/// Cosine and sine of so many steps of the phase as frames have passed in a cell, and of those of a whole cell.
struct Turns<const C: usize> {
    step: [u32; C],
    cos: [[f32; C]; CELL_FRAMES],
    sin: [[f32; C]; CELL_FRAMES],
    of_cell: Angle<C>,
}

/// Sine and cosine of a phase.
#[derive(Clone, Copy)]
struct Angle<const C: usize> {
    sin: [f32; C],
    cos: [f32; C],
}

impl<const C: usize> Angle<C> {
    const ZERO: Self = Self { sin: [0.0; C], cos: [1.0; C] };

    #[inline(always)]
    fn of(phase: &[u32; C]) -> Self {
        let mut angle = Self::ZERO;
        for c in 0..C {
            angle.sin[c] = sine_of_phase(phase[c]);
            angle.cos[c] = sine_of_phase(phase[c].wrapping_add(QUARTER_TURN));
        }
        angle
    }

    /// The sine of this one and another, of which cosine and sine are given.
    #[inline(always)]
    fn sine_after<F: Fused>(&self, cos: &[f32; C], sin: &[f32; C]) -> [f32; C] {
        let mut tone = [0.0; C];
        for c in 0..C {
            tone[c] = F::fused(self.sin[c], cos[c], self.cos[c] * sin[c]);
        }
        tone
    }

    #[inline(always)]
    fn times(&self, gain: &[f32; C]) -> Self {
        Self { sin: times(self.sin, *gain), cos: times(self.cos, *gain) }
    }

    /// This one and another, added.
    #[inline(always)]
    fn turned<F: Fused>(&self, by: &Self) -> Self {
        let mut turned = *self;
        for c in 0..C {
            turned.sin[c] = F::fused(self.sin[c], by.cos[c], self.cos[c] * by.sin[c]);
            turned.cos[c] = F::fused(self.cos[c], by.cos[c], -(self.sin[c] * by.sin[c]));
        }
        turned
    }
}

impl<const C: usize> Turns<C> {
    const STILL: Self = Self {
        step: [0; C],
        cos: [[1.0; C]; CELL_FRAMES],
        sin: [[0.0; C]; CELL_FRAMES],
        of_cell: Angle::ZERO,
    };

    #[inline(always)]
    fn prepare(&mut self, step: [u32; C]) {
        if same(&self.step, &step) {
            return;
        }
        self.step = step;
        let mut phase = [0_u32; C];
        for n in 0..CELL_FRAMES {
            Angle { sin: self.sin[n], cos: self.cos[n] } = Angle::of(&phase);
            for c in 0..C {
                phase[c] = phase[c].wrapping_add(step[c]);
            }
        }
        self.of_cell = Angle::of(&phase);
    }

    /// Where the block starts, given the phase in its frame `n`.
    #[inline(always)]
    fn block_start(&self, phase: &[u32; C], n: usize) -> Angle<C> {
        let mut start = *phase;
        for c in 0..C {
            start[c] = phase[c].wrapping_sub(self.step[c].wrapping_mul(n as u32));
        }
        Angle::of(&start)
    }

    /// So many cells later.
    #[inline(always)]
    fn later<F: Fused>(&self, mut start: Angle<C>, cells: usize) -> Angle<C> {
        for _ in 0..cells {
            start = start.turned::<F>(&self.of_cell);
        }
        start
    }
}

impl<const C: usize, F: Fused> Sine<C, F> {
    /// A sine at phase 0.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            steps: PhaseSteps::new(rate_hz),
            phase: [0; C],
            step: [0; C],
            rested: [0; C],
            all_rest: false,
            settled_at: None,
            turns: Turns::STILL,
            fuses: PhantomData,
        }
    }

    /// As [`process`](Module::process), with a cable at [`FM`]. A silent one changes no bit.
    #[inline(always)]
    fn process_modulated(&mut self, io: &mut Io<'_>) {
        let [freq, gain, index] = [FREQ, GAIN, INDEX].map(|param| io.param::<C>(param));
        let ([fm], [out]) = io.ports::<C, 1, 1>();
        let mut phase = self.phase;
        let mut step = freq.at(0).map(|freq_hz| self.steps.of(freq_hz));
        for (n, out) in out.iter_mut().enumerate() {
            if freq.is_moving() {
                step = freq.at(n).map(|freq_hz| self.steps.of(freq_hz));
            }
            let (gain, index, fm) = (gain.at(n), index.at(n), fm[n]);
            for c in 0..C {
                out[c] = sine_of_phase(phase[c]) * gain[c];
                let more = deviation(step[c], index[c] * fm[c]);
                phase[c] = phase[c].wrapping_add(step[c]).wrapping_add(more);
            }
        }
        self.phase = phase;
        (self.step, self.rested, self.all_rest) = (step, [0; C], false);
        self.settled_at = None;
    }

    #[inline(always)]
    fn step_at(&self, freq: &Param<'_, C>, n: usize) -> [u32; C] {
        let (freq_hz, mut step) = (freq.at(n), [0; C]);
        for c in 0..C {
            step[c] = self.steps.of(freq_hz[c]);
        }
        step
    }

    /// Takes the step of the next frames, so many.
    #[inline(always)]
    fn take(&mut self, step: [u32; C], frames: usize) {
        if self.all_rest && same(&step, &self.step) {
            return;
        }
        let (more, mut all_rest) = (frames as u32 - 1, true);
        for c in 0..C {
            let rested = if step[c] == self.step[c] { self.rested[c] + 1 + more } else { more };
            self.rested[c] = rested.min(REST_FRAMES);
            all_rest &= rested >= REST_FRAMES;
        }
        (self.step, self.all_rest) = (step, all_rest);
    }

    #[inline(always)]
    fn advance(&mut self, frames: usize) {
        self.phase = self.phase_in(frames);
    }

    #[inline(always)]
    fn phase_in(&self, frames: usize) -> [u32; C] {
        let mut phase = self.phase;
        for c in 0..C {
            phase[c] = phase[c].wrapping_add(self.step[c].wrapping_mul(frames as u32));
        }
        phase
    }

    /// Frame `n` of the block, whose step has been taken and whose level is that at `at`.
    #[inline(always)]
    fn frame(&mut self, n: usize, at: usize, level: &Level<'_, C>) -> [f32; C] {
        let gain = &level.at(at);
        let (mut tone, mut rests) = ([0.0; C], false);
        for c in 0..C {
            tone[c] = sine_of_phase(self.phase[c]) * gain[c];
            rests |= self.rested[c] == REST_FRAMES;
        }
        if rests {
            self.blend(n, gain, &mut tone);
        }
        self.advance(1);
        silent_where_0(tone, gain)
    }

    /// What channels get whose frequencies rest while others move.
    #[inline(always)]
    fn blend(&mut self, n: usize, gain: &[f32; C], tone: &mut [f32; C]) {
        let mut step = self.turns.step;
        for c in 0..C {
            step[c] = if self.rested[c] == REST_FRAMES { self.step[c] } else { step[c] };
        }
        self.turns.prepare(step);
        let start = self.turns.block_start(&self.phase, n);
        let start = self.turns.later::<F>(start, n / CELL_FRAMES);
        let n = n % CELL_FRAMES;
        let turned = start.times(gain).sine_after::<F>(&self.turns.cos[n], &self.turns.sin[n]);
        for c in 0..C {
            tone[c] = if self.rested[c] == REST_FRAMES { turned[c] } else { tone[c] };
        }
    }

    /// Frames of one frequency, of which the first is frame `first` of the block.
    #[inline(always)]
    fn steady(&mut self, step: [u32; C], first: usize, out: &mut [[f32; C]], level: &Level<'_, C>) {
        for done in 0..out.len() {
            self.take(step, 1);
            if self.all_rest {
                self.turns.prepare(step);
                return self.cells(first, done, out, level);
            }
            out[done] = self.frame(first + done, done, level);
        }
    }

    /// Frames while all frequencies rest and their turns are there, but for those that are `done`.
    #[inline(always)]
    fn cells(&mut self, first: usize, mut done: usize, out: &mut [[f32; C]], level: &Level<'_, C>) {
        let start = self.turns.block_start(&self.phase, first + done);
        let mut start = self.turns.later::<F>(start, (first + done) / CELL_FRAMES);
        self.advance(out.len() - done);
        while done < out.len() {
            let n = (first + done) % CELL_FRAMES;
            let end = out.len().min(done + CELL_FRAMES - n);
            let (cell, turns) = (&mut out[done..end], &self.turns);
            let turns = turns.cos[n..].iter().zip(&turns.sin[n..]);
            match level {
                Level::Rests(gain) => {
                    let start = start.times(gain);
                    if let Ok(whole) = <&mut [_; CELL_FRAMES]>::try_from(&mut *cell) {
                        // How many there are is known, which leaves less to count.
                        let Turns { cos, sin, .. } = &self.turns;
                        for n in 0..CELL_FRAMES {
                            whole[n] = start.sine_after::<F>(&cos[n], &sin[n]);
                        }
                    } else {
                        for (out, (cos, sin)) in cell.iter_mut().zip(turns) {
                            *out = start.sine_after::<F>(cos, sin);
                        }
                    }
                }
                Level::Moves(gain) => {
                    for (i, (out, (cos, sin))) in cell.iter_mut().zip(turns).enumerate() {
                        let gain = gain.at(done + i);
                        *out = silent_where_0(start.times(&gain).sine_after::<F>(cos, sin), &gain);
                    }
                }
            }
            start = start.turned::<F>(&self.turns.of_cell);
            done = end;
        }
    }

    /// Whether all channels rest at this frequency, and the turns are there.
    #[inline(always)]
    fn is_settled(&self, freq_in_all: Option<f32>) -> bool {
        freq_in_all.is_some() && freq_in_all == self.settled_at
    }

    /// Frames that are not heard.
    #[inline(always)]
    fn pass(&mut self, freq_in_all: Option<f32>, freq: &Param<'_, C>, frames: &Range<usize>) {
        if self.is_settled(freq_in_all) {
            return self.advance(frames.len());
        }
        self.settled_at = None;
        if freq.is_moving() {
            for n in 0..frames.len() {
                self.take(self.step_at(freq, n), 1);
                self.advance(1);
            }
        } else if !frames.is_empty() {
            self.take(self.step_at(freq, 0), frames.len());
            self.advance(frames.len());
        }
    }
}

/// So many times a step, less whole turns: those change nothing, because the phase of a sine is all
/// that is heard of it. So its frequency may go as far as it likes, also beyond half the rate for a
/// moment.
#[inline(always)]
fn deviation(step: u32, times: f32) -> u32 {
    const TURN: f32 = 4_294_967_296.0;
    // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    // A step is below half a turn, and vectors convert only signed numbers.
    let turns = step as i32 as f32 * (1.0 / TURN) * times;
    let rest = turns - ((turns + ROUND) - ROUND);
    (rest * TURN) as i32 as u32
}

/// The gain in the frames to be rendered.
enum Level<'a, const C: usize> {
    /// It rests, and in no channel at 0.
    Rests([f32; C]),
    Moves(Param<'a, C>),
}

impl<'a, const C: usize> Level<'a, C> {
    #[inline(always)]
    fn of(gain: &Param<'a, C>) -> Self {
        if gain.is_moving() || !all_sound(&gain.at(0)) {
            Self::Moves(*gain)
        } else {
            Self::Rests(gain.at(0))
        }
    }

    #[inline(always)]
    fn at(&self, n: usize) -> [f32; C] {
        match self {
            Self::Rests(gain) => *gain,
            Self::Moves(gain) => gain.at(n),
        }
    }
}

/// Silence is what it is while a gain of 0 rests: positive.
#[inline(always)]
fn silent_where_0<const C: usize>(mut tone: [f32; C], gain: &[f32; C]) -> [f32; C] {
    for c in 0..C {
        tone[c] = if gain[c] == 0.0 { 0.0 } else { tone[c] };
    }
    tone
}

/// Whether no channel has a gain of 0.
#[inline(always)]
fn all_sound<const C: usize>(gain: &[f32; C]) -> bool {
    let mut all = true;
    for c in 0..C {
        all &= gain[c] != 0.0;
    }
    all
}

#[inline(always)]
fn times<const C: usize>(mut tone: [f32; C], gain: [f32; C]) -> [f32; C] {
    for c in 0..C {
        tone[c] *= gain[c];
    }
    tone
}

impl<const C: usize, F: Fused> Module for Sine<C, F> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.phase, self.step) = ([0; C], [0; C]);
        (self.rested, self.all_rest, self.settled_at) = ([0; C], false, None);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        if io.is_connected(FM) {
            return self.process_modulated(io);
        }
        let (freq, gain) = (io.param::<C>(FREQ), io.param::<C>(GAIN));
        let freq_in_all = io.steady(FREQ);
        if !gain.is_moving() && same(&gain.at(0), &[0.0; C]) {
            self.pass(freq_in_all, &freq, &io.frames);
            return io.silence(0);
        }
        let level = Level::of(&gain);
        let first = io.frames.start;
        let ([_], [out]) = io.ports::<C, 1, 1>();
        if self.is_settled(freq_in_all) {
            self.cells(first, 0, out, &level);
        } else if freq.is_moving() {
            self.settled_at = None;
            for (n, out) in out.iter_mut().enumerate() {
                self.take(self.step_at(&freq, n), 1);
                *out = self.frame(first + n, n, &level);
            }
        } else if !out.is_empty() {
            self.steady(self.step_at(&freq, 0), first, out, &level);
            self.settled_at = freq_in_all.filter(|_| self.all_rest);
        }
    }

    #[inline(always)]
    fn skip(&mut self, io: &mut Io<'_>) {
        io.keep_outputs();
        self.pass(io.steady(FREQ), &io.param::<C>(FREQ), &io.frames);
    }
}
