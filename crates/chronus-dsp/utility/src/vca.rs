//! An amplifier that a signal opens and closes.

use crate::io::Io;
use crate::lanes::Lanes;
use crate::module::{Curve, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `vca`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "vca",
    summary: "An amplifier; what is at `cv` multiplies its gain.",
    inputs: &[
        PortSpec::audio("in", "the signal to be amplified"),
        PortSpec::control("cv", "multiplies the gain").resting_at_one(),
    ],
    outputs: &[PortSpec::audio("out", "the input times gain and cv")],
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
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

/// See [`SPEC`].
pub struct Vca<const C: usize>;

impl<const C: usize> Vca<C> {
    /// An amplifier has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

impl<const C: usize> Kernel<C> for Vca<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let gain = io.param::<C>(0).on(lanes);
        let ([input, cv], [out]) = io.ports::<C, 2, 1>();
        for (n, ((out, input), cv)) in out.iter_mut().zip(input).zip(cv).enumerate() {
            lanes.store(lanes.load(input) * gain.at(n) * lanes.load(cv), out);
        }
    }
}
