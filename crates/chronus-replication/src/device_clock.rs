//! What frame the device is at, at any moment: the clock by which a command that arrives now is
//! stamped with a frame a constant delay later, instead of jittering with the device's period.
//!
//! A second-order delay-locked loop over the times of the audio callbacks (F. Adriaensen, "Using a DLL
//! to filter time", LAC 2005), so that a callback woken late does not move the notes. One that is much later than
//! they usually are says nothing about the device, only that its thread was not run, and does not move the loop.
//! When the next ones are as late, the device's clock has slipped.

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
    /// How far callbacks usually are from their prediction.
    spread_ns: f64,
    /// Callbacks in a row that were further from it than usual, on the same side, and how far the last was.
    outliers: u32,
    outlier_ns: f64,
}

impl Locked {
    fn new(time_ns: f64, frame: u64, frame_ns: f64) -> Self {
        Self { time_ns, frame, frame_ns, spread_ns: FIRST_SPREAD_NS, outliers: 0, outlier_ns: 0.0 }
    }

    /// A callback further from its prediction is no usual one.
    fn bound_ns(&self) -> f64 {
        (USUAL_SPREADS * self.spread_ns).max(LEAST_BOUND_NS)
    }

    /// Whether this is one more callback that shows the device elsewhere, and it is there.
    fn has_slipped(&mut self, error_ns: f64) -> bool {
        let bound_ns = self.bound_ns();
        // An unusual one weighs little here: only if many are so far away, that is what is usual.
        let distance_ns = error_ns.abs().min(2.0 * self.spread_ns);
        self.spread_ns += (distance_ns - self.spread_ns) / SPREAD_CALLBACKS;
        if error_ns.abs() <= bound_ns {
            self.outliers = 0;
            return false;
        }
        let is_same_side = self.outliers > 0 && self.outlier_ns.signum() == error_ns.signum();
        self.outliers = if is_same_side { self.outliers + 1 } else { 1 };
        // Who is only late catches up, and is less late the next time.
        let agrees = is_same_side && (error_ns - self.outlier_ns).abs() <= bound_ns;
        self.outlier_ns = error_ns;
        agrees && self.outliers >= SLIPPED || self.outliers >= SLIPPED_AT_LAST
    }
}

/// Loop bandwidth. Low enough to smooth wake-up jitter, high enough to lock within a few seconds.
const BANDWIDTH_HZ: f64 = 0.5;
/// A callback this far from its prediction is a jump of the device, not jitter.
const JUMP_NS: f64 = 50e6;
/// How far callbacks are from their prediction before it is known.
const FIRST_SPREAD_NS: f64 = 100e3;
/// A usual callback is no further from its prediction than so many times the mean distance...
const USUAL_SPREADS: f64 = 4.0;
/// ... and one that is as close as this is usual in any case.
const LEAST_BOUND_NS: f64 = 50e3;
/// The mean is taken over about so many callbacks.
const SPREAD_CALLBACKS: f64 = 64.0;
/// After so many unusual callbacks that agree the device is where they say.
const SLIPPED: u32 = 3;
/// So many that do not agree are too many as well.
const SLIPPED_AT_LAST: u32 = 32;

