//! Oscillators with edges are in tune, as loud as they should be, and free of aliases.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/spectrum.rs"]
mod spectrum;

use common::{Bench, RATES_HZ};
use core::f64::consts::PI;
use spectrum::{db, powers, tone};

/// A whole number of turns in this many frames: the spectrum needs no window and shows no leakage.
const LENGTH: usize = 8192;
/// What is left out before it, until the filters and the delay are filled.
const LEAD: usize = 1024;

type Settings<'a> = &'a [(&'a str, f32)];

/// The spectrum of `turns` turns in [`LENGTH`] frames.
fn spectrum_of(kind: &str, rate_hz: u32, turns: usize, settings: Settings) -> Vec<f64> {
    let freq_hz = turns as f32 * rate_hz as f32 / LENGTH as f32;
    let all = [&[("freq", freq_hz), ("gain", 1.0)], settings].concat();
    let samples = Bench::with(kind, rate_hz, &all).listen(LEAD + LENGTH, |_| 0.0);
    powers(&samples[LEAD..])
}

/// All that is not the tone or a harmonic, up to 20 kHz, relative to the tone. The mean counts.
fn aliases_db(spectrum: &[f64], rate_hz: u32, turns: usize) -> f64 {
    let end = 20_000 * LENGTH / rate_hz as usize;
    let others = (0..end.min(LENGTH / 2)).filter(|bin| *bin == 0 || bin % turns != 0);
    db(others.map(|bin| spectrum[bin]).sum::<f64>() / spectrum[turns])
}

/// At 48 kHz, tones of about 100 Hz, 1 kHz, 5 kHz and 10 kHz, and how far below their aliases are.
const LIMITS_DB: [(usize, f64); 4] = [(17, -80.0), (171, -80.0), (853, -60.0), (1707, -60.0)];

fn aliases_are_low(kind: &str, settings: Settings) {
    for (turns, limit_db) in LIMITS_DB {
        let spectrum = spectrum_of(kind, 48_000, turns, settings);
        let found_db = aliases_db(&spectrum, 48_000, turns);
        let freq_hz = turns as f64 * 48_000.0 / LENGTH as f64;
        println!("{kind} {settings:?} at {freq_hz:.0} Hz: aliases {found_db:.1} dB");
        assert!(found_db < limit_db, "{kind} {settings:?} at {freq_hz} Hz: {found_db} dB");
    }
}

/// Compares the harmonics up to 18 kHz with the amplitudes they should have.
fn harmonics_are(kind: &str, settings: Settings, amplitude: impl Fn(f64) -> f64) {
    for (turns, _) in LIMITS_DB {
        let spectrum = spectrum_of(kind, 48_000, turns, settings);
        let last = 18_000 * LENGTH / 48_000 / turns;
        let mut worst = 0.0_f64;
        for n in 1..=last {
            let expected = amplitude(n as f64).powi(2);
            if expected > 1e-6 {
                worst = worst.max((db(spectrum[n * turns]) - db(expected)).abs());
            }
        }
        println!("{kind} {settings:?}, {turns} turns: {last} harmonics within {worst:.4} dB");
        assert!(worst < 0.1, "{kind} {settings:?}, {turns} turns: {worst} dB");
    }
}

#[test]
fn aliases_of_a_saw_are_low() {
    aliases_are_low("saw", &[]);
}

#[test]
fn the_harmonics_of_a_saw_are_those_of_fourier() {
    harmonics_are("saw", &[], |n| 2.0 / (PI * n));
}

const WIDTHS: [f32; 4] = [0.5, 0.25, 0.1, 0.99];

#[test]
fn aliases_of_a_pulse_are_low() {
    for width in WIDTHS {
        aliases_are_low("pulse", &[("width", width)]);
    }
}

#[test]
fn the_harmonics_of_a_pulse_are_those_of_fourier() {
    for width in WIDTHS {
        let turn = PI * f64::from(width);
        harmonics_are("pulse", &[("width", width)], |n| 4.0 / (PI * n) * (turn * n).sin());
    }
}

#[test]
fn aliases_of_a_triangle_are_low() {
    aliases_are_low("triangle", &[]);
}

#[test]
fn the_harmonics_of_a_triangle_are_those_of_fourier() {
    harmonics_are("triangle", &[], |n| if n % 2.0 == 1.0 { 8.0 / (PI * n).powi(2) } else { 0.0 });
}

#[test]
fn oscillators_with_edges_are_in_tune() {
    for kind in ["saw", "pulse", "triangle"] {
        let mut worst = 0.0_f64;
        for rate_hz in RATES_HZ {
            for freq_hz in [20.0_f32, 440.0, 1234.567, 9999.9] {
                let frames = 10 * rate_hz as usize;
                let samples =
                    Bench::with(kind, rate_hz, &[("freq", freq_hz)]).listen(frames, |_| 0.0);
                let freq_hz = f64::from(freq_hz);
                let window = rate_hz as usize / 2;
                let late_start = frames - window;
                let (_, early) = tone(&samples[LEAD..LEAD + window], LEAD, freq_hz, rate_hz);
                let (_, late) = tone(&samples[late_start..frames], late_start, freq_hz, rate_hz);
                let slip = (late - early + 0.5).rem_euclid(1.0) - 0.5;
                let turns = freq_hz * (late_start - LEAD) as f64 / f64::from(rate_hz);
                let cents = 1200.0 * (1.0 + slip / turns).log2();
                worst = worst.max(cents.abs());
                assert!(cents.abs() < 0.01, "{kind}, {freq_hz} Hz at {rate_hz} Hz: {cents} cent");
            }
        }
        println!("{kind}: frequency over 10 s at most {worst:.6} cent off");
    }
}

/// A master in straight lines, so that the moment when it rises through 0 is known between frames.
fn master(turns: usize) -> impl Fn(usize) -> f32 {
    move |frame| {
        let turn = ((frame * turns) % LENGTH) as f32 / LENGTH as f32;
        (turn - 0.5).abs() * 4.0 - 1.0
    }
}

#[test]
fn a_synced_oscillator_repeats_with_its_master_without_aliases() {
    let pulse: Settings = &[("width", 0.05)];
    let all: [(_, Settings); 4] =
        [("saw", &[]), ("pulse", &[]), ("pulse", pulse), ("triangle", &[])];
    for (kind, settings) in all {
        for (turns, limit_db) in [(171, -80.0), (853, -60.0)] {
            for ratio in [0.7, 1.37, 2.5, 3.3] {
                let freq_hz = ratio * turns as f32 * 48_000.0 / LENGTH as f32;
                // The master is played to all inputs; fm is not to hear it.
                let all = [&[("freq", freq_hz), ("gain", 1.0), ("index", 0.0)], settings].concat();
                let mut bench = Bench::with(kind, 48_000, &all);
                let samples = bench.listen(LEAD + LENGTH, master(turns));
                let spectrum = powers(&samples[LEAD..]);
                let end = 20_000 * LENGTH / 48_000;
                let (mut harmonics, mut others) = (0.0, 0.0);
                for (bin, power) in spectrum.iter().enumerate().take(end).skip(1) {
                    *(if bin % turns == 0 { &mut harmonics } else { &mut others }) += power;
                }
                let found_db = db(others / harmonics);
                println!("{kind} {settings:?}, {turns} turns, synced at {ratio}: {found_db:.1} dB");
                assert!(found_db < limit_db, "{kind}, {turns} turns at {ratio}: {found_db} dB");
            }
        }
    }
}
