//! How often a worker is re-created: at once after an honest death, ever more slowly after deaths of
//! their own doing that come too quickly. It never gives up, and never loops.

use crate::blame::Cause;

/// How a worker came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Somebody ended it. That says nothing about the next one.
    Killed,
    /// It crashed or ended by itself, in this way: the next one may do the same.
    OfItself(Cause),
}

/// Slows down forks that fail and workers that die young.
#[derive(Clone, Debug, Default)]
pub struct BackOff {
    failures: u32,
    kills: u32,
    not_before_ns: u64,
    last_failure_ns: u64,
}

/// Deaths in childhood that are forgiven without delay: chance may hit a few.
const FORGIVEN: u32 = 4;
const FIRST_DELAY_NS: u64 = 1_000_000;
const LONGEST_DELAY_NS: u64 = 1_000_000_000;

impl BackOff {
    /// Notes a failed fork, at `now_ns`; returns the delay before the next attempt.
    pub fn fork_failed(&mut self, now_ns: u64) -> u64 {
        self.failures = self.failures.max(FORGIVEN) + 1;
        self.delay(now_ns)
    }

    /// Notes the death of a worker that had hardly begun; returns the delay before the next attempt.
    /// Whoever kills one child after another costs at most a thousand forks a second.
    pub fn died_young(&mut self, now_ns: u64, death: Death) -> u64 {
        if matches!(death, Death::OfItself(_)) {
            self.failures += 1;
            return self.delay(now_ns);
        }
        self.kills += 1;
        let delay = if self.kills > FORGIVEN { FIRST_DELAY_NS } else { 0 };
        self.not_before_ns = self.not_before_ns.max(now_ns + delay);
        delay
    }

    /// Notes that a worker that joined at `joined_ns` did its work for a while. That says nothing about
    /// attempts that have failed since.
    pub fn thrived(&mut self, joined_ns: u64) {
        if joined_ns >= self.last_failure_ns {
            *self = Self::default();
        }
    }

    /// Whether an attempt may be made at `now_ns`.
    pub fn permits(&self, now_ns: u64) -> bool {
        now_ns >= self.not_before_ns
    }

    fn delay(&mut self, now_ns: u64) -> u64 {
        self.last_failure_ns = now_ns;
        let delay = match self.failures.checked_sub(FORGIVEN + 1) {
            None => 0,
            Some(doublings) => (FIRST_DELAY_NS << doublings.min(20)).min(LONGEST_DELAY_NS),
        };
        self.not_before_ns = now_ns + delay;
        delay
    }
}

/// Restart intensity of fresh workers: at most `most` in any `window_ns`.
#[derive(Clone, Debug)]
pub struct Intensity {
    most: usize,
    window_ns: u64,
    starts_ns: Vec<u64>,
}

impl Intensity {
    /// At most `most` (at least 1) starts in any window of `window_ns`.
    pub fn new(most: usize, window_ns: u64) -> Self {
        Self { most: most.max(1), window_ns, starts_ns: Vec::with_capacity(most) }
    }

    /// Asks for a start at `now_ns`.
    ///
    /// # Errors
    /// How many nanoseconds to wait instead.
    pub fn admit(&mut self, now_ns: u64) -> Result<(), u64> {
        self.starts_ns.retain(|start| now_ns.saturating_sub(*start) < self.window_ns);
        if self.starts_ns.len() < self.most {
            self.starts_ns.push(now_ns);
            return Ok(());
        }
        Err(self.window_ns - now_ns.saturating_sub(self.starts_ns[0]))
    }
}

/// How soon a culprit may be given another try: after a second, then each time after twice as long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Probation {
    offences: u32,
    last_ns: u64,
}

const FIRST_WAIT_NS: u64 = 1_000_000_000;
const LONGEST_WAIT_NS: u64 = 600_000_000_000;

impl Probation {
    /// It did harm, at `now_ns`. After twice the longest wait without harm, what was before is forgotten.
    pub fn offend(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.last_ns) > 2 * LONGEST_WAIT_NS {
            self.offences = 0;
        }
        self.offences += 1;
        self.last_ns = now_ns;
    }

    /// How long from `now_ns` it must wait for another try.
    pub fn wait_ns(&self, now_ns: u64) -> u64 {
        let Some(doublings) = self.offences.checked_sub(1) else { return 0 };
        let wait_ns = (FIRST_WAIT_NS << doublings.min(20)).min(LONGEST_WAIT_NS);
        (self.last_ns + wait_ns).saturating_sub(now_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn young_deaths_are_forgiven_then_delayed_up_to_a_second() {
        let mut back_off = BackOff::default();
        let delays: Vec<u64> = (0..16)
            .map(|_| back_off.died_young(0, Death::OfItself(Cause::Signal(6))) / 1_000_000)
            .collect();
        assert_eq!(delays, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000]);
        assert!(!back_off.permits(999_999_999) && back_off.permits(1_000_000_000));
        back_off.thrived(5);
        assert_eq!(back_off.died_young(5, Death::OfItself(Cause::Signal(6))), 0);
    }

    #[test]
    fn being_killed_young_never_delays_for_long() {
        let mut back_off = BackOff::default();
        let delays: Vec<u64> = (0..50).map(|_| back_off.died_young(0, Death::Killed)).collect();
        assert_eq!(delays[..4], [0; 4]);
        assert!(delays[4..].iter().all(|delay| *delay == 1_000_000));
    }

    #[test]
    fn a_failed_fork_is_tried_again_after_a_millisecond_then_less_often() {
        let mut back_off = BackOff::default();
        assert_eq!(back_off.fork_failed(7), 1_000_000);
        back_off.thrived(6);
        assert_eq!(back_off.fork_failed(7), 2_000_000, "an older worker's success is no news");
        back_off.thrived(8);
        assert_eq!(back_off.fork_failed(9), 1_000_000);
    }

    #[test]
    fn a_culprit_waits_twice_as_long_each_time() {
        const S: u64 = 1_000_000_000;
        let mut probation = Probation::default();
        assert_eq!(probation.wait_ns(0), 0);
        let waits: Vec<u64> = (0..12)
            .map(|_| {
                probation.offend(S);
                probation.wait_ns(S) / S
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(probation.wait_ns(601 * S), 0);
        probation.offend(3000 * S);
        assert_eq!(probation.wait_ns(3000 * S), S, "forgotten");
    }

    #[test]
    fn fresh_starts_are_bounded_in_any_window() {
        let mut intensity = Intensity::new(2, 100);
        assert_eq!(intensity.admit(0), Ok(()));
        assert_eq!(intensity.admit(10), Ok(()));
        assert_eq!(intensity.admit(20), Err(80));
        assert_eq!(intensity.admit(100), Ok(()));
        assert_eq!(intensity.admit(101), Err(9));
    }
}
