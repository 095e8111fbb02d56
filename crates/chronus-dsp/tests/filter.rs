//! The filter is the cookbook's: its response is the analytic one within 0.1 dB in all modes, the low-pass
//! is 3 dB down at its cutoff, its noise is low, and no parameter that changes makes a step.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;

use common::{Bench, Event, RATES_HZ, param};
use core::f64::consts::{PI, TAU};

const MODES: [&str; 8] = [
    "low-pass",
    "high-pass",
    "band-pass",
    "notch",
    "all-pass",
    "peaking",
    "low-shelf",
    "high-shelf",
];

/// The measured response in dB: the spectrum of the impulse response.
fn measured_db(impulse_response: &[f32], freq_hz: f64, rate_hz: u32) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in impulse_response.iter().enumerate() {
        let angle = TAU * (freq_hz * i as f64 / f64::from(rate_hz)).fract();
        re += f64::from(sample) * angle.cos();
        im -= f64::from(sample) * angle.sin();
    }
    20.0 * re.hypot(im).log10()
}

fn impulse_response(mode: usize, cutoff_hz: f32, q: f32, rate_hz: u32) -> Vec<f32> {
    impulse_response_at(mode, cutoff_hz, q, 0.0, rate_hz)
}

fn impulse_response_at(
    mode: usize,
    cutoff_hz: f32,
    q: f32,
    gain_db: f32,
    rate_hz: u32,
) -> Vec<f32> {
    let params = [("mode", mode as f32), ("cutoff", cutoff_hz), ("q", q), ("gain", gain_db)];
    let mut bench = Bench::with("biquad", rate_hz, &params);
    bench.listen(rate_hz as usize, |frame| if frame == 0 { 1.0 } else { 0.0 })
}

/// The response of the analogue prototype, which the bilinear transform bends onto the digital
/// frequencies with its cutoff kept: `s = j tan(w/2) / tan(w0/2)`.
fn analytic_db(mode: usize, cutoff_hz: f64, q: f64, freq_hz: f64, rate_hz: u32) -> f64 {
    let rate_hz = f64::from(rate_hz);
    let x = (PI * freq_hz / rate_hz).tan() / (PI * cutoff_hz / rate_hz).tan();
    let denominator = (1.0 - x * x).hypot(x / q);
    let numerator = [1.0, x * x, x / q, (1.0 - x * x).abs()][mode];
    20.0 * (numerator / denominator).log10()
}

/// `b0, b1, b2, a0, a1, a2` as the cookbook gives them.
fn cookbook(mode: usize, cutoff_hz: f64, q: f64, gain_db: f64, rate_hz: u32) -> [f64; 6] {
    let w0 = TAU * cutoff_hz / f64::from(rate_hz);
    let (sin, cos) = w0.sin_cos();
    let alpha = sin / (2.0 * q);
    let a = 10.0_f64.powf(gain_db / 40.0);
    let beta = 2.0 * a.sqrt() * alpha;
    let shelf = |sign: f64| {
        let cos = sign * cos;
        [
            a * ((a + 1.0) - (a - 1.0) * cos + beta),
            sign * 2.0 * a * ((a - 1.0) - (a + 1.0) * cos),
            a * ((a + 1.0) - (a - 1.0) * cos - beta),
            (a + 1.0) + (a - 1.0) * cos + beta,
            sign * -2.0 * ((a - 1.0) + (a + 1.0) * cos),
            (a + 1.0) + (a - 1.0) * cos - beta,
        ]
    };
    let poles = [1.0 + alpha, -2.0 * cos, 1.0 - alpha];
    let [b0, b1, b2] = match mode {
        0 => [(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0],
        1 => [f64::midpoint(1.0, cos), -(1.0 + cos), f64::midpoint(1.0, cos)],
        2 => [alpha, 0.0, -alpha],
        3 => [1.0, -2.0 * cos, 1.0],
        4 => [1.0 - alpha, -2.0 * cos, 1.0 + alpha],
        5 => {
            let zeros = [1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a];
            let [b0, b1, b2] = zeros;
            return [b0, b1, b2, 1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a];
        }
        6 => return shelf(1.0),
        _ => return shelf(-1.0),
    };
    let [a0, a1, a2] = poles;
    [b0, b1, b2, a0, a1, a2]
}

fn cookbook_db(coefficients: [f64; 6], freq_hz: f64, rate_hz: u32) -> f64 {
    let w = TAU * freq_hz / f64::from(rate_hz);
    let size = |c0: f64, c1: f64, c2: f64| {
        let re = c0 + c1 * w.cos() + c2 * (2.0 * w).cos();
        let im = c1 * w.sin() + c2 * (2.0 * w).sin();
        re.hypot(im)
    };
    let [b0, b1, b2, a0, a1, a2] = coefficients;
    20.0 * (size(b0, b1, b2) / size(a0, a1, a2)).log10()
}

#[test]
fn all_modes_have_the_response_of_the_cookbook() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for (cutoff_hz, q, gain_db) in [
            (40.0, 0.707, 12.0),
            (100.0, 0.707, -6.0),
            (1000.0, 0.5, 24.0),
            (2000.0, 0.707, -24.0),
            (5000.0, 8.0, 6.0),
            (9000.0, 1.0, -12.0),
        ] {
            for (mode, name) in MODES.iter().enumerate() {
                let response = impulse_response_at(mode, cutoff_hz, q, gain_db, rate_hz);
                let (cutoff_hz, q) = (f64::from(cutoff_hz), f64::from(q));
                let exact = cookbook(mode, cutoff_hz, q, f64::from(gain_db), rate_hz);
                for step in 0..40 {
                    let freq_hz = 25.0 * 1.17_f64.powi(step);
                    let exact = cookbook_db(exact, freq_hz, rate_hz);
                    // Below -80 dB the f32 samples of the impulse response end.
                    if exact > -80.0 && freq_hz < 0.48 * f64::from(rate_hz) {
                        let off = measured_db(&response, freq_hz, rate_hz) - exact;
                        worst = worst.max(off.abs());
                        let case = format!("{name} {cutoff_hz} Hz q {q} {gain_db} dB at {rate_hz}");
                        assert!(off.abs() < 0.1, "{case}, {freq_hz} Hz: {off} dB");
                    }
                }
            }
        }
    }
    println!("response of all modes: at most {worst:.5} dB off");
    assert!(worst < 0.02, "{worst} dB");
}

