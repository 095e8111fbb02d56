//! Linear frequency modulation makes the spectra of theory, goes through zero, and without a signal
//! changes nothing.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/signals.rs"]
mod signals;
#[path = "common/spectrum.rs"]
mod spectrum;

use core::f64::consts::TAU;
use signals::{module, play};
use spectrum::{db, powers};

/// A whole number of turns in this many frames: the spectrum needs no window and shows no leakage.
const LENGTH: usize = 8192;
const LEAD: usize = 1024;
const RATE_HZ: u32 = 48_000;
const KINDS: [&str; 4] = ["sine", "saw", "pulse", "triangle"];

fn hz(turns: usize) -> f32 {
    turns as f32 * RATE_HZ as f32 / LENGTH as f32
}

/// The modulator of so many turns: a cosine, so that the phase of what it modulates is a sine.
fn modulator(turns: usize) -> impl Fn(usize) -> f32 {
    move |frame| (TAU * ((frame * turns) % LENGTH) as f64 / LENGTH as f64).cos() as f32
}

/// The Bessel function of the first kind, by its integral.
fn bessel(order: i32, x: f64) -> f64 {
    let steps = 2000;
    let value = |i: i32| {
        let angle = core::f64::consts::PI * (f64::from(i) + 0.5) / f64::from(steps);
        (f64::from(order) * angle - x * angle.sin()).cos()
    };
    (0..steps).map(value).sum::<f64>() / f64::from(steps)
}

#[test]
fn without_a_signal_fm_changes_nothing() {
    for kind in KINDS {
        for freq in [20.0, 440.0, 9_000.0, 20_000.0] {
            let settings = [("freq", freq), ("index", 5.0)];
            let plain = play(&mut module(kind, RATE_HZ, &settings), 4096, &[]);
            let silent = play(&mut module(kind, RATE_HZ, &settings), 4096, &[("fm", &|_| 0.0)]);
            for (plain, silent) in plain[0].iter().zip(&silent[0]) {
                // A sine that nothing modulates is computed otherwise, and rounded otherwise.
                let most = if kind == "sine" { 2e-7 } else { 0.0 };
                assert!((plain - silent).abs() <= most, "{kind} at {freq} Hz: {plain} {silent}");
            }
        }
    }
}

#[test]
fn the_sidebands_of_a_sine_are_bessel_functions() {
    // An index of 6 takes the frequency from -5 to 7 times, and sidebands through 0, where they
    // meet others.
    for (carrier, modulating, index) in [(512, 64, 0.25), (640, 256, 1.0), (192, 128, 6.0)] {
        let settings = [("freq", hz(carrier)), ("gain", 1.0), ("index", index)];
        let mut sine = module("sine", RATE_HZ, &settings);
        let heard = play(&mut sine, LEAD + LENGTH, &[("fm", &modulator(modulating))]);
        let spectrum = powers(&heard[0][LEAD..LEAD + LENGTH]);
        // What a frame adds to the phase is heard in the next one: a sum where theory has an
        // integral.
        let half_step = 0.5 * TAU * modulating as f64 / LENGTH as f64;
        let beta = f64::from(index) * carrier as f64 / modulating as f64;
        let beta = beta * half_step / half_step.sin();
        let [mut re, mut im] = [vec![0.0_f64; LENGTH / 2], vec![0.0; LENGTH / 2]];
        for order in -60..=60 {
            let bin = carrier as i32 + order * modulating as i32;
            let phase = beta * half_step.sin() - f64::from(order) * half_step;
            let (at, sign) = (bin.unsigned_abs() as usize, f64::from(bin.signum()));
            if at < LENGTH / 2 {
                re[at] += sign * bessel(order, beta) * phase.cos();
                im[at] += bessel(order, beta) * phase.sin();
            }
        }
        let mut worst = 0.0_f64;
        for bin in 0..LENGTH / 2 {
            worst = worst.max((spectrum[bin].sqrt() - re[bin].hypot(im[bin])).abs());
        }
        println!("index {index}, beta {beta:.2}: sidebands at most {worst:.1e} off");
        assert!(worst < 1e-5, "index {index}: {worst}");
    }
}

#[test]
fn at_minus_the_frequency_all_run_backwards() {
    // A constant fm of -1 at index 2 makes the frequency its negative.
    for kind in KINDS {
        let settings = [("freq", hz(171)), ("gain", 1.0), ("index", 2.0)];
        let forward = play(&mut module(kind, RATE_HZ, &settings), LEAD + LENGTH, &[]);
        let mut instance = module(kind, RATE_HZ, &settings);
        let backward = play(&mut instance, LEAD + LENGTH, &[("fm", &|_| -1.0)]);
        // Both repeat after LENGTH; the one is the other from behind, shifted by what the delay
        // says.
        let forward = &forward[0][LEAD..LEAD + LENGTH];
        let backward = &backward[0][LEAD..LEAD + LENGTH];
        let distance = |shift: usize| {
            let pairs = (0..LENGTH).map(|n| {
                let mirrored = (2 * LENGTH + shift - n) % LENGTH;
                f64::from(forward[n] - backward[mirrored])
            });
            pairs.map(|difference| difference * difference).sum::<f64>() / LENGTH as f64
        };
        let delay = if kind == "sine" { 0 } else { 16 };
        let power = distance((2 * LENGTH + 2 * delay - 2 * LEAD) % LENGTH);
        println!("{kind}: backwards is forwards mirrored, {:.1} dB off", db(power));
        assert!(db(power) < -80.0, "{kind}: {} dB", db(power));
    }
}

#[test]
fn edges_have_no_aliases_while_the_frequency_goes_through_zero() {
    // Between frames the frequency counts as constant: the faster it moves, the less exact are the
    // edges. All repeats 17 times in LENGTH, which is no multiple of that: what folds down lies
    // between.
    for kind in ["saw", "pulse", "triangle"] {
        for (turns, modulating, index, limit_db) in
            [(85, 17, 0.5, -75.0), (85, 17, 1.7, -75.0), (170, 170, 2.5, -50.0)]
        {
            let settings = [("freq", hz(turns)), ("gain", 1.0), ("index", index)];
            let mut instance = module(kind, RATE_HZ, &settings);
            let heard = play(&mut instance, LEAD + LENGTH, &[("fm", &modulator(modulating))]);
            let spectrum = powers(&heard[0][LEAD..LEAD + LENGTH]);
            let (mut wanted, mut others) = (0.0, 0.0);
            for (bin, power) in spectrum.iter().enumerate().take(20_000 * LENGTH / 48_000).skip(1) {
                *(if bin % 17 == 0 { &mut wanted } else { &mut others }) += power;
            }
            let found_db = db(others / wanted);
            println!("{kind}, {turns} turns by {modulating} at {index}: {found_db:.1} dB");
            assert!(found_db < limit_db, "{kind} at {index}: {found_db} dB");
        }
    }
}
