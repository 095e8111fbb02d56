//! The classic two-pole filter: low-pass, high-pass, band-pass and notch after Robert
//! Bristow-Johnson's "Cookbook formulae for audio EQ biquad filter coefficients".
//!
//! The four modes share their poles and differ in their zeros alone. So a change of mode is a
//! crossfade of the numerator, and the filter goes on ringing as it was.

use crate::module::{BLOCK_FRAMES, Io, Module, ModuleSpec, ParamSpec, PortSpec};
use crate::smooth::Ramp;

/// The kind `biquad`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "biquad",
    summary: "A resonant filter that falls by 12 dB per octave.",
    inputs: &[PortSpec { name: "in", doc: "the signal to be filtered" }],
    outputs: &[PortSpec { name: "out", doc: "the filtered signal" }],
    params: &[
        ParamSpec {
            name: "mode",
            unit: "",
            min: 0.0,
            max: 3.0,
            default: 0.0,
            choices: &["low-pass", "high-pass", "band-pass", "notch"],
            doc: "which part of the spectrum passes; a band-pass peaks at 0 dB",
        },
        ParamSpec {
            name: "cutoff",
            unit: "Hz",
            min: 20.0,
            max: 20_000.0,
            default: 2_000.0,
            choices: &[],
            doc: "corner or centre frequency, held below 0.49 of the rate",
        },
        ParamSpec {
            name: "q",
            unit: "",
            min: 0.1,
            max: 30.0,
            default: 0.707,
            choices: &[],
            doc: "resonance; 0.707 is flat",
        },
    ],
    gate: false,
    bypass: &[(0, 0)],
};

const MODE: usize = 0;
const CUTOFF: usize = 1;
const Q: usize = 2;
const MODES: usize = 4;
const SMOOTHING_MS: f32 = 10.0;
const CUTOFF_MAX_OF_RATE: f64 = 0.49;
/// Coefficients are computed once per cell of this many frames and move in straight lines between.
/// The triangle of stable `a1`, `a2` is convex, so what lies between is stable as well. Cells
/// begin at multiples of this in the block, wherever commands split it.
const CELL_FRAMES: usize = 16;
/// State below this (-600 dB) counts as silence, long before it would be denormal.
const SILENCE: f64 = 1e-30;

const _: () = assert!(BLOCK_FRAMES.is_multiple_of(CELL_FRAMES));

/// `b0, b1, b2, a1, a2`, normalised to `a0 = 1`.
type Coefficients = [f64; 5];

/// See [`SPEC`]. Direct form 2 transposed, in double precision.
pub struct Biquad {
    rate_hz: u32,
    cutoff_hz: Ramp,
    q: Ramp,
    /// How much of each mode is heard: one of them is 1 unless the mode has just changed.
    mode_mix: [Ramp; MODES],
    coefficients: Coefficients,
    /// What they move by in each frame of this cell.
    per_frame: Coefficients,
    /// Where they arrive at the end of this cell.
    cell_end: Coefficients,
    state: [f64; 2],
}

impl Biquad {
    /// A filter at its default parameters.
    pub fn new(rate_hz: u32) -> Self {
        let mut filter = Self {
            rate_hz,
            cutoff_hz: Ramp::at(SPEC.params[CUTOFF].default),
            q: Ramp::at(SPEC.params[Q].default),
            mode_mix: [Ramp::at(1.0), Ramp::at(0.0), Ramp::at(0.0), Ramp::at(0.0)],
            coefficients: [0.0; 5],
            per_frame: [0.0; 5],
            cell_end: [0.0; 5],
            state: [0.0; 2],
        };
        filter.reset();
        filter
    }

    fn smoothing_cells(&self) -> u32 {
        crate::math::frames_of_ms(SMOOTHING_MS, self.rate_hz).div_ceil(CELL_FRAMES as u32)
    }

    fn ramps(&mut self) -> impl Iterator<Item = &mut Ramp> {
        [&mut self.cutoff_hz, &mut self.q].into_iter().chain(&mut self.mode_mix)
    }

    /// The coefficients for the parameters as they are in this moment.
    fn design(&self) -> Coefficients {
        let rate_hz = f64::from(self.rate_hz);
        let cutoff_hz = f64::from(self.cutoff_hz.value()).min(CUTOFF_MAX_OF_RATE * rate_hz);
        let omega = core::f64::consts::TAU * cutoff_hz / rate_hz;
        let cos = libm::cos(omega);
        let alpha = libm::sin(omega) / (2.0 * f64::from(self.q.value()));
        let [low, high, band, notch] = self.mode_mix.map(|mix| f64::from(mix.value()));
        let pass = low * (1.0 - cos) + high * (1.0 + cos);
        let b0 = pass / 2.0 + band * alpha + notch;
        let b1 = low * (1.0 - cos) - high * (1.0 + cos) - notch * 2.0 * cos;
        let b2 = pass / 2.0 - band * alpha + notch;
        [b0, b1, b2, -2.0 * cos, 1.0 - alpha].map(|c| c / (1.0 + alpha))
    }

    fn begin_cell(&mut self) {
        self.coefficients = self.cell_end;
        self.per_frame = [0.0; 5];
        if self.ramps().any(|ramp| ramp.is_moving()) {
            self.ramps().for_each(|ramp| {
                ramp.step();
            });
            self.cell_end = self.design();
            for (i, end) in self.cell_end.iter().enumerate() {
                self.per_frame[i] = (end - self.coefficients[i]) / CELL_FRAMES as f64;
            }
        }
    }

    /// Filters a piece of a cell.
    fn filter(&mut self, input: &[f32], out: &mut [f32]) {
        // Held in registers, and stored once.
        let (mut coefficients, per_frame) = (self.coefficients, self.per_frame);
        let [mut s1, mut s2] = self.state;
        for (x, y) in input.iter().zip(out) {
            for (coefficient, step) in coefficients.iter_mut().zip(per_frame) {
                *coefficient += step;
            }
            let [b0, b1, b2, a1, a2] = coefficients;
            let x = f64::from(*x);
            let sum = b0 * x + s1;
            s1 = b1 * x - a1 * sum + s2;
            s2 = b2 * x - a2 * sum;
            *y = sum as f32;
        }
        self.coefficients = coefficients;
        self.state = [s1, s2];
    }
}

impl Module for Biquad {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.ramps().for_each(Ramp::finish);
        self.cell_end = self.design();
        self.coefficients = self.cell_end;
        self.per_frame = [0.0; 5];
        self.state = [0.0; 2];
    }

    fn set_param(&mut self, param: usize, value: f32) {
        let cells = self.smoothing_cells();
        match param {
            MODE => {
                for (mode, mix) in self.mode_mix.iter_mut().enumerate() {
                    mix.follow(if mode == value as usize { 1.0 } else { 0.0 }, cells);
                }
            }
            CUTOFF => self.cutoff_hz.follow(value, cells),
            Q => self.q.follow(value, cells),
            _ => panic!("biquad has no parameter {param}"),
        }
    }

    fn process(&mut self, io: Io<'_>) {
        let ([input], [out], frames) = io.ports();
        let ends_block = frames.end == BLOCK_FRAMES;
        let mut start = frames.start;
        while start < frames.end {
            if start.is_multiple_of(CELL_FRAMES) {
                self.begin_cell();
            }
            let end = (start + 1).next_multiple_of(CELL_FRAMES).min(frames.end);
            self.filter(&input[start..end], &mut out[start..end]);
            start = end;
        }
        if ends_block {
            for state in &mut self.state {
                if state.abs() < SILENCE {
                    *state = 0.0;
                }
            }
        }
    }
}
