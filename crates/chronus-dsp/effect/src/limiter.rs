//! A limiter: nothing is louder than the ceiling, whatever comes. It sees peaks 1.5 ms ahead, and so
//! turns down before they are there.
//!
//! The gain that a frame needs is held for the look-ahead, released slowly, and averaged over the
//! look-ahead twice half as long: an average of values that are small enough is small enough. The least
//! of a window is found as by Marcel van Herk ("A fast algorithm for local minimum and maximum filters",
//! 1992), in all channels at once.

use super::line::Line;
use super::silent_below;
use crate::io::Io;
use crate::math::{frames_of_ms, gain_of_db};
use crate::module::{Module, ModuleSpec, ParamSpec};

/// The kind `limiter`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "limiter",
    summary: "Nothing is louder than the ceiling. It is heard 1.5 ms late.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        ParamSpec::number("gain", "dB", [0.0, 36.0], 0.0, "amplification before it").smoothed(20.0),
        ParamSpec::number("ceiling", "dB", [-36.0, 0.0], -0.3, "no sample is louder")
            .smoothed(20.0),
        ParamSpec::number(
            "release",
            "ms",
            [1.0, 2_000.0],
            100.0,
            "how fast it turns up again: 63 % of the way within this",
        )
        .exponential(),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const GAIN: usize = 0;
const CEILING: usize = 1;
const RELEASE: usize = 2;
const LOOK_AHEAD_MS: f32 = 1.5;
/// Gains are whole numbers of 2^-24, so that their running sums never drift.
const UNITY: i32 = 1 << 24;

/// See [`SPEC`]. Both sides are turned down alike. What stays below the ceiling passes bit for bit.
pub struct Limiter<const C: usize> {
    rate_hz: u32,
    late: [Line<C>; 2],
    late_frames: usize,
    least: Least<C>,
    released: [f64; C],
    release_ms: [f32; C],
    release: [f64; C],
    averages: [Average<C>; 2],
    /// What the second sum is when nothing is turned down.
    full: f64,
}

/// The least of the last frames.
struct Least<const C: usize> {
    /// The frames of this turn, as far as they came.
    turn: Box<[[i32; C]]>,
    /// For each frame of the turn before the least from there to its end.
    rest: Box<[[i32; C]]>,
    /// The least of this turn.
    so_far: [i32; C],
    at: usize,
}

impl<const C: usize> Least<C> {
    fn new(frames: usize) -> Self {
        let resting = || vec![[UNITY; C]; frames].into_boxed_slice();
        Self { turn: resting(), rest: resting(), so_far: [UNITY; C], at: 0 }
    }

    fn reset(&mut self) {
        self.rest.fill([UNITY; C]);
        (self.so_far, self.at) = ([UNITY; C], 0);
    }

    #[inline(always)]
    fn push(&mut self, gain: [i32; C]) -> [i32; C] {
        self.turn[self.at] = gain;
        self.at += 1;
        for c in 0..C {
            self.so_far[c] = self.so_far[c].min(gain[c]);
        }
        let Some(rest) = self.rest.get(self.at) else {
            let least = self.so_far;
            self.turn_over();
            return least;
        };
        let mut least = *rest;
        for c in 0..C {
            least[c] = least[c].min(self.so_far[c]);
        }
        least
    }

    fn turn_over(&mut self) {
        let mut least = [UNITY; C];
        for (rest, gain) in self.rest.iter_mut().zip(&self.turn).rev() {
            for c in 0..C {
                least[c] = least[c].min(gain[c]);
            }
            *rest = least;
        }
        (self.so_far, self.at) = ([UNITY; C], 0);
    }
}

/// A running sum of the last frames.
struct Average<const C: usize> {
    frames: Box<[[i64; C]]>,
    at: usize,
    sum: [i64; C],
}

impl<const C: usize> Average<C> {
    fn new(frames: usize) -> Self {
        Self { frames: vec![[0; C]; frames].into_boxed_slice(), at: 0, sum: [0; C] }
    }

    /// As if it had always been `value`.
    fn fill(&mut self, value: i64) {
        self.frames.fill([value; C]);
        self.sum = [value * self.frames.len() as i64; C];
    }

