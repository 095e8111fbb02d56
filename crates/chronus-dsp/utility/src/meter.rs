//! A level meter to be put into a cable: peak and loudness, for the eye or to drive something.

use crate::io::Io;
use crate::lanes::{Doubles, Floats, Lanes};
use crate::module::{BLOCK_FRAMES, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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
    meters: &[1, 2],
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

    #[inline(never)]
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

impl<const C: usize> Kernel<C> for Meter<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let (fall, window) = (io.param::<C>(FALL), io.param::<C>(WINDOW));
        let is_driven = fall.is_moving() || window.is_moving();
        let first = io.frames.start;
        let ([input], [out, peak, rms]) = io.ports::<C, 1, 3>();
        let (zero, loudest) = (lanes.all_doubles(0.0), lanes.all(LOUDEST));
        let silence = lanes.all_doubles(SILENCE);
        let mut highest = lanes.load_doubles(&self.peak);
        let mut power = lanes.load_doubles(&self.mean_square);
        for n in 0..out.len() {
            let is_due = if is_driven { (first + n).is_multiple_of(CELL_FRAMES) } else { n == 0 };
            if is_due || self.seen[0][0] == 0.0 {
                self.see([fall.at(n), window.at(n)]);
            }
            let input = lanes.load(&input[n]);
            let now = input.magnitude().at_most(loudest).to_doubles();
            let fallen = highest * lanes.load_doubles(&self.factor);
            let now_peak = L::Doubles::choose(fallen.lt(now), now, fallen);
            highest = L::Doubles::choose(now_peak.lt(silence), zero, now_peak);
            let mean = power + lanes.load_doubles(&self.share) * (now * now - power);
            power = L::Doubles::choose(mean.lt(silence * SILENCE), zero, mean);
            lanes.store(input, &mut out[n]);
            lanes.store(highest.to_floats(), &mut peak[n]);
            lanes.store(power.root().to_floats(), &mut rms[n]);
        }
        lanes.store_doubles(highest, &mut self.peak);
        lanes.store_doubles(power, &mut self.mean_square);
    }
}
