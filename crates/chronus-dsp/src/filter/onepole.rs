//! The gentlest filter: low and high, 6 dB per octave. On a control signal it is a lag.
//!
//! One trapezoidal integrator after Vadim Zavalishin, "The Art of VA Filter Design" (2012).

use crate::io::Io;
use crate::math::tan_of_turns;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `onepole`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "onepole",
    summary: "A gentle filter, 6 dB per octave, which also smooths control signals.",
    inputs: &[PortSpec::audio("in", "the signal to be filtered")],
    outputs: &[
        PortSpec::audio("low", "what lies below the cutoff"),
        PortSpec::audio("high", "the rest: low and high together are the input"),
    ],
    params: &[ParamSpec::number(
        "cutoff",
        "Hz",
        [1.0, 20_000.0],
        1_000.0,
        "where both outputs are 3 dB down, held below 0.49 of the rate",
    )
    .smoothed(10.0)
    .exponential()],
    bypass: &[(0, 0), (0, 1)],
    ..ModuleSpec::BARE
};

const CUTOFF: usize = 0;

/// See [`SPEC`].
pub struct Onepole<const C: usize> {
    per_hz: f32,
    integrator: Integrator<C>,
}

impl<const C: usize> Onepole<C> {
    /// A filter at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self { per_hz: 1.0 / rate_hz as f32, integrator: Integrator::REST }
    }
}

/// A low-pass of one pole. In double precision: at 1 Hz what one frame adds would be lost in `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Integrator<const C: usize> {
    state: [f64; C],
}

impl<const C: usize> Integrator<C> {
    /// Silent.
    pub(crate) const REST: Self = Self { state: [0.0; C] };

    /// The share of the way to its input that it goes in half a frame, for its cutoff over the
    /// rate.
    #[inline(always)]
    pub(crate) fn shares(cutoff_of_rate: [f32; C]) -> [f64; C] {
        let mut shares = [0.0; C];
        for c in 0..C {
            let g = tan_of_turns(cutoff_of_rate[c] * 0.5);
            shares[c] = f64::from(g / (1.0 + g));
        }
        shares
    }

    /// What lies below the cutoff.
    #[inline(always)]
    pub(crate) fn low(&mut self, input: &[f32; C], shares: &[f64; C]) -> [f64; C] {
        let mut low = [0.0; C];
        for c in 0..C {
            let half_way = shares[c] * (f64::from(input[c]) - self.state[c]);
            low[c] = self.state[c] + half_way;
            let state = low[c] + half_way;
            self.state[c] = if state.abs() < f64::from(super::SILENCE) { 0.0 } else { state };
        }
        low
    }
}

impl<const C: usize> Module for Onepole<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.integrator = Integrator::REST;
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let cutoff_hz = io.param::<C>(CUTOFF);
        let per_hz = self.per_hz;
        let shares = |n| Integrator::<C>::shares(cutoff_hz.at(n).map(|hz| hz * per_hz));
        let ([input], [low, high]) = io.ports::<C, 1, 2>();
        let mut integrator = self.integrator;
        let mut share = shares(0);
        for n in 0..low.len() {
            if cutoff_hz.is_moving() {
                share = shares(n);
            }
            let input = input[n];
            let passed = integrator.low(&input, &share);
            let [mut l, mut h] = [[0.0; C]; 2];
            for c in 0..C {
                l[c] = passed[c] as f32;
                h[c] = (f64::from(input[c]) - passed[c]) as f32;
            }
            (low[n], high[n]) = (l, h);
        }
        self.integrator = integrator;
    }
}
