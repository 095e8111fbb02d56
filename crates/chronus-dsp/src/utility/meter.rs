//! A level meter to be put into a cable: peak and loudness, for the eye or to drive something.

use crate::io::Io;
use crate::module::{BLOCK_FRAMES, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `meter`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "meter",
    summary: "Passes a signal on and says how loud it is.",
    inputs: &[PortSpec::audio("in", "the signal to be measured")],
    outputs: &[
        PortSpec::audio("out", "the same signal"),
        PortSpec::control("peak", "the peak, 1 for full level: it rises at once and falls slowly"),
        PortSpec::control("rms", "the root of the mean square; 0.707 for a full sine"),
    ],
    params: &[
        ParamSpec::number("fall", "dB/s", [1.0, 200.0], 12.0, "how fast the peak falls"),
        ParamSpec::number(
            "window",
            "ms",
            [10.0, 5_000.0],
            300.0,
            "what lies further back counts 1 % in the mean square",
        )
        .exponential(),
    ],
    bypass: &[(0, 0)],
    told: &[1, 2],
    ..ModuleSpec::BARE
};

const FALL: usize = 0;
const WINDOW: usize = 1;
/// A level below this is silence.
const SILENCE: f64 = 1e-20;
/// No input is taken louder, so that its square stays far from the end of the numbers.
const LOUDEST: f32 = 1e9;
/// `log2(10) / 20`.
const OCTAVES_PER_DB: f32 = 0.166_096_4;
/// Of a time that leaves 1 %: `ln(100)`.
const CONSTANTS: f64 = 4.605_170_185_988_091;
/// Where cables drive the parameters, they are looked at once in so many frames of the block.
const CELL_FRAMES: usize = 16;

const _: () = assert!(BLOCK_FRAMES.is_multiple_of(CELL_FRAMES));

/// See [`SPEC`].
pub struct Meter<const C: usize> {
    rate_hz: u32,
    peak: [f64; C],
    mean_square: [f64; C],
    /// Fall and window as last seen, the peak's factor and the mean's share per frame.
    seen: [[f32; C]; 2],
    factor: [f64; C],
    share: [f64; C],
}

impl<const C: usize> Meter<C> {
    /// A meter of silence.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            peak: [0.0; C],
            mean_square: [0.0; C],
            seen: [[0.0; C]; 2],
            factor: [0.0; C],
            share: [1.0; C],
        }
    }

    fn see(&mut self, params: [[f32; C]; 2]) {
        if params == self.seen {
            return;
        }
        self.seen = params;
        let [fall_db_s, window_ms] = params;
        for c in 0..C {
            let rate_hz = f64::from(self.rate_hz);
            let octaves = f64::from(fall_db_s[c]) * f64::from(OCTAVES_PER_DB) / rate_hz;
            let frames = f64::from(window_ms[c]) * rate_hz / 1000.0;
            self.factor[c] = libm::exp2(-octaves);
            self.share[c] = -libm::expm1(-CONSTANTS / frames);
        }
    }
}

impl<const C: usize> Module for Meter<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let (fall, window) = (io.param::<C>(FALL), io.param::<C>(WINDOW));
        let is_driven = fall.is_moving() || window.is_moving();
        let first = io.frames.start;
        let ([input], [out, peak, rms]) = io.ports::<C, 1, 3>();
        for n in 0..out.len() {
            let is_due = if is_driven { (first + n).is_multiple_of(CELL_FRAMES) } else { n == 0 };
            if is_due || self.seen[0][0] == 0.0 {
                self.see([fall.at(n), window.at(n)]);
            }
            let input = input[n];
            let [mut highest, mut mean] = [[0.0; C]; 2];
            for c in 0..C {
                let now = f64::from(input[c].abs().min(LOUDEST));
                let fallen = self.peak[c] * self.factor[c];
                let now_peak = if now > fallen { now } else { fallen };
                self.peak[c] = if now_peak < SILENCE { 0.0 } else { now_peak };
                let power = self.mean_square[c];
                let power = power + self.share[c] * (now * now - power);
                self.mean_square[c] = if power < SILENCE * SILENCE { 0.0 } else { power };
                highest[c] = self.peak[c] as f32;
                mean[c] = self.mean_square[c].sqrt() as f32;
            }
            (out[n], peak[n], rms[n]) = (input, highest, mean);
        }
    }
}
