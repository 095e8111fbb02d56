//! Writing what is played to a WAV file, beside the audio thread.
//!
//! A tap in the source copies every frame into a ring; a thread polls the ring and writes 32-bit float
//! stereo. In real time the tap never blocks and makes no system call: what does not fit is lost and
//! counted. Running free it waits, and nothing is lost. The file's header is brought up to date every
//! second, so that a killed program leaves a file that plays.

use std::{
    fs::File,
    io::{BufWriter, Seek, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use hound::{SampleFormat, WavSpec, WavWriter};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::{CHANNELS, Device, DeviceStats, OutputError, Source, StopReport};

/// The ring's length: how long the disk may stall before frames are lost.
const RING_S: usize = 8;
/// How often the writer looks into the ring.
const POLL: Duration = Duration::from_millis(20);
/// How often the header is brought up to date.
const HEADER_EVERY: Duration = Duration::from_secs(1);
/// Frames that fit into a WAV file, whose lengths are 32 bits wide, with room for the header.
const MAX_FRAMES: u64 = (u32::MAX as u64 - 4096) / (CHANNELS as u64 * 4);

/// How far a WAV file has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// Frames written.
    pub frames_written: u64,
    /// Frames that were played but are not in the file.
    pub frames_lost: u64,
    /// Why the file ends early, in a sentence.
    pub error: Option<String>,
}

/// Any device, with what it plays written to a file too.
pub(crate) struct Recorded {
    device: Box<dyn Device>,
    description: String,
    tap: Option<Tap>,
    recorder: Recorder,
}

impl Recorded {
    /// Opens `path` at the device's rate. `lossless`: the audio thread may wait for the disk.
    pub fn new(
        device: Box<dyn Device>,
        description: String,
        path: &Path,
        lossless: bool,
    ) -> Result<Self, OutputError> {
        let writer = open(path, device.rate_hz())?;
        Self::with_writer(device, description, path, writer, lossless)
    }

    fn with_writer<W: Write + Seek + Send + 'static>(
        device: Box<dyn Device>,
        description: String,
        path: &Path,
        writer: WavWriter<W>,
        lossless: bool,
    ) -> Result<Self, OutputError> {
        let (recorder, tap) = record(path, writer, device.rate_hz(), lossless)?;
        Ok(Self { device, description, tap: Some(tap), recorder })
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
        self.description.clone()
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

    fn start(&mut self, source: Box<dyn Source>) -> Result<(), OutputError> {
        let tap = self.tap.take().ok_or(OutputError::AlreadyStarted)?;
        self.device.start(Box::new(Tapped { source, tap }))
    }

    fn stats(&self) -> DeviceStats {
        let mut stats = self.device.stats();
        stats.recordings.push(self.recorder.recording());
        stats
    }

    fn stop(&mut self) -> Result<StopReport, OutputError> {
        // First the device: once its thread is gone, everything it played is in the ring.
        let stopped = self.device.stop();
        self.recorder.finish();
        let mut report = stopped?;
        report.recordings.push(self.recorder.recording());
        Ok(report)
    }
}

/// The source with the tap behind it.
struct Tapped {
    source: Box<dyn Source>,
    tap: Tap,
}

impl Source for Tapped {
    fn fill(&mut self, interleaved: &mut [f32]) {
        self.source.fill(interleaved);
        self.tap.record(interleaved);
    }

    fn wait(&mut self, frames: usize, give_up: &AtomicBool) {
        self.source.wait(frames, give_up);
    }

    fn consumed(&mut self) {
        self.source.consumed();
    }
}

/// The end of the ring in the audio thread's hands.
struct Tap {
    ring: Producer<f32>,
    shared: Arc<Shared>,
    writer: Thread,
    lossless: bool,
}

impl Tap {
    fn record(&mut self, interleaved: &[f32]) {
        // Both ends of the ring move by whole frames, so a frame is never torn apart.
        let (_, mut rest) = self.ring.push_partial_slice(interleaved);
        while self.lossless && !rest.is_empty() && !self.ring.is_abandoned() {
            self.writer.unpark();
            thread::sleep(Duration::from_micros(200));
            (_, rest) = self.ring.push_partial_slice(rest);
        }
        if !rest.is_empty() {
            self.shared.frames_lost.fetch_add((rest.len() / CHANNELS) as u64, Relaxed);
        }
    }
}

/// What the tap, the writer thread and the owner share. The counts are for people and relaxed.
#[derive(Default)]
struct Shared {
    finish: AtomicBool,
    frames_written: AtomicU64,
    frames_lost: AtomicU64,
    error: OnceLock<String>,
}

/// The owner's end: the writer thread and what it reports.
struct Recorder {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    fn recording(&self) -> Recording {
        Recording {
            path: self.path.clone(),
            frames_written: self.shared.frames_written.load(Relaxed),
            frames_lost: self.shared.frames_lost.load(Relaxed),
            error: self.shared.error.get().cloned(),
        }
    }

    /// Writes out what is in the ring, completes the file and joins the thread. Idempotent.
    fn finish(&mut self) {
        // Release pairs with the writer's Acquire: it sees all frames that were pushed before.
        self.shared.finish.store(true, Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                let _ = self.shared.error.set("the thread that writes the file panicked".into());
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.finish();
    }
}

fn open(path: &Path, rate_hz: u32) -> Result<WavWriter<BufWriter<File>>, OutputError> {
    let failed = |source| OutputError::Wav { path: path.into(), source };
    let file = File::create(path).map_err(|error| failed(error.into()))?;
    let writer = BufWriter::with_capacity(1 << 16, file);
    let mut writer = WavWriter::new(writer, wav_spec(rate_hz)).map_err(failed)?;
    // The header goes out at once: a disk that is full already is found here.
    writer.flush().map_err(failed)?;
    Ok(writer)
}

fn wav_spec(sample_rate: u32) -> WavSpec {
    WavSpec {
        channels: CHANNELS as u16,
        sample_rate,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    }
}

fn record<W: Write + Seek + Send + 'static>(
    path: &Path,
    writer: WavWriter<W>,
    rate_hz: u32,
    lossless: bool,
) -> Result<(Recorder, Tap), OutputError> {
    let (mut producer, mut consumer) = RingBuffer::new(RING_S * rate_hz as usize * CHANNELS);
    touch(&mut producer, &mut consumer);
    let shared = Arc::new(Shared::default());
    let file = WavFile {
        writer: Some(writer),
        path: path.into(),
        ring: consumer,
        shared: shared.clone(),
        header_at: Instant::now(),
    };
    let spawned = thread::Builder::new().name("chronus-wav".into()).spawn(move || file.run());
    let thread = spawned.map_err(|source| OutputError::Thread { what: "recording", source })?;
    let tap =
        Tap { ring: producer, shared: shared.clone(), writer: thread.thread().clone(), lossless };
    Ok((Recorder { path: path.into(), shared, thread: Some(thread) }, tap))
}

/// Writes once over the whole ring, so that the audio thread never meets a page that is not there yet.
fn touch(producer: &mut Producer<f32>, consumer: &mut Consumer<f32>) {
    let capacity = producer.buffer().capacity();
    if let Ok(chunk) = producer.write_chunk(capacity) {
        chunk.commit_all();
    }
    if let Ok(chunk) = consumer.read_chunk(capacity) {
        chunk.commit_all();
    }
}

/// The writer thread's end.
struct WavFile<W: Write + Seek> {
    /// Gone after the first error.
    writer: Option<WavWriter<W>>,
    path: PathBuf,
    ring: Consumer<f32>,
    shared: Arc<Shared>,
    header_at: Instant,
}

impl<W: Write + Seek> WavFile<W> {
    fn run(mut self) {
        loop {
            let finish = self.shared.finish.load(Acquire);
            let drained = self.drain();
            self.note(drained);
            if finish {
                break;
            }
            if self.header_at.elapsed() >= HEADER_EVERY {
                self.header_at = Instant::now();
                let flushed = self.writer.as_mut().map_or(Ok(()), WavWriter::flush);
                self.note(flushed);
            }
            thread::park_timeout(POLL);
        }
        let finished = self.writer.take().map_or(Ok(()), WavWriter::finalize);
        self.note(finished);
    }

    /// Empties the ring into the file, or away if there is no file any more.
    fn drain(&mut self) -> hound::Result<()> {
        let samples = self.ring.slots();
        let Ok(chunk) = self.ring.read_chunk(samples) else { return Ok(()) };
        let frames = (samples / CHANNELS) as u64;
        let (first, second) = chunk.as_slices();
        let written = self.shared.frames_written.load(Relaxed);
        let outcome = match &mut self.writer {
            None => Err(None),
            Some(_) if written + frames > MAX_FRAMES => Err(Some(too_long())),
            Some(writer) => {
                first.iter().chain(second).try_for_each(|&s| writer.write_sample(s)).map_err(Some)
            }
        };
        chunk.commit_all();
        let count =
            if outcome.is_ok() { &self.shared.frames_written } else { &self.shared.frames_lost };
        count.fetch_add(frames, Relaxed);
        outcome.or_else(|error| error.map_or(Ok(()), Err))
    }

    /// Gives the file up after an error, and says so once.
    fn note(&mut self, outcome: hound::Result<()>) {
        let Err(error) = outcome else { return };
        self.writer = None;
        let path = self.path.display();
        let sentence = format!("cannot write on to {path}: {error}; the sound goes on unrecorded");
        tracing::error!("{sentence}");
        let _ = self.shared.error.set(sentence);
    }
}

fn too_long() -> hound::Error {
    std::io::Error::other("a WAV file holds at most 4 GiB").into()
}
