//! Claim check: what workers say of themselves, believed as far as it can be checked.
//!
//! A worker can write what it likes into its own slot, and one whose memory is damaged does. So each number
//! is held against what the supervisor knows by itself: which worker it has put where, from which block on,
//! what it has sealed and amended. Whoever says what can't be is discredited: nothing it says counts any
//! more. And whoever says to have finished a block must have published it, whole.

use chronus_replication::amendment::POSITION_BITS;
use chronus_replication::{BLOCK_SAMPLES, BlockIndex, PLACES, SLOTS, Slot};

use crate::block_ring::{self, RING_BLOCKS};
use crate::control_board::{LogRegion, seal_of};
use crate::status_board::{SlotRegion, SlotsRegion};

/// What a worker said that can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// It goes by another number than its own.
    #[error("goes by the number {0}, which is not its own")]
    OtherNumber(u32),
    /// It takes back what it had finished.
    #[error("had finished {from} blocks and now says {to}")]
    Backwards {
        /// As it said before, or where it had to begin.
        from: BlockIndex,
        /// As it says now.
        to: BlockIndex,
    },
    /// It is further than anybody can be.
    #[error("says that it has finished {0} blocks, and so many are not sealed")]
    Ahead(BlockIndex),
    /// It is a checkpoint, and moves.
    #[error("is a checkpoint and says that it has rendered")]
    Awake,
    /// It has not published what it says it has finished.
    #[error("says that it has finished block {0} and did not publish it")]
    Missing(BlockIndex),
    /// A block of its own bears another number, or was never to be rendered so.
    #[error("published block {0} as something else")]
    Mislabelled(BlockIndex),
    /// A block of its own is damaged, or holds samples that are not finite.
    #[error("published block {0}, and it is damaged")]
    Damaged(BlockIndex),
}

/// What is believed of the workers of all places.
#[derive(Clone, Debug, Default)]
pub struct ClaimCheck {
    claimants: [Option<Claimant>; PLACES],
}

/// One worker.
#[derive(Clone, Copy, Debug)]
struct Claimant {
    number: u32,
    is_checkpoint: bool,
    /// Whether it has claimed its place.
    has_claimed: bool,
    /// How many blocks it has finished, as was heard last; before that, where it begins at the earliest.
    rendered: BlockIndex,
    /// Its blocks before this one were examined.
    examined: BlockIndex,
    is_discredited: bool,
}

impl ClaimCheck {
    /// A worker with this number is to claim a place. It has rendered at least `rendered` blocks then.
    pub fn expect(&mut self, place: Slot, number: u32, rendered: BlockIndex) {
        self.claimants[place] = Some(Claimant {
            number,
            is_checkpoint: place >= SLOTS,
            has_claimed: false,
            rendered,
            examined: rendered,
            is_discredited: false,
        });
    }

    /// Hears all workers; returns, for each, what it said that can't be. That is told once.
    pub fn hear(&mut self, log: &LogRegion, slots: &SlotsRegion) -> [Option<Impossible>; PLACES] {
        std::array::from_fn(|place| {
            let claimant = self.claimants[place].as_mut().filter(|it| !it.is_discredited)?;
            let said = claimant.hear(log, &slots.slots[place]);
            claimant.is_discredited = said.is_err();
            said.err()
        })
    }

    /// For each place, the number of the worker that has claimed it, as heard; 0 for none.
    pub fn claimed(&self) -> [u32; PLACES] {
        self.claimants
            .map(|claimant| claimant.filter(|it| it.has_claimed).map_or(0, |it| it.number))
    }

    /// For each place, how many blocks its worker has finished, as heard; 0 for none.
    pub fn rendered(&self) -> [BlockIndex; PLACES] {
        self.claimants.map(|claimant| claimant.map_or(0, |it| it.rendered))
    }

    /// How many blocks the worker of a place has finished by now, if what it says can be.
    pub fn rendered_now(&self, place: Slot, log: &LogRegion, slots: &SlotsRegion) -> BlockIndex {
        let Some(claimant) = &self.claimants[place] else { return 0 };
        let board = &slots.slots[place].board;
        // Whose number it is tells whether the next word is its own.
        let is_its_own = !claimant.is_discredited && board.incarnation() == claimant.number;
        let can_be = |said: &BlockIndex| (claimant.rendered..=log.board.sealed()).contains(said);
        Some(board.rendered()).filter(can_be).filter(|_| is_its_own).unwrap_or(claimant.rendered)
    }
}

impl Claimant {
    fn hear(&mut self, log: &LogRegion, slot: &SlotRegion) -> Result<(), Impossible> {
        let number = slot.board.incarnation();
        if number != self.number {
            // Before its claim the board is still that of the worker before.
            return if self.has_claimed { Err(Impossible::OtherNumber(number)) } else { Ok(()) };
        }
        let said = slot.board.rendered();
        if said < self.rendered {
            return Err(Impossible::Backwards { from: self.rendered, to: said });
        }
        if said > log.board.sealed() {
            return Err(Impossible::Ahead(said));
        }
        if !std::mem::replace(&mut self.has_claimed, true) {
            // What its parent had rendered is in another ring.
            self.examined = self.first_of_its_own(said, slot);
        } else if self.is_checkpoint && said != self.rendered {
            return Err(Impossible::Awake);
        }
        let believed = std::mem::replace(&mut self.rendered, said);
        self.examine(log, slot).inspect_err(|_| self.rendered = believed)
    }

    /// It may have rendered some blocks since its claim, before it was first heard. They bear its number and
    /// end where it says that it is.
    fn first_of_its_own(&self, rendered: BlockIndex, slot: &SlotRegion) -> BlockIndex {
        let mut samples = [0.0; BLOCK_SAMPLES];
        let mut is_its_own = |block: BlockIndex| {
            let label = block_ring::find(&slot.ring, block, &mut samples);
            label.is_some_and(|label| label.incarnation == u64::from(self.number))
        };
        let earliest = self.rendered.max(rendered.saturating_sub(RING_BLOCKS as u64 - 1));
        let others = (earliest..rendered).rev().find(|block| !is_its_own(*block));
        others.map_or(earliest, |block| block + 1)
    }

    /// Looks at the blocks that it has finished since the last time, as far as they can still be there.
    fn examine(&mut self, log: &LogRegion, slot: &SlotRegion) -> Result<(), Impossible> {
        let mut samples = [0.0; BLOCK_SAMPLES];
        let first = self.examined.max(self.rendered.saturating_sub(RING_BLOCKS as u64));
        for block in first..self.rendered {
            let found = block_ring::find(&slot.ring, block, &mut samples);
            // Read afterwards: as long as it has not come that far, it has overwritten nothing.
            let is_kept = slot.board.rendered() < block + RING_BLOCKS as u64;
            let Some(label) = found else {
                if is_kept {
                    return Err(Impossible::Missing(block));
                }
                continue;
            };
            if !label.is_sound {
                return Err(Impossible::Damaged(block));
            }
            if label.incarnation != u64::from(self.number) || !can_be(label.version, block, log) {
                return Err(Impossible::Mislabelled(block));
            }
        }
        self.examined = self.rendered;
        Ok(())
    }
}

/// Whether a block was ever to be rendered in this version. Amendments may have come since.
fn can_be(version: u64, block: BlockIndex, log: &LogRegion) -> bool {
    let (position, amendments) = (version & ((1 << POSITION_BITS) - 1), version >> POSITION_BITS);
    // A seal that is gone proves nothing.
    let is_of_the_seal = seal_of(&log.seals, block).map_or(true, |seal| seal == position);
    is_of_the_seal && amendments <= log.commit_point.standing().amendments
}
