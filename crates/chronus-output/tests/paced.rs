//! Guarantee: without a sound card frames are pulled at the pace of one; running free none is lost; what a WAV
//! file holds is what was pulled, bit for bit.

mod support;

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread,
    time::{Duration, Instant},
};

use chronus_output::{Device, Options, OutputError, OutputSpec, Source, connect};
use support::{Ramp, assert_is_ramp, read_wav, wait_until};

fn open(spec: &str, options: &Options) -> Box<dyn Device> {
    connect(&spec.parse().unwrap(), options).unwrap()
}

#[test]
fn null_pulls_at_the_pace_of_a_sound_card() {
    let threads = Arc::new(AtomicU64::new(0));
    let hook = {
        let threads = threads.clone();
        Arc::new(move || {
            threads.fetch_add(1, SeqCst);
        })
    };
    let options =
        Options { rate_hz: Some(48_000), on_audio_thread: Some(hook), ..Options::default() };
    let mut device = open("null", &options);
    assert_eq!((device.rate_hz(), device.period_frames()), (48_000, Some(128)));
    assert!(!device.is_real() && device.self_paced());
    let ramp = Ramp::default();
    let began = Instant::now();
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    device.start(Box::new(Timed(ramp.clone(), times.clone()))).unwrap();
    // More than a tenth of a second, so that what was late is counted by then.
    wait_until("some frames are pulled", || ramp.frames.load(SeqCst) >= 40 * 128);
    let report = device.stop().unwrap();
    // Never faster than the clock, apart from the period that begins at once; slower only by counted slips.
    let by_the_clock = (began.elapsed().as_secs_f64() * 48_000.0) as u64 + 128;
    assert!(report.frames <= by_the_clock, "{} frames in {by_the_clock}", report.frames);
    // By the times at which it was asked, for the machine may have kept this thread from running.
    let times = times.lock().unwrap();
    let elapsed = times[37] - times[0];
    assert!(report.xruns > 0 || elapsed < Duration::from_millis(110), "{elapsed:?}, no xrun");
    assert_eq!(report.frames, report.periods * 128);
    assert_eq!(report.periods, ramp.consumed.load(SeqCst));
    assert_eq!(threads.load(SeqCst), 1, "the hook runs once per audio thread");
    assert_eq!(device.stop().unwrap(), report, "stopping twice is stopping once");
}

/// A source that notes when it was asked.
struct Timed(Ramp, Arc<Mutex<Vec<Instant>>>);

impl Source for Timed {
    fn fill(&mut self, interleaved: &mut [f32]) {
        self.1.lock().unwrap().push(Instant::now());
        self.0.fill(interleaved);
    }

    fn consumed(&mut self) {
        self.0.consumed();
    }
}

/// A source that stalls once, as a machine does.
struct Stalls(Ramp, Duration);

impl Source for Stalls {
    fn fill(&mut self, interleaved: &mut [f32]) {
        self.0.fill(interleaved);
        thread::sleep(std::mem::take(&mut self.1));
    }
}

#[test]
fn a_stall_is_one_xrun_and_no_burst() {
    let options = Options { period_frames: Some(480), ..Options::default() };
    let mut device = open("null", &options);
    let ramp = Ramp::default();
    let began = Instant::now();
    device.start(Box::new(Stalls(ramp.clone(), Duration::from_millis(300)))).unwrap();
    wait_until("the stall is over", || device.stats().periods >= 3);
    let report = device.stop().unwrap();
    let without_the_stall = began.elapsed().saturating_sub(Duration::from_millis(300));
    let by_the_clock = (without_the_stall.as_secs_f64() * 48_000.0) as u64 + 2 * 480;
    assert!(report.xruns >= 1);
    assert!(report.frames <= by_the_clock, "{} frames in {by_the_clock}", report.frames);
}

#[test]
fn a_wav_file_is_what_was_pulled() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("out.wav"), folder.path().join("copy.wav"));
    let options = Options { capture: Some(copy.clone()), ..Options::default() };
    let mut device = open(&format!("wav:{}", file.display()), &options);
    assert!(device.describe().contains("out.wav") && device.describe().contains("copy.wav"));
    let ramp = Ramp::default();
    device.start(Box::new(ramp.clone())).unwrap();
    wait_until("some frames are pulled", || ramp.frames.load(SeqCst) > 1_000);
    let report = device.stop().unwrap();
    let frames = read_wav(&file);
    assert_eq!(frames.len() as u64, report.frames);
    assert_is_ramp(&frames);
    assert_eq!(fs::read(&file).unwrap(), fs::read(&copy).unwrap());
    for recording in &report.recordings {
        assert_eq!((recording.frames_written, recording.frames_lost), (report.frames, 0));
        assert_eq!(recording.error, None);
    }
    assert_eq!(report.recordings.len(), 2);
}

