//! Amendments: what is decided about a block after it was sealed, because whoever renders it as it was
//! sealed comes to grief. Everybody who renders the block from then on takes the amendments with it, and so
//! does a replay; what was rendered without them is not played any more.

use crate::{BLOCK_FRAMES, BlockIndex, Entry, Payload};

/// A decision about a sealed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Amendments of a performance are counted from 0; their blocks ascend.
    pub number: u64,
    /// The block from which on it holds.
    pub block: BlockIndex,
    /// What it changes.
    pub change: Change,
}

/// What an amendment changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This command applies before all others of the block.
    Insert(Payload),
    /// This entry of the log is passed over.
    Withhold {
        /// Its place in the log.
        sequence: u64,
    },
}

/// The first word of a payload that withholds. No command begins so.
const WITHHOLD: u64 = u64::MAX;

impl Amendment {
    /// As an entry, for the log's memory and the journal.
    pub fn to_entry(self) -> Entry {
        let payload = match self.change {
            Change::Insert(payload) => payload,
            Change::Withhold { sequence } => [WITHHOLD, sequence, 0, 0, 0],
        };
        Entry { sequence: self.number, frame: self.block * BLOCK_FRAMES as u64, payload }
    }

    /// Reads [`Amendment::to_entry`] back.
    pub fn from_entry(entry: &Entry) -> Self {
        let change = match entry.payload {
            [WITHHOLD, sequence, ..] => Change::Withhold { sequence },
            payload => Change::Insert(payload),
        };
        Self { number: entry.sequence, block: entry.block(), change }
    }
}

/// The log position at which a block was sealed and how many amendments it was rendered with, as one word.
/// A rendered block carries it, so that what was rendered otherwise is not taken.
pub fn version(log_position: u64, amendments: u64) -> u64 {
    amendments << POSITION_BITS | log_position & ((1 << POSITION_BITS) - 1)
}

/// 2^40 commands are a thousand a second for 34 years.
pub const POSITION_BITS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_holds_all_of_an_amendment() {
        for change in [Change::Insert([9, 8, 7, 6, 5]), Change::Withhold { sequence: 12 }] {
            let amendment = Amendment { number: 3, block: 77, change };
            assert_eq!(Amendment::from_entry(&amendment.to_entry()), amendment);
        }
    }

    #[test]
    fn a_block_rendered_with_another_amendment_is_another_version() {
        assert_ne!(version(5, 0), version(5, 1));
        assert_ne!(version(5, 1), version(6, 1));
    }
}
