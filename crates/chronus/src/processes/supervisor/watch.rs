//! Watching the workers: what they say, whether their bits agree, and doing what supervision decides.

use std::sync::atomic::Ordering;

use chronus_engine::Command;
use chronus_os::wake::wake_all;
use chronus_replication::divergence::Divergence;
use chronus_replication::lockstep::Order;
use chronus_replication::selector::{Read, VOTERS};
use chronus_replication::supervision::{Action, Event};
use chronus_replication::{BLOCK_SAMPLES, PLACES, SLOTS, Slot};
use chronus_shm::block_ring;
use chronus_shm::command_log::LOG_ENTRIES;
use chronus_shm::control_board::SEALS;

use super::Supervisor;
use super::processes::Seen;
use super::status::Figures;

impl Supervisor {
    /// Looks at the workers and does what supervision decides.
    pub(super) fn watch(&mut self, now_ns: u64) {
        let mut actions = Vec::new();
        let mut events = self.processes.events(&self.regions);
        self.hear(&mut events);
        let divergence = self.compare();
        let seen = self.seen();
        let cpu = |slot: Slot| self.processes.cpu_ns(slot);
        let cpu_now = |slot: Slot| self.processes.cpu_now_ns(slot);
        let asleep = |slot: Slot| self.processes.is_asleep(slot);
        let crumb = |slot: Slot| self.regions.slots.slots[slot].board.breadcrumb.read();
        let blind = self.processes.blind().is_some();
        let view = seen.with([&cpu, &cpu_now], &asleep, &crumb, blind);
        for event in events {
            Figures::note_event(&event, &self.regions.ledger.tally);
            self.supervision.handle(event, &view, &mut actions);
        }
        if let Some(divergence) = divergence {
            self.regions.ledger.tally.divergences.add_one();
            tracing::error!(
                "block {}: slot {} rendered other bits than slot {}",
                divergence.block,
                divergence.differs,
                divergence.reference
            );
            let event = Event::Diverged { slot: divergence.differs };
            self.supervision.handle(event, &view, &mut actions);
        }
        self.supervision.look(now_ns, &view, &mut actions);
        for action in actions {
            self.act(action, now_ns);
            self.figures.note_done(&action);
        }
        self.figures.faults.settle();
        let has_vote =
            |slot: &Slot| self.supervision.is_live(*slot) && self.divergence.has_vote(*slot);
        let voters = (0..SLOTS).filter(has_vote).fold(0_u32, |voters, slot| voters | 1 << slot);
        self.regions.ledger.playback.voters.store(voters, Ordering::Relaxed);
        self.regions.log.board.set_voting(voters.count_ones() as usize >= VOTERS);
    }

    /// Hears what the workers say of themselves.
    fn hear(&mut self, events: &mut Vec<Event>) {
        let said = self.claims.hear(&self.regions.log, &self.regions.slots);
        for (slot, impossible) in said.into_iter().enumerate() {
            if let Some(impossible) = impossible {
                tracing::error!("the worker in slot {slot} {impossible}");
                events.push(Event::Discredited { slot });
            }
        }
    }

    /// What is believed of the workers, and which checkpoints are of use.
    fn seen(&self) -> Seen {
        let mut seen = Seen::of(&self.regions.log.board, &self.claims);
        seen.renew_before = self.edits.last_block;
        seen.proven = std::array::from_fn(|slot| self.divergence.has_vote(slot));
        let (head, sealed) = (self.sequencer.log_position(), self.sequencer.next_block());
        for place in SLOTS..PLACES {
            let block = seen.rendered[place];
            let entry = self.regions.log.position_after(block).unwrap_or(0);
            let holds_up = head.saturating_sub(entry) > LOG_ENTRIES as u64 / 2
                || sealed.saturating_sub(block) > SEALS as u64 / 2;
            if holds_up {
                seen.useless_before = seen.useless_before.max(block + 1);
            }
        }
        seen
    }

