//! The diode ladder has its analytic response, and the voice that is made of it plays in tune,
//! slides in its time, and opens its filter as far and as long as its parameters say.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/spectrum.rs"]
mod spectrum;

use chronus_dsp::drum::diode_ladder::{DiodeLadder, FEEDBACK_MAX};
use chronus_dsp::{BLOCK_FRAMES, Instance, Transport, catalog, silent_buffer};
use common::{RATES_HZ, param};
use core::f64::consts::{PI, SQRT_2, TAU};
use spectrum::{db, powers};

const MIDDLE_HZ: f64 = 261.6255653;

/// The voice, with what is at each of its inputs (by name) in each frame.
fn play(
    rate_hz: u32,
    params: &[(&str, f32)],
    frames: usize,
    input: impl Fn(&str, usize) -> f32,
) -> Vec<f32> {
    let entry = catalog::find("acid").expect("a kind");
    let spec = entry.spec;
    let mut module = Instance::new(entry, rate_hz, 1);
    for (name, value) in params {
        module.set_param(param(spec, name), *value);
    }
    module.reset();
    let mut inputs = vec![silent_buffer(1); spec.inputs.len()];
    let mut outputs = vec![silent_buffer(1)];
    let mut heard = Vec::new();
    for block in 0..frames.div_ceil(BLOCK_FRAMES) {
        for (buffer, port) in inputs.iter_mut().zip(spec.inputs) {
            for (n, value) in buffer.iter_mut().enumerate() {
                *value = input(port.name, block * BLOCK_FRAMES + n);
            }
        }
        let inputs: Vec<_> = inputs.iter().map(|buffer| Some(&buffer[..])).collect();
        let time = Transport::stopped(rate_hz);
        module.process(&inputs, &[], &mut outputs, 0..BLOCK_FRAMES, time);
        heard.extend_from_slice(&outputs[0]);
    }
    heard
}

/// A note of this pitch that is held for ever.
fn held(pitch: f32) -> impl Fn(&str, usize) -> f32 {
    move |port, _| match port {
        "gate" => 1.0,
        "pitch" => pitch,
        _ => 0.0,
    }
}

fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

type Complex = (f64, f64);

fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// `1 / (T(1 + s) + k)` in dB, at the frequency onto which the bilinear transform bends.
fn analytic_db(peak_hz: f64, k: f64, freq_hz: f64, rate_hz: u32) -> f64 {
    let rate_hz = f64::from(rate_hz);
    let s = (PI * freq_hz / rate_hz).tan() / (PI * peak_hz / rate_hz).tan() / SQRT_2;
    let square = times((1.0, s), (1.0, s));
    let fourth = times(square, square);
    let (re, im) = (8.0 * fourth.0 - 8.0 * square.0 + 1.0 + k, 8.0 * fourth.1 - 8.0 * square.1);
    -20.0 * re.hypot(im).log10()
}

#[test]
fn the_ladder_has_its_analytic_response() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for (peak_hz, k) in [(150.0_f32, 0.0_f32), (800.0, 8.0), (3000.0, 14.0)] {
            let mut ladder = DiodeLadder::<1>::REST;
            // So faint that nothing saturates.
            let response: Vec<f64> = (0..rate_hz / 2)
                .map(|n| if n == 0 { 1e-3 } else { 0.0 })
                .map(|x| ladder.next([x], [peak_hz], [k], 1.0 / rate_hz as f32)[0])
                .map(|y| f64::from(y) * 1e3)
                .collect();
            for step in 0..40 {
                let freq_hz = 25.0 * 1.17_f64.powi(step);
                let exact = analytic_db(f64::from(peak_hz), f64::from(k), freq_hz, rate_hz);
                if exact < -90.0 || freq_hz > 0.48 * f64::from(rate_hz) {
                    continue;
                }
                let (mut re, mut im) = (0.0, 0.0);
                for (n, sample) in response.iter().enumerate() {
                    let angle = TAU * (freq_hz * n as f64 / f64::from(rate_hz)).fract();
                    re += sample * angle.cos();
                    im += sample * angle.sin();
                }
                let off = 20.0 * re.hypot(im).log10() - exact;
                worst = worst.max(off.abs());
                assert!(off.abs() < 0.1, "{peak_hz} Hz, k {k}, at {freq_hz} Hz: {off} dB");
            }
        }
    }
    println!("response of the ladder: at most {worst:.4} dB off");
}

