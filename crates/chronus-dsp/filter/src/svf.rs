//! A filter with four answers at once: low-pass, high-pass, band-pass and notch of the same state. It
//! stays in tune and stable however fast its cutoff moves.
//!
//! The state-variable filter with trapezoidal integrators after Andrew Simper, "Linear Trapezoidal
//! Integrated State Variable Filter with Low Noise Optimisation" (Cytomic, 2013).

use super::SILENCE;
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

/// What the parameters come to: the damping, and what the states take of themselves and of the input in a frame.
#[derive(Clone, Copy)]
struct Shape<F> {
    k: F,
    /// What is left of the first state.
    kept: F,
    /// What goes from one state, or from the input, to the next.
    a: F,
    b: F,
}

impl<F: Floats> Shape<F> {
    #[inline(always)]
    fn of(per_hz: f32, cutoff_hz: F, q: F) -> Self {
        let (g, one) = (tan_of_turns(cutoff_hz * per_hz * 0.5), q.like(1.0));
        let k = one / q;
        let twice = q.like(2.0) / (g * (g + k) + 1.0);
        let a = g * twice;
        Self { k, kept: twice - 1.0, a, b: g * a }
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
        let rest = lanes.all(SILENCE);
        for n in 0..frames {
            if is_moving {
                shape = Shape::of(self.per_hz, cutoff_hz.at(n), q.at(n));
            }
            let Shape { k, kept, a, b } = shape;
            let v0 = lanes.load(&input[n]);
            // Found out beside the states that come, which the next frame waits for.
            let is_silent =
                s1.magnitude().lt(rest) & s2.magnitude().lt(rest) & v0.magnitude().lt(rest);
            let v3 = v0 - s2;
            let (next1, next2) = (kept * s1 + a * v3, (s2 + a * s1) + b * v3);
            // The integrators are trapezoidal: what is heard lies halfway between the states.
            let (v1, v2) = ((s1 + next1) * 0.5, (s2 + next2) * 0.5);
            (s1, s2) = (next1.without(is_silent), next2.without(is_silent));
            let middle = k * v1;
            let outer = v0 - middle;
            lanes.store(v2, &mut low[n]);
            lanes.store(outer - v2, &mut high[n]);
            lanes.store(middle, &mut band[n]);
            lanes.store(outer, &mut notch[n]);
        }
        lanes.store(s1, &mut self.state[0]);
        lanes.store(s2, &mut self.state[1]);
    }
}
