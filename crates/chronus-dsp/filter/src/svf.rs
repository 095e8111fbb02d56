//! A filter with four answers at once: low-pass, high-pass, band-pass and notch of the same state. It
//! stays in tune and stable however fast its cutoff moves.
//!
//! The state-variable filter with trapezoidal integrators after Andrew Simper, "Linear Trapezoidal
//! Integrated State Variable Filter with Low Noise Optimisation" (Cytomic, 2013).

use super::silent_below;
use crate::io::Io;
use crate::lanes::{Floats, Lanes};
use crate::math::tan_of_turns;
use crate::module::{Curve, MIDDLE_C_HZ, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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
            default: MIDDLE_C_HZ,
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

/// What the parameters come to: the gain of an integrator, the damping, and what those two make of the input.
#[derive(Clone, Copy)]
struct Shape<F> {
    k: F,
    a1: F,
    a2: F,
    a3: F,
}

impl<F: Floats> Shape<F> {
    #[inline(always)]
    fn of(per_hz: f32, cutoff_hz: F, q: F) -> Self {
        let (g, one) = (tan_of_turns(cutoff_hz * per_hz * 0.5), q.like(1.0));
        let k = one / q;
        let a1 = one / (g * (g + k) + 1.0);
        let a2 = g * a1;
        Self { k, a1, a2, a3: g * a2 }
    }
}

impl<const C: usize> Kernel<C> for Svf<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.state = [[0.0; C]; 2];
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let (cutoff_hz, q) = (io.param::<C>(CUTOFF).on(lanes), io.param::<C>(Q).on(lanes));
        let is_moving = cutoff_hz.is_moving() || q.is_moving();
        let ([input], [low, high, band, notch]) = io.ports::<C, 1, 4>();
        let frames = low.len();
        let (high, band) = (&mut high[..frames], &mut band[..frames]);
        let (notch, input) = (&mut notch[..frames], &input[..frames]);
        let (mut s1, mut s2) = (lanes.load(&self.state[0]), lanes.load(&self.state[1]));
        let mut shape = Shape::of(self.per_hz, cutoff_hz.at(0), q.at(0));
        for n in 0..frames {
            if is_moving {
                shape = Shape::of(self.per_hz, cutoff_hz.at(n), q.at(n));
            }
            let Shape { k, a1, a2, a3 } = shape;
            let v0 = lanes.load(&input[n]);
            let v3 = v0 - s2;
            let v1 = a1 * s1 + a2 * v3;
            let v2 = s2 + a2 * s1 + a3 * v3;
            s1 = silent_below(v1 * 2.0 - s1);
            s2 = silent_below(v2 * 2.0 - s2);
            let (middle, rest) = (k * v1, v0 - k * v1);
            lanes.store(v2, &mut low[n]);
            lanes.store(rest - v2, &mut high[n]);
            lanes.store(middle, &mut band[n]);
            lanes.store(rest, &mut notch[n]);
        }
        lanes.store(s1, &mut self.state[0]);
        lanes.store(s2, &mut self.state[1]);
    }
}
