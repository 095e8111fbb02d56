//! The supervisor of the world: in each turn it does what the real one does, in the same order.

use chronus_replication::blame::Crumb;
use chronus_replication::lockstep::{Order, Position};
use chronus_replication::machine::Ramp;
use chronus_replication::restart::Death;
use chronus_replication::supervision::{Action, Event, Notice, View};
use chronus_replication::{BLOCK_FRAMES, BlockIndex, Entry, PLACES, SLOTS, Slot};

use crate::Mutation;
use crate::boards::{Answer, LOG_ENTRIES, RING_BLOCKS, SEALS};
use crate::oracle::{liveness::Liveness, one_process, single_primary};
use crate::process::{Doing, EAGAIN, Process};
use crate::world::{BLOCK_NS, World};

/// Blocks the workers are ahead of the device.
pub(crate) const LEAD_BLOCKS: u64 = 4;

impl World {
    /// One turn of the supervisor.
    pub(crate) fn turn(&mut self) {
        self.supervisor_ns = self.now + BLOCK_NS;
        self.take_commands();
        self.seal_due();
        let mut actions = Vec::new();
        let mut events = std::mem::take(&mut self.events);
        self.collect_events(&mut events);
        events.extend(self.compare());
        for event in &events {
            self.note(event);
        }
        self.look(events, &mut actions);
        for action in actions {
            self.note(&action);
            self.act(action);
        }
        self.boards.voters = std::array::from_fn(|slot| {
            self.supervision.is_live(slot) && self.divergence.has_vote(slot)
        });
        self.check_turn();
    }

    fn take_commands(&mut self) {
        let ordinary = u64::from(self.rng.one_in(4));
        for _ in 0..ordinary + std::mem::take(&mut self.armed.burst) {
            let open = self.sequencer.first_open_frame();
            let frame = (open + self.rng.between(0, 8 * BLOCK_FRAMES as u64)).saturating_sub(128);
            let payload = [self.rng.between(1, 1000), self.now, 0, 0, 0];
            if self.sequencer.submit(frame, payload).is_ok() {
                self.oracles.total_order.taken();
            }
        }
    }

    fn seal_due(&mut self) {
        let extra = (self.period_frames.div_ceil(BLOCK_FRAMES) - 1) as u64;
        let ahead = (LEAD_BLOCKS + extra).min(RING_BLOCKS as u64 - 16);
        let (slowest_entry, slowest_block) = self.slowest_reader();
        let target = (self.selector.next_block() + ahead).min(slowest_block + SEALS as u64 - 16);
        let before = self.sequencer.next_block();
        while self.sequencer.next_block() < target {
            self.boards.log.slowest_reader = slowest_entry;
            let mut entries: Vec<Entry> = Vec::new();
            let seal = self.sequencer.seal_next(&mut self.boards.log, |entry| entries.push(*entry));
            for entry in &entries {
                self.log_sum = self.log_sum.wrapping_add(entry.payload[0]);
            }
            let waiting = self.sequencer.waiting();
            let verdict = self.oracles.total_order.sealed(seal, &entries, waiting);
            self.object("total order", verdict);
            self.oracles.lockstep.sealed(seal.block, &entries);
            self.boards.seal(seal);
            self.trace(seal.log_position);
        }
        if self.sequencer.next_block() != before {
            self.ring();
        }
    }

    fn slowest_reader(&self) -> (u64, u64) {
        let mut slowest = (self.sequencer.log_position(), self.sequencer.next_block());
        for slot in (0..PLACES).filter(|slot| self.supervision.is_occupied(*slot)) {
            let board = &self.boards.slots[slot];
            let reader = if self.supervision.is_live(slot) {
                (board.log_position, board.rendered)
            } else {
                self.floors[slot]
            };
            slowest = (slowest.0.min(reader.0), slowest.1.min(reader.1));
        }
        slowest
    }

