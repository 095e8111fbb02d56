//! The classic two-pole filter: all modes of Robert Bristow-Johnson's "Cookbook formulae for audio EQ
//! biquad filter coefficients".
//!
//! It is not computed as he writes it, in direct form, which in `f32` is noisy and unfaithful at low
//! frequencies, but as two integrators whose outputs are mixed (the trapezoidal state-variable filter, after
//! Andrew Simper). That has the same response, keeps it in `f32`, and is stable however it is modulated.
//! All modes share the integrators, so a change of mode is a crossfade, and the filter goes on ringing.
//!
//! What an integrator holds depends on what both held a frame ago, and a processor waits longer for that than
//! the arithmetic takes. So a filter that rests goes two frames at once. Pairs begin at even frames of the
//! block, wherever commands split it: of a pair that is split, the first input is kept.

use core::marker::PhantomData;
use core::ops::Range;

use crate::fused::Fused;
use crate::io::{Io, Param};
use crate::math::{exp2, frames_of_ms, same, tan_of_turns};
use crate::module::{BLOCK_FRAMES, Curve, Module, ModuleSpec, ParamSpec, PortSpec};
use crate::smooth::Ramp;

/// The kind `biquad`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "biquad",
    summary: "A filter with a resonance, from low-pass to shelves; it falls by 12 dB per octave.",
    inputs: &[PortSpec::audio("in", "the signal to be filtered")],
    outputs: &[PortSpec::audio("out", "the filtered signal")],
    params: &[
        ParamSpec::choice(
            "mode",
            &[
                "low-pass",
                "high-pass",
                "band-pass",
                "notch",
                "all-pass",
                "peaking",
                "low-shelf",
                "high-shelf",
            ],
            "which part of the spectrum passes or, from peaking on, is turned up or down; a band-pass \
             peaks at 0 dB",
        ),
        ParamSpec {
            name: "cutoff",
            unit: "Hz",
            min: 20.0,
            max: 20_000.0,
            default: 2_000.0,
            smoothing_ms: 10.0,
            curve: Curve::Exponential,
            choices: &[],
            doc: "corner or centre frequency, held below 0.49 of the rate",
        },
        ParamSpec {
            name: "q",
            unit: "",
            min: 0.1,
            max: 30.0,
            default: 0.707,
            smoothing_ms: 10.0,
            curve: Curve::Exponential,
            choices: &[],
            doc: "resonance; 0.707 is flat",
        },
        ParamSpec::number(
            "gain",
            "dB",
            [-30.0, 30.0],
            0.0,
            "how much peaking and shelves turn up, or down if negative",
        )
        .smoothed(10.0),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const MODE: usize = 0;
const CUTOFF: usize = 1;
const Q: usize = 2;
const GAIN: usize = 3;
const MODES: usize = 8;
/// The low-pass alone.
const LOW_PASS: [f32; MODES] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
/// A change of mode is a crossfade of about this length.
const MODE_MS: f32 = 10.0;
const CUTOFF_MAX_OF_RATE: f32 = 0.49;
/// The filter is designed once per cell of this many frames and moves in straight lines between. Cells
/// begin at multiples of this in the block, wherever commands split it.
const CELL_FRAMES: usize = 16;
/// State below this (-400 dB) counts as silence, long before it would be denormal.
const SILENCE: f32 = 1e-20;
/// State beyond this, or that is no number, is none of this filter's making and is forgotten.
const BEYOND: f32 = 1e20;

const _: () = assert!(BLOCK_FRAMES.is_multiple_of(CELL_FRAMES));

/// What is wanted.
#[derive(Clone, Copy, PartialEq)]
struct Design<const C: usize> {
    cutoff_hz: [f32; C],
    q: [f32; C],
    gain_db: [f32; C],
    /// How much of each mode is heard: one of them is 1 unless the mode has just changed.
    mix: [f32; MODES],
}

/// A filter for each channel. Anything between two of them is one as well, and stable.
#[derive(Clone, Copy)]
struct Shape<const C: usize> {
    /// The gain of an integrator in half a frame: `tan(pi cutoff / rate)`.
    g: [f32; C],
    /// The damping, `1 / q`.
    k: [f32; C],
    /// How much is heard of the input, the band-pass and the low-pass.
    mix: [[f32; C]; 3],
}

/// What the integrators are computed with: how much of what is left of the input after the second
/// goes into the first, and how much into the second; and how much the first keeps. As much as goes into
/// the first goes from there into the second.
#[derive(Clone, Copy)]
struct Rates<const C: usize> {
    first: [f32; C],
    second: [f32; C],
    keeps: [f32; C],
}

/// See [`SPEC`].
pub struct Biquad<const C: usize, F> {
    rate_hz: u32,
    mode_mix: [Ramp; MODES],
    /// What `cell_end` was designed from; `None` before the first frame, which starts there.
    designed: Option<Design<C>>,
    cell_start: Shape<C>,
    /// Where the filter arrives at the end of this cell.
    cell_end: Shape<C>,
    is_moving: bool,
    /// Those of `cell_end`, for one frame and for two.
    rates: Rates<C>,
    rates_of_two: RatesOfTwo<C>,
    /// Whether `cell_end` is a low-pass and nothing else.
    is_low_pass: bool,
    /// What the parameters were, the same in all channels, when the filter was found settled.
    settled_at: Option<[f32; 4]>,
    /// Half of what the two integrators hold.
    state: [[f32; C]; 2],
    /// The input of a frame whose pair is not complete; `state` is that before it. Else 0.
    begun: [f32; C],
    fuses: PhantomData<F>,
}

impl<const C: usize> Shape<C> {
    const NONE: Self = Self { g: [0.0; C], k: [0.0; C], mix: [[0.0; C]; 3] };

    #[inline(always)]
    fn of(design: &Design<C>, rate_hz: u32) -> Self {
        let half_turns = 0.5 / rate_hz as f32;
        let cutoff_max_hz = CUTOFF_MAX_OF_RATE * rate_hz as f32;
        let [low, high, band, notch, all, peak, low_shelf, high_shelf] = design.mix;
        let mut shape = Self::NONE;
        for c in 0..C {
            // The square root of the gain, and its own.
            let a = exp2(design.gain_db[c] * (core::f32::consts::LOG2_10 / 40.0));
            let root = exp2(design.gain_db[c] * (core::f32::consts::LOG2_10 / 80.0));
            let g = tan_of_turns(design.cutoff_hz[c].min(cutoff_max_hz) * half_turns);
            let g = g * (1.0 + low_shelf * (1.0 / root - 1.0) + high_shelf * (root - 1.0));
            let k = 1.0 / design.q[c] * (1.0 + peak * (1.0 / a - 1.0));
            (shape.g[c], shape.k[c]) = (g, k);
            // Rounding made the damping a little different: a notch would not be deep.
            let (first, _, keeps) = rates(g, k);
            let k = (1.0 - keeps) / first - first / (1.0 + keeps);
            let square = a * a - 1.0;
            let through = high + notch + all + peak + low_shelf + high_shelf * (1.0 + square);
            let middle = band - high - notch - 2.0 * all + peak * square;
            let middle = middle + (a - 1.0) * (low_shelf - high_shelf * a);
            let deep = low - high + (low_shelf - high_shelf) * square;
            for (mix, value) in shape.mix.iter_mut().zip([through, k * middle, deep]) {
                mix[c] = value;
            }
        }
        shape
    }

    /// So far (0 to 1) on the way to another.
    #[inline(always)]
    fn towards(&self, end: &Self, way: f32) -> Self {
        let between = |start: &[f32; C], end: &[f32; C]| {
            let mut between = *start;
            for c in 0..C {
                between[c] += (end[c] - start[c]) * way;
            }
            between
        };
        let mut mix = self.mix;
        for (mix, end) in mix.iter_mut().zip(&end.mix) {
            *mix = between(mix, end);
        }
        Self { g: between(&self.g, &end.g), k: between(&self.k, &end.k), mix }
    }

    #[inline(always)]
    fn rates(&self) -> Rates<C> {
        let [mut first, mut second, mut keeps] = [[0.0; C]; 3];
        for c in 0..C {
            (first[c], second[c], keeps[c]) = rates(self.g[c], self.k[c]);
        }
        Rates { first, second, keeps }
    }
}

#[inline(always)]
fn rates(g: f32, k: f32) -> (f32, f32, f32) {
    let twice = 2.0 / (1.0 + g * (g + k));
    (twice * g, twice * g * g, twice - 1.0)
}

/// One frame of both integrators; the band-pass and the low-pass.
#[inline(always)]
fn integrate<const C: usize, F: Fused>(
    [first, second]: &mut [[f32; C]; 2],
    rates: &Rates<C>,
    x: &[f32; C],
) -> [[f32; C]; 2] {
    let [mut band, mut low] = [[0.0; C]; 2];
    for c in 0..C {
        let left = F::fused(0.5, x[c], -second[c]);
        let first_next = F::fused(rates.first[c], left, rates.keeps[c] * first[c]);
        let second_next = F::fused(rates.first[c], first[c], second[c]);
        let second_next = F::fused(rates.second[c], left, second_next);
        (band[c], low[c]) = (first[c] + first_next, second[c] + second_next);
        (first[c], second[c]) = (first_next, second_next);
    }
    [band, low]
}

/// The same for two frames at once. What the first keeps of what it holds is so near to all, if the filter is
/// low and rings long, that what it loses is the better number: notches stay deep.
#[derive(Clone, Copy)]
struct RatesOfTwo<const C: usize> {
    first: [f32; C],
    second: [f32; C],
    loses: [f32; C],
}

impl<const C: usize> Rates<C> {
    #[inline(always)]
    fn of_two(&self) -> RatesOfTwo<C> {
        let [mut first, mut second, mut loses] = [[0.0; C]; 3];
        for c in 0..C {
            let (f, s, k) = (self.first[c], self.second[c], self.keeps[c]);
            first[c] = f * ((1.0 - s) + k);
            second[c] = s * (2.0 - s) + f * f;
            loses[c] = (1.0 - k) * (1.0 + k) + f * f;
        }
        RatesOfTwo { first, second, loses }
    }
}

/// As [`integrate`], two frames at once: the state after them takes no longer than that after one.
#[inline(always)]
fn integrate_two<const C: usize, F: Fused>(
    [first, second]: &mut [[f32; C]; 2],
    rates: &Rates<C>,
    of_two: &RatesOfTwo<C>,
    x: [&[f32; C]; 2],
) -> [[[f32; C]; 2]; 2] {
    let mut heard = [[[0.0; C]; 2]; 2];
    for c in 0..C {
        let (was_first, was_second) = (first[c], second[c]);
        let left = F::fused(0.5, x[0][c], -was_second);
        let more = 0.5 * (x[1][c] - x[0][c]);
        let mid_first = F::fused(rates.first[c], left, rates.keeps[c] * was_first);
        let mid_second = F::fused(rates.first[c], was_first, was_second);
        let mid_second = F::fused(rates.second[c], left, mid_second);
        let next_first = F::fused(rates.first[c], more, was_first);
        let next_first = F::fused(-of_two.loses[c], was_first, next_first);
        first[c] = F::fused(of_two.first[c], left, next_first);
        let next_second = F::fused(rates.second[c], more, was_second);
        let next_second = F::fused(of_two.first[c], was_first, next_second);
        second[c] = F::fused(of_two.second[c], left, next_second);
        (heard[0][0][c], heard[0][1][c]) = (was_first + mid_first, was_second + mid_second);
        (heard[1][0][c], heard[1][1][c]) = (mid_first + first[c], mid_second + second[c]);
    }
    heard
}

#[inline(always)]
fn mix<const C: usize, F: Fused>(
    [a, b, d]: &[[f32; C]; 3],
    x: &[f32; C],
    [band, low]: [[f32; C]; 2],
) -> [f32; C] {
    let mut mixed = [0.0; C];
    for c in 0..C {
        mixed[c] = F::fused(d[c], low[c], F::fused(b[c], band[c], a[c] * x[c]));
    }
    mixed
}

impl<const C: usize, F: Fused> Biquad<C, F> {
    /// A filter at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            mode_mix: [Ramp::REST; MODES],
            designed: None,
            cell_start: Shape::NONE,
            cell_end: Shape::NONE,
            is_moving: false,
            rates: Shape::NONE.rates(),
            rates_of_two: Shape::NONE.rates().of_two(),
            is_low_pass: false,
            settled_at: None,
            state: [[0.0; C]; 2],
            begun: [0.0; C],
            fuses: PhantomData,
        }
    }

    /// What is to be heard, from the parameters in the first frame of a cell. The first channel says
    /// the mode for all.
    fn next_mix(&mut self, mode: usize) -> [f32; MODES] {
        let cells = frames_of_ms(MODE_MS, self.rate_hz).div_ceil(CELL_FRAMES as u32);
        let mut mix = [0.0; MODES];
        for (index, (ramp, mix)) in self.mode_mix.iter_mut().zip(&mut mix).enumerate() {
            let target = if index == mode { 1.0 } else { 0.0 };
            if self.designed.is_none() {
                ramp.snap_to(target);
            }
            ramp.follow(target, cells);
            *mix = ramp.step();
        }
        mix
    }

    #[inline(always)]
    fn begin_cell(&mut self, wanted: &Wanted<'_, C>, n: usize) {
        let mode = wanted.mode.at(n)[0] as usize;
        let mix = match &self.designed {
            Some(designed) if self.mode_rests(mode) => designed.mix,
            _ => self.next_mix(mode),
        };
        let (cutoff_hz, q, gain_db) =
            (wanted.cutoff_hz.at(n), wanted.q.at(n), wanted.gain_db.at(n));
        let design = Design { cutoff_hz, q, gain_db, mix };
        self.cell_start = self.cell_end;
        self.is_moving = self.designed != Some(design);
        if self.is_moving {
            self.cell_end = Shape::of(&design, self.rate_hz);
            self.rates = self.cell_end.rates();
            self.rates_of_two = self.rates.of_two();
            self.is_low_pass = design.mix == LOW_PASS;
            if self.designed.is_none() {
                self.cell_start = self.cell_end;
            }
            self.designed = Some(design);
        }
    }

    fn mode_rests(&self, mode: usize) -> bool {
        self.mode_mix[mode].target() == 1.0 && !self.mode_mix.iter().any(Ramp::is_moving)
    }

    /// Whether the filter stays as it is in all these frames, given that no parameter moves.
    #[inline(always)]
    fn is_settled(&self, wanted: &Wanted<'_, C>) -> bool {
        let mode = wanted.mode.at(0)[0] as usize;
        !self.is_moving
            && self.mode_rests(mode)
            && match &self.designed {
                Some(designed) => {
                    same(&designed.cutoff_hz, &wanted.cutoff_hz.at(0))
                        && same(&designed.q, &wanted.q.at(0))
                        && same(&designed.gain_db, &wanted.gain_db.at(0))
                }
                None => false,
            }
    }

    /// Filters frames of a cell while the filter moves; `n` is how many were before them.
    #[inline(always)]
    fn filter_moving(&mut self, n: usize, input: &[[f32; C]], out: &mut [[f32; C]]) {
        let mut state = self.state;
        for (i, (x, y)) in input.iter().zip(out).enumerate() {
            let way = (n + i + 1) as f32 * (1.0 / CELL_FRAMES as f32);
            let shape = self.cell_start.towards(&self.cell_end, way);
            let integrated = integrate::<C, F>(&mut state, &shape.rates(), x);
            *y = mix::<C, F>(&shape.mix, x, integrated);
        }
        self.state = state;
    }

    /// Filters frames in which it rests, of which the first is frame `start` of the block.
    #[inline(always)]
    fn filter(&mut self, start: usize, input: &[[f32; C]], out: &mut [[f32; C]]) {
        if self.is_low_pass {
            self.filter_pairs::<true>(start, input, out);
        } else {
            self.filter_pairs::<false>(start, input, out);
        }
    }

    /// What is heard of the input and both integrators.
    #[inline(always)]
    fn heard<const LOW_PASS: bool>(
        shape: &[[f32; C]; 3],
        x: &[f32; C],
        integrated: [[f32; C]; 2],
    ) -> [f32; C] {
        if LOW_PASS { integrated[1] } else { mix::<C, F>(shape, x, integrated) }
    }

    #[inline(always)]
    fn filter_pairs<const LOW_PASS: bool>(
        &mut self,
        start: usize,
        input: &[[f32; C]],
        out: &mut [[f32; C]],
    ) {
        let shape = self.cell_end.mix;
        // Held in registers, and stored once.
        let (rates, of_two, mut state) = (self.rates, self.rates_of_two, self.state);
        let begun = core::mem::replace(&mut self.begun, [0.0; C]);
        let (ends, input) = input.split_at(start % 2);
        let (out_ends, out) = out.split_at_mut(start % 2);
        if let ([x], [y]) = (ends, out_ends) {
            let [_, integrated] = integrate_two::<C, F>(&mut state, &rates, &of_two, [&begun, x]);
            *y = Self::heard::<LOW_PASS>(&shape, x, integrated);
        }
        let ((pairs, rest), (out_pairs, out_rest)) =
            (input.as_chunks::<2>(), out.as_chunks_mut::<2>());
        for ([x0, x1], [y0, y1]) in pairs.iter().zip(out_pairs) {
            let [now, then] = integrate_two::<C, F>(&mut state, &rates, &of_two, [x0, x1]);
            (*y0, *y1) = (
                Self::heard::<LOW_PASS>(&shape, x0, now),
                Self::heard::<LOW_PASS>(&shape, x1, then),
            );
        }
        if let ([x], [y]) = (rest, out_rest) {
            let mut thrown_away = state;
            let [integrated, _] = integrate_two::<C, F>(&mut thrown_away, &rates, &of_two, [x, x]);
            *y = Self::heard::<LOW_PASS>(&shape, x, integrated);
            self.begun = *x;
        }
        self.state = state;
    }

    #[inline(always)]
    fn is_at_rest(&self) -> bool {
        let zero = [0.0; C];
        same(&self.state[0], &zero) & same(&self.state[1], &zero) & same(&self.begun, &zero)
    }

    /// Frames in which the filter may change.
    #[inline(always)]
    fn process_moving(&mut self, wanted: &Wanted<'_, C>, io: &mut Io<'_>) {
        let Range { start: first, end } = io.frames.clone();
        let is_silent = io.is_silent(0) && self.is_at_rest();
        if is_silent {
            io.silence(0);
        }
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let mut start = first;
        while start < end {
            if start.is_multiple_of(CELL_FRAMES) {
                self.begin_cell(wanted, start - first);
            }
            let cell_end = (start + 1).next_multiple_of(CELL_FRAMES).min(end);
            let piece = start - first..cell_end - first;
            let (input, out) = (&input[piece.clone()], &mut out[piece]);
            match (is_silent, self.is_moving) {
                (true, _) => (),
                (false, true) => self.filter_moving(start % CELL_FRAMES, input, out),
                (false, false) => self.filter(start, input, out),
            }
            start = cell_end;
        }
        if end == BLOCK_FRAMES {
            self.end_block();
        }
    }

    /// Ends what rings below all hearing, and what should not be.
    #[inline(always)]
    fn end_block(&mut self) {
        for state in &mut self.state {
            // Stored whole: a store that leaves some channels out is slow.
            let mut kept = *state;
            for c in 0..C {
                let is_sound = (SILENCE..BEYOND).contains(&kept[c].abs());
                kept[c] = if is_sound { kept[c] } else { 0.0 };
            }
            *state = kept;
        }
    }
}

