//! The sound of old digital machines: fewer bits, and frames that are held.

use super::blend_each;
use crate::io::Io;
use crate::math::exp2;
use crate::module::{Module, ModuleSpec, ParamSpec};

/// The kind `bitcrusher`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "bitcrusher",
    summary: "Fewer bits and a lower rate: the grit of old digital machines.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        ParamSpec::number("bits", "", [1.0, 16.0], 8.0, "how finely the level is resolved")
            .smoothed(20.0),
        ParamSpec::number(
            "rate",
            "Hz",
            [100.0, 48_000.0],
            12_000.0,
            "how often a new level is taken, held at the rate of the engine",
        )
        .smoothed(20.0)
        .exponential(),
        super::mix(1.0),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const BITS: usize = 0;
const RATE: usize = 1;
const MIX: usize = 2;

/// See [`SPEC`]. Nothing is filtered before a level is taken, so all that lies above half the rate
/// folds down, which is what one wants of it.
pub struct Bitcrusher<const C: usize> {
    per_hz: f64,
    /// How far the next level is away, where 2^32 is there.
    phase: [u32; C],
    held: [[f32; C]; 2],
    is_fresh: bool,
}

impl<const C: usize> Bitcrusher<C> {
    /// A silent crusher, which takes its first level at once.
    pub fn new(rate_hz: u32) -> Self {
        let per_hz = 4_294_967_296.0 / f64::from(rate_hz);
        Self { per_hz, phase: [0; C], held: [[0.0; C]; 2], is_fresh: true }
    }
}

/// The nearest of the levels, which lie so many to the unit; 0 is one of them.
#[inline(always)]
fn resolve(signal: f32, levels: f32) -> f32 {
    // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    let scaled = signal.clamp(-1.0, 1.0) * levels;
    ((scaled + ROUND) - ROUND) / levels
}

impl<const C: usize> Module for Bitcrusher<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.phase, self.held, self.is_fresh) = ([0; C], [[0.0; C]; 2], true);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [bits, rate_hz, mix] = [BITS, RATE, MIX].map(|param| io.param::<C>(param));
        let is_stereo = io.is_connected(1);
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        let mut levels = bits.at(0).map(|bits| exp2(bits - 1.0));
        for n in 0..left.len() {
            if bits.is_moving() {
                levels = bits.at(n).map(|bits| exp2(bits - 1.0));
            }
            let (rate_hz, mix) = (rate_hz.at(n), mix.at(n));
            let dry = [left[n], right[n]];
            let mut wet = [[0.0; C]; 2];
            for c in 0..C {
                let step = f64::from(rate_hz[c]) * self.per_hz;
                let (phase, is_there) = self.phase[c].overflowing_add(step as u32);
                self.phase[c] = phase;
                let takes = is_there || self.is_fresh || step >= 4_294_967_295.0;
                for side in 0..2 {
                    let held = &mut self.held[side][c];
                    *held = if takes { dry[side][c] } else { *held };
                    wet[side][c] = resolve(*held, levels[c]);
                }
            }
            self.is_fresh = false;
            out_left[n] = blend_each(dry[0], wet[0], mix);
            out_right[n] = blend_each(dry[1], wet[1], mix);
        }
    }
}
