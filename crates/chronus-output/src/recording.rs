//! Writing what is played to a WAV file, beside the audio thread.
//!
//! A tap in the source copies every frame into a ring; a thread polls the ring and writes 32-bit float
//! stereo. In real time the tap never blocks and makes no system call: what does not fit is lost and
//! counted. Running free it waits, and nothing is lost. The file's header is brought up to date every
//! second, so that a killed program leaves a file that plays.

use std::{
    fs::File,
    io::{BufWriter, Seek, Write},
    os::unix::fs::FileExt,
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
    /// Frames handed to the file; after an error the last of them may not be in it.
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
        // Nothing more can be done if this fails too; the last good header stays.
        let _ = mend_header(&self.path);
        let path = self.path.display();
        let sentence = format!("cannot write on to {path}: {error}; the sound goes on unrecorded");
        tracing::error!("{sentence}");
        let _ = self.shared.error.set(sentence);
    }
}

/// Makes the header count the whole frames that did reach the disk: on a full disk there is no new room, but
/// what is there can still be overwritten. The offsets are those of the header that hound writes for floats.
fn mend_header(path: &Path) -> std::io::Result<()> {
    const HEADER_BYTES: u64 = 68;
    let file = File::options().write(true).open(path)?;
    let frames = file.metadata()?.len().saturating_sub(HEADER_BYTES) / (CHANNELS as u64 * 4);
    let data_bytes = frames.min(MAX_FRAMES) * (CHANNELS as u64 * 4);
    file.set_len(HEADER_BYTES + data_bytes)?;
    file.write_all_at(&(data_bytes as u32 + HEADER_BYTES as u32 - 8).to_le_bytes(), 4)?;
    file.write_all_at(&(data_bytes as u32).to_le_bytes(), HEADER_BYTES - 4)
}

fn too_long() -> hound::Error {
    std::io::Error::other("a WAV file holds at most 4 GiB").into()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, SeekFrom},
        sync::atomic::Ordering::SeqCst,
    };

    use super::*;
    use crate::{Options, paced::Paced};

    /// A disk that is full after so many bytes.
    struct SmallDisk {
        cursor: io::Cursor<Vec<u8>>,
        size_bytes: u64,
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.cursor.position() + bytes.len() as u64 > self.size_bytes {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.cursor.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for SmallDisk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.cursor.seek(to)
        }
    }

    fn small_disk(size_bytes: u64) -> WavWriter<SmallDisk> {
        let disk = SmallDisk { cursor: io::Cursor::default(), size_bytes };
        WavWriter::new(disk, wav_spec(48_000)).unwrap()
    }

    #[derive(Clone, Default)]
    struct Counted(Arc<AtomicU64>);

    impl Source for Counted {
        fn fill(&mut self, interleaved: &mut [f32]) {
            interleaved.fill(0.25);
            self.0.fetch_add((interleaved.len() / CHANNELS) as u64, SeqCst);
        }
    }

    #[test]
    fn a_full_disk_is_reported_at_once_and_the_sound_goes_on() {
        // Lossless or not: a recording that has failed must not hold up the audio thread.
        for free_run in [false, true] {
            let options = Options { free_run, ..Options::default() };
            let device = Box::new(Paced::new(&options, None));
            let path = Path::new("small-disk.wav");
            let writer = small_disk(68 + 8 * 1000);
            let mut device =
                Recorded::with_writer(device, String::new(), path, writer, free_run).unwrap();
            let source = Counted::default();
            device.start(Box::new(source.clone())).unwrap();
            while device.stats().recordings[0].error.is_none() {
                thread::yield_now();
            }
            let then = source.0.load(SeqCst);
            while source.0.load(SeqCst) <= then + 640 {
                thread::yield_now();
            }
            let report = device.stop().unwrap();
            assert_eq!(report.lost, None);
            let recording = &report.recordings[0];
            assert!(recording.frames_written <= 1000);
            assert_eq!(recording.frames_written + recording.frames_lost, report.frames);
            let error = recording.error.as_ref().unwrap();
            assert!(error.contains("small-disk.wav"), "{error}");
        }
    }

    #[test]
    fn a_file_cut_short_is_mended_to_its_last_whole_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.wav");
        let mut writer = open(&path, 48_000).unwrap();
        (0..200).for_each(|sample| writer.write_sample(sample as f32).unwrap());
        writer.finalize().unwrap();
        let full = std::fs::read(&path).unwrap();
        // As a full disk leaves it: the header of the beginning, and half a frame at the end.
        let mut cut = full[..68 + 99 * 8 + 4].to_vec();
        cut[4..8].fill(0);
        cut[64..68].fill(0);
        std::fs::write(&path, cut).unwrap();
        mend_header(&path).unwrap();
        let reader = hound::WavReader::open(&path).unwrap();
        assert_eq!(reader.duration(), 99);
        let samples = reader.into_samples::<f32>().map(Result::unwrap);
        assert!(samples.eq((0..198).map(|sample| sample as f32)));
        let lengths = std::fs::read(&path).unwrap();
        assert_eq!(lengths[4..8], (68_u32 - 8 + 99 * 8).to_le_bytes());
    }

    #[test]
    fn what_does_not_fit_into_the_ring_is_counted_and_does_not_block() {
        let (mut producer, consumer) = RingBuffer::new(8);
        producer.push_entire_slice(&[0.0; 4]).unwrap();
        let shared = Arc::new(Shared::default());
        let mut tap = Tap {
            ring: producer,
            shared: shared.clone(),
            writer: thread::current(),
            lossless: false,
        };
        tap.record(&[1.0; 10]);
        assert_eq!(shared.frames_lost.load(Relaxed), 3);
        assert_eq!(consumer.slots(), 8);
    }

    #[test]
    fn a_file_ends_before_its_length_overflows() {
        let (mut producer, consumer) = RingBuffer::new(8);
        producer.push_entire_slice(&[0.5; 8]).unwrap();
        let shared = Arc::new(Shared::default());
        shared.frames_written.store(MAX_FRAMES - 3, Relaxed);
        let mut file = WavFile {
            writer: Some(small_disk(1 << 20)),
            path: "long.wav".into(),
            ring: consumer,
            shared: shared.clone(),
            header_at: Instant::now(),
        };
        let drained = file.drain();
        file.note(drained);
        assert_eq!(shared.frames_lost.load(Relaxed), 4);
        assert!(shared.error.get().unwrap().contains("4 GiB"));
    }
}
