//! Only what an admitted worker wrote is played.

use chronus_replication::{BlockIndex, SLOTS, Slot};

use super::Verdict;

/// Remembers whom supervision admitted, apart from the boards.
#[derive(Debug, Default)]
pub struct Admitted {
    numbers: [u32; SLOTS],
}

impl Admitted {
    /// The slot's worker was admitted; 0 if what it holds was disowned.
    pub fn admit(&mut self, slot: Slot, number: u32) {
        self.numbers[slot] = number;
    }

    /// A block was played that the worker `incarnation` wrote into `slot`.
    ///
    /// # Errors
    /// If that worker is not the one admitted.
    pub fn played(&self, block: BlockIndex, slot: Slot, incarnation: Option<u32>) -> Verdict {
        let admitted = self.numbers[slot];
        if incarnation == Some(admitted) && admitted != 0 {
            return Ok(());
        }
        Err(format!("block {block} of {incarnation:?} played from slot {slot}, not of {admitted}"))
    }
}
