//! The ladder is the circuit's: its response is the analytic one within 0.1 dB, it sings at its
//! cutoff, at every rate, and what it saturates stays bounded. The one-pole filter likewise.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/spectrum.rs"]
mod spectrum;

use common::{Bench, Chance, Event, RATES_HZ, param};
use core::f64::consts::{PI, TAU};
use spectrum::{db, powers, tone};

/// Quiet enough that nothing saturates.
const QUIET: f32 = 1e-3;

/// The measured response in dB: the spectrum of the impulse response.
fn measured_db(impulse_response: &[f32], freq_hz: f64, rate_hz: u32) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in impulse_response.iter().enumerate() {
        let angle = TAU * (freq_hz * i as f64 / f64::from(rate_hz)).fract();
        re += f64::from(sample / QUIET) * angle.cos();
        im -= f64::from(sample / QUIET) * angle.sin();
    }
    20.0 * re.hypot(im).log10()
}

/// All outputs for an impulse of a tenth of a second.
fn impulse_responses(kind: &str, params: &[(&str, f32)], rate_hz: u32) -> Vec<Vec<f32>> {
    let frames = (rate_hz as usize / 4).next_multiple_of(64);
    let impulse = |frame| if frame == 0 { QUIET } else { 0.0 };
    Bench::with(kind, rate_hz, params).play(frames, impulse, &[], &[])
}

/// What the bilinear transform makes of a frequency, relative to the cutoff.
fn bent(freq_hz: f64, cutoff_hz: f64, rate_hz: u32) -> f64 {
    let rate_hz = f64::from(rate_hz);
    (PI * freq_hz / rate_hz).tan() / (PI * cutoff_hz / rate_hz).tan()
}

/// Complex product.
fn times(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// The ladder: `1 / ((1 + s)^4 + k)`, and after two stages `(1 + s)^2` times that.
fn analytic_db(x: f64, resonance: f64, bass: f64, slope: usize) -> f64 {
    let two = times((1.0, x), (1.0, x));
    let four = times(two, two);
    let k = 4.0 * resonance;
    let numerator = if slope == 1 { two.0.hypot(two.1) } else { 1.0 };
    20.0 * (numerator * (1.0 + bass * k) / (four.0 + k).hypot(four.1)).log10()
}

#[test]
fn a_quiet_ladder_has_the_analytic_response() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for (cutoff_hz, resonance, bass) in [
            (200.0_f32, 0.5_f32, 0.0_f32),
            (1000.0, 0.0, 0.0),
            (2500.0, 0.9, 0.5),
            (8000.0, 0.7, 1.0),
        ] {
            for slope in [0, 1] {
                let params = [
                    ("cutoff", cutoff_hz),
                    ("resonance", resonance),
                    ("bass", bass),
                    ("slope", slope as f32),
                ];
                let response = &impulse_responses("ladder", &params, rate_hz)[0];
                for step in 0..30 {
                    let freq_hz = 25.0 * 1.24_f64.powi(step);
                    let x = bent(freq_hz, f64::from(cutoff_hz), rate_hz);
                    let exact = analytic_db(x, f64::from(resonance), f64::from(bass), slope);
                    if exact > -80.0 && freq_hz < 0.48 * f64::from(rate_hz) {
                        let off = measured_db(response, freq_hz, rate_hz) - exact;
                        worst = worst.max(off.abs());
                        assert!(off.abs() < 0.1, "{params:?}, {freq_hz} Hz at {rate_hz}: {off} dB");
                    }
                }
            }
        }
    }
    println!("response of the ladder: at most {worst:.5} dB off");
}

/// The frequency near `guess_hz` at which a steady tone turns, from its phase in two windows.
fn frequency_of(samples: &[f32], guess_hz: f64, rate_hz: u32) -> (f64, f64) {
    let length = samples.len() / 2;
    let (amplitude, early) = tone(&samples[..length], 0, guess_hz, rate_hz);
    let (_, late) = tone(&samples[length..], length, guess_hz, rate_hz);
    let turns = late - early;
    let off_hz = (turns - turns.round()) * f64::from(rate_hz) / length as f64;
    (guess_hz + off_hz, amplitude)
}

#[test]
fn it_sings_at_its_cutoff_from_silence() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for cutoff_hz in [110.0_f32, 440.0, 1760.0, 5000.0] {
            for resonance in [1.1, 1.2] {
                let params = [("cutoff", cutoff_hz), ("resonance", resonance)];
                let frames = 5 * rate_hz as usize / 4;
                let sung = Bench::with("ladder", rate_hz, &params).listen(frames, |_| 0.0);
                let steady = &sung[rate_hz as usize..];
                let (freq_hz, amplitude) = frequency_of(steady, f64::from(cutoff_hz), rate_hz);
                let cents = 1200.0 * (freq_hz / f64::from(cutoff_hz)).log2();
                worst = worst.max(cents.abs());
                assert!(cents.abs() < 2.0, "{cutoff_hz} Hz at {rate_hz} Hz: {cents} cent");
                assert!((0.1..0.7).contains(&amplitude), "{resonance}: amplitude {amplitude}");
            }
        }
    }
    println!("singing: at most {worst:.4} cent off");
    let quiet = Bench::with("ladder", 48_000, &[("resonance", 1.0)]).listen(48_000, |_| 0.0);
    assert!(quiet.iter().all(|sample| *sample == 0.0), "at 1 it does not sing by itself");
}

