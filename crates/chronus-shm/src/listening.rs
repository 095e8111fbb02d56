//! What others may hear and see of an engine, in memory that they can only read: the blocks that were played, and what
//! meters tell. Nothing that a listener does reaches those who render.

use std::io;
use std::os::fd::OwnedFd;

use chronus_os::memfd::Memfd;
use chronus_replication::selector::Read;
use chronus_replication::{Block, BlockIndex, SLOTS};

use crate::block_ring;
use crate::control_board::LogRegion;
use crate::ledger::LedgerRegion;
use crate::region::{View, Whole};
use crate::status_board::SlotsRegion;
use crate::sync::Ordering;

/// What a listener sees.
#[derive(Debug)]
pub struct Listening {
    log: View<LogRegion>,
    slots: View<SlotsRegion>,
    ledger: View<LedgerRegion>,
}

impl Listening {
    /// Maps the command log, the slots and the ledger, for reading only.
    ///
    /// # Errors
    /// If they are not of the size that this program's regions have, or as the kernel says.
    pub fn map(log: OwnedFd, slots: OwnedFd, ledger: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            log: Whole::map_read_only(&Memfd::adopt(log)?)?,
            slots: Whole::map_read_only(&Memfd::adopt(slots)?)?,
            ledger: Whole::map_read_only(&Memfd::adopt(ledger)?)?,
        })
    }

    /// The first block that was not handed to the device yet: those before it are settled, and sound as they are.
    pub fn next_block(&self) -> BlockIndex {
        self.log.commit_point.standing().next_block
    }

    /// Frames that were handed to the device.
    pub fn frames(&self) -> u64 {
        self.ledger.playback.frames.load(Ordering::Acquire)
    }

    /// Copies a settled block; `false` if nobody had it, or if it is so old that it was written over. What is in `out` is of
    /// no meaning then.
    pub fn block(&self, block: BlockIndex, out: &mut Block) -> bool {
        let standing = self.log.commit_point.standing();
        if block >= standing.next_block {
            return false;
        }
        let Some(version) = self.log.version_of(block, standing.amendments) else { return false };
        (0..SLOTS).any(|slot| {
            let ring = &self.slots.slots[slot].ring;
            let accepted = &self.ledger.playback.accepted[slot];
            let read = block_ring::read(ring, block, version, |it| accepted.include(it), out);
            matches!(read, Read::Taken(_))
        })
    }

    /// What a module has told last, as the primary has it; `None` if it tells nothing, or is not there.
    pub fn meters(&self, handle: u32) -> Option<[f32; 2]> {
        let primary = self.log.board.primary();
        self.slots.slots.get(primary)?.board.meters(handle)
    }
}
