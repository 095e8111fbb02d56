//! A process of the world. An honest one does what the real worker does.

use chronus_replication::amendment::{Change, version};
use chronus_replication::blame::Cause;
use chronus_replication::lockstep::{Board, Order, Position, Step};
use chronus_replication::machine::{Machine, Ramp};
use chronus_replication::restart::Death;
use chronus_replication::{BLOCK_SAMPLES, BlockIndex, Slot};
use chronus_shm::control_board::{LogRegion, seal_of};
use chronus_shm::status_board::{ForkAnswer, SlotRegion, SlotsRegion};
use chronus_shm::{block_ring, command_log};

/// With what a worker ends that learns of an amendment too late.
const OUTDATED: i32 = 40;

#[derive(Clone, Debug)]
pub struct Process {
    pub pid: u32,
    pub position: Position,
    pub ramp: Ramp,
    /// It does nothing by itself any more.
    pub is_wild: bool,
    /// The supervisor has it among its children.
    pub is_known: bool,
    pub has_claimed: bool,
    pub death: Option<Death>,
}

/// What the boards say.
pub struct Boards<'a>(pub &'a LogRegion);

impl Board for Boards<'_> {
    fn primary(&self) -> Slot {
        self.0.board.primary()
    }
    fn sealed(&self) -> BlockIndex {
        self.0.board.sealed()
    }
    fn released(&self) -> BlockIndex {
        self.0.board.released()
    }
    fn order(&self, slot: Slot) -> Order {
        self.0.board.order(slot)
    }
}

/// What an honest process did last.
pub enum Did {
    /// Published this block, in this version and with this hash.
    Published(BlockIndex, u64, u64),
    /// Forked this child.
    Forked(Box<Process>),
    /// Something else.
    Other,
    /// Nothing is due.
    Nothing,
}

impl Process {
    /// The next thing that an honest process does.
    pub fn step(&mut self, log: &LogRegion, slots: &SlotsRegion, next_pid: u32, now: u64) -> Did {
        let slot = &slots.slots[self.position.slot];
        if !self.has_claimed {
            self.has_claimed = true;
            slot.board.claim(self.position.incarnation, self.position.next_block, now);
            return Did::Other;
        }
        match self.position.next_step(&Boards(log)) {
            Step::Render(block) => self.render(block, log, slot),
            Step::Obey(Order::Fork { into, number }) => {
                let child = Self {
                    pid: next_pid,
                    position: self.position.of_child(into, number, &Boards(log)),
                    is_known: false,
                    has_claimed: false,
                    ..self.clone()
                };
                self.position.obeyed(Order::Fork { into, number });
                slot.board.answer_fork(number, ForkAnswer::Child(next_pid));
                Did::Forked(Box::new(child))
            }
            Step::Obey(Order::Thaw { into, number }) => {
                self.position = self.position.of_child(into, number, &Boards(log));
                self.has_claimed = false;
                Did::Other
            }
            Step::Obey(Order::None) | Step::Wait => Did::Nothing,
        }
    }

    fn render(&mut self, block: BlockIndex, log: &LogRegion, slot: &SlotRegion) -> Did {
        slot.board.breadcrumb.begin_block(block);
        let seal = seal_of(&log.seals, block).expect("an honest worker finds the seal");
        let Some(withheld) = self.take_amendments(block, log) else {
            self.death = Some(Death::OfItself(Cause::Status(OUTDATED)));
            return Did::Other;
        };
        for sequence in self.position.log_position..seal {
            let entry = command_log::read(&log.board.head, &log.entries, sequence);
            let entry = entry.expect("an honest worker finds what was not taken yet");
            assert_eq!(entry.block(), block);
            if !withheld.contains(&sequence) {
                self.ramp.apply(entry.offset(), &entry.payload);
            }
        }
        let mut samples = [0.0; BLOCK_SAMPLES];
        self.ramp.render(&mut samples);
        slot.board.breadcrumb.end_block();
        let version = version(seal, self.position.amended);
        block_ring::publish(&slot.ring, block, version, self.position.incarnation, &samples);
        slot.board.finish_block(block + 1);
        self.position.finish_block(seal, &Boards(log));
        let hash = chronus_replication::machine::block_hash(block, &samples);
        Did::Published(block, version, hash)
    }

    /// What is withheld of a block; `None` if it has rendered on before it knew of an amendment.
    fn take_amendments(&mut self, block: BlockIndex, log: &LogRegion) -> Option<Vec<u64>> {
        let mut withheld = Vec::new();
        while self.position.amended < log.commit_point.standing().amendments {
            let amendment = log.commit_point.amendment(self.position.amended).expect("it is kept");
            if amendment.block > block {
                break;
            }
            if amendment.block < block {
                return None;
            }
            match amendment.change {
                Change::Insert(payload) => self.ramp.apply(0, &payload),
                Change::Withhold { sequence } => withheld.push(sequence),
            }
            self.position.amended += 1;
        }
        Some(withheld)
    }
}