    /// Answers come before deaths: a forker may have answered and died.
    fn collect_events(&mut self, events: &mut Vec<Event>) {
        if let Some((forker, into, number)) = self.pending
            && let Some((answered, answer)) = self.boards.slots[forker].answer
            && answered == number
        {
            self.pending = None;
            events.push(match answer {
                Answer::Child(pid) => {
                    self.children[into] = Some(pid);
                    Event::Forked { number }
                }
                Answer::Failed(_) if self.is_mutant(Mutation::ForkFailureUntold) => {
                    Event::NoChild { number }
                }
                Answer::Failed(errno) => Event::ForkFailed { number, errno },
            });
            if matches!(answer, Answer::Failed(_)) {
                let verdict = self.oracles.restart_bounds.failed(self.now);
                self.object("restart bounds", verdict);
            }
        }
        for slot in 0..PLACES {
            let Some(pid) = self.children[slot] else { continue };
            if self.processes.iter().any(|process| process.pid == pid && !process.alive) {
                self.processes.retain(|process| process.pid != pid);
                self.children[slot] = None;
                if !self.is_mutant(Mutation::DeathsUntold) {
                    events.push(exited(slot));
                }
            }
        }
    }

    fn compare(&mut self) -> Option<Event> {
        let reference = self.supervision.primary()?;
        let boards = &self.boards;
        let rendered = std::array::from_fn(|slot| {
            self.supervision.is_live(slot).then(|| boards.slots[slot].rendered)
        });
        let found = self
            .divergence
            .compare(reference, &rendered, |slot, block| boards.hash_of(slot, block));
        let slot = found?.differs;
        self.report.divergences += 1;
        (!self.is_mutant(Mutation::DivergenceUntold)).then_some(Event::Diverged { slot })
    }

    fn look(&mut self, events: Vec<Event>, actions: &mut Vec<Action>) {
        let (now, processes, children) = (self.now, &self.processes, &self.children);
        let cpu = |slot: Slot| {
            let pid = children[slot]?;
            processes.iter().find(|process| process.pid == pid).map(|found| found.cpu_ns(now))
        };
        let view = View {
            sealed: self.boards.sealed,
            released: self.boards.released,
            claimed: std::array::from_fn(|slot| self.boards.slots[slot].claimed),
            rendered: std::array::from_fn(|slot| self.boards.slots[slot].rendered),
            renew_before: 0,
            useless_before: self.useless_before(),
            cpu_ns: &cpu,
            crumb: &|_| Crumb::NONE,
        };
        for event in events {
            self.supervision.handle(event, &view, actions);
        }
        let fast = self.scenario.mutation == Some(Mutation::IntensityClockFast);
        let told_ns = if fast { now * 100 } else { now };
        self.supervision.look(told_ns, &view, actions);
    }

