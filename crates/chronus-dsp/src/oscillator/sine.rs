//! A pure tone: a sine whose phase is counted in whole numbers, so it never drifts.

use crate::math::{frames_of_ms, sine_of_phase};
use crate::module::{Io, Module, ModuleSpec, ParamSpec, PortSpec};
use crate::smooth::Ramp;

/// The kind `sine`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "sine",
    summary: "A pure tone.",
    inputs: &[],
    outputs: &[PortSpec { name: "out", doc: "the tone, from -gain to gain" }],
    params: &[
        ParamSpec {
            name: "freq",
            unit: "Hz",
            min: 20.0,
            max: 20_000.0,
            default: 440.0,
            choices: &[],
            doc: "frequency, held below 0.49 of the rate",
        },
        ParamSpec {
            name: "gain",
            unit: "",
            min: 0.0,
            max: 1.0,
            default: 0.5,
            choices: &[],
            doc: "amplitude",
        },
    ],
    gate: false,
    bypass: &[],
};

const FREQ: usize = 0;
const GAIN: usize = 1;
const FREQ_SMOOTHING_MS: f32 = 5.0;
const GAIN_SMOOTHING_MS: f32 = 10.0;
/// A frequency closer to half the rate than this is held back, so that no alias folds down.
const FREQ_MAX_OF_RATE: f32 = 0.49;

/// See [`SPEC`].
pub struct Sine {
    rate_hz: u32,
    /// 2^32 is one turn. One unit is 1.1e-5 Hz at 48 kHz: at 20 Hz, at most 0.0005 cent off.
    phase: u32,
    /// What the phase advances by in one frame, while the frequency rests.
    phase_step: u32,
    freq_hz: Ramp,
    gain: Ramp,
}

impl Sine {
    /// A sine at its default parameters.
    pub fn new(rate_hz: u32) -> Self {
        let mut sine = Self {
            rate_hz,
            phase: 0,
            phase_step: 0,
            freq_hz: Ramp::at(SPEC.params[FREQ].default),
            gain: Ramp::at(SPEC.params[GAIN].default),
        };
        sine.reset();
        sine
    }

    fn phase_step_of(&self, freq_hz: f32) -> u32 {
        const TURN: f64 = 4294967296.0;
        let freq_hz = freq_hz.min(FREQ_MAX_OF_RATE * self.rate_hz as f32);
        (f64::from(freq_hz) * TURN / f64::from(self.rate_hz) + 0.5) as u32
    }

    /// The same samples as the general loop gives while both parameters rest, but faster.
    fn steady(&mut self, out: &mut [f32]) {
        let (gain, phase, phase_step) = (self.gain.value(), self.phase, self.phase_step);
        for (frame, sample) in (0_u32..).zip(&mut *out) {
            *sample = sine_of_phase(phase.wrapping_add(phase_step.wrapping_mul(frame))) * gain;
        }
        self.phase = phase.wrapping_add(phase_step.wrapping_mul(out.len() as u32));
    }
}

impl Module for Sine {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = 0;
        self.freq_hz.finish();
        self.gain.finish();
        self.phase_step = self.phase_step_of(self.freq_hz.value());
    }

    fn set_param(&mut self, param: usize, value: f32) {
        match param {
            FREQ => self.freq_hz.follow(value, frames_of_ms(FREQ_SMOOTHING_MS, self.rate_hz)),
            GAIN => self.gain.follow(value, frames_of_ms(GAIN_SMOOTHING_MS, self.rate_hz)),
            _ => panic!("sine has no parameter {param}"),
        }
    }

    fn process(&mut self, io: Io<'_>) {
        let ([], [out], frames) = io.ports();
        let out = &mut out[frames];
        if !self.freq_hz.is_moving() && !self.gain.is_moving() {
            self.steady(out);
            return;
        }
        for sample in out {
            if self.freq_hz.is_moving() {
                let freq_hz = self.freq_hz.step();
                self.phase_step = self.phase_step_of(freq_hz);
            }
            *sample = sine_of_phase(self.phase) * self.gain.step();
            self.phase = self.phase.wrapping_add(self.phase_step);
        }
    }
}
