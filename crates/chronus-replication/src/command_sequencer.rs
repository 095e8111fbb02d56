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

/// Where waiting commands are noted, so that they outlive the process of the sequencer.
pub trait WaitingRoom {
    /// A command waits at `place`; its sequence number is that of its arrival.
    fn enter(&mut self, place: usize, command: &Entry);
    /// The command at `place` is about to become entry `sequence` of the log.
    fn leave(&mut self, place: usize, sequence: u64);
    /// It has become that, or stays after all.
    fn settle(&mut self, place: usize, has_left: bool);
}

/// A room where nothing is noted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unnoted;

impl WaitingRoom for Unnoted {
    fn enter(&mut self, _: usize, _: &Entry) {}
    fn leave(&mut self, _: usize, _: u64) {}
    fn settle(&mut self, _: usize, _: bool) {}
}

/// Places for commands of the supervisor itself, which wait however many others do.
pub const URGENT_PLACES: usize = 64;

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
pub struct CommandSequencer<R = Unnoted> {
    waiting: BinaryHeap<Reverse<Waiting>>,
    capacity: usize,
    room: R,
    /// Places of the room that are free.
    free: Vec<usize>,
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
    place: Option<usize>,
}

/// Where a sequencer goes on that another has begun.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    /// How many entries the log has.
    pub log_position: u64,
    /// The frame of the last of them.
    pub last_frame: u64,
    /// The block that is sealed next.
    pub next_block: BlockIndex,
    /// What waits: places, and commands with the numbers of their arrivals.
    pub waiting: Vec<(usize, Entry)>,
}

impl CommandSequencer {
    /// A sequencer that lets at most `capacity` commands wait.
    pub fn new(capacity: usize) -> Self {
        Self::noting(Unnoted, capacity, &Begun::default())
    }
}

impl<R: WaitingRoom> CommandSequencer<R> {
    /// A sequencer that notes what waits in `room`, which has `capacity + URGENT_PLACES` places, and goes on
    /// where another stopped.
    pub fn noting(room: R, capacity: usize, begun: &Begun) -> Self {
        let places = capacity + URGENT_PLACES;
        let mut waiting = BinaryHeap::with_capacity(places);
        waiting.extend(begun.waiting.iter().map(|(place, command)| {
            let Entry { frame, sequence: arrival, payload } = *command;
            Reverse(Waiting { frame, arrival, payload, place: Some(*place) })
        }));
        let taken: Vec<usize> = begun.waiting.iter().map(|(place, _)| *place).collect();
        let arrivals = begun.waiting.iter().map(|(_, command)| command.sequence);
        Self {
            waiting,
            capacity,
            room,
            free: (0..places).rev().filter(|place| !taken.contains(place)).collect(),
            next_arrival: arrivals.max().map_or(0, |last| last + 1),
            next_sequence: begun.log_position,
            next_block: begun.next_block,
            last_frame: begun.last_frame,
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
        self.wait(frame.max(earliest), payload);
        Ok(())
    }

    /// Takes a command that is for as soon as possible, and `frame` at best: it can't be too late, and is not counted so.
    ///
    /// # Errors
    /// [`Busy`] if too many wait: the command was not taken.
    pub fn submit_soon(&mut self, frame: u64, payload: Payload) -> Result<(), Busy> {
        self.submit(frame.max(self.first_open_frame()), payload)
    }

    fn wait(&mut self, frame: u64, payload: Payload) {
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        let place = self.free.pop();
        if let Some(place) = place {
            self.room.enter(place, &Entry { sequence: arrival, frame, payload });
        }
        self.waiting.push(Reverse(Waiting { frame, arrival, payload, place }));
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
        self.wait(self.first_open_frame(), payload);
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
            let place = next.place;
            if let Some(place) = place {
                self.room.leave(place, entry.sequence);
            }
            let appended = log.append(&entry);
            if let Some(place) = place {
                self.room.settle(place, appended.is_ok());
                if appended.is_ok() {
                    self.free.push(place);
                }
            }
            if appended.is_err() {
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
    use std::collections::BTreeMap;

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
        sequencer.submit_soon(0, payload(8)).expect("room");
        let counts = Counts { late: 1, in_time: 1, ..Counts::default() };
        assert_eq!(sequencer.counts(), counts, "what is for as soon as possible is never late");
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
    fn a_sequencer_goes_on_with_what_another_has_noted() {
        #[derive(Clone, Default)]
        struct Noted(std::rc::Rc<std::cell::RefCell<BTreeMap<usize, Entry>>>);
        impl WaitingRoom for Noted {
            fn enter(&mut self, place: usize, command: &Entry) {
                assert_eq!(self.0.borrow_mut().insert(place, *command), None, "a free place");
            }
            fn leave(&mut self, _: usize, _: u64) {}
            fn settle(&mut self, place: usize, has_left: bool) {
                if has_left {
                    self.0.borrow_mut().remove(&place);
                }
            }
        }
        let room = Noted::default();
        let mut first = CommandSequencer::noting(room.clone(), 8, &Begun::default());
        for (frame, value) in [(200, 1), (3, 2), (200, 3)] {
            first.submit(frame, payload(value)).expect("room");
        }
        first.submit_urgent(payload(4));
        let mut log = TestLog { entries: Vec::new(), room: 16 };
        first.seal_next(&mut log, |_| {});
        let begun = Begun {
            log_position: first.log_position(),
            last_frame: 3,
            next_block: first.next_block(),
            waiting: room.0.borrow().iter().map(|(place, entry)| (*place, *entry)).collect(),
        };
        drop(first);
        let mut second = CommandSequencer::noting(room, 8, &begun);
        second.submit(200, payload(5)).expect("room");
        for _ in 0..3 {
            second.seal_next(&mut log, |_| {});
        }
        let order: Vec<_> =
            log.entries.iter().map(|e| (e.sequence, e.frame, e.payload[0])).collect();
        assert_eq!(order, [(0, 0, 4), (1, 3, 2), (2, 200, 1), (3, 200, 3), (4, 200, 5)]);
        assert_eq!(second.waiting(), 0);
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
