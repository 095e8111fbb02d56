//! Tests of the recorder: recordings that come and go while the device runs, and disks that fail.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use super::*;
use crate::{
    CHANNELS, Options, RecordingState,
    paced::Paced,
    wav::{HEADER_BYTES, tests::SmallDisk},
};

#[path = "../tests/support/waiting.rs"]
mod waiting;

/// A source whose frame n of the performance is (n, -n); before it begins, it is silent.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU64>);

const SILENT: u64 = 128;

impl Source for Counted {
    fn fill(&mut self, interleaved: &mut [f32]) {
        let first = self.0.load(SeqCst);
        let (frames, _) = interleaved.as_chunks_mut::<CHANNELS>();
        for (frame, number) in frames.iter_mut().zip(first..) {
            let number = number.saturating_sub(SILENT) as f32;
            *frame = [number, -number];
        }
        self.0.store(first + frames.len() as u64, SeqCst);
    }

    fn position(&self) -> Option<u64> {
        Some(self.0.load(SeqCst).saturating_sub(SILENT))
    }
}

struct Bench {
    device: Recorded,
    recorder: Recorder,
    source: Counted,
    folder: tempfile::TempDir,
    told: Arc<Mutex<Vec<Moment>>>,
}

impl Bench {
    fn new(free_run: bool) -> Self {
        let options = Options { free_run, ..Options::default() };
        let device = Box::new(Paced::new(&options, None));
        let mut device = Recorded::new(device, free_run).open_deck().unwrap();
        let recorder = device.recorder().unwrap();
        assert!(device.recorder().is_none(), "there is one");
        let folder = tempfile::tempdir().unwrap();
        Self { device, recorder, source: Counted::default(), folder, told: Arc::default() }
    }

    fn start(&mut self) {
        self.device.start(Box::new(self.source.clone())).unwrap();
    }

    fn record(&mut self, name: &str, from_frame: u64) -> RecordingHandle {
        let told = self.told.clone();
        let tell = Box::new(move |moment, _: &Recording| {
            told.lock().unwrap_or_else(PoisonError::into_inner).push(moment);
        });
        let folder = self.folder.path().join("recordings");
        let name = Some(name.to_owned());
        let ask = Ask { folder, name, format: WavFormat::F32, from_frame, tell };
        self.recorder.record(ask).unwrap()
    }

    fn told(&self) -> Vec<Moment> {
        self.told.lock().unwrap().clone()
    }

    fn wait_for_frame(&self, frame: u64) {
        wait_for(|| self.source.0.load(SeqCst) >= frame + SILENT);
    }
}

#[track_caller]
fn wait_for(condition: impl FnMut() -> bool) {
    waiting::wait_until("what is wanted", condition);
}

/// Asserts that a file holds the frames from `first` on, each once; returns how many.
fn assert_holds(recording: &Recording, first: u64) -> u64 {
    let reader = hound::WavReader::open(&recording.path).unwrap();
    let samples: Vec<f32> = reader.into_samples().map(Result::unwrap).collect();
    for (frame, number) in samples.as_chunks::<CHANNELS>().0.iter().zip(first..) {
        assert_eq!(*frame, [number as f32, -(number as f32)]);
    }
    (samples.len() / CHANNELS) as u64
}

#[test]
fn a_recording_begins_and_ends_at_the_frames_that_were_asked_for() {
    let mut bench = Bench::new(false);
    let take = bench.record("first", 1_001);
    take.stop_at(2_047);
    bench.start();
    wait_for(|| take.is_done());
    let recording = take.recording();
    assert_eq!((recording.state, recording.start_frame), (RecordingState::Complete, Some(1_001)));
    assert_eq!((recording.frames_written, recording.frames_lost), (1_046, 0));
    assert_eq!(assert_holds(&recording, 1_001), 1_046);
    wait_for(|| bench.told() == [Moment::Begun, Moment::Complete]);
    // A beginning that has passed is now, and the next recording needs no other device.
    let take = bench.record("second", 0);
    wait_for(|| take.recording().frames_written > 2_000);
    let now = bench.source.0.load(SeqCst);
    take.stop_at(0);
    wait_for(|| take.is_done());
    let recording = take.recording();
    let start = recording.start_frame.unwrap();
    assert!(start >= 2_047);
    let frames = assert_holds(&recording, start);
    assert_eq!(frames, recording.frames_written);
    assert!(start + frames + SILENT >= now);
    bench.device.stop().unwrap();
}

#[test]
fn running_free_a_recording_loses_nothing() {
    let mut bench = Bench::new(true);
    bench.start();
    for round in 0..3 {
        let take = bench.record(&format!("take{round}"), 0);
        wait_for(|| take.recording().start_frame.is_some());
        // Several times what the ring holds.
        bench.wait_for_frame(take.recording().start_frame.unwrap() + 2_000_000);
        take.stop_at(0);
        wait_for(|| take.is_done());
        let recording = take.recording();
        assert_eq!((recording.frames_lost, recording.error.clone()), (0, None));
        let reader = hound::WavReader::open(&recording.path).unwrap();
        assert_eq!(u64::from(reader.duration()), recording.frames_written);
        let lefts = reader.into_samples::<f32>().step_by(CHANNELS);
        for (sample, number) in lefts.zip(recording.start_frame.unwrap()..) {
            assert_eq!(sample.unwrap(), number as f32);
        }
        assert!(recording.frames_written >= 2_000_000);
    }
    bench.device.stop().unwrap();
}

