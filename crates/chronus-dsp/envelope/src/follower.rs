//! The loudness of a signal as a control signal: what is played drives whatever you like.

use crate::io::Io;
use crate::lanes::{Doubles, Floats, Lanes};
use crate::module::{BLOCK_FRAMES, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `follower`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "follower",
    summary: "An envelope follower: how loud its input is, and a gate that opens when it is loud.",
    inputs: &[PortSpec::audio("in", "the signal to be followed")],
    outputs: &[
        PortSpec::control("env", "how loud the input is; 1 for full level"),
        PortSpec::gate("gate", "1 from when env rises above the threshold until it is 6 dB below"),
    ],
    params: &[
        ParamSpec::number(
            "attack",
            "ms",
            [0.0, 1_000.0],
            5.0,
            "time in which it does 63 % of the way to a louder signal",
        )
        .exponential(),
        ParamSpec::number(
            "release",
            "ms",
            [1.0, 5_000.0],
            150.0,
            "time in which it does 63 % of the way to a softer signal",
        )
        .exponential(),
        ParamSpec::choice(
            "detect",
            &["peak", "rms"],
            "whether it follows the magnitude, or the power and then takes the root",
        ),
        ParamSpec::number("threshold", "", [0.001, 1.0], 0.1, "level at which the gate opens")
            .exponential(),
    ],
    ..ModuleSpec::BARE
};

const ATTACK: usize = 0;
const RELEASE: usize = 1;
const DETECT: usize = 2;
const THRESHOLD: usize = 3;
/// An open gate closes at this share of the threshold.
const CLOSES_AT: f32 = 0.5;
/// A level below this is silence.
const SILENCE: f64 = 1e-20;
/// No input is taken louder, so that its square stays far from the end of the numbers.
const LOUDEST: f32 = 1e9;
/// Where cables drive the times, they are looked at once in so many frames of the block.
const CELL_FRAMES: usize = 16;

const _: () = assert!(BLOCK_FRAMES.is_multiple_of(CELL_FRAMES));

/// See [`SPEC`].
pub struct Follower<const C: usize> {
    rate_hz: u32,
    /// An amplitude, whatever is detected.
    level: [f64; C],
    /// 1 where the gate is open, else 0.
    open: [f32; C],
    /// Attack and release as last seen, in ms, and the share of the way that they go in a frame.
    seen: [[f32; C]; 2],
    shares: [[f64; C]; 2],
}

impl<const C: usize> Follower<C> {
    /// A follower of silence.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            level: [0.0; C],
            open: [0.0; C],
            // No time that may be asked for.
            seen: [[-1.0; C]; 2],
            shares: [[1.0; C]; 2],
        }
    }

    #[inline(never)]
    fn see_times(&mut self, times: [[f32; C]; 2]) {
        for i in 0..2 {
            for c in 0..C {
                // Channels mostly have the same times, and the exponential is dear.
                if times[i][c] == self.seen[i][c] {
                    continue;
                }
                let frames = f64::from(times[i][c]) * f64::from(self.rate_hz) / 1000.0;
                self.shares[i][c] = if c > 0 && times[i][c] == times[i][c - 1] {
                    self.shares[i][c - 1]
                } else {
                    -libm::expm1(-1.0 / frames.max(1e-3))
                };
            }
        }
        self.seen = times;
    }
}

impl<const C: usize> Kernel<C> for Follower<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [attack, release, detect, threshold] =
            [ATTACK, RELEASE, DETECT, THRESHOLD].map(|param| io.param::<C>(param));
        let is_driven = attack.is_moving() || release.is_moving();
        let (detect, threshold) = (detect.on(lanes), threshold.on(lanes));
        let first = io.frames.start;
        let ([input], [env, gate]) = io.ports::<C, 1, 2>();
        let (zero, one, half) = (lanes.all(0.0), lanes.all(1.0), lanes.all(0.5));
        let mut level = lanes.load_doubles(&self.level);
        let mut open = lanes.load(&self.open);
        for n in 0..env.len() {
            let is_due = if is_driven { (first + n).is_multiple_of(CELL_FRAMES) } else { n == 0 };
            if is_due || self.seen[0][0] < 0.0 {
                self.see_times([attack.at(n), release.at(n)]);
            }
            let [rise, fall] = [&self.shares[0], &self.shares[1]];
            let now = lanes.load(&input[n]).magnitude().at_most(lanes.all(LOUDEST)).to_doubles();
            let (rise, fall) = (lanes.load_doubles(rise), lanes.load_doubles(fall));
            let share = L::Doubles::choose(level.lt(now), rise, fall);
            let by_peak = level + share * (now - level);
            let by_power = (level * level + share * (now * now - level * level)).root();
            let is_power = lanes.all_doubles(0.5).lt(detect.at(n).to_doubles());
            let heard = L::Doubles::choose(is_power, by_power, by_peak);
            let is_silent = heard.lt(lanes.all_doubles(SILENCE));
            level = L::Doubles::choose(is_silent, lanes.all_doubles(0.0), heard);
            let threshold = threshold.at(n);
            let least = L::Floats::choose(open.gt(half), threshold * CLOSES_AT, threshold);
            open = L::Floats::choose(level.to_floats().gt(least), one, zero);
            lanes.store(level.to_floats(), &mut env[n]);
            lanes.store(open, &mut gate[n]);
        }
        lanes.store_doubles(level, &mut self.level);
        lanes.store(open, &mut self.open);
    }
}
