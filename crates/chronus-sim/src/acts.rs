//! What the supervisor of the world does when supervision has decided, as the real one does.

use chronus_replication::amendment::Change;
use chronus_replication::blame::{Cause, Crumb, Culprit, Place};
use chronus_replication::lockstep::{Board, Order, Position};
use chronus_replication::restart::Death;
use chronus_replication::supervision::{Action, Event, Notice};
use chronus_replication::{BlockIndex, PLACES, SLOTS, Slot};

use crate::Mutation;
use crate::oracle::checkpoints::Checkpoints;
use crate::oracle::{blame, divergence, one_process};
use crate::process::{Doing, EAGAIN, Process};
use crate::rack::{Deed, Rack};
use crate::world::World;

/// Whoever waits no longer is hardly held up.
const MOMENT_NS: u64 = 1_000_000;

impl World {
    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Promote(slot) => {
                self.promote(slot);
                self.ring();
            }
            Action::Accept { slot, number } => {
                self.boards.slots[slot].accepted.push(number);
                self.divergence.forget(slot);
                self.copied(number);
                self.oracles.accepted.accept(slot, number);
            }
            Action::Disown(slot) => {
                if !self.is_mutant(Mutation::DisownIgnored) {
                    self.boards.slots[slot].accepted.clear();
                }
                self.oracles.accepted.accept(slot, 0);
            }
            Action::Fence(slot) => self.fence(slot),
            Action::Fork { forker, into, number } => self.order_fork(forker, into, number),
            Action::FindChild { number, into } => self.find_child(number, into),
            Action::Spawn { slot, number, restart } => self.spawn(slot, number, restart),
            Action::Thaw { from, into, number } => self.thaw(from, into, number),
            Action::Amend { block, culprit, cause } => self.amend(block, culprit, cause),
            Action::Distrust(number) => {
                self.distrusted = number;
                self.oracles.checkpoints.distrust(self.now, self.last_number);
            }
            Action::Report(
                Notice::ForkFailed { retry_ns, .. }
                | Notice::Slowed { retry_ns }
                | Notice::Intensity { retry_ns },
            ) if retry_ns > MOMENT_NS => {
                let until_ns = self.clock.after(self.now, retry_ns);
                self.oracles.liveness.excuse_until(until_ns);
            }
            Action::Withdraw { .. } | Action::Report(_) => {}
        }
    }

    fn order_fork(&mut self, forker: Slot, into: Slot, number: u32) {
        let mut forker = forker;
        self.enrol(into, number);
        if into >= SLOTS {
            if let Some(pid) = self.kept_checkpoint.take() {
                self.relabel(pid, into, number);
                return;
            }
            if self.is_mutant(Mutation::CheckpointLooksFresh) && self.pass_for_new(into, number) {
                return;
            }
            if self.is_mutant(Mutation::CheckpointDroppedEarly) {
                for place in (SLOTS..PLACES).filter(|place| *place != into) {
                    if self.children[place].is_some() {
                        self.fence(place);
                    }
                }
            }
            if self.is_mutant(Mutation::CheckpointOfPrimary) {
                forker = self.boards.primary;
            }
            self.object("checkpoints", Checkpoints::ordered(forker, self.supervision.primary()));
            if std::mem::take(&mut self.armed.poison_at_checkpoint) && self.may_poison() {
                self.poison_now();
            }
        } else if self.is_mutant(Mutation::ThawIntoOccupied)
            && let Some(from) = (SLOTS..PLACES).find(|place| self.children[*place].is_some())
        {
            self.thaw(from, forker, number);
            return;
        }
        let verdict =
            divergence::forks(forker, self.is_compared(forker), self.compared_other(forker));
        self.object("divergence", verdict);
        let board = &self.boards.slots[forker];
        self.floors[into] = (board.log_position, board.rendered);
        self.pending = Some((forker, into, number));
        self.boards.give_order(forker, Order::Fork { into, number });
        if self.is_mutant(Mutation::ForksTwice)
            && let Some(index) = self.processes.iter().position(|it| it.position.slot == forker)
        {
            self.fork(index, into, number);
        }
        self.ring();
    }

    /// Whether this worker goes first, or has finished a block itself that could be compared.
    fn is_compared(&self, slot: Slot) -> bool {
        let pid = self.children[slot];
        let found = self.processes.iter().find(|it| Some(it.pid) == pid);
        let has_rendered = found.is_some_and(|it| it.position.next_block > it.first_block);
        self.supervision.primary() == Some(slot) || has_rendered
    }

    /// Another that could be asked to fork, and is compared.
    fn compared_other(&self, than: Slot) -> Option<Slot> {
        let is_fit = |slot: &Slot| {
            let is_level = self.boards.slots[*slot].rendered + 2 >= self.boards.sealed;
            let role = self.supervision.role(*slot);
            *slot != than && matches!(role, "primary" | "standby") && is_level
        };
        (0..SLOTS).filter(is_fit).find(|slot| self.is_compared(*slot))
    }

    /// An old checkpoint passes for a new one (a planted bug).
    fn pass_for_new(&mut self, into: Slot, number: u32) -> bool {
        let Some(from) = (SLOTS..PLACES).find(|place| self.children[*place].is_some()) else {
            return false;
        };
        let Some(pid) = self.children[from].take() else { return false };
        self.relabel(pid, into, number);
        self.boards.slots[into].rendered = self.boards.sealed;
        self.events.push(Event::Exited { slot: from, death: Death::Killed, crumb: Crumb::NONE });
        true
    }

    /// An old checkpoint takes the place and the number of a new one (a planted bug).
    fn relabel(&mut self, pid: u64, into: Slot, number: u32) {
        self.children[into] = Some(pid);
        self.floors[into] = (self.sequencer.log_position(), self.sequencer.next_block());
        if let Some(process) = self.processes.iter_mut().find(|found| found.pid == pid) {
            (process.position.slot, process.position.incarnation) = (into, number);
            self.boards.slots[into].rendered = process.position.next_block;
        }
        self.boards.slots[into].claimed = number;
        self.events.push(Event::Forked { number });
        self.notify();
    }

    /// Notes who is to be in a place, for a successor.
    fn enrol(&mut self, place: Slot, number: u32) {
        self.numbers[place] = number;
        self.last_number = self.last_number.max(number);
    }

    /// From this block on the culprit is left out.
    fn amend(&mut self, block: BlockIndex, culprit: Culprit, cause: Cause) {
        let place = match culprit {
            Culprit::Module(module) => Place::Module(module),
            Culprit::Command { sequence } => Place::Command { sequence },
            Culprit::Edit(edit) => Place::Preparing(edit),
        };
        let Some(mut change) = Self::change_for(culprit) else { return };
        let mut block = block;
        match (self.scenario.mutation, &mut change) {
            (Some(Mutation::AmendNothing), _) => return,
            (Some(Mutation::AmendBlockAfter), _) => block += 1,
            (Some(Mutation::WithholdAnother), Change::Withhold { sequence }) => *sequence += 1,
            _ => {}
        }
        let is_harmful = self.oracles.lockstep.is_harmful(block, place);
        let Some(made) = self.boards.amend(block, change) else {
            self.report.refused += 1;
            return;
        };
        self.report.amendments += 1;
        let survivor = (0..SLOTS).find(|slot| {
            self.supervision.is_live(*slot) && self.boards.slots[*slot].rendered > block
        });
        self.object("blame", blame::not_survived(block, place, survivor));
        let verdict = self.oracles.blame.amended(block, place, cause, is_harmful);
        self.object("blame", verdict);
        self.oracles.blame.told(block, place, self.now);
        if !self.is_mutant(Mutation::AmendedUnjournalled) {
            let verdict = self.oracles.journal.amended(&made);
            self.object("journal", verdict);
        }
        let verdict = self.oracles.lockstep.amended(&made);
        self.object("lockstep", verdict);
        let is_withheld = matches!(change, Change::Withhold { .. });
        let is_settled = block < self.selector.next_block();
        let is_forgotten = match self.scenario.mutation {
            Some(Mutation::FreshWithoutControlHistory) => true,
            Some(Mutation::FreshWithWithheld) => is_withheld,
            Some(Mutation::ControlHistoryCommitsGaps) => is_withheld && is_settled,
            _ => false,
        };
        if !is_forgotten {
            self.control_history.amended(made);
        }
    }

    /// What puts a culprit aside.
    pub(crate) fn change_for(culprit: Culprit) -> Option<Change> {
        match culprit {
            Culprit::Module(module) => Some(Change::Insert(Deed::Bypass(module).encode(0))),
            Culprit::Command { sequence } => Some(Change::Withhold { sequence }),
            Culprit::Edit(_) => None,
        }
    }

    /// Reads [`World::change_for`] back.
    pub(crate) fn culprit_of(change: Change) -> Option<Culprit> {
        match change {
            Change::Withhold { sequence } => Some(Culprit::Command { sequence }),
            Change::Insert(payload) => Deed::bypassed(&payload).map(Culprit::Module),
        }
    }

    fn thaw(&mut self, from: Slot, into: Slot, number: u32) {
        if self.is_mutant(Mutation::FreshInsteadOfThaw) {
            self.spawn(into, number, true);
            self.fence(from);
            return;
        }
        self.report.thaws += 1;
        self.enrol(into, number);
        self.children[into] = self.children[from].take();
        self.floors[into] = self.floors[from];
        self.boards.give_order(from, Order::Thaw { into, number });
        if self.is_mutant(Mutation::ThawUnheard) {
            return;
        }
        let slow_ns = std::mem::take(&mut self.armed.thaw_slow_ns);
        let wakes_ns = self.now + slow_ns + self.rng.between(30_000, 150_000);
        let dies_ns = std::mem::take(&mut self.armed.thawed_dies)
            .then(|| self.now + self.rng.between(10_000, 220_000));
        let pid = self.children[into];
        if let Some(process) = self.processes.iter_mut().find(|found| Some(found.pid) == pid) {
            process.doing = Doing::Deciding;
            process.ready_ns = wakes_ns;
            process.kill_at_ns = dies_ns.or(process.kill_at_ns);
            let verdict = self.oracles.checkpoints.thawed(process.born_ns);
            if process.tainted_since_ns.is_some() {
                self.oracles.no_gap.risk("a checkpoint with wrong bits is thawed");
            }
            self.object("checkpoints", verdict);
        }
    }

    fn promote(&mut self, slot: Slot) {
        self.promotions += 1;
        self.boards.primary = match self.scenario.mutation {
            Some(Mutation::PromoteTwice) => (slot + 1) % self.scenario.mix.replicas,
            Some(Mutation::PromoteOnlyOnce) if self.promotions > 1 => return,
            _ => slot,
        };
    }

    fn fence(&mut self, slot: Slot) {
        if self.is_mutant(Mutation::FenceIgnored) {
            return;
        }
        if self.is_mutant(Mutation::JoinForEver) && self.is_joining(slot) {
            return;
        }
        if slot >= SLOTS {
            self.check_drop(slot);
        }
        if slot >= SLOTS
            && self.is_mutant(Mutation::DistrustedKept)
            && self.oracles.checkpoints.is_distrusted_at(self.now)
        {
            self.kept_checkpoint = self.children[slot].take();
            let crumb = Crumb::NONE;
            self.events.push(Event::Exited { slot, death: Death::Killed, crumb });
            return;
        }
        let mut at = self.now + self.rng.between(10_000, 300_000);
        if self.is_mutant(Mutation::FreeBeforeReaped) {
            at += 30_000_000;
            let crumb = Crumb::NONE;
            self.events.push(Event::Exited { slot, death: Death::Killed, crumb });
        }
        let pid = self.children[slot];
        if let Some(process) = self.processes.iter_mut().find(|found| Some(found.pid) == pid) {
            process.kill_at_ns = Some(process.kill_at_ns.map_or(at, |sooner| sooner.min(at)));
        }
    }

    /// Whether whoever is in a place has not claimed it yet.
    fn is_joining(&self, place: Slot) -> bool {
        self.boards.slots[place].claimed != self.numbers[place]
    }

    /// A checkpoint is dropped.
    fn check_drop(&mut self, place: Slot) {
        let is_useless = self.useless_before() > self.boards.slots[place].rendered;
        let is_there = |other: &Slot| {
            let is_it = |it: &&Process| Some(it.pid) == self.children[*other];
            let found = self.processes.iter().find(is_it);
            *other != place && found.is_some_and(|it| it.claimed)
        };
        let is_excused = is_useless || self.is_joining(place);
        let another = (SLOTS..PLACES).find(is_there);
        let number = self.numbers[place];
        let verdict = self.oracles.checkpoints.dropped(place, number, another, is_excused);
        self.object("checkpoints", verdict);
    }

    /// Whether the supervisor can't look at processes.
    pub(crate) fn is_blind(&self) -> bool {
        self.now < self.armed.blind_until_ns
    }

    pub(crate) fn find_child(&mut self, number: u32, into: Slot) {
        if self.is_blind() {
            self.sought = Some((number, into));
            return;
        }
        self.pending = None;
        let children = self.children;
        let mut pids = self.processes.iter().map(|process| process.pid);
        let unknown = pids
            .find(|pid| !children.contains(&Some(*pid)))
            .filter(|_| !self.is_mutant(Mutation::OrphanForgotten));
        self.children[into] = unknown;
        self.events.push(match unknown {
            Some(_) => Event::Forked { number },
            None => Event::NoChild { number },
        });
        self.notify();
    }

    /// A fresh worker begins at the first block that is not sealed; the very first at the first of all.
    fn spawn(&mut self, slot: Slot, number: u32, restart: bool) {
        let told_ns = self.told_ns();
        let verdict = self.oracles.restart_bounds.fresh(told_ns);
        self.object("restart bounds", verdict);
        if self.armed.failing_spawns > 0 {
            self.armed.failing_spawns -= 1;
            let verdict = self.oracles.restart_bounds.failed(told_ns);
            self.object("restart bounds", verdict);
            self.events.push(Event::SpawnFailed { number, errno: EAGAIN });
            return;
        }
        if restart {
            let there = self.checkpoint_there();
            self.object("checkpoints", Checkpoints::overlooked(there));
        }
        self.enrol(slot, number);
        let others = self.processes.iter().filter(|other| other.position.slot == slot).count();
        self.object("one process", one_process::born(slot, others));
        let mut block = self.sequencer.next_block();
        let mut log_position = self.sequencer.log_position();
        let mut rack = self.control_history.rack(block);
        if !restart || self.is_mutant(Mutation::FreshFromTheBeginning) {
            (block, log_position, rack) = (0, 0, Rack::default());
        }
        self.floors[slot] = (log_position, block);
        self.boards.lost_before = block;
        let position = Position {
            slot,
            incarnation: number,
            next_block: block,
            log_position,
            amended: self.boards.amendments.len() as u64,
            obeyed: self.boards.order(slot).number(),
            blocks_since_order: 0,
        };
        let pid = self.take_pid();
        let ready_ns = self.now + self.rng.between(2_000_000, 40_000_000);
        self.processes.push(Process::new(pid, position, rack, self.now, ready_ns));
        self.children[slot] = Some(pid);
        self.report.fresh += 1;
    }
}
