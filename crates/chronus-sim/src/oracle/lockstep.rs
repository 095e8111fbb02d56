//! Every replica renders, and the device plays, what an undisturbed machine makes of the log.

use chronus_replication::machine::{Machine, Ramp, block_hash};
use chronus_replication::{BLOCK_SAMPLES, Block, BlockIndex, CHANNELS, Entry, Slot};

use super::Verdict;

/// An undisturbed machine, and what it rendered lately.
#[derive(Debug)]
pub struct Lockstep {
    machine: Ramp,
    blocks: Vec<(BlockIndex, u64, Box<Block>)>,
}

/// Blocks kept; more than any worker may be behind.
const KEPT: u64 = 512;

impl Default for Lockstep {
    fn default() -> Self {
        let nothing = || (u64::MAX, 0, Box::new([0.0; BLOCK_SAMPLES]));
        Self { machine: Ramp::default(), blocks: (0..KEPT).map(|_| nothing()).collect() }
    }
}

impl Lockstep {
    /// A block was sealed with these entries.
    pub fn sealed(&mut self, block: BlockIndex, entries: &[Entry]) {
        for entry in entries {
            self.machine.apply(entry.offset(), &entry.payload);
        }
        let place = &mut self.blocks[(block % KEPT) as usize];
        self.machine.render(&mut place.2);
        (place.0, place.1) = (block, block_hash(block, &place.2));
    }

    /// A worker begins a block as a standby while the primary has finished `primary_end`.
    ///
    /// # Errors
    /// If the primary has not finished that block.
    pub fn standby_begins(slot: Slot, block: BlockIndex, primary_end: BlockIndex) -> Verdict {
        if block < primary_end {
            return Ok(());
        }
        Err(format!("standby {slot} begins block {block}, the primary has finished {primary_end}"))
    }

    /// A worker without injected wrong bits finished a block with this hash.
    ///
    /// # Errors
    /// If the undisturbed machine has others.
    pub fn rendered(&self, slot: Slot, block: BlockIndex, hash: u64) -> Verdict {
        let (kept, expected, _) = &self.blocks[(block % KEPT) as usize];
        if *kept == block && *expected == hash {
            return Ok(());
        }
        Err(format!("slot {slot} rendered other bits for block {block}"))
    }

    /// A frame was played that no injected fault excuses.
    ///
    /// # Errors
    /// If it is not the frame of the undisturbed machine.
    pub fn played(&self, block: BlockIndex, offset: usize, frame: &[f32]) -> Verdict {
        let (kept, _, samples) = &self.blocks[(block % KEPT) as usize];
        let expected = &samples[offset * CHANNELS..(offset + 1) * CHANNELS];
        if *kept == block && expected == frame {
            return Ok(());
        }
        Err(format!("frame {offset} of block {block} played as {frame:?}, not {expected:?}"))
    }
}
