//! Louder or softer, in decibels.

use crate::io::Io;
use crate::math::exp2;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

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
fn gains<const C: usize>(level_db: [f32; C], phase: [f32; C]) -> [f32; C] {
    let mut gains = [0.0; C];
    for c in 0..C {
        let gain = exp2(level_db[c] * OCTAVES_PER_DB) * (1.0 - 2.0 * phase[c]);
        gains[c] = if level_db[c] <= SILENT_DB { 0.0 } else { gain };
    }
    gains
}

impl<const C: usize> Module for Gain<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let (level_db, phase) = (io.param::<C>(LEVEL), io.param::<C>(PHASE));
        let is_moving = level_db.is_moving() || phase.is_moving();
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let mut gain = gains(level_db.at(0), phase.at(0));
        for n in 0..out.len() {
            if is_moving {
                gain = gains(level_db.at(n), phase.at(n));
            }
            let mut louder = input[n];
            for c in 0..C {
                louder[c] *= gain[c];
            }
            out[n] = louder;
        }
    }
}
