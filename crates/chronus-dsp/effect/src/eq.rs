//! An equaliser of four bands: a shelf for the lows, two bells, and a shelf for the highs.
//!
//! The responses are those of Robert Bristow-Johnson's "Cookbook formulae for audio EQ biquad filter
//! coefficients" (shelves of slope 1), as state-variable filters, which stay calm while they are
//! turned: Andrew Simper, "Solving the continuous SVF equations using trapezoidal integration and
//! equivalent currents" (Cytomic, 2013).

use super::glide::Glide;
use super::{CELL_FRAMES, pieces, silent_below};
use crate::io::Io;
use crate::lanes::{Floats, Lanes};
use crate::math::{gain_of_db, tan_of_turns};
use crate::module::{ModuleSpec, ParamSpec};
use crate::simd::Kernel;

/// The kind `eq`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "eq",
    summary: "An equaliser: lows, highs and two bands between.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        freq("low_freq", [20.0, 2_000.0], 100.0, "where the low shelf is half its decibels"),
        gain("low_gain", "gain of what lies below"),
        freq("mid1_freq", [20.0, 20_000.0], 400.0, "middle of the first bell"),
        gain("mid1_gain", "gain at the middle of the first bell"),
        q("mid1_q", "how narrow the first bell is"),
        freq("mid2_freq", [20.0, 20_000.0], 2_500.0, "middle of the second bell"),
        gain("mid2_gain", "gain at the middle of the second bell"),
        q("mid2_q", "how narrow the second bell is"),
        freq("high_freq", [500.0, 20_000.0], 8_000.0, "where the high shelf is half its decibels"),
        gain("high_gain", "gain of what lies above"),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const fn freq(name: &'static str, range: [f32; 2], default: f32, doc: &'static str) -> ParamSpec {
    ParamSpec::number(name, "Hz", range, default, doc).smoothed(20.0).exponential()
}

const fn gain(name: &'static str, doc: &'static str) -> ParamSpec {
    ParamSpec::number(name, "dB", [-24.0, 24.0], 0.0, doc).smoothed(20.0)
}

const fn q(name: &'static str, doc: &'static str) -> ParamSpec {
    ParamSpec::number(name, "", [0.1, 18.0], 0.8, doc).smoothed(20.0).exponential()
}

/// The positions of frequency, gain and resonance of each band; shelves have no resonance of their own.
const BANDS: [(Form, usize, usize, Option<usize>); 4] = [
    (Form::LowShelf, 0, 1, None),
    (Form::Bell, 2, 3, Some(4)),
    (Form::Bell, 5, 6, Some(7)),
    (Form::HighShelf, 8, 9, None),
];
const SHELF_Q: f32 = core::f32::consts::FRAC_1_SQRT_2;

#[derive(Clone, Copy)]
enum Form {
    LowShelf,
    Bell,
    HighShelf,
}

/// See [`SPEC`].
pub struct Eq<const C: usize> {
    per_hz: f32,
    bands: [Band<C>; 4],
}

#[derive(Clone, Copy)]
struct Band<const C: usize> {
    /// Frequency, gain and resonance that it was designed for; `None` when it is new.
    designed: Option<[[f32; C]; 3]>,
    /// The integrator gain, the damping, and how much is heard of the input, the band and the low.
    knobs: [Glide<C>; 5],
    ends: [[f32; C]; 5],
    is_moving: bool,
    /// The knobs of a band that does not move, the first two as [`solve`] has them.
    resting: ([[f32; C]; 3], [[f32; C]; 3]),
    sides: [[[f32; C]; 2]; 2],
}

/// What both integrators are to be multiplied by, for an integrator gain and a damping.
#[inline(always)]
fn solve<F: Floats>(g: F, k: F) -> [F; 3] {
    let first = g.like(1.0) / (g * (g + k) + 1.0);
    let second = g * first;
    [first, second, g * second]
}

/// The knobs of a band, for the tangent of its frequency, the square root of its gain and its damping.
#[inline(always)]
fn knobs<F: Floats>(form: Form, tan: F, a: F, k: F) -> [F; 5] {
    let (zero, one) = (a.like(0.0), a.like(1.0));
    match form {
        Form::LowShelf => [tan / a.root(), k, one, k * (a - 1.0), a * a - 1.0],
        Form::Bell => [tan, k / a, one, k / a * (a * a - 1.0), zero],
        Form::HighShelf => [tan * a.root(), k, a * a, k * (one - a) * a, one - a * a],
    }
}

