//! White noise is even in level and spectrum, pink noise falls by 3 dB per octave, and seeds and
//! channels differ when asked to.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/spectrum.rs"]
mod spectrum;

use common::{Bench, RATES_HZ, param};
use spectrum::{db, powers};

const WHITE: f32 = 0.0;
const PINK: f32 = 1.0;

fn noise(rate_hz: u32, colour: f32, seed: f32, frames: usize) -> Vec<f32> {
    let settings = [("gain", 1.0), ("colour", colour), ("seed", seed)];
    Bench::with("noise", rate_hz, &settings).listen(frames, |_| 0.0)
}

/// The mean power per Hz between two frequencies (not in any absolute unit).
fn density(spectrum: &[f64], rate_hz: u32, from_hz: f64, to_hz: f64) -> f64 {
    let hz_per_bin = f64::from(rate_hz) / 2.0 / spectrum.len() as f64;
    let bins = (from_hz / hz_per_bin) as usize..(to_hz / hz_per_bin) as usize;
    let count = bins.len() as f64;
    spectrum[bins].iter().sum::<f64>() / count
}

/// The mean of spectra of 64 pieces of 32768 frames, without the Blackman window's worth of leakage.
fn mean_spectrum(samples: &[f32]) -> Vec<f64> {
    const LENGTH: usize = 32_768;
    let mut mean = vec![0.0; LENGTH / 2];
    for piece in samples.as_chunks::<LENGTH>().0 {
        let windowed: Vec<f32> = piece
            .iter()
            .enumerate()
            .map(|(i, sample)| {
                let sine = (core::f64::consts::PI * i as f64 / LENGTH as f64).sin();
                (f64::from(*sample) * sine * sine) as f32
            })
            .collect();
        for (mean, power) in mean.iter_mut().zip(powers(&windowed)) {
            *mean += power;
        }
    }
    mean
}

const FRAMES: usize = 64 * 32_768;

#[test]
fn white_is_evenly_distributed() {
    let samples = noise(48_000, WHITE, 0.0, FRAMES);
    let count = samples.len() as f64;
    let moment = |n| samples.iter().map(|sample| f64::from(*sample).powi(n)).sum::<f64>() / count;
    let (mean, power, fourth) = (moment(1), moment(2), moment(4));
    let mut bins = [0_u32; 64];
    for sample in &samples {
        assert!(sample.abs() <= 1.0);
        bins[((sample + 1.0) * 32.0).min(63.0) as usize] += 1;
    }
    let expected = count / 64.0;
    let chi2: f64 = bins.iter().map(|bin| (f64::from(*bin) - expected).powi(2) / expected).sum();
    println!("mean {mean:.6}, power {power:.6}, fourth {fourth:.6}, chi squared {chi2:.1} of 63");
    // Four standard deviations of the mean, the mean square and the mean fourth power.
    assert!(mean.abs() < 4.0 * (1.0 / 3.0 / count).sqrt());
    assert!((power - 1.0 / 3.0).abs() < 4.0 * (4.0 / 45.0 / count).sqrt());
    assert!((fourth - 0.2).abs() < 4.0 * (16.0 / 225.0 / count).sqrt());
    // Even in all likelihood (one in 10000 beyond on either side), and not too even for chance.
    assert!((30.0..112.0).contains(&chi2), "{chi2}");
}

#[test]
fn white_does_not_resemble_itself_later() {
    let samples = noise(48_000, WHITE, 0.0, FRAMES);
    let mut worst = 0.0_f64;
    for lag in (1..64).chain([128, 1000, 4096, 48_000, 65_536]) {
        let products = samples.iter().zip(&samples[lag..]);
        let sum: f64 = products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        worst = worst.max((3.0 * sum / samples.len() as f64).abs());
    }
    let deviation = 1.0 / (samples.len() as f64).sqrt();
    println!("correlation at most {:.2} standard deviations", worst / deviation);
    assert!(worst < 4.5 * deviation);
}

#[test]
fn white_is_flat_and_pink_falls_by_3_db_per_octave() {
    for rate_hz in RATES_HZ {
        for (colour, slope) in [(WHITE, 0.0), (PINK, -1.0)] {
            let spectrum = mean_spectrum(&noise(rate_hz, colour, 1.0, FRAMES));
            // Bands of two thirds of an octave from 50 Hz to 15 kHz, as far as the rate goes.
            let ratio = 2.0_f64.powf(2.0 / 3.0);
            let centres = (0..).map(|band| 50.0 * ratio.powf(f64::from(band) + 0.5));
            let end = 15_000.0_f64.min(0.45 * f64::from(rate_hz));
            let levels: Vec<f64> = centres
                .map(|hz| (hz / ratio.sqrt(), hz * ratio.sqrt()))
                .take_while(|(_, to)| *to < end)
                .map(|(from, to)| {
                    let density = density(&spectrum, rate_hz, from, to);
                    // The mean of 1/f over the band is ln(to/from) / (to - from).
                    let ideal = if slope == 0.0 { 1.0 } else { (to / from).ln() / (to - from) };
                    db(density / ideal)
                })
                .collect();
            let mean = levels.iter().sum::<f64>() / levels.len() as f64;
            let worst = levels.iter().map(|level| (level - mean).abs()).fold(0.0, f64::max);
            println!(
                "colour {colour} at {rate_hz} Hz: {} bands within {worst:.2} dB",
                levels.len()
            );
            assert!(
                levels.len() > 10 && worst < 1.0,
                "colour {colour} at {rate_hz} Hz: {levels:?}"
            );
        }
    }
}

#[test]
fn pink_is_about_as_loud_as_white() {
    for rate_hz in RATES_HZ {
        let samples = noise(rate_hz, PINK, 0.0, FRAMES);
        let peak = samples.iter().map(|sample| sample.abs()).fold(0.0, f32::max);
        let beyond = samples.iter().filter(|sample| sample.abs() > 1.0).count();
        let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        let power_db = db(power / samples.len() as f64);
        println!("pink at {rate_hz} Hz: peak {peak:.2}, {beyond} beyond 1, {power_db:.1} dB");
        assert!((0.8..1.6).contains(&peak) && beyond < FRAMES / 10_000, "{peak} {beyond}");
    }
}

/// How alike two signals of the same power are: 1 if equal, about 0 if independent.
fn likeness(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[test]
fn seeds_and_channels_are_independent() {
    let frames = 1 << 16;
    let first = noise(48_000, WHITE, 0.0, frames);
    for seed in [1.0, 2.0, 256.0, 65_535.0] {
        let other = likeness(&first, &noise(48_000, WHITE, seed, frames));
        assert!(other.abs() < 0.02, "seed {seed}: {other}");
    }
    for (spread, alike) in [(0.0, true), (1.0, false)] {
        let mut bench = Bench::poly("noise", 48_000, 4);
        let spec = bench.module.spec();
        for (name, value) in [("gain", 1.0), ("spread", spread)] {
            bench.module.set_param(param(spec, name), value);
        }
        bench.module.reset();
        // The bench hears the last channel; the first is that of one channel.
        let last = likeness(&first, &bench.listen(frames, |_| 0.0));
        println!("spread {spread}: likeness {last:.4}");
        assert!(if alike { last > 0.999999 } else { last.abs() < 0.02 }, "{spread}: {last}");
    }
}
