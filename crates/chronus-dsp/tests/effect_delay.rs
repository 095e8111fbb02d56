//! Echoes come when they are told to, in ms or in note values, are as loud and dark as told, bounce, and
//! change their time without a click.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

#[path = "common/stereo.rs"]
mod stereo;

use core::f64::consts::PI;
use stereo::{Effect, ends_in_silence, heard_at, impulse, response_db, roughness, sine};

/// Neither filter does much.
const CLEAR: [(&str, f32); 3] = [("damping", 20_000.0), ("low_cut", 10.0), ("mix", 1.0)];

fn delay(params: &[(&str, f32)]) -> Effect {
    Effect::new("delay", 48_000, &[&CLEAR, params].concat())
}

#[test]
fn the_first_repeat_is_the_sound_itself_after_the_time() {
    for (time_ms, frame) in [(1.0, 48), (10.0, 480), (350.0, 16_800), (2000.0, 96_000)] {
        let params = [("time", time_ms), ("feedback", 0.0)];
        let [left, right] = delay(&params).play(100_000, &[&impulse]).try_into().unwrap();
        assert_eq!((heard_at(&left, 0.0), left[frame]), (vec![frame], 1.0), "{time_ms} ms");
        assert_eq!(left, right);
    }
}

#[test]
fn note_values_follow_the_tempo() {
    let choices = [
        ("off", 0.0),
        ("1_32", 1.0 / 8.0),
        ("1_16t", 1.0 / 6.0),
        ("1_16", 1.0 / 4.0),
        ("1_16d", 3.0 / 8.0),
        ("1_8t", 1.0 / 3.0),
        ("1_8", 1.0 / 2.0),
        ("1_8d", 3.0 / 4.0),
        ("1_4t", 2.0 / 3.0),
        ("1_4", 1.0),
        ("1_4d", 3.0 / 2.0),
        ("1_2t", 4.0 / 3.0),
        ("1_2", 2.0),
        ("1_2d", 3.0),
        ("1_1", 4.0),
    ];
    for (choice, (name, beats)) in choices.into_iter().enumerate().skip(1) {
        for tempo_bpm in [90.0, 120.0, 174.0] {
            let mut delay = delay(&[("feedback", 0.0), ("sync", choice as f32)]);
            assert_eq!(delay.instance.spec().params[1].choices[choice], name);
            delay.transport.tempo_bpm = tempo_bpm;
            let mut seconds: f64 = beats * 60.0 / tempo_bpm;
            while seconds > 2.0 {
                seconds /= 2.0;
            }
            let left = &delay.play(100_000, &[&impulse])[0];
            let frame = (seconds * 48_000.0).round() as usize;
            assert_eq!(heard_at(left, 0.0), [frame], "{name} at {tempo_bpm}");
        }
    }
}

#[test]
fn repeats_bounce_from_side_to_side() {
    let params = [("time", 100.0), ("feedback", 0.5), ("ping_pong", 1.0)];
    let [left, right] = delay(&params).play(24_000, &[&impulse, &|_| 0.0]).try_into().unwrap();
    let peak = |side: &[f32], at: usize| {
        side[at - 240..at + 240].iter().fold(0.0_f32, |most, sample| most.max(sample.abs()))
    };
    let measured: Vec<_> =
        (1..5).map(|n| (peak(&left, 4800 * n), peak(&right, 4800 * n))).collect();
    println!("left and right at each repeat: {measured:.3?}");
    // The filters take the tip off the impulse.
    assert_eq!(measured[0], (0.5, 0.0));
    assert!(measured[1].0 < 1e-3 && (0.18..0.25).contains(&measured[1].1));
    assert!(measured[2].1 < 1e-3 && (0.06..0.125).contains(&measured[2].0));
    assert!(measured[3].0 < 1e-3 && measured[3].1 > 0.02);
}

