//! Guarantee: without a JACK server, or without its library, frames are taken all the same, and what is told says what to
//! do. Apart from the other tests of JACK, since libjack knows one server per process.

mod support;

use std::sync::atomic::Ordering::SeqCst;

use chronus_output::{News, Options, OutputSpec, connect};
use support::{Ramp, wait_until};

#[test]
fn a_server_that_is_not_there_is_waited_for_and_it_is_said_what_to_do() {
    let options = Options { jack_server: Some("chronus-no-such".into()), ..Options::default() };
    let mut device = connect(&OutputSpec::Jack, &options).unwrap();
    let Some(News::Awaited(why)) = device.news() else { panic!("it is not waited for") };
    assert!(why.contains("pw-jack"), "{why}");
    assert_eq!((device.rate_hz(), device.news()), (48_000, None), "it is told once");
    assert!(device.is_real() && device.self_paced());
    assert!(device.describe().starts_with("null: no sound until it is there"));
    let ramp = Ramp::default();
    device.start(Box::new(ramp.clone())).unwrap();
    wait_until("frames are taken", || ramp.frames.load(SeqCst) > 4800);
    let report = device.stop().unwrap();
    assert_eq!((report.lost, report.frames), (None, ramp.frames.load(SeqCst)));
}
