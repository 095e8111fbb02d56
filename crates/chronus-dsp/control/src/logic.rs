//! Gates combined: open if both are, if one is, if just one is, and the opposites.

use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `logic`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "logic",
    summary: "Combines two gates; all results at once.",
    inputs: &[PortSpec::gate("a", "the first gate"), PortSpec::gate("b", "the second gate")],
    outputs: &[
        PortSpec::gate("and", "open while both are"),
        PortSpec::gate("or", "open while at least one is"),
        PortSpec::gate("xor", "open while just one is"),
        PortSpec::gate("nand", "closed while both are open"),
        PortSpec::gate("nor", "open while both are closed"),
        PortSpec::gate("xnor", "open while both are the same"),
        PortSpec::gate("not_a", "open while a is closed"),
    ],
    params: &[ParamSpec::number(
        "threshold",
        "",
        [-1.0, 1.0],
        0.5,
        "an input above it is open; any signal can become a gate by it",
    )],
    bypass: &[(0, 0), (0, 1), (0, 2)],
    ..ModuleSpec::BARE
};

/// See [`SPEC`].
pub struct Logic<const C: usize>;

impl<const C: usize> Logic<C> {
    /// It has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

impl<const C: usize> Module for Logic<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    fn process(&mut self, io: &mut Io<'_>) {
        let threshold = io.param::<C>(0);
        let ([a, b], mut outputs) = io.ports::<C, 2, 7>();
        for n in 0..a.len() {
            let threshold = threshold.at(n);
            for c in 0..C {
                let (a, b) = (a[n][c] > threshold[c], b[n][c] > threshold[c]);
                let gates = [a && b, a || b, a != b, !(a && b), !(a || b), a == b, !a];
                for (output, gate) in outputs.iter_mut().zip(gates) {
                    output[n][c] = if gate { 1.0 } else { 0.0 };
                }
            }
        }
    }
}
