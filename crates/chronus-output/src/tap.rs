//! The audio thread's side of recording: a tap behind the source that copies what was played into
//! the rings of the recordings that are under way.
//!
//! Taps come and go while the device runs, through rings as wait-free as those of the samples. In
//! real time nothing here blocks, allocates, frees or makes a system call: a tap that has ended
//! goes back through a ring to the thread that may free it.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread::{self, Thread},
    time::Duration,
};

use chronus_os::alloc_guard::AllocationBan;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::{CHANNELS, Source, recording::Shared};

/// Recordings that can be under way at once: `wav:FILE`, `--capture`, and one on demand; and one
/// more, because the next may begin before the last tap has seen its end.
const TAPS: usize = 4;

/// The end of a recording's ring in the audio thread's hands.
pub(crate) struct Tap {
    pub ring: Producer<f32>,
    pub shared: Arc<Shared>,
    pub writer: Thread,
    /// The frame of the performance to begin at, 0 for the whole; `None` for all that the device plays, also
    /// before the performance begins.
    pub from: Option<u64>,
    /// The audio thread may wait for the disk.
    pub lossless: bool,
}

impl Tap {
    /// Takes what belongs to the recording out of frames that end at `end`. Returns whether the
    /// recording is over.
    fn record(&mut self, interleaved: &[f32], end: u64) -> bool {
        let frames = (interleaved.len() / CHANNELS) as u64;
        // Pairs with the Release of whoever ends it; the number itself is all that is read.
        let until = self.shared.until.load(Acquire);
        // Silence before the performance has no number, and belongs to no part of it.
        let first = match (end.checked_sub(frames), self.from) {
            (Some(first), _) => first,
            (None, None) => 0,
            (None, Some(_)) => return until == 0,
        };
        self.shared.seen.store(end, Relaxed);
        let at = |frame: u64| frame.saturating_sub(first).min(frames) as usize;
        let (from, to) = (at(self.from.unwrap_or(0)), at(until));
        if from < to {
            let _ =
                self.shared.start.compare_exchange(u64::MAX, first + from as u64, Relaxed, Relaxed);
            self.push(&interleaved[from * CHANNELS..to * CHANNELS]);
        }
        until <= first + frames
    }

    fn push(&mut self, interleaved: &[f32]) {
        // Both ends of the ring move by whole frames, so a frame is never torn apart.
        let (_, mut rest) = self.ring.push_partial_slice(interleaved);
        while self.lossless && !rest.is_empty() && !self.is_given_up() {
            self.writer.unpark();
            thread::sleep(Duration::from_micros(200));
            (_, rest) = self.ring.push_partial_slice(rest);
        }
        if !rest.is_empty() {
            self.shared.frames_lost.fetch_add((rest.len() / CHANNELS) as u64, Relaxed);
        }
    }

    /// Returns when there is room for so many frames, or as many as ever can be. What runs free may come faster than
    /// the disk takes it.
    fn wait_for_room(&self, frames: usize, give_up: &AtomicBool) {
        let samples = (frames * CHANNELS).min(self.ring.buffer().capacity());
        while self.ring.slots() < samples && !self.is_given_up() && !give_up.load(Relaxed) {
            self.writer.unpark();
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn is_given_up(&self) -> bool {
        self.shared.until.load(Relaxed) == 0 || self.ring.is_abandoned()
    }
}

/// A source with the taps behind it.
pub(crate) struct Tapped {
    source: Box<dyn Source>,
    ends: TapEnds,
    taps: [Option<Tap>; TAPS],
    played: u64,
}

/// The audio thread's ends of the rings through which taps come and go.
pub(crate) struct TapEnds {
    begun: Consumer<Tap>,
    ended: Producer<Tap>,
}

/// The other ends.
pub(crate) struct Taps {
    begun: Producer<Tap>,
    ended: Consumer<Tap>,
}

/// The rings through which taps come and go.
pub(crate) fn taps() -> (Taps, TapEnds) {
    let (begun_in, begun) = RingBuffer::new(2 * TAPS);
    let (ended, ended_out) = RingBuffer::new(4 * TAPS);
    (Taps { begun: begun_in, ended: ended_out }, TapEnds { begun, ended })
}

impl Taps {
    /// Hands a tap to the audio thread; false if it has not taken in those that came before.
    pub fn open(&mut self, tap: Tap) -> bool {
        self.begun.push(tap).is_ok()
    }

    /// Frees the taps that have ended; returns how many.
    pub fn free_ended(&mut self) -> usize {
        std::iter::from_fn(|| self.ended.pop().ok()).count()
    }
}

impl Tapped {
    pub fn new(source: Box<dyn Source>, ends: TapEnds) -> Self {
        Self { source, ends, taps: Default::default(), played: 0 }
    }

    fn record(&mut self, interleaved: &[f32]) {
        self.played += (interleaved.len() / CHANNELS) as u64;
        let end = self.source.position().unwrap_or(self.played);
        for slot in &mut self.taps {
            if slot.is_none() {
                *slot = self.ends.begun.pop().ok();
            }
            let is_over = slot.as_mut().is_some_and(|tap| tap.record(interleaved, end));
            if is_over && !self.ends.ended.is_full() {
                let Some(tap) = slot.take() else { continue };
                // Release pairs with the writer's Acquire: it sees all frames that were pushed
                // before. It comes before the tap is given away, which is freed by somebody else.
                tap.shared.over.store(true, Release);
                let _ = self.ends.ended.push(tap);
            }
        }
    }
}

impl Source for Tapped {
    fn fill(&mut self, interleaved: &mut [f32]) {
        self.source.fill(interleaved);
        let _ban = AllocationBan::start();
        self.record(interleaved);
    }

    fn slipped(&mut self) {
        self.source.slipped();
    }

    fn wait(&mut self, frames: usize, give_up: &AtomicBool) {
        self.source.wait(frames, give_up);
        for tap in self.taps.iter().flatten() {
            tap.wait_for_room(frames, give_up);
        }
    }

    fn consumed(&mut self) {
        self.source.consumed();
    }

    fn is_ready(&mut self, frames: usize) -> bool {
        self.source.is_ready(frames)
    }
}
