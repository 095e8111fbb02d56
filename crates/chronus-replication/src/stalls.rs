//! Stalls: times in which the machine ran nobody on a core. Told apart from faults of Chronus, so that a gap has
//! a cause.
//!
//! A watcher on each core, and the supervisor itself, sleeps again and again and notes when it is woken late. What it knows for certain is
//! that nobody was run from the moment when it should have been until it was. Since it was woken before that, the
//! stall may have begun at any time since: so a stall is noted with both.

use std::collections::VecDeque;

/// A core on which nobody was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    /// The core; `None` if it was the supervisor that was run on none.
    pub core: Option<usize>,
    /// When somebody was last seen to run there, in nanoseconds.
    pub seen_ns: u64,
    /// When its watcher should have been run.
    pub due_ns: u64,
    /// When it was.
    pub until_ns: u64,
}

impl Stall {
    /// How long nobody was run for certain, in nanoseconds.
    pub fn length_ns(&self) -> u64 {
        self.until_ns.saturating_sub(self.due_ns)
    }

    /// How long it may have been at most, in nanoseconds.
    pub fn longest_ns(&self) -> u64 {
        self.until_ns.saturating_sub(self.seen_ns)
    }
}

/// What shorter lateness is called: ordinary.
pub const SHORTEST_NS: u64 = 1_000_000;
/// Stalls that are remembered to explain a gap by.
const KEPT: usize = 256;
/// Stalls that could cost a gap, so many within [`ALARM_NS`], are an alarm.
const ALARM_COUNT: usize = 3;
const ALARM_NS: u64 = 60_000_000_000;
/// An alarm is given at most this often.
const ALARM_EVERY_NS: u64 = 600_000_000_000;

/// The stalls of the last while, and what they explain.
#[derive(Debug, Default)]
pub struct Stalls {
    recent: VecDeque<Stall>,
    threats_ns: VecDeque<u64>,
    alarmed_ns: Option<u64>,
}

/// What is to be said about a stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// It took more than half of the lead.
    pub is_threat: bool,
    /// Such stalls come again and again.
    pub is_alarm: bool,
}

impl Stalls {
    /// Notes a stall, while the lead is so long.
    pub fn note(&mut self, stall: Stall, lead_ns: u64) -> Told {
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(stall);
        let now_ns = stall.until_ns;
        let is_threat = stall.length_ns() > lead_ns / 2;
        if is_threat {
            if self.threats_ns.len() == ALARM_COUNT {
                self.threats_ns.pop_front();
            }
            self.threats_ns.push_back(now_ns);
        }
        let are_many = is_threat
            && self.threats_ns.len() == ALARM_COUNT
            && self.threats_ns.front().is_some_and(|first| now_ns < first + ALARM_NS);
        let is_alarm = are_many && self.alarmed_ns.is_none_or(|at| now_ns >= at + ALARM_EVERY_NS);
        if is_alarm {
            self.alarmed_ns = Some(now_ns);
        }
        Told { is_threat, is_alarm }
    }

    /// How long the longest stall may have been, in nanoseconds, of those that may explain why a block was not there at `deadline_ns`:
    /// within the lead before it, half of the time or more nobody was run on one core or another. `None` if
    /// stalls do not explain it.
    pub fn explain(&self, deadline_ns: u64, lead_ns: u64) -> Option<u64> {
        let from_ns = deadline_ns.saturating_sub(lead_ns);
        let within = |stall: &&Stall| stall.until_ns > from_ns && stall.seen_ns < deadline_ns;
        let mut spans: Vec<(u64, u64)> = self
            .recent
            .iter()
            .filter(within)
            .map(|stall| (stall.seen_ns.max(from_ns), stall.until_ns.min(deadline_ns)))
            .collect();
        spans.sort_unstable();
        let (mut stood_ns, mut covered_ns) = (0, from_ns);
        for (begin_ns, end_ns) in spans {
            stood_ns += end_ns.saturating_sub(begin_ns.max(covered_ns));
            covered_ns = covered_ns.max(end_ns);
        }
        let longest_ns = self.recent.iter().filter(within).map(Stall::longest_ns).max();
        longest_ns.filter(|_| stood_ns >= lead_ns / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const LEAD: u64 = 10 * MS;

    fn stall(core: usize, seen: u64, due: u64, until: u64) -> Stall {
        Stall { core: Some(core), seen_ns: seen * MS, due_ns: due * MS, until_ns: until * MS }
    }

    #[test]
    fn a_gap_is_explained_by_stalls_in_the_time_that_its_block_had_and_by_no_others() {
        let mut stalls = Stalls::default();
        assert_eq!(stalls.explain(1000 * MS, LEAD), None);
        stalls.note(stall(0, 100, 102, 109), LEAD);
        assert_eq!(stalls.explain(110 * MS, LEAD), Some(9 * MS));
        assert_eq!(stalls.explain(118 * MS, LEAD), None, "it had nine of ten milliseconds");
        assert_eq!(stalls.explain(101 * MS, LEAD), None, "it came after the stall");
        assert_eq!(stalls.explain(1000 * MS, LEAD), None);
    }

    #[test]
    fn stalls_of_two_cores_count_once_where_they_overlap() {
        let mut stalls = Stalls::default();
        stalls.note(stall(0, 100, 101, 104), LEAD);
        stalls.note(stall(1, 100, 101, 104), LEAD);
        assert_eq!(stalls.explain(110 * MS, LEAD), None, "both together are four of ten");
        stalls.note(stall(1, 104, 105, 107), LEAD);
        assert_eq!(stalls.explain(110 * MS, LEAD), Some(4 * MS));
    }

    #[test]
    fn stalls_that_come_again_and_again_are_an_alarm_at_most_every_ten_minutes() {
        let mut stalls = Stalls::default();
        let mut note = |second: u64, ms: u64| {
            let due = second * 1000;
            let told = stalls.note(stall(0, due - 2, due, due + ms), LEAD);
            (told.is_threat, told.is_alarm)
        };
        assert_eq!(note(10, 4), (false, false), "less than half of the lead");
        assert_eq!(note(11, 6), (true, false));
        assert_eq!(note(12, 6), (true, false));
        assert_eq!(note(13, 6), (true, true), "the third within a minute");
        assert_eq!(note(14, 6), (true, false), "it was said");
        assert_eq!(note(615, 6), (true, false), "alone for minutes");
        assert_eq!(note(616, 6), (true, false));
        assert_eq!(note(617, 6), (true, true), "again and again");
    }
}
