//! The control board: what the supervisor tells all workers. Workers can only read it.
//!
//! A block is sealed by writing its seal and then raising the count of sealed blocks; a worker that
//! sees the count sees the seal, and through it every entry of the log that the block needs.

use chronus_replication::amendment::{POSITION_BITS, version};
use chronus_replication::lockstep::Order;
use chronus_replication::{BlockIndex, PLACES, SLOTS, Seal, Slot};

use crate::command_log::{LOG_ENTRIES, LogEntry};
use crate::commit_point::CommitPoint;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Seals that are kept. A worker further behind than this can't go on.
pub const SEALS: usize = 8192;

/// The region that only the supervisor writes: the board, the seals, the log.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct LogRegion {
    /// The board.
    pub board: ControlBoard,
    /// The seals, by block.
    pub seals: [AtomicU64; SEALS],
    /// What was played, and what was decided about blocks after they were sealed.
    pub commit_point: CommitPoint,
    /// The command log.
    pub entries: [LogEntry; LOG_ENTRIES],
}

/// What the supervisor tells all workers.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct ControlBoard {
    /// Rung whenever there is something new; workers sleep on it.
    pub bell: AtomicU32,
    primary: AtomicU32,
    sealed: AtomicU64,
    released: AtomicU64,
    /// How many entries the log has.
    pub head: AtomicU64,
    /// Not 0 if the replicas vote, so that the device waits for more than the first.
    voting: AtomicU32,
    /// Rung when a checkpoint is thawed; checkpoints sleep on it.
    pub thaw_bell: AtomicU32,
    orders: [AtomicU64; PLACES],
    /// Harm that a worker is to do to itself.
    harm: [AtomicU64; SLOTS],
    /// Number, offset and bytes of the offer, and its number again once the primary may take it.
    offer: [AtomicU64; 4],
}

/// The packed patch that workers shall prepare, and where it lies among the shared assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The number of the edit that will call for it; 0 for none.
    pub number: u32,
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// Whether the primary may prepare it too. The others go first: should it cost one of them its time, the
    /// next is ready.
    pub for_primary: bool,
}

/// The seal of a block is gone: the reader fell too far behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the seal of block {block} is gone")]
pub struct SealGone {
    /// The block.
    pub block: BlockIndex,
}

impl ControlBoard {
    /// The slot that goes first.
    pub fn primary(&self) -> Slot {
        self.primary.load(Ordering::Acquire) as Slot
    }

    /// Makes `slot` go first. The supervisor rings the bells afterwards.
    pub fn promote(&self, slot: Slot) {
        self.primary.store(slot as u32, Ordering::Release);
    }

    /// How many blocks are sealed.
    pub fn sealed(&self) -> BlockIndex {
        // Pairs with the releasing store in `seal`.
        self.sealed.load(Ordering::Acquire)
    }

    /// Seals a block. Only the supervisor may, and in order.
    pub fn seal(&self, seals: &[AtomicU64], seal: Seal) {
        let place = &seals[(seal.block % seals.len() as u64) as usize];
        place.store(encode(seal), Ordering::Relaxed);
        // Pairs with the acquiring load in `sealed`.
        self.sealed.store(seal.block + 1, Ordering::Release);
    }

    /// How many blocks are released to the standbys.
    pub fn released(&self) -> BlockIndex {
        self.released.load(Ordering::Acquire)
    }

    /// Releases blocks to the standbys: those that the primary has finished. Only the supervisor may,
    /// before it rings.
    pub fn release(&self, blocks: BlockIndex) {
        self.released.store(blocks, Ordering::Release);
    }

    /// The order last given to `slot`.
    pub fn order(&self, slot: Slot) -> Order {
        Order::decode(self.orders[slot].load(Ordering::Acquire))
    }

    /// The packed patch last offered; `None` if there is none or it is being changed.
    pub fn offer(&self) -> Option<Offer> {
        let [number, offset, bytes, primary] = &self.offer;
        // Pairs with the releasing store in `make_offer`: who sees the number sees the place.
        let first = number.load(Ordering::Acquire);
        // Acquiring, so that the number is not read again before them.
        let (offset, bytes) = (offset.load(Ordering::Acquire), bytes.load(Ordering::Acquire));
        let is_whole = first != 0 && number.load(Ordering::Relaxed) == first;
        let for_primary = primary.load(Ordering::Relaxed) == first;
        is_whole.then_some(Offer { number: first as u32, offset, bytes, for_primary })
    }

