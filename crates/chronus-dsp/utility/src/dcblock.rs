//! Takes away what stands still: the offset that makes loudspeakers lean and gates stick.

use crate::io::Io;
use crate::lanes::{Doubles, Floats, Lanes};
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;
use chronus_dsp_filter::onepole::{Integrator, share_of};

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
    low: Integrator<[f64; C]>,
}

impl<const C: usize> DcBlock<C> {
    /// With nothing heard yet.
    pub fn new(rate_hz: u32) -> Self {
        Self { per_hz: 1.0 / rate_hz as f32, low: Integrator::REST }
    }
}

impl<const C: usize> Kernel<C> for DcBlock<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.low = Integrator::REST;
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let cutoff_hz = io.param::<C>(CUTOFF).on(lanes);
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let mut low = self.low.load(lanes);
        let mut share = share_of(cutoff_hz.at(0) * self.per_hz);
        for (n, (input, out)) in input.iter().zip(out).enumerate() {
            if cutoff_hz.is_moving() {
                share = share_of(cutoff_hz.at(n) * self.per_hz);
            }
            let input = lanes.load(input);
            lanes.store((input.to_doubles() - low.low(input, share)).to_floats(), out);
        }
        self.low.keep(lanes, &low);
    }
}
