//! Chorus, flanger, phaser, tremolo and ring modulator sway as they are told: their delays, combs, notches,
//! levels and sidebands are where the formulas put them.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

#[path = "common/stereo.rs"]
mod stereo;

use core::f64::consts::{PI, TAU};
use stereo::{Effect, ends_in_silence, heard_at, impulse, response_db, rms, roughness, sine};

#[test]
fn the_copies_of_a_chorus_are_where_their_sway_puts_them() {
    let mut worst = 0.0_f64;
    for width in [0.0, 1.0] {
        let params =
            [("rate", 1.0), ("depth", 3.0), ("delay", 20.0), ("width", width), ("mix", 1.0)];
        let mut chorus = Effect::new("chorus", 48_000, &params);
        // An impulse every 100 ms, longer than the latest copy.
        let clicks = |frame: usize| if frame.is_multiple_of(4800) { 1.0 } else { 0.0 };
        let sides = chorus.play(96_000, &[&clicks]);
        for (side, heard) in sides.iter().enumerate().take(2) {
            let mut total = 0.0;
            for click in (0..96_000).step_by(4800) {
                let window = &heard[click..click + 4800];
                // The copies are more than a frame apart but for where they cross; their mean is told.
                let mass: f64 = window.iter().map(|sample| f64::from(*sample)).sum();
                let moment: f64 =
                    window.iter().enumerate().map(|(n, s)| n as f64 * f64::from(*s)).sum();
                total += mass;
                // A copy is heard when its delay is over; its sway then has gone on as far.
                let expected: f64 = (0..3)
                    .map(|voice| {
                        let behind = f64::from(voice) / 3.0 - f64::from(width) * 0.5 * side as f64;
                        let mut late = 960.0;
                        for _ in 0..20 {
                            let turns = (click as f64 + late) / 48_000.0 + behind;
                            late = 960.0 + 144.0 * (TAU * turns).sin();
                        }
                        late
                    })
                    .sum::<f64>()
                    / 3.0;
                worst = worst.max((moment / mass - expected).abs());
            }
            assert!((total / 20.0 - 3f64.sqrt()).abs() < 0.02, "three copies: {}", total / 20.0);
        }
        assert_eq!(sides[0] == sides[1], width == 0.0);
    }
    println!("chorus: the mean of the copies is at most {worst:.3} frames off");
    // Where a copy moves towards the impulse or away from it, its weight changes by its speed.
    assert!(worst < 1.5, "{worst}");
}

#[test]
fn the_comb_of_a_flanger_is_the_analytic_one() {
    let mut worst = 0.0_f64;
    for feedback in [0.0, 0.7, -0.9] {
        let params = [("delay", 2.0), ("depth", 0.0), ("feedback", feedback), ("mix", 0.5)];
        let left = &Effect::new("flanger", 48_000, &params).play(24_000, &[&impulse])[0];
        for step in 0..400 {
            let freq_hz = 50.0 * f64::from(step) + 13.0;
            let (sin, cos) = (TAU * freq_hz * 0.002).sin_cos();
            // 0.5 + 0.5 z / (1 - f z) = 0.5 (1 + (1 - f) z) / (1 - f z)
            let f = f64::from(feedback);
            let above = (1.0 + (1.0 - f) * cos).hypot((1.0 - f) * sin);
            let below = (1.0 - f * cos).hypot(f * sin);
            let exact = 20.0 * (0.5 * above / below).log10();
            let off = response_db(left, freq_hz, 48_000) - exact;
            worst = worst.max(if exact > -40.0 { off.abs() } else { 0.0 });
        }
    }
    println!("flanger: at most {worst:.5} dB off");
    assert!(worst < 0.01, "{worst}");
}

#[test]
fn a_flanger_sways_between_its_ends() {
    let params = [("rate", 2.0), ("delay", 5.0), ("depth", 0.8), ("feedback", 0.0), ("mix", 1.0)];
    let clicks = |frame: usize| if frame.is_multiple_of(960) { 1.0 } else { 0.0 };
    let left = &Effect::new("flanger", 48_000, &params).play(96_000, &[&clicks])[0];
    let late: Vec<f64> = (0..99)
        .map(|click| {
            let window = &left[960 * click..960 * (click + 1)];
            let mass: f64 = window.iter().map(|sample| f64::from(*sample)).sum();
            let moment: f64 =
                window.iter().enumerate().map(|(n, s)| n as f64 * f64::from(*s)).sum();
            moment / mass / 48.0
        })
        .collect();
    let least = late.iter().copied().fold(99.0, f64::min);
    let most = late.iter().copied().fold(0.0, f64::max);
    println!("flanger: from {least:.2} to {most:.2} ms");
    assert!((least - 1.0).abs() < 0.1 && (most - 9.0).abs() < 0.1);
}

