//! A compressor: what is louder than the threshold is turned down, so that a sound becomes more even, or
//! makes room for another.
//!
//! Feed-forward, in decibels, with a smooth decoupled peak detector: Dimitrios Giannoulis, Michael
//! Massberg and Joshua D. Reiss, "Digital Dynamic Range Compressor Design", J. Audio Eng. Soc. 60,
//! 2012.

use super::{blend_each, silent_below};
use crate::io::{Io, Param};
use crate::math::{gain_of_db, log2};
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `compressor`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "compressor",
    summary: "Turns down what is louder than the threshold, or ducks under another sound.",
    inputs: &[
        super::LEFT_IN,
        super::RIGHT_IN,
        PortSpec::audio("sidechain", "what it listens to; without a cable to the sound itself"),
    ],
    outputs: &[
        super::LEFT_OUT,
        super::RIGHT_OUT,
        PortSpec::control("reduction", "how much the louder side is turned down, in dB, over 60"),
    ],
    params: &[
        ParamSpec::number("threshold", "dB", [-60.0, 0.0], -18.0, "what is louder is turned down")
            .smoothed(20.0),
        ParamSpec::number(
            "ratio",
            "",
            [1.0, 20.0],
            4.0,
            "how many dB more at the input make one more at the output",
        )
        .smoothed(20.0),
        ParamSpec::number("knee", "dB", [0.0, 24.0], 6.0, "width of the bend at the threshold")
            .smoothed(20.0),
        ParamSpec::number(
            "attack",
            "ms",
            [0.05, 200.0],
            10.0,
            "how fast it turns down: 63 % of the decibels within this",
        )
        .exponential(),
        ParamSpec::number(
            "release",
            "ms",
            [5.0, 3_000.0],
            150.0,
            "how fast it turns up again: 63 % of the decibels within this",
        )
        .exponential(),
        ParamSpec::number("makeup", "dB", [0.0, 36.0], 0.0, "amplification after it")
            .smoothed(20.0),
        ParamSpec::number("link", "", [0.0, 1.0], 1.0, "1: the louder side rules both")
            .smoothed(20.0),
        super::mix(1.0),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const THRESHOLD: usize = 0;
const RATIO: usize = 1;
const KNEE: usize = 2;
const ATTACK: usize = 3;
const RELEASE: usize = 4;
const MAKEUP: usize = 5;
const LINK: usize = 6;
const MIX: usize = 7;
const SIDECHAIN: usize = 2;
/// What is softer (-200 dB) is not told from silence.
const SOFTEST: f32 = 1e-10;
/// Decibels in an octave of amplitude.
const DB_PER_OCTAVE: f32 = 6.020_6;
/// What the output `reduction` is divided by.
const REDUCTION_DB: f32 = 60.0;

/// See [`SPEC`].
pub struct Compressor<const C: usize> {
    rate_hz: u32,
    /// Times as last seen, in ms, and how much of the way one frame goes: attack, then release.
    times_ms: [[f32; C]; 2],
    shares: [[f32; C]; 2],
    /// How many dB each side is turned down: after the release alone, and after both.
    held_db: [[f32; C]; 2],
    reduction_db: [[f32; C]; 2],
}

impl<const C: usize> Compressor<C> {
    /// A compressor at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            times_ms: [[0.0; C]; 2],
            shares: [[1.0; C]; 2],
            held_db: [[0.0; C]; 2],
            reduction_db: [[0.0; C]; 2],
        }
    }

    /// Takes times that may have changed.
    fn see(&mut self, times_ms: [[f32; C]; 2]) {
        for (which, times_ms) in times_ms.iter().enumerate() {
            for c in 0..C {
                if self.times_ms[which][c] != times_ms[c] {
                    self.times_ms[which][c] = times_ms[c];
                    let frames = f64::from(times_ms[c]) * f64::from(self.rate_hz) / 1000.0;
                    self.shares[which][c] = -libm::expm1(-1.0 / frames) as f32;
                }
            }
        }
    }

    /// Follows what a side has to be turned down by.
    #[inline(always)]
    fn follow(&mut self, side: usize, wanted_db: [f32; C]) -> [f32; C] {
        let [attack, release] = self.shares;
        let (held, reduction) = (&mut self.held_db[side], &mut self.reduction_db[side]);
        for c in 0..C {
            let released = held[c] + release[c] * (wanted_db[c] - held[c]);
            held[c] = silent_below(wanted_db[c].max(released));
            reduction[c] = silent_below(reduction[c] + attack[c] * (held[c] - reduction[c]));
        }
        *reduction
    }
}

