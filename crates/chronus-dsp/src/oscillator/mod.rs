//! Sources of pitch and timbre.

pub mod edge;
pub mod noise;
pub mod pulse;
pub mod saw;
pub mod sine;
pub mod triangle;

use crate::module::{Curve, ParamSpec, PortSpec};

/// The frequency of an audible oscillator.
const FREQ: ParamSpec = ParamSpec {
    name: "freq",
    unit: "Hz",
    min: 20.0,
    max: 20_000.0,
    default: 440.0,
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
const SYNC: PortSpec = PortSpec::new(
    "sync",
    "restarts the turn where it rises through 0, to a fraction of a frame and band-limited",
);
