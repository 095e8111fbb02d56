//! What makes a signal larger, smaller or inverted and moves it up or down, to fit where it goes.

use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `offset`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "offset",
    summary: "Fits a control signal to its purpose: attenuates, inverts and moves it.",
    inputs: &[PortSpec::control("in", "the signal to be fitted")],
    outputs: &[PortSpec::control("out", "the input times scale, plus offset")],
    params: &[
        ParamSpec::number("scale", "", [-10.0, 10.0], 1.0, "multiplies; below 0 it inverts")
            .smoothed(10.0),
        ParamSpec::number("offset", "", [-10.0, 10.0], 0.0, "is added after that").smoothed(10.0),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const SCALE: usize = 0;
const OFFSET: usize = 1;

/// See [`SPEC`].
pub struct Offset<const C: usize>;

impl<const C: usize> Offset<C> {
    /// It has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

impl<const C: usize> Module for Offset<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    fn process(&mut self, io: &mut Io<'_>) {
        let (scale, offset) = (io.param::<C>(SCALE), io.param::<C>(OFFSET));
        let ([input], [out]) = io.ports::<C, 1, 1>();
        for (n, out) in out.iter_mut().enumerate() {
            let (scale, offset, mut fitted) = (scale.at(n), offset.at(n), input[n]);
            for c in 0..C {
                fitted[c] = fitted[c] * scale[c] + offset[c];
            }
            *out = fitted;
        }
    }
}