#[test]
fn below_singing_it_ends_in_silence() {
    let mut bench = Bench::with("ladder", 48_000, &[("resonance", 0.9), ("cutoff", 100.0)]);
    let heard = bench.listen(10 * 48_000, |frame| if frame < 64 { 1.0 } else { 0.0 });
    assert!(heard.iter().all(|sample| *sample == 0.0 || sample.is_normal()), "no denormals");
    assert_eq!(heard[heard.len() - 1], 0.0);
}

#[test]
fn loud_input_is_saturated_gently() {
    const LENGTH: usize = 4096;
    let freq_hz = 16.0 * 48_000.0 / LENGTH as f64;
    let thirds = [0.01_f32, 0.5, 1.0, 8.0].map(|level| {
        let params = [("cutoff", 20_000.0), ("resonance", 0.0), ("drive", level)];
        let sine = |frame: usize| (TAU * freq_hz * frame as f64 / 48_000.0).sin() as f32;
        let heard = Bench::with("ladder", 48_000, &params).listen(2 * LENGTH, sine);
        let powers = powers(&heard[LENGTH..]);
        let third = db(powers[48] / powers[16]);
        println!("drive {level}: third harmonic {third:.1} dB, tone {:.1} dB", db(powers[16]));
        assert!(heard.iter().all(|sample| sample.abs() < 2.2));
        assert!(db(powers[32] / powers[16]) < -80.0, "the saturation is even-handed");
        third
    });
    assert!(thirds.is_sorted(), "the louder, the more: {thirds:?}");
    assert!(thirds[0] < -90.0 && (-45.0..-30.0).contains(&thirds[2]) && thirds[3] > -15.0);
}

#[test]
fn it_stays_bounded_while_its_cutoff_leaps() {
    for rate_hz in [22_050, 192_000] {
        let mut bench = Bench::with("ladder", rate_hz, &[("resonance", 1.2), ("drive", 16.0)]);
        let mut chance = Chance(3);
        let events: Vec<_> =
            (0..4000).map(|n| (n * 10, Event::Set(0, 20.0 + 19_980.0 * chance.unit()))).collect();
        let heard = bench.play(40_064, Chance::noise, &events, &[]).concat();
        let loudest = heard.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
        println!("at {rate_hz} Hz at most {loudest}");
        assert!(loudest < 5.0, "{loudest}");
    }
}

/// The largest second difference: a step of size d shows as d, a tone of amplitude a as a w^2.
fn roughness(samples: &[f32]) -> f32 {
    samples.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max)
}

#[test]
fn the_slope_changes_without_a_step() {
    let spec = Bench::new("ladder", 48_000).module.spec();
    let change = Event::Set(param(spec, "slope"), 1.0);
    let sine = |frame: usize| (TAU * 200.0 * frame as f64 / 48_000.0).sin() as f32;
    let through = |events: &[Event]| {
        let events: Vec<_> = events.iter().map(|event| (9011, *event)).collect();
        let mut bench = Bench::with("ladder", 48_000, &[("cutoff", 200.0)]);
        roughness(&bench.play(19_200, sine, &events, &[])[0][4800..])
    };
    let (bare, smooth, hard) = (through(&[]), through(&[change]), through(&[change, Event::Reset]));
    println!("roughness {smooth:.6}, without smoothing {hard:.6}, without a change {bare:.6}");
    // What is left are the corners of the ramp.
    assert!(smooth < 8.0 * bare && hard > 30.0 * smooth);
}

#[test]
fn both_outputs_of_the_one_pole_have_the_analytic_response() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for cutoff_hz in [30.0_f32, 1000.0, 9000.0] {
            let responses = impulse_responses("onepole", &[("cutoff", cutoff_hz)], rate_hz);
            for step in 0..30 {
                let freq_hz = 25.0 * 1.24_f64.powi(step);
                let x = bent(freq_hz, f64::from(cutoff_hz), rate_hz);
                for (response, numerator) in responses.iter().zip([1.0, x]) {
                    let exact = 20.0 * (numerator / 1.0_f64.hypot(x)).log10();
                    if freq_hz < 0.48 * f64::from(rate_hz) && exact > -60.0 {
                        let off = measured_db(response, freq_hz, rate_hz) - exact;
                        worst = worst.max(off.abs());
                        assert!(off.abs() < 0.1, "{cutoff_hz} Hz, {freq_hz} Hz: {off} dB");
                    }
                }
            }
        }
    }
    println!("response of the one-pole filter: at most {worst:.5} dB off");
}

#[test]
fn a_lag_of_1_hz_arrives() {
    for rate_hz in [22_050, 192_000] {
        let mut bench = Bench::with("onepole", rate_hz, &[("cutoff", 1.0)]);
        let low = bench.listen(3 * rate_hz as usize, |_| 1.0);
        // After a time of 1 / (2 pi) s a share of 1 - 1/e is done.
        let lag = 1.0 - low[(f64::from(rate_hz) / TAU) as usize];
        assert!((lag - (-1.0_f32).exp()).abs() < 1e-4, "{lag}");
        assert!((low[low.len() - 1] - 1.0).abs() < 1e-6);
    }
}
