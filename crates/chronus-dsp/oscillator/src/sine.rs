//! A pure tone: a sine whose phase is counted in whole numbers, so it never drifts.
//!
//! While a frequency rests, the sine of each frame comes from the sine and cosine at the start of its cell
//! of 16 frames and a table of those of the way since: `sin(a + b) = sin a cos b + cos a sin b`, two
//! multiplications instead of a polynomial. The gain is in the sine and cosine where the cell starts. In the same
//! way each cell starts from the one before it, and the block from a polynomial. All are within a few roundings
//! of `f32`. Which of them a frame gets depends on the frequencies before it and on nothing else, least of all on
//! how a block is divided.

use core::ops::Range;

use crate::io::{Io, LanesParam};
use crate::lanes::{Floats, Ints, Lanes, Mask};
use crate::math::{PhaseSteps, same, sine_of_phase};
use crate::module::{BLOCK_FRAMES, Curve, MIDDLE_C_HZ, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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
            default: MIDDLE_C_HZ,
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
pub struct Sine<const C: usize> {
    steps: PhaseSteps,
    /// 2^32 is one turn. One unit is 1.1e-5 Hz at 48 kHz: at 20 Hz, at most 0.0005 cent off.
    phase: [u32; C],
    /// What the phase advanced by in the last frame.
    step: [u32; C],
    /// For how many frames that has been so, up to [`REST_FRAMES`].
    rested: [u32; C],
    /// What the frequency is, the same in all channels, if all of them rest and `turns` are its.
    settled_at: Option<f32>,
    turns: Turns<C>,
}

/// Cosine and sine of so many steps of the phase as frames have passed in a cell, and of those of a whole cell.
#[repr(C, align(64))]
struct Turns<const C: usize> {
    cos: [[f32; C]; CELL_FRAMES],
    sin: [[f32; C]; CELL_FRAMES],
    of_cell: [[f32; C]; 2],
    step: [u32; C],
}

/// Sine and cosine of a phase.
#[derive(Clone, Copy)]
struct Angle<F> {
    sin: F,
    cos: F,
}

impl<F: Floats> Angle<F> {
    #[inline(always)]
    fn of(phase: F::Ints) -> Self {
        let later = phase.plus(phase.like(QUARTER_TURN));
        Self { sin: sine_of_phase(phase), cos: sine_of_phase(later) }
    }

    /// The sine of this one and another, of which cosine and sine are given.
    #[inline(always)]
    fn sine_after<const C: usize>(self, lanes: impl Lanes<C, Floats = F>, cos: F, sin: F) -> F {
        lanes.fused(self.sin, cos, self.cos * sin)
    }

    #[inline(always)]
    fn times(self, gain: F) -> Self {
        Self { sin: self.sin * gain, cos: self.cos * gain }
    }

    /// This one and another, added.
    #[inline(always)]
    fn turned<const C: usize>(self, lanes: impl Lanes<C, Floats = F>, by: Self) -> Self {
        Self {
            sin: lanes.fused(self.sin, by.cos, self.cos * by.sin),
            cos: lanes.fused(self.cos, by.cos, -(self.sin * by.sin)),
        }
    }
}

impl<const C: usize> Turns<C> {
    const STILL: Self = Self {
        cos: [[1.0; C]; CELL_FRAMES],
        sin: [[0.0; C]; CELL_FRAMES],
        of_cell: [[0.0; C], [1.0; C]],
        step: [0; C],
    };

    #[inline(always)]
    fn prepare<L: Lanes<C>>(&mut self, lanes: L, step: L::Ints) {
        if Ints::eq(lanes.load_ints(&self.step), step).all() {
            return;
        }
        lanes.store_ints(step, &mut self.step);
        let mut phase = lanes.all_ints(0);
        for n in 0..CELL_FRAMES {
            let angle = Angle::<L::Floats>::of(phase);
            lanes.store(angle.sin, &mut self.sin[n]);
            lanes.store(angle.cos, &mut self.cos[n]);
            phase = phase.plus(step);
        }
        let angle = Angle::<L::Floats>::of(phase);
        lanes.store(angle.sin, &mut self.of_cell[0]);
        lanes.store(angle.cos, &mut self.of_cell[1]);
    }

    #[inline(always)]
    fn of_cell<L: Lanes<C>>(&self, lanes: L) -> Angle<L::Floats> {
        let [sin, cos] = &self.of_cell;
        Angle { sin: lanes.load(sin), cos: lanes.load(cos) }
    }

    /// Where the cell of frame `n` of the block starts, given the phase in that frame.
    #[inline(always)]
    fn cell_start<L: Lanes<C>>(&self, lanes: L, phase: L::Ints, n: usize) -> Angle<L::Floats> {
        let since = lanes.load_ints(&self.step).times(lanes.all_ints(n as u32));
        let mut start = Angle::<L::Floats>::of(phase.minus(since));
        for _ in 0..n / CELL_FRAMES {
            start = start.turned(lanes, self.of_cell(lanes));
        }
        start
    }
}

impl<const C: usize> Sine<C> {
    /// A sine at phase 0.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            steps: PhaseSteps::new(rate_hz),
            phase: [0; C],
            step: [0; C],
            rested: [0; C],
            settled_at: None,
            turns: Turns::STILL,
        }
    }

    /// As [`process`](Kernel::process), with a cable at [`FM`]. A silent one changes no bit.
    #[inline(always)]
    fn process_modulated<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [freq, gain, index] = [FREQ, GAIN, INDEX].map(|param| io.param::<C>(param));
        let (freq, gain, index) = (freq.on(lanes), gain.on(lanes), index.on(lanes));
        let ([fm], [out]) = io.ports::<C, 1, 1>();
        let mut phase = lanes.load_ints(&self.phase);
        let mut step = self.steps.of(freq.at(0));
        let mut turns = turns_of(step);
        for (n, (out, fm)) in out.iter_mut().zip(fm).enumerate() {
            if freq.is_moving() {
                step = self.steps.of(freq.at(n));
                turns = turns_of(step);
            }
            lanes.store(sine_of_phase(phase) * gain.at(n), out);
            let more = deviation(turns, index.at(n) * lanes.load(fm));
            phase = phase.plus(step).plus(more);
        }
        lanes.store_ints(phase, &mut self.phase);
        lanes.store_ints(step, &mut self.step);
        (self.rested, self.settled_at) = ([0; C], None);
    }

    #[inline(always)]
    fn advance<L: Lanes<C>>(&mut self, lanes: L, frames: usize) {
        let way = lanes.load_ints(&self.step).times(lanes.all_ints(frames as u32));
        lanes.store_ints(lanes.load_ints(&self.phase).plus(way), &mut self.phase);
    }

    /// Takes the step of the next frames, so many. Returns in which channels it rests.
    #[inline(always)]
    fn take<L: Lanes<C>>(&mut self, lanes: L, step: L::Ints, frames: usize) -> L::Mask {
        let (more, most) = (lanes.all_ints(frames as u32 - 1), lanes.all_ints(REST_FRAMES));
        let rested = lanes.load_ints(&self.rested).plus(lanes.all_ints(1)).plus(more);
        let is_same = Ints::eq(lanes.load_ints(&self.step), step);
        let rested = L::Ints::choose(is_same, rested, more);
        let rests = !rested.lt_signed(most);
        lanes.store_ints(L::Ints::choose(rests, most, rested), &mut self.rested);
        lanes.store_ints(step, &mut self.step);
        rests
    }

    /// Frame `n` of the block, whose step has been taken.
    #[inline(always)]
    fn frame<L: Lanes<C>>(
        &mut self,
        lanes: L,
        n: usize,
        gain: L::Floats,
        rests: L::Mask,
    ) -> L::Floats {
        let phase = lanes.load_ints(&self.phase);
        let mut tone = sine_of_phase(phase) * gain;
        if rests.any() {
            // What channels get whose frequencies rest while others move.
            let (step, other) = (lanes.load_ints(&self.step), lanes.load_ints(&self.turns.step));
            self.turns.prepare(lanes, L::Ints::choose(rests, step, other));
            let start = self.turns.cell_start(lanes, phase, n).times(gain);
            let Turns { cos, sin, .. } = &self.turns;
            let (cos, sin) = (&cos[n % CELL_FRAMES], &sin[n % CELL_FRAMES]);
            let turned = start.sine_after(lanes, lanes.load(cos), lanes.load(sin));
            tone = L::Floats::choose(rests, turned, tone);
        }
        self.advance(lanes, 1);
        silent_where_0(tone, gain)
    }

    /// Frames of which some frequency moves or has not rested for long. Returns how many there are before all do.
    #[inline(always)]
    fn unsettled<L: Lanes<C>>(
        &mut self,
        lanes: L,
        freq: &LanesParam<'_, C, L>,
        first: usize,
        out: &mut [[f32; C]],
        gain: &LanesParam<'_, C, L>,
    ) -> usize {
        for (n, out) in out.iter_mut().enumerate() {
            let step = self.steps.of(freq.at(n));
            let rests = self.take(lanes, step, 1);
            if !freq.is_moving() && rests.all() {
                self.turns.prepare(lanes, step);
                return n;
            }
            lanes.store(self.frame(lanes, first + n, gain.at(n), rests), out);
        }
        out.len()
    }

    /// Frames while all frequencies rest and their turns are there, but for those that are `done`.
    #[inline(always)]
    fn cells<L: Lanes<C>>(
        &mut self,
        lanes: L,
        first: usize,
        mut done: usize,
        out: &mut [[f32; C]],
        gain: &LanesParam<'_, C, L>,
    ) {
        let (phase, of_cell) = (lanes.load_ints(&self.phase), self.turns.of_cell(lanes));
        let mut start = self.turns.cell_start(lanes, phase, first + done);
        self.advance(lanes, out.len() - done);
        let Turns { cos, sin, .. } = &self.turns;
        let rests = !gain.is_moving() && !gain.at(0).eq(lanes.all(0.0)).any();
        while done < out.len() {
            let n = (first + done) % CELL_FRAMES;
            let end = out.len().min(done + CELL_FRAMES - n);
            let cell = &mut out[done..end];
            match <&mut [_; CELL_FRAMES]>::try_from(&mut *cell) {
                // How many there are is known, and which, which leaves less to count.
                Ok(whole) if rests => {
                    let start = start.times(gain.at(0));
                    for n in 0..CELL_FRAMES {
                        let (cos, sin) = (lanes.load(&cos[n]), lanes.load(&sin[n]));
                        lanes.store(start.sine_after(lanes, cos, sin), &mut whole[n]);
                    }
                }
                _ => {
                    for (i, (out, (cos, sin))) in
                        cell.iter_mut().zip(cos[n..].iter().zip(&sin[n..])).enumerate()
                    {
                        let gain = gain.at(done + i);
                        let (cos, sin) = (lanes.load(cos), lanes.load(sin));
                        let tone = start.times(gain).sine_after(lanes, cos, sin);
                        lanes.store(silent_where_0(tone, gain), out);
                    }
                }
            }
            start = start.turned(lanes, of_cell);
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
    fn pass<L: Lanes<C>>(&mut self, lanes: L, io: &Io<'_>) {
        let Range { start, end } = io.frames;
        if !self.is_settled(io.steady(FREQ)) {
            self.settled_at = None;
            let freq = io.param::<C>(FREQ).on(lanes);
            if freq.is_moving() {
                for n in 0..end - start {
                    self.take(lanes, self.steps.of(freq.at(n)), 1);
                    self.advance(lanes, 1);
                }
                return;
            }
            if start < end {
                self.take(lanes, self.steps.of(freq.at(0)), end - start);
            }
        }
        self.advance(lanes, end - start);
    }
}

const TURN: f32 = 4_294_967_296.0;

/// A step as turns.
#[inline(always)]
fn turns_of<I: Ints>(step: I) -> I::Floats {
    // A step is below half a turn, and vectors convert only signed numbers.
    step.to_floats() * (1.0 / TURN)
}

/// So many times the turns of a step, less whole ones: those change nothing, because the phase of a sine is all
/// that is heard of it. So its frequency may go as far as it likes, also beyond half the rate for a
/// moment.
#[inline(always)]
fn deviation<F: Floats>(turns: F, times: F) -> F::Ints {
    // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    let turns = turns * times;
    let rest = turns - ((turns + ROUND) - ROUND);
    (rest * TURN).to_ints()
}

/// Silence is what it is while a gain of 0 rests: positive.
#[inline(always)]
fn silent_where_0<F: Floats>(tone: F, gain: F) -> F {
    let zero = tone.like(0.0);
    F::choose(gain.eq(zero), zero, tone)
}

impl<const C: usize> Kernel<C> for Sine<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.phase, self.step) = ([0; C], [0; C]);
        (self.rested, self.settled_at) = ([0; C], None);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        if io.is_connected(FM) {
            return self.process_modulated(lanes, io);
        }
        let (freq, gain) = (io.param::<C>(FREQ), io.param::<C>(GAIN));
        if !gain.is_moving() && same(&gain.at(0), &[0.0; C]) {
            self.pass(lanes, io);
            return io.silence(0);
        }
        let (freq, gain) = (freq.on(lanes), gain.on(lanes));
        let (freq_in_all, first) = (io.steady(FREQ), io.frames.start);
        let ([_], [out]) = io.ports::<C, 1, 1>();
        if out.is_empty() {
            return;
        }
        let mut done = 0;
        if !self.is_settled(freq_in_all) {
            done = self.unsettled(lanes, &freq, first, out, &gain);
            self.settled_at = freq_in_all.filter(|_| done < out.len());
        }
        if done < out.len() {
            self.cells(lanes, first, done, out, &gain);
        }
    }

    #[inline(always)]
    fn skip<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        io.keep_outputs();
        self.pass(lanes, io);
    }
}
