//! The audio callback's side: the hitless selector over the slots in shared memory, and what it tells
//! the supervisor, through atomics only.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use chronus_os::alloc_guard::AllocationBan;
use chronus_os::clock;
use chronus_os::wake::{Kick, wait_on};
use chronus_output::Source;
use chronus_replication::amendment::version;
use chronus_replication::selector::{Read, Selected, Selector, Slots};
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, Block, BlockIndex, CHANNELS, SLOTS, Slot};
use chronus_shm::block_ring;
use chronus_shm::control_board::{LogRegion, seal_of};
use chronus_shm::region::View;
use chronus_shm::settlement::Standing;
use chronus_shm::status_board::SlotsRegion;

/// What the audio callback and the supervisor tell each other.
#[derive(Debug, Default)]
pub struct Shared {
    /// The newest incarnation whose blocks may be played from each slot; 0 for none.
    admitted: [AtomicU32; SLOTS],
    /// The oldest such incarnation. Workers that died leave good blocks behind, which are played though
    /// the slot has a new worker; one that rendered wrong bits does not.
    trusted_from: [AtomicU32; SLOTS],
    /// The block that the callback takes next.
    pub next_block: AtomicU64,
    /// Frames handed out.
    pub frames: AtomicU64,
    /// The largest number of frames asked for at once.
    pub longest_period: AtomicU64,
    /// Blocks that no replica had.
    pub gap_blocks: AtomicU64,
    /// Runs of such blocks.
    pub gaps: AtomicU64,
    /// Blocks before this one that nobody has will never come: all who could have rendered them died.
    pub lost_before: AtomicU64,
    /// For each slot, blocks that it lacked when they were needed.
    pub misses: [AtomicU64; SLOTS],
    /// For each slot, entries that could not be trusted.
    pub refused: [AtomicU64; SLOTS],
    callback_ns: AtomicU64,
    callback_frame: AtomicU64,
}

impl Shared {
    /// What the worker with this number writes into `slot` may be played.
    pub fn admit(&self, slot: Slot, number: u32) {
        self.admitted[slot].store(number, Ordering::Release);
    }

    /// Nothing that workers have written into `slot` so far may be played any more.
    pub fn disown(&self, slot: Slot) {
        let newest = self.admitted[slot].load(Ordering::Acquire);
        self.trusted_from[slot].store(newest + 1, Ordering::Release);
    }

    fn trusted(&self, slot: Slot) -> RangeInclusive<u32> {
        let oldest = self.trusted_from[slot].load(Ordering::Acquire);
        oldest.max(1)..=self.admitted[slot].load(Ordering::Acquire)
    }

    /// When the last callback began, in nanoseconds, and how many frames had been handed out before.
    pub fn last_callback(&self) -> (u64, u64) {
        loop {
            let frame = self.callback_frame.load(Ordering::Acquire);
            let time_ns = self.callback_ns.load(Ordering::Acquire);
            if self.callback_frame.load(Ordering::Acquire) == frame {
                return (time_ns, frame);
            }
        }
    }
}

/// The source that a device plays.
pub struct Playback {
    selector: Selector,
    regions: Regions,
    shared: Arc<Shared>,
    gaps: rtrb::Producer<BlockIndex>,
    kick: Kick,
    scratch: Box<Block>,
}

/// The slots and the seals, as the selector sees them.
#[derive(Clone)]
pub struct Regions {
    /// The control board and the seals.
    pub log: Arc<View<LogRegion>>,
    /// All slots.
    pub slots: Arc<View<SlotsRegion>>,
}

struct Admitted<'a> {
    regions: &'a Regions,
    shared: &'a Shared,
}

impl Slots for Admitted<'_> {
    fn primary(&self) -> Slot {
        self.regions.log.board.primary()
    }

    fn amendments(&self) -> u64 {
        self.regions.log.settlement.standing().amendments
    }

    fn read(&self, slot: Slot, block: BlockIndex, amendments: u64, out: &mut Block) -> Read {
        let log = &self.regions.log;
        let Ok(seal) = seal_of(&log.seals, block) else { return Read::Absent };
        let version = version(seal, log.settlement.amendments_of(block, amendments));
        let ring = &self.regions.slots.slots[slot].ring;
        block_ring::read(ring, block, version, self.shared.trusted(slot), out)
    }

    fn settle(&self, block: BlockIndex, amendments: u64, is_gap: bool) -> bool {
        let standing = Standing { next_block: block, amendments };
        self.regions.log.settlement.settle(standing, is_gap)
    }
}

impl Playback {
    /// A source over these regions. Numbers of blocks that no replica had come out of `gaps`.
    pub fn new(
        regions: Regions,
        shared: Arc<Shared>,
        gaps: rtrb::Producer<BlockIndex>,
        kick: Kick,
    ) -> Self {
        let scratch = Box::new([0.0; BLOCK_SAMPLES]);
        Self { selector: Selector::default(), regions, shared, gaps, kick, scratch }
    }
}

impl Source for Playback {
    fn fill(&mut self, interleaved: &mut [f32]) {
        let _ban = AllocationBan::start();
        let shared = &*self.shared;
        let frames = (interleaved.len() / CHANNELS) as u64;
        shared.longest_period.fetch_max(frames, Ordering::Relaxed);
        let before = self.selector.frames();
        let admitted = Admitted { regions: &self.regions, shared };
        let gaps = &mut self.gaps;
        let begun = self.selector.fill(interleaved, &admitted, |selected| {
            if let Selected::Gap(block) = selected {
                // If nobody has emptied the queue, the count still tells.
                let _ = gaps.push(block);
            }
        });
        if begun {
            shared.callback_ns.store(clock::monotonic_ns(), Ordering::Release);
            shared.callback_frame.store(before, Ordering::Release);
        }
        let counts = self.selector.counts();
        shared.gap_blocks.store(counts.gap_blocks, Ordering::Relaxed);
        shared.gaps.store(counts.gaps, Ordering::Relaxed);
        for slot in 0..SLOTS {
            shared.misses[slot].store(counts.misses[slot], Ordering::Relaxed);
            shared.refused[slot].store(counts.refused[slot], Ordering::Relaxed);
        }
        shared.frames.store(self.selector.frames(), Ordering::Release);
        shared.next_block.store(self.selector.next_block(), Ordering::Release);
    }

    fn wait(&mut self, frames: usize, give_up: &AtomicBool) {
        let end = self.selector.frames() + frames.max(1) as u64;
        let last = (end - 1) / BLOCK_FRAMES as u64;
        if last < self.selector.next_block() {
            return;
        }
        self.shared.longest_period.fetch_max(frames as u64, Ordering::Relaxed);
        while !give_up.load(Ordering::Relaxed) {
            let primary = self.regions.log.board.primary().min(SLOTS - 1);
            let bell = &self.regions.slots.slots[primary].board.bell;
            let heard = bell.load(Ordering::Acquire);
            let admitted = Admitted { regions: &self.regions, shared: &self.shared };
            let scratch = &mut self.scratch;
            let amendments = admitted.amendments();
            let mut has = |slot| admitted.read(slot, last, amendments, scratch) == Read::Taken;
            if (0..SLOTS).any(&mut has) {
                return;
            }
            // Read after the slots, so that a block finished before the last death is not missed.
            if last < self.shared.lost_before.load(Ordering::Acquire) {
                return;
            }
            wait_on(bell, heard, Some(Duration::from_millis(1)));
        }
    }

    fn consumed(&mut self) {
        self.kick.raise();
    }

    fn position(&self) -> Option<u64> {
        Some(self.selector.frames())
    }
}
