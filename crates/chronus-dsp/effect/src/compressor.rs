//! A compressor: what is louder than the threshold is turned down, so that a sound becomes more even, or
//! makes room for another.
//!
//! Feed-forward, in decibels, with a smooth decoupled peak detector: Dimitrios Giannoulis, Michael
//! Massberg and Joshua D. Reiss, "Digital Dynamic Range Compressor Design", J. Audio Eng. Soc. 60,
//! 2012.

use super::{blend, silent_below};
use crate::io::Io;
use crate::lanes::{Floats, Lanes};
use crate::math::{gain_of_db, log2};
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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
    fn follow<L: Lanes<C>>(&mut self, lanes: L, side: usize, wanted_db: L::Floats) -> L::Floats {
        let [attack, release] = &self.shares;
        let (attack, release) = (lanes.load(attack), lanes.load(release));
        let held = lanes.load(&self.held_db[side]);
        let released = held + release * (wanted_db - held);
        let held = silent_below(wanted_db.at_least(released));
        let reduction = lanes.load(&self.reduction_db[side]);
        let reduction = silent_below(reduction + attack * (held - reduction));
        lanes.store(held, &mut self.held_db[side]);
        lanes.store(reduction, &mut self.reduction_db[side]);
        reduction
    }
}

/// The static curve.
#[derive(Clone, Copy)]
struct Curve<F> {
    threshold_db: F,
    ratio: F,
    knee_db: F,
}

impl<F: Floats> Curve<F> {
    /// By how many dB a level is to be turned down.
    #[inline(always)]
    fn reduction_db(&self, level: F) -> F {
        let (zero, one) = (level.like(0.0), level.like(1.0));
        let knee_db = self.knee_db.at_least(level.like(1e-3));
        let over_db = log2(level.at_least(level.like(SOFTEST))) * DB_PER_OCTAVE - self.threshold_db;
        // A parabola across the knee, and its tangent beyond.
        let within = (over_db + knee_db * 0.5).within(zero, knee_db);
        let beyond = (over_db - knee_db * 0.5).at_least(zero);
        let bent = within * within / (knee_db * 2.0) + beyond;
        (one - one / self.ratio) * bent
    }
}

impl<const C: usize> Kernel<C> for Compressor<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.held_db, self.reduction_db) = ([[0.0; C]; 2], [[0.0; C]; 2]);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [threshold_db, ratio, knee_db] =
            [THRESHOLD, RATIO, KNEE].map(|param| io.param::<C>(param));
        let (threshold_db, ratio) = (threshold_db.on(lanes), ratio.on(lanes));
        let knee_db = knee_db.on(lanes);
        let [attack_ms, release_ms] = [ATTACK, RELEASE].map(|param| io.param::<C>(param));
        let [makeup_db, link, mix] = [MAKEUP, LINK, MIX].map(|param| io.param::<C>(param));
        let (makeup_db, link, mix) = (makeup_db.on(lanes), link.on(lanes), mix.on(lanes));
        let (is_stereo, has_sidechain) = (io.is_connected(1), io.is_connected(SIDECHAIN));
        let ([left, right, key], [out_left, out_right, out_reduction]) = io.ports::<C, 3, 3>();
        let right = if is_stereo { right } else { left };
        let mut makeup = gain_of_db(makeup_db.at(0));
        for n in 0..left.len() {
            if n == 0 || attack_ms.is_moving() || release_ms.is_moving() {
                self.see([attack_ms.at(n), release_ms.at(n)]);
            }
            if makeup_db.is_moving() {
                makeup = gain_of_db(makeup_db.at(n));
            }
            let curve = Curve {
                threshold_db: threshold_db.at(n),
                ratio: ratio.at(n),
                knee_db: knee_db.at(n),
            };
            let dry = [lanes.load(&left[n]), lanes.load(&right[n])];
            let key = lanes.load(&key[n]);
            let heard = if has_sidechain { [key; 2] } else { dry };
            let (l, r) = (heard[0].magnitude(), heard[1].magnitude());
            let (louder, link, mix) = (l.at_least(r), link.at(n), mix.at(n));
            let levels = [l + link * (louder - l), r + link * (louder - r)];
            let (mut wet, mut more_db) = (dry, lanes.all(0.0));
            for side in 0..2 {
                let reduction_db = self.follow(lanes, side, curve.reduction_db(levels[side]));
                wet[side] = dry[side] * (gain_of_db(-reduction_db) * makeup);
                more_db = if side == 0 { reduction_db } else { more_db.at_least(reduction_db) };
            }
            lanes.store(more_db * (1.0 / REDUCTION_DB), &mut out_reduction[n]);
            lanes.store(blend(dry[0], wet[0], mix), &mut out_left[n]);
            lanes.store(blend(dry[1], wet[1], mix), &mut out_right[n]);
        }
    }
}
