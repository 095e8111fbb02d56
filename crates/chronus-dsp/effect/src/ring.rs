//! A ring modulator: the sound times a tone, which leaves the sums and differences of their
//! frequencies. Bells, robots, and a tremolo if the tone is deep.

use super::blend;
use crate::io::Io;
use crate::lanes::{Ints, Lanes};
use crate::math::{PhaseSteps, sine_of_phase};
use crate::module::{MIDDLE_C_HZ, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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
            MIDDLE_C_HZ,
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

impl<const C: usize> Kernel<C> for Ring<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [0; C];
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let (freq_hz, mix) = (io.param::<C>(FREQ).on(lanes), io.param::<C>(MIX).on(lanes));
        let (is_stereo, has_carrier) = (io.is_connected(1), io.is_connected(CARRIER));
        let ([left, right, carrier], [out_left, out_right]) = io.ports::<C, 3, 2>();
        let right = if is_stereo { right } else { left };
        let (mut phase, mut step) = (lanes.load_ints(&self.phase), self.steps.of(freq_hz.at(0)));
        for n in 0..left.len() {
            if freq_hz.is_moving() {
                step = self.steps.of(freq_hz.at(n));
            }
            let mut tone = lanes.load(&carrier[n]);
            if !has_carrier {
                tone = sine_of_phase(phase);
            }
            phase = phase.plus(step);
            let (left, right, mix) = (lanes.load(&left[n]), lanes.load(&right[n]), mix.at(n));
            lanes.store(blend(left, left * tone, mix), &mut out_left[n]);
            lanes.store(blend(right, right * tone, mix), &mut out_right[n]);
        }
        lanes.store_ints(phase, &mut self.phase);
    }
}
