//! The supersaw has seven saws where its parameters say, no aliases, and the same loudness at all
//! settings.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/signals.rs"]
mod signals;
#[path = "common/spectrum.rs"]
mod spectrum;

use core::f64::consts::TAU;
use signals::{module, play};
use spectrum::{db, powers, tone};

const RATE_HZ: u32 = 48_000;
const LEAD: usize = 1024;

fn heard(frames: usize, settings: &[(&str, f32)]) -> [Vec<f32>; 2] {
    let all = play(&mut module("supersaw", RATE_HZ, settings), LEAD + frames, &[]);
    [0, 1].map(|side: usize| all[side][LEAD..LEAD + frames].to_vec())
}

#[test]
fn the_saws_are_where_the_detuning_says() {
    // At 50 cent the saws of 440 Hz are at least 2 Hz apart: 10 s tell them from each other.
    let sides = heard(480_000, &[("freq", 440.0), ("detune", 50.0), ("blend", 1.0), ("gain", 1.0)]);
    let expected = [
        (-1.0, [true, false]),
        (-0.572, [false, true]),
        (-0.177, [false, true]),
        (0.0, [true, true]),
        (0.181, [true, false]),
        (0.565, [true, false]),
        (0.977, [false, true]),
    ];
    for (offset, on) in expected {
        let freq_hz = 440.0 * (50.0 / 1200.0 * f64::from(offset as f32)).exp2();
        for (side, on) in sides.iter().zip(on) {
            let (amplitude, _) = tone(side, 0, freq_hz, RATE_HZ);
            // Each has a seventh of the power: in the middle on both sides, else on one alone.
            let level = if offset == 0.0 { 1.0 } else { 2.0_f64.sqrt() };
            let ideal = level * 2.0 / core::f64::consts::PI / 7.0_f64.sqrt();
            println!("{freq_hz:.3} Hz: {amplitude:.5} of {ideal:.5}");
            assert!(if on { (amplitude / ideal - 1.0).abs() < 0.01 } else { amplitude < 1e-3 });
        }
    }
}

#[test]
fn in_unison_it_has_no_aliases() {
    const LENGTH: usize = 8192;
    for (turns, limit_db) in [(17, -80.0), (171, -80.0), (853, -60.0)] {
        let freq_hz = turns as f32 * 48_000.0 / LENGTH as f32;
        let [left, _] = heard(LENGTH, &[("freq", freq_hz), ("detune", 0.0), ("blend", 1.0)]);
        let spectrum = powers(&left);
        let others = (0..20_000 * LENGTH / 48_000).filter(|bin| *bin == 0 || bin % turns != 0);
        let found_db = db(others.map(|bin| spectrum[bin]).sum::<f64>() / spectrum[turns]);
        println!("{freq_hz:.0} Hz: {found_db:.1} dB");
        assert!(found_db < limit_db, "{freq_hz} Hz: {found_db} dB");
    }
}

#[test]
fn out_of_tune_it_has_no_aliases() {
    const LENGTH: usize = 1 << 17;
    for (freq_hz, detune, limit_db) in [(1003.7, 10.0_f32, -80.0), (5021.3, 30.0, -60.0)] {
        let settings = [("freq", freq_hz), ("detune", detune), ("blend", 1.0), ("gain", 1.0)];
        let [mut left, _] = heard(LENGTH, &settings);
        for (i, sample) in left.iter_mut().enumerate() {
            let x = TAU * i as f64 / LENGTH as f64;
            let window = 0.35875 - 0.48829 * x.cos() + 0.14128 * (2.0 * x).cos();
            *sample *= (window - 0.01168 * (3.0 * x).cos()) as f32;
        }
        let spectrum = powers(&left);
        let (mut wanted, mut others) = (0.0, 0.0);
        let hz_per_bin = f64::from(RATE_HZ) / LENGTH as f64;
        for (bin, power) in spectrum.iter().enumerate().take((20_000.0 / hz_per_bin) as usize) {
            let turns = bin as f64 * hz_per_bin / f64::from(freq_hz);
            let nearest = turns.round().max(0.0);
            let cents = 1200.0 * (turns / nearest).log2();
            let reach = f64::from(detune) + 1200.0 * (1.0 + 6.0 / bin.max(6) as f64).log2();
            let is_wanted = nearest > 0.0 && cents.abs() < reach;
            *(if is_wanted { &mut wanted } else { &mut others }) += power;
        }
        println!("{freq_hz} Hz, {detune} cent: aliases {:.1} dB", db(others / wanted));
        assert!(db(others / wanted) < limit_db);
    }
}

#[test]
fn it_is_as_loud_as_a_saw_at_any_blend_and_width() {
    let power =
        |side: &[f32]| side.iter().map(|s| f64::from(s * s)).sum::<f64>() / side.len() as f64;
    for blend in [0.0, 0.5, 1.0] {
        for width in [0.0, 0.5, 1.0] {
            let settings = [("blend", blend), ("width", width), ("gain", 1.0), ("detune", 100.0)];
            let sides = heard(480_000, &settings);
            let peak = sides.iter().flatten().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            let [left, right] = sides.each_ref().map(|side| db(power(side) * 3.0));
            println!("blend {blend}, width {width}: {left:.2} dB, {right:.2} dB, peak {peak:.2}");
            assert!(left.abs() < 0.15 && right.abs() < 0.15 && peak < 2.7);
            assert_eq!(sides[0] == sides[1], width == 0.0 || blend == 0.0, "mono or not");
        }
    }
}

#[test]
fn the_seed_and_spread_say_where_they_begin() {
    let play = |settings: &[(&str, f32)]| heard(4096, settings);
    assert_eq!(play(&[]), play(&[("seed", 0.0)]));
    assert_ne!(play(&[]), play(&[("seed", 1.0)]));
    let mut bench = common::Bench::poly("supersaw", RATE_HZ, 4);
    let alike = bench.listen(4096, |_| 0.0);
    bench.module.set_param(6, 1.0);
    bench.module.reset();
    assert_ne!(bench.listen(4096, |_| 0.0), alike, "the last channel begins elsewhere");
}
