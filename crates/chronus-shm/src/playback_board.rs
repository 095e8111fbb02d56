//! The playback board: what the audio callback and the supervisor tell each other, and a supervisor the next.

use chronus_replication::{BlockIndex, SLOTS};

use crate::accepted_incarnations::AcceptedIncarnations;
use crate::periods::Periods;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What the audio callback and the supervisor tell each other.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct PlaybackBoard {
    /// For each slot, whose blocks may be played.
    pub accepted: [AcceptedIncarnations; SLOTS],
    /// The block that the callback takes next.
    pub next_block: AtomicU64,
    /// Frames handed out.
    pub frames: AtomicU64,
    /// Whether the sound may begin or go on; until then there is silence, and nothing of it counts.
    open: AtomicU32,
    /// How many blocks the workers are ahead of the device; 0 until that is known.
    pub lead_blocks: AtomicU64,
    /// How many frames are asked for at once.
    pub periods: Periods,
    /// What commands were given last, for the next supervisor: a frame, and a delay in hundredths of one.
    pub last_given: [AtomicU64; 2],
    /// The device waits for the replicas instead of the replicas for the device.
    pub runs_free: AtomicU32,
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
    /// Odd while the callback is being noted.
    callback_turn: AtomicU64,
    callback_ns: AtomicU64,
    callback_frame: AtomicU64,
    callback_slips: AtomicU64,
}

/// A callback of the audio device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callback {
    /// When it began, in nanoseconds of the monotonic clock; 0 if there was none.
    pub began_ns: u64,
    /// How many frames had been handed out before.
    pub frame: u64,
    /// How often the device has said that its clock has slipped.
    pub slips: u64,
}

impl PlaybackBoard {
    /// Notes a callback. Only one thread at a time does.
    pub fn note_callback(&self, callback: Callback) {
        let turn = self.callback_turn.load(Ordering::Relaxed) | 1;
        self.callback_turn.store(turn, Ordering::Release);
        // Nobody who sees one of these sees the turn before.
        self.callback_ns.store(callback.began_ns, Ordering::Release);
        self.callback_frame.store(callback.frame, Ordering::Release);
        self.callback_slips.store(callback.slips, Ordering::Release);
        self.callback_turn.store(turn.wrapping_add(1), Ordering::Release);
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
        self.note_callback(Callback::default());
        self.frames.store(frame, Ordering::Release);
        self.next_block.store(next_block, Ordering::Release);
    }

    /// The last callback; `None` while it is being noted.
    pub fn last_callback(&self) -> Option<Callback> {
        let turn = self.callback_turn.load(Ordering::Acquire);
        let callback = Callback {
            began_ns: self.callback_ns.load(Ordering::Acquire),
            frame: self.callback_frame.load(Ordering::Acquire),
            slips: self.callback_slips.load(Ordering::Acquire),
        };
        let is_whole = turn.is_multiple_of(2) && self.callback_turn.load(Ordering::Acquire) == turn;
        is_whole.then_some(callback)
    }
}
