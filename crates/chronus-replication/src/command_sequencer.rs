//! The command sequencer: gives each command its place in the total order and the frame at which it
//! applies, and seals blocks. A sealed block never gains or loses a command.
//!
//! Commands wait here, bounded, until the block of their frame is sealed; only then do they enter the
//! log, which therefore ascends in sequence and in frame. Nothing is ever dropped here: what can't be
//! taken is refused to the caller, what doesn't fit into the log stays for the next block.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::{BLOCK_FRAMES, BlockIndex, Entry, Payload, Seal};

/// Where ordered commands go.
pub trait Log {
    /// Appends an entry, or leaves it when the slowest reader has left no room.
    ///
    /// # Errors
    /// [`LogFull`], and nothing has been written.
    fn append(&mut self, entry: &Entry) -> Result<(), LogFull>;
}

/// No room in the log before its slowest reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command log is full: its slowest reader is a whole log behind")]
pub struct LogFull;

/// Too many commands wait for their frame; the sender should slow down and send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("busy: {waiting} commands wait for their frame already; send it again later")]
pub struct Busy {
    /// How many wait.
    pub waiting: usize,
}

/// Orders commands and seals blocks.
#[derive(Clone, Debug)]
pub struct CommandSequencer {
    waiting: BinaryHeap<Reverse<Waiting>>,
    capacity: usize,
    next_arrival: u64,
    next_sequence: u64,
    next_block: BlockIndex,
    last_frame: u64,
    counts: Counts,
}

/// What has happened to commands so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands that were in time for the frame they were meant for.
    pub in_time: u64,
    /// Commands whose frame was sealed already; they apply at the first frame that is not.
    pub late: u64,
    /// Commands refused because too many waited.
    pub refused: u64,
    /// Commands that found the log full and were put off by a block.
    pub put_off: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    frame: u64,
    arrival: u64,
    payload: Payload,
}

impl CommandSequencer {
    /// A sequencer that lets at most `capacity` commands wait.
    pub fn new(capacity: usize) -> Self {
        Self {
            waiting: BinaryHeap::with_capacity(capacity),
            capacity,
            next_arrival: 0,
            next_sequence: 0,
            next_block: 0,
            last_frame: 0,
            counts: Counts::default(),
        }
    }

    /// Takes a command for frame `frame`; for the earliest possible frame if that is sealed already.
    ///
    /// Commands for the same frame apply in the order in which they were submitted.
    ///
    /// # Errors
    /// [`Busy`] if too many wait: the command was not taken.
    pub fn submit(&mut self, frame: u64, payload: Payload) -> Result<(), Busy> {
        if self.waiting.len() >= self.capacity {
            self.counts.refused += 1;
            return Err(Busy { waiting: self.waiting.len() });
        }
        let earliest = self.first_open_frame();
        if frame < earliest {
            self.counts.late += 1;
        } else {
            self.counts.in_time += 1;
        }
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.waiting.push(Reverse(Waiting { frame: frame.max(earliest), arrival, payload }));
        Ok(())
    }

    /// Whether so many commands could be taken now; for those that must not be taken in part.
    ///
    /// # Errors
    /// [`Busy`] if not all of them could; they count as refused.
    pub fn permit(&mut self, count: usize) -> Result<(), Busy> {
        if self.waiting.len() + count <= self.capacity {
            return Ok(());
        }
        self.counts.refused += count as u64;
        Err(Busy { waiting: self.waiting.len() })
    }

    /// Takes a command of the supervisor itself for the first frame that is still open, however many
    /// commands wait.
    pub fn submit_urgent(&mut self, payload: Payload) {
        let frame = self.first_open_frame();
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.waiting.push(Reverse(Waiting { frame, arrival, payload }));
    }

