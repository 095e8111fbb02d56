//! Louder or softer, in decibels.

use crate::io::Io;
use crate::lanes::{Floats, Lanes};
use crate::math::exp2;
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

const SILENT_DB: f32 = -80.0;

/// The kind `gain`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "gain",
    summary: "Makes a signal louder or softer by so many decibels.",
    inputs: &[PortSpec::audio("in", "the signal")],
    outputs: &[PortSpec::audio("out", "the signal, louder or softer")],
    params: &[
        ParamSpec::number(
            "level",
            "dB",
            [SILENT_DB, 24.0],
            0.0,
            "amplification; 0 leaves the signal as it is, -80 is silence",
        )
        .smoothed(20.0),
        ParamSpec::choice("phase", &["normal", "inverted"], "inverted turns it upside down")
            .smoothed(10.0),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const LEVEL: usize = 0;
const PHASE: usize = 1;
/// `log2(10) / 20`.
const OCTAVES_PER_DB: f32 = 0.166_096_4;

/// See [`SPEC`].
pub struct Gain<const C: usize>;

impl<const C: usize> Gain<C> {
    /// It has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

#[inline(always)]
fn gain_of<F: Floats>(level_db: F, phase: F) -> F {
    let gain = exp2(level_db * OCTAVES_PER_DB) * (phase.like(1.0) - phase * 2.0);
    F::choose(level_db.le(gain.like(SILENT_DB)), gain.like(0.0), gain)
}

impl<const C: usize> Kernel<C> for Gain<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let (level_db, phase) = (io.param::<C>(LEVEL).on(lanes), io.param::<C>(PHASE).on(lanes));
        let is_moving = level_db.is_moving() || phase.is_moving();
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let mut gain = gain_of(level_db.at(0), phase.at(0));
        for (n, (input, out)) in input.iter().zip(out).enumerate() {
            if is_moving {
                gain = gain_of(level_db.at(n), phase.at(n));
            }
            lanes.store(lanes.load(input) * gain, out);
        }
    }
}