    #[inline(always)]
    fn push(&mut self, frame: [i64; C]) -> [i64; C] {
        let old = core::mem::replace(&mut self.frames[self.at], frame);
        self.at = if self.at + 1 == self.frames.len() { 0 } else { self.at + 1 };
        for c in 0..C {
            self.sum[c] += frame[c] - old[c];
        }
        self.sum
    }
}

impl<const C: usize> Limiter<C> {
    /// A limiter at rest.
    pub fn new(rate_hz: u32) -> Self {
        let late_frames = frames_of_ms(LOOK_AHEAD_MS, rate_hz).max(2) as usize;
        let first = late_frames / 2 + 1;
        let second = late_frames + 2 - first;
        let mut limiter = Self {
            rate_hz,
            late: [(); 2].map(|()| Line::new(late_frames)),
            late_frames,
            least: Least::new(late_frames + 1),
            released: [1.0; C],
            release_ms: [0.0; C],
            release: [1.0; C],
            averages: [Average::new(first), Average::new(second)],
            full: f64::from(UNITY) * (first * second) as f64,
        };
        limiter.reset();
        limiter
    }

    /// By what to multiply the frame that is heard now, if the one that comes is not to be louder than
    /// `needed` makes it.
    #[inline(always)]
    fn gain(&mut self, needed: [f64; C]) -> [f64; C] {
        let held = self.least.push(needed.map(|gain| (gain * f64::from(UNITY)) as i32));
        let mut gain = [0; C];
        for c in 0..C {
            let held = f64::from(held[c]) / f64::from(UNITY);
            let released = self.released[c] + (held - self.released[c]) * self.release[c];
            // The last of the way would take forever.
            let released = if released > 1.0 - 1e-6 { 1.0 } else { released };
            self.released[c] = held.min(released);
            gain[c] = (self.released[c] * f64::from(UNITY)) as i64;
        }
        let once = self.averages[0].push(gain);
        let twice = self.averages[1].push(once);
        twice.map(|sum| sum as f64 / self.full)
    }

    fn see(&mut self, release_ms: [f32; C]) {
        for c in 0..C {
            if self.release_ms[c] != release_ms[c] {
                self.release_ms[c] = release_ms[c];
                let frames = f64::from(release_ms[c]) * f64::from(self.rate_hz) / 1000.0;
                self.release[c] = -libm::expm1(-1.0 / frames);
            }
        }
    }
}

impl<const C: usize> Module for Limiter<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.late.iter_mut().for_each(Line::reset);
        self.least.reset();
        self.released = [1.0; C];
        let [first, second] = &mut self.averages;
        first.fill(UNITY.into());
        second.fill(i64::from(UNITY) * first.frames.len() as i64);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [gain_db, ceiling_db, release_ms] =
            [GAIN, CEILING, RELEASE].map(|param| io.param::<C>(param));
        let is_stereo = io.is_connected(1);
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        let mut gain = gain_db.at(0).map(gain_of_db);
        let mut ceiling = ceiling_db.at(0).map(gain_of_db);
        for n in 0..left.len() {
            if n == 0 || release_ms.is_moving() {
                self.see(release_ms.at(n));
            }
            if gain_db.is_moving() {
                gain = gain_db.at(n).map(gain_of_db);
            }
            if ceiling_db.is_moving() {
                ceiling = ceiling_db.at(n).map(gain_of_db);
            }
            let (mut sides, mut needed) = ([left[n], right[n]], [1.0; C]);
            for c in 0..C {
                for side in &mut sides {
                    side[c] = silent_below(side[c] * gain[c]);
                }
                let peak = sides[0][c].abs().max(sides[1][c].abs()).max(ceiling[c]);
                needed[c] = f64::from(ceiling[c]) / f64::from(peak);
            }
            let heard = self.late.each_ref().map(|line| line.frame(self.late_frames));
            for (line, side) in self.late.iter_mut().zip(sides) {
                line.push_each(side);
            }
            let turned = self.gain(needed);
            let [mut l, mut r] = heard;
            for c in 0..C {
                for side in [&mut l[c], &mut r[c]] {
                    *side = ((f64::from(*side) * turned[c]) as f32).clamp(-ceiling[c], ceiling[c]);
                }
            }
            (out_left[n], out_right[n]) = (l, r);
        }
    }
}
