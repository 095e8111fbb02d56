//! Control modules do exactly the arithmetic that they promise, keep their times, and stay the same
//! however a block is divided while the beat goes on.

mod common;
#[path = "common/rig.rs"]
mod rig;

use common::{Bench, Chance, bits};
use rig::{Rig, triggers};

#[test]
fn a_block_in_pieces_is_the_block_while_the_transport_plays() {
    let noise = |frame: usize| Chance::noise(frame / 37);
    let other = |frame: usize| Chance::noise(frame / 53 + 1000);
    let pieces: Vec<usize> = (0..97).map(|n| 1 + Chance(n).below(40)).collect();
    for source in [0.0, 1.0] {
        for mut rig in [
            Rig::new("lfo", &[("sync", source), ("shape", 6.0)]).input("reset", &noise),
            Rig::new("clock", &[("source", source), ("swing", 60.0)]).input("reset", &noise),
            Rig::new("divider", &[]).input("clock", &noise).input("reset", &other),
            Rig::new("random", &[]).input("trigger", &noise).input("reset", &other),
            Rig::new("quantizer", &[]).input("in", &noise).input("trigger", &other),
            Rig::new("sample_hold", &[]).input("in", &noise).input("trigger", &other),
            Rig::new("slew", &[("curve", source)]).input("in", &noise),
        ] {
            rig.plays = Some((173.0, 17.3));
            let whole = bits(&rig.play(20_000));
            rig.pieces.clone_from(&pieces);
            assert_eq!(bits(&rig.play(20_000)), whole, "{}", rig.kind);
            rig.pieces = vec![1];
            assert_eq!(bits(&rig.play(20_000)), whole, "{}", rig.kind);
        }
    }
}

#[test]
fn a_constant_is_its_value_and_an_offset_fits() {
    let heard = Rig::new("constant", &[("value", -3.5)]).play(64);
    assert!(heard[0].iter().all(|sample| *sample == -3.5));
    let ramp = |frame: usize| frame as f32 / 64.0;
    let heard = Rig::new("offset", &[("scale", -2.0), ("offset", 0.5)]).input("in", &ramp).play(64);
    for (frame, sample) in heard[0].iter().enumerate() {
        assert_eq!(*sample, ramp(frame) * -2.0 + 0.5);
    }
}

#[test]
fn transposing_by_semitones_gives_the_pitch_of_a_key() {
    for semitones in -60..=60_i32 {
        let (octaves, rest) = (semitones / 12, semitones % 12);
        let params = [("octaves", octaves as f32), ("semitones", rest as f32)];
        let heard = Rig::new("transpose", &params).play(64);
        // As `voices` gives it for a key.
        assert_eq!(heard[0][63], semitones as f32 / 12.0);
    }
    let params = [("octaves", 1.4), ("semitones", -0.6), ("cents", 50.0)];
    let heard = Rig::new("transpose", &params).input("in", &|_| 0.25).play(64);
    assert!((heard[0][0] - (0.25 + 1.0 - 0.5 / 12.0)).abs() < 1e-6, "{}", heard[0][0]);
}

#[test]
fn maths_reckons_and_takes_1_for_a_factor_that_is_missing() {
    let params = [("level_a", 0.5), ("level_b", -1.0)];
    let rig = Rig::new("maths", &params).input("a", &|_| -0.5);
    let at = |rig: &Rig<'_>| rig.play(64).iter().map(|output| output[10]).collect::<Vec<_>>();
    // sum, difference, product, min, max, abs
    assert_eq!(at(&rig), [-0.25, -0.25, -0.25, -0.25, 0.0, 0.25]);
    assert_eq!(at(&rig.input("b", &|_| 0.75)), [-1.0, 0.5, 0.1875, -0.75, -0.25, 0.25]);
}

#[test]
fn logic_has_the_truth_tables() {
    // Frames 0 to 3: neither, a, b, both.
    let a = |frame: usize| if frame & 1 == 1 { 0.6 } else { 0.4 };
    let b = |frame: usize| if frame & 2 == 2 { 0.6 } else { 0.4 };
    let rig = Rig::new("logic", &[]).input("a", &a).input("b", &b);
    let tables: Vec<Vec<f32>> =
        rig.play(64).into_iter().map(|output| output[..4].to_vec()).collect();
    assert_eq!(
        tables,
        [
            [0.0, 0.0, 0.0, 1.0],
            [0.0, 1.0, 1.0, 1.0],
            [0.0, 1.0, 1.0, 0.0],
            [1.0, 1.0, 1.0, 0.0],
            [1.0, 0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0, 1.0],
            [1.0, 0.0, 1.0, 0.0],
        ]
    );
    let rig = Rig { params: vec![("threshold", 0.3)], ..rig };
    assert_eq!(rig.play(64)[0][..4], [1.0; 4], "all are above a lower threshold");
}