#[test]
fn the_noise_of_rounding_is_low() {
    for (cutoff_hz, q, least_db) in [
        (20.0, 0.707, -105.0),
        (100.0, 5.0, -115.0),
        (1000.0, 0.707, -130.0),
        (8000.0, 2.0, -135.0),
    ] {
        let tone = |frame: usize| (TAU * 0.7 * cutoff_hz * frame as f64 / 48_000.0).sin() as f32;
        let params = [("cutoff", cutoff_hz as f32), ("q", q as f32)];
        let heard = Bench::with("biquad", 48_000, &params).listen(96_000, tone);
        let [b0, b1, b2, a0, a1, a2] =
            cookbook(0, f64::from(cutoff_hz as f32), f64::from(q as f32), 0.0, 48_000);
        let (mut s1, mut s2) = (0.0, 0.0);
        let exact: Vec<f64> = (0..heard.len())
            .map(|frame| {
                let x = f64::from(tone(frame));
                let y = (b0 * x + s1) / a0;
                s1 = b1 * x - a1 * y + s2;
                s2 = b2 * x - a2 * y;
                y
            })
            .collect();
        // A design that is a millionth off turns the tone a little, which is no noise: what is left
        // of it after the nearest mixture of the exact signal and of the same one frame later.
        let start = heard.len() / 2;
        let (mut aa, mut ab, mut bb, mut ha, mut hb, mut hh) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for frame in start..heard.len() {
            let (a, b, h) = (exact[frame], exact[frame - 1], f64::from(heard[frame]));
            (aa, ab, bb) = (aa + a * a, ab + a * b, bb + b * b);
            (ha, hb, hh) = (ha + h * a, hb + h * b, hh + h * h);
        }
        let det = aa * bb - ab * ab;
        let (u, v) = ((ha * bb - hb * ab) / det, (hb * aa - ha * ab) / det);
        let noise: f64 = (start..heard.len())
            .map(|n| (f64::from(heard[n]) - u * exact[n] - v * exact[n - 1]).powi(2))
            .sum();
        let noise_db = 10.0 * (noise / hh).log10();
        println!("low-pass {cutoff_hz} Hz, q {q}: noise {noise_db:.1} dB");
        assert!(noise_db < least_db, "{cutoff_hz} Hz, q {q}: {noise_db} dB");
    }
}

#[test]
fn the_low_pass_is_3_db_down_at_its_cutoff() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for cutoff_hz in [50.0, 500.0, 2000.0, 8000.0] {
            for mode in [0, 1] {
                let response = impulse_response(mode, cutoff_hz, 0.5_f32.sqrt(), rate_hz);
                let db = measured_db(&response, f64::from(cutoff_hz), rate_hz);
                let off = db - 10.0 * 0.5_f64.log10();
                worst = worst.max(off.abs());
                assert!(off.abs() < 0.1, "{} {cutoff_hz} Hz at {rate_hz}: {db} dB", MODES[mode]);
            }
        }
    }
    println!("-3 dB point of low-pass and high-pass: at most {worst:.6} dB off");
}

#[test]
fn a_band_pass_peaks_at_0_db_and_a_notch_is_deep() {
    for q in [0.5, 1.0, 10.0] {
        let peak = measured_db(&impulse_response(2, 1000.0, q, 48_000), 1000.0, 48_000);
        assert!(peak.abs() < 0.01, "band-pass, q {q}: {peak} dB");
        let notch = measured_db(&impulse_response(3, 1000.0, q, 48_000), 1000.0, 48_000);
        assert!(notch < -100.0, "notch, q {q}: {notch} dB");
    }
}

