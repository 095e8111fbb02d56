//! The audio callback's side: the hitless selector over the slots in shared memory, and what it tells
//! the supervisor, through atomics only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrayvec::ArrayVec;
use chronus_os::alloc_guard::AllocationBan;
use chronus_os::clock;
use chronus_os::wake::{Notifier, wait_on};
use chronus_output::Source;
use chronus_replication::selector::{Counts, Read, Selected, Selector, Slots, VOTERS};
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, Block, BlockIndex, CHANNELS, SLOTS, Slot};
use chronus_shm::block_ring;
use chronus_shm::playback_board::Callback;
use chronus_shm::sync::AtomicU64;

use crate::persistence::regions::Regions;

/// A block that no replica had when it was to be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The block.
    pub block: BlockIndex,
    /// When the callback began that should have played it, in nanoseconds.
    pub at_ns: u64,
}

/// The source that a device plays.
pub struct Playback {
    selector: Selector,
    regions: Regions,
    gaps: rtrb::Producer<Gap>,
    notifier: Notifier,
    scratch: Box<Block>,
    /// The device has waited for what it asks for next.
    has_waited: bool,
    /// How often the device has said that its clock has slipped.
    slips: u64,
}

/// What the selector sees: the slots, and whose blocks in them may be played.
pub struct Accepted<'a>(pub &'a Regions);

impl Slots for Accepted<'_> {
    fn primary(&self) -> Slot {
        self.0.log.board.primary()
    }

    fn has_vote(&self, slot: Slot) -> bool {
        self.0.ledger.playback.voters.load(Ordering::Relaxed) >> slot & 1 == 1
    }

    fn amendments(&self) -> u64 {
        self.0.log.commit_point.standing().amendments
    }

    fn lost_before(&self) -> BlockIndex {
        self.0.ledger.playback.lost_before.load(Ordering::Acquire)
    }

    fn read(&self, slot: Slot, block: BlockIndex, amendments: u64, out: &mut Block) -> Read {
        let log = &self.0.log;
        let Some(version) = log.version_of(block, amendments) else { return Read::Absent };
        let ring = &self.0.slots.slots[slot].ring;
        let accepted = &self.0.ledger.playback.accepted[slot];
        block_ring::read(ring, block, version, |number| accepted.include(number), out)
    }

    fn commit(&self, block: BlockIndex, amendments: u64, is_gap: bool) -> bool {
        let commit_point = &self.0.log.commit_point;
        let standing = commit_point.standing();
        let is_as_found = standing.next_block == block && standing.amendments == amendments;
        is_as_found && commit_point.commit(standing, is_gap)
    }
}

impl Playback {
    /// A source over these regions, which goes on where another has stopped, if one has. Blocks that no
    /// replica had come out of `gaps`.
    pub fn new(regions: Regions, gaps: rtrb::Producer<Gap>, notifier: Notifier) -> Self {
        let scratch = Box::new([0.0; BLOCK_SAMPLES]);
        let board = &regions.ledger.playback;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = Counts {
            played: 0,
            gap_blocks: count(&board.gap_blocks),
            gaps: count(&board.gaps),
            misses: std::array::from_fn(|slot| count(&board.misses[slot])),
            refused: std::array::from_fn(|slot| count(&board.refused[slot])),
            outvoted: std::array::from_fn(|slot| count(&board.outvoted[slot])),
        };
        let selector = match regions.log.commit_point.standing().next_block {
            0 => Selector::default(),
            next_block => Selector::resuming(next_block, counts),
        };
        board.begin(selector.next_block(), selector.frames());
        Self { selector, regions, gaps, notifier, scratch, has_waited: false, slips: 0 }
    }

    /// The block that so many frames end in, if it has not been taken yet. The supervisor is told, through the
    /// periods, how far to seal ahead.
    fn last_to_take(&self, frames: usize) -> Option<BlockIndex> {
        let end = self.selector.frames() + frames.max(1) as u64;
        let last = (end - 1) / BLOCK_FRAMES as u64;
        let is_due = last >= self.selector.next_block();
        is_due.then(|| {
            self.regions.ledger.playback.periods.note(frames as u64);
            last
        })
    }

    /// Whose bell to sleep on for a block: the primary's, or that of a voter who has not had it.
    fn awaited(&self, block: BlockIndex) -> Slot {
        let board = &self.regions.log.board;
        let primary = board.primary().min(SLOTS - 1);
        if board.is_voting() && !self.owes(primary, block) {
            (0..SLOTS).find(|slot| self.owes(*slot, block)).unwrap_or(primary)
        } else {
            primary
        }
    }

