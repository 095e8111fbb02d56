//! The wavetable plays its tables without aliases, at their levels, and moves in them without a
//! step.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/signals.rs"]
mod signals;
#[path = "common/spectrum.rs"]
mod spectrum;

use chronus_dsp::Instance;
use core::f64::consts::{PI, TAU};
use signals::{module, play, player};
use spectrum::{db, powers};

/// A whole number of turns in this many frames: the spectrum needs no window and shows no leakage.
const LENGTH: usize = 8192;
const RATE_HZ: u32 = 48_000;

fn hz(turns: usize) -> f32 {
    turns as f32 * RATE_HZ as f32 / LENGTH as f32
}

fn wavetable(settings: &[(&str, f32)]) -> Instance {
    module("wavetable", RATE_HZ, settings)
}

fn spectrum_of(module: &mut Instance) -> Vec<f64> {
    powers(&play(module, LENGTH, &[])[0])
}

/// All that is not the tone or a harmonic, up to 20 kHz, relative to all the harmonics.
fn aliases_db(spectrum: &[f64], turns: usize) -> f64 {
    let (mut wanted, mut others) = (0.0, 0.0);
    for (bin, power) in spectrum.iter().enumerate().take(20_000 * LENGTH / RATE_HZ as usize) {
        *(if bin > 0 && bin % turns == 0 { &mut wanted } else { &mut others }) += power;
    }
    db(others / wanted)
}

#[test]
fn no_table_has_aliases() {
    let spec = wavetable(&[]).spec();
    let tables = spec.params.iter().find(|param| param.name == "table").expect("it has tables");
    for (table, name) in tables.choices.iter().enumerate() {
        for (turns, limit_db) in [(17, -80.0), (171, -80.0), (853, -60.0), (1707, -60.0)] {
            let mut worst_db = f64::NEG_INFINITY;
            for position in [0.0, 0.38, 0.66, 1.0] {
                let settings = [
                    ("freq", hz(turns)),
                    ("gain", 1.0),
                    ("table", table as f32),
                    ("position", position),
                ];
                let spectrum = spectrum_of(&mut wavetable(&settings));
                worst_db = worst_db.max(aliases_db(&spectrum, turns));
            }
            println!("{name} at {:.0} Hz: aliases {worst_db:.1} dB", hz(turns));
            assert!(worst_db < limit_db, "{name} at {} Hz: {worst_db} dB", hz(turns));
        }
    }
}

#[test]
fn the_basic_shapes_have_the_harmonics_of_fourier() {
    let shapes: [(f32, &dyn Fn(f64) -> f64); 5] = [
        (0.0, &|n| if n == 1.0 { 1.0 } else { 0.0 }),
        (1.0, &|n| if n % 2.0 == 1.0 { 8.0 / (PI * n).powi(2) } else { 0.0 }),
        (2.0, &|n| 2.0 / (PI * n)),
        (3.0, &|n| if n % 2.0 == 1.0 { 4.0 / (PI * n) } else { 0.0 }),
        // Half-way from the saw to the square: even harmonics of the saw have the other sign.
        (2.5, &|n| if n % 2.0 == 1.0 { 3.0 / (PI * n) } else { 1.0 / (PI * n) }),
    ];
    for (shape, amplitude) in shapes {
        for turns in [5, 17, 171, 853] {
            let settings = [("freq", hz(turns)), ("gain", 1.0), ("position", shape / 3.0)];
            let spectrum = spectrum_of(&mut wavetable(&settings));
            let mut worst = 0.0_f64;
            for n in 1..=13_500 * LENGTH / RATE_HZ as usize / turns {
                let expected = amplitude(n as f64).powi(2);
                if expected > 1e-7 {
                    worst = worst.max((db(spectrum[n * turns]) - db(expected)).abs());
                }
            }
            println!("shape {shape} at {:.0} Hz: up to 13.5 kHz within {worst:.4} dB", hz(turns));
            assert!(worst < 0.1, "shape {shape} at {} Hz: {worst} dB", hz(turns));
        }
    }
}

/// Recorded turns of one harmonic each, and the next of a quarter of the level.
fn turns_of(frames: usize, harmonics: &[usize]) -> Vec<f32> {
    let turn = |h: &usize| {
        let h = *h;
        (0..frames).map(move |i| {
            let angle = TAU * (i * h) as f64 / frames as f64;
            (angle.sin() + 0.25 * (angle + TAU * i as f64 / frames as f64).cos()) as f32
        })
    };
    harmonics.iter().flat_map(turn).collect()
}

