//! The compressor follows its static curve and its times, the limiter lets nothing through that is louder
//! than the ceiling and leaves alone what is softer.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

#[path = "common/stereo.rs"]
mod stereo;

use stereo::{Effect, ends_in_silence, sine};

fn amplitude(db: f64) -> f64 {
    10.0_f64.powf(db / 20.0)
}

/// The static curve of Giannoulis, Massberg and Reiss.
fn curve_db(input: f64, threshold: f64, ratio: f64, knee: f64) -> f64 {
    let over = input - threshold;
    if 2.0 * over < -knee {
        input
    } else if 2.0 * over.abs() <= knee {
        input + (1.0 / ratio - 1.0) * (over + knee / 2.0).powi(2) / (2.0 * knee)
    } else {
        threshold + over / ratio
    }
}

fn peak_db(samples: &[f32]) -> f64 {
    20.0 * f64::from(samples.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()))).log10()
}

#[test]
fn the_static_curve_is_met() {
    let (mut worst, mut worst_meter) = (0.0_f64, 0.0_f64);
    for (threshold, ratio, knee) in [(-18.0, 4.0, 6.0), (-30.0, 20.0, 0.0), (-12.0, 2.0, 24.0)] {
        for step in 0..13 {
            let input_db = -48.0 + 4.0 * f64::from(step);
            let params = [
                ("threshold", threshold as f32),
                ("ratio", ratio as f32),
                ("knee", knee as f32),
                ("attack", 1.0),
                ("release", 1000.0),
            ];
            let mut compressor = Effect::new("compressor", 48_000, &params);
            let played = compressor.play(24_000, &[&sine(1000.0, amplitude(input_db))]);
            let exact_db = curve_db(input_db, threshold, ratio, knee);
            let off = peak_db(&played[0][20_000..]) - exact_db;
            let meter_db = 60.0 * f64::from(played[2][23_999]);
            worst = worst.max(off.abs());
            worst_meter = worst_meter.max((meter_db - (input_db - exact_db)).abs());
        }
    }
    println!("static curve: at most {worst:.4} dB off, its meter {worst_meter:.4} dB");
    assert!(worst < 0.1 && worst_meter < 0.1);
}

#[test]
fn attack_and_release_take_their_times() {
    for (attack_ms, release_ms) in [(1.0_f32, 50.0_f32), (10.0, 150.0), (100.0, 1000.0)] {
        let params = [
            ("threshold", -20.0),
            ("ratio", 2.0),
            ("knee", 0.0),
            ("attack", attack_ms),
            ("release", release_ms),
        ];
        let mut compressor = Effect::new("compressor", 48_000, &params);
        let on = &compressor.play(48_000, &[&|_| 1.0])[2];
        let full = on[47_999];
        let attacked = on.iter().position(|db| *db > full * 0.632).unwrap() as f32 / 48.0;
        let off = &compressor.play(48_000 * 8, &[&|_| 0.0])[2];
        let released = off.iter().position(|db| *db < full * 0.368).unwrap() as f32 / 48.0;
        println!("{attack_ms} ms: {attacked:.2} ms; {release_ms} ms: {released:.2} ms");
        assert!((60.0 * full - 10.0).abs() < 0.01, "10 dB: {}", 60.0 * full);
        assert!((attacked / attack_ms - 1.0).abs() < 0.05);
        // Turning up goes through both filters.
        assert!((released / (release_ms + attack_ms) - 1.0).abs() < 0.05);
        assert!(ends_in_silence(off) || off[off.len() - 1] < 1e-3);
    }
}

#[test]
fn the_louder_side_rules_both_and_another_sound_may() {
    let loud = |_| 1.0_f32;
    let soft = |_| 0.05_f32;
    let gains = |link: f32, inputs: &[stereo::Signal]| {
        let params =
            [("threshold", -20.0), ("ratio", 20.0), ("knee", 0.0), ("link", link), ("attack", 1.0)];
        let played = Effect::new("compressor", 48_000, &params).play(24_000, inputs);
        [played[0][23_999] / inputs[0](0), played[1][23_999] / inputs[1](0)]
    };
    let [left, right] = gains(1.0, &[&loud, &soft]);
    assert!(left == right && left < 0.15, "{left} {right}");
    let [left, right] = gains(0.0, &[&loud, &soft]);
    assert!(right == 1.0 && left < 0.15, "{left} {right}");
    let [left, right] = gains(1.0, &[&soft, &soft, &loud]);
    assert!(left == right && left < 0.15, "ducked: {left} {right}");
    let [left, _] = gains(1.0, &[&loud, &loud, &soft]);
    assert_eq!(left, 1.0, "only the sidechain counts");
}

