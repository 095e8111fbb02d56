//! The pace of a sound card that has no hardware: when each period is due, and when the clock has slipped.

/// Deadlines of successive periods on a clock of nanoseconds. Pure: the time is passed in.
///
/// Deadlines are absolute, so a late waking is made up for by the next sleep being shorter. Only when a
/// waking is so late that the source would not have ready what is asked for at once, the time base
/// is shifted, as if a sound card had slipped; otherwise a long stall would be answered by a burst of periods, and a gap.
pub(crate) struct Pace {
    rate_hz: u64,
    period_frames: u64,
    base_ns: u64,
    periods: u64,
    bound_ns: u64,
}

impl Pace {
    /// The first period is due at `now_ns`. The source has `ready_frames` ready beyond a period; where that is not known,
    /// it counts as a sound card of two periods and a millisecond.
    pub fn new(rate_hz: u32, period_frames: u32, ready_frames: Option<u32>, now_ns: u64) -> Self {
        let (rate_hz, period_frames) = (u64::from(rate_hz), u64::from(period_frames));
        let span_ns = |frames: u64| frames * 1_000_000_000 / rate_hz;
        let bound_ns = match ready_frames {
            None => span_ns(2 * period_frames) + 1_000_000,
            // So many periods can be had at once; when a waking is as late as that, one more is due.
            Some(ready) => span_ns((u64::from(ready) / period_frames).max(1) * period_frames),
        };
        Self { rate_hz, period_frames, base_ns: now_ns, periods: 0, bound_ns }
    }

    /// When the next period is due.
    pub fn deadline_ns(&self) -> u64 {
        self.base_ns + self.span_ns(self.periods)
    }

    /// Takes note that the thread woke at `now_ns` to serve the period due at the deadline. True if the
    /// clock slipped, which is an xrun.
    pub fn woken(&mut self, now_ns: u64) -> bool {
        let late_ns = now_ns.saturating_sub(self.deadline_ns());
        let slipped = late_ns > self.bound_ns;
        if slipped {
            self.base_ns += late_ns;
        }
        self.periods += 1;
        slipped
    }

    /// The length of so many periods. In 128 bits, since 64 overflow after four days at 48 kHz.
    fn span_ns(&self, periods: u64) -> u64 {
        let frames = u128::from(periods) * u128::from(self.period_frames);
        (frames * 1_000_000_000 / u128::from(self.rate_hz)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_NS: u64 = 5_000_000_000;

    #[test]
    fn deadlines_do_not_drift_in_a_year() {
        let mut pace = Pace::new(44_100, 64, None, START_NS);
        pace.periods = 44_100 * 86_400 * 365;
        assert_eq!(pace.deadline_ns() - START_NS, 64 * 86_400 * 365 * 1_000_000_000);
    }

    #[test]
    fn a_small_delay_is_caught_up_with() {
        let mut pace = Pace::new(48_000, 48, None, START_NS);
        assert!(!pace.woken(START_NS + 3_000_000)); // 3 ms = 2 periods + 1 ms: just not a slip.
        assert_eq!(pace.deadline_ns(), START_NS + 1_000_000);
        assert!(!pace.woken(START_NS + 3_000_001));
        assert_eq!(pace.deadline_ns(), START_NS + 2_000_000);
    }

    #[test]
    fn a_slip_shifts_the_time_base_and_is_counted_once() {
        let mut pace = Pace::new(48_000, 48, None, START_NS);
        assert!(pace.woken(START_NS + 3_000_001));
        assert_eq!(pace.deadline_ns(), START_NS + 4_000_001);
        assert!(!pace.woken(START_NS + 4_000_001));
    }

    #[test]
    fn as_much_is_caught_up_with_as_is_ready() {
        // A lead of 8 blocks and one of 4, at 48 kHz; a period that is longer than the lead.
        for (ready, period, bears_us) in
            [(512, 128, 10_666), (512, 64, 10_666), (256, 128, 5_333), (512, 1024, 21_333)]
        {
            let late = |late_us: u64| {
                let mut pace = Pace::new(48_000, period, Some(ready), START_NS);
                pace.woken(START_NS + late_us * 1000)
            };
            assert!(!late(bears_us) && late(bears_us + 1), "{ready} {period}");
        }
    }
}
