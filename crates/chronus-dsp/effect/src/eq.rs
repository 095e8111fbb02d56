//! An equaliser of four bands: a shelf for the lows, two bells, and a shelf for the highs.
//!
//! The responses are those of Robert Bristow-Johnson's "Cookbook formulae for audio EQ biquad filter
//! coefficients" (shelves of slope 1), as state-variable filters, which stay calm while they are
//! turned: Andrew Simper, "Solving the continuous SVF equations using trapezoidal integration and
//! equivalent currents" (Cytomic, 2013).

use super::glide::Glide;
use super::{CELL_FRAMES, pieces, silent_below};
use crate::io::Io;
use crate::math::{gain_of_db, tan_of_turns};
use crate::module::{Module, ModuleSpec, ParamSpec};

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
fn solve<const C: usize>(g: [f32; C], k: [f32; C]) -> [[f32; C]; 3] {
    let mut a = [[0.0; C]; 3];
    for c in 0..C {
        a[0][c] = 1.0 / (1.0 + g[c] * (g[c] + k[c]));
        a[1][c] = g[c] * a[0][c];
        a[2][c] = g[c] * a[1][c];
    }
    a
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
    fn begin_cell(&mut self, form: Form, design: [[f32; C]; 3], per_hz: f32) {
        let changes = self.designed != Some(design);
        if changes {
            for c in 0..C {
                let [freq_hz, gain_db, q] = design.map(|values| values[c]);
                let tan = tan_of_turns(0.5 * freq_hz * per_hz);
                // The square root of the gain.
                let a = gain_of_db(0.5 * gain_db);
                let k = 1.0 / q;
                let knobs = match form {
                    Form::LowShelf => [tan / a.sqrt(), k, 1.0, k * (a - 1.0), a * a - 1.0],
                    Form::Bell => [tan, k / a, 1.0, k / a * (a * a - 1.0), 0.0],
                    Form::HighShelf => [tan * a.sqrt(), k, a * a, k * (1.0 - a) * a, 1.0 - a * a],
                };
                for (end, knob) in self.ends.iter_mut().zip(knobs) {
                    end[c] = knob;
                }
            }
        }
        let is_fresh = self.designed.is_none();
        if changes || self.is_moving {
            for (knob, end) in self.knobs.iter_mut().zip(self.ends) {
                knob.aim(end);
            }
        }
        self.is_moving = changes && !is_fresh;
        self.designed = Some(design);
        if !self.is_moving {
            let [g, k, input, band, low] = self.ends;
            self.resting = (solve(g, k), [input, band, low]);
        }
    }

    /// Filters both sides of a piece of a cell.
    #[inline(always)]
    fn filter<const MOVING: bool>(&mut self, piece: &mut [[[f32; C]; 2]]) {
        let (mut a, mut m) = self.resting;
        let mut sides = self.sides;
        for frame in piece {
            if MOVING {
                let [g, k, input, band, low] = self.knobs.each_mut().map(Glide::step);
                (a, m) = (solve(g, k), [input, band, low]);
            }
            for (signal, [s1, s2]) in frame.iter_mut().zip(&mut sides) {
                for c in 0..C {
                    let v0 = signal[c];
                    let v3 = v0 - s2[c];
                    let v1 = a[0][c] * s1[c] + a[1][c] * v3;
                    let v2 = s2[c] + a[1][c] * s1[c] + a[2][c] * v3;
                    s1[c] = silent_below(2.0 * v1 - s1[c]);
                    s2[c] = silent_below(2.0 * v2 - s2[c]);
                    signal[c] = m[0][c] * v0 + m[1][c] * v1 + m[2][c] * v2;
                }
            }
        }
        self.sides = sides;
    }
}

impl<const C: usize> Eq<C> {
    /// An equaliser at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self { per_hz: 1.0 / rate_hz as f32, bands: [Band::REST; 4] }
    }
}

impl<const C: usize> Module for Eq<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.bands = [Band::REST; 4];
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
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
                    band.begin_cell(form, design, self.per_hz);
                }
            }
            let mut signals = [[[0.0; C]; 2]; CELL_FRAMES];
            let signals = &mut signals[..piece.frames.len()];
            for (n, signal) in piece.frames.clone().zip(&mut *signals) {
                *signal = [left[n], right[n]];
            }
            for band in &mut self.bands {
                if band.is_moving {
                    band.filter::<true>(signals);
                } else {
                    band.filter::<false>(signals);
                }
            }
            for (n, signal) in piece.frames.zip(signals) {
                [out_left[n], out_right[n]] = *signal;
            }
        }
    }
}