/// A noise, the same each time.
fn noise(n: usize) -> f32 {
    let mixed = (n as u64 ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / 8_388_608.0 - 1.0
}

#[test]
fn nothing_is_louder_than_the_ceiling() {
    for rate_hz in [22_050, 48_000, 192_000] {
        for (ceiling_db, release_ms) in [(-0.3, 100.0), (-12.0, 1.0), (0.0, 2000.0)] {
            let params = [("ceiling", ceiling_db), ("release", release_ms)];
            let level = |n: usize| [0.5, 3.0, 1.0, 1000.0, 0.9, 50.0][n / 1931 % 6];
            let mut limiter = Effect::new("limiter", rate_hz, &params);
            let left = |n| noise(n) * level(n);
            let right = |n| 0.3 * noise(n + 7) * level(n + 500);
            let played = limiter.play(100_000, &[&left, &right]);
            let loudest = peak_db(&played[0]).max(peak_db(&played[1]));
            println!("{ceiling_db} dB, {release_ms} ms at {rate_hz} Hz: at most {loudest:.4} dB");
            assert!(loudest <= f64::from(ceiling_db) + 1e-4, "{loudest}");
            assert!(loudest > f64::from(ceiling_db) - 0.5, "it is not too careful: {loudest}");
        }
    }
}

#[test]
fn what_is_soft_enough_passes_bit_for_bit_late_by_the_look_ahead() {
    let late = 72;
    let mut limiter = Effect::new("limiter", 48_000, &[("ceiling", -1.0)]);
    let quiet = |n| 0.8 * noise(n);
    let left = &limiter.play(9600, &[&quiet])[0];
    assert!((late..9600).all(|n| left[n] == quiet(n - late)));
    limiter.play(9600, &[&|n| 20.0 * noise(n)]);
    limiter.play(192_000, &[&quiet]);
    let begin = 9600 * 2 + 192_000;
    let left = &limiter.play(9600, &[&quiet])[0];
    assert!((0..9600).all(|n| left[n] == quiet(begin + n - late)), "also after something loud");
}

#[test]
fn a_limited_tone_stays_clean_and_the_gain_turns_smoothly() {
    // A burst at the right turns down what is at the left, which shows the gain.
    let burst = |n: usize| if n >= 4800 { 4.0 * sine(1000.0, 1.0)(n + 12) } else { 0.0 };
    let mut limiter = Effect::new("limiter", 48_000, &[("ceiling", 0.0)]);
    let played = limiter.play(24_000, &[&|_| 0.1, &burst]);
    let gains: Vec<f32> = played[0][72..].iter().map(|sample| sample * 10.0).collect();
    let turned_at = gains.iter().position(|gain| *gain < 0.999).unwrap();
    let steepest = gains.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    let rough = stereo::roughness(&gains);
    println!("it turns from frame {turned_at}, at most {steepest:.4} per frame, bends {rough:.5}");
    assert!((4800 - 72..4800).contains(&turned_at) && (gains[4800] - 0.25).abs() < 1e-3);
    // Three quarters within 72 frames, along two parabolas.
    assert!(steepest < 1.1 * 2.0 * 0.75 / 72.0 && rough < 1.1 * 4.0 * 0.75 / (72.0 * 72.0));
    // After the attack, what is not the tone: release makes the gain sway with the period.
    let settled = &played[1][14_400..24_000];
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, &sample) in settled.iter().enumerate() {
        let angle = core::f64::consts::TAU * n as f64 / 48.0;
        re += f64::from(sample) * angle.cos();
        im += f64::from(sample) * angle.sin();
        all += f64::from(sample).powi(2);
    }
    let tone = 2.0 * (re * re + im * im) / settled.len() as f64;
    let rest_db = 10.0 * ((all - tone) / all).log10();
    println!("a limited tone of 1 kHz: distortion at {rest_db:.1} dB");
    assert!(rest_db < -50.0);
}
