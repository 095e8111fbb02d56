//! The tail of the reverb dies away in the time that it is told, is dense soon, smooth, and without a
//! ring; highs die away faster, and both sides are different rooms.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/spectrum.rs"]
mod spectrum;
#[path = "common/stereo.rs"]
mod stereo;

use common::Bench;
use spectrum::powers;
use stereo::{Effect, impulse, rms};

const CLEAR: [(&str, f32); 3] = [("damping", 20_000.0), ("low_cut", 10.0), ("mix", 1.0)];

fn answer(seconds: f64, params: &[(&str, f32)]) -> [Vec<f32>; 2] {
    let mut reverb = Effect::new("reverb", 48_000, &[&CLEAR, params].concat());
    reverb.play((seconds * 48_000.0) as usize, &[&impulse]).try_into().unwrap()
}

/// What is heard at both sides of an impulse at either.
fn answers(seconds: f64, params: &[(&str, f32)]) -> Vec<Vec<f32>> {
    let silence = |_| 0.0;
    let mut all = Vec::new();
    for inputs in [[&impulse as stereo::Signal, &silence], [&silence, &impulse]] {
        let mut reverb = Effect::new("reverb", 48_000, &[&CLEAR, params].concat());
        all.extend(reverb.play((seconds * 48_000.0) as usize, &inputs));
    }
    all
}

/// The time in which it would die away by 60 dB, from the slope between -5 and -35 dB of the energy
/// that is left (Manfred R. Schroeder, "New Method of Measuring Reverberation Time", 1965), all tails
/// together, as one measures a hall at several places.
fn decay_s(tails: &[Vec<f32>]) -> f64 {
    let mut left = vec![0.0; tails[0].len()];
    let mut sum = 0.0;
    for n in (0..left.len()).rev() {
        sum += tails.iter().map(|tail| f64::from(tail[n]).powi(2)).sum::<f64>();
        left[n] = sum;
    }
    let at = |db: f64| left.iter().position(|energy| *energy < left[0] * 10f64.powf(db / 10.0));
    2.0 * (at(-35.0).unwrap() - at(-5.0).unwrap()) as f64 / 48_000.0
}

/// What lies in the octave around a frequency.
fn octave(tails: &[Vec<f32>], freq_hz: f32) -> Vec<Vec<f32>> {
    tails.iter().map(|tail| band(tail.clone(), freq_hz)).collect()
}

fn band(mut samples: Vec<f32>, freq_hz: f32) -> Vec<f32> {
    for _ in 0..2 {
        let params = [("mode", 2.0), ("cutoff", freq_hz), ("q", 1.4)];
        let mut filter = Bench::with("biquad", 48_000, &params);
        samples = filter.listen(samples.len(), |n| samples.get(n).copied().unwrap_or(0.0));
    }
    samples
}

#[test]
fn it_dies_away_in_the_time_that_it_is_told() {
    let mut worst = 0.0_f64;
    for (size, decay) in [
        (0.0, 0.5_f32),
        (0.0, 2.0),
        (0.5, 0.5),
        (0.5, 1.0),
        (0.5, 2.0),
        (0.5, 4.0),
        (1.0, 0.5),
        (1.0, 2.0),
    ] {
        let tails = answers(f64::from(decay) + 0.3, &[("size", size), ("decay", decay)]);
        let measured = [250.0, 1000.0, 4000.0].map(|freq_hz| decay_s(&octave(&tails, freq_hz)));
        println!("size {size}, {decay} s: {measured:.3?} s at 250 Hz, 1 and 4 kHz");
        for measured in measured {
            worst = worst.max((measured / f64::from(decay) - 1.0).abs());
        }
    }
    println!("decay: at most {:.1} % off", 100.0 * worst);
    assert!(worst < 0.1, "{worst}");
}

#[test]
fn highs_die_away_faster_by_the_damping() {
    let tails = answers(2.2, &[("decay", 2.0), ("damping", 1000.0)]);
    let [deep, corner, high] = [100.0, 1000.0, 8000.0].map(|at| decay_s(&octave(&tails, at)));
    println!("damping at 1 kHz: 100 Hz {deep:.2} s, 1 kHz {corner:.2} s, 8 kHz {high:.2} s");
    assert!((1.8..2.1).contains(&deep), "as told: {deep}");
    // At the corner the rate of decay is half way, 2.5 times as fast; far above 4 times.
    assert!((0.7..0.95).contains(&corner), "{corner}");
    assert!((0.45..0.6).contains(&high), "{high}");
}

/// How many samples of a window lie outside its standard deviation, over as many as of noise (Jonathan
/// S. Abel and Patty Huang, "A Simple, Robust Measure of Reverberation Echo Density", 2006).
fn echo_density(window: &[f32]) -> f64 {
    let deviation = rms(window);
    let outside = window.iter().filter(|sample| f64::from(sample.abs()) > deviation).count();
    outside as f64 / window.len() as f64 / 0.3173
}

#[test]
fn echoes_are_dense_soon() {
    for (size, within_ms) in [(0.0, 60), (0.5, 80), (1.0, 180)] {
        let [left, _] = answer(1.0, &[("size", size), ("predelay", 0.0)]);
        let first = left.iter().position(|sample| sample.abs() > 1e-6).unwrap();
        // Windows of 20 ms, as in the paper.
        let density = |ms: usize| echo_density(&left[first + 48 * ms..first + 48 * (ms + 20)]);
        let dense = (0..500).find(|ms| density(*ms) > 0.9).unwrap();
        let mean = (200..700).step_by(10).map(density).sum::<f64>() / 50.0;
        println!(
            "size {size}: begins at {} ms, dense {dense} ms later, then {mean:.3}",
            first / 48
        );
        assert!(dense < within_ms, "{dense} ms");
        assert!((0.95..1.05).contains(&mean), "{mean}");
    }
}

