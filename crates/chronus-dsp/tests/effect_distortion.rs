//! The distortion folds little back into the range, is as loud at any drive, late by 41 frames and free of
//! anything constant; the bitcrusher has the levels and the rate that it is told.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

#[path = "common/spectrum.rs"]
mod spectrum;
#[path = "common/stereo.rs"]
mod stereo;

use spectrum::{db, powers};
use stereo::{Effect, ends_in_silence, impulse, response_db, rms, roughness, sine};

const FRAMES: usize = 65_536;
const SHAPES: [&str; 4] = ["soft", "hard", "fold", "tube"];

/// A tone of a whole number of turns in the window, so that all harmonics lie on bins.
fn bin_tone(bin: usize, amplitude: f64) -> impl Fn(usize) -> f32 {
    sine(48_000.0 * bin as f64 / FRAMES as f64, amplitude)
}

/// The power of all that is no harmonic, below 20 kHz, over that of the tone, in dB.
fn alias_db(samples: &[f32], bin: usize) -> f64 {
    let powers = powers(samples);
    let end = 20_000 * FRAMES / 48_000;
    let rest: f64 = (20..end).filter(|at| at % bin != 0).map(|at| powers[at]).sum();
    db(rest / powers[bin])
}

/// What a shape makes of a signal, without any more frames.
fn bare(shape: usize, x: f64) -> f64 {
    match shape {
        0 => x.tanh(),
        1 => x.clamp(-1.0, 1.0),
        2 => (core::f64::consts::FRAC_PI_2 * x).sin(),
        _ => (x + 0.6).tanh() - 0.6f64.tanh(),
    }
}

#[test]
fn little_folds_back_compared_with_no_oversampling() {
    // Tones of about 1.2 and 5 kHz, on odd bins, with a drive of 24 dB.
    for (shape, name) in SHAPES.iter().enumerate() {
        for bin in [1_657, 6_827] {
            let tone = bin_tone(bin, 0.5);
            let params = [("shape", shape as f32), ("drive", 24.0), ("tone", 20_000.0)];
            let mut distortion = Effect::new("distortion", 48_000, &params);
            let left = &distortion.play(2 * FRAMES, &[&tone])[0][FRAMES..];
            let drive = 10f64.powf(24.0 / 20.0);
            let naive: Vec<f32> =
                (0..FRAMES).map(|n| bare(shape, drive * f64::from(tone(n))) as f32).collect();
            let (alias, naive) = (alias_db(left, bin), alias_db(&naive, bin));
            let freq_hz = bin * 48_000 / FRAMES;
            println!("{name} at {freq_hz} Hz: {alias:.1} dB, without oversampling {naive:.1} dB");
            assert!(alias < naive - 9.0, "it is worth its work");
            assert!(alias < -24.0);
        }
    }
}

#[test]
fn a_tone_is_as_loud_at_any_drive_and_nothing_is_constant() {
    let mut worst = 0.0_f64;
    for (shape, name) in SHAPES.iter().enumerate() {
        for drive in [0.0, 6.0, 12.0, 24.0, 36.0, 48.0] {
            let params = [("shape", shape as f32), ("drive", drive), ("tone", 20_000.0)];
            let mut distortion = Effect::new("distortion", 48_000, &params);
            let left = &distortion.play(48_000, &[&sine(100.0, 0.5)])[0][24_000..];
            let off = 20.0 * (rms(left) / 0.5f64 * 2f64.sqrt()).log10();
            let mean = left.iter().map(|sample| f64::from(*sample)).sum::<f64>() / 24_000.0;
            println!("{name} {drive} dB: {off:+.3} dB, mean {mean:.6}");
            worst = worst.max(off.abs());
            assert!(mean.abs() < 2e-3, "{mean}");
        }
    }
    println!("at most {worst:.2} dB off");
    // Folded 80 times over, some of it lies beyond what is heard.
    assert!(worst < 1.0, "{worst}");
}

