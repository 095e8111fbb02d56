//! Who is late, who is hopeless, who ran away: judged by block numbers and by the worker's own CPU
//! clock, never by a worker's word.
//!
//! Lateness is measured in *patience*: time as the supervisor lived through it. A supervisor that was
//! itself not run for 10 ms must not conclude that its workers were late by 10 ms, so each look adds
//! at most a few milliseconds, however long ago the last one was.

use crate::blame::Crumb;
use crate::{BlockIndex, SLOTS, Slot};

/// When patience ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A worker that owes a block for longer loses its place.
    pub overdue_ns: u64,
    /// A worker that owes a block for longer is fenced.
    pub hard_ns: u64,
    /// The same for the last one, after whom nothing is left of the state.
    pub last_hope_ns: u64,
    /// A worker that owes a block and has used this much CPU time since ran away, and is fenced.
    pub runaway_cpu_ns: u64,
    /// A worker that was seen to use this much CPU time at one place of one block is a witness against it.
    pub witness_cpu_ns: u64,
    /// At most this much patience is used up between two looks.
    pub most_per_look_ns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            overdue_ns: 1_500_000,
            hard_ns: 20_000_000,
            last_hope_ns: 50_000_000,
            runaway_cpu_ns: 8_000_000,
            witness_cpu_ns: 750_000,
            most_per_look_ns: 2_500_000,
        }
    }
}

/// What is thought of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspicion {
    /// It owes nothing, or not for long.
    None,
    /// It owes a block and has lost its place; it may catch up.
    Overdue {
        /// It was not stopped or starved: it used CPU time all the while.
        is_busy: bool,
    },
    /// It used CPU time and finished nothing: it loops.
    RanAway,
    /// It owes a block for too long: stopped, starved or stuck.
    Hopeless,
}

/// Watches the progress of each slot.
#[derive(Clone, Debug)]
pub struct FaultDetector {
    limits: Limits,
    last_look_ns: Option<u64>,
    patience_ns: u64,
    watches: [Option<Owing>; SLOTS],
}

#[derive(Clone, Copy, Debug)]
struct Owing {
    block: BlockIndex,
    since_ns: u64,
    /// What its CPU clock said when it was first seen to owe the block.
    first_cpu_ns: Option<u64>,
    /// Where it was seen, and what its CPU clock said when it was first seen there.
    seen: Option<(Crumb, u64)>,
}

