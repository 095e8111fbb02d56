//! Random values are spread as they say, come as often as they should, and are the same again for
//! the same seed.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/rig.rs"]
mod rig;

use rig::{Rig, openings};

/// A trigger each other frame.
fn busy(frame: usize) -> f32 {
    if frame % 2 == 1 { 1.0 } else { 0.0 }
}

/// One value for each of so many triggers.
fn drawn(params: &[(&'static str, f32)], count: usize) -> Vec<f32> {
    let played = Rig::new("random", params).input("trigger", &busy).play(2 * count);
    played[0].chunks_exact(2).map(|pair| pair[1]).take(count).collect()
}

/// Mean, standard deviation and kurtosis.
fn moments(values: &[f32]) -> [f64; 3] {
    let mean = |power: i32, about: f64| {
        let sum: f64 = values.iter().map(|value| (f64::from(*value) - about).powi(power)).sum();
        sum / values.len() as f64
    };
    let middle = mean(1, 0.0);
    let variance = mean(2, middle);
    [middle, variance.sqrt(), mean(4, middle) / (variance * variance)]
}

const COUNT: usize = 100_000;

#[test]
fn uniform_values_fill_their_range_evenly() {
    let values = drawn(&[("min", 2.0), ("max", 6.0), ("seed", 3.0)], COUNT);
    let mut bins = [0.0_f64; 50];
    for value in &values {
        assert!((2.0..6.0).contains(value));
        bins[((value - 2.0) * 12.5) as usize] += 1.0;
    }
    let expected = COUNT as f64 / 50.0;
    let chi2: f64 = bins.iter().map(|bin| (bin - expected).powi(2) / expected).sum();
    let [mean, deviation, kurtosis] = moments(&values);
    println!(
        "mean {mean:.4}, deviation {deviation:.4}, kurtosis {kurtosis:.3}, chi2 {chi2:.1} of 49"
    );
    assert!((mean - 4.0).abs() < 0.015 && (deviation - 4.0 / 12.0_f64.sqrt()).abs() < 0.01);
    assert!((20.0..95.0).contains(&chi2), "{chi2}");
}

#[test]
fn gaussian_values_are_a_bell_six_deviations_wide() {
    let params = [("min", -3.0), ("max", 3.0), ("distribution", 1.0)];
    let values = drawn(&params, COUNT);
    let [mean, deviation, kurtosis] = moments(&values);
    let within = |range: f32| {
        values.iter().filter(|value| value.abs() < range).count() as f64 / COUNT as f64
    };
    let shares = [1.0, 2.0, 2.999_999].map(within);
    println!(
        "mean {mean:.4}, deviation {deviation:.4}, kurtosis {kurtosis:.3}, within {shares:.4?}"
    );
    assert!(mean.abs() < 0.015 && (deviation - 0.9865).abs() < 0.02, "{mean} {deviation}");
    assert!(values.iter().all(|value| value.abs() <= 3.0));
    for (share, exact) in shares.iter().zip([0.6827, 0.9545, 0.9973]) {
        assert!((share - exact).abs() < 0.007, "{share} {exact}");
    }
}

#[test]
fn values_do_not_resemble_those_before_or_of_other_seeds() {
    let [first, second] = [0.0, 1.0].map(|seed| drawn(&[("seed", seed)], COUNT));
    let likeness = |a: &[f32], b: &[f32]| -> f64 {
        3.0 * a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>() / COUNT as f64
    };
    let other = likeness(&first, &second);
    let worst = (1..20).map(|lag| likeness(&first, &first[lag..]).abs()).fold(0.0, f64::max);
    println!("likeness of seeds {other:.4}, of lags at most {worst:.4}");
    assert!(other.abs() < 0.0127 && worst < 0.0127);
    assert_eq!(drawn(&[("seed", 1.0)], 100), second[..100]);
}

#[test]
fn chance_decides_which_triggers_draw() {
    for chance in [0.0, 0.25, 0.9, 1.0] {
        let rig = Rig::new("random", &[("chance", 100.0 * chance)]).input("trigger", &busy);
        let played = rig.play(2 * COUNT);
        let passed = openings(&played[1]);
        let changes: Vec<usize> =
            (1..2 * COUNT).filter(|n| played[0][*n] != played[0][n - 1]).collect();
        assert_eq!(passed, changes, "a value is drawn where the gate opens, and nowhere else");
        let share = passed.len() as f32 / COUNT as f32;
        let sum: f64 = passed.iter().map(|frame| f64::from(played[0][*frame])).sum();
        let mean = sum / passed.len().max(1) as f64;
        println!("chance {chance}: {share}, values {mean:.4} in the mean");
        assert!((share - chance).abs() < 0.006, "{share}");
        // Whether a trigger draws says nothing about what it draws.
        assert!(mean.abs() < 0.016, "{mean}");
    }
}

#[test]
fn a_reset_repeats_the_series() {
    let reset = |frame: usize| if frame == 1001 { 1.0 } else { 0.0 };
    let rig = Rig::new("random", &[]).input("trigger", &|frame| busy(frame + 1));
    let once = rig.clone().play(1024).remove(0);
    let again = rig.input("reset", &|frame| reset(frame + 1)).play(2048).remove(0);
    assert_eq!(again[..1000], once[..1000]);
    assert_eq!(again[1000..2000], once[..1000]);
}

#[test]
fn channels_are_alike_or_different_as_asked() {
    for (spread, alike) in [(0.0, true), (1.0, false)] {
        let rig = Rig { channels: 4, ..Rig::new("random", &[("spread", spread)]) };
        let played = rig.play(64).remove(0);
        let differ = (1..4).filter(|c| played[*c] != played[0]).count();
        assert_eq!(differ, if alike { 0 } else { 3 });
    }
}
