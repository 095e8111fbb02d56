//! Small parts that join the others.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    clippy::inline_always,
    reason = "inner loops count channels across several arrays and must be inlined to become SIMD"
)]

use chronus_dsp_core::entry::CatalogEntry;
use chronus_dsp_core::{io, lanes, math, module, names, simd};
use chronus_dsp_core::{kernel, plain};

pub mod crossfade;
pub mod dcblock;
pub mod fault;
pub mod gain;
pub mod merge;
pub mod meter;
pub mod mix;
pub mod mixer;
pub mod pan;
pub mod scope;
pub mod vca;
pub mod width;

use crate::lanes::{Floats, Ints};
use crate::math::sine_of_phase;

/// A quarter of a turn, where 2^32 is a whole one.
const QUARTER: f32 = 1_073_741_824.0;

/// How loud the left and the right are for a place between them, from 0 to 1, at equal power:
/// together they have the power of one. In the middle each is 3 dB down.
#[inline(always)]
fn equal_power<F: Floats>(place: F) -> [F; 2] {
    let right = (place.between(0.0, 1.0) * QUARTER).to_ints();
    [sine_of_phase(right.like(QUARTER as u32).minus(right)), sine_of_phase(right)]
}

/// The kinds of this family, in the order of the reference.
pub static KINDS: &[CatalogEntry] = &[
    kernel!(crate::vca, Vca),
    kernel!(crate::mix, Mix),
    kernel!(crate::mixer, Mixer),
    plain!(crate::merge, Merge),
    kernel!(crate::gain, Gain),
    kernel!(crate::pan, Pan),
    kernel!(crate::crossfade, Crossfade),
    kernel!(crate::width, Width),
    kernel!(crate::dcblock, DcBlock),
    kernel!(crate::meter, Meter),
    plain!(crate::scope, Scope),
];

/// Kinds that are not for music: they do harm, to try what becomes of it.
pub static TRIALS: &[CatalogEntry] = &[plain!(crate::fault, Fault)];