#[test]
fn a_recording_is_the_table() {
    let turns = 17;
    let settings = |position| [("freq", hz(turns)), ("gain", 1.0), ("position", position)];
    let samples = turns_of(2048, &[1, 3, 100]);
    for (position, expected) in [
        (0.0, [(1, 1.0), (2, 0.25), (3, 0.0)]),
        (0.5, [(3, 1.0), (4, 0.25), (1, 0.0)]),
        (0.75, [(3, 0.5), (100, 0.5), (101, 0.125)]),
        (1.0, [(100, 1.0), (101, 0.25), (3, 0.0)]),
    ] {
        let table = (samples.clone(), 1, 44_100);
        let mut module = player("wavetable", RATE_HZ, &settings(position), table);
        let spectrum = spectrum_of(&mut module);
        for (h, level) in expected {
            let found = spectrum[h * turns].sqrt();
            println!("position {position}: harmonic {h} at {found:.5}");
            assert!((found - level).abs() < 1e-3, "harmonic {h} at {found}, not {level}");
        }
        assert!(aliases_db(&spectrum, turns) < -80.0);
    }
}

#[test]
fn a_short_recording_is_one_turn() {
    for frames in [600, 64, 2047] {
        // In stereo, of which the first channel is taken.
        let stereo = turns_of(frames, &[2]).into_iter().flat_map(|sample| [sample, 0.9]).collect();
        let settings = [("freq", hz(171)), ("gain", 1.0), ("position", 0.7)];
        let spectrum =
            spectrum_of(&mut player("wavetable", RATE_HZ, &settings, (stereo, 2, 48_000)));
        let [second, third] = [2, 3].map(|h| spectrum[h * 171].sqrt());
        println!("{frames} frames: harmonics at {second:.5}, {third:.5}");
        assert!((second - 1.0).abs() < 1e-3 && (third - 0.25).abs() < 1e-3);
    }
    let mut empty = player("wavetable", RATE_HZ, &[], (vec![0.5], 1, 48_000));
    assert_eq!(play(&mut empty, 640, &[]), play(&mut wavetable(&[]), 640, &[]), "it has no turn");
}

#[test]
fn fm_moves_frequency_and_band_together() {
    // An fm of 1 at index 1 doubles the frequency.
    let settings = [("freq", hz(171)), ("gain", 1.0), ("position", 2.0 / 3.0)];
    let heard = play(&mut wavetable(&settings), LENGTH, &[("fm", &|_| 1.0)]);
    let spectrum = powers(&heard[0]);
    let found_db = aliases_db(&spectrum, 342);
    println!("a saw at twice {:.0} Hz by fm: {found_db:.1} dB", hz(171));
    assert!(found_db < -80.0 && (spectrum[342].sqrt() - 2.0 / PI).abs() < 1e-3);
    let silent = play(&mut wavetable(&settings), LENGTH, &[("fm", &|_| 0.0)]);
    assert_eq!(silent, play(&mut wavetable(&settings), LENGTH, &[]));
}

#[test]
fn a_change_of_table_is_a_fade_and_a_glide_has_no_steps() {
    let mut module = wavetable(&[("freq", 100.0), ("gain", 1.0)]);
    let mut heard = play(&mut module, 4800, &[]).swap_remove(0);
    // From the sine of basic to the fundamental of the organ, whose peak is at its own place.
    module.set_param(3, 1.0);
    heard.extend(play(&mut module, 4800, &[]).swap_remove(0));
    let steepest =
        |heard: &[f32]| heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    let slope = (TAU * 100.0 / 48_000.0) as f32;
    let found = steepest(&heard);
    println!("steepest step {found:.5}, the tone itself goes {slope:.5}");
    assert!(found < 1.2 * slope);
    // Over four octaves it is read at eight levels.
    let mut module = wavetable(&[("freq", 110.0), ("gain", 1.0)]);
    module.set_param(0, 1760.0);
    let found = steepest(&play(&mut module, 4800, &[])[0]);
    let slope = (TAU * 1760.0 / 48_000.0) as f32;
    println!("a sine up to 1760 Hz: steepest step {found:.5}, the tone itself goes {slope:.5}");
    assert!(found < 1.01 * slope);
}
