//! An amplifier that a signal opens and closes.

use crate::module::{Curve, Io, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `vca`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "vca",
    summary: "An amplifier; what is at `cv` multiplies its gain.",
    inputs: &[
        PortSpec { name: "in", doc: "the signal to be amplified" },
        PortSpec { name: "cv", doc: "multiplies the gain; without a cable it counts as 1" },
    ],
    outputs: &[PortSpec { name: "out", doc: "the input times gain and cv" }],
    params: &[ParamSpec {
        name: "gain",
        unit: "",
        min: 0.0,
        max: 8.0,
        default: 1.0,
        smoothing_ms: 10.0,
        curve: Curve::Linear,
        choices: &[],
        doc: "amplification; 1 leaves the signal as it is",
    }],
    gate: false,
    notes: false,
    bypass: &[(0, 0)],
};

/// See [`SPEC`].
pub struct Vca<const C: usize>;

impl<const C: usize> Vca<C> {
    /// An amplifier has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

impl<const C: usize> Module for Vca<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process(&mut self, mut io: Io<'_>) {
        let gain = io.param::<C>(0);
        let has_cv = io.is_connected(1);
        let ([input, cv], [out]) = io.ports::<C, 2, 1>();
        for (n, ((out, input), cv)) in out.iter_mut().zip(input).zip(cv).enumerate() {
            let gain = gain.at(n);
            let (mut amplified, cv) = (*input, if has_cv { *cv } else { [1.0; C] });
            for c in 0..C {
                amplified[c] = amplified[c] * gain[c] * cv[c];
            }
            *out = amplified;
        }
    }
}