#[test]
fn the_end_of_the_device_completes_the_recording() {
    let mut bench = Bench::new(false);
    bench.start();
    let take = bench.record("cut", 0);
    wait_for(|| take.recording().start_frame.is_some());
    bench.wait_for_frame(4_000);
    bench.device.stop().unwrap();
    assert_eq!(take.recording().state, RecordingState::Complete);
    let start = take.recording().start_frame.unwrap();
    assert_eq!(start + assert_holds(&take.recording(), start), bench.source.position().unwrap());
    let (folder, format) = (bench.folder.path().into(), WavFormat::F32);
    let ask = Ask { folder, name: None, format, from_frame: 0, tell: Box::new(|_, _| {}) };
    assert!(bench.recorder.record(ask).unwrap_err().contains("has stopped"));
}

#[test]
fn a_recording_ends_although_the_device_stands_still() {
    let mut bench = Bench::new(false);
    let take = bench.record("nothing", 0);
    wait_for(|| bench.told() == [Moment::Begun]);
    assert_eq!(take.recording().state, RecordingState::Waiting);
    take.stop_at(1_000);
    assert_eq!(take.recording().state, RecordingState::Finishing);
    wait_for(|| take.is_done());
    assert_eq!(hound::WavReader::open(&take.recording().path).unwrap().duration(), 0);
}

#[test]
fn a_recording_that_cannot_begin_is_said_and_the_next_one_can() {
    let mut bench = Bench::new(true);
    bench.start();
    for name in ["../out", "/etc/out", "a/./b"] {
        let take = bench.record(name, 0);
        wait_for(|| take.is_done());
        assert_eq!(take.recording().state, RecordingState::Failed);
        assert!(take.recording().error.unwrap().contains("take1"));
    }
    wait_for(|| bench.told() == [Moment::Failed; 3]);
    let take = bench.record("good", 0);
    wait_for(|| take.recording().frames_written > 0);
    bench.device.stop().unwrap();
    assert_eq!(take.recording().state, RecordingState::Complete);
}

#[test]
fn a_file_that_is_deleted_meanwhile_is_missed() {
    let mut bench = Bench::new(false);
    bench.start();
    let take = bench.record("gone", 0);
    wait_for(|| take.recording().start_frame.is_some());
    std::fs::remove_dir_all(bench.folder.path().join("recordings")).unwrap();
    wait_for(|| take.is_done());
    assert!(take.recording().error.unwrap().contains("deleted"));
    bench.device.stop().unwrap();
}

#[test]
fn a_full_disk_is_reported_at_once_and_the_sound_goes_on() {
    // Lossless or not: a recording that has failed must not hold up the audio thread.
    for free_run in [false, true] {
        let options = Options { free_run, ..Options::default() };
        let mut device = Recorded::new(Box::new(Paced::new(&options, None)), free_run);
        let disk = SmallDisk::new(HEADER_BYTES + 8 * 1000 + 3);
        let writer = WavWriter::new(disk, 48_000, WavFormat::F32).unwrap();
        device.add_to(writer, Path::new("small-disk.wav")).unwrap();
        let source = Counted::default();
        device.start(Box::new(source.clone())).unwrap();
        wait_for(|| device.stats().recordings[0].error.is_some());
        let then = source.0.load(SeqCst);
        wait_for(|| source.0.load(SeqCst) > then + 640);
        let report = device.stop().unwrap();
        assert_eq!(report.lost, None);
        let recording = &report.recordings[0];
        assert_eq!((recording.frames_written, recording.state), (1000, RecordingState::Failed));
        assert!(recording.frames_lost > 0);
        let error = recording.error.as_ref().unwrap();
        assert!(error.contains("small-disk.wav"), "{error}");
    }
}

#[test]
fn what_does_not_fit_into_the_ring_is_counted_and_does_not_block() {
    let (producer, consumer) = RingBuffer::new(8);
    let shared = Arc::new(Shared::new(WavFormat::F32));
    let writer = thread::current();
    let tap = Tap { ring: producer, shared: shared.clone(), writer, from: None, lossless: false };
    let (mut taps, ends) = taps();
    assert!(taps.open(tap));
    let mut tapped = Tapped::new(Box::new(Counted::default()), ends);
    tapped.fill(&mut [0.0; 14]);
    assert_eq!(shared.recording().frames_lost, 3);
    assert_eq!(consumer.slots(), 8);
    shared.until.store(0, Release);
    tapped.fill(&mut [0.0; 14]);
    assert_eq!((taps.free_ended(), shared.recording().frames_lost), (1, 3));
}
