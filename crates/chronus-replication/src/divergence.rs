//! Whether replicas that must render the same bits do: each block's hashes are compared once, as soon
//! as two replicas have it.

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
        let reference_end = rendered[reference]?;
        for slot in (0..SLOTS).filter(|slot| *slot != reference) {
            let Some(slot_end) = rendered[slot] else { continue };
            let end = reference_end.min(slot_end);
            let start = self.compared_until[slot].max(end.saturating_sub(MOST_AT_ONCE));
            self.compared_until[slot] = end;
            for block in start..end {
                if let (Some(expected), Some(found)) = (hash(reference, block), hash(slot, block)) {
                    self.blocks_compared += 1;
                    if expected != found {
                        let Some(wrong) = self.vote(block, (reference, slot), rendered, &mut hash)
                        else {
                            self.compared_until[slot] = block;
                            return None;
                        };
                        let reference = if wrong == slot { reference } else { slot };
                        return Some(Divergence { block, reference, differs: wrong });
                    }
                }
            }
        }
        None
    }

    /// Two differ: who of them is wrong? With three or more the one that fewer agree with, once all have the
    /// block (`None` until then); the reference only if more agree with the other.
    fn vote(
        &self,
        block: BlockIndex,
        (reference, other): (Slot, Slot),
        rendered: &[Option<BlockIndex>; SLOTS],
        hash: &mut impl FnMut(Slot, BlockIndex) -> Option<u64>,
    ) -> Option<Slot> {
        if rendered.iter().flatten().any(|end| *end <= block) {
            return None;
        }
        let mut agree = |with: Slot| {
            let wanted = hash(with, block);
            let voters = (0..SLOTS).filter(|slot| rendered[*slot].is_some());
            voters.filter(|slot| hash(*slot, block) == wanted).count()
        };
        Some(if agree(other) > agree(reference) { reference } else { other })
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

    #[test]
    fn a_difference_is_found_once_both_have_the_block() {
        let mut detector = DivergenceDetector::default();
        let hash =
            |slot: Slot, block: BlockIndex| Some(if slot == 1 && block == 5 { 99 } else { block });
        assert_eq!(detector.compare(0, &[Some(9), Some(5), None, None], hash), None);
        let found = detector.compare(0, &[Some(9), Some(7), None, None], hash);
        assert_eq!(found, Some(Divergence { block: 5, reference: 0, differs: 1 }));
        assert_eq!(detector.compare(0, &[Some(9), Some(9), None, None], hash), None);
        assert_eq!(detector.blocks_compared(), 5 + 1 + 2);
    }
}
