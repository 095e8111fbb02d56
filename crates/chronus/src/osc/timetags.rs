//! Timetags that make no sense: a message for a time far ahead would wait there, silently, and hold a
//! place that others need. Such tags come from clocks that are not set alike, or from one that was set
//! after the message was made.

use std::time::{Duration, Instant};

/// Nobody plans further ahead; what does is refused.
const MOST_AHEAD_NS: u64 = 3_600_000_000_000;
/// So far ahead is unusual enough to be said.
const FAR_AHEAD_NS: u64 = 60_000_000_000;
/// It is said this often.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Judges timetags.
#[derive(Debug, Default)]
pub struct Timetags {
    said: Option<Instant>,
}

impl Timetags {
    /// Whether a message for `time_wall_ns` may be taken when the wall clock shows `now_wall_ns`.
    ///
    /// # Errors
    /// A sentence, if it is for a time too far ahead.
    pub fn judge(&mut self, time_wall_ns: Option<u64>, now_wall_ns: u64) -> Result<(), String> {
        let ahead_ns = time_wall_ns.map_or(0, |time| time.saturating_sub(now_wall_ns));
        if ahead_ns <= FAR_AHEAD_NS {
            return Ok(());
        }
        let ahead_s = ahead_ns / 1_000_000_000;
        let refused = ahead_ns > MOST_AHEAD_NS;
        let fate = if refused { "it is refused" } else { "it waits" };
        if self.said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            self.said = Some(Instant::now());
            tracing::warn!(
                "a message is for a time {ahead_s} s ahead; {fate}; are the clocks of its sender and of \
                 this machine set alike?"
            );
        }
        if refused {
            return Err(format!(
                "its timetag is {ahead_s} s ahead, more than an hour; set the clocks of sender and engine \
                 alike, or send it later"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_for_more_than_an_hour_ahead_is_refused() {
        let mut timetags = Timetags::default();
        let now = 1_800_000_000_000_000_000;
        for fine in [None, Some(0), Some(now - 1), Some(now + MOST_AHEAD_NS)] {
            assert_eq!(timetags.judge(fine, now), Ok(()));
        }
        // The wall clock was set back by three hours after the sender had looked at it.
        let error = timetags.judge(Some(now), now - 3 * MOST_AHEAD_NS).expect_err("refused");
        assert!(error.contains("10800 s ahead"), "{error}");
        assert!(timetags.judge(Some(u64::MAX), now).is_err());
    }
}