/// The static curve.
#[derive(Clone, Copy)]
struct Curve<'a, const C: usize> {
    threshold_db: Param<'a, C>,
    ratio: Param<'a, C>,
    knee_db: Param<'a, C>,
}

impl<const C: usize> Curve<'_, C> {
    /// By how many dB a level is to be turned down in frame `n`.
    #[inline(always)]
    fn reduction_db(&self, n: usize, level: [f32; C]) -> [f32; C] {
        let (threshold_db, ratio) = (self.threshold_db.at(n), self.ratio.at(n));
        let knee_db = self.knee_db.at(n);
        let mut reduction_db = [0.0; C];
        for c in 0..C {
            let knee_db = knee_db[c].max(1e-3);
            let over_db = DB_PER_OCTAVE * log2(level[c].max(SOFTEST)) - threshold_db[c];
            // A parabola across the knee, and its tangent beyond.
            let within = (over_db + 0.5 * knee_db).clamp(0.0, knee_db);
            let beyond = (over_db - 0.5 * knee_db).max(0.0);
            let bent = within * within / (2.0 * knee_db) + beyond;
            reduction_db[c] = (1.0 - 1.0 / ratio[c]) * bent;
        }
        reduction_db
    }
}

impl<const C: usize> Module for Compressor<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.held_db, self.reduction_db) = ([[0.0; C]; 2], [[0.0; C]; 2]);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [threshold_db, ratio, knee_db] =
            [THRESHOLD, RATIO, KNEE].map(|param| io.param::<C>(param));
        let curve = Curve { threshold_db, ratio, knee_db };
        let [attack_ms, release_ms] = [ATTACK, RELEASE].map(|param| io.param::<C>(param));
        let [makeup_db, link, mix] = [MAKEUP, LINK, MIX].map(|param| io.param::<C>(param));
        let (is_stereo, has_sidechain) = (io.is_connected(1), io.is_connected(SIDECHAIN));
        let ([left, right, key], [out_left, out_right, out_reduction]) = io.ports::<C, 3, 3>();
        let right = if is_stereo { right } else { left };
        for n in 0..left.len() {
            if n == 0 || attack_ms.is_moving() || release_ms.is_moving() {
                self.see([attack_ms.at(n), release_ms.at(n)]);
            }
            let dry = [left[n], right[n]];
            let heard = if has_sidechain { [key[n]; 2] } else { dry };
            let (link, makeup) = (link.at(n), makeup_db.at(n).map(gain_of_db));
            let [mut level_left, mut level_right] = [[0.0; C]; 2];
            for c in 0..C {
                let (l, r) = (heard[0][c].abs(), heard[1][c].abs());
                let louder = l.max(r);
                level_left[c] = l + link[c] * (louder - l);
                level_right[c] = r + link[c] * (louder - r);
            }
            let reductions_db = [
                self.follow(0, curve.reduction_db(n, level_left)),
                self.follow(1, curve.reduction_db(n, level_right)),
            ];
            let (mut wet, mut reduction) = (dry, [0.0; C]);
            for c in 0..C {
                for side in 0..2 {
                    wet[side][c] *= gain_of_db(-reductions_db[side][c]) * makeup[c];
                }
                let more_db = reductions_db[0][c].max(reductions_db[1][c]);
                reduction[c] = more_db * (1.0 / REDUCTION_DB);
            }
            out_reduction[n] = reduction;
            let mix = mix.at(n);
            out_left[n] = blend_each(dry[0], wet[0], mix);
            out_right[n] = blend_each(dry[1], wet[1], mix);
        }
    }
}
