//! Straight ramps: how a parameter moves to a new value without a click, and what envelopes are
//! made of.

use crate::lanes::{Floats, Ints, Lanes};

/// A value on its way to a target in a straight line, a known number of steps long.
///
/// It is computed from the steps that remain rather than summed up, so it arrives exactly and no
/// rounding piles up in ramps of millions of steps.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    target: f32,
    /// What each step that remains is away from the target.
    slope: f32,
    remaining: u32,
    length: u32,
}

impl Ramp {
    /// A ramp that rests at 0.
    pub const REST: Self = Self::at(0.0);

    /// A ramp that rests at `value`.
    pub const fn at(value: f32) -> Self {
        Self { target: value, slope: 0.0, remaining: 0, length: 1 }
    }

    /// Starts from the current value to `target`, to arrive after `steps` (at least one).
    pub fn go_to(&mut self, target: f32, steps: u32) {
        let steps = steps.max(1);
        let slope = (self.value() - target) / steps as f32;
        *self = Self { target, slope, remaining: steps, length: steps };
    }

    /// Like [`go_to`](Self::go_to), but a ramp that has this target already is left alone.
    pub fn follow(&mut self, target: f32, steps: u32) {
        if target != self.target {
            self.go_to(target, steps);
        }
    }

    /// Changes target and length of a ramp under way. The value does not jump, and the share of
    /// the way that lies behind stays the same, except that at least `least` steps remain. A ramp
    /// at rest is left alone.
    pub fn bend(&mut self, target: f32, length: u32, least: u32) {
        if self.remaining == 0 {
            return;
        }
        let value = self.value();
        let share = f64::from(self.remaining) / f64::from(self.length);
        let length = length.max(1);
        let remaining = ((share * f64::from(length) + 0.5) as u32).max(least).max(1);
        // No more may remain than the whole, or the next bend would stretch it many times over.
        let length = length.max(remaining);
        *self = Self { target, slope: (value - target) / remaining as f32, remaining, length };
    }

    /// Rests at `value` at once.
    pub fn snap_to(&mut self, value: f32) {
        *self = Self::at(value);
    }

    /// Rests at the target at once.
    pub fn finish(&mut self) {
        self.snap_to(self.target);
    }

    /// Takes one step and returns the value there.
    #[inline]
    pub fn step(&mut self) -> f32 {
        self.remaining = self.remaining.saturating_sub(1);
        self.value()
    }

    /// The value now.
    #[inline]
    pub fn value(&self) -> f32 {
        self.target + self.slope * self.remaining as f32
    }

    /// The value it goes to.
    pub fn target(&self) -> f32 {
        self.target
    }

    /// How many steps are left.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Whether it has not arrived yet.
    #[inline]
    pub fn is_moving(&self) -> bool {
        self.remaining > 0
    }
}

/// The values of [`Ramps`] frame by frame, up to the next arrival.
#[derive(Clone, Copy)]
pub struct Course<F> {
    target: F,
    slope: F,
    left: F,
}

impl<F: Floats> Course<F> {
    /// The values in the next frame.
    #[inline(always)]
    pub fn step(&mut self) -> F {
        // Exact, and where the channel rests the slope is 0.
        self.left = self.left - 1.0;
        self.target + self.slope * self.left
    }
}

/// A ramp for each of `C` channels, stepped together.
#[derive(Clone, Copy, Debug)]
pub struct Ramps<const C: usize> {
    target: [f32; C],
    /// 0 in channels that rest.
    slope: [f32; C],
    /// Below 2^31, so that its conversion is a vector instruction everywhere.
    remaining: [u32; C],
    length: [u32; C],
}

impl<const C: usize> Ramps<C> {
    /// Ramps that rest at 0.
    pub const REST: Self =
        Self { target: [0.0; C], slope: [0.0; C], remaining: [0; C], length: [1; C] };

    /// The ramp of channel `c`.
    pub fn get(&self, c: usize) -> Ramp {
        Ramp {
            target: self.target[c],
            slope: self.slope[c],
            remaining: self.remaining[c],
            length: self.length[c],
        }
    }

    /// Changes the ramp of channel `c`.
    pub fn set(&mut self, c: usize, ramp: Ramp) {
        self.target[c] = ramp.target;
        self.slope[c] = if ramp.is_moving() { ramp.slope } else { 0.0 };
        self.remaining[c] = ramp.remaining.min(i32::MAX as u32);
        self.length[c] = ramp.length;
    }

    /// How many steps until some channel arrives; `None` if all rest.
    #[inline(always)]
    pub fn next_arrival(&self) -> Option<usize> {
        // What rests comes last, for 0 less 1 is the greatest there is.
        let next =
            self.remaining.iter().fold(u32::MAX, |next, left| next.min(left.wrapping_sub(1)));
        (next != u32::MAX).then(|| next as usize + 1)
    }

    /// The values that channels at rest have.
    #[inline(always)]
    pub fn targets(&self) -> &[f32; C] {
        &self.target
    }

    /// The values of the next frames, one after the other.
    #[inline(always)]
    pub fn course<L: Lanes<C>>(&self, lanes: L) -> Course<L::Floats> {
        Course {
            target: lanes.load(&self.target),
            slope: lanes.load(&self.slope),
            left: lanes.load_ints(&self.remaining).to_floats(),
        }
    }

    /// Takes so many steps, at most [`next_arrival`](Self::next_arrival).
    #[inline(always)]
    pub fn advance<L: Lanes<C>>(&mut self, lanes: L, steps: usize) {
        let zero = lanes.all_ints(0);
        let left = lanes.load_ints(&self.remaining).minus(lanes.all_ints(steps as u32));
        let moves = zero.lt_signed(left);
        lanes.store_ints(L::Ints::choose(moves, left, zero), &mut self.remaining);
        let slope = L::Floats::choose(moves, lanes.load(&self.slope), lanes.all(0.0));
        lanes.store(slope, &mut self.slope);
    }
}

#[cfg(test)]
mod tests {
    use super::Ramp;

    #[test]
    fn arrives_exactly_after_its_steps() {
        let mut ramp = Ramp::at(0.3);
        ramp.go_to(0.7, 3_840_000);
        for _ in 0..3_839_999 {
            ramp.step();
        }
        assert!(ramp.is_moving() && ramp.value() < 0.7);
        assert_eq!(ramp.step(), 0.7);
        assert!(!ramp.is_moving());
        assert_eq!(ramp.step(), 0.7, "it rests there");
    }

    #[test]
    fn bending_keeps_the_value_and_the_share_of_the_way() {
        let mut ramp = Ramp::at(0.0);
        ramp.go_to(1.0, 100);
        for _ in 0..50 {
            ramp.step();
        }
        ramp.bend(0.5, 200, 1);
        assert!((ramp.value() - 0.5).abs() < 1e-6);
        assert_eq!(ramp.remaining(), 100);
        ramp.bend(0.8, 1, 10);
        assert!((ramp.value() - 0.5).abs() < 1e-6);
        assert_eq!(ramp.remaining(), 10);
    }

    #[test]
    fn following_the_same_target_does_not_start_again() {
        let mut ramp = Ramp::at(0.0);
        ramp.follow(1.0, 10);
        ramp.step();
        ramp.follow(1.0, 10);
        assert_eq!(ramp.remaining(), 9);
    }
}
