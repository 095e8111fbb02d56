//! When faults were caused, noticed and mended. It is fed with what supervision decides, in order, and with the time
//! at which that is done. So each duration belongs to its own fault, and what costs no replica (one fork too many that
//! is dismissed, the end of a process that was made up for already) begins none.

use crate::supervision::{Action, Notice, Reason};
use crate::{SLOTS, Slot};

/// What a duration tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// From the cause of a fault to its notice. Causes are known only if the engine brought them about itself.
    Detection,
    /// From the notice of a fault of the primary until another goes first.
    Promotion,
    /// From the fault that cost redundancy, by its cause or else its notice, until all replicas are level again.
    Redundancy,
}

/// What is known of the worker of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Watched {
    /// Harm that was done to its process, and that was not noticed of it yet.
    cause: Option<Cause>,
    /// When its state was falsified, unless that was noticed.
    falsified_ns: Option<u64>,
    /// Since when it is late or doomed, and whether all were level again since.
    trouble: Option<Trouble>,
    /// It was sent away: nobody misses it.
    is_dismissed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cause {
    at_ns: u64,
    /// Another suffers from it too, and that was noticed.
    is_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trouble {
    since_ns: u64,
    is_made_good: bool,
}

/// Measures faults; times are in nanoseconds of one clock.
#[derive(Clone, Debug, Default)]
pub struct FaultTimes {
    slots: [Watched; SLOTS],
    primary: Option<Slot>,
    /// Since when it is known that the primary must be replaced.
    vacant_ns: Option<u64>,
    /// While all are level: since when a fault is under way that may cost it.
    doubtful_ns: Option<u64>,
    /// Since when not all are level, if they ever were.
    lapsed_ns: Option<u64>,
    last_ns: Option<u64>,
}

impl FaultTimes {
    /// The engine itself does harm to the processes in these slots now, in each of which there is one.
    pub fn cause(&mut self, slots: impl IntoIterator<Item = Slot>, now_ns: u64) {
        for slot in slots {
            // Who is in trouble already is not noticed once more.
            if self.slots[slot].trouble.is_none() {
                self.slots[slot].cause = Some(Cause { at_ns: now_ns, is_known: false });
            }
        }
    }

    /// The engine itself has the worker of a slot render other bits from now on.
    pub fn falsify(&mut self, slot: Slot, now_ns: u64) {
        self.slots[slot].falsified_ns = Some(now_ns);
    }

    /// What was done to the processes in these slots is taken back, before anybody may have noticed.
    pub fn spare(&mut self, slots: impl IntoIterator<Item = Slot>) {
        for slot in slots {
            self.slots[slot].cause = None;
        }
    }

    /// When a fault was noticed last.
    pub fn last_noticed_ns(&self) -> Option<u64> {
        self.last_ns
    }

    /// Something is done at `now_ns`; returns how long something took that came to its end with it.
    pub fn take(&mut self, action: &Action, now_ns: u64) -> Option<(Span, u64)> {
        match *action {
            Action::Promote(slot) => {
                self.primary = Some(slot);
                // Who goes first has been forgiven whatever it was late with.
                self.slots[slot].trouble = None;
                let vacant_ns = self.vacant_ns.take()?;
                Some((Span::Promotion, now_ns.saturating_sub(vacant_ns)))
            }
            Action::Report(notice) => self.hear(notice, now_ns),
            _ => None,
        }
    }

    fn hear(&mut self, notice: Notice, now_ns: u64) -> Option<(Span, u64)> {
        match notice {
            Notice::Fenced(slot, Reason::Surplus) => {
                self.slots.get_mut(slot)?.is_dismissed = true;
                None
            }
            Notice::Fenced(slot, Reason::Diverged) => {
                let watched = self.slots.get_mut(slot)?;
                let own_ns = watched.falsified_ns.take();
                // Of two that differ nobody knows which is right.
                let any_ns = || self.slots.iter_mut().find_map(|it| it.falsified_ns.take());
                if let Some(at_ns) = own_ns.or_else(any_ns) {
                    self.slots[slot].cause = Some(Cause { at_ns, is_known: false });
                }
                self.notice(slot, now_ns)
            }
            Notice::Overtaken(slot) | Notice::Late(slot) | Notice::Fenced(slot, _) => {
                self.notice(slot, now_ns)
            }
            Notice::Died(slot) => {
                let is_missed = !self.slots.get(slot)?.is_dismissed;
                let detected = is_missed.then(|| self.notice(slot, now_ns)).flatten();
                self.slots[slot] = Watched::default();
                detected
            }
            Notice::CaughtUp(slot) => {
                self.slots.get_mut(slot)?.trouble = None;
                None
            }
            Notice::Degraded => {
                self.lapsed_ns = Some(self.doubtful_ns.take().unwrap_or(now_ns));
                None
            }
            Notice::Redundant => {
                for trouble in self.slots.iter_mut().filter_map(|it| it.trouble.as_mut()) {
                    trouble.is_made_good = true;
                }
                self.doubtful_ns = None;
                let lapsed_ns = self.lapsed_ns.take()?;
                Some((Span::Redundancy, now_ns.saturating_sub(lapsed_ns)))
            }
            _ => None,
        }
    }

    /// All that is to be done at one look has been done: what has cost no redundancy by now never will.
    pub fn settle(&mut self) {
        let troubles = self.slots.iter().filter_map(|watched| watched.trouble);
        let open = troubles.filter(|trouble| !trouble.is_made_good);
        self.doubtful_ns = open.map(|trouble| trouble.since_ns).min();
    }

    fn notice(&mut self, slot: Slot, now_ns: u64) -> Option<(Span, u64)> {
        if self.primary == Some(slot) {
            self.vacant_ns.get_or_insert(now_ns);
        }
        let watched = self.slots.get_mut(slot)?;
        if watched.trouble.is_some() {
            return None;
        }
        let cause = watched.cause.take();
        let since_ns = cause.map_or(now_ns, |cause| cause.at_ns);
        watched.trouble = Some(Trouble { since_ns, is_made_good: false });
        self.last_ns = Some(now_ns);
        self.doubtful_ns = Some(self.doubtful_ns.map_or(since_ns, |other| other.min(since_ns)));
        let cause = cause.filter(|cause| !cause.is_known)?;
        // One fault that several suffer from is noticed once.
        let causes = self.slots.iter_mut().filter_map(|watched| watched.cause.as_mut());
        for other in causes.filter(|other| other.at_ns == cause.at_ns) {
            other.is_known = true;
        }
        Some((Span::Detection, now_ns.saturating_sub(cause.at_ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times at which things are done, and what they come to.
    fn spans(times: &mut FaultTimes, done: &[(u64, Action)]) -> Vec<(Span, u64)> {
        done.iter().filter_map(|(now_ns, action)| times.take(action, *now_ns)).collect()
    }

    fn told(notice: Notice) -> Action {
        Action::Report(notice)
    }

    /// Two replicas are level, and slot 0 goes first.
    fn level() -> FaultTimes {
        let mut times = FaultTimes::default();
        let start = [(1, Action::Promote(0)), (2, told(Notice::Redundant))];
        assert_eq!(spans(&mut times, &start), [], "a beginning mends no fault");
        times.settle();
        times
    }

    #[test]
    fn a_killed_primary_is_noticed_succeeded_and_made_good() {
        let mut times = level();
        times.cause([0], 100);
        let done = [
            (130, told(Notice::Died(0))),
            (131, Action::Promote(1)),
            (132, told(Notice::Degraded)),
            (150, told(Notice::Redundant)),
        ];
        let found = spans(&mut times, &done);
        assert_eq!(found, [(Span::Detection, 30), (Span::Promotion, 1), (Span::Redundancy, 50)]);
        assert_eq!(times.last_noticed_ns(), Some(130));
    }

    #[test]
    fn a_death_from_outside_is_measured_from_its_notice() {
        let mut times = level();
        let done = [
            (130, told(Notice::Died(1))),
            (132, told(Notice::Degraded)),
            (150, told(Notice::Redundant)),
        ];
        assert_eq!(spans(&mut times, &done), [(Span::Redundancy, 20)]);
    }

    /// It was overtaken, caught up by itself, and nobody had died: the next fault is another one.
    #[test]
    fn who_was_late_and_caught_up_leaves_nothing_to_the_next_fault() {
        for loses_redundancy in [true, false] {
            let mut times = level();
            let mut done = vec![(100, told(Notice::Overtaken(0))), (101, Action::Promote(1))];
            let mut expected = vec![(Span::Promotion, 1)];
            if loses_redundancy {
                done.push((102, told(Notice::Degraded)));
            }
            done.push((105, told(Notice::CaughtUp(0))));
            if loses_redundancy {
                done.push((106, told(Notice::Redundant)));
                expected.push((Span::Redundancy, 6));
            }
            assert_eq!(spans(&mut times, &done), expected);
            times.settle();
            times.cause([1], 9_000);
            let next = [
                (9_010, told(Notice::Died(1))),
                (9_011, Action::Promote(0)),
                (9_012, told(Notice::Degraded)),
                (9_020, told(Notice::Redundant)),
            ];
            let found = spans(&mut times, &next);
            assert_eq!(
                found,
                [(Span::Detection, 10), (Span::Promotion, 1), (Span::Redundancy, 20)],
                "{loses_redundancy}"
            );
        }
    }

    /// A stopped standby is late, then fenced, and its end is heard of when another has long taken its place.
    #[test]
    fn the_end_of_one_that_was_made_up_for_begins_no_fault() {
        let mut times = level();
        times.cause([1], 100);
        let done = [
            (102, told(Notice::Late(1))),
            (103, told(Notice::Degraded)),
            (120, told(Notice::Fenced(1, Reason::Hopeless))),
            (125, told(Notice::Redundant)),
        ];
        let expected = [(Span::Detection, 2), (Span::Redundancy, 25)];
        assert_eq!(spans(&mut times, &done), expected);
        times.settle();
        // Another dies before the first is reaped.
        let next = [
            (200, told(Notice::Died(2))),
            (201, told(Notice::Degraded)),
            (202, told(Notice::Died(1))),
            (210, told(Notice::Redundant)),
        ];
        assert_eq!(spans(&mut times, &next), [(Span::Redundancy, 10)]);
        assert_eq!(times.last_noticed_ns(), Some(200));
    }

    #[test]
    fn one_too_many_that_is_dismissed_is_no_fault() {
        let mut times = level();
        let done = [(100, told(Notice::Fenced(2, Reason::Surplus))), (110, told(Notice::Died(2)))];
        assert_eq!(spans(&mut times, &done), []);
        times.settle();
        assert_eq!(times.last_noticed_ns(), None);
        let next = [
            (500, told(Notice::Died(1))),
            (501, told(Notice::Degraded)),
            (505, told(Notice::Redundant)),
        ];
        assert_eq!(spans(&mut times, &next), [(Span::Redundancy, 5)]);
    }

    #[test]
    fn one_fault_of_all_workers_is_noticed_once_and_the_first_place_stays_empty_until_it_is_taken()
    {
        let mut times = level();
        times.cause([0, 1], 100);
        let done = [
            (110, told(Notice::Died(0))),
            (110, Action::Promote(1)),
            (111, told(Notice::Died(1))),
            (112, told(Notice::Degraded)),
            (140, Action::Promote(2)),
            (160, told(Notice::Redundant)),
        ];
        let found = spans(&mut times, &done);
        let expected = [
            (Span::Detection, 10),
            (Span::Promotion, 0),
            (Span::Promotion, 29),
            (Span::Redundancy, 60),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn harm_that_was_taken_back_or_is_of_another_kind_dates_no_death() {
        let mut times = level();
        times.cause([1], 100);
        times.spare([1]);
        times.falsify(1, 200);
        assert_eq!(spans(&mut times, &[(900, told(Notice::Died(1)))]), []);
    }

    #[test]
    fn of_two_that_differ_either_may_be_the_one_whose_bits_flipped() {
        for flipped in [0, 1] {
            let mut times = level();
            times.falsify(flipped, 100);
            let done = [
                (103, told(Notice::Fenced(1, Reason::Diverged))),
                (104, told(Notice::Degraded)),
                (105, told(Notice::Died(1))),
                (110, told(Notice::Redundant)),
            ];
            let expected = [(Span::Detection, 3), (Span::Redundancy, 10)];
            assert_eq!(spans(&mut times, &done), expected, "{flipped}");
            times.settle();
            assert_eq!(spans(&mut times, &[(900, told(Notice::Died(0)))]), []);
        }
    }

    /// A late standby is promoted when the primary dies; its own death is noticed as that of a primary.
    #[test]
    fn who_goes_first_is_forgiven_what_it_was_late_with() {
        let mut times = level();
        let done = [
            (100, told(Notice::Late(1))),
            (101, told(Notice::Degraded)),
            (110, told(Notice::Died(0))),
            (111, Action::Promote(1)),
            (120, told(Notice::Died(1))),
            (150, Action::Promote(0)),
            (160, told(Notice::Redundant)),
        ];
        let found = spans(&mut times, &done);
        let expected = [(Span::Promotion, 1), (Span::Promotion, 30), (Span::Redundancy, 60)];
        assert_eq!(found, expected);
    }
}
