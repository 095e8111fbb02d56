//! The log ascends in sequence and in frame, without gaps; what is in it is what readers find; no
//! command that was taken is lost.

use chronus_replication::{BLOCK_FRAMES, BlockIndex, Entry, Seal};

use super::Verdict;

/// Follows the log.
#[derive(Debug, Default)]
pub struct TotalOrder {
    next_sequence: u64,
    next_block: BlockIndex,
    last_frame: u64,
    taken: u64,
}

impl TotalOrder {
    /// A command was taken.
    pub fn taken(&mut self) {
        self.taken += 1;
    }

    /// A block was sealed with these entries, and `waiting` commands wait still.
    ///
    /// # Errors
    /// If sequence or frame do not ascend, or a command is lost.
    pub fn sealed(&mut self, seal: Seal, entries: &[Entry], waiting: usize) -> Verdict {
        if seal.block != self.next_block {
            return Err(format!("block {} sealed instead of {}", seal.block, self.next_block));
        }
        self.next_block += 1;
        for entry in entries {
            let in_block = entry.frame / BLOCK_FRAMES as u64 == seal.block;
            if entry.sequence != self.next_sequence || entry.frame < self.last_frame || !in_block {
                return Err(format!("{entry:?} in block {} after {self:?}", seal.block));
            }
            self.next_sequence += 1;
            self.last_frame = entry.frame;
        }
        if seal.log_position != self.next_sequence {
            return Err(format!("{seal:?} after entry {}", self.next_sequence));
        }
        if self.next_sequence + waiting as u64 != self.taken {
            return Err(format!("{} commands taken, {waiting} wait: {self:?}", self.taken));
        }
        Ok(())
    }

    /// A worker that renders `block` found this as entry `sequence`.
    ///
    /// # Errors
    /// If it is not that entry, or of another block.
    pub fn read(sequence: u64, block: BlockIndex, found: Option<&Entry>) -> Verdict {
        match found {
            Some(entry) if entry.sequence == sequence && entry.block() == block => Ok(()),
            _ => Err(format!("entry {sequence} of block {block} was read as {found:?}")),
        }
    }
}
