//! Guarantee: when a server dies, halts or loses its sink, time goes on without it, and when it is back
//! it plays on with the frame that is due; not one frame of the source is left out or played twice,
//! neither in what is captured nor in what is heard.

mod support;

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Instant,
};

use chronus_output::{Device, News, Options, OutputSpec, connect};
use support::{
    Capture, JackServer, Process, PulseServer, Ramp, assert_is_ramp, next_news, ramp_number,
    read_wav, wait_until,
};

const RATE_HZ: u32 = 48_000;

/// A device that plays the ramp and is captured.
struct Bench {
    device: Box<dyn Device>,
    ramp: Ramp,
    folder: tempfile::TempDir,
    began: Instant,
}

impl Bench {
    fn start(spec: &OutputSpec, options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let capture = Some(folder.path().join("capture.wav"));
        let mut device = connect(spec, &Options { capture, ..options }).unwrap();
        let (ramp, began) = (Ramp::default(), Instant::now());
        device.start(Box::new(ramp.clone())).unwrap();
        let bench = Self { device, ramp, folder, began };
        bench.plays_on();
        bench
    }

    fn frames(&self) -> u64 {
        self.ramp.frames.load(SeqCst)
    }

    /// Frames are taken, whoever takes them.
    fn plays_on(&self) {
        let until = self.frames() + 9_600;
        wait_until("frames are taken", || self.frames() >= until);
    }

    fn lost(&mut self) -> String {
        let News::Lost(why) = next_news(&mut *self.device) else { panic!("it is not lost") };
        assert!(self.device.describe().starts_with("null"), "{}", self.device.describe());
        assert_eq!(self.device.stats().lost, None, "something takes frames");
        why.to_string()
    }

    fn back(&mut self) -> String {
        let News::Back(what) = next_news(&mut *self.device) else { panic!("it is not back") };
        assert!(self.device.describe().starts_with(&*what), "{}", self.device.describe());
        what.to_string()
    }

    /// Stops and checks that everything was taken once, in order, and never in a burst.
    fn end(mut self) {
        let report = self.device.stop().unwrap();
        assert_eq!((report.lost, self.device.news()), (None, None));
        assert_eq!(report.frames, self.frames());
        let captured = read_wav(&self.folder.path().join("capture.wav"));
        assert_eq!(captured.len() as u64, report.frames);
        assert_is_ramp(&captured);
        // A server may fill its buffers anew each time; what was missed meanwhile is never made up for.
        let by_the_clock = self.began.elapsed().as_secs_f64() * f64::from(RATE_HZ);
        assert!(report.frames as f64 <= by_the_clock + 9_600.0, "{} frames", report.frames);
    }
}

#[test]
fn a_jack_server_that_is_killed_is_lost_and_comes_back_with_another_period() {
    let Some(mut server) = JackServer::start("killed", RATE_HZ, 128) else { return };
    let kicks = Arc::new(AtomicU64::new(0));
    let on_news = {
        let kicks = kicks.clone();
        Arc::new(move || {
            kicks.fetch_add(1, SeqCst);
        })
    };
    let options = Options { on_news: Some(on_news), ..server.options() };
    let mut bench = Bench::start(&OutputSpec::Jack, options);
    assert!(!bench.device.self_paced());
    for period_frames in [1024, 64] {
        let before = kicks.load(SeqCst);
        server.process.kill();
        assert!(bench.lost().contains("JACK server has gone"));
        assert!(bench.device.self_paced() && kicks.load(SeqCst) > before);
        bench.plays_on();
        server.restart(RATE_HZ, period_frames);
        let back = bench.back();
        assert!(back.contains(&format!("{period_frames} frames per period")), "{back}");
        assert!(!bench.device.self_paced());
        bench.plays_on();
    }
    bench.end();
}

#[test]
fn a_jack_server_that_comes_back_with_another_rate_is_refused_until_it_has_the_first() {
    let Some(mut server) = JackServer::start("other", RATE_HZ, 128) else { return };
    let mut bench = Bench::start(&OutputSpec::Jack, server.options());
    server.process.end();
    bench.lost();
    server.restart(44_100, 128);
    let News::Refused(why) = next_news(&mut *bench.device) else { panic!("it is not refused") };
    assert!(why.contains("44100 Hz, not at 48000 Hz"), "{why}");
    bench.plays_on();
    assert_eq!(bench.device.news(), None, "it is said once");
    server.process.end();
    server.restart(RATE_HZ, 128);
    bench.back();
    bench.plays_on();
    bench.end();
}

#[test]
fn what_a_jack_server_plays_when_it_is_back_is_what_is_due() {
    let Some(mut server) = JackServer::start("due", RATE_HZ, 128) else { return };
    let mut bench = Bench::start(&OutputSpec::Jack, server.options());
    server.process.kill();
    bench.lost();
    bench.plays_on();
    server.restart(RATE_HZ, 128);
    let away_until = bench.frames();
    bench.back();
    let heard = bench.folder.path().join("heard.wav");
    let mut command = server.client("jack_rec");
    command.arg("-f").arg(&heard).args(["-d", "1", "-b", "32", "chronus:left", "chronus:right"]);
    if let Some(mut recorder) = Process::start(command.stdout(Stdio::null())) {
        wait_until("jack_rec has recorded", || matches!(recorder.0.try_wait(), Ok(Some(_))));
        let mut reader = hound::WavReader::open(&heard).unwrap();
        let samples: Vec<f32> =
            reader.samples::<i32>().map(|s| s.unwrap() as f32 / 2_147_483_648.0).collect();
        let numbers = assert_due(samples.as_chunks().0, away_until);
        assert!(numbers.iter().copied().eq((numbers[0]..).take(numbers.len())), "unbroken");
    }
    bench.end();
}