/// The largest second difference: a step of size d shows as d, a tone of amplitude a as a w^2.
fn roughness(samples: &[f32]) -> f32 {
    samples.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max)
}

/// A tone of 200 Hz through the filter, which starts with `params`; then comes `event`.
fn through_change(params: &[(&str, f32)], event: &[Event]) -> f32 {
    let mut bench = Bench::with("biquad", 48_000, params);
    let tone = |frame: usize| (TAU * 200.0 * frame as f64 / 48_000.0).sin() as f32;
    let events: Vec<_> = event.iter().map(|&event| (24_011, event)).collect();
    let samples = &bench.play(48_000, tone, &events, &[])[0];
    roughness(&samples[4800..])
}

#[test]
fn parameters_move_without_a_step() {
    let spec = Bench::new("biquad", 48_000).module.spec();
    let set = |name, value| Event::Set(param(spec, name), value);
    let jumps = [
        ("cutoff up", vec![("cutoff", 100.0)], set("cutoff", 10_000.0)),
        ("cutoff down", vec![("cutoff", 10_000.0)], set("cutoff", 100.0)),
        ("q up", vec![("cutoff", 300.0), ("q", 0.2)], set("q", 5.0)),
        ("q down", vec![("cutoff", 300.0), ("q", 5.0)], set("q", 0.2)),
        ("to high-pass", vec![("cutoff", 500.0)], set("mode", 1.0)),
        ("to band-pass", vec![("cutoff", 500.0)], set("mode", 2.0)),
        ("to notch", vec![("cutoff", 200.0)], set("mode", 3.0)),
        ("to peaking", vec![("cutoff", 300.0), ("gain", 9.0)], set("mode", 5.0)),
        ("to low-shelf", vec![("cutoff", 300.0), ("gain", 9.0)], set("mode", 6.0)),
        ("gain up", vec![("mode", 5.0), ("cutoff", 200.0)], set("gain", 12.0)),
    ];
    let bare = roughness(
        &(0..480).map(|i| (TAU * 200.0 * f64::from(i) / 48_000.0).sin() as f32).collect::<Vec<_>>(),
    );
    for (name, params, event) in jumps {
        let smooth = through_change(&params, &[event]);
        // The same jump without smoothing must be seen, or this test would be blind.
        let hard = through_change(&params, &[event, Event::Reset]);
        println!("{name}: roughness {smooth:.6}, without smoothing {hard:.6}, the tone {bare:.6}");
        assert!(smooth < 8.0 * bare, "{name}: {smooth}");
        assert!(hard > 4.0 * smooth, "{name}: smoothing is no better than none: {hard}, {smooth}");
    }
}

#[test]
fn a_filter_that_rings_out_ends_in_silence() {
    let mut bench = Bench::with("biquad", 48_000, &[("q", 30.0), ("cutoff", 20.0)]);
    let samples = bench.listen(40 * 48_000, |frame| if frame < 64 { 1.0 } else { 0.0 });
    assert!(samples.iter().all(|sample| *sample == 0.0 || sample.is_normal()), "no denormals");
    assert_eq!(samples[samples.len() - 1], 0.0);
}

#[test]
fn all_outputs_of_the_svf_have_the_analytic_response() {
    let mut worst = 0.0_f64;
    for rate_hz in [44_100, 48_000, 96_000] {
        for (cutoff_hz, q) in [(100.0_f32, 0.707_f32), (1000.0, 0.5), (5000.0, 8.0)] {
            let mut bench = Bench::with("svf", rate_hz, &[("cutoff", cutoff_hz), ("q", q)]);
            let impulse = |frame| if frame == 0 { 1.0 } else { 0.0 };
            let frames = (rate_hz as usize).next_multiple_of(64);
            let responses = bench.play(frames, impulse, &[], &[]);
            for (mode, response) in responses.iter().enumerate() {
                for step in 0..40 {
                    let freq_hz = 25.0 * 1.17_f64.powi(step);
                    let (cutoff_hz, q) = (f64::from(cutoff_hz), f64::from(q));
                    let exact = analytic_db(mode, cutoff_hz, q, freq_hz, rate_hz);
                    if exact > -60.0 && freq_hz < 0.48 * f64::from(rate_hz) {
                        let off = measured_db(response, freq_hz, rate_hz) - exact;
                        worst = worst.max(off.abs());
                        assert!(off.abs() < 0.1, "output {mode}, {freq_hz} Hz: {off} dB");
                    }
                }
            }
        }
    }
    println!("response of the svf: at most {worst:.5} dB off");
}

#[test]
fn the_svf_stays_bounded_while_its_cutoff_leaps() {
    let mut bench = Bench::with("svf", 48_000, &[("q", 50.0)]);
    let mut chance = common::Chance(3);
    let events: Vec<_> =
        (0..4000).map(|n| (n * 10, Event::Set(0, 20.0 + 19_980.0 * chance.unit()))).collect();
    let loudest = bench.play(40_064, common::Chance::noise, &events, &[]).concat();
    let loudest = loudest.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
    assert!(loudest < 200.0, "{loudest}");
}
