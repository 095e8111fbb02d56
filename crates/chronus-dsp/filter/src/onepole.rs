//! The gentlest filter: low and high, 6 dB per octave. On a control signal it is a lag.
//!
//! One trapezoidal integrator after Vadim Zavalishin, "The Art of VA Filter Design" (2012).

use crate::io::Io;
use crate::lanes::{Doubles, Floats, Lanes};
use crate::math::tan_of_turns;
use crate::module::{MIDDLE_C_HZ, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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
        MIDDLE_C_HZ,
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
    integrator: Integrator<[f64; C]>,
}

impl<const C: usize> Onepole<C> {
    /// A filter at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self { per_hz: 1.0 / rate_hz as f32, integrator: Integrator::REST }
    }
}

/// A low-pass of one pole. In double precision: at 1 Hz what one frame adds would be lost in `f32`.
#[derive(Clone, Copy)]
pub struct Integrator<D> {
    state: D,
}

impl<const C: usize> Integrator<[f64; C]> {
    /// Silent.
    pub const REST: Self = Self { state: [0.0; C] };

    /// Ready for some frames.
    #[inline(always)]
    pub fn load<L: Lanes<C>>(&self, lanes: L) -> Integrator<L::Doubles> {
        Integrator { state: lanes.load_doubles(&self.state) }
    }

    /// After them.
    #[inline(always)]
    pub fn keep<L: Lanes<C>>(&mut self, lanes: L, after: &Integrator<L::Doubles>) {
        lanes.store_doubles(after.state, &mut self.state);
    }
}

/// The share of the way to its input that an [`Integrator`] goes in half a frame, for its cutoff over the
/// rate.
#[inline(always)]
pub fn share_of<F: Floats>(cutoff_of_rate: F) -> F::Doubles {
    let g = tan_of_turns(cutoff_of_rate * 0.5);
    (g / (g + 1.0)).to_doubles()
}

impl<D: Doubles> Integrator<D> {
    /// What lies below the cutoff.
    #[inline(always)]
    pub fn low(&mut self, input: D::Floats, share: D) -> D {
        let half_way = share * (input.to_doubles() - self.state);
        let low = self.state + half_way;
        let state = low + half_way;
        let is_silent = state.magnitude().lt(state.like(f64::from(super::SILENCE)));
        self.state = D::choose(is_silent, state.like(0.0), state);
        low
    }
}

impl<const C: usize> Kernel<C> for Onepole<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.integrator = Integrator::REST;
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let cutoff_hz = io.param::<C>(CUTOFF).on(lanes);
        let ([input], [low, high]) = io.ports::<C, 1, 2>();
        let mut integrator = self.integrator.load(lanes);
        let mut share = share_of(cutoff_hz.at(0) * self.per_hz);
        for (n, ((input, low), high)) in input.iter().zip(low).zip(high).enumerate() {
            if cutoff_hz.is_moving() {
                share = share_of(cutoff_hz.at(n) * self.per_hz);
            }
            let input = lanes.load(input);
            let passed = integrator.low(input, share);
            lanes.store(passed.to_floats(), low);
            lanes.store((input.to_doubles() - passed).to_floats(), high);
        }
        self.integrator.keep(lanes, &integrator);
    }
}
