//! What rings rings where it says: the comb at the multiples of its frequency, the formant filter
//! at the formants of its vowel.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;

use chronus_dsp::filter::vowels::{Formant, TABLE, VOICES};
use common::{Bench, Chance, RATES_HZ};
use core::f64::consts::{PI, TAU};

/// The gain at a frequency: the spectrum of the impulse response.
fn gain(impulse_response: &[f32], freq_hz: f64, rate_hz: u32) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in impulse_response.iter().enumerate() {
        let angle = TAU * (freq_hz * i as f64 / f64::from(rate_hz)).fract();
        re += f64::from(sample) * angle.cos();
        im -= f64::from(sample) * angle.sin();
    }
    re.hypot(im)
}

fn impulse_response(kind: &str, params: &[(&str, f32)], rate_hz: u32, s: f64) -> Vec<f32> {
    let frames = (s * f64::from(rate_hz)) as usize;
    Bench::with(kind, rate_hz, params).listen(frames, |frame| if frame == 0 { 1.0 } else { 0.0 })
}

/// The peak near a frequency, by three-point search that closes in.
fn peak_near(response: &[f32], guess_hz: f64, rate_hz: u32) -> f64 {
    let (mut at, mut reach) = (guess_hz, guess_hz * 0.02);
    while reach > guess_hz * 1e-5 {
        let [below, here, above] =
            [at - reach, at, at + reach].map(|freq_hz| gain(response, freq_hz, rate_hz));
        if here >= below && here >= above {
            reach *= 0.5;
        } else {
            at += if above > below { reach } else { -reach };
        }
    }
    at
}

#[test]
fn a_comb_is_in_tune_at_every_rate_however_damped() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for (freq_hz, damp_hz) in
            [(50.0_f32, 20_000.0_f32), (110.0, 1_000.0), (441.7, 4_000.0), (1234.5, 8_000.0)]
        {
            let params = [("freq", freq_hz), ("damp", damp_hz), ("feedback", 0.98)];
            let response = impulse_response("comb", &params, rate_hz, 0.5);
            let peak_hz = peak_near(&response, f64::from(freq_hz), rate_hz);
            let cents = 1200.0 * (peak_hz / f64::from(freq_hz)).log2();
            worst = worst.max(cents.abs());
            assert!(cents.abs() < 2.0, "{freq_hz} Hz damped at {damp_hz}, {rate_hz}: {cents}");
        }
    }
    println!("the comb's first resonance: at most {worst:.3} cent off");
}

#[test]
fn the_comb_has_the_analytic_response() {
    // A whole delay of 480 frames at 48 kHz, and damping that hardly lags at these frequencies.
    let mut worst = 0.0_f64;
    for (feedback, feedforward) in [(0.8, 0.0), (-0.7, 0.0), (0.0, 1.0), (0.5, -0.5)] {
        let params = [
            ("freq", 100.0),
            ("damp", 20_000.0),
            ("feedback", feedback),
            ("feedforward", feedforward),
        ];
        let response = impulse_response("comb", &params, 48_000, 1.0);
        let (feedback, feedforward) = (f64::from(feedback), f64::from(feedforward));
        for step in 0..60 {
            let freq_hz = 33.3 + 12.7 * f64::from(step);
            let turn = TAU * freq_hz / 100.0;
            let of = |b: f64| (1.0 + b * turn.cos()).hypot(b * turn.sin());
            let level = (1.0 - feedback * feedback)
                / (1.0 + feedforward * feedforward + 2.0 * feedforward * feedback);
            let exact = level.sqrt() * of(feedforward) / of(-feedback);
            let off = gain(&response, freq_hz, 48_000) - exact;
            worst = worst.max(off.abs());
            assert!(off.abs() < 0.005, "{feedback}, {feedforward}: {freq_hz} Hz: {off}");
        }
    }
    println!("response of the comb: at most {worst:.4} off");
}

#[test]
fn noise_keeps_its_level_in_the_comb() {
    for (feedback, feedforward) in [(0.9, 0.0), (-0.95, 0.0), (0.0, 1.0), (0.6, -0.8)] {
        // A delay of 100 frames: between frames, interpolation would take something of the heights.
        let params = [
            ("freq", 220.5),
            ("damp", 20_000.0),
            ("feedback", feedback),
            ("feedforward", feedforward),
        ];
        let noise: Vec<f32> = (0..96_000).map(Chance::noise).collect();
        let heard = Bench::with("comb", 22_050, &params).listen(96_000, |frame| noise[frame]);
        let power = |signal: &[f32]| signal.iter().map(|x| f64::from(x * x)).sum::<f64>();
        let db = 10.0 * (power(&heard) / power(&noise)).log10();
        println!("feedback {feedback}, feedforward {feedforward}: noise {db:+.2} dB");
        // At this rate next to nothing lies above the damping.
        assert!((-1.2..0.5).contains(&db), "{feedback}, {feedforward}: {db} dB");
    }
}

