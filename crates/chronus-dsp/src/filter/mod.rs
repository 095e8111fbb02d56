//! What takes parts of a spectrum away.

pub mod biquad;
pub mod comb;
pub mod formant;
pub mod glide;
pub mod ladder;
pub mod onepole;
pub mod svf;
pub mod vowels;

use crate::lanes::Floats;

/// State below this counts as silence, long before it would be denormal.
const SILENCE: f32 = 1e-20;

/// The state of a filter, or 0 once it has died away.
#[inline(always)]
fn silent_below<F: Floats>(state: F) -> F {
    F::choose(state.magnitude().lt(state.like(SILENCE)), state.like(0.0), state)
}
