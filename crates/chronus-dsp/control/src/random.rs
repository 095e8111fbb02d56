//! A random value at each trigger, evenly spread or most often near the middle. It is computed from
//! the seed and the number of the trigger, so it is the same in every process.

use super::timing::{OPEN, Openings, RESET};
use crate::io::Io;
use crate::math::{Die, sine_of_phase};
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `random`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "random",
    summary: "A random value at each trigger, and triggers that come by chance.",
    inputs: &[
        PortSpec::trigger("trigger", "draws the next value where it rises through 0.5"),
        PortSpec { doc: "goes back to the first value of the series", ..RESET },
    ],
    outputs: &[
        PortSpec::control("out", "the value, held until the next"),
        PortSpec::gate("gate", "the triggers that drew a value, each as long as it is"),
    ],
    params: &[
        ParamSpec::number("min", "", [-10.0, 10.0], -1.0, "the least value"),
        ParamSpec::number("max", "", [-10.0, 10.0], 1.0, "the greatest value"),
        ParamSpec::choice(
            "distribution",
            &["uniform", "gaussian"],
            "all values alike, or a bell: two of three in the middle third, few near the ends",
        ),
        ParamSpec::number("chance", "%", [0.0, 100.0], 100.0, "how likely a trigger draws a value"),
        SEED,
        SPREAD,
    ],
    ..ModuleSpec::BARE
};

/// The seed of a series.
pub const SEED: ParamSpec =
    ParamSpec::number("seed", "", [0.0, 65_535.0], 0.0, "whole; another number is another series");

/// Whether the channels have one series.
pub const SPREAD: ParamSpec = ParamSpec::choice(
    "spread",
    &["alike", "different"],
    "whether all channels have the same series, or each its own",
);

const MIN: usize = 0;
const MAX: usize = 1;
const DISTRIBUTION: usize = 2;
const CHANCE: usize = 3;
const SEED_AT: usize = 4;
const SPREAD_AT: usize = 5;
/// How many standard deviations of the bell lie on each side; what is beyond is drawn in.
const DEVIATIONS: f32 = 3.0;

/// See [`SPEC`].
pub struct Random<const C: usize> {
    trigger: Openings<C>,
    reset: Openings<C>,
    /// Triggers since the beginning, with one for the value before the first of them.
    count: [u32; C],
    value: [f32; C],
    passes: [bool; C],
}

impl<const C: usize> Random<C> {
    /// Before the first value.
    pub fn new(_rate_hz: u32) -> Self {
        Self {
            trigger: Openings::new(),
            reset: Openings::new(),
            count: [0; C],
            value: [0.0; C],
            passes: [false; C],
        }
    }
}

/// From 0 up to, but not including, 1: the first 24 bits, which an `f32` holds.
fn share_of(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// From 0 to 1, by two throws.
fn value_of(first: u32, second: u32, is_gaussian: bool) -> f32 {
    if !is_gaussian {
        return share_of(first);
    }
    // G. E. P. Box, Mervin E. Muller: "A Note on the Generation of Random Normal Deviates" (1958).
    let radius = (-2.0 * libm::logf(1.0 - share_of(first))).sqrt();
    let deviations = (radius * sine_of_phase(second)).clamp(-DEVIATIONS, DEVIATIONS);
    0.5 + 0.5 / DEVIATIONS * deviations
}

impl<const C: usize> Module for Random<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(0);
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let params = [MIN, MAX, DISTRIBUTION, CHANCE, SEED_AT, SPREAD_AT].map(|p| io.param::<C>(p));
        let ([trigger, reset], [out, gate]) = io.ports::<C, 2, 2>();
        for n in 0..out.len() {
            let (triggers, resets) = (self.trigger.of(&trigger[n]), self.reset.of(&reset[n]));
            let [min, max, bell, chance, seed, spread] = params.each_ref().map(|param| param.at(n));
            for c in 0..C {
                if resets[c] {
                    self.count[c] = 0;
                }
                let is_first = self.count[c] == 0;
                if triggers[c] || is_first {
                    let die = Die::new(seed[c], if spread[c] > 0.5 { c } else { 0 });
                    let number = self.count[c].wrapping_mul(3);
                    let throw = |which| die.throw(number.wrapping_add(which));
                    // The value before the first trigger is certain, but not a trigger.
                    // Even the greatest draw is below 100.
                    let draws = 100.0 * share_of(throw(0)) < chance[c];
                    if draws || is_first {
                        let share = value_of(throw(1), throw(2), bell[c] > 0.5);
                        self.value[c] = min[c] + (max[c] - min[c]) * share;
                    }
                    self.passes[c] = draws && triggers[c];
                    self.count[c] = self.count[c].wrapping_add(1);
                }
                let is_open = trigger[n][c] > OPEN && self.passes[c];
                (out[n][c], gate[n][c]) = (self.value[c], if is_open { 1.0 } else { 0.0 });
            }
        }
    }
}
