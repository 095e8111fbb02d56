//! What goes wrong in the world, and whether it may.

use chronus_replication::blame::Cause;
use chronus_replication::lockstep::Board;
use chronus_replication::restart::Death;
use chronus_replication::selector::VOTERS;
use chronus_replication::{BLOCK_FRAMES, BlockIndex, SLOTS, Slot};

use crate::Spacing;
use crate::fault::{FAULTS, Fault};
use crate::oracle::blame::Look;
use crate::process::{DOOMED_NS, Doing, Process, QUICK_NS};
use crate::rendering::Ambush;
use crate::supervisor::LEAD_BLOCKS;
use crate::world::{BLOCK_NS, World};

/// Faults that strike when their occasion comes.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    /// Forks fail until then.
    pub(crate) forks_fail_until_ns: u64,
    pub(crate) failing_spawns: u64,
    pub(crate) fork_slow_ns: u64,
    /// The supervisor can't see what becomes of forks until then.
    pub(crate) blind_until_ns: u64,
    pub(crate) forker_dies: bool,
    pub(crate) child_dies: bool,
    pub(crate) child_hangs: bool,
    /// Whoever forks next, and is not the primary, has wrong bits just before.
    pub(crate) wrong_at_fork: bool,
    /// The child of one with wrong bits, by its number, and its parent.
    pub(crate) copied: Option<(u32, u64)>,
    /// Children crash by themselves until then.
    pub(crate) children_crash_until_ns: u64,
    pub(crate) thaw_slow_ns: u64,
    pub(crate) thawed_dies: bool,
    pub(crate) burst: u64,
    /// The supervisor dies when it does something about workers, or only when it blames or distrusts somebody.
    pub(crate) dies_deciding: Option<bool>,
    pub(crate) ambush: Option<Ambush>,
    /// This process renders wrong bits, and when the others have that block, too, the supervisor is not run.
    pub(crate) unseen: Option<(u64, BlockIndex)>,
    /// This process dies when it has published a block and not told.
    pub(crate) untold: Option<u64>,
    /// An innocent is killed when somebody comes to grief.
    pub(crate) kill_with_grief: bool,
    pub(crate) poison_at_checkpoint: bool,
    /// Where all must be survived, nothing goes wrong until then.
    pub(crate) undisturbed_until_ns: u64,
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
        let spacing = self.scenario.mix.spacing;
        let fitting: Vec<usize> =
            (0..FAULTS.len()).filter(|kind| FAULTS[*kind].fits(spacing)).collect();
        let kind = fitting[self.rng.between(0, fitting.len() as u64) as usize];
        let fault = FAULTS[kind];
        let strikes = self.rng.one_in(fault.rarity()) && !self.is_undisturbed();
        let somebody = self.processes.iter().any(|process| process.alive && process.claimed);
        if strikes && somebody && self.inject(fault) {
            self.report.faults += 1;
            self.report.faults_by_kind.0[kind] += 1;
            self.oracles.liveness.excuse_until(self.now);
            self.note(&("fault", fault));
        } else {
            self.fault_ns = self.now + mean.min(300_000);
        }
    }

    /// Whether nothing may go wrong now, because something does already and all must be survived.
    pub(crate) fn is_undisturbed(&self) -> bool {
        let must_survive = self.scenario.mix.spacing == Spacing::Survivable;
        must_survive && self.now < self.armed.undisturbed_until_ns
    }

    fn inject(&mut self, fault: Fault) -> bool {
        use Fault::*;
        match fault {
            KillPrimary | KillStandby | KillAny | KillCheckpoint => self.kill(fault, Death::Killed),
            KillWorkers => self.kill_all(false),
            KillAll => self.kill_all(true),
            SpawnFails => self.arm(true, |armed, amount| armed.failing_spawns = 1 + amount % 3),
            ThawSlow | ThawedDies => self.kill_all(false) && self.arm_thaw(fault),
            Stop | Stall | LateWake | LostWake | RunAway => self.hold_up(fault),
            CrashBetween | CrashInModule => self.kill(fault, Death::OfItself(Cause::Signal(6))),
            Straggler => self.make_straggler(),
            Untold => self.untold(),
            ForkFails => {
                let until = self.now + self.rng.between(1_000_000, 80_000_000);
                self.oracles.liveness.excuse_until(until);
                self.arm(false, |armed, _| armed.forks_fail_until_ns = until)
            }
            ForkSlow => {
                self.arm(false, |armed, amount| armed.fork_slow_ns = 2_000_000 + amount * 10_000)
            }
            CantLook => {
                let until = self.now + self.rng.between(1_000_000, 300_000_000);
                self.oracles.liveness.excuse_until(until);
                self.arm(false, |armed, _| armed.blind_until_ns = until)
            }
            ForkerDies => self.arm(false, |armed, _| armed.forker_dies = true),
            ChildDies => self.arm(false, |armed, _| armed.child_dies = true),
            ChildHangs => {
                self.oracles.liveness.excuse_until(self.now + 150_000_000);
                self.arm(false, |armed, _| armed.child_hangs = true)
            }
            ChildrenCrash => {
                let until = self.now + self.rng.between(1_000_000, 80_000_000);
                self.oracles.liveness.excuse_until(until);
                self.arm(false, |armed, _| armed.children_crash_until_ns = until)
            }
            SupervisorDies => self.supervisor_dies(),
            SupervisorDiesActing => {
                self.armed.dies_deciding = Some(self.rng.one_in(2));
                true
            }
            SupervisorNotRun => self.hold_up_supervisor(),
            ClockJumps => self.set_clock(),
            ClockStops => self.stop_clock(),
            Scribble => self.scribble(),
            WrongBits => self.corrupt(),
            WrongBitsUnseen => self.corrupt_unseen(),
            WrongBitsAtFork => self.arm(false, |armed, _| armed.wrong_at_fork = true),
            CommandBurst => {
                self.armed.burst = 20 + self.rng.between(0, 200);
                true
            }
            PoisonCommand | PoisonModule | TwoPoisons | PoisonAndKill | PoisonAndStop
            | PoisonAtCheckpoint | Enable => self.poison(fault),
            AllRunAway => self.hang_all(),
        }
    }

    /// What strikes at the next occasion; mostly a kill makes one.
    fn arm(&mut self, all_die: bool, arm: impl FnOnce(&mut Armed, u64)) -> bool {
        let struck = if all_die {
            self.kill_all(true)
        } else {
            self.kill(Fault::KillStandby, Death::Killed)
        };
        let amount = self.rng.between(0, 1000);
        if struck {
            arm(&mut self.armed, amount);
        }
        struck
    }

    fn arm_thaw(&mut self, fault: Fault) -> bool {
        if fault == Fault::ThawSlow {
            self.armed.thaw_slow_ns = self.rng.between(1_000_000, 40_000_000);
        } else {
            self.armed.thawed_dies = true;
        }
        true
    }

    pub(crate) fn victim(&mut self, fault: Fault) -> Option<usize> {
        let (primary, now) = (self.boards.primary(), self.now);
        let is_wild = self.scenario.mix.spacing == Spacing::Wild;
        let fits = |process: &Process| {
            let leads = process.position.slot == primary;
            let is_worker = !process.position.is_checkpoint();
            let renders = matches!(process.doing, Doing::Rendering(_));
            process.alive
                && match fault {
                    Fault::KillPrimary => leads,
                    Fault::KillStandby => !leads && is_worker && process.claimed,
                    Fault::KillAny => true,
                    Fault::KillCheckpoint => !is_worker,
                    Fault::CrashBetween => is_worker && !renders,
                    // Whoever was overtaken in a block and crashes in it costs its successor, too.
                    Fault::CrashInModule => {
                        is_worker && renders && (is_wild || !process.is_stuck(now))
                    }
                    Fault::Straggler => leads && renders,
                    _ => is_worker && process.claimed,
                }
        };
        let count = self.processes.iter().filter(|process| fits(process)).count() as u64;
        let chosen = self.rng.between(0, count.max(1)) as usize;
        let mut fitting = self.processes.iter().enumerate().filter(|(_, process)| fits(process));
        fitting.nth(chosen).map(|(index, _)| index)
    }

    fn kill(&mut self, fault: Fault, death: Death) -> bool {
        let Some(index) = self.victim(fault) else { return false };
        let is_checkpoint = self.processes[index].position.is_checkpoint();
        if !is_checkpoint && !self.may_strike(Some(self.processes[index].pid), false) {
            return false;
        }
        if death == Death::Killed {
            self.interrupt(index);
            self.die(index, death);
        } else {
            self.crash(index);
        }
        true
    }

    /// Who is killed from outside says nothing about what it was at.
    fn interrupt(&mut self, index: usize) {
        let process = &self.processes[index];
        let crumb = self.boards.slots[process.position.slot].crumb;
        if process.is_stuck(self.now) && process.claimed {
            self.oracles.blame.interrupted(crumb.block, crumb.place);
        }
    }

    /// All workers die in one moment, and with them the checkpoints or not.
    fn kill_all(&mut self, with_checkpoints: bool) -> bool {
        match self.scenario.mix.spacing {
            Spacing::Wild => self.oracles.no_gap.risk("all killed"),
            Spacing::AllAtOnce if !with_checkpoints && self.catches_up_in_time() => {}
            _ => return false,
        }
        // Those that are forked by the dying are born and live.
        for index in 0..self.processes.len() {
            let process = &self.processes[index];
            if process.alive && (with_checkpoints || !process.position.is_checkpoint()) {
                self.interrupt(index);
                self.die(index, Death::Killed);
            }
        }
        true
    }

    /// Whether, if all workers died now, a checkpoint would have the next blocks before the device does.
    fn catches_up_in_time(&self) -> bool {
        let Some(frozen) = self.supervision.checkpoint() else { return false };
        let is_it = |process: &Process| {
            let is_frozen = process.position.is_checkpoint() && process.claimed;
            is_frozen && process.position.next_block == frozen && process.kill_at_ns.is_none()
        };
        let is_there = self.processes.iter().any(|process| process.alive && is_it(process));
        let rendered = self.boards.slots[self.boards.primary].rendered;
        let catch_up_ns = DETECT_AND_THAW_NS
            + (self.boards.sealed + LEAD_BLOCKS).saturating_sub(frozen) * (QUICK_NS + 1_000);
        let frames_left = (rendered * BLOCK_FRAMES as u64).saturating_sub(self.frames_played);
        let period = self.period_frames as u64;
        let deadline_ns =
            self.device_ns + frames_left / period * (BLOCK_NS * period / BLOCK_FRAMES as u64);
        is_there && self.supervision.is_redundant() && self.now + catch_up_ns < deadline_ns
    }

    fn hang_all(&mut self) -> bool {
        if !self.scenario.mix.all_hang {
            return false;
        }
        self.oracles.no_gap.risk("all ran away");
        // The last fault, so that nothing else wakes anybody up.
        self.fault_ns = u64::MAX;
        self.armed = Armed::default();
        for index in 0..self.processes.len() {
            if self.processes[index].claimed {
                self.suspect(index, Look::Busy);
                self.processes[index].runaway_since_ns.get_or_insert(self.now);
            }
        }
        true
    }

    /// Stop, stall, run away, wake late or not hear the bell.
    pub(crate) fn hold_up(&mut self, fault: Fault) -> bool {
        let Some(index) = self.victim(fault) else { return false };
        if !self.may_strike(Some(self.processes[index].pid), false) {
            return false;
        }
        let look = if fault == Fault::RunAway { Look::Busy } else { Look::Still };
        self.suspect(index, look);
        let now = self.now;
        match fault {
            Fault::Stop => {
                let until = now + self.rng.between(200_000, 60_000_000);
                let stopped = &mut self.processes[index].stopped_until_ns;
                *stopped = until.max(*stopped);
                self.oracles.liveness.excuse_until(until);
            }
            Fault::LostWake => {
                self.processes[index].deaf_to = 1;
                self.hinder(index, self.without_a_ring_ns());
            }
            Fault::RunAway => {
                self.processes[index].runaway_since_ns.get_or_insert(now);
            }
            _ => {
                let most = if fault == Fault::Stall { 25_000_000 } else { 4_000_000 };
                let delay = self.rng.between(1_000_000, most);
                self.processes[index].held_until_ns = now + delay;
                self.hinder(index, delay);
            }
        }
        true
    }

    /// The primary is held up within a block; who is promoted crashes in that block by itself, and the block is
    /// amended for nothing. The first survives it and has rendered it otherwise.
    fn make_straggler(&mut self) -> bool {
        let Some(index) = self.victim(Fault::Straggler) else { return false };
        let Doing::Rendering(block) = self.processes[index].doing else { return false };
        if self.processes[index].is_stuck(self.now) {
            return false;
        }
        self.oracles.no_gap.risk("one is held up, the other crashes");
        let delay = self.rng.between(2_200_000, 8_000_000);
        self.processes[index].held_until_ns = self.now + delay;
        self.hinder(index, delay);
        let except = self.processes[index].pid;
        self.armed.ambush = Some(Ambush { block, except, delay_ns: 0 });
        true
    }

    /// The primary dies when it has published a block and told nobody; who is promoted is held up in that block
    /// until it was played, and crashes there by itself.
    fn untold(&mut self) -> bool {
        let Some(index) = self.victim(Fault::KillPrimary) else { return false };
        self.oracles.no_gap.risk("one dies, the other is held up and crashes");
        self.armed.untold = Some(self.processes[index].pid);
        true
    }

    /// How long it takes whoever has not heard the bell to be level again.
    pub(crate) fn without_a_ring_ns(&self) -> u64 {
        2 * BLOCK_NS * self.period_frames as u64 / BLOCK_FRAMES as u64 + 1_000_000
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
        if self.is_orphaned || !wild && self.now < self.supervisor_not_before_ns {
            return false;
        }
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

    /// Wrong bits: in the state of a worker, or in one block.
    fn corrupt(&mut self) -> bool {
        let Some(index) = self.victim(Fault::WrongBits) else { return false };
        let is_primary = self.processes[index].position.slot == self.boards.primary();
        let pid = self.processes[index].pid;
        let is_outvoted = self.can_outvote(pid);
        // Where there are too few to vote, wrong bits in the primary's block cost the standbys their lives.
        let costs_others = is_primary && !is_outvoted;
        if costs_others && self.scenario.mix.spacing != Spacing::Wild {
            return false;
        }
        if !is_primary && !self.may_err(pid) || !self.may_strike(Some(pid), false) {
            return false;
        }
        if costs_others {
            self.oracles.no_gap.risk("wrong bits in the primary");
            for process in self.processes.iter_mut().filter(|process| process.pid != pid) {
                process.doomed_until_ns = self.now + DOOMED_NS;
            }
        }
        let (now, stays) = (self.now, self.rng.one_in(2) && !costs_others);
        let process = &mut self.processes[index];
        if stays {
            process.tainted_since_ns = Some(now);
            process.rack.corrupt();
        } else {
            process.slip = true;
        }
        true
    }

    /// Whether a standby may have wrong bits: of two the one is right that goes first, so that one must be well, and
    /// all that it has to be played must be whole.
    pub(crate) fn may_err(&self, standby: u64) -> bool {
        let is_well = |process: &Process| {
            process.position.slot == self.boards.primary
                && process.pid != standby
                && process.is_healthy(self.now)
                && process.whole_from <= self.selector.next_block()
        };
        self.scenario.mix.spacing != Spacing::Survivable || self.processes.iter().any(is_well)
    }

    /// Wrong bits in a standby, which stay.
    pub(crate) fn corrupt_standby(&mut self) {
        let Some(index) = self.victim(Fault::KillStandby) else { return };
        let pid = self.processes[index].pid;
        if self.may_err(pid) && self.may_strike(Some(pid), true) {
            let process = &mut self.processes[index];
            process.tainted_since_ns = Some(self.now);
            process.rack.corrupt();
        }
    }

    /// Wrong bits in a block of the primary. The others render it, and it is played, before the supervisor can
    /// compare anything: only the vote is there.
    fn corrupt_unseen(&mut self) -> bool {
        let Some(index) = self.victim(Fault::KillPrimary) else { return false };
        let pid = self.processes[index].pid;
        let is_short = self.period_frames < 2 * BLOCK_FRAMES;
        let is_survivable = self.is_survivable(None) && self.is_survivable(Some(pid));
        let is_safe = self.can_outvote(pid) && is_survivable;
        if !is_short || !is_safe || self.oracles.no_gap.is_at_risk() {
            return false;
        }
        self.processes[index].slip = true;
        self.armed.unseen = Some((pid, BlockIndex::MAX));
        true
    }

    /// The primary goes wild and writes over a block that is to be played.
    fn scribble(&mut self) -> bool {
        let Some(index) = self.victim(Fault::KillPrimary) else { return false };
        let Process { pid, position, .. } = self.processes[index];
        let next = self.selector.next_block();
        let end = self.boards.slots[position.slot].rendered;
        if next >= end || !self.may_strike(Some(pid), false) {
            return false;
        }
        let (block, is_poison) = (self.rng.between(next, end), self.rng.one_in(2));
        let board = &mut self.boards.slots[position.slot];
        let Some(entry) = board.entry(block) else { return false };
        let version = entry.version;
        board.tear(block, position.incarnation, version, is_poison);
        // It does not have all that is to be played any more.
        self.processes[index].whole_from = self.processes[index].whole_from.max(block + 1);
        true
    }

    /// Released blocks are rendered by all.
    pub(crate) fn look_away(&mut self) {
        let released = self.boards.released;
        if self.armed.unseen.take_if(|(_, block)| *block < released).is_some() {
            self.note(&"the supervisor looks away");
            self.supervisor_not_before_ns = self.now + 3 * BLOCK_NS;
            self.supervisor_ns = self.supervisor_ns.max(self.supervisor_not_before_ns);
        }
    }

    /// Two with the same wrong bits are at work now, and one that is right. All render the next block before
    /// the supervisor can compare anything.
    pub(crate) fn copied(&mut self, number: u32) {
        let Some(parent) = self.armed.copied.take_if(|(child, _)| *child == number) else { return };
        let is_short = self.period_frames < 2 * BLOCK_FRAMES;
        let block = self.boards.released;
        if is_short && self.boards.sealed == block && !self.oracles.no_gap.is_at_risk() {
            self.armed.unseen = Some((parent.1, block));
        }
    }

    /// Whether at least two others are healthy, level and have a vote.
    fn can_outvote(&self, pid: u64) -> bool {
        let voters = self.processes.iter().filter(|process| {
            let slot = process.position.slot;
            slot < SLOTS && self.boards.voters[slot] && process.is_healthy(self.now)
        });
        let others = voters.clone().filter(|process| process.pid != pid).count();
        voters.count() >= VOTERS && others >= 2 && self.supervision.is_redundant()
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
            Spacing::WhenRedundant | Spacing::AllAtOnce => {
                self.supervision.is_redundant() && !cautious
            }
        }
    }

    /// Whether a healthy replica other than `victim` is level and has all that is not played yet, and
    /// nobody else is stuck, nor passes for late, at the same time (two that are stuck cost twice the patience), and
    /// no wrong bits may cost others their lives.
    pub(crate) fn is_survivable(&self, victim: Option<u64>) -> bool {
        let level = self.selector.next_block() + self.blocks_ahead() - 1;
        let trouble = self.now < self.wrong_bits_until_ns
            || self.clock.has_jumped
            || self.processes.iter().any(|process| {
                let another_is_stuck = Some(process.pid) != victim && process.is_stuck(self.now);
                another_is_stuck || process.is_corrupt(self.now)
            });
        !trouble
            && self.processes.iter().any(|process| {
                let slot: Slot = process.position.slot;
                let board = &self.boards.slots[slot];
                Some(process.pid) != victim
                    && process.is_healthy(self.now)
                    && board.accepted.last() == Some(&process.position.incarnation)
                    && board.rendered >= level
                    && process.whole_from <= self.selector.next_block()
            })
    }

    /// Ends the time in which a gap is legitimate, once somebody is healthy, level and complete.
    pub(crate) fn note_safety(&mut self) {
        let next_block = self.selector.next_block();
        let period = self.period_frames.div_ceil(BLOCK_FRAMES) as u64;
        let ahead = self.boards.sealed >= next_block + LEAD_BLOCKS
            && self.boards.slots[self.boards.primary].rendered > next_block + period;
        let is_quiet = self.armed.ambush.is_none()
            && self.armed.untold.is_none()
            && !(self.armed.kill_with_grief && self.now < self.armed.undisturbed_until_ns)
            && self.now >= self.clock.stands_until_ns
            && self.now >= self.supervisor_not_before_ns
            && !self.is_orphaned;
        if self.oracles.no_gap.is_at_risk()
            && ahead
            && is_quiet
            && self.is_survivable(None)
            && self.supervision.is_redundant()
        {
            self.oracles.no_gap.safe();
        }
    }
}

/// Until a dead worker is noticed, a checkpoint that is just being born has claimed its place, another is
/// thawed, wakes, and has claimed its slot; each step takes a fraction of a millisecond.
const DETECT_AND_THAW_NS: u64 = 1_800_000;