#[test]
fn a_program_that_is_killed_leaves_a_file_that_plays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.wav");
    let mut device = open(&format!("wav:{}", file.display()), &Options::default());
    device.start(Box::new(Ramp::default())).unwrap();
    // What is on the disk while it runs is what a killed program would leave.
    let snapshot = folder.path().join("snapshot.wav");
    let mut frames = Vec::new();
    wait_until("the header is brought up to date", || {
        fs::copy(&file, &snapshot).unwrap();
        frames = read_wav(&snapshot);
        frames.len() > 10_000
    });
    assert_is_ramp(&frames);
    device.stop().unwrap();
}

/// A source with a ration of frames; after that it has the device wait until it gives up. It counts how often it was
/// asked to have the device wait, which only happens without a clock.
struct Ration(Ramp, u64, Arc<AtomicU64>);

impl Source for Ration {
    fn fill(&mut self, interleaved: &mut [f32]) {
        self.0.fill(interleaved);
    }

    fn wait(&mut self, frames: usize, give_up: &AtomicBool) {
        self.2.fetch_add(1, SeqCst);
        while self.0.frames.load(SeqCst) + frames as u64 > self.1 && !give_up.load(Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn running_free_loses_nothing() {
    // 30 s of sound: several times what the ring to the disk holds.
    const FRAMES: u64 = 64 * 22_500;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.wav");
    let options = Options { free_run: true, ..Options::default() };
    let mut device = open(&format!("wav:{}", file.display()), &options);
    let ramp = Ramp::default();
    let waits = Arc::<AtomicU64>::default();
    device.start(Box::new(Ration(ramp.clone(), FRAMES, waits.clone()))).unwrap();
    wait_until("the ration is eaten up", || ramp.frames.load(SeqCst) == FRAMES);
    let report = device.stop().unwrap();
    assert_eq!((report.frames, report.xruns), (FRAMES, 0));
    assert_eq!(waits.load(SeqCst), report.periods + 1, "it waits for the source, not for a clock");
    assert_eq!(report.recordings[0].frames_lost, 0);
    let frames = read_wav(&file);
    assert_eq!(frames.len() as u64, FRAMES);
    assert_is_ramp(&frames);
}

#[test]
fn a_file_that_cannot_be_written_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/out.wav");
    for path in [missing.as_path(), folder.path(), Path::new("/dev/full")] {
        for options in
            [Options::default(), Options { capture: Some(path.into()), ..Options::default() }]
        {
            let spec = match options.capture {
                None => OutputSpec::Wav(path.into()),
                Some(_) => OutputSpec::Null,
            };
            let error = connect(&spec, &options).err().unwrap();
            assert!(matches!(error, OutputError::Wav { .. }), "{error}");
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }
}

#[test]
fn options_out_of_range_are_refused_with_a_sentence() {
    let refused = |spec: &OutputSpec, options: &Options, word: &str| {
        let error = connect(spec, options).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    };
    let rate_hz = Options { rate_hz: Some(0), ..Options::default() };
    refused(&OutputSpec::Null, &rate_hz, "8000");
    let period_frames = Options { period_frames: Some(0), ..Options::default() };
    refused(&OutputSpec::Null, &period_frames, "16384");
    let free_run = Options { free_run: true, ..Options::default() };
    refused(&OutputSpec::Pulse, &free_run, "wav:FILE");
    let capture = Options { capture: Some("/tmp/same.wav".into()), ..Options::default() };
    refused(&OutputSpec::Wav("/tmp/same.wav".into()), &capture, "another file");
}

#[test]
fn auto_tells_that_it_is_silent_when_it_runs_free() {
    let device = open("auto", &Options { free_run: true, ..Options::default() });
    assert!(device.note().is_some_and(|note| note.starts_with("no sound")), "{:?}", device.note());
}

#[test]
fn a_device_plays_one_source_in_its_life() {
    let mut device = open("null", &Options::default());
    device.start(Box::new(Ramp::default())).unwrap();
    assert!(matches!(device.start(Box::new(Ramp::default())), Err(OutputError::AlreadyStarted)));
    device.stop().unwrap();
    assert!(matches!(device.start(Box::new(Ramp::default())), Err(OutputError::AlreadyStarted)));
    let mut never_started = open("null", &Options::default());
    assert_eq!(never_started.stop().unwrap().frames, 0);
}

#[test]
fn the_source_is_dropped_when_the_device_has_stopped() {
    let ramp = Ramp::default();
    let mut device = open("null", &Options { free_run: true, ..Options::default() });
    device.start(Box::new(ramp.clone())).unwrap();
    device.stop().unwrap();
    assert_eq!(Arc::strong_count(&ramp.frames), 1);
}