impl FaultDetector {
    /// A detector with these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, last_look_ns: None, patience_ns: 0, watches: [None; SLOTS] }
    }

    /// Begins a look at the workers at `now_ns`.
    pub fn look(&mut self, now_ns: u64) {
        let last = self.last_look_ns.replace(now_ns).unwrap_or(now_ns);
        self.patience_ns += now_ns.saturating_sub(last).min(self.limits.most_per_look_ns);
    }

    /// The patience clock, in nanoseconds since the first look.
    pub fn patience_ns(&self) -> u64 {
        self.patience_ns
    }

    /// Judges a worker that has finished `rendered` blocks and should have finished `due`. Its CPU
    /// clock is read only if it owes something: at once, by the first of two ways, and by the second when it has
    /// done so for so long that it matters. Of the last hope more is put up with.
    pub fn judge(
        &mut self,
        slot: Slot,
        (rendered, due): (BlockIndex, BlockIndex),
        is_last_hope: bool,
        (cpu_ns, cpu_now_ns): (&dyn Fn() -> Option<u64>, &dyn Fn() -> Option<u64>),
    ) -> Suspicion {
        if rendered >= due {
            // Only progress clears a watch: a stuck worker that lost its place to another stuck one
            // owes nothing for the moment, and must not look well for it.
            if self.watches[slot].is_some_and(|owing| owing.block != rendered) {
                self.watches[slot] = None;
            }
            return Suspicion::None;
        }
        let owing = match &mut self.watches[slot] {
            Some(owing) if owing.block == rendered => owing,
            watch => {
                *watch = Some(Owing {
                    block: rendered,
                    since_ns: self.patience_ns,
                    first_cpu_ns: cpu_ns(),
                    seen: None,
                });
                return Suspicion::None;
            }
        };
        let owed_ns = self.patience_ns - owing.since_ns;
        if owed_ns < self.limits.overdue_ns / 2 {
            return Suspicion::None;
        }
        let used_ns = cpu_now_ns()
            .map_or(0, |cpu_ns| cpu_ns.saturating_sub(*owing.first_cpu_ns.get_or_insert(cpu_ns)));
        let Limits { hard_ns, last_hope_ns, .. } = self.limits;
        let most_ns = if is_last_hope { last_hope_ns } else { hard_ns };
        match owed_ns {
            _ if used_ns >= self.limits.runaway_cpu_ns => Suspicion::RanAway,
            _ if owed_ns < self.limits.overdue_ns => Suspicion::None,
            _ if owed_ns >= most_ns => Suspicion::Hopeless,
            _ => Suspicion::Overdue { is_busy: self.is_much(used_ns) },
        }
    }

    /// Whether a worker that owes a block, or owed it before it lost its place, is a witness against the place
    /// where it is now: it was seen there before, and has used much CPU time since.
    pub fn is_witness(&mut self, slot: Slot, crumb: Crumb, cpu_ns: Option<u64>) -> bool {
        let Some(owing) = self.watches[slot].as_mut().filter(|it| it.block == crumb.block) else {
            return false;
        };
        let Some(cpu_ns) = cpu_ns else { return false };
        match owing.seen {
            Some((seen, first_ns)) if seen == crumb => {
                cpu_ns.saturating_sub(first_ns) >= self.limits.witness_cpu_ns
            }
            _ => {
                owing.seen = Some((crumb, cpu_ns));
                false
            }
        }
    }

    /// How long a worker may still owe what it owes before it is overdue; `None` if it owes nothing that is
    /// known of.
    pub fn overdue_in_ns(&self, slot: Slot) -> Option<u64> {
        let owing = self.watches[slot]?;
        Some((owing.since_ns + self.limits.overdue_ns).saturating_sub(self.patience_ns))
    }

    /// Half of what makes a worker overdue: it was watched for at least the other half.
    fn is_much(&self, used_ns: u64) -> bool {
        used_ns >= self.limits.overdue_ns / 2
    }

    /// Forgets what a slot owed: another worker is in it now.
    pub fn forget(&mut self, slot: Slot) {
        self.watches[slot] = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blame::Place;

    const LIMITS: Limits = Limits {
        overdue_ns: 10,
        hard_ns: 100,
        last_hope_ns: 300,
        runaway_cpu_ns: 50,
        witness_cpu_ns: 5,
        most_per_look_ns: 5,
    };

    fn judge(
        detector: &mut FaultDetector,
        slot: Slot,
        blocks: (BlockIndex, BlockIndex),
        is_last_hope: bool,
        cpu_ns: Option<u64>,
    ) -> Suspicion {
        detector.judge(slot, blocks, is_last_hope, (&|| cpu_ns, &|| cpu_ns))
    }

    fn looks(detector: &mut FaultDetector, from_ns: u64, count: u64) -> u64 {
        for look in 1..=count {
            detector.look(from_ns + look * 5);
        }
        from_ns + count * 5
    }

    #[test]
    fn a_stopped_worker_is_overdue_then_hopeless() {
        let mut detector = FaultDetector::new(LIMITS);
        detector.look(0);
        assert_eq!(judge(&mut detector, 0, (3, 4), false, Some(7)), Suspicion::None);
        let now = looks(&mut detector, 0, 2);
        assert_eq!(
            judge(&mut detector, 0, (3, 4), false, Some(7)),
            Suspicion::Overdue { is_busy: false }
        );
        looks(&mut detector, now, 18);
        assert_eq!(judge(&mut detector, 0, (3, 4), false, Some(7)), Suspicion::Hopeless);
        assert_eq!(
            judge(&mut detector, 0, (4, 4), false, Some(7)),
            Suspicion::None,
            "it caught up"
        );
    }

    #[test]
    fn the_last_hope_is_given_up_later_than_others_but_is() {
        let mut detector = FaultDetector::new(LIMITS);
        detector.look(0);
        judge(&mut detector, 0, (3, 4), true, Some(7));
        let now = looks(&mut detector, 0, 59);
        let overdue = Suspicion::Overdue { is_busy: false };
        assert_eq!(judge(&mut detector, 0, (3, 4), true, Some(7)), overdue);
        looks(&mut detector, now, 1);
        assert_eq!(judge(&mut detector, 0, (3, 4), true, Some(7)), Suspicion::Hopeless);
    }

    #[test]
    fn a_looping_worker_ran_away() {
        let mut detector = FaultDetector::new(LIMITS);
        detector.look(0);
        judge(&mut detector, 0, (3, 4), false, None);
        let now = looks(&mut detector, 0, 1);
        assert_eq!(
            judge(&mut detector, 0, (3, 4), false, Some(1000)),
            Suspicion::None,
            "its clock could not be read before, so it is only watched"
        );
        let now = looks(&mut detector, now, 1);
        let busy = Suspicion::Overdue { is_busy: true };
        assert_eq!(judge(&mut detector, 0, (3, 4), false, Some(1005)), busy);
        looks(&mut detector, now, 2);
        assert_eq!(judge(&mut detector, 0, (3, 4), false, Some(1050)), Suspicion::RanAway);
    }

    #[test]
    fn a_witness_used_much_time_where_it_was_seen_before() {
        let at = |block, module| Crumb { block, place: Place::Module(module) };
        let mut detector = FaultDetector::new(LIMITS);
        detector.look(0);
        assert!(!detector.is_witness(0, at(3, 7), Some(0)), "it owes nothing");
        judge(&mut detector, 0, (3, 4), false, Some(0));
        assert!(
            !detector.is_witness(0, at(3, 7), Some(100)),
            "it is seen there for the first time"
        );
        assert!(!detector.is_witness(0, at(3, 7), Some(104)));
        assert!(!detector.is_witness(0, at(3, 8), Some(105)), "it has gone on");
        assert!(!detector.is_witness(0, at(4, 8), Some(200)), "that is not what it owes");
        assert!(!detector.is_witness(0, at(3, 8), None));
        assert!(detector.is_witness(0, at(3, 8), Some(110)));
    }

    #[test]
    fn it_is_known_when_who_owes_a_block_is_overdue() {
        let mut detector = FaultDetector::new(LIMITS);
        detector.look(0);
        assert_eq!(detector.overdue_in_ns(0), None);
        judge(&mut detector, 0, (3, 4), false, None);
        let now = looks(&mut detector, 0, 1);
        assert_eq!(detector.overdue_in_ns(0), Some(5));
        looks(&mut detector, now, 3);
        assert_eq!(detector.overdue_in_ns(0), Some(0));
    }

    #[test]
    fn progress_renews_patience_though_something_is_still_owed() {
        let mut detector = FaultDetector::new(LIMITS);
        detector.look(0);
        judge(&mut detector, 0, (3, 9), false, None);
        looks(&mut detector, 0, 2);
        assert_eq!(judge(&mut detector, 0, (4, 9), false, None), Suspicion::None);
    }

    #[test]
    fn a_supervisor_that_slept_blames_nobody() {
        let mut detector = FaultDetector::new(LIMITS);
        detector.look(0);
        judge(&mut detector, 0, (3, 4), false, None);
        detector.look(1_000_000);
        assert_eq!(judge(&mut detector, 0, (3, 4), false, None), Suspicion::None);
        detector.look(0);
        assert_eq!(
            judge(&mut detector, 0, (3, 4), false, None),
            Suspicion::None,
            "a clock may jump back"
        );
    }
}
