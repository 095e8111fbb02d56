//! Only what an accepted worker wrote is played.

use chronus_replication::{BlockIndex, SLOTS, Slot};

use super::Verdict;

/// Remembers whom supervision accepted, apart from the boards.
#[derive(Debug, Default)]
pub struct Accepted {
    numbers: [Vec<u32>; SLOTS],
}

impl Accepted {
    /// The slot's worker was accepted; 0 if what the slot holds was disowned.
    pub fn accept(&mut self, slot: Slot, number: u32) {
        if number == 0 {
            self.numbers[slot].clear();
        } else {
            self.numbers[slot].push(number);
        }
    }

    /// A block was played that the worker `incarnation` wrote into `slot`.
    ///
    /// # Errors
    /// If that worker was never accepted there, or disowned since.
    pub fn played(&self, block: BlockIndex, slot: Slot, incarnation: Option<u32>) -> Verdict {
        let accepted = &self.numbers[slot];
        if incarnation.is_some_and(|number| accepted.contains(&number)) {
            return Ok(());
        }
        Err(format!(
            "block {block} of {incarnation:?} played from slot {slot}, not of {accepted:?}"
        ))
    }
}
