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

use core::ops::Range;

use crate::io::{Io, Param};
use crate::lanes::{Floats, Lanes};
use crate::math::{exp2, frames_of_ms, same, tan_of_turns};
use crate::module::{BLOCK_FRAMES, Curve, MIDDLE_C_HZ, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;
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
            default: MIDDLE_C_HZ,
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
struct Shape<F> {
    /// The gain of an integrator in half a frame: `tan(pi cutoff / rate)`.
    g: F,
    /// The damping, `1 / q`.
    k: F,
    /// How much is heard of the input, the band-pass and the low-pass.
    mix: [F; 3],
}

/// What the integrators are computed with: how much of what is left of the input after the second
/// goes into the first, and how much into the second; and how much the first keeps. As much as goes into
/// the first goes from there into the second.
#[derive(Clone, Copy)]
struct Rates<F> {
    first: F,
    second: F,
    keeps: F,
}

/// The same for two frames at once. What the first keeps of what it holds is so near to all, if the filter is
/// low and rings long, that what it loses is the better number: notches stay deep.
#[derive(Clone, Copy)]
struct RatesOfTwo<F> {
    first: F,
    second: F,
    loses: F,
}

/// See [`SPEC`].
pub struct Biquad<const C: usize> {
    rate_hz: u32,
    mode_mix: [Ramp; MODES],
    /// What `cell_end` was designed from; `None` before the first frame, which starts there.
    designed: Option<Design<C>>,
    cell_start: Shape<[f32; C]>,
    /// Where the filter arrives at the end of this cell.
    cell_end: Shape<[f32; C]>,
    is_moving: bool,
    /// Those of `cell_end`, for one frame and for two.
    rates: Rates<[f32; C]>,
    rates_of_two: RatesOfTwo<[f32; C]>,
    /// Whether `cell_end` is a low-pass and nothing else.
    is_low_pass: bool,
    /// What the parameters were, the same in all channels, when the filter was found settled.
    settled_at: Option<[f32; 4]>,
    /// Half of what the two integrators hold.
    state: [[f32; C]; 2],
    /// The input of a frame whose pair is not complete; `state` is that before it. Else 0.
    begun: [f32; C],
}

/// The square root of so many decibels as a factor, and the root of that.
#[inline(always)]
fn roots_of_db<F: Floats>(gain_db: F) -> (F, F) {
    let root = |part: f32| exp2(gain_db * (core::f32::consts::LOG2_10 / part));
    (root(40.0), root(80.0))
}

impl<F: Floats> Shape<F> {
    #[inline(always)]
    fn of<const C: usize>(
        lanes: impl Lanes<C, Floats = F>,
        design: &Design<C>,
        rate_hz: u32,
    ) -> Self {
        let half_turns = 0.5 / rate_hz as f32;
        let cutoff_max_hz = lanes.all(CUTOFF_MAX_OF_RATE * rate_hz as f32);
        let [low, high, band, notch, all, peak, low_shelf, high_shelf] = design.mix;
        let one = lanes.all(1.0);
        let (a, root) = roots_of_db(lanes.load(&design.gain_db));
        let g = tan_of_turns(lanes.load(&design.cutoff_hz).at_most(cutoff_max_hz) * half_turns);
        let g = g * ((one / root - 1.0) * low_shelf + 1.0 + (root - 1.0) * high_shelf);
        let k = one / lanes.load(&design.q) * ((one / a - 1.0) * peak + 1.0);
        // Rounding made the damping a little different: a notch would not be deep.
        let Rates { first, keeps, .. } = Rates::of(g, k);
        let rounded_k = (one - keeps) / first - first / (one + keeps);
        let square = a * a - 1.0;
        let through = (square + 1.0) * high_shelf + (high + notch + all + peak + low_shelf);
        let middle = square * peak + (band - high - notch - 2.0 * all);
        let middle = middle + (a - 1.0) * (lanes.all(low_shelf) - a * high_shelf);
        let deep = square * (low_shelf - high_shelf) + (low - high);
        Self { g, k, mix: [through, rounded_k * middle, deep] }
    }

    /// So far (0 to 1) on the way to another.
    #[inline(always)]
    fn towards(&self, end: &Self, way: f32) -> Self {
        let between = |start: F, end: F| start + (end - start) * way;
        let ([a, b, d], [a_end, b_end, d_end]) = (self.mix, end.mix);
        Self {
            g: between(self.g, end.g),
            k: between(self.k, end.k),
            mix: [between(a, a_end), between(b, b_end), between(d, d_end)],
        }
    }

    #[inline(always)]
    fn store<const C: usize>(self, lanes: impl Lanes<C, Floats = F>, to: &mut Shape<[f32; C]>) {
        lanes.store(self.g, &mut to.g);
        lanes.store(self.k, &mut to.k);
        for (mix, to) in self.mix.into_iter().zip(&mut to.mix) {
            lanes.store(mix, to);
        }
    }
}

impl<const C: usize> Shape<[f32; C]> {
    const NONE: Self = Self { g: [0.0; C], k: [0.0; C], mix: [[0.0; C]; 3] };

    #[inline(always)]
    fn load<L: Lanes<C>>(&self, lanes: L) -> Shape<L::Floats> {
        let [a, b, d] = &self.mix;
        let mix = [lanes.load(a), lanes.load(b), lanes.load(d)];
        Shape { g: lanes.load(&self.g), k: lanes.load(&self.k), mix }
    }
}

impl<F: Floats> Rates<F> {
    #[inline(always)]
    fn of(g: F, k: F) -> Self {
        let twice = g.like(2.0) / (g * (g + k) + 1.0);
        Self { first: twice * g, second: twice * g * g, keeps: twice - 1.0 }
    }

    #[inline(always)]
    fn of_two(&self) -> RatesOfTwo<F> {
        let Self { first, second, keeps } = *self;
        let one = first.like(1.0);
        RatesOfTwo {
            first: first * ((one - second) + keeps),
            second: second * (first.like(2.0) - second) + first * first,
            loses: (one - keeps) * (one + keeps) + first * first,
        }
    }
}

/// What both integrators hold.
#[derive(Clone, Copy)]
struct State<F>([F; 2]);

/// What is heard of them in a frame: the band-pass and the low-pass.
type Integrated<F> = [F; 2];

impl<F: Floats> State<F> {
    /// One frame of both.
    #[inline(always)]
    fn integrate<const C: usize>(
        &mut self,
        lanes: impl Lanes<C, Floats = F>,
        rates: &Rates<F>,
        x: F,
    ) -> Integrated<F> {
        let Self([first, second]) = *self;
        let left = lanes.fused(lanes.all(0.5), x, -second);
        let first_next = lanes.fused(rates.first, left, rates.keeps * first);
        let second_next = lanes.fused(rates.first, first, second);
        let second_next = lanes.fused(rates.second, left, second_next);
        *self = Self([first_next, second_next]);
        [first + first_next, second + second_next]
    }

    /// The same, two frames at once: the state after them takes no longer than that after one.
    #[inline(always)]
    fn integrate_two<const C: usize>(
        &mut self,
        lanes: impl Lanes<C, Floats = F>,
        rates: &Rates<F>,
        of_two: &RatesOfTwo<F>,
        x: [F; 2],
    ) -> [Integrated<F>; 2] {
        let Self([first, second]) = *self;
        let left = lanes.fused(lanes.all(0.5), x[0], -second);
        let more = (x[1] - x[0]) * 0.5;
        let mid_first = lanes.fused(rates.first, left, rates.keeps * first);
        let mid_second = lanes.fused(rates.first, first, second);
        let mid_second = lanes.fused(rates.second, left, mid_second);
        let next_first = lanes.fused(rates.first, more, first);
        let next_first = lanes.fused(-of_two.loses, first, next_first);
        let next_first = lanes.fused(of_two.first, left, next_first);
        let next_second = lanes.fused(rates.second, more, second);
        let next_second = lanes.fused(of_two.first, first, next_second);
        let next_second = lanes.fused(of_two.second, left, next_second);
        *self = Self([next_first, next_second]);
        [
            [first + mid_first, second + mid_second],
            [mid_first + next_first, mid_second + next_second],
        ]
    }
}

/// What is heard of the input and both integrators.
#[inline(always)]
fn heard<const C: usize, const LOW_PASS: bool, L: Lanes<C>>(
    lanes: L,
    [a, b, d]: [L::Floats; 3],
    x: L::Floats,
    [band, low]: Integrated<L::Floats>,
) -> L::Floats {
    if LOW_PASS { low } else { lanes.fused(d, low, lanes.fused(b, band, a * x)) }
}

impl<const C: usize> Biquad<C> {
    /// A filter at rest.
    pub fn new(rate_hz: u32) -> Self {
        let none = [0.0; C];
        Self {
            rate_hz,
            mode_mix: [Ramp::REST; MODES],
            designed: None,
            cell_start: Shape::NONE,
            cell_end: Shape::NONE,
            is_moving: false,
            rates: Rates { first: none, second: none, keeps: none },
            rates_of_two: RatesOfTwo { first: none, second: none, loses: none },
            is_low_pass: false,
            settled_at: None,
            state: [none; 2],
            begun: none,
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

    /// What is wanted in the cell that begins with frame `n`.
    fn design(&mut self, wanted: &Wanted<'_, C>, n: usize) -> Design<C> {
        let mode = wanted.mode.at(n)[0] as usize;
        let mix = match &self.designed {
            Some(designed) if self.mode_rests(mode) => designed.mix,
            _ => self.next_mix(mode),
        };
        let (cutoff_hz, q, gain_db) =
            (wanted.cutoff_hz.at(n), wanted.q.at(n), wanted.gain_db.at(n));
        Design { cutoff_hz, q, gain_db, mix }
    }

    #[inline(always)]
    fn begin_cell<L: Lanes<C>>(&mut self, lanes: L, wanted: &Wanted<'_, C>, n: usize) {
        let design = self.design(wanted, n);
        self.cell_start = self.cell_end;
        self.is_moving = self.designed != Some(design);
        if self.is_moving {
            let shape = Shape::of(lanes, &design, self.rate_hz);
            shape.store(lanes, &mut self.cell_end);
            let rates = Rates::of(shape.g, shape.k);
            let of_two = rates.of_two();
            lanes.store(rates.first, &mut self.rates.first);
            lanes.store(rates.second, &mut self.rates.second);
            lanes.store(rates.keeps, &mut self.rates.keeps);
            lanes.store(of_two.first, &mut self.rates_of_two.first);
            lanes.store(of_two.second, &mut self.rates_of_two.second);
            lanes.store(of_two.loses, &mut self.rates_of_two.loses);
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

    /// Whether the filter stays as it is in all these frames.
    fn is_settled(&self, wanted: &Wanted<'_, C>) -> bool {
        let mode = wanted.mode.at(0)[0] as usize;
        !wanted.is_moving()
            && !self.is_moving
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

    #[inline(always)]
    fn state<L: Lanes<C>>(&self, lanes: L) -> State<L::Floats> {
        let [first, second] = &self.state;
        State([lanes.load(first), lanes.load(second)])
    }

    #[inline(always)]
    fn keep<L: Lanes<C>>(&mut self, lanes: L, State([first, second]): State<L::Floats>) {
        lanes.store(first, &mut self.state[0]);
        lanes.store(second, &mut self.state[1]);
    }

    /// Filters frames of a cell while the filter moves; `n` is how many were before them.
    #[inline(always)]
    fn filter_moving<L: Lanes<C>>(
        &mut self,
        lanes: L,
        n: usize,
        input: &[[f32; C]],
        out: &mut [[f32; C]],
    ) {
        let (start, end) = (self.cell_start.load(lanes), self.cell_end.load(lanes));
        let mut state = self.state(lanes);
        for (i, (x, y)) in input.iter().zip(out).enumerate() {
            let way = (n + i + 1) as f32 * (1.0 / CELL_FRAMES as f32);
            let (x, shape) = (lanes.load(x), start.towards(&end, way));
            let integrated = state.integrate(lanes, &Rates::of(shape.g, shape.k), x);
            lanes.store(heard::<C, false, L>(lanes, shape.mix, x, integrated), y);
        }
        self.keep(lanes, state);
    }

    /// Filters frames in which it rests, of which the first is frame `start` of the block.
    #[inline(always)]
    fn filter<const LOW_PASS: bool, L: Lanes<C>>(
        &mut self,
        lanes: L,
        start: usize,
        input: &[[f32; C]],
        out: &mut [[f32; C]],
    ) {
        let shape = self.cell_end.load(lanes).mix;
        let Rates { first, second, keeps } = &self.rates;
        let rates = Rates {
            first: lanes.load(first),
            second: lanes.load(second),
            keeps: lanes.load(keeps),
        };
        let RatesOfTwo { first, second, loses } = &self.rates_of_two;
        let (first, second, loses) = (lanes.load(first), lanes.load(second), lanes.load(loses));
        let of_two = RatesOfTwo { first, second, loses };
        let mut state = self.state(lanes);
        let begun = core::mem::replace(&mut self.begun, [0.0; C]);
        let (ends, input) = input.split_at(start % 2);
        let (out_ends, out) = out.split_at_mut(start % 2);
        if let ([x], [y]) = (ends, out_ends) {
            let (begun, x) = (lanes.load(&begun), lanes.load(x));
            let [_, then] = state.integrate_two(lanes, &rates, &of_two, [begun, x]);
            lanes.store(heard::<C, LOW_PASS, L>(lanes, shape, x, then), y);
        }
        let ((pairs, rest), (out_pairs, out_rest)) =
            (input.as_chunks::<2>(), out.as_chunks_mut::<2>());
        for ([x0, x1], [y0, y1]) in pairs.iter().zip(out_pairs) {
            let (x0, x1) = (lanes.load(x0), lanes.load(x1));
            let [now, then] = state.integrate_two(lanes, &rates, &of_two, [x0, x1]);
            lanes.store(heard::<C, LOW_PASS, L>(lanes, shape, x0, now), y0);
            lanes.store(heard::<C, LOW_PASS, L>(lanes, shape, x1, then), y1);
        }
        self.keep(lanes, state);
        if let ([x], [y]) = (rest, out_rest) {
            self.begun = *x;
            let x = lanes.load(x);
            // The state that comes of it is thrown away.
            let [now, _] = state.integrate_two(lanes, &rates, &of_two, [x, x]);
            lanes.store(heard::<C, LOW_PASS, L>(lanes, shape, x, now), y);
        }
    }

    fn is_at_rest(&self) -> bool {
        let zero = [0.0; C];
        same(&self.state[0], &zero) & same(&self.state[1], &zero) & same(&self.begun, &zero)
    }

    /// Ends what rings below all hearing, and what should not be.
    #[inline(always)]
    fn end_block<L: Lanes<C>>(&mut self, lanes: L) {
        let (least, beyond) = (lanes.all(SILENCE), lanes.all(BEYOND));
        let kept = |state: L::Floats| {
            let loud = state.magnitude();
            let is_sound = least.le(loud) & loud.lt(beyond);
            Floats::choose(is_sound, state, lanes.all(0.0))
        };
        let State([first, second]) = self.state(lanes);
        self.keep(lanes, State([kept(first), kept(second)]));
    }
}

/// The parameters.
struct Wanted<'a, const C: usize> {
    mode: Param<'a, C>,
    cutoff_hz: Param<'a, C>,
    q: Param<'a, C>,
    gain_db: Param<'a, C>,
}

impl<'a, const C: usize> Wanted<'a, C> {
    fn of(io: &Io<'a>) -> Self {
        let (mode, cutoff_hz, q) = (io.param(MODE), io.param(CUTOFF), io.param(Q));
        Self { mode, cutoff_hz, q, gain_db: io.param(GAIN) }
    }

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

impl<const C: usize> Kernel<C> for Biquad<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        if io.frames.is_empty() {
            return;
        }
        let in_all = in_all(io);
        // None while nothing is wanted but what there is.
        let mut wanted = None;
        if in_all.is_none() || in_all != self.settled_at {
            let new = Wanted::of(io);
            let is_settled = self.is_settled(&new);
            self.settled_at = in_all.filter(|_| is_settled);
            wanted = (!is_settled).then_some(new);
        }
        let is_silent = io.is_silent(0) && self.is_at_rest();
        if is_silent {
            io.silence(0);
            if wanted.is_none() {
                return;
            }
        }
        let Range { start: first, end } = io.frames.clone();
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let mut start = first;
        while start < end {
            let mut piece_end = end;
            if let Some(wanted) = &wanted {
                if start.is_multiple_of(CELL_FRAMES) {
                    self.begin_cell(lanes, wanted, start - first);
                }
                piece_end = (start + 1).next_multiple_of(CELL_FRAMES).min(end);
            }
            let piece = start - first..piece_end - first;
            let (input, out) = (&input[piece.clone()], &mut out[piece]);
            match (is_silent, wanted.is_some() && self.is_moving) {
                (true, _) => (),
                (false, true) => self.filter_moving(lanes, start % CELL_FRAMES, input, out),
                (false, false) if self.is_low_pass => {
                    self.filter::<true, L>(lanes, start, input, out);
                }
                (false, false) => self.filter::<false, L>(lanes, start, input, out),
            }
            start = piece_end;
        }
        if end == BLOCK_FRAMES {
            self.end_block(lanes);
        }
    }
}
