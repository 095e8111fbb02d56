//! From single signals to one cable of many channels: four oscillators become four voices of one filter.

use crate::io::Io;
use crate::module::{Module, ModuleSpec, PortSpec};

/// The kind `merge`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "merge",
    summary: "Makes one cable of single signals, each in a channel of its own.",
    inputs: &[
        of_channel("in_1"),
        of_channel("in_2"),
        of_channel("in_3"),
        of_channel("in_4"),
        of_channel("in_5"),
        of_channel("in_6"),
        of_channel("in_7"),
        of_channel("in_8"),
        of_channel("in_9"),
        of_channel("in_10"),
        of_channel("in_11"),
        of_channel("in_12"),
        of_channel("in_13"),
        of_channel("in_14"),
        of_channel("in_15"),
        of_channel("in_16"),
    ],
    outputs: &[PortSpec::audio("out", "as many channels as the module has (`channels`)")],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const fn of_channel(name: &'static str) -> PortSpec {
    PortSpec::audio(
        name,
        "goes to the channel of this number, if there is one; of a wider cable its channel",
    )
}

/// See [`SPEC`].
pub struct Merge<const C: usize>;

impl<const C: usize> Merge<C> {
    /// It has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

impl<const C: usize> Module for Merge<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        for c in 0..C {
            // A single signal stands in all channels of its input.
            let input = io.input::<C>(c);
            for (out, input) in io.output::<C>(0).iter_mut().zip(input) {
                out[c] = input[c];
            }
        }
    }
}