#[test]
fn the_notches_of_a_phaser_are_the_analytic_ones() {
    let mut worst = 0.0_f64;
    for (choice, stages) in [4, 6, 8, 12].into_iter().enumerate() {
        for freq_hz in [300.0_f32, 1500.0] {
            let params = [
                ("stages", choice as f32),
                ("freq", freq_hz),
                ("depth", 0.0),
                ("feedback", 0.0),
                ("mix", 0.5),
            ];
            let left = &Effect::new("phaser", 48_000, &params).play(24_000, &[&impulse])[0];
            for step in 0..60 {
                let at = 30.0 * 1.1_f64.powi(step);
                // Each stage turns by two arcus tangents; half the sum with the sound is the cosine of
                // half of all that.
                let over = (PI * at / 48e3).tan() / (PI * f64::from(freq_hz) / 48e3).tan();
                let turn = 2.0 * over.atan() * f64::from(stages);
                let exact = 20.0 * (turn / 2.0).cos().abs().log10();
                let off = response_db(left, at, 48_000) - exact;
                worst = worst.max(if exact > -30.0 { off.abs() } else { 0.0 });
            }
        }
    }
    println!("phaser: at most {worst:.5} dB off");
    assert!(worst < 0.05, "{worst}");
}

#[test]
fn a_phaser_wanders_and_changes_its_stages_without_a_click_and_ends_in_silence() {
    let tone = sine(300.0, 0.5);
    let bare = roughness(&(0..480).map(&tone).collect::<Vec<_>>());
    let mut phaser = Effect::new("phaser", 48_000, &[("rate", 2.0), ("depth", 3.0)]);
    let mut left = phaser.play(48_000, &[&tone]).swap_remove(0);
    for stages in [1.0, 3.0, 0.0] {
        phaser.set("stages", stages);
        left.extend(phaser.play(4800, &[&tone]).swap_remove(0));
    }
    let rough = roughness(&left[480..]) / bare;
    println!("phaser: {rough:.2} as rough as the tone");
    assert!(rough < 4.0, "{rough}");
    assert!(ends_in_silence(&phaser.play(96_000, &[&|_| 0.0])[0]));
}

#[test]
fn a_tremolo_sways_by_its_depth_and_pans_if_it_is_wide() {
    for (shape, mean) in [(0.0, 0.6), (1.0, 0.6)] {
        let params = [("rate", 4.0), ("depth", 0.8), ("shape", shape), ("width", 1.0)];
        let played = Effect::new("tremolo", 48_000, &params).play(48_000, &[&|_| 1.0]);
        let [left, right] = played.try_into().unwrap();
        let least = left.iter().copied().fold(9.0, f32::min);
        let most = left.iter().copied().fold(0.0, f32::max);
        assert!((least - 0.2).abs() < 1e-3 && (most - 1.0).abs() < 1e-3, "{least}..{most}");
        assert!(
            left.iter().zip(&right).all(|(l, r)| (l + r - 1.2).abs() < 1e-3),
            "from side to side"
        );
        let average = left.iter().sum::<f32>() / left.len() as f32;
        assert!((average - mean).abs() < 0.01, "{average}");
        // Loud for half of each turn, four turns a second.
        let rises = left.windows(2).filter(|pair| pair[0] < 0.6 && pair[1] >= 0.6).count();
        assert_eq!(rises, 4);
    }
}

#[test]
fn a_ring_modulator_leaves_sums_and_differences_alone() {
    let tone = sine(1000.0, 1.0);
    let left = &Effect::new("ring", 48_000, &[("freq", 300.0)]).play(48_000, &[&tone])[0];
    let at = |freq_hz: f64| response_db(left, freq_hz, 48_000) - 20.0 * 24_000f64.log10();
    let (low, high) = (at(700.0), at(1300.0));
    let rest = [300.0, 1000.0, 400.0, 1600.0].map(at).into_iter().fold(-999.0, f64::max);
    println!("ring: {low:.3} and {high:.3} dB, the rest at {rest:.0} dB");
    assert!((low + 6.0206).abs() < 0.01 && (high + 6.0206).abs() < 0.01 && rest < -100.0);
    let left = &Effect::new("ring", 48_000, &[]).play(4800, &[&tone, &tone, &|_| 0.25])[0];
    assert!((rms(left) - 0.25 * 0.5f64.sqrt()).abs() < 1e-4, "the carrier takes its place");
    assert!(heard_at(left, 0.26).is_empty());
}

#[test]
fn a_tremolo_in_step_is_loudest_on_its_beats_and_stands_with_them() {
    for (tempo_bpm, beats) in [(120.0, 0.5_f32), (97.3, 0.75), (140.0, 1.0)] {
        let params = [("sync", 1.0), ("beats", beats), ("depth", 1.0), ("rate", 7.7)];
        let mut tremolo = Effect::new("tremolo", 48_000, &params);
        let stopped = tremolo.play(4800, &[&|_| 1.0]).swap_remove(0);
        assert!(stopped.iter().all(|level| *level == stopped[0]), "it stands still");
        tremolo.transport.playing = true;
        tremolo.transport.tempo_bpm = tempo_bpm;
        let left = tremolo.play(96_000, &[&|_| 1.0]).swap_remove(0);
        let turn_frames = 60.0 * 48e3 / tempo_bpm * f64::from(beats);
        for (frame, level) in left.iter().enumerate() {
            let exact = 0.5 + 0.5 * (core::f64::consts::TAU * frame as f64 / turn_frames).cos();
            assert!(
                (f64::from(*level) - exact).abs() < 1e-3,
                "frame {frame}: {level}, not {exact}"
            );
        }
    }
}
