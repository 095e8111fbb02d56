//! Ways from one level to another, straight or bent: what envelopes are made of.

use crate::lanes::{Doubles, Floats, Lanes, Mask};
use crate::math::{exp2, same};

/// How ways are bent, for `C` channels. The way that is left, from 1 to 0, becomes the distance
/// that is left by the exponential `(2^(o x) - 1) / (2^o - 1)`, where `o` is 0 for a straight line.
#[derive(Clone, Copy, Debug)]
pub struct Bends<const C: usize> {
    bend: [f32; C],
    octaves: [f32; C],
    per_whole: [f32; C],
}

/// Bent by 1, a way would fall by 60 dB.
const OCTAVES: f32 = 10.0;
/// What is bent less is straight, because the formula divides by nearly 0 there.
const STRAIGHT: f32 = 1e-3;

impl<const C: usize> Bends<C> {
    /// Straight lines.
    pub const STRAIGHT: Self = Self { bend: [0.0; C], octaves: [0.0; C], per_whole: [1.0; C] };

    /// Bends by so much: at 1 a way is fast at first and slow at last, at -1 the other way round.
    pub fn set(&mut self, bend: [f32; C]) {
        if same(&bend, &self.bend) {
            return;
        }
        self.bend = bend;
        for c in 0..C {
            let is_straight = bend[c].abs() < STRAIGHT;
            let octaves = OCTAVES * bend[c];
            self.octaves[c] = if is_straight { 0.0 } else { octaves };
            self.per_whole[c] = if is_straight { 1.0 } else { 1.0 / (exp2(octaves) - 1.0) };
        }
    }

    /// The distance that is left, of 1.
    #[inline(always)]
    fn distance<L: Lanes<C>>(&self, lanes: L, left: L::Floats) -> L::Floats {
        let octaves = lanes.load(&self.octaves);
        let is_straight = octaves.eq(lanes.all(0.0));
        if is_straight.all() {
            return left;
        }
        let bent = (exp2(octaves * left) - 1.0) * lanes.load(&self.per_whole);
        L::Floats::choose(is_straight, left, bent)
    }
}

/// A way for each of `C` channels.
#[derive(Clone, Copy, Debug)]
pub struct Ways<const C: usize> {
    from: [f32; C],
    to: [f32; C],
    /// The share of the way that is left, from 1 to 0. In `f64`, so that the millions of steps of a
    /// slow way add up to it.
    left: [f64; C],
    /// What is left less in each frame; 0 for a way that is at its end.
    step: [f64; C],
    /// A step grows no larger than this on its way.
    step_max: [f64; C],
    level: [f32; C],
}

/// The nearest whole number of frames, at least 1.
fn whole(frames: f64) -> f64 {
    f64::from((frames + 0.5) as u32).max(1.0)
}

/// Less than any step: what is left then is the rounding of all steps.
const NOTHING: f64 = 1e-9;

impl<const C: usize> Ways<C> {
    /// At rest at 0.
    pub const REST: Self = Self {
        from: [0.0; C],
        to: [0.0; C],
        left: [0.0; C],
        step: [0.0; C],
        step_max: [0.0; C],
        level: [0.0; C],
    };

    /// Sends channel `c` from wherever it is to `to` within so many frames (at least 1). If the
    /// time is changed on the way, the rest takes no less than `least` frames would.
    pub fn go_to(&mut self, c: usize, to: f32, frames: f64, least: f64) {
        let frames = whole(frames);
        (self.from[c], self.to[c], self.left[c]) = (self.level[c], to, 1.0);
        (self.step[c], self.step_max[c]) = (1.0 / frames, 1.0 / least.min(frames));
    }

    /// Changes how long the whole way of channel `c` takes, if it is on one. The share that is done
    /// stays.
    pub fn last(&mut self, c: usize, frames: f64) {
        if self.left[c] > 0.0 {
            self.step[c] = (1.0 / whole(frames)).min(self.step_max[c]);
        }
    }

    /// Goes one frame on. Returns the levels there, and whether any channel has just arrived.
    #[inline(always)]
    pub fn step<L: Lanes<C>>(&mut self, lanes: L, bends: &Bends<C>) -> (L::Floats, bool) {
        let (zero, nothing) = (lanes.all_doubles(0.0), lanes.all_doubles(NOTHING));
        let step = lanes.load_doubles(&self.step);
        let left = lanes.load_doubles(&self.left) - step;
        let left = L::Doubles::choose(left.lt(nothing), zero, left);
        let any_arrived = (left.eq(zero) & zero.lt(step)).any();
        lanes.store_doubles(left, &mut self.left);
        let (from, to) = (lanes.load(&self.from), lanes.load(&self.to));
        let level = to + (from - to) * bends.distance(lanes, left.to_floats());
        lanes.store(level, &mut self.level);
        (level, any_arrived)
    }

    /// Whether channel `c` has just arrived; says so once.
    pub fn take_arrival(&mut self, c: usize) -> bool {
        let has_arrived = self.left[c] == 0.0 && self.step[c] > 0.0;
        if has_arrived {
            self.step[c] = 0.0;
        }
        has_arrived
    }
}