/// How far points are off the straight line that fits them best, at most, and its slope.
fn off_the_line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
    let with: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = with / points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
    let off = |(x, y): &(f64, f64)| (y - mean_y - slope * (x - mean_x)).abs();
    (points.iter().map(off).fold(0.0, f64::max), slope)
}

#[test]
fn the_tail_is_smooth_and_does_not_ring() {
    for size in [0.0, 0.25, 0.5, 1.0] {
        let [left, _] = answer(2.5, &[("size", size), ("decay", 3.0)]);
        // Straight in time: the level of windows of 50 ms against the line that fits them best.
        let level = |ms: usize| 20.0 * rms(&left[48 * ms..48 * (ms + 50)]).log10();
        let levels: Vec<(f64, f64)> =
            (200..2000).step_by(50).map(|ms| (ms as f64 / 1000.0, level(ms))).collect();
        let (bump, slope) = off_the_line(&levels);
        // Even in frequency: the geometric mean of the powers over the arithmetic one is 0.561 for
        // noise, and less if some tones stand out.
        let late = &left[48_000..48_000 + 65_536];
        let windowed: Vec<f32> = late
            .iter()
            .enumerate()
            .map(|(n, sample)| {
                // Without its decay, under half a sine.
                let grow = 10f64.powf(3.0 * n as f64 / 144_000.0);
                let fade = (core::f64::consts::PI * n as f64 / 65_536.0).sin();
                (f64::from(*sample) * grow * fade) as f32
            })
            .collect();
        let bins = &powers(&windowed)[137..13_653]; // 100 Hz to 10 kHz
        // Over stretches of 150 Hz, within which damping does not matter.
        let (mut flatness, mut peak) = (0.0, 0.0_f64);
        let stretches = bins.chunks_exact(205);
        for stretch in stretches.clone() {
            let logs = stretch.iter().map(|power| power.ln()).sum::<f64>() / 205.0;
            let arithmetic = stretch.iter().sum::<f64>() / 205.0;
            flatness += logs.exp() / arithmetic / stretches.len() as f64;
            let highest = stretch.iter().copied().fold(0.0, f64::max);
            peak = peak.max(10.0 * (highest / arithmetic).log10());
        }
        println!(
            "size {size}: {slope:.1} dB/s within {bump:.2} dB, flatness {flatness:.3}, peak {peak:.1} dB"
        );
        // A small room has fewer modes; with the longest decays of small rooms they begin to be heard.
        let is_small = size < 0.5;
        assert!(bump < 1.5, "{bump} dB");
        assert!(flatness > if is_small { 0.4 } else { 0.5 }, "{flatness}");
        // Of 13,500 bins of noise the highest is at about 10 dB.
        assert!(peak < if is_small { 17.0 } else { 13.0 }, "{peak} dB");
    }
}

#[test]
fn both_sides_are_alike_in_level_and_different_in_sound() {
    for from_left in [true, false] {
        let mut reverb = Effect::new("reverb", 48_000, &CLEAR);
        let silence = |_| 0.0;
        let inputs: [stereo::Signal; 2] =
            if from_left { [&impulse, &silence] } else { [&silence, &impulse] };
        let [left, right] = reverb.play(96_000, &inputs).try_into().unwrap();
        let pairs = left.iter().zip(&right);
        let product: f64 = pairs.map(|(l, r)| f64::from(*l) * f64::from(*r)).sum();
        let correlation = product / (rms(&left) * rms(&right) * 96_000.0);
        let balance = 20.0 * (rms(&left) / rms(&right)).log10();
        println!("correlation {correlation:.3}, left over right {balance:.2} dB");
        assert!(correlation.abs() < 0.1 && balance.abs() < 1.0);
    }
    let [left, right] = answer(0.5, &[("width", 0.0)]);
    assert_eq!(left, right);
}

#[test]
fn the_predelay_is_met_and_the_room_is_about_as_loud_as_the_sound() {
    let first = |predelay_ms: f32| {
        let [left, _] = answer(1.0, &[("predelay", predelay_ms), ("modulation", 0.0)]);
        left.iter().position(|sample| sample.abs() > 1e-6).unwrap()
    };
    assert_eq!(first(100.0), first(10.0) + 48 * 90);
    for (decay, least_db, most_db) in [(0.5, -14.0, -6.0), (2.0, -5.0, 2.0), (4.0, -2.0, 5.0)] {
        let params = [("mix", 1.0), ("decay", decay)];
        let mut reverb = Effect::new("reverb", 48_000, &params);
        let noise = common::Chance::noise;
        let left = &reverb.play(48_000 * 5, &[&noise, &|n| noise(n + 1_000_000)])[0];
        let db = 20.0 * (rms(&left[48_000 * 4..]) * 3f64.sqrt()).log10();
        println!("noise, decay {decay} s: the room is at {db:.1} dB");
        assert!((least_db..most_db).contains(&db), "{db}");
    }
}

#[test]
fn it_ends_in_silence() {
    let [left, _] = answer(3.0, &[("decay", 0.1), ("size", 0.0)]);
    assert!(stereo::ends_in_silence(&left));
}
