//! Drums, and a voice that goes with them.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    clippy::inline_always,
    reason = "inner loops count channels across several arrays and must be inlined to become SIMD"
)]

use chronus_dsp_core::entry::CatalogEntry;
use chronus_dsp_core::kind;
use chronus_dsp_core::{gate, io, math, module};

pub mod acid;
pub mod clap;
pub mod cowbell;
pub mod diode_ladder;
pub mod hat;
pub mod kick;
pub mod metal;
pub mod parts;
pub mod rim;
pub mod snare;
pub mod tom;

use crate::module::{MIDDLE_C_HZ, ParamSpec, PortSpec};

/// What is struck rings at a C of its own register, so that a plain pitch cable is in tune with all else.
const C2_HZ: f32 = MIDDLE_C_HZ / 4.0;
const C3_HZ: f32 = MIDDLE_C_HZ / 2.0;
const C5_HZ: f32 = MIDDLE_C_HZ * 2.0;
const C6_HZ: f32 = MIDDLE_C_HZ * 4.0;
const C7_HZ: f32 = MIDDLE_C_HZ * 8.0;

/// The input that strikes a drum.
const GATE: PortSpec = PortSpec::trigger(
    "gate",
    "strikes each channel as it rises through 0.5, as the gate does for all",
);

/// The input that says how hard.
const VELOCITY: PortSpec =
    PortSpec::control("velocity", "how hard it is struck, from 0 to 1, in the frame of the stroke")
        .resting_at_one();

/// The level of a drum.
/// Its default has hard strokes peak at -12 to -16 dB, so that a kit struck at once leaves the limiter alone.
const GAIN: ParamSpec =
    ParamSpec::number("gain", "", [0.0, 2.0], 0.22, "level of the whole").smoothed(10.0);

const DRIVE: ParamSpec =
    ParamSpec::number("drive", "", [0.0, 1.0], 0.0, "how far it is driven into saturation")
        .smoothed(10.0);

/// How long something takes to fade.
const fn fade(name: &'static str, range: [f32; 2], default: f32, doc: &'static str) -> ParamSpec {
    ParamSpec::number(name, "ms", range, default, doc).exponential()
}

/// A frequency that cables drive in octaves.
const fn freq(name: &'static str, range: [f32; 2], default: f32, doc: &'static str) -> ParamSpec {
    ParamSpec::number(name, "Hz", range, default, doc).smoothed(5.0).exponential()
}

/// The kinds of this family, in the order of the reference.
pub static KINDS: &[CatalogEntry] = &[
    kind!(crate::kick, Kick),
    kind!(crate::snare, Snare),
    kind!(crate::hat, Hat),
    kind!(crate::clap, Clap),
    kind!(crate::tom, Tom),
    kind!(crate::rim, Rim),
    kind!(crate::cowbell, Cowbell),
    kind!(crate::acid, Acid),
];
