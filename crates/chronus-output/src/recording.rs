//! Writing what is played to a WAV file, beside the audio thread.
//!
//! A tap behind the source copies frames into a ring ([`crate::tap`]); a thread polls the ring and
//! writes the file. In real time the tap never blocks: what does not fit is lost, counted and said.
//! Running free it waits, and nothing is lost. The file's header is brought up to date every
//! second, so that a killed program leaves a file that plays. After an error the file is mended to
//! end with its last whole frame, and the sound goes on.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread,
    time::{Duration, Instant},
};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::{
    CHANNELS,
    wav::{Medium, WavFormat, WavWriter},
};

/// The ring's length: how long the disk may stall before frames are lost.
const RING_S: usize = 8;
/// How often the writer looks into the ring.
const POLL: Duration = Duration::from_millis(20);
/// How often, while somebody waits to hear how it begins or ends.
const SHORT_POLL: Duration = Duration::from_millis(2);
/// How often the header is brought up to date.
const HEADER_EVERY: Duration = Duration::from_secs(1);
/// After so long the beginning is told although no frame has come yet.
const TOLD_WITHIN: Duration = Duration::from_millis(100);
/// A device that takes no frames for so long does not come to the frame where the recording ends.
const STALLED: Duration = Duration::from_secs(1);

/// How far a WAV file has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The file; empty until it has been created.
    pub path: PathBuf,
    /// How its samples are written.
    pub format: WavFormat,
    /// What goes on with it.
    pub state: RecordingState,
    /// The frame of the performance that is the first in the file.
    pub start_frame: Option<u64>,
    /// Frames handed to the file; after an error, those that are in it.
    pub frames_written: u64,
    /// Frames that were played but are not in the file.
    pub frames_lost: u64,
    /// Samples beyond full scale that an integer format had to clip.
    pub clipped: u64,
    /// Why the file ends early, or was not begun, in a sentence.
    pub error: Option<String>,
}

/// What goes on with a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingState {
    /// It has not come to its first frame.
    Waiting,
    /// Frames are being written.
    Recording,
    /// Its end is known, and not everything is written yet.
    Finishing,
    /// The file is whole.
    Complete,
    /// It could not be begun, or not be written to its end.
    Failed,
}

impl RecordingState {
    /// The state in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Recording => "recording",
            Self::Finishing => "finishing",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

/// A moment in the life of a recording that somebody may want to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The file is there, and frames are coming or will come.
    Begun,
    /// The file is whole.
    Complete,
    /// It could not be begun, or not be written to its end; [`Recording::error`] says why.
    Failed,
}

/// Called on the thread that writes the file, at each [`Moment`].
pub type Tell = Box<dyn Fn(Moment, &Recording) + Send>;

/// What the tap, the writer and the owner share. Where an order matters it is said there; the
/// counts are for people, and relaxed.
#[derive(Debug)]
pub(crate) struct Shared {
    pub format: WavFormat,
    pub path: OnceLock<PathBuf>,
    pub error: OnceLock<String>,
    /// The first frame; all ones before it has come.
    pub start: AtomicU64,
    /// The frame before which the recording ends; all ones while that is open, 0 for at once.
    pub until: AtomicU64,
    /// How far the performance had come when the tap last looked.
    pub seen: AtomicU64,
    /// The tap has pushed its last frame.
    pub over: AtomicBool,
    /// The writer has done its last.
    pub done: AtomicBool,
    pub frames_written: AtomicU64,
    pub frames_lost: AtomicU64,
    pub clipped: AtomicU64,
}

impl Shared {
    pub fn new(format: WavFormat) -> Self {
        Self {
            format,
            path: OnceLock::new(),
            error: OnceLock::new(),
            start: AtomicU64::new(u64::MAX),
            until: AtomicU64::new(u64::MAX),
            seen: AtomicU64::new(0),
            over: AtomicBool::new(false),
            done: AtomicBool::new(false),
            frames_written: AtomicU64::new(0),
            frames_lost: AtomicU64::new(0),
            clipped: AtomicU64::new(0),
        }
    }

    pub fn recording(&self) -> Recording {
        let start = self.start.load(Relaxed);
        Recording {
            path: self.path.get().cloned().unwrap_or_default(),
            format: self.format,
            state: self.state(),
            start_frame: (start != u64::MAX).then_some(start),
            frames_written: self.frames_written.load(Relaxed),
            frames_lost: self.frames_lost.load(Relaxed),
            clipped: self.clipped.load(Relaxed),
            error: self.error.get().cloned(),
        }
    }

    fn state(&self) -> RecordingState {
        if self.error.get().is_some() {
            RecordingState::Failed
        } else if self.done.load(Acquire) {
            RecordingState::Complete
        } else if self.until.load(Relaxed) != u64::MAX {
            RecordingState::Finishing
        } else if self.start.load(Relaxed) == u64::MAX {
            RecordingState::Waiting
        } else {
            RecordingState::Recording
        }
    }
}

/// A ring for a recording at this rate.
pub(crate) fn ring(rate_hz: u32) -> (Producer<f32>, Consumer<f32>) {
    let (mut producer, mut consumer) = RingBuffer::new(RING_S * rate_hz as usize * CHANNELS);
    // Written over once, so that the audio thread never meets a page that is not there yet.
    let capacity = producer.buffer().capacity();
    if let Ok(chunk) = producer.write_chunk(capacity) {
        chunk.commit_all();
    }
    if let Ok(chunk) = consumer.read_chunk(capacity) {
        chunk.commit_all();
    }
    (producer, consumer)
}

