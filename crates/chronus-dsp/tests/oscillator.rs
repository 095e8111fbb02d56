//! The sine is in tune and pure: its frequency is within 0.01 cent over 10 s, and all that is not
//! the tone lies below -120 dB.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/spectrum.rs"]
mod spectrum;

use chronus_dsp::math::sine_of_phase;
use common::{Bench, Event, RATES_HZ, param};
use core::f64::consts::TAU;
use spectrum::tone;

#[test]
fn the_frequency_is_within_a_hundredth_of_a_cent_over_ten_seconds() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for freq_hz in [20.0_f32, 55.0, 440.0, 1234.567, 9999.9] {
            let frames = 10 * rate_hz as usize;
            let samples =
                Bench::with("sine", rate_hz, &[("freq", freq_hz)]).listen(frames, |_| 0.0);
            let window = rate_hz as usize / 2;
            let freq_hz = f64::from(freq_hz);
            let (_, early) = tone(&samples[..window], 0, freq_hz, rate_hz);
            let late_start = frames - window;
            let (_, late) = tone(&samples[late_start..frames], late_start, freq_hz, rate_hz);
            // How far the tone ran away from the exact one, as a fraction of its turns between.
            let slip = (late - early + 0.5).rem_euclid(1.0) - 0.5;
            let turns = freq_hz * late_start as f64 / f64::from(rate_hz);
            let cents = 1200.0 * (1.0 + slip / turns).log2();
            worst = if cents.abs() > worst.abs() { cents } else { worst };
            assert!(cents.abs() < 0.01, "{freq_hz} Hz at {rate_hz} Hz is off by {cents} cent");
        }
    }
    println!("frequency over 10 s: at most {worst:.6} cent off");
}

/// The share of each bin 1.. in a signal that repeats after its length, as amplitudes.
fn bins(samples: &[f32], count: usize) -> Vec<f64> {
    let length = samples.len();
    let amplitude = |bin: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, &sample) in samples.iter().enumerate() {
            let angle = TAU * ((bin * i) % length) as f64 / length as f64;
            re += f64::from(sample) * angle.cos();
            im -= f64::from(sample) * angle.sin();
        }
        2.0 * f64::hypot(re, im) / length as f64
    };
    (1..=count).map(amplitude).collect()
}

#[test]
fn all_but_the_tone_is_below_120_db() {
    // A whole number of turns in 2048 frames: the spectrum needs no window and shows no leakage.
    const LENGTH: usize = 2048;
    let (mut worst_harmonic, mut worst_noise) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for rate_hz in RATES_HZ {
        for turns in [3, 41, 211, 601] {
            let freq_hz = turns as f32 * rate_hz as f32 / LENGTH as f32;
            let mut bench = Bench::with("sine", rate_hz, &[("freq", freq_hz), ("gain", 1.0)]);
            if !(20.0..=20_000.0).contains(&freq_hz) {
                continue;
            }
            let amplitudes = bins(&bench.listen(LENGTH, |_| 0.0), LENGTH / 2 - 1);
            let level = amplitudes[turns - 1];
            assert!((level - 1.0).abs() < 1e-6, "the tone itself has amplitude {level}");
            let power = |bin: usize| amplitudes[bin - 1].powi(2);
            let noise: f64 = (1..LENGTH / 2).filter(|&bin| bin != turns).map(power).sum();
            let harmonics: f64 = (2..LENGTH / 2 / turns).map(|n| power(n * turns)).sum();
            worst_harmonic = worst_harmonic.max(10.0 * harmonics.log10());
            worst_noise = worst_noise.max(10.0 * noise.log10());
        }
    }
    println!("harmonics {worst_harmonic:.1} dB; harmonics and noise {worst_noise:.1} dB");
    assert!(worst_noise < -120.0, "{worst_noise} dB");
}

#[test]
fn the_polynomial_is_the_sine() {
    let (mut worst, mut power, mut count) = (0.0_f64, 0.0, 0.0);
    for i in 0..4_000_000_u64 {
        let phase = (i * 1_073_741_827) as u32;
        let exact = (TAU * f64::from(phase) / 4_294_967_296.0).sin();
        let error = f64::from(sine_of_phase(phase)) - exact;
        worst = worst.max(error.abs());
        power += error * error;
        count += 1.0;
    }
    let noise_db = 10.0 * (power / count / 0.5).log10();
    println!("polynomial sine: at most {worst:.2e} off, all errors {noise_db:.1} dB");
    assert!(worst < 2.5e-7 && noise_db < -140.0);
    for (phase, exact) in [(0, 0.0), (1 << 30, 1.0), (1 << 31, 0.0), (3 << 30, -1.0)] {
        assert_eq!(sine_of_phase(phase), exact, "a quarter of a turn is exact");
    }
}

#[test]
fn a_high_frequency_does_not_fold_down() {
    let samples = Bench::with("sine", 22_050, &[("freq", 20_000.0)]).listen(1 << 14, |_| 0.0);
    let alias = tone(&samples, 0, 22_050.0 - 20_000.0, 22_050).0;
    let held = tone(&samples, 0, 0.49 * 22_050.0, 22_050).0;
    assert!(alias < 1e-4 && held > 0.49, "alias {alias}, held {held}");
}

#[test]
fn parameters_move_without_a_step() {
    let mut bench = Bench::with("sine", 48_000, &[("freq", 200.0), ("gain", 1.0)]);
    let spec = bench.module.spec();
    let (freq, gain) = (param(spec, "freq"), param(spec, "gain"));
    let events = [
        (4800, Event::Set(freq, 400.0)),
        (9617, Event::Set(gain, 0.0)),
        (9800, Event::Set(gain, 1.0)),
    ];
    let samples = &bench.play(19_200, |_| 0.0, &events, &[])[0];
    let steepest = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    // The slope of 400 Hz, and of the gain going over 10 ms.
    let allowed = (TAU * 400.0 / 48_000.0 + 1.0 / 480.0) as f32;
    println!("steepest step {steepest:.5}, the tone itself goes {allowed:.5}");
    assert!(steepest < allowed * 1.01);
    let silent = samples[9617 + 183 + 300..].iter().any(|sample| sample.abs() > 0.9);
    assert!(silent, "the gain came back");
}
