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

/// Scatters the bits of a number, one to one: each bit that goes in changes about half of those that
/// come out. Found by Chris Wellons ("lowbias32", hash-prospector, 2018).
#[inline(always)]
pub(crate) fn scramble(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x7feb_352d);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x846c_a68b);
    bits ^ (bits >> 16)
}

/// Scattered bits as a number, evenly from -1 to 1.
#[inline(always)]
pub(crate) fn unit_of(bits: u32) -> f32 {
    bits as i32 as f32 * (1.0 / 2147483648.0)
}