    fn compare(&mut self) -> Option<Divergence> {
        let reference = self.supervision.primary()?;
        let (log, slots) = (&self.regions.log, &self.regions.slots.slots);
        let (finished, numbers) = (self.claims.rendered(), self.claims.claimed());
        let rendered =
            std::array::from_fn(|slot| self.supervision.is_live(slot).then_some(finished[slot]));
        let amendments = log.commit_point.standing().amendments;
        let mut samples = [0.0; BLOCK_SAMPLES];
        self.divergence.compare(reference, &rendered, |slot, block| {
            let version = log.version_of(block, amendments)?;
            let is_its_own = |number| number == numbers[slot];
            match block_ring::read(&slots[slot].ring, block, version, is_its_own, &mut samples) {
                Read::Taken(hash) => Some(hash),
                Read::Absent | Read::Refused => None,
            }
        })
    }

    fn act(&mut self, action: Action, now_ns: u64) {
        match action {
            Action::Promote(slot) => {
                let slots = &self.regions.slots.slots;
                // Released first, so that no standby runs ahead of a new primary that is behind.
                self.regions.log.board.release(self.rendered(slot));
                self.regions.log.board.promote(slot);
                self.ring();
                // A device without a clock may sleep on the bell of the slot that went first.
                for slot in slots {
                    slot.board.bell.fetch_add(1, Ordering::Release);
                    wake_all(&slot.board.bell);
                }
            }
            Action::Accept { slot, number } => {
                self.regions.ledger.playback.accepted[slot].accept(number);
                self.figures.accepted(slot, &self.regions.ledger.playback);
                self.divergence.forget(slot);
            }
            Action::Disown(slot) => self.regions.ledger.playback.accepted[slot].disown(),
            Action::Fence(slot) => self.processes.fence(slot),
            Action::Fork { forker, into, number } => {
                self.regions.ledger.roster.last_number.store(number, Ordering::Release);
                self.claims.expect(into, number, self.claims.rendered()[forker]);
                self.processes.expect_fork(forker, into, number);
                let order = Order::Fork { into, number };
                self.regions.log.board.give_order(forker, order);
                self.ring();
            }
            Action::FindChild { number, into } => self.processes.find_child(number, into),
            Action::Distrust(number) => {
                self.regions.ledger.roster.distrusted.store(number, Ordering::Release);
            }
            Action::Spawn { slot, number, restart } => self.spawn(slot, number, restart),
            Action::Thaw { from, into, number } => self.thaw(from, into, number),
            Action::Amend { block, culprit, cause } => self.amend(block, culprit, cause, now_ns),
            Action::Withdraw { edit, cause } => self.withdraw(edit, cause),
            Action::Report(notice) => Figures::note(&notice, &self.regions.ledger.tally),
        }
    }

    fn spawn(&mut self, slot: Slot, number: u32, restart: bool) {
        self.regions.ledger.roster.last_number.store(number, Ordering::Release);
        if restart {
            self.sequencer.submit_urgent(Command::Restart.encode());
        }
        let amendments = self.regions.log.commit_point.standing().amendments;
        let start = (self.sequencer.next_block(), self.sequencer.log_position(), amendments);
        self.regions.ledger.playback.lost_before.store(start.0, Ordering::Release);
        self.claims.expect(slot, number, start.0);
        let init = (&self.performance, self.edits.last.0);
        let notifier = &self.inputs.notifier;
        self.processes.spawn(slot, number, start, init, (self.rate_hz, self.realtime), notifier);
    }

    /// Has a checkpoint go on as the worker of a slot.
    fn thaw(&mut self, from: Slot, into: Slot, number: u32) {
        self.regions.ledger.roster.last_number.store(number, Ordering::Release);
        // It reads the log from where it was taken.
        self.claims.expect(into, number, self.claims.rendered()[from]);
        let board = &self.regions.log.board;
        self.processes.move_to(from, into, number, || {
            board.give_order(from, Order::Thaw { into, number });
        });
        board.thaw_bell.fetch_add(1, Ordering::Release);
        wake_all(&board.thaw_bell);
    }
}