#[test]
fn a_soft_sound_passes_as_it_is_41_frames_late() {
    let params = [("shape", 1.0), ("drive", 0.0), ("tone", 20_000.0)];
    let small = |frame| 0.1 * impulse(frame);
    let left = &Effect::new("distortion", 48_000, &params).play(48_000, &[&small])[0];
    let peak = (0..left.len()).max_by(|a, b| left[*a].abs().total_cmp(&left[*b].abs()));
    assert_eq!(peak, Some(41));
    let mut worst = 0.0_f64;
    for step in 1..=40 {
        let freq_hz = 500.0 * f64::from(step);
        let over = (core::f64::consts::PI * freq_hz / 48e3).tan()
            / (core::f64::consts::PI * 20_000.0 / 48e3).tan();
        let exact = -20.0 - 10.0 * (1.0 + over * over).log10();
        worst = worst.max((response_db(left, freq_hz, 48_000) - exact).abs());
    }
    println!("but for the tone control flat within {worst:.4} dB up to 20 kHz");
    assert!(worst < 0.01, "{worst}");
    // Half and half: the sound as it came is as late, so nothing cancels.
    let tone = sine(1000.0, 0.1);
    let half = [("shape", 1.0), ("drive", 0.0), ("tone", 20_000.0), ("mix", 0.5)];
    let left = &Effect::new("distortion", 48_000, &half).play(9600, &[&tone])[0];
    assert!((100..9600).all(|n| (left[n] - tone(n - 41)).abs() < 2e-3));
}

#[test]
fn shapes_and_drive_change_without_a_click() {
    let tone = sine(100.0, 0.5);
    let mut distortion = Effect::new("distortion", 48_000, &[("shape", 0.0), ("drive", 6.0)]);
    let mut left = distortion.play(24_000, &[&tone]).swap_remove(0);
    for (name, value) in [("shape", 3.0), ("drive", 0.0), ("shape", 0.0), ("drive", 12.0)] {
        distortion.set(name, value);
        left.extend(distortion.play(4_803, &[&tone]).swap_remove(0));
    }
    let rough = roughness(&left[100..]);
    println!("roughness {rough:.5}; a step of 0.1 has 0.1");
    assert!(rough < 0.01, "{rough}");
    assert!(ends_in_silence(&distortion.play(96_000, &[&|_| 0.0])[0]));
}

#[test]
fn the_bitcrusher_has_so_many_levels_and_takes_so_many_a_second() {
    for bits in [1.0_f32, 3.0, 8.0] {
        let params = [("bits", bits), ("rate", 48_000.0)];
        let ramp = |frame: usize| frame as f32 / 24_000.0 - 1.0;
        let left = &Effect::new("bitcrusher", 48_000, &params).play(48_000, &[&ramp])[0];
        let mut levels = left.clone();
        levels.truncate(48_000);
        levels.dedup();
        let off = (0..48_000).map(|n| (left[n] - ramp(n)).abs()).fold(0.0, f32::max);
        println!("{bits} bits: {} levels, at most {off:.4} off", levels.len());
        assert_eq!(levels.len(), (1 << bits as u32) + 1);
        assert!(off <= 1.01 * 0.5f32.powf(bits), "half a step");
    }
    for rate_hz in [100.0_f32, 8_000.0, 11_025.0, 48_000.0] {
        let params = [("bits", 16.0), ("rate", rate_hz)];
        let ramp = |frame: usize| frame as f32 / 48_000.0;
        let left = &Effect::new("bitcrusher", 48_000, &params).play(48_000, &[&ramp])[0];
        let taken = 1 + left.windows(2).filter(|pair| pair[0] != pair[1]).count();
        println!("{rate_hz} Hz: {taken} in a second");
        // Sixteen bits have 32,768 levels above 0.
        assert!((taken as f32 - rate_hz.min(32_768.0)).abs() <= 2.0, "{taken}");
    }
    let tone = sine(1000.0, 0.9);
    let params = [("bits", 16.0), ("rate", 48_000.0)];
    let left = &Effect::new("bitcrusher", 48_000, &params).play(4800, &[&tone])[0];
    assert!((0..4800).all(|n| (left[n] - tone(n)).abs() < 1.6e-5));
}
