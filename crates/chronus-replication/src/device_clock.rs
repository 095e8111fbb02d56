//! What frame the device is at, at any moment: the clock by which a command that arrives now is
//! stamped with a frame a constant delay later, instead of jittering with the device's period.
//!
//! A second-order delay-locked loop over the times of the audio callbacks (F. Adriaensen, "Using a DLL
//! to filter time", LAC 2005), so that a callback woken late does not move the notes.

/// Follows the device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceClock {
    rate_hz: f64,
    state: Option<Locked>,
    /// Callbacks before this time were another device's.
    from_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Locked {
    /// Filtered time of the last callback.
    time_ns: f64,
    /// Frames that had been handed out when that callback began.
    frame: u64,
    /// Filtered duration of a frame.
    frame_ns: f64,
}

/// Loop bandwidth. Low enough to smooth wake-up jitter, high enough to lock within a few seconds.
const BANDWIDTH_HZ: f64 = 0.5;
/// A callback this far from its prediction is a jump of the device, not jitter.
const JUMP_NS: f64 = 50e6;

impl DeviceClock {
    /// A clock for a device of nominal rate `rate_hz` that has not begun yet.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz: f64::from(rate_hz), state: None, from_ns: 0 }
    }

    /// From `now_ns` on another device calls, whose clock is another: forgets the one before.
    pub fn restart(&mut self, now_ns: u64) {
        (self.state, self.from_ns) = (None, now_ns);
    }

    /// Notes that a callback began at `now_ns`, when `frame` frames had been handed out before it.
    pub fn observe(&mut self, now_ns: u64, frame: u64) {
        if now_ns < self.from_ns {
            return;
        }
        let nominal_ns = 1e9 / self.rate_hz;
        let now = now_ns as f64;
        let Some(locked) = &mut self.state else {
            self.state = Some(Locked { time_ns: now, frame, frame_ns: nominal_ns });
            return;
        };
        let frames = frame.saturating_sub(locked.frame) as f64;
        if frames == 0.0 {
            return;
        }
        let predicted = locked.time_ns + frames * locked.frame_ns;
        let error = now - predicted;
        if error.abs() > JUMP_NS {
            self.state = Some(Locked { time_ns: now, frame, frame_ns: nominal_ns });
            return;
        }
        let omega = std::f64::consts::TAU * BANDWIDTH_HZ * frames * nominal_ns * 1e-9;
        let (proportional, integral) = (std::f64::consts::SQRT_2 * omega, omega * omega);
        locked.time_ns = predicted + proportional.min(1.0) * error;
        locked.frame_ns += integral.min(0.25) * error / frames;
        // No crystal is a percent off; more than that is noise that the loop must not believe.
        locked.frame_ns = locked.frame_ns.clamp(nominal_ns * 0.99, nominal_ns * 1.01);
        locked.frame = frame;
    }

    /// The frame that the device is at, at `time_ns`, which may lie in the past or in the future.
    /// `None` before the first callback.
    pub fn frame_at(&self, time_ns: u64) -> Option<u64> {
        let locked = self.state?;
        let ahead = (time_ns as f64 - locked.time_ns) / locked.frame_ns;
        Some((locked.frame as f64 + ahead).round().max(0.0) as u64)
    }
}

impl DeviceClock {
    /// When the device will be at `frame`, in nanoseconds. `None` before the first callback.
    pub fn time_of(&self, frame: u64) -> Option<u64> {
        let locked = self.state?;
        let frames = frame as f64 - locked.frame as f64;
        Some((locked.time_ns + frames * locked.frame_ns).max(0.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs callbacks of 64 frames of a device whose crystal is off by `factor`, each callback woken
    /// late by up to `jitter_ns`, and returns the worst error in frames of the last half.
    fn worst_error(factor: f64, jitter_ns: u64) -> f64 {
        let mut clock = DeviceClock::new(48_000);
        let frame_ns = 1e9 / 48_000.0 * factor;
        let mut seed = 1_u64;
        let mut worst = 0.0_f64;
        for callback in 0..20_000_u64 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let late = (seed >> 33) % (jitter_ns + 1);
            let frame = callback * 64;
            let true_ns = 1e9 + frame as f64 * frame_ns;
            clock.observe((true_ns as u64) + late, frame);
            if callback > 10_000 {
                let seen = clock.frame_at(true_ns as u64).expect("has begun") as f64;
                worst = worst.max((seen - frame as f64).abs());
            }
        }
        worst
    }

    #[test]
    fn an_exact_device_is_followed_to_the_frame() {
        assert!(worst_error(1.0, 0) <= 1.0);
    }

    #[test]
    fn a_crystal_that_is_off_is_followed_to_the_frame() {
        assert!(worst_error(1.0003, 0) <= 1.0);
    }

    #[test]
    fn jitter_of_a_period_moves_notes_by_a_few_frames_only_around_its_mean() {
        // Callbacks 0 to 64 frames late: the mean of 32 frames is a constant delay, the rest is jitter.
        let worst = worst_error(1.0, 64 * 1_000_000_000 / 48_000);
        assert!((26.0..38.0).contains(&worst), "{worst} frames");
    }

    #[test]
    fn a_jump_of_the_device_is_followed_at_once() {
        let mut clock = DeviceClock::new(48_000);
        clock.observe(0, 0);
        clock.observe(1_000_000_000, 64);
        assert_eq!(clock.frame_at(1_000_000_000), Some(64));
    }

    #[test]
    fn another_device_is_followed_from_its_first_callback_on() {
        let mut clock = DeviceClock::new(48_000);
        clock.observe(1_000_000_000, 0);
        clock.restart(1_030_000_000);
        clock.observe(1_000_000_000, 0);
        assert_eq!(clock.frame_at(1_030_000_000), None, "the old device does not count any more");
        // 20 ms late: too little for a jump, and yet it is followed at once.
        clock.observe(1_040_000_000, 960);
        assert_eq!(clock.frame_at(1_040_000_000), Some(960));
    }

    #[test]
    fn a_halt_of_two_seconds_is_followed_at_the_next_callback() {
        let mut clock = DeviceClock::new(48_000);
        for callback in 0..100 {
            clock.observe(callback * 1_333_333, callback * 64);
        }
        let resumed_ns = 99 * 1_333_333 + 2_000_000_000;
        clock.observe(resumed_ns, 6400);
        assert_eq!(clock.frame_at(resumed_ns), Some(6400));
    }
}
