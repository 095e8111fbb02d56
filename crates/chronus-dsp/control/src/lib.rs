//! What tells other modules what to do.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    clippy::inline_always,
    reason = "inner loops count channels across several arrays and must be inlined to become SIMD"
)]

use chronus_dsp_core::entry::CatalogEntry;
use chronus_dsp_core::{gate, io, lanes, math, module, names, simd, smooth, transport};
use chronus_dsp_core::{kernel, plain};

pub mod clock;
pub mod constant;
pub mod divider;
mod keys;
pub mod lfo;
pub mod logic;
pub mod maths;
pub mod offset;
pub mod pattern;
pub mod quantizer;
pub mod random;
pub mod row;
pub mod sample_hold;
pub mod scale;
pub mod score;
pub mod slew;
pub mod steps;
pub mod timing;
pub mod transpose;
pub mod voices;

/// The kinds of this family, in the order of the reference.
pub static KINDS: &[CatalogEntry] = &[
    plain!(crate::voices, Voices),
    plain!(crate::transpose, Transpose),
    plain!(crate::quantizer, Quantizer),
    plain!(crate::slew, Slew),
    plain!(crate::clock, Clock),
    plain!(crate::divider, Divider),
    plain!(crate::logic, Logic),
    kernel!(crate::lfo, Lfo, narrow),
    plain!(crate::random, Random),
    plain!(crate::sample_hold, SampleHold),
    plain!(crate::constant, Constant),
    plain!(crate::offset, Offset),
    plain!(crate::maths, Maths),
    plain!(crate::steps, Steps),
];
