//! Guarantee: what the source gives is what a PulseAudio server plays, frame by frame and in order.

mod support;

use std::sync::atomic::Ordering::SeqCst;

use chronus_output::{News, Options, OutputSpec, connect};
use support::{Capture, PulseServer, Ramp, ramp_number, wait_until};

const RATE_HZ: u32 = 48_000;

#[test]
fn a_server_plays_the_frames_of_the_source_in_order() {
    let Some(server) = PulseServer::start(RATE_HZ) else { return };
    let Some(capture) = Capture::start(&server) else { return };
    let mut device = connect(&OutputSpec::Pulse, &server.options()).unwrap();
    assert_eq!(device.rate_hz(), RATE_HZ, "the rate is the sink's");
    let ramp = Ramp::default();
    device.start(Box::new(ramp.clone())).unwrap();
    wait_until("half a second is played", || ramp.frames.load(SeqCst) > 24_000);
    let report = device.stop().unwrap();
    assert_eq!(report.lost, None);
    assert_eq!(report.frames, ramp.frames.load(SeqCst));
    assert_eq!(report.periods, ramp.consumed.load(SeqCst));

    // The server plays out what it was given, then only silence comes.
    let heard = || -> Vec<u64> {
        let numbers = capture.frames().into_iter().map(ramp_number);
        numbers.filter(|&number| number != 0).collect()
    };
    wait_until("the last frame is captured", || heard().last() == Some(&report.frames));
    let heard = heard();
    assert_eq!(heard[0], 1);
    // A frame repeated or moved is ours, and so is one lost, unless the server has told of an xrun: frames that come
    // late it puts in the place of silence that a recorder has heard already.
    assert!(heard.is_sorted_by(|a, b| a < b), "each once and in order");
    let holes = heard.windows(2).filter(|pair| pair[1] != pair[0] + 1).count() as u64;
    assert!(holes <= report.xruns, "{holes} holes, {} xruns", report.xruns);
}

#[test]
fn another_rate_than_the_sink_s_can_be_had() {
    let Some(server) = PulseServer::start(RATE_HZ) else { return };
    let options = Options { rate_hz: Some(44_100), ..server.options() };
    let mut device = connect(&OutputSpec::Pulse, &options).unwrap();
    assert_eq!(device.rate_hz(), 44_100);
    let ramp = Ramp::default();
    device.start(Box::new(ramp.clone())).unwrap();
    wait_until("frames are pulled", || ramp.frames.load(SeqCst) > 4_410);
    assert_eq!(device.stop().unwrap().lost, None);
}

#[test]
fn a_server_that_is_not_there_is_waited_for_and_it_is_said_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        Options { pulse_socket: Some(folder.path().join("native")), ..Options::default() };
    let mut device = connect(&OutputSpec::Pulse, &options).unwrap();
    let Some(News::Awaited(why)) = device.news() else { panic!("it is not waited for") };
    assert!(why.contains("pulseaudio --start"), "{why}");
}
