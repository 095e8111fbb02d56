//! A filter with four answers at once: low-pass, high-pass, band-pass and notch of the same state. It
//! stays in tune and stable however fast its cutoff moves.
//!
//! The state-variable filter with trapezoidal integrators after Andrew Simper, "Linear Trapezoidal
//! Integrated State Variable Filter with Low Noise Optimisation" (Cytomic, 2013).

use crate::io::Io;
use crate::math::tan_of_turns;
use crate::module::{Curve, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `svf`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "svf",
    summary: "A resonant filter, 12 dB per octave, made to be modulated; all its modes at once.",
    inputs: &[PortSpec::audio("in", "the signal to be filtered")],
    outputs: &[
        PortSpec::audio("low", "what lies below the cutoff"),
        PortSpec::audio("high", "what lies above the cutoff"),
        PortSpec::audio("band", "what lies around the cutoff, at 0 dB"),
        PortSpec::audio("notch", "all but what lies around the cutoff"),
    ],
    params: &[
        ParamSpec {
            name: "cutoff",
            unit: "Hz",
            min: 20.0,
            max: 20_000.0,
            default: 1_000.0,
            smoothing_ms: 10.0,
            curve: Curve::Exponential,
            choices: &[],
            doc: "corner or centre frequency, held below 0.49 of the rate",
        },
        ParamSpec {
            name: "q",
            unit: "",
            min: 0.5,
            max: 50.0,
            default: 0.707,
            smoothing_ms: 10.0,
            curve: Curve::Exponential,
            choices: &[],
            doc: "resonance; 0.707 is flat",
        },
    ],
    bypass: &[(0, 0), (0, 1), (0, 2), (0, 3)],
    ..ModuleSpec::BARE
};

const CUTOFF: usize = 0;
const Q: usize = 1;
/// State below this counts as silence.
const SILENCE: f32 = 1e-20;

/// See [`SPEC`].
pub struct Svf<const C: usize> {
    per_hz: f32,
    state: [[f32; C]; 2],
}

impl<const C: usize> Svf<C> {
    /// A filter at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self { per_hz: 1.0 / rate_hz as f32, state: [[0.0; C]; 2] }
    }
}

impl<const C: usize> Module for Svf<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.state = [[0.0; C]; 2];
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let (cutoff_hz, q) = (io.param::<C>(CUTOFF), io.param::<C>(Q));
        let per_hz = self.per_hz;
        let ([input], [low, high, band, notch]) = io.ports::<C, 1, 4>();
        let [mut s1, mut s2] = self.state;
        let mut g = cutoff_hz.at(0).map(|cutoff_hz| tan_of_turns(cutoff_hz * per_hz * 0.5));
        for n in 0..low.len() {
            if cutoff_hz.is_moving() {
                g = cutoff_hz.at(n).map(|cutoff_hz| tan_of_turns(cutoff_hz * per_hz * 0.5));
            }
            let (q, input) = (q.at(n), input[n]);
            // Whole frames are written, or the compiler would fear that the outputs overlap.
            let [mut l, mut h, mut b, mut r] = [[0.0; C]; 4];
            for c in 0..C {
                let k = 1.0 / q[c];
                let a1 = 1.0 / (1.0 + g[c] * (g[c] + k));
                let a2 = g[c] * a1;
                let a3 = g[c] * a2;
                let v0 = input[c];
                let v3 = v0 - s2[c];
                let v1 = a1 * s1[c] + a2 * v3;
                let v2 = s2[c] + a2 * s1[c] + a3 * v3;
                s1[c] = silent_below(2.0 * v1 - s1[c]);
                s2[c] = silent_below(2.0 * v2 - s2[c]);
                (l[c], b[c]) = (v2, k * v1);
                (r[c], h[c]) = (v0 - k * v1, v0 - k * v1 - v2);
            }
            (low[n], high[n], band[n], notch[n]) = (l, h, b, r);
        }
        self.state = [s1, s2];
    }
}

#[inline(always)]
fn silent_below(state: f32) -> f32 {
    if state.abs() < SILENCE { 0.0 } else { state }
}
