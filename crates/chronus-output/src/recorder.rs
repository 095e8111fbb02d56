//! Any device, with what it plays written to files: those that were asked for when it was
//! connected, from its first frame on, and one at a time on demand, from any frame on.
//!
//! Recordings on demand are made by a thread that sleeps until it is asked. Asking is wait-free, so
//! that a real-time thread may do it; the file is created, written and completed by that thread.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::{
    Device, DeviceStats, News, OutputError, Source, StopReport, folder,
    recording::{Moment, Recording, Shared, Tell, WavFile, ring},
    tap::{Tap, TapEnds, Tapped, Taps, taps},
    wav::{Medium, WavFormat, WavWriter},
};

/// Questions that may wait; a new one is asked only when the last recording is done.
const QUESTIONS: usize = 4;
/// A tap that has ended is looked for this often.
const TAP_BACK_WITHIN: Duration = Duration::from_secs(1);

/// What to record on demand.
pub struct Ask {
    /// The folder, created if it is missing; the file never lies outside.
    pub folder: PathBuf,
    /// The file within the folder; without it the date and the time.
    pub name: Option<String>,
    /// How samples are written.
    pub format: WavFormat,
    /// The frame of the performance to begin at; if it has passed, the recording begins at once.
    pub from_frame: u64,
    /// Hears how it goes.
    pub tell: Tell,
}

/// The hand on the recorder of a device; wait-free.
pub struct Recorder {
    asks: Producer<(Ask, Arc<Shared>)>,
    recordist: Thread,
}

impl Recorder {
    /// Begins a recording. The last one must be [done](RecordingHandle::is_done), for there is one at a time.
    ///
    /// # Errors
    /// A sentence, if the device has stopped.
    pub fn record(&mut self, ask: Ask) -> Result<RecordingHandle, String> {
        let shared = Arc::new(Shared::new(ask.format));
        if self.asks.is_abandoned() || self.asks.push((ask, shared.clone())).is_err() {
            return Err("nothing can be recorded any more; the device has stopped".into());
        }
        self.recordist.unpark();
        Ok(RecordingHandle { shared })
    }
}

/// A recording on demand.
#[derive(Debug)]
pub struct RecordingHandle {
    shared: Arc<Shared>,
}

impl RecordingHandle {
    /// How far it has come; takes no lock.
    pub fn recording(&self) -> Recording {
        self.shared.recording()
    }

    /// Ends it before the frame `frame` of the performance or, if that has passed, at once.
    pub fn stop_at(&self, frame: u64) {
        // 0 would give the recording up, with what the audio thread may just be waiting to hand
        // over.
        self.shared.until.store(frame.clamp(1, u64::MAX - 1), Release);
    }

    /// Nothing will be written any more.
    pub fn is_done(&self) -> bool {
        self.shared.done.load(Acquire)
    }
}

/// See the file's head.
pub(crate) struct Recorded {
    device: Box<dyn Device>,
    /// What it is called, if not as the device alone.
    title: Option<String>,
    /// What else is recorded, for its description.
    also: String,
    lossless: bool,
    taps: Option<Taps>,
    ends: Option<TapEnds>,
    recorder: Option<Recorder>,
    closing: Arc<AtomicBool>,
    /// The recordings that were asked for at first, each with its thread.
    recordings: Vec<(Arc<Shared>, Option<JoinHandle<()>>)>,
    recordist: Option<JoinHandle<()>>,
}

impl Recorded {
    /// `lossless`: the audio thread may wait for the disk.
    pub fn new(device: Box<dyn Device>, lossless: bool) -> Self {
        let (taps, ends) = taps();
        Self {
            device,
            title: None,
            also: String::new(),
            lossless,
            taps: Some(taps),
            ends: Some(ends),
            recorder: None,
            closing: Arc::default(),
            recordings: Vec::new(),
            recordist: None,
        }
    }

    /// Records everything to the file `path`, which is what the device is called after.
    pub fn become_file(&mut self, path: &Path, title: String) -> Result<(), OutputError> {
        self.title = Some(title);
        self.add_file(path)
    }

    /// Records everything to the file `path` too.
    pub fn add(&mut self, path: &Path) -> Result<(), OutputError> {
        self.also = format!("; recorded to {}", path.display());
        self.add_file(path)
    }

    fn add_file(&mut self, path: &Path) -> Result<(), OutputError> {
        let writer = WavWriter::create(path, self.device.rate_hz(), WavFormat::F32)
            .map_err(|source| OutputError::Wav { path: path.into(), source })?;
        self.add_to(writer, path)
    }