/// The parameters.
struct Wanted<'a, const C: usize> {
    mode: Param<'a, C>,
    cutoff_hz: Param<'a, C>,
    q: Param<'a, C>,
    gain_db: Param<'a, C>,
}

impl<const C: usize> Wanted<'_, C> {
    #[inline(always)]
    fn is_moving(&self) -> bool {
        self.mode.is_moving()
            | self.cutoff_hz.is_moving()
            | self.q.is_moving()
            | self.gain_db.is_moving()
    }
}

/// The parameters, if each is the same in all channels and frames.
#[inline(always)]
fn in_all(io: &Io<'_>) -> Option<[f32; 4]> {
    Some([io.steady(MODE)?, io.steady(CUTOFF)?, io.steady(Q)?, io.steady(GAIN)?])
}

impl<const C: usize, F: Fused> Module for Biquad<C, F> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        if io.frames.is_empty() {
            return;
        }
        let in_all = in_all(io);
        if in_all.is_none() || in_all != self.settled_at {
            let (mode, cutoff_hz, q) = (io.param(MODE), io.param(CUTOFF), io.param(Q));
            let wanted = Wanted { mode, cutoff_hz, q, gain_db: io.param(GAIN) };
            self.settled_at = None;
            if wanted.is_moving() || !self.is_settled(&wanted) {
                return self.process_moving(&wanted, io);
            }
            self.settled_at = in_all;
        }
        if io.is_silent(0) && self.is_at_rest() {
            return io.silence(0);
        }
        let Range { start, end } = io.frames;
        let ([input], [out]) = io.ports::<C, 1, 1>();
        self.filter(start, input, out);
        if end == BLOCK_FRAMES {
            self.end_block();
        }
    }
}
