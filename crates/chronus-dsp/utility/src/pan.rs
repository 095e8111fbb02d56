//! A place between left and right, and voices spread across the stage.

use super::equal_power;
use crate::io::Io;
use crate::lanes::{Floats, Lanes};
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `pan`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "pan",
    summary: "Places a signal between left and right, and spreads its voices.",
    inputs: &[PortSpec::audio("in", "the signal to be placed")],
    outputs: &[
        PortSpec::audio("left", "the left side, 3 dB down in the middle"),
        PortSpec::audio("right", "the right side, 3 dB down in the middle"),
    ],
    params: &[
        ParamSpec::number("pan", "", [-1.0, 1.0], 0.0, "-1 is left, 1 is right, at equal power")
            .smoothed(10.0),
        ParamSpec::number(
            "spread",
            "",
            [0.0, 1.0],
            0.0,
            "how far the channels of a cable lie apart: the first two near the middle, the last \
             outermost",
        )
        .smoothed(10.0),
    ],
    bypass: &[(0, 0), (0, 1)],
    ..ModuleSpec::BARE
};

const PAN: usize = 0;
const SPREAD: usize = 1;

/// See [`SPEC`].
pub struct Pan<const C: usize>;

impl<const C: usize> Pan<C> {
    /// A panorama has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }

    /// Where the channels are at full spread: left and right by turns, from the middle outwards, so
    /// that a chord of few notes stays together. A single channel is in the middle.
    fn places() -> [f32; C] {
        let mut places = [0.0; C];
        if C > 1 {
            for c in 0..C {
                let out = (2 * (c / 2) + 1) as f32 / (C - 1) as f32;
                places[c] = if c % 2 == 0 { -out } else { out };
            }
        }
        places
    }
}

#[inline(always)]
fn gains<F: Floats>(places: F, pan: F, spread: F) -> [F; 2] {
    equal_power((pan + spread * places) * 0.5 + 0.5)
}

impl<const C: usize> Kernel<C> for Pan<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let (pan, spread) = (io.param::<C>(PAN).on(lanes), io.param::<C>(SPREAD).on(lanes));
        let is_moving = pan.is_moving() || spread.is_moving();
        let ([input], [left, right]) = io.ports::<C, 1, 2>();
        let places = lanes.load(&Self::places());
        let mut gain = gains(places, pan.at(0), spread.at(0));
        for (n, ((input, left), right)) in input.iter().zip(left).zip(right).enumerate() {
            if is_moving {
                gain = gains(places, pan.at(n), spread.at(n));
            }
            let input = lanes.load(input);
            lanes.store(gain[0] * input, left);
            lanes.store(gain[1] * input, right);
        }
    }
}
