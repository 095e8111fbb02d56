//! Hear first, then seal: after a stall of the whole machine the device asks for several blocks at once, and whoever has
//! sealed them before reading what had arrived by then makes it late. So sealing waits a moment for who reads.

/// It waits no longer, and no longer than an eighth of the lead.
const LONGEST_NS: u64 = 500_000;

/// Whether to wait for who reads, and since when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hearing {
    /// Since when something is there to be read; it is not waited for again before it was read.
    since_ns: Option<u64>,
    is_waiting: bool,
}

impl Hearing {
    /// Whether to seal later, at `now_ns`, because something `is_there` to be read.
    pub fn waits(&mut self, is_there: bool, now_ns: u64, lead_ns: u64) -> bool {
        self.since_ns = is_there.then(|| self.since_ns.unwrap_or(now_ns));
        self.is_waiting = self
            .since_ns
            .is_some_and(|since_ns| now_ns.saturating_sub(since_ns) < LONGEST_NS.min(lead_ns / 8));
        self.is_waiting
    }

    /// How long to sleep at most, if it waits.
    pub fn sleeps_ns(&self) -> Option<u64> {
        self.is_waiting.then_some(LONGEST_NS / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAD_NS: u64 = 10_000_000;

    #[test]
    fn sealing_waits_for_who_reads_for_a_moment_and_once() {
        let mut hearing = Hearing::default();
        assert!(!hearing.waits(false, 1000, LEAD_NS) && hearing.sleeps_ns().is_none());
        assert!(hearing.waits(true, 2000, LEAD_NS) && hearing.sleeps_ns().is_some());
        assert!(hearing.waits(true, 2000 + LONGEST_NS - 1, LEAD_NS));
        for later_ns in 0..100 {
            assert!(!hearing.waits(true, 2000 + LONGEST_NS * (1 + later_ns), LEAD_NS), "a flood");
        }
        assert!(!hearing.waits(false, 900_000_000, LEAD_NS));
        assert!(hearing.waits(true, 900_001_000, LEAD_NS), "the next packet");
    }

    #[test]
    fn a_short_lead_leaves_less_time_to_wait() {
        let mut hearing = Hearing::default();
        assert!(hearing.waits(true, 0, 1_333_333));
        assert!(!hearing.waits(true, 166_667, 1_333_333));
    }
}
