//! The playback board: what the audio callback and the supervisor tell each other, and a supervisor the next.

use chronus_replication::{BlockIndex, SLOTS};

use crate::admissions::Admissions;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What the audio callback and the supervisor tell each other.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct PlaybackBoard {
    /// For each slot, whose blocks may be played.
    pub admissions: [Admissions; SLOTS],
    /// The block that the callback takes next.
    pub next_block: AtomicU64,
    /// Frames handed out.
    pub frames: AtomicU64,
    /// Whether the sound may begin or go on; until then there is silence, and nothing of it counts.
    open: AtomicU32,
    /// How many blocks the workers are ahead of the device; 0 until that is known.
    pub lead_blocks: AtomicU64,
    /// The largest number of frames asked for at once.
    pub longest_period: AtomicU64,
    /// Blocks that no replica had.
    pub gap_blocks: AtomicU64,
    /// Runs of such blocks.
    pub gaps: AtomicU64,
    /// Blocks before this one that nobody has will never come: all who could have rendered them died.
    pub lost_before: AtomicU64,
    /// For each slot, blocks that it lacked when they were needed.
    pub misses: [AtomicU64; SLOTS],
    /// For each slot, entries that could not be trusted.
    pub refused: [AtomicU64; SLOTS],
    /// For each slot, blocks that were not those that most had.
    pub outvoted: [AtomicU64; SLOTS],
    /// The slots, as bits, of workers whose word counts.
    pub voters: AtomicU32,
    callback_ns: AtomicU64,
    callback_frame: AtomicU64,
}

impl PlaybackBoard {
    /// Notes a callback that began at `now_ns`, when `frame` frames had been handed out.
    pub fn note_callback(&self, now_ns: u64, frame: u64) {
        self.callback_ns.store(now_ns, Ordering::Release);
        self.callback_frame.store(frame, Ordering::Release);
    }

    /// Whether the sound may go on.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) != 0
    }

    /// The supervisor is there to seal what is played.
    pub fn open(&self) {
        self.open.store(1, Ordering::Release);
    }

    /// Another device begins, with this block and this frame, as soon as it is opened for it.
    pub fn begin(&self, next_block: BlockIndex, frame: u64) {
        self.open.store(0, Ordering::Release);
        self.note_callback(0, 0);
        self.frames.store(frame, Ordering::Release);
        self.next_block.store(next_block, Ordering::Release);
    }

    /// When the last callback began, in nanoseconds, and how many frames had been handed out before.
    pub fn last_callback(&self) -> (u64, u64) {
        loop {
            let frame = self.callback_frame.load(Ordering::Acquire);
            let time_ns = self.callback_ns.load(Ordering::Acquire);
            if self.callback_frame.load(Ordering::Acquire) == frame {
                return (time_ns, frame);
            }
        }
    }
}
