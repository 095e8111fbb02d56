//! A mixer of four signals.

use crate::module::{Curve, Io, Module, ModuleSpec, ParamSpec, PortSpec};

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
        let levels = [0, 1, 2, 3].map(|param| io.param::<C>(param));
        let (inputs, [out]) = io.ports::<C, 4, 1>();
        for (n, out) in out.iter_mut().enumerate() {
            let levels = levels.each_ref().map(|level| level.at(n));
            for c in 0..C {
                let [a, b, low, high] = [0, 1, 2, 3].map(|i| inputs[i][n][c] * levels[i][c]);
                out[c] = (a + b) + (low + high);
            }
        }
    }
}