#[test]
fn sample_and_hold_takes_the_instant_and_track_and_hold_follows() {
    let ramp = |frame: usize| frame as f32;
    let at = triggers(&[20, 40]);
    let rig = Rig::new("sample_hold", &[]).input("in", &ramp).input("trigger", &at);
    let held = rig.play(64).remove(0);
    let expected = |frame: usize| match frame {
        0..20 => 0.0,
        20..40 => 20.0,
        _ => 40.0,
    };
    assert!((0..64).all(|frame| held[frame] == expected(frame)), "{held:?}");
    let tracked = Rig { params: vec![("mode", 1.0)], ..rig }.play(64).remove(0);
    let expected = |frame: usize| match frame {
        0..20 => 0,
        20..30 | 40..50 => frame,
        30..40 => 29,
        _ => 49,
    };
    assert!((0..64).all(|frame| tracked[frame] == expected(frame) as f32), "{tracked:?}");
}

/// A step from 0 to `height`, and back after a second.
fn slewed(rate_hz: u32, height: f32, params: &[(&'static str, f32)]) -> Vec<f32> {
    let back = rate_hz as usize;
    let step = |frame: usize| if frame < back { height } else { 0.0 };
    let mut rig = Rig::new("slew", params).input("in", &step);
    rig.rate_hz = rate_hz;
    rig.play(2 * back).remove(0)
}

#[test]
fn a_linear_slew_takes_its_time_for_a_way_of_1() {
    for rate_hz in common::RATES_HZ {
        for (height, rise_ms, fall_ms) in [(1.0, 100.0, 50.0), (0.5, 3.0, 400.0), (2.0, 0.7, 0.0)] {
            let params = [("rise", rise_ms), ("fall", fall_ms)];
            let heard = slewed(rate_hz, height, &params);
            let frames = |ms: f32| f64::from(ms * height) * f64::from(rate_hz) / 1000.0;
            let risen = heard.iter().position(|level| *level == height).expect("it arrives") + 1;
            let back = rate_hz as usize;
            let fallen =
                heard[back..].iter().position(|level| *level == 0.0).expect("it arrives") + 1;
            println!(
                "{rate_hz} Hz: up {rise_ms} ms in {risen}, down {fall_ms} ms in {fallen} frames"
            );
            assert!((risen as f64 - frames(rise_ms)).abs() <= 1.0, "{} {risen}", frames(rise_ms));
            let late = fallen as f64 - frames(fall_ms);
            assert!(late.abs() <= 1.0, "{} {fallen}", frames(fall_ms));
            let middle = f64::from(heard[risen / 2] / height);
            let straight = (risen / 2 + 1) as f64 / frames(rise_ms);
            assert!((middle - straight).abs() < 1e-6, "a straight line: {middle}");
        }
    }
}

#[test]
fn an_exponential_slew_makes_99_percent_of_any_way_in_its_time() {
    for rate_hz in common::RATES_HZ {
        for (height, rise_ms, fall_ms) in [(1.0, 100.0, 50.0), (-3.0, 400.0, 2.0)] {
            let params = [("rise", rise_ms), ("fall", fall_ms), ("curve", 1.0)];
            let heard = slewed(rate_hz, height, &params);
            let (there_ms, back_ms) =
                if height > 0.0 { (rise_ms, fall_ms) } else { (fall_ms, rise_ms) };
            let frame = |ms: f32| (ms * rate_hz as f32 / 1000.0).round() as usize - 1;
            let there = heard[frame(there_ms)] / height;
            let back = heard[rate_hz as usize + frame(back_ms)] / height;
            println!("{rate_hz} Hz: {there:.5} after {there_ms} ms, {back:.5} after {back_ms} ms");
            assert!((there - 0.99).abs() < 2e-4 && (back - 0.01).abs() < 2e-4, "{there} {back}");
            let half = heard[frame(there_ms / 2.0)] / height;
            assert!((half - 0.9).abs() < 0.005, "90 % in half the time: {half}");
        }
    }
}

#[test]
fn a_slow_slew_arrives_and_rests() {
    let step = |frame: usize| if frame < 1000 { 1.0 } else { 0.0 };
    let params = [("rise", 20_000.0), ("fall", 60.0), ("curve", 1.0)];
    let heard = Rig::new("slew", &params).input("in", &step).play(200_000).remove(0);
    assert!(heard.iter().all(|level| *level == 0.0 || level.is_normal()), "no denormals");
    assert_eq!(heard[199_999], 0.0);
    // Twenty seconds at a high rate: the share of a frame is below the last digit of an `f32`.
    let mut bench = Bench::with("slew", 192_000, &[("rise", 20_000.0), ("curve", 1.0)]);
    let arrived = *bench.listen(192_000 * 20, |_| 1.0).last().expect("frames");
    println!("after 20 s at 192 kHz: {arrived}");
    assert!((arrived - 0.99).abs() < 1e-5, "{arrived}");
}
