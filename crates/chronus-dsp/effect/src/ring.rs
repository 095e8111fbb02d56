//! A ring modulator: the sound times a tone, which leaves the sums and differences of their
//! frequencies. Bells, robots, and a tremolo if the tone is deep.

use super::blend_each;
use crate::io::Io;
use crate::math::{PhaseSteps, sine_of_phase};
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `ring`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "ring",
    summary: "A ring modulator: the sound times a tone, for bells and robots.",
    inputs: &[
        super::LEFT_IN,
        super::RIGHT_IN,
        PortSpec::audio("carrier", "multiplies the sound; without a cable it is a sine of `freq`"),
    ],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        ParamSpec::number(
            "freq",
            "Hz",
            [0.1, 10_000.0],
            440.0,
            "frequency of the sine, held below 0.49 of the rate",
        )
        .smoothed(5.0)
        .exponential(),
        super::mix(1.0),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const FREQ: usize = 0;
const MIX: usize = 1;
const CARRIER: usize = 2;

/// See [`SPEC`].
pub struct Ring<const C: usize> {
    steps: PhaseSteps,
    phase: [u32; C],
}

impl<const C: usize> Ring<C> {
    /// A modulator whose sine is at phase 0.
    pub fn new(rate_hz: u32) -> Self {
        Self { steps: PhaseSteps::new(rate_hz), phase: [0; C] }
    }
}

impl<const C: usize> Module for Ring<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [0; C];
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let (freq_hz, mix) = (io.param::<C>(FREQ), io.param::<C>(MIX));
        let (is_stereo, has_carrier) = (io.is_connected(1), io.is_connected(CARRIER));
        let ([left, right, carrier], [out_left, out_right]) = io.ports::<C, 3, 2>();
        let right = if is_stereo { right } else { left };
        let mut step = freq_hz.at(0).map(|freq_hz| self.steps.of(freq_hz));
        for n in 0..left.len() {
            if freq_hz.is_moving() {
                step = freq_hz.at(n).map(|freq_hz| self.steps.of(freq_hz));
            }
            let (l, r, mut tone) = (left[n], right[n], carrier[n]);
            let [mut wet_left, mut wet_right] = [[0.0; C]; 2];
            for c in 0..C {
                let sine = sine_of_phase(self.phase[c]);
                tone[c] = if has_carrier { tone[c] } else { sine };
                self.phase[c] = self.phase[c].wrapping_add(step[c]);
                wet_left[c] = l[c] * tone[c];
                wet_right[c] = r[c] * tone[c];
            }
            let mix = mix.at(n);
            out_left[n] = blend_each(l, wet_left, mix);
            out_right[n] = blend_each(r, wet_right, mix);
        }
    }
}
