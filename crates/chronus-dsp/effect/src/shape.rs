//! The lines of a distortion: what they make of a signal, and how much louder or softer it becomes.

use crate::lanes::Floats;
use crate::math::{sine_of_phase, tanh};

/// How many shapes there are.
pub(super) const SHAPES: usize = 4;
/// What they are called.
pub(super) static NAMES: [&str; SHAPES] = ["soft", "hard", "fold", "tube"];
const SOFT: usize = 0;
const HARD: usize = 1;
const FOLD: usize = 2;
/// A sine of this amplitude comes out as loud as it went in.
const REFERENCE: f32 = 0.5;
/// How far the tube is off its middle.
const BIAS: f32 = 0.6;

/// What a shape makes of a signal.
#[inline(always)]
pub(super) fn bend<F: Floats>(shape: usize, x: F) -> F {
    match shape {
        SOFT => tanh(x),
        HARD => x.between(-1.0, 1.0),
        FOLD => fold(x),
        _ => tanh(x + BIAS) - tanh(x.like(BIAS)),
    }
}

/// A sine of the signal: 1 for 1, and back again for more.
#[inline(always)]
fn fold<F: Floats>(x: F) -> F {
    // Adding and taking away 1.5 * 2^23 rounds to whole turns.
    const ROUND: f32 = 12_582_912.0;
    let turns = x.between(-1e6, 1e6) * 0.25;
    let rest = turns - ((turns + ROUND) - ROUND);
    sine_of_phase((rest * 4_294_967_296.0).to_ints())
}

/// By what a bent sine is to be multiplied so that it is as loud as it was.
pub(super) fn compensation(shape: usize, drive: f32) -> f32 {
    const STEPS: u32 = 16;
    let power = 0.5 * REFERENCE * REFERENCE;
    if shape == FOLD {
        // The mean of the square of a sine of a sine, which swings too fast to be summed up.
        let order_0 = libm::j0f(core::f32::consts::PI * REFERENCE * drive);
        return (power / (0.5 - 0.5 * order_0)).sqrt();
    }
    let (mut sum, mut squares) = (0.0, 0.0);
    for step in 0..STEPS {
        // Half a turn, from the lowest point to the highest.
        let phase = (2 * step + 1) * (0x8000_0000 / (2 * STEPS));
        let sine = sine_of_phase(phase.wrapping_sub(0x4000_0000));
        let bent = bend(shape, drive * REFERENCE * sine);
        sum += bent;
        squares += bent * bent;
    }
    let mean = sum / STEPS as f32;
    (power / (squares / STEPS as f32 - mean * mean)).sqrt()
}