#[test]
fn a_comb_rings_out_into_silence() {
    let heard = impulse_response("comb", &[("feedback", 0.9), ("freq", 2_000.0)], 48_000, 1.0);
    assert!(heard.iter().all(|sample| *sample == 0.0 || sample.is_normal()), "no denormals");
    assert_eq!(heard[heard.len() - 1], 0.0);
    let dry = impulse_response("comb", &[("mix", 0.0)], 48_000, 0.1);
    assert!(dry[0] == 1.0 && dry[1..].iter().all(|sample| *sample == 0.0));
}

/// The response of the vowel's band-passes side by side, with alternating signs, at a frequency.
fn exact_gain(formants: &[Formant], freq_hz: f64, rate_hz: u32) -> f64 {
    let rate_hz = f64::from(rate_hz);
    let (mut re, mut im) = (0.0, 0.0);
    for (i, formant) in formants.iter().enumerate() {
        let centre_hz = f64::from(formant.freq_hz);
        let x = (PI * freq_hz / rate_hz).tan() / (PI * centre_hz / rate_hz).tan();
        let damping = f64::from(formant.width_hz) / centre_hz;
        // j k x / (1 - x^2 + j k x)
        let (a, b) = (1.0 - x * x, damping * x);
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        let level = sign * 10.0_f64.powf((f64::from(formant.level_db) + 14.0) / 20.0);
        re += level * b * b / (a * a + b * b);
        im += level * a * b / (a * a + b * b);
    }
    re.hypot(im)
}

#[test]
fn all_vowels_of_all_voices_have_their_formants() {
    let mut worst = 0.0_f64;
    for rate_hz in [44_100, 96_000] {
        for (voice, vowels) in TABLE.iter().enumerate() {
            for (vowel, formants) in vowels.iter().enumerate() {
                let params = [("voice", voice as f32), ("vowel", vowel as f32)];
                let response = impulse_response("formant", &params, rate_hz, 0.2);
                for step in 0..24 {
                    let freq_hz = 150.0 * 1.16_f64.powi(step);
                    let exact = exact_gain(formants, freq_hz, rate_hz);
                    let off = 20.0 * (gain(&response, freq_hz, rate_hz) / exact).log10();
                    worst = worst.max(off.abs());
                    assert!(off.abs() < 0.2, "{params:?}, {freq_hz} Hz: {off} dB");
                }
                let first_hz = f64::from(formants[0].freq_hz);
                let peak_hz = peak_near(&response, first_hz, rate_hz);
                assert!((peak_hz / first_hz - 1.0).abs() < 0.02, "{params:?}: {peak_hz} Hz");
            }
        }
    }
    println!("response of the vowels: at most {worst:.4} dB off");
}

#[test]
fn a_sung_saw_is_about_as_loud_as_the_saw() {
    let mut levels = Vec::new();
    for freq_hz in [110, 220] {
        let saw = |frame: usize| ((frame * freq_hz) % 48_000) as f32 / 24_000.0 - 1.0;
        for voice in 0..VOICES.len() {
            for vowel in 0..5 {
                let params = [("voice", voice as f32), ("vowel", vowel as f32)];
                let sung = Bench::with("formant", 48_000, &params).listen(9_600, saw);
                let power = |signal: &[f32]| {
                    signal.iter().map(|x| f64::from(x * x)).sum::<f64>() / signal.len() as f64
                };
                levels.push(10.0 * (3.0 * power(&sung[4_800..])).log10());
            }
        }
    }
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    println!("a saw, sung: {mean:.1} dB on average, {levels:.0?}");
    assert!(mean.abs() < 2.0, "{mean} dB");
}

#[test]
fn between_vowels_the_formants_lie_between() {
    let first = |vowel, shift| {
        let params = [("vowel", vowel), ("voice", 1.0), ("shift", shift), ("width", 0.25)];
        let response = impulse_response("formant", &params, 48_000, 0.5);
        let table =
            TABLE[1][0][0].freq_hz + vowel * (TABLE[1][1][0].freq_hz - TABLE[1][0][0].freq_hz);
        let expected_hz = f64::from(table) * f64::from(shift).exp2();
        (peak_near(&response, expected_hz, 48_000) / expected_hz - 1.0).abs()
    };
    for (vowel, shift) in [(0.0, 0.0), (0.5, 0.0), (0.25, 0.5), (1.0, -0.5)] {
        let off = first(vowel, shift);
        println!("vowel {vowel}, shift {shift}: first formant {:.3} % off", 100.0 * off);
        assert!(off < 0.01, "vowel {vowel}, shift {shift}: {off}");
    }
}
