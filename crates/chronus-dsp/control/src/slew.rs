//! A signal that cannot jump: it takes its time to rise and to fall, at a steady rate or slowing
//! down as it arrives.

use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `slew`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "slew",
    summary: "Limits how fast a signal rises and falls: glides, soft gates, followed peaks.",
    inputs: &[PortSpec::control("in", "the signal")],
    outputs: &[PortSpec::control("out", "what follows it")],
    params: &[
        time("rise", "how long it takes to rise; 0 jumps"),
        time("fall", "how long it takes to fall; 0 jumps"),
        ParamSpec::choice(
            "curve",
            &["linear", "exponential"],
            "linear: the times are those of a way of 1, such as an octave; exponential: those of \
             99 % of any way",
        ),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const RISE: usize = 0;
const FALL: usize = 1;
const CURVE: usize = 2;
/// The natural logarithm of 100: so many time constants make 99 % of the way.
const TIME_CONSTANTS: f64 = 4.605170185988091;
/// Closer than this is there.
const ARRIVED: f64 = 1e-20;

const fn time(name: &'static str, doc: &'static str) -> ParamSpec {
    ParamSpec::number(name, "ms", [0.0, 20_000.0], 100.0, doc).exponential()
}

/// See [`SPEC`].
pub struct Slew<const C: usize> {
    frames_per_ms: f64,
    /// In `f64`, since a slow slew moves by less than the last digit of an `f32` in a frame.
    level: [f64; C],
}

impl<const C: usize> Slew<C> {
    /// At 0.
    pub fn new(rate_hz: u32) -> Self {
        Self { frames_per_ms: f64::from(rate_hz) / 1000.0, level: [0.0; C] }
    }
}

/// One frame on the way from `level` to `target`; `frames` is the time of the curve.
#[inline(always)]
fn step(level: f64, target: f64, frames: f64, is_exponential: bool) -> f64 {
    let way = target - level;
    if frames <= 1.0 || way.abs() < ARRIVED {
        return target;
    }
    if is_exponential {
        // The trapezoidal rule: nearly as exact as an exponential function, for a division.
        let per_frame = TIME_CONSTANTS / frames;
        let share = per_frame / (1.0 + 0.5 * per_frame);
        return level + way * if share < 1.0 { share } else { 1.0 };
    }
    let most = 1.0 / frames;
    if way.abs() <= most {
        target
    } else if way > 0.0 {
        level + most
    } else {
        level - most
    }
}

impl<const C: usize> Module for Slew<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.level = [0.0; C];
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let [rise, fall, curve] = [RISE, FALL, CURVE].map(|param| io.param::<C>(param));
        let ([input], [out]) = io.ports::<C, 1, 1>();
        for (n, out) in out.iter_mut().enumerate() {
            let (rise, fall, curve) = (rise.at(n), fall.at(n), curve.at(n));
            for c in 0..C {
                let (level, target) = (self.level[c], f64::from(input[n][c]));
                let time_ms = if target > level { rise[c] } else { fall[c] };
                let frames = f64::from(time_ms) * self.frames_per_ms;
                self.level[c] = step(level, target, frames, curve[c] > 0.5);
                out[c] = self.level[c] as f32;
            }
        }
    }
}
