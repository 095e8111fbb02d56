//! How many frames the device asks for at once: the most of the last few seconds. A server may ask for more for a
//! moment, or change its period while it plays.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Parts of the time that is remembered.
const PARTS: usize = 4;
/// Each is so long.
const PART_NS: u64 = 1_000_000_000;
/// No server asks for more at once.
const FRAMES_MOST: u64 = 1 << 16;

/// The audio callback notes what it is asked for, and the supervisor lets the time pass.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Periods {
    /// The most in each part; 0 if nothing was asked for in it yet.
    most: [AtomicU64; PARTS],
    /// Which part is now.
    part: AtomicU32,
    /// When it began, in nanoseconds of the monotonic clock.
    began_ns: AtomicU64,
}

impl Periods {
    /// So many frames are asked for at once.
    pub fn note(&self, frames: u64) {
        self.now().fetch_max(frames.min(FRAMES_MOST), Ordering::Relaxed);
    }

    /// The most of the last three to four seconds; 0 if nothing was ever asked for.
    pub fn longest(&self) -> u64 {
        let most = self.most.iter().map(|most| most.load(Ordering::Relaxed)).max();
        most.unwrap_or(0).min(FRAMES_MOST)
    }

    /// It is `now_ns` by the monotonic clock. What was asked for too long ago is forgotten, unless nothing was asked
    /// for since.
    pub fn pass(&self, now_ns: u64) {
        let is_over = now_ns >= self.began_ns.load(Ordering::Relaxed).saturating_add(PART_NS);
        if is_over && self.now().load(Ordering::Relaxed) != 0 {
            let next = (self.part.load(Ordering::Relaxed) as usize + 1) % PARTS;
            self.most[next].store(0, Ordering::Relaxed);
            self.part.store(next as u32, Ordering::Relaxed);
            self.began_ns.store(now_ns, Ordering::Relaxed);
        }
    }

    /// A callback that is under way while the part changes may note in the one before, which only makes it be
    /// forgotten a second earlier.
    fn now(&self) -> &AtomicU64 {
        &self.most[self.part.load(Ordering::Relaxed) as usize % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Asks for `frames` every 3 ms for so many milliseconds.
    fn play(periods: &Periods, now_ms: &mut u64, frames: u64, ms: u64) {
        for _ in 0..ms {
            *now_ms += 1;
            if now_ms.is_multiple_of(3) {
                periods.note(frames);
            }
            periods.pass(*now_ms * MS);
        }
    }

    #[test]
    fn a_longer_period_counts_at_once_and_for_a_few_seconds() {
        let (periods, mut now_ms) = (Periods::default(), 77_000);
        play(&periods, &mut now_ms, 128, 10_000);
        assert_eq!(periods.longest(), 128);
        periods.note(4096);
        assert_eq!(periods.longest(), 4096);
        play(&periods, &mut now_ms, 128, 2900);
        assert_eq!(periods.longest(), 4096, "it may come again");
        play(&periods, &mut now_ms, 128, 1200);
        assert_eq!(periods.longest(), 128);
    }

    #[test]
    fn while_nothing_is_asked_for_nothing_is_forgotten() {
        let (periods, mut now_ms) = (Periods::default(), 1000);
        play(&periods, &mut now_ms, 1024, 5000);
        for _ in 0..100 {
            now_ms += 1000;
            periods.pass(now_ms * MS);
        }
        assert_eq!(periods.longest(), 1024);
    }

    #[test]
    fn who_takes_over_late_forgets_no_more_than_a_part() {
        let (periods, mut now_ms) = (Periods::default(), 1000);
        play(&periods, &mut now_ms, 128, 4500);
        play(&periods, &mut now_ms, 512, 1000);
        now_ms += 60_000;
        periods.pass(now_ms * MS);
        periods.pass((now_ms + 5000) * MS);
        assert_eq!(periods.longest(), 512);
    }
}
