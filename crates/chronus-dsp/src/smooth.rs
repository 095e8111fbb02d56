//! Straight ramps: how a parameter moves to a new value without a click, and what envelopes are
//! made of.

/// A value on its way to a target in a straight line, a known number of steps long.
///
/// It is computed from the steps that remain rather than summed up, so it arrives exactly and no
/// rounding piles up in ramps of millions of steps.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    target: f32,
    /// Where the whole ramp starts, minus the target.
    span: f32,
    remaining: u32,
    length: u32,
    /// `1 / length`.
    per_step: f32,
}

impl Ramp {
    /// A ramp that rests at 0.
    pub const REST: Self = Self::at(0.0);

    /// A ramp that rests at `value`.
    pub const fn at(value: f32) -> Self {
        Self { target: value, span: 0.0, remaining: 0, length: 1, per_step: 1.0 }
    }

    /// Starts from the current value to `target`, to arrive after `steps` (at least one).
    pub fn go_to(&mut self, target: f32, steps: u32) {
        let start = self.value();
        let steps = steps.max(1);
        *self = Self {
            target,
            span: start - target,
            remaining: steps,
            length: steps,
            per_step: 1.0 / steps as f32,
        };
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
        *self = Self {
            target,
            span: (value - target) * (length as f32 / remaining as f32),
            remaining,
            length,
            per_step: 1.0 / length as f32,
        };
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
        self.target + self.span * (self.remaining as f32 * self.per_step)
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

/// A ramp for each of `C` channels, stepped together.
#[derive(Clone, Copy, Debug)]
pub struct Ramps<const C: usize> {
    target: [f32; C],
    span: [f32; C],
    per_step: [f32; C],
    /// Below 2^31, so that its conversion is a vector instruction everywhere.
    remaining: [i32; C],
    length: [u32; C],
}

impl<const C: usize> Ramps<C> {
    /// Ramps that rest at 0.
    pub const REST: Self = Self {
        target: [0.0; C],
        span: [0.0; C],
        per_step: [1.0; C],
        remaining: [0; C],
        length: [1; C],
    };

    /// The ramp of channel `c`.
    pub fn get(&self, c: usize) -> Ramp {
        Ramp {
            target: self.target[c],
            span: self.span[c],
            remaining: self.remaining[c] as u32,
            length: self.length[c],
            per_step: self.per_step[c],
        }
    }

    /// Changes the ramp of channel `c`.
    pub fn set(&mut self, c: usize, ramp: Ramp) {
        self.target[c] = ramp.target;
        self.span[c] = ramp.span;
        self.remaining[c] = ramp.remaining.min(i32::MAX as u32) as i32;
        self.length[c] = ramp.length;
        self.per_step[c] = ramp.per_step;
    }

    /// How many steps until some channel arrives; `None` if all rest.
    pub fn next_arrival(&self) -> Option<usize> {
        self.remaining.iter().filter(|left| **left > 0).min().map(|left| *left as usize)
    }

    /// Takes one step in all channels and returns the values there.
    #[inline(always)]
    pub fn step(&mut self) -> [f32; C] {
        let mut values = [0.0; C];
        for c in 0..C {
            self.remaining[c] = (self.remaining[c] - 1).max(0);
            values[c] =
                self.target[c] + self.span[c] * (self.remaining[c] as f32 * self.per_step[c]);
        }
        values
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