#[test]
fn each_repeat_loses_highs_and_lows_by_6_db_per_octave() {
    let params = [("time", 500.0), ("feedback", 0.8), ("damping", 2_000.0), ("low_cut", 200.0)];
    let left = &delay(&params).play(60_000, &[&impulse])[0];
    // The repeat begins in a frame of its own; the low cut rings longest.
    let second = &left[48_000..60_000];
    let mut worst = 0.0_f64;
    for step in 0..30 {
        let freq_hz = 30.0 * 1.24_f64.powi(step);
        let over = |corner_hz: f64| (PI * freq_hz / 48e3).tan() / (PI * corner_hz / 48e3).tan();
        let (low, high) = (over(2000.0), over(200.0));
        let gain = 0.8 / (1.0 + low * low).sqrt() * high / (1.0 + high * high).sqrt();
        let off = response_db(second, freq_hz, 48_000) - 20.0 * gain.log10();
        worst = worst.max(off.abs());
    }
    println!("second repeat: at most {worst:.4} dB off");
    assert!(worst < 0.05, "{worst}");
}

/// The frequency around each zero crossing, as a multiple of `freq_hz`.
fn speeds(samples: &[f32], freq_hz: f64) -> Vec<f64> {
    let crossings: Vec<f64> = (1..samples.len())
        .filter(|&n| samples[n - 1] < 0.0 && samples[n] >= 0.0)
        .map(|n| n as f64 - f64::from(samples[n] / (samples[n] - samples[n - 1])))
        .collect();
    crossings.windows(2).map(|pair| 48_000.0 / (pair[1] - pair[0]) / freq_hz).collect()
}

#[test]
fn the_time_changes_without_a_click_and_a_tape_glides_in_pitch() {
    let tone = sine(300.0, 0.5);
    let bare = roughness(&(0..480).map(&tone).collect::<Vec<_>>());
    for (change, name) in [(0.0, "fade"), (1.0, "tape")] {
        for (from_ms, to_ms) in [(300.0, 221.3), (80.0, 333.3), (5.0, 1900.0)] {
            let params = [("time", from_ms), ("feedback", 0.0), ("change", change)];
            let mut delay = delay(&params);
            let before = delay.play(3 * 48_000, &[&tone]).swap_remove(0);
            delay.set("time", to_ms);
            let mut after = delay.play(6 * 48_000, &[&tone]).swap_remove(0);
            after.splice(0..0, before[2 * 48_000..].iter().copied());
            let rough = roughness(&after) / bare;
            let speeds = speeds(&after, 300.0);
            let slowest = speeds.iter().copied().fold(9.0, f64::min);
            let fastest = speeds.iter().copied().fold(0.0, f64::max);
            println!(
                "{name} {from_ms} to {to_ms} ms: {rough:.2} as rough, {slowest:.2}..{fastest:.2}"
            );
            assert!(rough < 2.5, "a step of 0.1 is 130 times as rough");
            if name == "tape" {
                assert!((0.49..1.51).contains(&slowest) && (0.49..1.51).contains(&fastest));
                assert!(slowest < 0.8 || fastest > 1.2, "it is heard");
                // And then it is there.
                let shift = ((to_ms * 48.0).round()) as usize;
                let at = after.len() - 1000;
                let exact = tone(2 * 48_000 + at - shift);
                assert!((after[at] - exact).abs() < 1e-6, "{} {exact}", after[at]);
            }
        }
    }
}

#[test]
fn it_dies_away_to_silence_and_never_runs_away() {
    let params = [("time", 5.0), ("feedback", 0.5), ("damping", 6000.0)];
    let left = &delay(&params).play(96_000, &[&impulse])[0];
    assert!(ends_in_silence(left));
    let tone = sine(300.0, 1.0);
    let left = &delay(&[("time", 20.0), ("feedback", 1.1)]).play(480_000, &[&tone])[0];
    let loudest = left.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
    println!("with a feedback of 1.1 at most {loudest}");
    assert!((1.5..3.0).contains(&loudest), "{loudest}");
}
