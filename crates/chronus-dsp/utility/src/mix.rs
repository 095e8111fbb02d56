//! A mixer of four signals.

use crate::io::Io;
use crate::lanes::Lanes;
use crate::module::{Curve, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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

impl<const C: usize> Kernel<C> for Mix<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let levels = [io.param::<C>(0), io.param(1), io.param(2), io.param(3)];
        let [to_a, to_b, to_c, to_d] = levels;
        let (to_a, to_b, to_c, to_d) =
            (to_a.on(lanes), to_b.on(lanes), to_c.on(lanes), to_d.on(lanes));
        let ([a, b, c, d], [out]) = io.ports::<C, 4, 1>();
        for (n, out) in out.iter_mut().enumerate() {
            let low = lanes.load(&a[n]) * to_a.at(n) + lanes.load(&b[n]) * to_b.at(n);
            let high = lanes.load(&c[n]) * to_c.at(n) + lanes.load(&d[n]) * to_d.at(n);
            lanes.store(low + high, out);
        }
    }
}