/// What was heard of the ramp: nothing that was due before `after`, and nothing twice.
fn assert_due(frames: &[[f32; 2]], after: u64) -> Vec<u64> {
    // The recorder connects the one ear before the other.
    let both = frames.iter().skip_while(|frame| frame.contains(&0.0));
    let numbers: Vec<u64> =
        both.map(|&frame| ramp_number(frame)).filter(|&number| number != 0).collect();
    assert!(numbers.len() > 12_000 && numbers[0] > after, "{} after {after}", numbers.len());
    assert!(numbers.is_sorted_by(|a, b| a < b), "something is played twice");
    numbers
}

#[test]
fn a_pulseaudio_server_that_is_killed_is_lost_and_plays_what_is_due_when_it_is_back() {
    let Some(mut server) = PulseServer::start(RATE_HZ) else { return };
    let mut bench = Bench::start(&OutputSpec::Pulse, server.options());
    for _ in 0..2 {
        server.process.kill();
        let why = bench.lost();
        assert!(why.contains("PulseAudio"), "{why}");
        bench.plays_on();
        let away_until = bench.frames();
        server.restart(RATE_HZ);
        bench.back();
        let Some(capture) = Capture::start(&server) else { return bench.end() };
        wait_until("it is heard", || {
            capture.frames().iter().filter(|frame| ramp_number(**frame) != 0).count() > 15_000
        });
        let numbers = assert_due(&capture.frames(), away_until);
        // A monitor may skip a little when a recorder comes while it plays.
        let span = numbers[numbers.len() - 1] - numbers[0];
        assert!(numbers.len() as u64 > span * 9 / 10, "{} of {span} frames", numbers.len());
    }
    bench.end();
}

#[test]
fn a_sink_that_is_taken_away_is_lost_and_comes_back() {
    let Some(server) = PulseServer::start(RATE_HZ) else { return };
    let mut bench = Bench::start(&OutputSpec::Pulse, server.options());
    let pactl = |arguments: &[&str]| {
        let done = server.client("pactl").args(arguments).stdout(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    };
    if !pactl(&["unload-module", "module-null-sink"]) {
        return eprintln!("skipped: pactl is not installed");
    }
    let why = bench.lost();
    assert!(why.contains("removed the stream"), "{why}");
    bench.plays_on();
    let rate = format!("rate={RATE_HZ}");
    assert!(pactl(&["load-module", "module-null-sink", "sink_name=n", &rate, "channels=2"]));
    bench.back();
    bench.plays_on();
    bench.end();
}

#[test]
fn a_server_that_halts_is_lost_and_goes_on_by_itself() {
    let Some(server) = PulseServer::start(RATE_HZ) else { return };
    let mut bench = Bench::start(&OutputSpec::Pulse, server.options());
    server.process.halt(true);
    assert!(bench.lost().contains("asks for no frames"));
    bench.plays_on();
    server.process.halt(false);
    bench.back();
    bench.plays_on();
    bench.end();
}

#[test]
fn a_device_that_is_away_can_be_stopped_and_lets_its_source_go() {
    let Some(mut server) = PulseServer::start(RATE_HZ) else { return };
    let mut bench = Bench::start(&OutputSpec::Pulse, server.options());
    server.process.kill();
    bench.lost();
    let held = bench.ramp.frames.clone();
    bench.end();
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_server_that_comes_after_the_start_plays_what_is_due() {
    let Some(mut server) = PulseServer::start(RATE_HZ) else { return };
    server.process.kill();
    let mut bench = Bench::start(&OutputSpec::Pulse, server.options());
    assert!(matches!(bench.device.news(), Some(News::Awaited(_))));
    assert!(bench.device.is_real() && bench.device.describe().contains("until it is there"));
    for _ in 0..2 {
        let away_until = bench.frames();
        server.restart(RATE_HZ);
        bench.back();
        if let Some(capture) = Capture::start(&server) {
            wait_until("it is heard", || {
                capture.frames().iter().filter(|frame| ramp_number(**frame) != 0).count() > 15_000
            });
            assert_due(&capture.frames(), away_until);
        }
        server.process.kill();
        bench.lost();
    }
    bench.end();
}

#[test]
fn auto_goes_on_looking_and_stays_with_the_server_that_it_has_found() {
    let Some(mut pulse) = PulseServer::start(RATE_HZ) else { return };
    pulse.process.kill();
    let Some(mut jack) = JackServer::start("auto", RATE_HZ, 128) else { return };
    let options = Options { pulse_socket: Some(pulse.socket()), ..jack.options() };
    jack.process.end();
    let mut bench = Bench::start(&OutputSpec::Auto, options);
    let Some(News::Awaited(why)) = bench.device.news() else { panic!("it is not waited for") };
    assert!(why.contains("no sound server answers"), "{why}");
    assert!(bench.device.describe().contains("a sound server"), "{}", bench.device.describe());
    jack.restart(44_100, 128);
    let News::Refused(why) = next_news(&mut *bench.device) else { panic!("it is not refused") };
    assert!(why.contains("44100 Hz, not at 48000 Hz"), "{why}");
    bench.plays_on();
    pulse.restart(RATE_HZ);
    assert!(bench.back().contains("PulseAudio"));
    pulse.process.kill();
    bench.lost();
    // JACK, at the right rate by now, is not what was lost.
    jack.process.end();
    jack.restart(RATE_HZ, 128);
    bench.plays_on();
    pulse.restart(RATE_HZ);
    assert!(bench.back().contains("PulseAudio"));
    bench.plays_on();
    bench.end();
}