impl<const C: usize> Band<C> {
    const REST: Self = Self {
        designed: None,
        knobs: [Glide::REST; 5],
        ends: [[0.0; C]; 5],
        is_moving: false,
        resting: ([[0.0; C]; 3], [[0.0; C]; 3]),
        sides: [[[0.0; C]; 2]; 2],
    };

    #[inline(always)]
    fn begin_cell<L: Lanes<C>>(
        &mut self,
        lanes: L,
        form: Form,
        design: [[f32; C]; 3],
        per_hz: f32,
    ) {
        let changes = self.designed != Some(design);
        if changes {
            let [freq_hz, gain_db, q] =
                [lanes.load(&design[0]), lanes.load(&design[1]), lanes.load(&design[2])];
            let (tan, k) = (tan_of_turns(freq_hz * 0.5 * per_hz), lanes.all(1.0) / q);
            let knobs = knobs(form, tan, gain_of_db(gain_db * 0.5), k);
            for (end, knob) in self.ends.iter_mut().zip(knobs) {
                lanes.store(knob, end);
            }
        }
        let is_fresh = self.designed.is_none();
        if changes || self.is_moving {
            for (knob, end) in self.knobs.iter_mut().zip(&self.ends) {
                knob.aim(lanes, lanes.load(end));
            }
        }
        self.is_moving = changes && !is_fresh;
        self.designed = Some(design);
        if !self.is_moving {
            let [g, k, input, band, low] = &self.ends;
            for (a, to) in solve(lanes.load(g), lanes.load(k)).into_iter().zip(&mut self.resting.0)
            {
                lanes.store(a, to);
            }
            self.resting.1 = [*input, *band, *low];
        }
    }

    /// Filters both sides of a piece of a cell.
    #[inline(always)]
    fn filter<L: Lanes<C>>(&mut self, lanes: L, piece: &mut [[[f32; C]; 2]]) {
        let ([a0, a1, a2], [m0, m1, m2]) = &self.resting;
        let mut a = [lanes.load(a0), lanes.load(a1), lanes.load(a2)];
        let mut m = [lanes.load(m0), lanes.load(m1), lanes.load(m2)];
        let mut states = [[a[0]; 2]; 2];
        for (state, from) in states.as_flattened_mut().iter_mut().zip(self.sides.as_flattened()) {
            *state = lanes.load(from);
        }
        for frame in piece {
            if self.is_moving {
                let mut knobs = [a[0]; 5];
                for (knob, glide) in knobs.iter_mut().zip(&mut self.knobs) {
                    *knob = glide.step(lanes);
                }
                (a, m) = (solve(knobs[0], knobs[1]), [knobs[2], knobs[3], knobs[4]]);
            }
            for (signal, [s1, s2]) in frame.iter_mut().zip(&mut states) {
                let v0 = lanes.load(signal);
                let v3 = v0 - *s2;
                let v1 = a[0] * *s1 + a[1] * v3;
                let v2 = *s2 + a[1] * *s1 + a[2] * v3;
                *s1 = silent_below(v1 * 2.0 - *s1);
                *s2 = silent_below(v2 * 2.0 - *s2);
                lanes.store(m[0] * v0 + m[1] * v1 + m[2] * v2, signal);
            }
        }
        for (state, to) in states.as_flattened().iter().zip(self.sides.as_flattened_mut()) {
            lanes.store(*state, to);
        }
    }
}

impl<const C: usize> Eq<C> {
    /// An equaliser at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self { per_hz: 1.0 / rate_hz as f32, bands: [Band::REST; 4] }
    }
}

impl<const C: usize> Kernel<C> for Eq<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.bands = [Band::REST; 4];
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let params: [_; 10] = core::array::from_fn(|param| io.param::<C>(param));
        let (frames, is_stereo) = (io.frames.clone(), io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        for piece in pieces(frames) {
            if piece.begins || self.bands[0].designed.is_none() {
                let n = piece.frames.start;
                for (band, (form, freq, gain, q)) in self.bands.iter_mut().zip(BANDS) {
                    let q = q.map_or([SHELF_Q; C], |q| params[q].at(n));
                    let design = [params[freq].at(n), params[gain].at(n), q];
                    band.begin_cell(lanes, form, design, self.per_hz);
                }
            }
            let mut signals = [[[0.0; C]; 2]; CELL_FRAMES];
            let signals = &mut signals[..piece.frames.len()];
            for (n, signal) in piece.frames.clone().zip(&mut *signals) {
                *signal = [left[n], right[n]];
            }
            for band in &mut self.bands {
                band.filter(lanes, signals);
            }
            for (n, signal) in piece.frames.zip(signals) {
                [out_left[n], out_right[n]] = *signal;
            }
        }
    }
}
