//! Only what an admitted worker wrote is played.

use chronus_replication::{BlockIndex, SLOTS, Slot};

use super::Verdict;

/// Remembers whom supervision admitted, apart from the boards.
#[derive(Debug, Default)]
pub struct Admitted {
    numbers: [Vec<u32>; SLOTS],
}

impl Admitted {
    /// The slot's worker was admitted; 0 if what the slot holds was disowned.
    pub fn admit(&mut self, slot: Slot, number: u32) {
        if number == 0 {
            self.numbers[slot].clear();
        } else {
            self.numbers[slot].push(number);
        }
    }

    /// A block was played that the worker `incarnation` wrote into `slot`.
    ///
    /// # Errors
    /// If that worker was never admitted there, or disowned since.
    pub fn played(&self, block: BlockIndex, slot: Slot, incarnation: Option<u32>) -> Verdict {
        let admitted = &self.numbers[slot];
        if incarnation.is_some_and(|number| admitted.contains(&number)) {
            return Ok(());
        }
        Err(format!(
            "block {block} of {incarnation:?} played from slot {slot}, not of {admitted:?}"
        ))
    }
}
