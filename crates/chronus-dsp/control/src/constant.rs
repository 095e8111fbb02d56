//! A steady value: a knob that is heard at any number of cables.

use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `constant`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "constant",
    summary: "A steady value, for any number of inputs and parameters.",
    outputs: &[PortSpec::control("out", "the value")],
    params: &[ParamSpec::number("value", "", [-10.0, 10.0], 0.0, "what it gives").smoothed(10.0)],
    ..ModuleSpec::BARE
};

/// See [`SPEC`].
pub struct Constant<const C: usize>;

impl<const C: usize> Constant<C> {
    /// A value has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

impl<const C: usize> Module for Constant<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    fn process(&mut self, io: &mut Io<'_>) {
        let value = io.param::<C>(0);
        let ([], [out]) = io.ports::<C, 0, 1>();
        for (n, out) in out.iter_mut().enumerate() {
            *out = value.at(n);
        }
    }
}
