//! The parts that join others do exactly the arithmetic that they promise.

mod common;

use common::Bench;

#[test]
fn a_vca_multiplies() {
    // The bench brings its signal to both inputs.
    let heard =
        Bench::with("vca", 48_000, &[("gain", 2.0)]).listen(64, |frame| frame as f32 / 64.0);
    for (frame, sample) in heard.iter().enumerate() {
        let input = frame as f32 / 64.0;
        assert_eq!(*sample, input * 2.0 * input);
    }
}

#[test]
fn a_mixer_adds_each_signal_at_its_level() {
    let levels = [("level_a", 0.5), ("level_b", 0.25), ("level_c", 0.0), ("level_d", 2.0)];
    let heard = Bench::with("mix", 48_000, &levels).listen(64, |_| 0.5);
    assert!(heard.iter().all(|sample| *sample == 0.5 * 2.75));
}