    /// Seals the next block: its commands enter `log`, in order. `sealed` sees each entry that did.
    pub fn seal_next(&mut self, log: &mut impl Log, mut sealed: impl FnMut(&Entry)) -> Seal {
        let block = self.next_block;
        let end = (block + 1) * BLOCK_FRAMES as u64;
        while let Some(Reverse(next)) = self.waiting.peek() {
            if next.frame >= end {
                break;
            }
            // A command that was put off keeps its turn but applies at a frame that is still open.
            let frame = next.frame.max(self.last_frame).max(block * BLOCK_FRAMES as u64);
            let entry = Entry { sequence: self.next_sequence, frame, payload: next.payload };
            if log.append(&entry).is_err() {
                self.counts.put_off += 1;
                break;
            }
            self.waiting.pop();
            self.next_sequence += 1;
            self.last_frame = frame;
            sealed(&entry);
        }
        self.next_block += 1;
        Seal { block, log_position: self.next_sequence }
    }

    /// The block that is sealed next; all before it are sealed.
    pub fn next_block(&self) -> BlockIndex {
        self.next_block
    }

    /// How many entries have entered the log.
    pub fn log_position(&self) -> u64 {
        self.next_sequence
    }

    /// The first frame for which a command can still be ordered.
    pub fn first_open_frame(&self) -> u64 {
        self.next_block * BLOCK_FRAMES as u64
    }

    /// How many commands wait for their frame.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What has happened to commands so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TestLog {
        entries: Vec<Entry>,
        room: usize,
    }

    impl Log for TestLog {
        fn append(&mut self, entry: &Entry) -> Result<(), LogFull> {
            if self.entries.len() >= self.room {
                return Err(LogFull);
            }
            self.entries.push(*entry);
            Ok(())
        }
    }

    fn payload(value: u64) -> Payload {
        [value, 0, 0, 0, 0]
    }

    #[test]
    fn entries_ascend_in_sequence_and_frame_whatever_the_order_of_arrival() {
        let mut sequencer = CommandSequencer::new(16);
        let mut log = TestLog { entries: Vec::new(), room: 16 };
        for (frame, value) in [(130, 1), (5, 2), (64, 3), (5, 4), (63, 5)] {
            sequencer.submit(frame, payload(value)).expect("room");
        }
        let seals: Vec<Seal> = (0..3).map(|_| sequencer.seal_next(&mut log, |_| {})).collect();
        let order: Vec<(u64, u64, u64)> =
            log.entries.iter().map(|e| (e.sequence, e.frame, e.payload[0])).collect();
        assert_eq!(order, [(0, 5, 2), (1, 5, 4), (2, 63, 5), (3, 64, 3), (4, 130, 1)]);
        assert_eq!(seals.iter().map(|s| s.log_position).collect::<Vec<_>>(), [3, 4, 5]);
    }

    #[test]
    fn a_late_command_applies_at_the_first_open_frame_and_is_counted() {
        let mut sequencer = CommandSequencer::new(16);
        let mut log = TestLog { entries: Vec::new(), room: 16 };
        sequencer.seal_next(&mut log, |_| {});
        sequencer.submit(3, payload(1)).expect("room");
        sequencer.seal_next(&mut log, |_| {});
        assert_eq!(log.entries[0].frame, 64);
        assert_eq!(sequencer.counts(), Counts { late: 1, ..Counts::default() });
    }

    #[test]
    fn a_full_log_puts_commands_off_and_loses_none() {
        let mut sequencer = CommandSequencer::new(16);
        let mut log = TestLog { entries: Vec::new(), room: 1 };
        for value in 0..3 {
            sequencer.submit(0, payload(value)).expect("room");
        }
        assert_eq!(sequencer.seal_next(&mut log, |_| {}).log_position, 1);
        log.room = 16;
        assert_eq!(sequencer.seal_next(&mut log, |_| {}).log_position, 3);
        let values: Vec<(u64, u64)> = log.entries.iter().map(|e| (e.frame, e.payload[0])).collect();
        assert_eq!(values, [(0, 0), (64, 1), (64, 2)]);
        assert_eq!(sequencer.counts().put_off, 1);
    }

    #[test]
    fn too_many_waiting_commands_are_refused_by_name() {
        let mut sequencer = CommandSequencer::new(2);
        sequencer.submit(0, payload(0)).expect("room");
        sequencer.submit(0, payload(1)).expect("room");
        assert_eq!(sequencer.submit(0, payload(2)), Err(Busy { waiting: 2 }));
        assert_eq!(sequencer.counts().refused, 1);
    }
}
