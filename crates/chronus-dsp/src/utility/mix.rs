//! A mixer of four signals.

use crate::module::{Curve, Io, Module, ModuleSpec, Param, ParamSpec, PortSpec};

/// The kind `mix`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "mix",
    summary: "Adds up to four signals, each at its own level.",
    inputs: &[
        PortSpec::audio("a", "the first signal"),
        PortSpec::audio("b", "the second signal"),
        PortSpec::audio("c", "the third signal"),
        PortSpec::audio("d", "the fourth signal"),
    ],
    outputs: &[PortSpec::audio("out", "the sum")],
    params: &[
        level("level_a", "level of the first signal"),
        level("level_b", "level of the second signal"),
        level("level_c", "level of the third signal"),
        level("level_d", "level of the fourth signal"),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const fn level(name: &'static str, doc: &'static str) -> ParamSpec {
    ParamSpec {
        name,
        unit: "",
        min: 0.0,
        max: 2.0,
        default: 1.0,
        smoothing_ms: 10.0,
        curve: Curve::Linear,
        choices: &[],
        doc,
    }
}

/// See [`SPEC`].
pub struct Mix<const C: usize>;

impl<const C: usize> Mix<C> {
    /// A mixer has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

impl<const C: usize> Module for Mix<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let levels = [io.param::<C>(0), io.param(1), io.param(2), io.param(3)];
        let is_moving = levels.iter().any(Param::is_moving);
        let ([a, b, c, d], [out]) = io.ports::<C, 4, 1>();
        let mut now = [[0.0; C]; 4];
        let mut take = |n: usize| {
            for (now, level) in now.iter_mut().zip(&levels) {
                *now = level.at(n);
            }
            now
        };
        let frames = out.iter_mut().zip(a.iter().zip(b).zip(c.iter().zip(d)));
        if is_moving {
            for (n, (out, ((a, b), (c, d)))) in frames.enumerate() {
                *out = sum(&take(n), [a, b, c, d]);
            }
        } else {
            let levels = take(0);
            for (out, ((a, b), (c, d))) in frames {
                *out = sum(&levels, [a, b, c, d]);
            }
        }
    }
}

/// One frame of all inputs at their levels.
#[inline(always)]
fn sum<const C: usize>(levels: &[[f32; C]; 4], inputs: [&[f32; C]; 4]) -> [f32; C] {
    let mut sum = [0.0; C];
    for c in 0..C {
        let low = inputs[0][c] * levels[0][c] + inputs[1][c] * levels[1][c];
        sum[c] = low + (inputs[2][c] * levels[2][c] + inputs[3][c] * levels[3][c]);
    }
    sum
}