    fn add_to<M: Medium + Send + 'static>(
        &mut self,
        writer: WavWriter<M>,
        path: &Path,
    ) -> Result<(), OutputError> {
        let shared = Arc::new(Shared::new(WavFormat::F32));
        let _ = shared.path.set(path.into());
        let (producer, ring) = ring(self.device.rate_hz());
        let (file_shared, closing) = (shared.clone(), self.closing.clone());
        let tell = Box::new(|_: Moment, _: &Recording| {});
        let file = WavFile::new(writer, ring, file_shared, closing, tell);
        let body = move || file.run();
        let spawned = thread::Builder::new().name("chronus-wav".into()).spawn(body);
        let thread = spawned.map_err(|source| OutputError::Thread { what: "recording", source })?;
        let tap = Tap {
            ring: producer,
            shared: shared.clone(),
            writer: thread.thread().clone(),
            from: Some(0),
            lossless: self.lossless,
        };
        self.recordings.push((shared, Some(thread)));
        if let Some(taps) = &mut self.taps {
            taps.open(tap);
        }
        Ok(())
    }

    /// Starts the thread that records on demand; no file can be added after that.
    pub fn open_deck(mut self) -> Result<Self, OutputError> {
        let Some(taps) = self.taps.take() else { return Ok(self) };
        let (asks, questions) = RingBuffer::new(QUESTIONS);
        let recordist = Recordist {
            asks: questions,
            taps,
            rate_hz: self.device.rate_hz(),
            lossless: self.lossless,
            closing: self.closing.clone(),
        };
        let spawned =
            thread::Builder::new().name("chronus-record".into()).spawn(move || recordist.serve());
        let thread = spawned.map_err(|source| OutputError::Thread { what: "recording", source })?;
        self.recorder = Some(Recorder { asks, recordist: thread.thread().clone() });
        self.recordist = Some(thread);
        Ok(self)
    }

    fn recordings(&self) -> impl Iterator<Item = Recording> {
        self.recordings.iter().map(|(shared, _)| shared.recording())
    }

    /// Has all files completed and joins their threads. Idempotent.
    fn finish(&mut self) {
        // Release pairs with the Acquire of the writers: they see all frames that were pushed
        // before.
        self.closing.store(true, Release);
        for (shared, thread) in &mut self.recordings {
            if let Some(thread) = thread.take() {
                thread.thread().unpark();
                if thread.join().is_err() {
                    let _ = shared.error.set("the thread that writes the file panicked".into());
                }
            }
        }
        if let Some(thread) = self.recordist.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Device for Recorded {
    fn rate_hz(&self) -> u32 {
        self.device.rate_hz()
    }

    fn period_frames(&self) -> Option<u32> {
        self.device.period_frames()
    }

    fn describe(&self) -> String {
        let title = self.title.clone().unwrap_or_else(|| self.device.describe());
        title + &self.also
    }

    fn is_real(&self) -> bool {
        self.device.is_real()
    }

    fn self_paced(&self) -> bool {
        self.device.self_paced()
    }

    fn note(&self) -> Option<String> {
        self.device.note()
    }

    fn news(&mut self) -> Option<News> {
        self.device.news()
    }

    fn recorder(&mut self) -> Option<Recorder> {
        self.recorder.take()
    }

    fn bear(&mut self, ready_frames: u32) {
        self.device.bear(ready_frames);
    }

    fn end_at(&mut self, frame: u64) {
        for (shared, _) in &self.recordings {
            // 0 would give the recording up; one that was given up stays so.
            let frame = frame.max(1);
            let _ = shared.until.compare_exchange(u64::MAX, frame, Release, Relaxed);
        }
    }

    fn start(&mut self, source: Box<dyn Source>) -> Result<(), OutputError> {
        let ends = self.ends.take().ok_or(OutputError::AlreadyStarted)?;
        self.device.start(Box::new(Tapped::new(source, ends)))
    }

    fn stats(&self) -> DeviceStats {
        let mut stats = self.device.stats();
        stats.recordings.extend(self.recordings());
        stats
    }

    fn stop(&mut self) -> Result<StopReport, OutputError> {
        self.ends = None;
        // First the device: once its thread is gone, everything it played is in the rings.
        let stopped = self.device.stop();
        self.finish();
        let mut report = stopped?;
        report.recordings.extend(self.recordings());
        Ok(report)
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// The thread that records on demand.
struct Recordist {
    asks: Consumer<(Ask, Arc<Shared>)>,
    taps: Taps,
    rate_hz: u32,
    lossless: bool,
    closing: Arc<AtomicBool>,
}

impl Recordist {
    fn serve(mut self) {
        let mut taps_out = 0;
        loop {
            taps_out -= self.taps.free_ended().min(taps_out);
            // Read before the questions: what was asked before the end is answered.
            let closing = self.closing.load(Acquire);
            match self.asks.pop() {
                Ok((ask, shared)) => {
                    self.record(ask, shared);
                    taps_out += 1;
                }
                Err(_) if closing => return,
                // A tap that has not come back yet still holds its ring.
                Err(_) if taps_out > 0 => thread::park_timeout(TAP_BACK_WITHIN),
                Err(_) => thread::park(),
            }
        }
    }

    fn record(&mut self, ask: Ask, shared: Arc<Shared>) {
        let (producer, ring) = ring(self.rate_hz);
        // The tap goes first: what a slow disk needs to create the file is bridged by the ring.
        let tap = Tap {
            ring: producer,
            shared: shared.clone(),
            writer: thread::current(),
            from: Some(ask.from_frame),
            lossless: self.lossless,
        };
        let begun = if self.taps.open(tap) {
            self.open_file(&ask, &shared)
        } else {
            Err("the audio device takes no frames, so that there is nothing to record".into())
        };
        match begun {
            Ok(writer) => {
                WavFile::new(writer, ring, shared, self.closing.clone(), ask.tell).run();
            }
            Err(error) => {
                shared.until.store(0, Release);
                tracing::error!("no recording: {error}");
                let _ = shared.error.set(error);
                shared.done.store(true, Release);
                (ask.tell)(Moment::Failed, &shared.recording());
            }
        }
    }

    fn open_file(&self, ask: &Ask, shared: &Shared) -> Result<WavWriter, String> {
        let new = folder::create(&ask.folder, ask.name.as_deref())?;
        let file = new.file.try_clone();
        match file.and_then(|file| WavWriter::new(file, self.rate_hz, ask.format)) {
            Ok(writer) => {
                let _ = shared.path.set(new.path);
                Ok(writer)
            }
            Err(error) => {
                let path = new.path.display().to_string();
                new.remove();
                Err(format!(
                    "can't write to {path}: {error}; make room, or choose another folder with \
                     `chronus run --recordings DIR`"
                ))
            }
        }
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
