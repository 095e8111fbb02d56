//! A signal held: taken at each trigger, or followed while a gate is open.

use super::timing::{OPEN, Openings};
use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `sample_hold`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "sample_hold",
    summary: "Holds a signal as it was at the last trigger.",
    inputs: &[
        PortSpec::control("in", "the signal"),
        PortSpec::trigger(
            "trigger",
            "takes the signal where it rises through 0.5, or while above it",
        ),
    ],
    outputs: &[PortSpec::control("out", "the signal as it was taken; 0 before")],
    params: &[ParamSpec::choice(
        "mode",
        &["sample", "track"],
        "whether the signal is taken at the instant of the trigger, or followed while that is open",
    )],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

/// See [`SPEC`].
pub struct SampleHold<const C: usize> {
    trigger: Openings<C>,
    held: [f32; C],
}

impl<const C: usize> SampleHold<C> {
    /// It holds 0.
    pub fn new(_rate_hz: u32) -> Self {
        Self { trigger: Openings::new(), held: [0.0; C] }
    }
}

impl<const C: usize> Module for SampleHold<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.trigger, self.held) = (Openings::new(), [0.0; C]);
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let mode = io.param::<C>(0);
        let ([input, trigger], [out]) = io.ports::<C, 2, 1>();
        for (n, out) in out.iter_mut().enumerate() {
            let (mode, opens) = (mode.at(n), self.trigger.of(&trigger[n]));
            for c in 0..C {
                let tracks = mode[c] > 0.5 && trigger[n][c] > OPEN;
                if opens[c] || tracks {
                    self.held[c] = input[n][c];
                }
            }
            *out = self.held;
        }
    }
}
