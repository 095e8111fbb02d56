//! The supervisor's clock, which may jump or stand still.

use crate::Spacing;
use crate::fault::Fault;
use crate::oracle::blame::Look;
use crate::world::World;

/// What is wrong with the supervisor's clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead_ns: u64,
    /// Since the supervisor looked last.
    pub(crate) has_jumped: bool,
    stood_at_ns: u64,
    pub(crate) stands_until_ns: u64,
}

impl Clock {
    /// What it shows at `now`.
    pub(crate) fn told_ns(&self, now: u64) -> u64 {
        let shown = if now < self.stands_until_ns { self.stood_at_ns } else { now };
        shown + self.ahead_ns
    }

    /// When a wait of this length, begun at `now`, is over.
    pub(crate) fn after(&self, now: u64, wait_ns: u64) -> u64 {
        now.max(self.stands_until_ns) + wait_ns
    }
}

impl World {
    /// Whoever is at work just now passes for late at the next look. If that is the primary, a standby whose bits
    /// are wrong may take its place, and of two nobody can tell which is right.
    pub(crate) fn set_clock(&mut self) -> bool {
        let must_survive = self.scenario.mix.spacing == Spacing::Survivable;
        if must_survive && self.processes.iter().any(|process| process.is_corrupt(self.now)) {
            return false;
        }
        self.clock.ahead_ns += self.rng.between(1_000_000, 5_000_000_000);
        self.clock.has_jumped = true;
        true
    }

    /// While it stands still nobody is found to be late.
    pub(crate) fn stop_clock(&mut self) -> bool {
        if self.now < self.clock.stands_until_ns {
            return false;
        }
        let until = self.now + self.rng.between(1_000_000, 600_000_000);
        // Nobody else holds up the sealing for as long as that.
        if let Some(index) = self.victim(Fault::Stop) {
            self.suspect(index, Look::Still);
            let stopped = &mut self.processes[index].stopped_until_ns;
            *stopped = until.max(*stopped);
        }
        self.clock.stood_at_ns = self.now;
        self.clock.stands_until_ns = until;
        self.oracles.no_gap.risk("the clock stands still");
        self.oracles.liveness.excuse_until(until);
        true
    }
}
