//! The equaliser has the responses of the cookbook, is exactly flat at 0 dB, and moves without clicks.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

#[path = "common/stereo.rs"]
mod stereo;

use core::f64::consts::{FRAC_1_SQRT_2, TAU};
use stereo::{Effect, ends_in_silence, impulse, response_db, roughness, sine};

const FORMS: [(&str, &str, Option<&str>); 4] = [
    ("low_freq", "low_gain", None),
    ("mid1_freq", "mid1_gain", Some("mid1_q")),
    ("mid2_freq", "mid2_gain", Some("mid2_q")),
    ("high_freq", "high_gain", None),
];

/// The response of the cookbook's biquad coefficients, in dB.
fn cookbook_db(form: usize, corner_hz: f64, gain_db: f64, q: f64, freq_hz: f64, rate: f64) -> f64 {
    let a = 10.0_f64.powf(gain_db / 40.0);
    let (sin, cos) = (TAU * corner_hz / rate).sin_cos();
    let alpha = sin / (2.0 * q);
    let root = 2.0 * a.sqrt() * alpha;
    let (plus, minus) = (a + 1.0, a - 1.0);
    let (b, a) = match form {
        0 => (
            [
                a * (plus - minus * cos + root),
                2.0 * a * (minus - plus * cos),
                a * (plus - minus * cos - root),
            ],
            [plus + minus * cos + root, -2.0 * (minus + plus * cos), plus + minus * cos - root],
        ),
        3 => (
            [
                a * (plus + minus * cos + root),
                -2.0 * a * (minus + plus * cos),
                a * (plus + minus * cos - root),
            ],
            [plus - minus * cos + root, 2.0 * (minus - plus * cos), plus - minus * cos - root],
        ),
        _ => (
            [1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a],
            [1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a],
        ),
    };
    let power = |k: [f64; 3]| {
        let w = TAU * freq_hz / rate;
        let re = k[0] + k[1] * w.cos() + k[2] * (2.0 * w).cos();
        let im = k[1] * w.sin() + k[2] * (2.0 * w).sin();
        re * re + im * im
    };
    10.0 * (power(b) / power(a)).log10()
}

#[test]
fn all_bands_have_the_responses_of_the_cookbook() {
    let mut worst = 0.0_f64;
    for rate_hz in [44_100, 48_000, 96_000] {
        for (form, (freq, gain, q)) in FORMS.into_iter().enumerate() {
            for (corner_hz, gain_db, sharp) in
                [(60.0, 12.0, 0.5), (500.0, -24.0, 2.0), (1800.0, 6.0, 8.0), (700.0, 24.0, 0.8)]
            {
                let corner_hz = if form == 3 { corner_hz * 9.0 } else { corner_hz };
                let mut params = vec![(freq, corner_hz), (gain, gain_db)];
                params.extend(q.map(|q| (q, sharp)));
                let mut eq = Effect::new("eq", rate_hz, &params);
                let left = &eq.play(rate_hz as usize / 2, &[&impulse])[0];
                let sharp = if q.is_some() { f64::from(sharp) } else { FRAC_1_SQRT_2 };
                for step in 0..40 {
                    let freq_hz = 20.0 * 1.19_f64.powi(step);
                    let (corner_hz, gain_db) = (f64::from(corner_hz), f64::from(gain_db));
                    let rate = f64::from(rate_hz);
                    let exact = cookbook_db(form, corner_hz, gain_db, sharp, freq_hz, rate);
                    let off = response_db(left, freq_hz, rate_hz) - exact;
                    worst = worst.max(off.abs());
                    assert!(off.abs() < 0.1, "{gain} {corner_hz} {gain_db} {freq_hz}: {off} dB");
                }
            }
        }
    }
    println!("response of all bands: at most {worst:.5} dB off");
}

#[test]
fn without_gain_the_sound_passes_bit_for_bit() {
    let tone = sine(1234.5, 0.7);
    let left = &Effect::new("eq", 48_000, &[]).play(4800, &[&tone])[0];
    assert!(left.iter().enumerate().all(|(n, sample)| *sample == tone(n)));
}

#[test]
fn gains_and_frequencies_move_without_a_click_and_end_in_silence() {
    let tone = sine(200.0, 0.5);
    let bare = roughness(&(0..480).map(&tone).collect::<Vec<_>>());
    // The last number is how much louder the tone becomes at most, and somewhat more.
    let changes = [("mid1_gain", 24.0, 21.0), ("mid1_gain", -24.0, 1.5), ("low_freq", 2000.0, 5.0)];
    for (name, value, most) in changes {
        let params = [("mid1_freq", 200.0), ("low_gain", 12.0)];
        let mut eq = Effect::new("eq", 48_000, &params);
        eq.play(24_000, &[&tone]);
        eq.set(name, value);
        let moved = roughness(&eq.play(9_600, &[&tone])[0]) / bare;
        println!("{name} to {value}: {moved:.2} times as rough as the tone");
        assert!(moved < most, "{name}: {moved}");
        let silence = &eq.play(480_000, &[&|_| 0.0])[0];
        assert!(ends_in_silence(silence));
    }
}
