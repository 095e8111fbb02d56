//! What goes wrong in the world, and whether it may.

use chronus_replication::lockstep::Board;
use chronus_replication::{BLOCK_FRAMES, Slot};

use crate::process::{DOOMED_NS, Process};
use crate::supervisor::LEAD_BLOCKS;
use crate::world::World;
use crate::{FAULT_NAMES, Spacing};

/// The first of the kinds of faults are kills: of the primary, of a standby, of anybody.
const KILLS: u64 = 3;

/// Faults that strike when their occasion comes.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    /// Forks fail until then.
    pub(crate) forks_fail_until_ns: u64,
    pub(crate) failing_spawns: u64,
    pub(crate) fork_slow_ns: u64,
    pub(crate) forker_dies: bool,
    pub(crate) child_dies: bool,
    pub(crate) burst: u64,
}

impl World {
    /// Injects a fault and decides when the next one comes.
    pub(crate) fn strike(&mut self) {
        let mean = self.scenario.mix.mean_interval_ns;
        self.fault_ns = self.now + self.rng.between(mean / 8, mean * 2);
        if self.selector.next_block() >= self.faults_end {
            self.fault_ns = u64::MAX;
            // What has not found its occasion by now would only confuse the question of who recovers.
            self.armed = Armed::default();
            return;
        }
        let kinds = match self.scenario.mix.spacing {
            Spacing::WhenRedundant => KILLS,
            _ => FAULT_NAMES.len() as u64,
        };
        let kind = self.rng.between(0, kinds) as usize;
        // Fresh starts are bounded, so a world in which all die often is silent and tests little.
        let too_often = matches!(kind, 14..=16) && !self.rng.one_in(60);
        let somebody = self.processes.iter().any(|process| process.alive && process.claimed);
        if !too_often && somebody && self.inject(kind) {
            self.report.faults += 1;
            self.report.faults_by_kind[kind] += 1;
            self.oracles.liveness.excuse_until(self.now);
            self.note(&("fault", FAULT_NAMES[kind]));
        } else {
            self.fault_ns = self.now + mean.min(300_000);
        }
    }

    fn inject(&mut self, kind: usize) -> bool {
        match kind {
            0..=2 => self.kill(kind),
            3..=5 | 11 => self.hold_up(kind),
            6 => {
                let until = self.now + self.rng.between(1_000_000, 80_000_000);
                self.oracles.liveness.excuse_until(until);
                self.arm(false, |armed, _| armed.forks_fail_until_ns = until)
            }
            7 => self.arm(false, |armed, amount| armed.fork_slow_ns = 2_000_000 + amount * 10_000),
            8 => self.arm(false, |armed, _| armed.forker_dies = true),
            9 => self.arm(false, |armed, _| armed.child_dies = true),
            10 => self.hold_up_supervisor(),
            12 => self.corrupt(),
            13 => {
                self.armed.burst = 20 + self.rng.between(0, 200);
                true
            }
            14 => self.kill_all(),
            16 => self.hang_all(),
            _ => self.arm(true, |armed, amount| armed.failing_spawns = 1 + amount % 3),
        }
    }

    /// What strikes at the next occasion; mostly a kill makes one.
    fn arm(&mut self, all_die: bool, arm: impl FnOnce(&mut Armed, u64)) -> bool {
        let struck = if all_die { self.kill_all() } else { self.kill(1) };
        let amount = self.rng.between(0, 1000);
        if struck {
            arm(&mut self.armed, amount);
        }
        struck
    }

    fn victim(&mut self, kind: usize) -> Option<usize> {
        let primary = self.boards.primary();
        let fits = |process: &Process| {
            let leads = process.position.slot == primary;
            process.alive
                && match kind {
                    0 => leads,
                    1 => !leads && process.claimed,
                    2 => true,
                    _ => process.claimed,
                }
        };
        let count = self.processes.iter().filter(|process| fits(process)).count() as u64;
        let chosen = self.rng.between(0, count.max(1)) as usize;
        let mut fitting = self.processes.iter().enumerate().filter(|(_, process)| fits(process));
        fitting.nth(chosen).map(|(index, _)| index)
    }

    fn kill(&mut self, kind: usize) -> bool {
        let Some(index) = self.victim(kind) else { return false };
        if !self.may_strike(Some(self.processes[index].pid), false) {
            return false;
        }
        self.die(index);
        true
    }

    fn kill_all(&mut self) -> bool {
        if self.scenario.mix.spacing != Spacing::Wild {
            return false;
        }
        self.oracles.no_gap.risk("all killed");
        for index in 0..self.processes.len() {
            if self.processes[index].alive {
                self.die(index);
            }
        }
        true
    }

    fn hang_all(&mut self) -> bool {
        if !self.scenario.mix.all_hang {
            return false;
        }
        self.oracles.no_gap.risk("all ran away");
        // The last fault, so that nothing else wakes anybody up.
        self.fault_ns = u64::MAX;
        self.armed = Armed::default();
        for process in self.processes.iter_mut().filter(|process| process.claimed) {
            process.runaway_since_ns.get_or_insert(self.now);
        }
        true
    }

