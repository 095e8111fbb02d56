//! What the real engine keeps in shared memory: control board, seals, command log, status boards and
//! block rings, with the rules by which their readers trust them.

use std::cell::Cell;

use chronus_replication::amendment::{Amendment, Change, version};
use chronus_replication::blame::Crumb;
use chronus_replication::command_sequencer::{Log, LogFull};
use chronus_replication::lockstep::{Board, Order};
use chronus_replication::machine::block_hash;
use chronus_replication::selector::{Read, Slots};
use chronus_replication::{BLOCK_SAMPLES, Block, BlockIndex, Entry, PLACES, SLOTS, Seal, Slot};

/// Blocks that a slot keeps.
pub(crate) const RING_BLOCKS: usize = 128;
/// Seals that are kept.
pub(crate) const SEALS: usize = 256;
/// Entries that the log holds; few, so that it fills up.
pub(crate) const LOG_ENTRIES: usize = 64;

#[derive(Clone)]
pub(crate) struct RingEntry {
    pub(crate) block: Option<BlockIndex>,
    pub(crate) incarnation: u32,
    pub(crate) version: u64,
    hash: u64,
    samples: Block,
    /// Known to the world only: wrong bits were injected.
    pub(crate) tainted: bool,
}

/// What came of the order to fork.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Child(u64),
    Failed(i32),
}

pub(crate) struct SlotBoard {
    pub(crate) claimed: u32,
    /// What its worker is at.
    pub(crate) crumb: Crumb,
    pub(crate) rendered: BlockIndex,
    pub(crate) log_position: u64,
    pub(crate) answer: Option<(u32, Answer)>,
    /// The numbers that the selector accepts: what dead workers left behind is played, what disowned ones
    /// wrote is not.
    pub(crate) accepted: Vec<u32>,
    order: u64,
    ring: Vec<RingEntry>,
}

pub(crate) struct Boards {
    pub(crate) primary: Slot,
    pub(crate) sealed: BlockIndex,
    pub(crate) released: BlockIndex,
    seals: Vec<Seal>,
    pub(crate) log: LogRing,
    pub(crate) slots: [SlotBoard; PLACES],
    pub(crate) amendments: Vec<Amendment>,
    /// Whose word counts.
    pub(crate) voters: [bool; SLOTS],
    /// The block that is played next, and the first of the gap that lasts.
    pub(crate) committed: Cell<(BlockIndex, Option<BlockIndex>)>,
    /// Where the last fresh worker began.
    pub(crate) lost_before: BlockIndex,
    /// Planted bugs.
    pub(crate) any_incarnation: bool,
    pub(crate) any_version: bool,
    pub(crate) any_bits: bool,
    pub(crate) amends_played: bool,
    pub(crate) ignores_votes: bool,
}

pub(crate) struct LogRing {
    entries: Vec<Option<Entry>>,
    pub(crate) head: u64,
    pub(crate) slowest_reader: u64,
    /// Planted bugs.
    pub(crate) overwrites: bool,
    pub(crate) loses: bool,
}

impl Boards {
    pub(crate) fn new() -> Self {
        let log = LogRing {
            entries: vec![None; LOG_ENTRIES],
            head: 0,
            slowest_reader: 0,
            overwrites: false,
            loses: false,
        };
        Self {
            primary: 0,
            sealed: 0,
            released: 0,
            seals: vec![Seal { block: u64::MAX, log_position: 0 }; SEALS],
            log,
            slots: std::array::from_fn(|_| SlotBoard::new()),
            amendments: Vec::new(),
            voters: [false; SLOTS],
            committed: Cell::new((0, None)),
            lost_before: 0,
            any_incarnation: false,
            any_version: false,
            any_bits: false,
            amends_played: false,
            ignores_votes: false,
        }
    }

    pub(crate) fn seal(&mut self, seal: Seal) {
        self.seals[(seal.block % SEALS as u64) as usize] = seal;
        self.sealed = seal.block + 1;
    }

    pub(crate) fn seal_of(&self, block: BlockIndex) -> Option<u64> {
        let seal = self.seals[(block % SEALS as u64) as usize];
        (seal.block == block).then_some(seal.log_position)
    }

    /// Adds an amendment, unless its block was played.
    pub(crate) fn amend(&mut self, block: BlockIndex, change: Change) -> Option<Amendment> {
        let (next_block, gap) = self.committed.get();
        let was_played = block < next_block && gap.is_none_or(|gap| block < gap);
        if was_played && !self.amends_played {
            return None;
        }
        let amendment = Amendment { number: self.amendments.len() as u64, block, change };
        self.amendments.push(amendment);
        Some(amendment)
    }

    /// How many of the first `count` amendments a block must have been rendered with.
    pub(crate) fn amendments_of(&self, block: BlockIndex, count: u64) -> u64 {
        let known = &self.amendments[..count as usize];
        known.iter().filter(|amendment| amendment.block <= block).count() as u64
    }

    pub(crate) fn give_order(&mut self, slot: Slot, order: Order) {
        self.slots[slot].order = order.encode();
    }