#[test]
fn the_ladder_rings_at_its_frequency_and_stays_bounded() {
    for peak_hz in [100.0_f32, 1000.0, 5000.0] {
        let mut ladder = DiodeLadder::<1>::REST;
        // A little more than the least feedback, after a push for half a turn.
        let push = (24_000.0 / peak_hz) as usize;
        let ring: Vec<f32> = (0..96_000)
            .map(|n| if n < push { 0.5 } else { 0.0 })
            .map(|x| ladder.next([x], [peak_hz], [FEEDBACK_MAX * 1.02], 1.0 / 48_000.0)[0])
            .collect();
        let late = &ring[48_000..];
        let rises: Vec<usize> =
            (1..late.len()).filter(|n| late[n - 1] <= 0.0 && late[*n] > 0.0).collect();
        let span = (rises[rises.len() - 1] - rises[0]) as f64 / (rises.len() - 1) as f64;
        let cents = 1200.0 * (48_000.0 / span / f64::from(peak_hz)).log2();
        println!("{peak_hz} Hz rings {cents:.1} cents off, at a level of {:.3}", rms(late));
        // At its limits it is not linear, and slightly flat or sharp.
        assert!(cents.abs() < 15.0 && rms(late) > 1e-3 && rms(late) < 0.1);
    }
}

#[test]
fn it_plays_in_tune() {
    for rate_hz in RATES_HZ {
        for (pitch, tune, wave) in
            [(-2.0_f32, 0.0_f32, 0.0_f32), (-1.0, 7.0, 1.0), (0.5, -12.0, 0.5)]
        {
            let params = [
                ("tune", tune),
                ("wave", wave),
                ("cutoff", 10_000.0),
                ("env", 0.0),
                ("resonance", 0.0),
                ("gain", 0.8),
            ];
            let heard = play(rate_hz, &params, rate_hz as usize, held(pitch));
            let expected = MIDDLE_HZ * f64::from(pitch + tune / 12.0).exp2();
            // The phase of the fundamental half a second apart says how far it is off.
            let (start, half) = (rate_hz as usize / 4, rate_hz as usize / 4);
            let phase =
                |from: usize| spectrum::tone(&heard[from..from + half], from, expected, rate_hz);
            let (first, second) = (phase(start), phase(start + half));
            let turns = (second.1 - first.1 + 0.5).rem_euclid(1.0) - 0.5;
            let cents = 1200.0 * (1.0 + turns / 0.25 / expected).log2();
            println!("{expected:.2} Hz at {rate_hz}, wave {wave}: {cents:.4} cents off");
            assert!(cents.abs() < 0.1 && first.0 > 0.1, "{cents} cents, level {}", first.0);
        }
    }
}

#[test]
fn its_aliases_are_faint() {
    // The oscillator has none to speak of; these come from the saturation of the ladder.
    // Frequencies that are whole numbers of bins, so that no line leaks.
    const COUNT: usize = 16_384;
    for (wave, turns) in [(0.0, 701.0), (1.0, 701.0), (0.0, 1403.0)] {
        let freq_hz = turns * 48_000.0 / COUNT as f64;
        let pitch = (freq_hz / MIDDLE_HZ).log2() as f32;
        let params = [("wave", wave), ("cutoff", 10_000.0), ("env", 0.0), ("resonance", 0.0)];
        let heard = play(48_000, &params, 48_000 + COUNT, held(pitch));
        // The slow fading of the held note widens the lines; a window keeps that to a few bins.
        let window = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / COUNT as f64).cos();
        let windowed: Vec<f32> = heard[48_000..48_000 + COUNT]
            .iter()
            .enumerate()
            .map(|(n, sample)| (f64::from(*sample) * window(n)) as f32)
            .collect();
        let power = powers(&windowed);
        let strongest = power.iter().fold(0.0_f64, |most, p| most.max(*p));
        let turns = turns as usize;
        let is_line = |bin: usize| (bin + 30) % turns <= 60;
        let aliases = |to: usize| (30..to).filter(|bin| !is_line(*bin));
        let worst = |to| aliases(to).map(|bin| power[bin]).fold(0.0, f64::max);
        let [all, heard] = [power.len(), COUNT * 18 / 48].map(|to| db(worst(to) / strongest));
        println!(
            "{freq_hz:.0} Hz, wave {wave}: aliases {heard:.1} dB, with those to 24 kHz {all:.1} dB"
        );
        assert!(heard < -50.0, "{heard} dB");
    }
}

#[test]
fn a_slide_takes_its_time_and_other_notes_leap() {
    let params = [("cutoff", 10_000.0), ("env", 0.0), ("resonance", 0.0), ("slide_time", 400.0)];
    let frequency_at = |slide: f32, ms: usize| {
        let heard = play(48_000, &params, 96_000, |port, n| match port {
            "gate" => 1.0,
            "pitch" if n < 24_000 => -1.0,
            "slide" => slide,
            _ => 0.0,
        });
        // Between the two rises through 0 around that time; a saw has one per turn.
        let middle = 24_000 + 48 * ms;
        let rises: Vec<f64> = (middle - 800..middle + 800)
            .filter(|n| heard[n - 1] <= 0.0 && heard[*n] > 0.0)
            .map(|n| n as f64 - f64::from(heard[n] / (heard[n] - heard[n - 1])))
            .collect();
        let after = rises.iter().position(|n| *n > middle as f64).expect("a rise");
        let octaves = (48_000.0 / (rises[after] - rises[after - 1]) / MIDDLE_HZ).log2();
        octaves as f32
    };
    for ms in [50, 100, 200] {
        let expected = -10.0_f32.powf(-3.0 * ms as f32 / 400.0);
        let slid = frequency_at(1.0, ms);
        println!("{ms} ms into a slide of an octave: {slid:.4} octaves, expected {expected:.4}");
        assert!((slid - expected).abs() < 0.02);
    }
    assert!(frequency_at(0.0, 20).abs() < 0.01, "without a slide it leaps");
}

