//! The classic two-pole filter: low-pass, high-pass, band-pass and notch after Robert
//! Bristow-Johnson's "Cookbook formulae for audio EQ biquad filter coefficients".
//!
//! The four modes share their poles and differ in their zeros alone. So a change of mode is a
//! crossfade of the numerator, and the filter goes on ringing as it was.

use crate::module::{BLOCK_FRAMES, Curve, Io, Module, ModuleSpec, ParamSpec, PortSpec};
use crate::smooth::Ramp;
use core::ops::Range;

/// The kind `biquad`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "biquad",
    summary: "A resonant filter that falls by 12 dB per octave.",
    inputs: &[PortSpec::new("in", "the signal to be filtered")],
    outputs: &[PortSpec::new("out", "the filtered signal")],
    params: &[
        ParamSpec {
            name: "mode",
            unit: "",
            min: 0.0,
            max: 3.0,
            default: 0.0,
            smoothing_ms: 0.0,
            curve: Curve::Linear,
            choices: &["low-pass", "high-pass", "band-pass", "notch"],
            doc: "which part of the spectrum passes; a band-pass peaks at 0 dB",
        },
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
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const MODE: usize = 0;
const CUTOFF: usize = 1;
const Q: usize = 2;
const MODES: usize = 4;
/// A change of mode is a crossfade of about this length.
const MODE_MS: f32 = 10.0;
const CUTOFF_MAX_OF_RATE: f64 = 0.49;
/// Coefficients are computed once per cell of this many frames and move in straight lines between.
/// The triangle of stable `a1`, `a2` is convex, so what lies between is stable as well. Cells
/// begin at multiples of this in the block, wherever commands split it.
const CELL_FRAMES: usize = 16;
/// State below this (-600 dB) counts as silence, long before it would be denormal.
const SILENCE: f64 = 1e-30;

const _: () = assert!(BLOCK_FRAMES.is_multiple_of(CELL_FRAMES));

/// `b0, b1, b2, a1, a2`, normalised to `a0 = 1`, each for all channels.
type Coefficients<const C: usize> = [[f64; C]; 5];

/// What the coefficients are designed from.
#[derive(Clone, Copy, PartialEq)]
struct Design<const C: usize> {
    cutoff_hz: [f32; C],
    q: [f32; C],
    /// How much of each mode is heard: one of them is 1 unless the mode has just changed.
    mix: [f32; MODES],
}

/// See [`SPEC`]. Direct form 2 transposed, in double precision.
pub struct Biquad<const C: usize> {
    rate_hz: u32,
    mode_mix: [Ramp; MODES],
    /// What `cell_end` was designed from; `None` before the first frame, which starts there.
    designed: Option<Design<C>>,
    coefficients: Coefficients<C>,
    /// What they move by in each frame of this cell.
    per_frame: Coefficients<C>,
    is_moving: bool,
    /// Where they arrive at the end of this cell.
    cell_end: Coefficients<C>,
    state: [[f64; C]; 2],
}

impl<const C: usize> Biquad<C> {
    /// A filter at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            mode_mix: [Ramp::at(0.0); MODES],
            designed: None,
            coefficients: [[0.0; C]; 5],
            per_frame: [[0.0; C]; 5],
            is_moving: false,
            cell_end: [[0.0; C]; 5],
            state: [[0.0; C]; 2],
        }
    }

    fn coefficients_of(&self, design: &Design<C>) -> Coefficients<C> {
        let rate_hz = f64::from(self.rate_hz);
        let [low, high, band, notch] = design.mix.map(f64::from);
        let mut all = [[0.0; C]; 5];
        for c in 0..C {
            let cutoff_hz = f64::from(design.cutoff_hz[c]).min(CUTOFF_MAX_OF_RATE * rate_hz);
            let omega = core::f64::consts::TAU * cutoff_hz / rate_hz;
            let cos = libm::cos(omega);
            let alpha = libm::sin(omega) / (2.0 * f64::from(design.q[c]));
            let pass = low * (1.0 - cos) + high * (1.0 + cos);
            let b0 = pass / 2.0 + band * alpha + notch;
            let b1 = low * (1.0 - cos) - high * (1.0 + cos) - notch * 2.0 * cos;
            let b2 = pass / 2.0 - band * alpha + notch;
            for (i, value) in [b0, b1, b2, -2.0 * cos, 1.0 - alpha].into_iter().enumerate() {
                all[i][c] = value / (1.0 + alpha);
            }
        }
        all
    }

    /// What is to be heard, from the parameters in the first frame of a cell. The first channel says
    /// the mode for all.
    fn next_design(&mut self, mode: f32, cutoff_hz: [f32; C], q: [f32; C]) -> Design<C> {
        let cells = crate::math::frames_of_ms(MODE_MS, self.rate_hz).div_ceil(CELL_FRAMES as u32);
        if let Some(designed) = &self.designed
            && designed.mix[mode as usize] == 1.0
            && !self.mode_mix.iter().any(Ramp::is_moving)
        {
            return Design { cutoff_hz, q, mix: designed.mix };
        }
        let mut mix = [0.0; MODES];
        for (index, (ramp, mix)) in self.mode_mix.iter_mut().zip(&mut mix).enumerate() {
            let target = if index == mode as usize { 1.0 } else { 0.0 };
            if self.designed.is_none() {
                ramp.snap_to(target);
            }
            ramp.follow(target, cells);
            *mix = ramp.step();
        }
        Design { cutoff_hz, q, mix }
    }

    fn begin_cell(&mut self, mode: f32, cutoff_hz: [f32; C], q: [f32; C]) {
        let design = self.next_design(mode, cutoff_hz, q);
        if self.is_moving {
            self.coefficients = self.cell_end;
        }
        self.is_moving = self.designed != Some(design);
        if self.is_moving {
            self.cell_end = self.coefficients_of(&design);
            if self.designed.is_none() {
                self.coefficients = self.cell_end;
            }
            for (i, end) in self.cell_end.iter().enumerate() {
                for c in 0..C {
                    self.per_frame[i][c] = (end[c] - self.coefficients[i][c]) / CELL_FRAMES as f64;
                }
            }
            self.designed = Some(design);
        }
    }

    /// Filters a piece of a cell.
    #[inline(always)]
    fn filter<const MOVING: bool>(&mut self, input: &[[f32; C]], out: &mut [[f32; C]]) {
        // Held in registers, and stored once.
        let (mut k, per_frame) = (self.coefficients, &self.per_frame);
        let [mut s1, mut s2] = self.state;
        for (x, y) in input.iter().zip(out) {
            // Whole frames are read and written, or the compiler would fear that they overlap.
            let (x, mut filtered) = (*x, [0.0; C]);
            for c in 0..C {
                if MOVING {
                    for (k, step) in k.iter_mut().zip(per_frame) {
                        k[c] += step[c];
                    }
                }
                let x = f64::from(x[c]);
                let sum = k[0][c] * x + s1[c];
                s1[c] = k[1][c] * x - k[3][c] * sum + s2[c];
                s2[c] = k[2][c] * x - k[4][c] * sum;
                filtered[c] = sum as f32;
            }
            *y = filtered;
        }
        if MOVING {
            self.coefficients = k;
        }
        self.state = [s1, s2];
    }
}

impl<const C: usize> Module for Biquad<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    #[inline(always)]
    fn process(&mut self, mut io: Io<'_>) {
        let [mode, cutoff_hz, q] = [MODE, CUTOFF, Q].map(|param| io.param::<C>(param));
        let Range { start: first, end } = io.frames.clone();
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let mut start = first;
        while start < end {
            let n = start - first;
            if start.is_multiple_of(CELL_FRAMES) {
                self.begin_cell(mode.at(n)[0], cutoff_hz.at(n), q.at(n));
            }
            let cell_end = (start + 1).next_multiple_of(CELL_FRAMES).min(end);
            let piece = n..cell_end - first;
            if self.is_moving {
                self.filter::<true>(&input[piece.clone()], &mut out[piece]);
            } else {
                self.filter::<false>(&input[piece.clone()], &mut out[piece]);
            }
            start = cell_end;
        }
        if end == BLOCK_FRAMES {
            for state in self.state.as_flattened_mut() {
                if state.abs() < SILENCE {
                    *state = 0.0;
                }
            }
        }
    }
}