/// The writer's end of a recording.
pub(crate) struct WavFile<M: Medium> {
    writer: WavWriter<M>,
    ring: Consumer<f32>,
    shared: Arc<Shared>,
    /// The device has stopped for good: what is in the ring is all there is.
    closing: Arc<AtomicBool>,
    tell: Tell,
    /// The beginning has been told.
    told: bool,
    told_lost: u64,
    /// Frames taken out of the ring.
    drained: u64,
}

impl<M: Medium> WavFile<M> {
    /// `closing` is set when the device has stopped for good.
    pub fn new(
        writer: WavWriter<M>,
        ring: Consumer<f32>,
        shared: Arc<Shared>,
        closing: Arc<AtomicBool>,
        tell: Tell,
    ) -> Self {
        Self { writer, ring, shared, closing, tell, told: false, told_lost: 0, drained: 0 }
    }

    /// Writes until the recording is over, one way or the other.
    pub fn run(mut self) {
        let outcome = self.write_all();
        let outcome = outcome.and_then(|()| self.writer.finish());
        if let Err(error) = outcome {
            self.fail(&error);
            return;
        }
        self.tell_begun();
        self.say_lost();
        self.shared.done.store(true, Release);
        (self.tell)(Moment::Complete, &self.shared.recording());
    }

    fn write_all(&mut self) -> io::Result<()> {
        let began = Instant::now();
        let (mut header_at, mut stall) = (began, Stall::new());
        loop {
            // Read before the ring is emptied, so that all frames that were pushed before are in
            // it.
            let over = self.shared.over.load(Acquire) || self.closing.load(Acquire);
            self.drain()?;
            if over || stall.is_one(&self.shared) {
                return Ok(());
            }
            if header_at.elapsed() >= HEADER_EVERY {
                header_at = Instant::now();
                self.writer.update()?;
                if self.writer.is_deleted() {
                    return Err(io::Error::other("somebody has deleted it"));
                }
                self.say_lost();
            }
            let begun = self.shared.start.load(Relaxed) != u64::MAX;
            if begun || began.elapsed() >= TOLD_WITHIN {
                self.tell_begun();
            }
            let somebody_waits = !self.told || self.shared.until.load(Relaxed) != u64::MAX;
            thread::park_timeout(if somebody_waits { SHORT_POLL } else { POLL });
        }
    }

    /// Empties the ring into the file.
    fn drain(&mut self) -> io::Result<()> {
        let samples = self.ring.slots();
        let Ok(chunk) = self.ring.read_chunk(samples) else { return Ok(()) };
        let (first, second) = chunk.as_slices();
        self.writer.write(first)?;
        self.writer.write(second)?;
        chunk.commit_all();
        self.drained += (samples / CHANNELS) as u64;
        self.shared.frames_written.store(self.writer.frames(), Relaxed);
        self.shared.clipped.store(self.writer.clipped(), Relaxed);
        Ok(())
    }

    /// Gives the file up, saves what there is of it, and says so.
    fn fail(&mut self, error: &io::Error) {
        // The tap ends first, so that a free-running audio thread does not wait for the disk any
        // more.
        self.shared.until.store(0, Release);
        // If this fails too, nothing more can be done; the header of the last update stays.
        let _ = self.writer.mend();
        let kept = self.writer.frames();
        let waiting = (self.ring.slots() / CHANNELS) as u64;
        self.shared.frames_written.store(kept, Relaxed);
        self.shared.frames_lost.fetch_add((self.drained + waiting).saturating_sub(kept), Relaxed);
        let path = self.shared.path.get().cloned().unwrap_or_default();
        let sentence = format!(
            "can't write on to {}: {error}; it ends after {kept} frames, and the sound goes on; \
             make room if need be, and start another recording",
            path.display()
        );
        tracing::error!("{sentence}");
        let _ = self.shared.error.set(sentence);
        self.shared.done.store(true, Release);
        (self.tell)(Moment::Failed, &self.shared.recording());
    }

    fn tell_begun(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            (self.tell)(Moment::Begun, &self.shared.recording());
        }
    }

    /// Says how many frames are lost, whenever there are more of them.
    fn say_lost(&mut self) {
        let lost = self.shared.frames_lost.load(Relaxed);
        if lost > self.told_lost {
            self.told_lost = lost;
            let path = self.shared.path.get().cloned().unwrap_or_default();
            tracing::warn!(
                "{}: {lost} frames are lost so far, because the disk is too slow",
                path.display()
            );
        }
    }
}

/// Notices that a recording whose end is set will never come to it.
struct Stall {
    seen: u64,
    /// How long that has not changed, in time in which this thread was run: when the whole program is halted,
    /// the device will go on when it does.
    lasted: Duration,
    looked: Instant,
}

impl Stall {
    fn new() -> Self {
        Self { seen: 0, lasted: Duration::ZERO, looked: Instant::now() }
    }

    fn is_one(&mut self, shared: &Shared) -> bool {
        let seen = shared.seen.load(Relaxed);
        let since = std::mem::replace(&mut self.looked, Instant::now());
        self.lasted += (self.looked - since).min(POLL);
        if shared.until.load(Relaxed) == u64::MAX || seen != self.seen {
            (self.seen, self.lasted) = (seen, Duration::ZERO);
        }
        let stalled = self.lasted >= STALLED;
        if stalled {
            // Whenever the device does go on, the tap ends at once.
            shared.until.store(0, Release);
        }
        stalled
    }
}
