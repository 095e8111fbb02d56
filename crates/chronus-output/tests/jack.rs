//! Guarantee: what the source gives is what a JACK server plays, frame by frame and in order, connected to the
//! sound card without asking.

mod support;

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use chronus_output::{CHANNELS, News, Options, OutputSpec, Source, connect};
use support::{
    JackServer, Process, Ramp, assert_is_ramp, next_news, ramp_number, read_wav, wait_until,
};

#[test]
fn a_server_plays_the_frames_of_the_source_in_order() {
    let Some(server) = JackServer::start("order", 48_000, 128) else { return };
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("capture.wav");
    let options = Options { capture: Some(capture.clone()), ..server.options() };
    let mut device = connect(&OutputSpec::Jack, &options).unwrap();
    assert_eq!((device.rate_hz(), device.period_frames()), (48_000, Some(128)));
    let ramp = Ramp::default();
    device.start(Box::new(ramp.clone())).unwrap();
    assert_eq!(device.note(), None, "both playback ports of the dummy driver are connected");

    let heard = folder.path().join("heard.wav");
    record(&server, &heard);
    let report = device.stop().unwrap();
    assert_eq!(report.lost, None);
    assert_eq!(report.frames, ramp.frames.load(SeqCst));
    assert_eq!(report.frames, report.periods * 128);
    assert_eq!(ramp.consumed.load(SeqCst), 0, "the callback of libjack must not make system calls");

    let captured = read_wav(&capture);
    assert_eq!(captured.len() as u64, report.frames);
    assert_is_ramp(&captured);
    assert_in_order(&heard);
}

/// Has JACK's own recorder listen to our ports for a second.
fn record(server: &JackServer, file: &std::path::Path) {
    let mut command = server.client("jack_rec");
    command.arg("-f").arg(file).args(["-d", "1", "-b", "32", "chronus:left", "chronus:right"]);
    if let Some(mut recorder) = Process::start(command.stdout(Stdio::null())) {
        wait_until("jack_rec has recorded", || matches!(recorder.0.try_wait(), Ok(Some(_))));
    }
}

/// Asserts that the recording, 32-bit integers, holds an unbroken piece of the ramp.
fn assert_in_order(file: &std::path::Path) {
    let Ok(mut reader) = hound::WavReader::open(file) else {
        return eprintln!("skipped in part: jack_rec is not installed or has recorded nothing");
    };
    let samples: Vec<f32> =
        reader.samples::<i32>().map(|sample| sample.unwrap() as f32 / 2_147_483_648.0).collect();
    let numbers = samples.as_chunks().0.iter().map(|&frame| ramp_number(frame));
    let numbers: Vec<u64> = numbers.filter(|&number| number != 0).collect();
    assert!(numbers.len() > 24_000, "{} frames heard", numbers.len());
    for (&number, expected) in numbers.iter().zip(numbers[0]..) {
        assert_eq!(number, expected);
    }
}

/// A source that has to be asked several times before it has more at once.
struct Hesitant {
    ramp: Ramp,
    ready: usize,
    asked: u32,
    unready: Arc<AtomicU64>,
}

impl Source for Hesitant {
    fn fill(&mut self, interleaved: &mut [f32]) {
        let is_unready = interleaved.len() / CHANNELS > self.ready;
        self.unready.fetch_add(u64::from(is_unready), SeqCst);
        self.ramp.fill(interleaved);
    }

    fn is_ready(&mut self, frames: usize) -> bool {
        self.asked += 1;
        if self.asked.is_multiple_of(5) {
            self.ready = self.ready.max(frames);
        }
        frames <= self.ready
    }
}

#[test]
fn a_server_that_makes_its_period_longer_is_held_up_until_as_much_is_ready() {
    let Some(server) = JackServer::start("longer", 48_000, 128) else { return };
    let mut device = connect(&OutputSpec::Jack, &server.options()).unwrap();
    let (ramp, unready) = (Ramp::default(), Arc::<AtomicU64>::default());
    let source = Hesitant { ramp: ramp.clone(), ready: 128, asked: 0, unready: unready.clone() };
    device.start(Box::new(source)).unwrap();
    for period_frames in ["256", "2048", "128", "1024"] {
        let mut command = server.client("jack_bufsize");
        let Some(mut tool) = Process::start(command.arg(period_frames).stdout(Stdio::null()))
        else {
            return;
        };
        assert!(tool.0.wait().unwrap().success());
        let until = ramp.frames.load(SeqCst) + 9600;
        wait_until("frames are taken", || ramp.frames.load(SeqCst) >= until);
    }
    device.stop().unwrap();
    assert_eq!(unready.load(SeqCst), 0, "it was asked for more than it had");
}

#[test]
fn another_rate_than_the_server_s_is_refused_with_a_reason_once_and_waited_for() {
    let Some(mut server) = JackServer::start("rate", 44_100, 256) else { return };
    let options = Options { rate_hz: Some(48_000), ..server.options() };
    let mut device = connect(&OutputSpec::Jack, &options).unwrap();
    let Some(News::Awaited(why)) = device.news() else { panic!("it is not waited for") };
    assert!(why.contains("44100 Hz, not at 48000 Hz"), "{why}");
    device.start(Box::new(Ramp::default())).unwrap();
    // It is tried at once, and again after a fifth of a second.
    let periods = device.stats().periods;
    wait_until("a second passes", || device.stats().periods > periods + 750);
    assert_eq!(device.news(), None, "it is said once");
    server.process.end();
    server.restart(48_000, 256);
    let News::Back(what) = next_news(&mut *device) else { panic!("it is not there") };
    assert!(what.contains("48000 Hz, 256 frames per period"), "{what}");
    assert_eq!(device.describe(), *what);
    device.stop().unwrap();
}