    pub(crate) fn hash_of(&self, slot: Slot, block: BlockIndex) -> Option<u64> {
        let entry = self.slots[slot].entry(block)?;
        let amended = self.amendments_of(block, self.amendments.len() as u64);
        let is_current = entry.version == version(self.seal_of(block)?, amended);
        let is_its_own = entry.incarnation == self.slots[slot].claimed;
        (is_current && is_its_own && entry.is_sound()).then_some(entry.hash)
    }
}

impl Board for Boards {
    fn primary(&self) -> Slot {
        self.primary
    }

    fn sealed(&self) -> BlockIndex {
        self.sealed
    }

    fn released(&self) -> BlockIndex {
        self.released
    }

    fn order(&self, slot: Slot) -> Order {
        Order::decode(self.slots[slot].order)
    }
}

impl Slots for Boards {
    fn primary(&self) -> Slot {
        self.primary
    }

    fn has_vote(&self, slot: Slot) -> bool {
        self.voters[slot] && !self.ignores_votes
    }

    fn amendments(&self) -> u64 {
        self.amendments.len() as u64
    }

    fn lost_before(&self) -> BlockIndex {
        self.lost_before
    }

    fn commit(&self, block: BlockIndex, amendments: u64, is_gap: bool) -> bool {
        let (_, gap) = self.committed.get();
        let gap = is_gap.then(|| gap.unwrap_or(block));
        self.committed.set((block + 1, gap));
        amendments == self.amendments.len() as u64
    }

    fn read(&self, slot: Slot, block: BlockIndex, amendments: u64, out: &mut Block) -> Read {
        let board = &self.slots[slot];
        let Some(seal) = self.seal_of(block) else { return Read::Absent };
        let Some(entry) = board.entry(block) else { return Read::Absent };
        out.copy_from_slice(&entry.samples);
        let sound = (board.accepted.contains(&entry.incarnation) || self.any_incarnation)
            && (entry.version == version(seal, self.amendments_of(block, amendments))
                || self.any_version)
            && (entry.is_sound() || self.any_bits);
        if sound { Read::Taken(entry.hash) } else { Read::Refused }
    }
}

impl RingEntry {
    /// Whether it is whole, and finite.
    fn is_sound(&self) -> bool {
        let is_finite = self.samples.iter().all(|sample| sample.is_finite());
        self.block.is_some_and(|block| self.hash == block_hash(block, &self.samples)) && is_finite
    }
}

impl SlotBoard {
    fn new() -> Self {
        let nothing = || RingEntry {
            block: None,
            incarnation: 0,
            version: 0,
            hash: 0,
            samples: [0.0; BLOCK_SAMPLES],
            tainted: false,
        };
        Self {
            claimed: 0,
            crumb: Crumb::NONE,
            rendered: 0,
            log_position: 0,
            answer: None,
            accepted: Vec::new(),
            order: 0,
            ring: (0..RING_BLOCKS).map(|_| nothing()).collect(),
        }
    }

    pub(crate) fn entry(&self, block: BlockIndex) -> Option<&RingEntry> {
        let entry = &self.ring[(block % RING_BLOCKS as u64) as usize];
        (entry.block == Some(block)).then_some(entry)
    }

    /// Publishes a block; returns its hash.
    pub(crate) fn publish(
        &mut self,
        block: BlockIndex,
        version: u64,
        incarnation: u32,
        samples: &Block,
        tainted: bool,
    ) -> u64 {
        let hash = block_hash(block, samples);
        let entry = &mut self.ring[(block % RING_BLOCKS as u64) as usize];
        *entry = RingEntry {
            block: Some(block),
            incarnation,
            version,
            hash,
            samples: *samples,
            tainted,
        };
        hash
    }

    /// Leaves an entry as a worker does that is killed or goes wild while it writes.
    pub(crate) fn tear(&mut self, block: BlockIndex, incarnation: u32, version: u64, poison: bool) {
        let entry = &mut self.ring[(block % RING_BLOCKS as u64) as usize];
        entry.block = Some(block);
        entry.incarnation = incarnation;
        entry.version = version;
        entry.samples[7] = if poison { f32::NAN } else { entry.samples[7] + 1.0 };
        entry.hash = if poison { block_hash(block, &entry.samples) } else { entry.hash ^ 1 };
        entry.tainted = true;
    }
}

impl LogRing {
    pub(crate) fn read(&self, sequence: u64) -> Option<Entry> {
        let entry = self.entries[(sequence % LOG_ENTRIES as u64) as usize]?;
        (sequence < self.head && entry.sequence == sequence).then_some(entry)
    }
}

impl Log for LogRing {
    fn append(&mut self, entry: &Entry) -> Result<(), LogFull> {
        if entry.sequence >= self.slowest_reader + LOG_ENTRIES as u64 && !self.overwrites {
            return Err(LogFull);
        }
        if !(self.loses && entry.sequence % 97 == 96) {
            self.entries[(entry.sequence % LOG_ENTRIES as u64) as usize] = Some(*entry);
        }
        self.head = entry.sequence + 1;
        Ok(())
    }
}
