//! A recording comes out as it is, or at another speed in tune, pure and without a click.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/signals.rs"]
mod signals;
#[path = "common/spectrum.rs"]
mod spectrum;

use chronus_dsp::Instance;
use common::Chance;
use core::f64::consts::TAU;
use signals::{module, play, player};
use spectrum::{db, tone};

const RATE_HZ: u32 = 48_000;

type Settings<'a> = &'a [(&'a str, f32)];

fn noise(samples: usize) -> Vec<f32> {
    (0..samples).map(Chance::noise).collect()
}

fn sine(freq_hz: f64, rate_hz: u32, frames: usize) -> Vec<f32> {
    (0..frames).map(|i| (TAU * freq_hz * i as f64 / f64::from(rate_hz)).sin() as f32).collect()
}

/// A player of one channel at the rate of the recording.
fn mono(settings: Settings, samples: Vec<f32>) -> Instance {
    player("sample", RATE_HZ, settings, (samples, 1, RATE_HZ))
}

/// What is heard from a start of all channels on.
fn start(module: &mut Instance, frames: usize) -> Vec<Vec<f32>> {
    module.set_gate(true);
    let mut heard = play(module, frames, &[]);
    for side in &mut heard {
        side.truncate(frames);
    }
    heard
}

#[test]
fn at_its_speed_a_recording_comes_out_as_it_is() {
    let frames = 4000;
    for channels in [1, 2, 3] {
        let samples = noise(frames * channels);
        let recording = (samples.clone(), channels, RATE_HZ);
        let mut module = player("sample", RATE_HZ, &[], recording);
        assert!(start(&mut module, 0).iter().flatten().all(|sample| *sample == 0.0));
        let heard = start(&mut module, frames + 1000);
        for (side, heard) in heard.iter().enumerate() {
            let side = side.min(channels - 1);
            // The last 5 ms fade, so that it may end anywhere.
            for i in 0..frames - 240 {
                assert_eq!(heard[i], samples[i * channels + side], "frame {i} of side {side}");
            }
            let loudest = heard[frames - 24..].iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(loudest < 0.1 && heard[frames..].iter().all(|sample| *sample == 0.0));
        }
    }
}

#[test]
fn in_reverse_it_comes_out_from_behind() {
    let samples = noise(4000);
    let heard = start(&mut mono(&[("reverse", 1.0)], samples.clone()), 4100);
    let mirrored: Vec<f32> = samples.into_iter().rev().collect();
    assert_eq!(heard[0][..4000 - 240], mirrored[..4000 - 240]);
    assert!(heard[0][4000..].iter().all(|sample| *sample == 0.0));
}

#[test]
fn without_a_recording_it_is_silent() {
    let heard = start(&mut module("sample", RATE_HZ, &[]), 640);
    assert!(heard.iter().flatten().all(|sample| *sample == 0.0));
}

/// Level of the tone at `freq_hz`, and of all else in decibels relative to a full one.
fn purity(heard: &[f32], freq_hz: f64) -> (f64, f64) {
    let (level, phase) = tone(heard, 0, freq_hz, RATE_HZ);
    let rest = heard.iter().enumerate().map(|(i, sample)| {
        let angle = TAU * (freq_hz * i as f64 / f64::from(RATE_HZ) + phase);
        f64::from(*sample) - level * angle.cos()
    });
    (level, db(2.0 * rest.map(|x| x * x).sum::<f64>() / heard.len() as f64))
}

#[test]
fn at_any_speed_and_rate_it_is_in_tune_and_pure() {
    for (recorded_hz, freq_hz) in [(44_100, 997.0), (48_000, 5003.0), (96_000, 3001.0)] {
        for speed in [0.1, 0.5, 0.97, 1.0, 1.33, 2.0, 3.7] {
            let samples = sine(freq_hz, recorded_hz, 300_000);
            let recording = (samples, 1, recorded_hz);
            let mut module = player("sample", RATE_HZ, &[("speed", speed)], recording);
            let heard = start(&mut module, 16_000).swap_remove(0);
            let expected_hz = freq_hz * f64::from(speed);
            // Up to 17 kHz; beyond that it is weakened rather than folded down.
            if expected_hz < 17_000.0 {
                let (level, rest_db) = purity(&heard[1000..], expected_hz);
                let name = format!("{freq_hz} Hz recorded at {recorded_hz} Hz, speed {speed}");
                println!("{name}: level {:.4} dB, all else {rest_db:.1} dB", 2.0 * db(level));
                assert!((2.0 * db(level)).abs() < 0.05 && rest_db < -75.0, "{name}");
            }
        }
    }
}

#[test]
fn what_would_be_above_half_the_rate_is_gone() {
    for speed in [1.6_f32, 2.0, 3.3, 5.0, 8.0, 11.3, 16.0] {
        // It would be at 29 kHz.
        let samples = sine(29_000.0 / f64::from(speed), RATE_HZ, 200_000);
        let heard = start(&mut mono(&[("speed", speed)], samples), 10_000).swap_remove(0);
        let power = heard[1000..9000].iter().map(|x| f64::from(x * x)).sum::<f64>() / 8000.0;
        println!("speed {speed}: {:.1} dB", db(2.0 * power));
        assert!(db(2.0 * power) < -75.0, "speed {speed}");
    }
}

#[test]
fn a_loop_has_no_seam() {
    // 60 turns in the 4800 frames of the loop, with their crests at its ends for to and fro.
    let crests = |i: usize| (TAU * (i as f64 - 1200.0) / 80.0).cos() as f32;
    let samples: Vec<f32> = (0..9600).map(crests).collect();
    let noisy = samples.iter().enumerate();
    let noisy: Vec<f32> = noisy
        .map(|(i, x)| if (1200..6001).contains(&i) { *x } else { *x + Chance::noise(i) })
        .collect();
    let region = |frames: f32| [("start", 0.125), ("end", (1200.0 + frames) / 9600.0)];
    for (course, frames) in [(1.0, 4800.0), (2.0, 4801.0)] {
        for (speed, reverse) in [(1.0, 0.0), (1.77, 0.0), (0.6, 1.0), (6.0, 0.0), (6.0, 1.0)] {
            let own = [("loop", course), ("speed", speed), ("reverse", reverse)];
            let settings = [&region(frames)[..], &own].concat();
            let heard = start(&mut mono(&settings, noisy.clone()), 60_000).swap_remove(0);
            let (level, rest_db) = purity(&heard[12_000..], 600.0 * f64::from(speed));
            println!("course {course}, speed {speed}: level {level:.5}, all else {rest_db:.1} dB");
            assert!((level - 1.0).abs() < 0.002 && rest_db < -75.0, "course {course} at {speed}");
        }
    }
}

#[test]
fn a_loop_lasts_as_long_as_the_gate_and_a_stroke_as_long_as_itself() {
    let samples = vec![1.0; 4800];
    let gate = |frame: usize| if (100..9700).contains(&frame) { 1.0 } else { 0.0 };
    let ends_at = |settings: Settings| {
        let heard = play(&mut mono(settings, samples.clone()), 19_200, &[("gate", &gate)]);
        assert!(heard[0][..100].iter().all(|sample| *sample == 0.0), "it waits for the gate");
        assert!(heard[0][100] > 0.4, "it begins with the gate");
        heard[0].iter().rposition(|sample| *sample != 0.0).expect("it is heard") + 1
    };
    assert_eq!(ends_at(&[]), 4900);
    assert_eq!(ends_at(&[("speed", 2.0)]), 2500);
    assert_eq!(ends_at(&[("end", 0.5)]), 2500);
    // 10 ms of release unless said otherwise; the last of its frames is silent.
    assert_eq!(ends_at(&[("loop", 1.0)]), 9700 + 480);
    assert_eq!(ends_at(&[("loop", 2.0), ("release", 100.0)]), 9700 + 4800);
}

#[test]
fn nothing_clicks() {
    let slope =
        |heard: &[f32]| heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    // 100 Hz go 0.013 a frame; what fades in over 1 ms goes 0.021.
    let limit = 0.013 + 0.021;
    let samples = sine(100.0, RATE_HZ, 48_000);
    // It begins at a crest, and starts again at every 1000 frames, anywhere in the turn.
    let gate = |frame: usize| if frame % 1000 < 500 { 1.0 } else { 0.0 };
    let cut: Settings = &[("start", 0.1025)];
    let found = slope(&play(&mut mono(cut, samples.clone()), 48_000, &[("gate", &gate)])[0]);
    println!("starts: steepest step {found:.4} of {limit}");
    assert!(found < limit);
    for course in [0.0, 1.0, 2.0] {
        let settings = [("loop", course), ("start", 0.1), ("end", 0.9)];
        let mut module = mono(&settings, samples.clone());
        let mut heard = start(&mut module, 9600).swap_remove(0);
        // The end moves to before where it is, the start to behind that, always at the same place
        // of a turn.
        for (param, value) in [(2, 0.15), (1, 0.13), (4, 1.0), (1, 0.14), (2, 1.0), (4, 0.0)] {
            module.set_param(param, value);
            heard.extend(play(&mut module, 640, &[]).swap_remove(0));
        }
        module.set_gate(false);
        heard.extend(play(&mut module, 4800, &[]).swap_remove(0));
        let found = slope(&heard);
        println!("course {course}: steepest step {found:.4} of {limit}");
        assert!(found < limit, "course {course}");
    }
}
