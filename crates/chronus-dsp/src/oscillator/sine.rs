//! A pure tone: a sine whose phase is counted in whole numbers, so it never drifts.

use crate::math::{PhaseSteps, sine_of_phase};
use crate::module::{Curve, Io, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `sine`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "sine",
    summary: "A pure tone.",
    inputs: &[],
    outputs: &[PortSpec::new("out", "the tone, from -gain to gain")],
    params: &[
        ParamSpec {
            name: "freq",
            unit: "Hz",
            min: 20.0,
            max: 20_000.0,
            default: 440.0,
            smoothing_ms: 5.0,
            curve: Curve::Exponential,
            choices: &[],
            doc: "frequency, held below 0.49 of the rate",
        },
        ParamSpec {
            name: "gain",
            unit: "",
            min: 0.0,
            max: 1.0,
            default: 0.5,
            smoothing_ms: 10.0,
            curve: Curve::Linear,
            choices: &[],
            doc: "amplitude",
        },
    ],
    ..ModuleSpec::BARE
};

const FREQ: usize = 0;
const GAIN: usize = 1;

/// See [`SPEC`].
pub struct Sine<const C: usize> {
    steps: PhaseSteps,
    /// 2^32 is one turn. One unit is 1.1e-5 Hz at 48 kHz: at 20 Hz, at most 0.0005 cent off.
    phase: [u32; C],
}

impl<const C: usize> Sine<C> {
    /// A sine at phase 0.
    pub fn new(rate_hz: u32) -> Self {
        Self { steps: PhaseSteps::new(rate_hz), phase: [0; C] }
    }
}

impl<const C: usize> Module for Sine<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [0; C];
    }

    #[inline(always)]
    fn process(&mut self, mut io: Io<'_>) {
        let (freq, gain) = (io.param::<C>(FREQ), io.param::<C>(GAIN));
        let ([], [out]) = io.ports::<C, 0, 1>();
        let mut phase = self.phase;
        let mut step = freq.at(0).map(|freq_hz| self.steps.of(freq_hz));
        for (n, out) in out.iter_mut().enumerate() {
            if freq.is_moving() {
                step = freq.at(n).map(|freq_hz| self.steps.of(freq_hz));
            }
            let gain = gain.at(n);
            for c in 0..C {
                out[c] = sine_of_phase(phase[c]) * gain[c];
                phase[c] = phase[c].wrapping_add(step[c]);
            }
        }
        self.phase = phase;
    }
}
