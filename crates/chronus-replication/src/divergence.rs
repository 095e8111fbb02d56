//! Whether replicas that must render the same bits do: each block's hashes are compared once, as soon
//! as two replicas have it.

use std::ops::Range;

use crate::{BlockIndex, SLOTS, Slot};

/// Two replicas rendered the same block differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The block.
    pub block: BlockIndex,
    /// The replica that is trusted.
    pub reference: Slot,
    /// The replica that differs from it.
    pub differs: Slot,
}

/// Compares hashes, block by block.
#[derive(Clone, Debug, Default)]
pub struct DivergenceDetector {
    compared_until: [BlockIndex; SLOTS],
    /// Whose word counts. A worker that was just forked from one that is wrong says the same as that one, and
    /// two copies of one mistake must not outvote what is right: so it has no vote before another agreed
    /// with a block that it rendered itself.
    proven: [bool; SLOTS],
    blocks_compared: u64,
}

/// At most this many blocks are compared for one slot at a time: slots keep no more.
const MOST_AT_ONCE: u64 = 128;

impl DivergenceDetector {
    /// Compares what is new. `rendered[slot]` is the number of blocks that the replica of a slot has,
    /// `None` where there is none to compare; `hash(slot, block)` is what it has, `None` if that entry
    /// is no longer or not yet there. The first difference found is returned.
    pub fn compare(
        &mut self,
        reference: Slot,
        rendered: &[Option<BlockIndex>; SLOTS],
        mut hash: impl FnMut(Slot, BlockIndex) -> Option<u64>,
    ) -> Option<Divergence> {
        for (slot, _) in rendered.iter().enumerate().filter(|(_, end)| end.is_none()) {
            self.proven[slot] = false;
        }
        let reference_end = rendered[reference]?;
        let ends = rendered.map(|end| end.unwrap_or(0).min(reference_end));
        let due: [Range<BlockIndex>; SLOTS] = std::array::from_fn(|slot| {
            let end = if slot == reference { 0 } else { ends[slot] };
            self.compared_until[slot].max(end.saturating_sub(MOST_AT_ONCE))..end
        });
        let all = || due.iter().filter(|blocks| !blocks.is_empty());
        let (start, end) = all().map(|it| it.start).min().zip(all().map(|it| it.end).max())?;
        // Block by block, so that all have been heard about one before the next is judged.
        for block in start..end {
            for slot in (0..SLOTS).filter(|slot| due[*slot].contains(&block)) {
                if let (Some(expected), Some(found)) = (hash(reference, block), hash(slot, block)) {
                    if expected == found {
                        self.proven[slot] = true;
                        self.proven[reference] = true;
                    } else {
                        let wrong = self.vote(block, (reference, slot), rendered, &mut hash)?;
                        self.compared_until[slot] = block + 1;
                        self.blocks_compared += 1;
                        let reference = if wrong == slot { reference } else { slot };
                        return Some(Divergence { block, reference, differs: wrong });
                    }
                    self.blocks_compared += 1;
                }
                self.compared_until[slot] = block + 1;
            }
        }
        None
    }

    /// Another worker is in this slot now, whose blocks may begin before those of the one before it, and whose
    /// word does not count yet.
    pub fn forget(&mut self, slot: Slot) {
        self.compared_until[slot] = 0;
        self.proven[slot] = false;
    }

    /// Two differ: who of them is wrong? With three or more the one that fewer agree with, once all whose word
    /// counts have the block (`None` until then); the reference only if more agree with the other.
    fn vote(
        &self,
        block: BlockIndex,
        (reference, other): (Slot, Slot),
        rendered: &[Option<BlockIndex>; SLOTS],
        hash: &mut impl FnMut(Slot, BlockIndex) -> Option<u64>,
    ) -> Option<Slot> {
        let voters = || (0..SLOTS).filter(|slot| self.has_vote(*slot));
        if voters().filter_map(|slot| rendered[slot]).any(|end| end <= block) {
            return None;
        }
        let mut agree = |with: Slot| {
            let wanted = hash(with, block);
            voters().filter(|slot| hash(*slot, block) == wanted).count()
        };
        Some(if agree(other) > agree(reference) { reference } else { other })
    }

    /// Whether the word of the worker in this slot counts.
    pub fn has_vote(&self, slot: Slot) -> bool {
        self.proven[slot]
    }

    /// How many pairs of blocks have been compared.
    pub fn blocks_compared(&self) -> u64 {
        self.blocks_compared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_three_the_one_that_differs_is_wrong_be_it_the_reference() {
        for wrong in 0..3 {
            let mut detector = DivergenceDetector::default();
            let hash = |slot: Slot, block: BlockIndex| {
                Some(if slot == wrong && block == 5 { 99 } else { block })
            };
            let early = detector.compare(0, &[Some(7), Some(7), Some(5), None], hash);
            let found =
                early.or_else(|| detector.compare(0, &[Some(8), Some(8), Some(7), None], hash));
            assert_eq!(found.map(|found| (found.block, found.differs)), Some((5, wrong)));
        }
    }

    /// The one in slot 1 is wrong from block 5 on, and so is the one that was forked from it at block 7.
    #[test]
    fn the_word_of_a_new_worker_does_not_count_for_what_the_last_one_proved() {
        let mut detector = DivergenceDetector::default();
        detector.compare(0, &[Some(9), Some(9), None, None], |_, block| Some(block));
        assert!(detector.has_vote(0) && detector.has_vote(1));
        // Nobody was there to be compared in between.
        detector.forget(0);
        assert!(!detector.has_vote(0) && detector.has_vote(1));
    }

    #[test]
    fn two_copies_of_one_mistake_do_not_outvote_what_is_right() {
        let mut detector = DivergenceDetector::default();
        let hash = |slot: Slot, block: BlockIndex| match slot {
            1 if block >= 5 => Some(99),
            2 => (block >= 7).then_some(99),
            _ => Some(block),
        };
        assert_eq!(detector.compare(0, &[Some(4), Some(4), None, None], hash), None);
        assert!([0, 1].iter().all(|slot| detector.has_vote(*slot)) && !detector.has_vote(2));
        let found = detector.compare(0, &[Some(8), Some(8), Some(8), None], hash);
        assert_eq!(found.map(|found| found.differs), Some(1));
        let found = detector.compare(0, &[Some(9), None, Some(9), None], hash);
        assert_eq!(found.map(|found| found.differs), Some(2));
        assert!(!detector.has_vote(1), "another worker has to prove itself anew");
    }

    #[test]
    fn a_difference_is_found_once_both_have_the_block() {
        let mut detector = DivergenceDetector::default();
        let hash =
            |slot: Slot, block: BlockIndex| Some(if slot == 1 && block == 5 { 99 } else { block });
        assert_eq!(detector.compare(0, &[Some(9), Some(5), None, None], hash), None);
        let found = detector.compare(0, &[Some(9), Some(7), None, None], hash);
        assert_eq!(found, Some(Divergence { block: 5, reference: 0, differs: 1 }));
        assert_eq!(detector.compare(0, &[Some(9), Some(9), None, None], hash), None);
        assert_eq!(detector.blocks_compared(), 5 + 1 + 3);
    }
}