    /// Offers a packed patch to all but the primary. Only the supervisor may, once no worker can ask for the one
    /// before. It rings the bells afterwards.
    pub fn make_offer(&self, number: u32, offset: u64, bytes: u64) {
        let [place_of_number, place_of_offset, place_of_bytes, _] = &self.offer;
        // While it is changed there is none. The stores after it release, so that they are not seen before.
        place_of_number.store(0, Ordering::Relaxed);
        place_of_offset.store(offset, Ordering::Release);
        place_of_bytes.store(bytes, Ordering::Release);
        place_of_number.store(u64::from(number), Ordering::Release);
    }

    /// Offers the same packed patch to the primary too.
    pub fn offer_to_primary(&self, number: u32) {
        self.offer[3].store(u64::from(number), Ordering::Release);
    }

    /// Has the worker of `slot` do harm to itself, for chaos tests: what, and a number above that of any
    /// worker so far. It is not an order, which may come at the same time.
    pub fn order_harm(&self, slot: Slot, harm: u8, number: u32) {
        self.harm[slot].store(u64::from(harm) | u64::from(number) << 32, Ordering::Release);
    }

    /// The harm that was last asked of a slot, and its number.
    pub fn harm(&self, slot: Slot) -> (u8, u32) {
        let word = self.harm.get(slot).map_or(0, |word| word.load(Ordering::Acquire));
        (word as u8, (word >> 32) as u32)
    }

    /// Whether the replicas vote.
    pub fn is_voting(&self) -> bool {
        self.voting.load(Ordering::Relaxed) != 0
    }

    /// Says whether they do. Only the supervisor may.
    pub fn set_voting(&self, voting: bool) {
        self.voting.store(u32::from(voting), Ordering::Relaxed);
    }

    /// Gives an order. The supervisor rings the bells afterwards.
    pub fn give_order(&self, slot: Slot, order: Order) {
        self.orders[slot].store(order.encode(), Ordering::Release);
    }
}

impl LogRegion {
    /// The version in which a sealed block is played if there are `amendments` amendments; `None` if its seal
    /// is gone.
    pub fn version_of(&self, block: BlockIndex, amendments: u64) -> Option<u64> {
        let seal = seal_of(&self.seals, block).ok()?;
        Some(version(seal, self.commit_point.amendments_of(block, amendments)))
    }

    /// How many entries of the log a reader has taken that has rendered so many blocks; `None` if the seals
    /// reach back no further.
    pub fn position_after(&self, rendered: BlockIndex) -> Option<u64> {
        match rendered.checked_sub(1) {
            None => Some(0),
            Some(last) => seal_of(&self.seals, last).ok(),
        }
    }

    /// Whether this entry of the log belongs to a block that is sealed.
    pub fn holds(&self, block: BlockIndex, sequence: u64) -> bool {
        let (begin, end) = (self.position_after(block), seal_of(&self.seals, block).ok());
        block < self.board.sealed()
            && begin.zip(end).is_some_and(|(begin, end)| (begin..end).contains(&sequence))
    }
}

/// The log position at which a sealed block was sealed.
///
/// # Errors
/// [`SealGone`] if the seal has been overwritten by that of a later block.
pub fn seal_of(seals: &[AtomicU64], block: BlockIndex) -> Result<u64, SealGone> {
    let word = seals[(block % seals.len() as u64) as usize].load(Ordering::Relaxed);
    if word >> POSITION_BITS == block & BLOCK_MASK {
        Ok(word & ((1 << POSITION_BITS) - 1))
    } else {
        Err(SealGone { block })
    }
}

/// The block's low bits tell an overwritten seal.
const BLOCK_MASK: u64 = (1 << (64 - POSITION_BITS)) - 1;

fn encode(seal: Seal) -> u64 {
    (seal.block & BLOCK_MASK) << POSITION_BITS | seal.log_position & ((1 << POSITION_BITS) - 1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_overwritten_seal_is_recognised() {
        let board = ControlBoard::default();
        let seals: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
        for block in 0..6 {
            board.seal(&seals, Seal { block, log_position: block * 3 });
        }
        assert_eq!(board.sealed(), 6);
        assert_eq!(seal_of(&seals, 5), Ok(15));
        assert_eq!(seal_of(&seals, 1), Err(SealGone { block: 1 }));
    }
}