    /// As in the real supervisor: a checkpoint must not hold up the log.
    fn useless_before(&self) -> BlockIndex {
        let (head, sealed) = (self.sequencer.log_position(), self.sequencer.next_block());
        let holds_up = |place: &Slot| {
            let (entry, block) = self.floors[*place];
            head.saturating_sub(entry) > LOG_ENTRIES as u64 / 2
                || sealed.saturating_sub(block) > SEALS as u64 / 2
        };
        let stale = (SLOTS..PLACES).filter(holds_up);
        stale.map(|place| self.boards.slots[place].rendered + 1).max().unwrap_or(0)
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Promote(slot) => {
                self.promote(slot);
                self.ring();
            }
            Action::Admit { slot, number } => {
                self.boards.slots[slot].admitted = number;
                self.divergence.forget(slot);
                self.oracles.admitted.admit(slot, number);
            }
            Action::Disown(slot) => {
                let board = &mut self.boards.slots[slot];
                board.trusted_from = board.admitted + 1;
                self.oracles.admitted.admit(slot, 0);
            }
            Action::Fence(slot) => self.fence(slot),
            Action::Fork { forker, into, number } => {
                let board = &self.boards.slots[forker];
                self.floors[into] = (board.log_position, board.rendered);
                self.pending = Some((forker, into, number));
                self.boards.give_order(forker, Order::Fork { into, number });
                self.ring();
            }
            Action::FindChild { number, into } => self.find_child(number, into),
            Action::Spawn { slot, number, restart } => self.spawn(slot, number, restart),
            Action::Thaw { from, into, number } => self.thaw(from, into, number),
            Action::Amend { .. } | Action::Withdraw { .. } => {}
            Action::Report(
                Notice::ForkFailed { retry_ns, .. }
                | Notice::Slowed { retry_ns }
                | Notice::Intensity { retry_ns },
            ) => self.oracles.liveness.excuse_until(self.now + retry_ns),
            Action::Report(_) => {}
        }
    }

    fn thaw(&mut self, from: Slot, into: Slot, number: u32) {
        self.children[into] = self.children[from].take();
        self.floors[into] = self.floors[from];
        self.boards.give_order(from, Order::Thaw { into, number });
        let wakes_ns = self.now + self.rng.between(30_000, 150_000);
        let pid = self.children[into];
        if let Some(process) = self.processes.iter_mut().find(|found| Some(found.pid) == pid) {
            process.doing = Doing::Deciding;
            process.ready_ns = wakes_ns;
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
        let mut at = self.now + self.rng.between(10_000, 300_000);
        if self.is_mutant(Mutation::FreeBeforeReaped) {
            at += 30_000_000;
            self.events.push(exited(slot));
        }
        let pid = self.children[slot];
        if let Some(process) = self.processes.iter_mut().find(|found| Some(found.pid) == pid) {
            process.kill_at_ns = Some(process.kill_at_ns.map_or(at, |sooner| sooner.min(at)));
        }
    }

    fn find_child(&mut self, number: u32, into: Slot) {
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
        self.kick();
    }

    /// A fresh worker begins at the first block that is not sealed; the very first at the first of all.
    fn spawn(&mut self, slot: Slot, number: u32, restart: bool) {
        let verdict = self.oracles.restart_bounds.fresh(self.now);
        self.object("restart bounds", verdict);
        if self.armed.failing_spawns > 0 {
            self.armed.failing_spawns -= 1;
            let verdict = self.oracles.restart_bounds.failed(self.now);
            self.object("restart bounds", verdict);
            self.events.push(Event::SpawnFailed { number, errno: EAGAIN });
            return;
        }
        let others = self.processes.iter().filter(|other| other.position.slot == slot).count();
        self.object("one process", one_process::born(slot, others));
        let (mut block, mut log_position) =
            (self.sequencer.next_block(), self.sequencer.log_position());
        let mut sum = self.log_sum;
        if !restart || self.is_mutant(Mutation::FreshFromTheBeginning) {
            (block, log_position, sum) = (0, 0, 0);
        }
        self.floors[slot] = (log_position, block);
        let position = Position {
            slot,
            incarnation: number,
            next_block: block,
            log_position,
            amended: self.boards.amendments.len() as u64,
            obeyed: chronus_replication::lockstep::Board::order(&self.boards, slot).number(),
            blocks_since_order: 0,
        };
        let pid = self.take_pid();
        let ready_ns = self.now + self.rng.between(2_000_000, 40_000_000);
        let ramp = Ramp::starting_at(block, sum);
        self.processes.push(Process::new(pid, position, ramp, self.now, ready_ns));
        self.children[slot] = Some(pid);
        self.report.fresh += 1;
    }

    fn check_turn(&mut self) {
        let primary = self.supervision.primary();
        // A death that is not reaped yet is not known to anybody.
        let at_work = |slot| self.supervision.is_live(slot) && self.children[slot].is_some();
        let verdict = single_primary::check(primary, self.boards.primary, at_work);
        self.object("single primary", verdict);
        let redundant = self.supervision.is_redundant() && self.is_really_redundant();
        let verdict = self.oracles.liveness.check(self.now, redundant);
        self.object("liveness", verdict);
        for index in 0..self.processes.len() {
            let process = &self.processes[index];
            let (slot, pid) = (process.position.slot, process.pid);
            if !self.children.contains(&Some(pid)) {
                let unknown_ns = self.now - process.born_ns;
                self.object("one process", one_process::known(slot, unknown_ns));
            }
            let process = &self.processes[index];
            let right = self
                .processes
                .iter()
                .any(|p| Some(p.position.slot) == primary && p.tainted_since_ns.is_none());
            // What a checkpoint holds shows only once it is thawed.
            if let Some(since) = process.tainted_since_ns
                && right
                && process.alive
                && !process.position.is_checkpoint()
            {
                let tainted_ns = self.now.saturating_sub(since);
                self.object("liveness", Liveness::tainted(slot, tainted_ns));
            }
        }
        self.note_safety();
    }

    /// Redundant in fact: enough processes that claimed their slots, live and are known.
    fn is_really_redundant(&self) -> bool {
        let live = self
            .processes
            .iter()
            .filter(|p| p.alive && p.claimed && self.children[p.position.slot] == Some(p.pid));
        live.count() >= self.scenario.mix.replicas
    }
}

/// The process of a place was killed.
fn exited(slot: Slot) -> Event {
    Event::Exited { slot, death: Death::Killed, crumb: Crumb::NONE }
}