    /// Stop, stall, run away, or wake late.
    fn hold_up(&mut self, kind: usize) -> bool {
        let Some(index) = self.victim(kind) else { return false };
        if !self.may_strike(Some(self.processes[index].pid), false) {
            return false;
        }
        let now = self.now;
        match kind {
            3 => {
                let until = now + self.rng.between(200_000, 60_000_000);
                self.processes[index].stopped_until_ns = until;
                self.oracles.liveness.excuse_until(until);
            }
            4 | 11 => {
                let most = if kind == 4 { 25_000_000 } else { 4_000_000 };
                let delay = self.rng.between(1_000_000, most);
                let process = &mut self.processes[index];
                process.held_until_ns = now + delay;
                self.hinder(index, delay);
            }
            _ => {
                self.processes[index].runaway_since_ns = Some(now);
            }
        }
        true
    }

    /// Notes that a process can't do its work for so long; a gap may follow if it was the last.
    pub(crate) fn hinder(&mut self, index: usize, delay_ns: u64) {
        let pid = self.processes[index].pid;
        if !self.is_survivable(Some(pid)) {
            self.oracles.no_gap.risk("the last healthy replica was hindered");
        }
        let until = self.now + delay_ns;
        let process = &mut self.processes[index];
        process.hindered_until_ns = process.hindered_until_ns.max(until);
        self.oracles.liveness.excuse_until(until);
    }

    fn hold_up_supervisor(&mut self) -> bool {
        let wild = self.scenario.mix.spacing == Spacing::Wild;
        let most = if wild { 15_000_000 } else { 1_000_000 };
        let until = self.now + self.rng.between(500_000, most);
        if wild {
            self.oracles.no_gap.risk("the supervisor was not run");
        }
        self.supervisor_not_before_ns = until;
        self.supervisor_ns = self.supervisor_ns.max(until);
        self.oracles.liveness.excuse_until(until);
        true
    }

    /// Wrong bits: in the state of a standby, or in one block of anybody.
    fn corrupt(&mut self) -> bool {
        let stays = self.rng.one_in(2);
        let Some(index) = self.victim(if stays { 1 } else { 3 }) else { return false };
        // Wrong bits in the primary's block cost the standbys their lives.
        let is_primary = self.processes[index].position.slot == self.boards.primary();
        let pid = self.processes[index].pid;
        if is_primary && self.scenario.mix.spacing != Spacing::Wild {
            return false;
        }
        if !self.may_strike(Some(pid), false) {
            return false;
        }
        if is_primary {
            self.oracles.no_gap.risk("wrong bits in the primary");
            for process in self.processes.iter_mut().filter(|process| process.pid != pid) {
                process.doomed_until_ns = self.now + DOOMED_NS;
            }
        }
        let now = self.now;
        let process = &mut self.processes[index];
        if stays {
            process.tainted_since_ns = Some(now);
            process.corrupt_state();
        } else {
            process.slip = true;
        }
        true
    }

    /// Whether a fault may strike this process now. If it does and nobody else could go on, a gap is
    /// legitimate from now on. `cautious` faults strike only where they can be survived or all is wild.
    pub(crate) fn may_strike(&mut self, victim: Option<u64>, cautious: bool) -> bool {
        let survivable = self.is_survivable(victim);
        match self.scenario.mix.spacing {
            Spacing::Wild => {
                if !survivable {
                    self.oracles.no_gap.risk("the last healthy replica was struck");
                }
                true
            }
            Spacing::Survivable => survivable,
            Spacing::WhenRedundant => self.supervision.is_redundant() && !cautious,
        }
    }

    /// Whether a healthy replica other than `victim` is level and has all that is not played yet, and
    /// nobody else is stuck at the same time (two that are stuck cost twice the patience), and no wrong
    /// bits may cost others their lives.
    fn is_survivable(&self, victim: Option<u64>) -> bool {
        let level = self.selector.next_block() + LEAD_BLOCKS - 1;
        let trouble = self.processes.iter().any(|process| {
            let another_is_stuck = Some(process.pid) != victim && process.is_stuck(self.now);
            another_is_stuck || process.is_corrupt(self.now)
        });
        !trouble
            && self.processes.iter().any(|process| {
                let slot: Slot = process.position.slot;
                let board = &self.boards.slots[slot];
                Some(process.pid) != victim
                    && process.is_healthy(self.now)
                    && board.admitted == process.position.incarnation
                    && board.rendered >= level
                    && process.first_block <= self.selector.next_block()
            })
    }

    /// Ends the time in which a gap is legitimate, once somebody is healthy, level and complete.
    pub(crate) fn note_safety(&mut self) {
        let next_block = self.selector.next_block();
        let period = self.period_frames.div_ceil(BLOCK_FRAMES) as u64;
        let ahead = self.boards.sealed >= next_block + LEAD_BLOCKS
            && self.boards.slots[self.boards.primary].rendered > next_block + period;
        if self.oracles.no_gap.is_at_risk()
            && ahead
            && self.now >= self.supervisor_not_before_ns
            && self.is_survivable(None)
            && self.supervision.is_redundant()
        {
            self.oracles.no_gap.safe();
        }
    }
}
