//! Takes away what stands still: the offset that makes loudspeakers lean and gates stick.

use crate::filter::onepole::Integrator;
use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `dcblock`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "dcblock",
    summary: "Takes the constant part out of a signal.",
    inputs: &[PortSpec::audio("in", "the signal")],
    outputs: &[PortSpec::audio("out", "the signal, around 0")],
    params: &[ParamSpec::number(
        "cutoff",
        "Hz",
        [1.0, 100.0],
        5.0,
        "where it is 3 dB down; what lies lower is softer by 6 dB per octave",
    )
    .smoothed(10.0)
    .exponential()],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const CUTOFF: usize = 0;

/// See [`SPEC`].
pub struct DcBlock<const C: usize> {
    per_hz: f32,
    low: Integrator<C>,
}

impl<const C: usize> DcBlock<C> {
    /// With nothing heard yet.
    pub fn new(rate_hz: u32) -> Self {
        Self { per_hz: 1.0 / rate_hz as f32, low: Integrator::REST }
    }
}

impl<const C: usize> Module for DcBlock<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.low = Integrator::REST;
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let cutoff_hz = io.param::<C>(CUTOFF);
        let per_hz = self.per_hz;
        let shares = |n| Integrator::<C>::shares(cutoff_hz.at(n).map(|hz| hz * per_hz));
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let mut low = self.low;
        let mut share = shares(0);
        for n in 0..out.len() {
            if cutoff_hz.is_moving() {
                share = shares(n);
            }
            let input = input[n];
            let constant = low.low(&input, &share);
            let mut moving = [0.0; C];
            for c in 0..C {
                moving[c] = (f64::from(input[c]) - constant[c]) as f32;
            }
            out[n] = moving;
        }
        self.low = low;
    }
}
