//! The deeds of an input: turns of the world, and what a worker gone wild writes into its slot.

use std::mem::{offset_of, size_of};

use chronus_os::child::Exit;
use chronus_os::crash;
use chronus_replication::blame::Cause;
use chronus_replication::machine::block_hash;
use chronus_replication::restart::Death;
use chronus_replication::{BLOCK_SAMPLES, PLACES, SLOTS, Slot};
use chronus_shm::block_ring;
use chronus_shm::status_board::{ForkAnswer, SlotRegion, SlotsRegion};
use chronus_shm::sync::Ordering;

use super::world::World;

/// So many kinds of deeds.
pub const KINDS: u8 = 15;
/// Turns of the world.
pub const TURN: u8 = 0;
/// A worker goes wild.
pub const GO_WILD: u8 = 1;

/// The rest of an input.
pub struct Deeds<'a>(pub &'a [u8]);

impl Deeds<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number that could be meant, or one that could not.
    fn number(&mut self, near: u64) -> u64 {
        match self.byte() {
            0xff => self.word(),
            byte @ 0xf0.. => [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, u64::from(u32::MAX), 1 << 40]
                [usize::from(byte & 0xf) % 7],
            byte => near.wrapping_add_signed(i64::from(byte as i8)),
        }
    }
}

impl World {
    /// Does the next deed; `false` if there is none.
    pub fn deed(&mut self, deeds: &mut Deeds<'_>) -> bool {
        if deeds.0.is_empty() {
            return false;
        }
        let kind = deeds.byte() % KINDS;
        if kind == TURN {
            for _ in 0..=deeds.byte() % 32 {
                self.turn();
            }
            return true;
        }
        let place = usize::from(deeds.byte()) % PLACES;
        match kind {
            GO_WILD => self.processes_in(place).for_each(|process| process.is_wild = true),
            2 => self.die(place, Death::Killed),
            3 => self.flood(deeds.byte()),
            _ if !self.processes_in(place).any(|process| process.is_wild) => {}
            4 => {
                let cause =
                    if deeds.byte() & 1 == 0 { Cause::Signal(11) } else { Cause::Status(41) };
                self.die(place, Death::OfItself(cause));
            }
            5 => self.behave(place),
            kind => self.write(place, kind, deeds),
        }
        true
    }

    /// Writes into the slot of a wild worker.
    fn write(&mut self, place: Slot, kind: u8, deeds: &mut Deeds<'_>) {
        let sealed = self.log.board.sealed();
        let own = self.processes_in(place).next().map_or(0, |it| it.position.incarnation);
        let slots = self.slots.clone();
        let board = &slots.slots[place].board;
        match kind {
            6 => board.claim(deeds.number(own.into()) as u32, deeds.number(sealed), 7),
            7 => board.finish_block(deeds.number(sealed)),
            8 => {
                let number = deeds.number(self.order_number(place).into()) as u32;
                let answer = match deeds.byte() {
                    byte @ 0..128 => ForkAnswer::Child(self.some_pid(byte)),
                    _ => ForkAnswer::Failed(deeds.byte().into()),
                };
                board.answer_fork(number, answer);
            }
            9 => self.publish(place, own, deeds),
            10 => {
                board.breadcrumb.begin_block(deeds.number(board.rendered()));
                match deeds.byte() % 4 {
                    0 => {}
                    1 => board.breadcrumb.module.store(deeds.number(3) as u32, Ordering::Relaxed),
                    2 => {
                        let sequence = deeds.number(self.log.board.head.load(Ordering::Relaxed));
                        board.breadcrumb.take_command(sequence.checked_add(1).map(|it| it - 1));
                    }
                    _ => board.breadcrumb.prepare(deeds.number(1) as u32),
                }
            }
            11 => {
                board.prepared.store(deeds.number(1) as u32, Ordering::Relaxed);
                board.busy_ns.store(deeds.number(0), Ordering::Relaxed);
                board.claimed_at_ns.store(deeds.number(0), Ordering::Relaxed);
                board.fork_ns.store(deeds.number(0), Ordering::Relaxed);
                let values = [0, 0].map(|_| f32::from_bits(deeds.number(0) as u32));
                board.tell(deeds.byte().into(), deeds.byte().into(), values);
                assert!(board.meters(deeds.byte().into()).is_none_or(|told| told[0].is_finite()));
                let note = [deeds.word(), deeds.word()];
                for (place, word) in board.crash.words.iter().zip(note) {
                    place.store(word, Ordering::Relaxed);
                }
                if let Some(crash) = board.crash.of((note[0] >> 32) as u32) {
                    let exit = Exit::Signal(i32::from(deeds.byte()));
                    let own_doing = crash::is_own_doing(exit, Some(crash));
                    assert!(own_doing || !crash.to_string().is_empty());
                }
            }
            12 => {
                // Anywhere: the board is at the beginning, the ring behind it.
                let words = size_of::<SlotRegion>() / 8;
                let at = usize::from(deeds.byte()) | usize::from(deeds.byte()) << 8;
                self.write_word(place, at % words, deeds.word());
            }
            13 => {
                let words = offset_of!(SlotRegion, ring) / 8;
                self.write_word(place, usize::from(deeds.byte()) % words, deeds.number(sealed));
            }
            _ => {
                // Into the entry of a block that is about to be played or compared.
                let (words, ring) =
                    (size_of::<block_ring::BlockEntry>() / 8, &slots.slots[place].ring);
                let block = deeds.number(sealed) % ring.len() as u64;
                let at = offset_of!(SlotRegion, ring) / 8 + block as usize * words;
                let word = usize::from(deeds.byte()) % words;
                self.write_word(place, at + word, deeds.number(sealed));
            }
        }
    }

    fn write_word(&self, place: Slot, word: usize, value: u64) {
        let slot = offset_of!(SlotsRegion, slots) + place * size_of::<SlotRegion>();
        let written = self.slots_memory.write_at(slot + word * 8, &value.to_ne_bytes());
        written.expect("it is inside");
    }

    fn publish(&mut self, place: Slot, own: u32, deeds: &mut Deeds<'_>) {
        let block = deeds.number(self.log.board.sealed());
        let amendments = self.log.commit_point.standing().amendments;
        let right = self.log.version_of(block, amendments).unwrap_or(0);
        let (version, number) = (deeds.number(right), deeds.number(own.into()) as u32);
        let sample = f32::from_bits(deeds.number(0x3f00_0000) as u32);
        let mut samples = [0.25; BLOCK_SAMPLES];
        samples[usize::from(deeds.byte()) % BLOCK_SAMPLES] = sample;
        if block == u64::MAX {
            // The tag of no block.
            return;
        }
        block_ring::publish(&self.slots.slots[place].ring, block, version, number, &samples);
        if place < SLOTS {
            self.note_published(place, block, (number, version, block_hash(block, &samples)));
        }
    }
}
