//! That it never stops: who orders commands, whose block is played, who is suspected, who is
//! re-created. Decisions only: no I/O, no clock, no unsafe; time is passed in, actions come out.
//!
//! The replicated thing and the replication do not know each other: what is replicated is a
//! [`machine::Machine`], and in the tests it is a ramp whose every sample names its own frame.

#![forbid(unsafe_code)]

pub mod allowance;
pub mod amendment;
pub mod arrival;
pub mod blame;
pub mod clock_jumps;
pub mod command_delay;
pub mod command_sequencer;
pub mod device_clock;
pub mod divergence;
pub mod fault_detector;
pub mod fault_times;
pub mod hearing;
pub mod lead;
pub mod lockstep;
pub mod machine;
pub mod restart;
pub mod selector;
pub mod stalls;
pub mod supervision;

pub use chronus_units::{BLOCK_FRAMES, BLOCK_SAMPLES, Block, BlockIndex, CHANNELS};

/// Replica slots that exist; how many are in use is a setting.
pub const SLOTS: usize = 4;
/// Places for checkpoints; the older one goes when a newer one is there.
pub const CHECKPOINTS: usize = 2;
/// All places that a process may have: the slots, and after them the places of the checkpoints.
pub const PLACES: usize = SLOTS + CHECKPOINTS;

/// Number of a replica slot, below [`SLOTS`], or of another place, below [`PLACES`].
pub type Slot = usize;
/// What a command carries through the log; its meaning belongs to the machine.
pub type Payload = [u64; 5];

/// One ordered command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place in the total order, counted from 0 without gaps.
    pub sequence: u64,
    /// The frame at which it applies; entries of a log ascend in it.
    pub frame: u64,
    /// The command.
    pub payload: Payload,
}

impl Entry {
    /// The block in which the command applies.
    pub fn block(&self) -> BlockIndex {
        self.frame / BLOCK_FRAMES as u64
    }

    /// The frame within that block, below [`BLOCK_FRAMES`].
    pub fn offset(&self) -> usize {
        (self.frame % BLOCK_FRAMES as u64) as usize
    }
}

/// What seals a block: the position of the log up to which commands belong to it, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The block.
    pub block: BlockIndex,
    /// How many entries of the log apply up to and including this block.
    pub log_position: u64,
}
