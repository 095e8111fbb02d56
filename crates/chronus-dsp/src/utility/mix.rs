//! A mixer of four signals.

use crate::io::{Io, Param};
use crate::module::{Curve, Module, ModuleSpec, ParamSpec, PortSpec};

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
        for (n, out) in out.iter_mut().enumerate() {
            if n == 0 || is_moving {
                for (now, level) in now.iter_mut().zip(&levels) {
                    *now = level.at(n);
                }
            }
            let (low, high) =
                (both(&a[n], &now[0], &b[n], &now[1]), both(&c[n], &now[2], &d[n], &now[3]));
            for i in 0..C {
                out[i] = low[i] + high[i];
            }
        }
    }
}

/// One frame of two inputs at their levels.
#[inline(always)]
fn both<const C: usize>(a: &[f32; C], to_a: &[f32; C], b: &[f32; C], to_b: &[f32; C]) -> [f32; C] {
    let (mut low, mut high) = (*a, *b);
    for c in 0..C {
        low[c] *= to_a[c];
    }
    for c in 0..C {
        high[c] *= to_b[c];
    }
    for c in 0..C {
        low[c] += high[c];
    }
    low
}
