//! A pure tone: a sine whose phase is counted in whole numbers, so it never drifts.

use crate::math::{PhaseSteps, sine_of_phase};
use crate::module::{Curve, Io, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `sine`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "sine",
    summary: "A pure tone, and the building block of FM.",
    inputs: &[super::FM],
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
        super::INDEX,
    ],
    ..ModuleSpec::BARE
};

const FREQ: usize = 0;
const GAIN: usize = 1;
const INDEX: usize = 2;
/// The input.
const FM: usize = 0;

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

    /// As [`process`](Module::process), with a cable at [`FM`]. A silent one changes no bit.
    #[inline(always)]
    fn process_modulated(&mut self, mut io: Io<'_>) {
        let [freq, gain, index] = [FREQ, GAIN, INDEX].map(|param| io.param::<C>(param));
        let ([fm], [out]) = io.ports::<C, 1, 1>();
        let mut phase = self.phase;
        let mut step = freq.at(0).map(|freq_hz| self.steps.of(freq_hz));
        for (n, out) in out.iter_mut().enumerate() {
            if freq.is_moving() {
                step = freq.at(n).map(|freq_hz| self.steps.of(freq_hz));
            }
            let (gain, index, fm) = (gain.at(n), index.at(n), fm[n]);
            for c in 0..C {
                out[c] = sine_of_phase(phase[c]) * gain[c];
                let more = deviation(step[c], index[c] * fm[c]);
                phase[c] = phase[c].wrapping_add(step[c]).wrapping_add(more);
            }
        }
        self.phase = phase;
    }
}

/// So many times a step, less whole turns: those change nothing, because the phase of a sine is all
/// that is heard of it. So its frequency may go as far as it likes, also beyond half the rate for a
/// moment.
#[inline(always)]
fn deviation(step: u32, times: f32) -> u32 {
    const TURN: f32 = 4_294_967_296.0;
    // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    // A step is below half a turn, and vectors convert only signed numbers.
    let turns = step as i32 as f32 * (1.0 / TURN) * times;
    let rest = turns - ((turns + ROUND) - ROUND);
    (rest * TURN) as i32 as u32
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
        if io.is_connected(FM) {
            return self.process_modulated(io);
        }
        let (freq, gain) = (io.param::<C>(FREQ), io.param::<C>(GAIN));
        let ([_], [out]) = io.ports::<C, 1, 1>();
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