#[test]
fn the_envelope_opens_the_filter_as_it_says() {
    let params = [
        ("cutoff", 300.0),
        ("env", 4.0),
        ("decay", 6000.0),
        ("resonance", 0.9),
        ("accent_depth", 0.0),
    ];
    // A low note, whose harmonics are close together: the strongest shows where the resonance is.
    let heard = play(48_000, &params, 96_000, held(-3.5));
    for ms in [100, 300, 600, 1200, 1900] {
        let from = 48 * ms - 1024;
        let window = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / 2048.0).cos();
        let windowed: Vec<f32> = heard[from..from + 2048]
            .iter()
            .enumerate()
            .map(|(n, sample)| (f64::from(*sample) * window(n)) as f32)
            .collect();
        let power = powers(&windowed);
        // The harmonics of a saw fall by 6 dB per octave, which is taken out.
        let level = |bin: usize| power[bin] * (bin * bin) as f64;
        let best = (4..400).max_by(|a, b| level(*a).total_cmp(&level(*b))).expect("a bin");
        let found = best as f64 * 48_000.0 / 2048.0;
        let expected = 300.0 * (4.0 * 10_f64.powf(-3.0 * f64::from(ms as u32) / 6000.0)).exp2();
        println!("after {ms} ms the filter is at {found:.0} Hz, expected {expected:.0} Hz");
        // With this resonance the peak itself is 0.06 octaves lower than where the ladder would
        // ring.
        let off = (found / expected).log2() + 0.06;
        assert!(off.abs() < 0.1, "{found} Hz for {expected} Hz");
    }
}

#[test]
fn an_accent_is_louder_and_shorter() {
    let params = [("accent_depth", 1.0), ("decay", 2000.0), ("resonance", 0.5)];
    let note = |accent: f32| {
        play(48_000, &params, 48_000, move |port, n| match port {
            "gate" => f32::from(u8::from(n < 36_000)),
            "pitch" => -2.0,
            "accent" => accent,
            _ => 0.0,
        })
    };
    let (plain, accented) = (note(0.0), note(1.0));
    let level = |heard: &[f32]| 20.0 * rms(heard).log10();
    let begin = level(&accented[480..4800]) - level(&plain[480..4800]);
    println!("the accent is {begin:.1} dB louder as the note begins");
    assert!((4.0..12.0).contains(&begin));
    // The release: 60 dB in 20 ms. After the filter rang out there is nothing left.
    let after = level(&plain[36_000 + 960..36_000 + 1440]) - level(&plain[34_000..36_000]);
    println!("20 ms after the gate closed it is at {after:.0} dB");
    assert!(after < -55.0);
}

#[test]
fn accents_in_a_row_pile_up() {
    let params = [("accent_depth", 1.0), ("env", 0.0), ("decay", 400.0), ("cutoff", 200.0)];
    let heard = play(48_000, &params, 48_000, |port, n| match port {
        "gate" => f32::from(u8::from(n % 6000 < 3000)),
        "pitch" => -2.0,
        "accent" => 1.0,
        _ => 0.0,
    });
    // The level of the slope shows how bright it is.
    let slopes: Vec<f32> = heard.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let bright: Vec<f64> = (0..4).map(|k| rms(&slopes[k * 6000..k * 6000 + 3000])).collect();
    println!("brightness of accents in a row: {bright:.4?}");
    assert!(bright[1] > 1.05 * bright[0] && bright[2] >= 0.99 * bright[1]);
}

#[test]
fn its_level_is_that_of_other_voices() {
    for (wave, resonance, accent) in
        [(0.0, 0.0, 0.0), (0.0, 0.7, 0.0), (1.0, 0.7, 1.0), (0.0, 1.0, 1.0)]
    {
        let params = [("wave", wave), ("resonance", resonance), ("gain", 1.0)];
        let heard = play(48_000, &params, 24_000, |port, n| match port {
            "gate" => f32::from(u8::from(n % 6000 < 3000)),
            "pitch" => -2.0,
            "accent" => accent,
            _ => 0.0,
        });
        let peak = heard.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
        println!(
            "wave {wave}, resonance {resonance}, accent {accent}: peak {peak:.2}, rms {:.2}",
            rms(&heard)
        );
        assert!((0.4..3.0).contains(&peak), "{peak}");
    }
}
