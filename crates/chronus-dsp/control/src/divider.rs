//! Counts the ticks of a clock and lets every second, third, fourth, ... pass.

use super::timing::{OPEN, Openings, RESET};
use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `divider`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "divider",
    summary: "Lets some ticks of a clock pass, such as every third; the first tick always counts.",
    inputs: &[
        PortSpec::trigger("clock", "the ticks: each begins where this rises through 0.5"),
        PortSpec { doc: "the next tick, or one that begins at once, is the first", ..RESET },
    ],
    outputs: &[
        PortSpec::gate("out", "every tick whose turn it is, as long as it is"),
        PortSpec::gate("by_2", "every second tick"),
        PortSpec::gate("by_3", "every third tick"),
        PortSpec::gate("by_4", "every fourth tick"),
        PortSpec::gate("by_8", "every eighth tick"),
    ],
    params: &[
        ParamSpec::number("by", "ticks", [1.0, 64.0], 16.0, "of so many ticks, out gives one"),
        ParamSpec::number("late", "ticks", [0.0, 63.0], 0.0, "how many ticks out lets go before"),
    ],
    bypass: &[(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)],
    ..ModuleSpec::BARE
};

const BY: usize = 0;
const LATE: usize = 1;
const OUTPUTS: usize = 5;

/// See [`SPEC`].
pub struct Divider<const C: usize> {
    clock: Openings<C>,
    reset: Openings<C>,
    /// Ticks since the beginning.
    ticks: [u64; C],
    /// Which outputs the present tick passes to.
    passes: [[bool; OUTPUTS]; C],
}

impl<const C: usize> Divider<C> {
    /// Before the first tick.
    pub fn new(_rate_hz: u32) -> Self {
        Self {
            clock: Openings::new(),
            reset: Openings::new(),
            ticks: [0; C],
            passes: [[false; OUTPUTS]; C],
        }
    }
}

/// The outputs that a tick passes to.
fn passes(tick: u64, by: f32, late: f32) -> [bool; OUTPUTS] {
    let by = by.round_ties_even() as u64;
    let late = late.round_ties_even() as u64;
    let of = |count: u64| tick.is_multiple_of(count);
    [tick % by == late % by, of(2), of(3), of(4), of(8)]
}

impl<const C: usize> Module for Divider<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(0);
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let (by, late) = (io.param::<C>(BY), io.param::<C>(LATE));
        let ([clock, reset], mut outputs) = io.ports::<C, 2, OUTPUTS>();
        for n in 0..clock.len() {
            let (ticks, resets) = (self.clock.of(&clock[n]), self.reset.of(&reset[n]));
            let (by, late) = (by.at(n), late.at(n));
            for c in 0..C {
                if resets[c] {
                    (self.ticks[c], self.passes[c]) = (0, [false; OUTPUTS]);
                }
                if ticks[c] {
                    self.passes[c] = passes(self.ticks[c], by[c], late[c]);
                    self.ticks[c] += 1;
                }
                let is_open = clock[n][c] > OPEN;
                for (output, passes) in outputs.iter_mut().zip(self.passes[c]) {
                    output[n][c] = if is_open && passes { 1.0 } else { 0.0 };
                }
            }
        }
    }
}