impl DeviceClock {
    /// A clock for a device of nominal rate `rate_hz` that has not begun yet.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz: f64::from(rate_hz), state: None, from_ns: 0 }
    }

    /// From `now_ns` on another device calls, whose clock is another: forgets the one before.
    pub fn restart(&mut self, now_ns: u64) {
        (self.state, self.from_ns) = (None, now_ns);
    }

    /// The device says itself that its clock has slipped: the callback that began at `now_ns`, when `frame` frames had
    /// been handed out before it, is right, and those to come follow it.
    pub fn slip(&mut self, now_ns: u64, frame: u64) {
        if now_ns < self.from_ns {
            return;
        }
        match &mut self.state {
            Some(locked) => {
                (locked.time_ns, locked.frame, locked.outliers) = (now_ns as f64, frame, 0);
            }
            None => self.observe(now_ns, frame),
        }
    }

    /// Notes that a callback began at `now_ns`, when `frame` frames had been handed out before it.
    pub fn observe(&mut self, now_ns: u64, frame: u64) {
        if now_ns < self.from_ns {
            return;
        }
        let nominal_ns = 1e9 / self.rate_hz;
        let now = now_ns as f64;
        let Some(locked) = &mut self.state else {
            self.state = Some(Locked::new(now, frame, nominal_ns));
            return;
        };
        let frames = frame.saturating_sub(locked.frame) as f64;
        if frames == 0.0 {
            return;
        }
        let predicted = locked.time_ns + frames * locked.frame_ns;
        let error = now - predicted;
        if error.abs() > JUMP_NS {
            self.state = Some(Locked::new(now, frame, nominal_ns));
            return;
        }
        if locked.has_slipped(error) {
            (locked.time_ns, locked.frame, locked.outliers) = (now, frame, 0);
            return;
        }
        let is_usual = locked.outliers == 0;
        let error = if is_usual { error } else { 0.0 };
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

    /// A clock that has followed 2,000 callbacks of 128 frames, each up to 40 us late, and the time at which the
    /// next is due.
    fn settled() -> (DeviceClock, u64, impl FnMut() -> u64) {
        let mut clock = DeviceClock::new(48_000);
        let mut seed = 1_u64;
        let mut jitter = move || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % 40_001
        };
        for callback in 0..2000_u64 {
            clock.observe(due_ns(callback) + jitter(), callback * 128);
        }
        (clock, 2000, jitter)
    }

    fn due_ns(callback: u64) -> u64 {
        1_000_000_000 + callback * 128 * 1_000_000_000 / 48_000
    }

    #[test]
    fn a_machine_that_stands_still_now_and_then_moves_the_notes_by_no_more_than_a_frame() {
        let (mut clock, mut callback, mut jitter) = settled();
        let at_rest = clock.frame_at(due_ns(callback)).expect("has begun");
        for stall in 0..50_u64 {
            // All callbacks that were due meanwhile come at its end, one right after the other.
            let end_ns = due_ns(callback) + 1_000_000 + stall * 1_000_000 / 9;
            while due_ns(callback) < end_ns {
                clock.observe(end_ns + jitter(), callback * 128);
                callback += 1;
            }
            for _ in 0..7 {
                clock.observe(due_ns(callback) + jitter(), callback * 128);
                callback += 1;
                let seen = clock.frame_at(due_ns(callback)).expect("has begun");
                let expected = at_rest + (callback - 2000) * 128;
                assert!(seen.abs_diff(expected) <= 1, "{seen} for {expected} after stall {stall}");
            }
        }
    }

    #[test]
    fn a_server_that_asks_for_several_blocks_at_once_is_followed_smoothly() {
        let mut clock = DeviceClock::new(48_000);
        let mut seen_before = None;
        for request in 0..4000_u64 {
            // Four blocks every 5.3 ms, served at twice the speed.
            let asked_ns = 1_000_000_000 + request * 256 * 1_000_000_000 / 48_000;
            for slice in 0..4 {
                clock.observe(asked_ns + slice * 666_667, request * 256 + slice * 64);
            }
            let seen = clock.frame_at(asked_ns).expect("has begun");
            if let Some(before) = seen_before.replace(seen).filter(|_| request > 1000) {
                assert!((seen - before).abs_diff(256) <= 2, "{seen} after {before}");
            }
        }
    }

    #[test]
    fn a_slip_of_the_device_is_followed_at_its_third_callback_or_when_it_says_so() {
        for slip_ns in [1_000_000_u64, 7_000_000] {
            let (mut clock, callback, mut jitter) = settled();
            let right = |clock: &DeviceClock, callback: u64| {
                let seen = clock.frame_at(due_ns(callback) + slip_ns).expect("has begun");
                seen.abs_diff(callback * 128) <= 2
            };
            let mut told = clock;
            told.slip(due_ns(callback) + slip_ns + jitter(), callback * 128);
            assert!(right(&told, callback + 1));
            for next in callback..callback + 3 {
                assert!(!right(&clock, next + 1));
                clock.observe(due_ns(next) + slip_ns + jitter(), next * 128);
            }
            assert!(right(&clock, callback + 4));
        }
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
