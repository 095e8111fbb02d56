//! The LFO has the frequency it says down to 0.001 Hz, its shapes are those of their names, it
//! keeps to the beat for hours, and its chances are even, smooth when asked, and different by seed.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/rig.rs"]
mod rig;

use common::RATES_HZ;
use core::f64::consts::TAU;
use rig::{Rig, openings, triggers};

const SHAPES: [&str; 7] =
    ["sine", "triangle", "saw-up", "saw-down", "square", "random", "smooth-random"];
const SQUARE: f32 = 4.0;
const RANDOM: f32 = 5.0;
const SMOOTH: f32 = 6.0;

/// A shape without chance at so many turns.
fn ideal(shape: usize, turns: f64) -> f64 {
    let x = turns - turns.floor();
    match shape {
        0 => (TAU * x).sin(),
        1 if x < 0.25 => 4.0 * x,
        1 if x < 0.75 => 2.0 - 4.0 * x,
        1 => 4.0 * x - 4.0,
        2 => 2.0 * x - 1.0,
        3 => 1.0 - 2.0 * x,
        _ if x < 0.5 => 1.0,
        _ => -1.0,
    }
}

#[test]
fn shapes_are_those_of_their_names_at_any_phase() {
    let mut worst = 0.0_f64;
    for (shape, name) in SHAPES.iter().enumerate().take(5) {
        for phase in [0.0_f32, 0.25, 0.6, 1.0] {
            let params = [("shape", shape as f32), ("freq", 3.0), ("phase", phase)];
            let heard = Rig::new("lfo", &params).play(48_000).remove(0);
            for (frame, level) in heard.iter().enumerate() {
                let turns = 3.0 * frame as f64 / 48_000.0 + f64::from(phase);
                let exact = ideal(shape, turns + 1e-9);
                let off = (f64::from(*level) - exact).abs();
                worst = worst.max(off);
                assert!(off < 1e-6, "{name} {phase}, frame {frame}: {level}, {exact}");
            }
        }
    }
    println!("shapes at most {worst:.2e} off");
}

#[test]
fn depth_offset_and_polarity_place_it() {
    for (shape, name) in SHAPES.iter().enumerate() {
        for (depth, offset, polarity, low, high) in [
            (1.0, 0.0, 0.0, -1.0, 1.0),
            (0.5, 0.25, 0.0, -0.25, 0.75),
            (1.0, 0.0, 1.0, 0.0, 1.0),
            (-0.5, 1.0, 1.0, 0.5, 1.0),
        ] {
            let params = [
                ("shape", shape as f32),
                ("freq", 100.0),
                ("depth", depth),
                ("offset", offset),
                ("polarity", polarity),
            ];
            let heard = Rig::new("lfo", &params).play(96_000).remove(0);
            let least = heard.iter().copied().fold(f32::MAX, f32::min);
            let most = heard.iter().copied().fold(f32::MIN, f32::max);
            // Two hundred random values come close to the ends.
            let near = if shape < 5 { 0.005 } else { 0.06 };
            let is_near = least >= low && least < low + near && most <= high && most > high - near;
            assert!(is_near, "{name} {depth} {offset} {polarity}: {least} {most}");
        }
    }
}

#[test]
fn frequencies_are_exact_down_to_a_thousandth_of_a_hertz() {
    for rate_hz in RATES_HZ {
        for freq_hz in [0.001_f32, 0.01, 0.37, 1.0, 7.3, 100.0] {
            let params = [("shape", 2.0), ("freq", freq_hz)];
            let heard = Rig { rate_hz, ..Rig::new("lfo", &params) }.play(rate_hz as usize);
            // The saw says where it is: turns after a second, but for whole ones.
            let last = heard[0].len() - 1;
            let exact = f64::from(freq_hz) * last as f64 / f64::from(rate_hz);
            let turns = f64::from(f32::midpoint(heard[0][last], 1.0));
            let off = (turns - exact) - (turns - exact).round();
            assert!(off.abs() < 1.3e-7, "{freq_hz} Hz at {rate_hz}: {off} of {exact} turns");
        }
    }
    // The rises of a square, to the frame.
    let square = Rig::new("lfo", &[("shape", SQUARE), ("freq", 4.0)]).play(480_000).remove(0);
    assert!(openings(&square).iter().enumerate().all(|(turn, frame)| *frame == turn * 12_000));
    assert_eq!(openings(&square).len(), 40);
}

#[test]
fn in_step_it_follows_the_beat_alone() {
    for (tempo_bpm, beat, beats) in [(120.0, 0.0, 4.0), (97.3, -3.0, 0.75), (140.0, 1e5, 1.0)] {
        let params = [("shape", 2.0), ("sync", 1.0), ("beats", beats), ("freq", 33.0)];
        let rig = Rig::new("lfo", &params).playing(tempo_bpm, beat);
        let heard = rig.play(96_000).remove(0);
        let mut worst = 0.0_f64;
        for (frame, level) in heard.iter().enumerate() {
            let beat = beat + frame as f64 * tempo_bpm / 60.0 / 48_000.0;
            let turns = beat / f64::from(beats) + 1e-9;
            let off = f64::from(*level) - ideal(2, turns);
            // At the jump, the last digit decides.
            worst = worst.max(if off.abs() > 1.9 { 0.0 } else { off.abs() });
        }
        println!("{tempo_bpm} bpm from beat {beat}, {beats} beats: at most {worst:.2e} off");
        assert!(worst < 1e-6, "{worst}");
    }
    let stopped = Rig::new("lfo", &[("shape", 2.0), ("sync", 1.0)]).play(4800).remove(0);
    assert!(stopped.iter().all(|level| *level == stopped[0]), "it stands still with the transport");
}

