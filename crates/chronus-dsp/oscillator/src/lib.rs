//! Sources of pitch and timbre.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    clippy::inline_always,
    reason = "inner loops count channels across several arrays and must be inlined to become SIMD"
)]

use chronus_dsp_core::entry::CatalogEntry;
use chronus_dsp_core::{gate, io, lanes, math, module, simd, smooth, tables};
use chronus_dsp_core::{kernel, kind, plain};

pub mod cycles;
pub mod edge;
pub mod kernel;
pub mod noise;
pub mod playhead;
pub mod pulse;
pub mod sample;
pub mod saw;
pub mod shapes;
pub mod sine;
pub mod supersaw;
pub mod triangle;
pub mod wavetable;

use crate::module::{Curve, MIDDLE_C_HZ, ParamSpec, PortSpec};

/// The frequency of an audible oscillator.
const FREQ: ParamSpec = ParamSpec {
    name: "freq",
    unit: "Hz",
    min: 20.0,
    max: 20_000.0,
    default: MIDDLE_C_HZ,
    smoothing_ms: 5.0,
    curve: Curve::Exponential,
    choices: &[],
    doc: "frequency, held below 0.49 of the rate",
};

/// The level of an audible oscillator.
const GAIN: ParamSpec = ParamSpec {
    name: "gain",
    unit: "",
    min: 0.0,
    max: 1.0,
    default: 0.5,
    smoothing_ms: 10.0,
    curve: Curve::Linear,
    choices: &[],
    doc: "amplitude",
};

/// The input that starts an oscillator's turn afresh.
const SYNC: PortSpec = PortSpec::audio(
    "sync",
    "restarts the turn where it rises through 0, to a fraction of a frame and band-limited",
);

/// The input that modulates an oscillator's frequency.
const FM: PortSpec = PortSpec::audio(
    "fm",
    "modulates the frequency in Hz, through zero: it is freq times (1 + index times this)",
);

/// How much [`FM`] does.
const INDEX: ParamSpec = ParamSpec::number(
    "index",
    "",
    [0.0, 32.0],
    1.0,
    "depth of fm: at 1, a signal from -1 to 1 moves the frequency between 0 and twice freq",
)
.smoothed(10.0);

/// The kinds of this family, in the order of the reference.
pub static KINDS: &[CatalogEntry] = &[
    kernel!(crate::sine, Sine, fused),
    kernel!(crate::saw, Saw, narrow),
    kernel!(crate::pulse, Pulse, narrow),
    kernel!(crate::triangle, Triangle, narrow),
    kernel!(crate::supersaw, Supersaw, narrow),
    kernel!(crate::wavetable, Wavetable, narrow),
    plain!(crate::sample, Sample),
    kind!(crate::noise, Noise),
];
