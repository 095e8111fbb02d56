//! What takes parts of a spectrum away.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    clippy::inline_always,
    reason = "inner loops count channels across several arrays and must be inlined to become SIMD"
)]

use chronus_dsp_core::entry::CatalogEntry;
use chronus_dsp_core::kernel;
use chronus_dsp_core::{io, lanes, math, module, simd, smooth};

pub mod biquad;
pub mod comb;
pub mod design_glide;
pub mod formant;
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
    state.without(state.magnitude().lt(state.like(SILENCE)))
}

/// The kinds of this family, in the order of the reference.
pub static KINDS: &[CatalogEntry] = &[
    kernel!(crate::biquad, Biquad, fused),
    kernel!(crate::svf, Svf, narrow),
    kernel!(crate::ladder, Ladder, narrow),
    kernel!(crate::onepole, Onepole),
    kernel!(crate::comb, Comb, narrow),
    kernel!(crate::formant, Formants, narrow),
];