#[test]
fn a_reset_begins_the_turn_and_the_series_anew() {
    let at = triggers(&[10_007]);
    for sync in [0.0, 1.0] {
        for (shape, name) in SHAPES.iter().enumerate() {
            let params =
                [("shape", shape as f32), ("freq", 20.0), ("sync", sync), ("beats", 0.0625)];
            let rig = Rig::new("lfo", &params).playing(75.0, 0.0);
            let heard = rig.clone().input("reset", &at).play(20_096).remove(0);
            let fresh = rig.play(10_048).remove(0);
            let worst = heard[10_007..20_000]
                .iter()
                .zip(&fresh)
                // The beat of the frame is rounded, so an edge may come a frame later.
                .filter(|(again, first)| (**again - **first).abs() > 1e-4)
                .count();
            assert!(worst <= 10, "{name} sync {sync}: {worst} frames differ");
        }
    }
}

/// The random values of the turns, one each.
fn values(seed: f32, count: usize) -> Vec<f32> {
    let params = [("shape", RANDOM), ("freq", 100.0), ("seed", seed)];
    let heard = Rig::new("lfo", &params).play(count * 480).remove(0);
    let turns = heard.chunks_exact(480).take(count);
    turns
        .map(|turn| {
            assert!(turn.iter().all(|level| *level == turn[0]), "one value for a whole turn");
            turn[0]
        })
        .collect()
}

#[test]
fn random_steps_are_even_and_different_by_seed() {
    let count = 4000;
    let [first, second] = [0.0, 1.0].map(|seed| values(seed, count));
    for values in [&first, &second] {
        let mut bins = [0.0_f64; 20];
        for value in values {
            bins[((value + 1.0) * 10.0).min(19.0) as usize] += 1.0;
        }
        let expected = count as f64 / 20.0;
        let chi2: f64 = bins.iter().map(|bin| (bin - expected).powi(2) / expected).sum();
        let next: f64 = values.windows(2).map(|pair| f64::from(pair[0] * pair[1])).sum();
        let next = 3.0 * next / count as f64;
        println!("chi squared {chi2:.1} of 19, correlation with the next {next:.4}");
        assert!((5.0..50.0).contains(&chi2) && next.abs() < 4.0 / (count as f64).sqrt());
    }
    let alike: f64 = first.iter().zip(&second).map(|(a, b)| f64::from(a * b)).sum();
    assert!((3.0 * alike / count as f64).abs() < 4.0 / (count as f64).sqrt());
    assert_eq!(values(1.0, 50), second[..50], "the same seed is the same series");
}

#[test]
fn smooth_random_passes_the_values_without_a_kink() {
    let params = [("shape", SMOOTH), ("freq", 100.0), ("seed", 5.0)];
    let heard = Rig::new("lfo", &params).play(480 * 200).remove(0);
    for (turn, value) in values(5.0, 200).iter().enumerate() {
        assert!((heard[480 * turn] - value).abs() < 1e-6, "turn {turn}");
    }
    let bend = |w: &[f32]| (w[0] - 2.0 * w[1] + w[2]).abs();
    let sharpest = heard.windows(3).map(bend).fold(0.0, f32::max);
    // At most 2 from value to value: the curve x x (3 - 2 x) bends by 6 of that per turn squared.
    println!("second difference at most {sharpest:.2e}");
    assert!(sharpest < 2.0 * 6.0 / (480.0 * 480.0) + 5e-7, "{sharpest}");
}

#[test]
fn spread_sets_channels_apart() {
    let spread = |shape: f32, spread: f32| {
        let params = [("shape", shape), ("freq", 2.0), ("spread", spread)];
        Rig { channels: 4, ..Rig::new("lfo", &params) }.play(24_000).remove(0)
    };
    let heard = spread(2.0, 1.0);
    for (n, frame) in heard.as_chunks::<4>().0.iter().enumerate() {
        for (c, level) in frame.iter().enumerate() {
            let exact = ideal(2, 2.0 * n as f64 / 48_000.0 + 0.25 * c as f64 + 1e-9);
            assert!((f64::from(*level) - exact).abs() < 1e-6, "channel {c}, frame {n}");
        }
    }
    let frame = spread(RANDOM, 0.5)[..4].to_vec();
    let differs = |c: usize| frame[c + 1..].iter().all(|other| *other != frame[c]);
    assert!((0..4).all(differs), "{frame:?}");
    let frame = spread(RANDOM, 0.0)[..4].to_vec();
    assert!(frame.iter().all(|level| *level == frame[0]));
}
