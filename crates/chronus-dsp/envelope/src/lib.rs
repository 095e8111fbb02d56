//! Shapes over time that follow a gate.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    clippy::inline_always,
    reason = "inner loops count channels across several arrays and must be inlined to become SIMD"
)]

use chronus_dsp_core::entry::CatalogEntry;
use chronus_dsp_core::kernel;
use chronus_dsp_core::{gate, io, lanes, math, module, simd, smooth};

pub mod ad;
pub mod adsr;
pub mod adsr_exp;
pub mod contour;
pub mod follower;
pub mod gates;
pub mod stages;
pub mod way;

use crate::module::PortSpec;

/// What the amplifier of an envelope shapes.
const IN: PortSpec = PortSpec::audio("in", "the signal to be shaped");

/// The gate of each channel.
const GATE: PortSpec =
    PortSpec::gate("gate", "opens each channel while above 0.5, as the gate does for all");

/// The kinds of this family, in the order of the reference.
pub static KINDS: &[CatalogEntry] = &[
    kernel!(crate::adsr, Adsr, narrow),
    kernel!(crate::adsr_exp, AdsrExp),
    kernel!(crate::ad, Ad),
    kernel!(crate::contour, Contour),
    kernel!(crate::follower, Follower),
];