    /// Whether a worker is at work in this slot that has yet to render a block.
    fn owes(&self, slot: Slot, block: BlockIndex) -> bool {
        let board = &self.regions.slots.slots[slot].board;
        let accepted = self.regions.ledger.playback.accepted[slot].newest();
        accepted != 0 && accepted == board.incarnation() && board.rendered() <= block
    }

    /// Whether this is so of all blocks up to this one, of which the last comes last. Who has the last need not have those
    /// before it: a worker that goes wild may have written over them, and two may agree about the last and differ about
    /// the one before.
    fn are_decided(&mut self, last: BlockIndex) -> bool {
        if !self.is_decided(last) {
            return false;
        }
        let lost_before = self.regions.ledger.playback.lost_before.load(Ordering::Acquire);
        let first = self.selector.next_block().max(lost_before);
        (first..last).all(|block| self.is_decided(block))
    }

    /// Whether it is settled what will be played: somebody has the block or, where there are enough to vote,
    /// two have the same or nobody else will have it.
    fn is_decided(&mut self, block: BlockIndex) -> bool {
        let accepted = Accepted(&self.regions);
        let amendments = accepted.amendments();
        let is_vote = (0..SLOTS).filter(|slot| accepted.has_vote(*slot)).count() >= VOTERS;
        let mut hashes = ArrayVec::<u64, SLOTS>::new();
        for slot in 0..SLOTS {
            if let Read::Taken(hash) = accepted.read(slot, block, amendments, &mut self.scratch) {
                if !is_vote || hashes.contains(&hash) {
                    return true;
                }
                if accepted.has_vote(slot) {
                    hashes.push(hash);
                }
            }
        }
        !hashes.is_empty() && !(0..SLOTS).any(|slot| self.owes(slot, block))
    }
}

impl Source for Playback {
    fn fill(&mut self, interleaved: &mut [f32]) {
        let _ban = AllocationBan::start();
        let board = &self.regions.ledger.playback;
        if !board.is_open() {
            // The device is still being started, by who has to seal what is played.
            return interleaved.fill(0.0);
        }
        let frames = (interleaved.len() / CHANNELS) as u64;
        board.periods.note(frames);
        board.runs_free.store(u32::from(std::mem::take(&mut self.has_waited)), Ordering::Relaxed);
        let before = self.selector.frames();
        let accepted = Accepted(&self.regions);
        let gaps = &mut self.gaps;
        let at_ns = clock::monotonic_ns();
        let begun = self.selector.fill(interleaved, &accepted, |selected| {
            if let Selected::Gap(block) = selected {
                // If nobody has emptied the queue, the count still tells.
                let _ = gaps.push(Gap { block, at_ns });
            }
        });
        if begun {
            board.note_callback(Callback { began_ns: at_ns, frame: before, slips: self.slips });
        }
        let counts = self.selector.counts();
        board.gap_blocks.store(counts.gap_blocks, Ordering::Relaxed);
        board.gaps.store(counts.gaps, Ordering::Relaxed);
        for slot in 0..SLOTS {
            board.misses[slot].store(counts.misses[slot], Ordering::Relaxed);
            board.refused[slot].store(counts.refused[slot], Ordering::Relaxed);
            board.outvoted[slot].store(counts.outvoted[slot], Ordering::Relaxed);
        }
        board.frames.store(self.selector.frames(), Ordering::Release);
        board.next_block.store(self.selector.next_block(), Ordering::Release);
    }

    fn slipped(&mut self) {
        self.slips += 1;
    }

    fn wait(&mut self, frames: usize, give_up: &AtomicBool) {
        self.has_waited = true;
        let Some(last) = self.last_to_take(frames) else { return };
        let Regions { slots, ledger, .. } = self.regions.clone();
        let board = &ledger.playback;
        while !board.is_open() && !give_up.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_micros(100));
        }
        while !give_up.load(Ordering::Relaxed) {
            let bell = &slots.slots[self.awaited(last)].board.bell;
            let heard = bell.load(Ordering::Acquire);
            if self.are_decided(last) {
                return;
            }
            // Read after the slots, so that a block finished before the last death is not missed.
            if last < board.lost_before.load(Ordering::Acquire) {
                return;
            }
            wait_on(bell, heard, Some(Duration::from_millis(1)));
        }
    }

    fn is_ready(&mut self, frames: usize) -> bool {
        let _ban = AllocationBan::start();
        self.last_to_take(frames).is_none_or(|last| self.are_decided(last))
    }

    fn consumed(&mut self) {
        self.notifier.raise();
    }

    fn position(&self) -> Option<u64> {
        // Silence before the sound goes on is no part of the performance.
        let is_open = self.regions.ledger.playback.is_open();
        Some(if is_open { self.selector.frames() } else { 0 })
    }
}
