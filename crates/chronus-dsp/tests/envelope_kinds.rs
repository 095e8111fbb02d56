//! The other envelopes keep time as well: each segment lasts as long as its parameter or text says,
//! its curve is the one promised, and nothing that changes under way makes a step.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;

use chronus_dsp::{BLOCK_FRAMES, Instance, Transport, catalog, silent_buffer};
use common::{Bench, Event, RATES_HZ, bits, param};
use core::f64::consts::TAU;

const ENV: usize = 1;
const END: usize = 2;

fn frames_of(ms: f64, rate_hz: u32) -> f64 {
    ms * f64::from(rate_hz) / 1000.0
}

/// All outputs for these events, for so many seconds.
fn play(
    kind: &str,
    rate_hz: u32,
    params: &[(&str, f32)],
    events: &[(usize, Event)],
    s: f64,
) -> Vec<Vec<f32>> {
    let frames = (s * f64::from(rate_hz)) as usize;
    Bench::with(kind, rate_hz, params).play(frames.next_multiple_of(64), |_| 1.0, events, &[])
}

/// How many frames after `start` the level first is as asked, the frame where it is so included.
fn when(levels: &[f32], start: usize, is_there: impl Fn(f32) -> bool) -> f64 {
    let frames = levels[start..].iter().position(|&level| is_there(level));
    (frames.expect("the level is reached") + 1) as f64
}

fn steepest(levels: &[f32]) -> f32 {
    levels.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

/// What the way that is left is bent to.
fn bent(left: f64, curve: f64) -> f64 {
    if curve == 0.0 {
        left
    } else {
        ((10.0 * curve * left).exp2() - 1.0) / ((10.0 * curve).exp2() - 1.0)
    }
}

#[test]
fn attack_and_decay_last_as_long_as_they_say_on_their_curves() {
    let (mut worst, mut worst_level) = (0.0_f64, 0.0_f64);
    for rate_hz in RATES_HZ {
        for [attack, decay] in [[10.0, 100.0], [33.3, 7.7], [0.0, 0.0], [150.0, 250.0]] {
            for curve in [-1.0, 0.0, 0.3, 1.0] {
                let params = [("attack", attack), ("decay", decay), ("curve", curve)];
                let open = 77;
                let events = [(open, Event::Gate(true)), (open + 5, Event::Gate(false))];
                let played = play("ad", rate_hz, &params, &events, 0.45);
                let levels = &played[ENV];
                let attack_frames = when(levels, open, |level| level == 1.0);
                let decay_start = open + attack_frames as usize;
                let decay_frames = when(levels, decay_start, |level| level == 0.0);
                let expected = [attack, decay].map(|ms| frames_of(f64::from(ms), rate_hz));
                for (measured, expected) in [attack_frames, decay_frames].iter().zip(expected) {
                    let off = (measured - expected).abs();
                    worst = worst.max(off);
                    assert!(off <= 1.0, "{params:?} at {rate_hz} Hz: {measured}, {expected}");
                }
                for n in 1..decay_frames as usize {
                    let left = 1.0 - n as f64 / expected[1].round();
                    let exact = bent(left, f64::from(curve));
                    let off = f64::from(levels[decay_start + n - 1]) - exact;
                    worst_level = worst_level.max(off.abs());
                    assert!(off.abs() < 1e-5, "{params:?}, frame {n}: {off}");
                }
                let end = decay_start + decay_frames as usize - 1;
                let ends: Vec<_> = (0..levels.len()).filter(|n| played[END][*n] == 1.0).collect();
                assert_eq!(ends, [end], "it says when it is over");
            }
        }
    }
    println!("attack and decay: at most {worst:.3} frames off, {worst_level:.1e} off the curve");
}

#[test]
fn a_slow_attack_is_as_exact() {
    let events = [(0, Event::Gate(true))];
    let params = [("attack", 20_000.0), ("curve", 0.0)];
    let levels = &play("ad", 96_000, &params, &events, 20.1)[ENV];
    assert_eq!(when(levels, 0, |level| level == 1.0), 20.0 * 96_000.0);
    assert!((levels[10 * 96_000 - 1] - 0.5).abs() < 1e-6, "and straight");
}

#[test]
fn the_modes_of_ad_differ_in_what_the_gate_does() {
    let close = 23_000;
    let events = [(0, Event::Gate(true)), (close, Event::Gate(false))];
    let levels = |mode| {
        let params = [("attack", 10.0), ("decay", 90.0), ("curve", 0.0), ("mode", mode)];
        play("ad", 48_000, &params, &events, 1.0)
    };
    let trigger = levels(0.0);
    assert!(trigger[ENV][4800..].iter().all(|level| *level == 0.0), "once");
    let gate = levels(1.0);
    assert!(gate[ENV][479..close].iter().all(|level| *level == 1.0), "it stays at the peak");
    assert_eq!(when(&gate[ENV], close, |level| level == 0.0), 4320.0);
    let looped = levels(2.0);
    let ends: Vec<_> = (0..48_000).filter(|n| looped[END][*n] == 1.0).collect();
    assert_eq!(ends, (1..=5).map(|n| n * 4800 - 1).collect::<Vec<_>>(), "5 rounds of 100 ms");
    assert!(looped[ENV][5 * 4800..].iter().all(|level| *level == 0.0), "the last one is finished");
}

#[test]
fn what_changes_under_way_makes_no_step() {
    let set =
        |kind, name, value| Event::Set(param(Bench::new(kind, 48_000).module.spec(), name), value);
    let params = [("attack", 1000.0), ("decay", 1000.0), ("curve", 0.0)];
    let events = [
        (0, Event::Gate(true)),
        (10_000, set("ad", "curve", 0.5)),
        (20_000, set("ad", "attack", 0.0)),
        (30_000, set("ad", "decay", 0.0)),
    ];
    let ad = steepest(&play("ad", 48_000, &params, &events, 1.0)[ENV]);
    let events = [(0, Event::Gate(true)), (100, set("contour", "stretch", 0.05))];
    let contour = steepest(&play("contour", 48_000, &[("stretch", 20.0)], &events, 1.0)[ENV]);
    println!(
        "steepest steps per frame: ad {ad:.5}, contour {contour:.5}, 5 ms are {:.5}",
        1.0 / 240.0
    );
    // On a curve of half the bend the first frames go 3.6 times as fast as on average.
    assert!(ad <= 4.0 / 240.0 && contour <= 7.0 / 240.0, "{ad}, {contour}");
}

#[test]
fn the_exponential_envelope_keeps_its_times() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for [attack, decay, release] in
            [[5.0, 100.0, 200.0], [0.3, 33.3, 77.7], [150.0, 20.0, 5.0], [0.0, 0.0, 0.0]]
        {
            let sustain = 0.6;
            let params =
                [("attack", attack), ("decay", decay), ("sustain", sustain), ("release", release)];
            let open = 77;
            let close = open + frames_of(700.0, rate_hz) as usize;
            let events = [(open, Event::Gate(true)), (close, Event::Gate(false))];
            let levels = &play("adsr_exp", rate_hz, &params, &events, 1.2)[ENV];
            let peak = when(levels, open, |level| level == 1.0);
            let down = |level: f32| level <= sustain + 0.01 * (1.0 - sustain) + 1e-6;
            let decayed = when(levels, open + peak as usize, down);
            let from = levels[close - 1];
            let released = when(levels, close, |level| level <= 0.01 * from + 1e-6);
            let expected = [attack, decay, release].map(|ms| frames_of(f64::from(ms), rate_hz));
            for (segment, (measured, expected)) in
                [peak, decayed, released].iter().zip(expected).enumerate()
            {
                let off = (measured - expected).abs();
                worst = worst.max(off);
                assert!(off <= 1.0, "segment {segment} at {rate_hz} Hz: {measured}, {expected}");
            }
            assert!((from - sustain).abs() < 1e-4, "it sustains: {from}");
            assert!(levels.iter().all(|level| *level == 0.0 || *level >= 1e-7));
        }
    }
    println!("exponential segments: at most {worst:.3} frames off");
}

#[test]
fn an_exponential_attack_is_the_charge_of_a_capacitor() {
    let params = [("attack", 100.0), ("release", 50.0)];
    let events = [(0, Event::Gate(true)), (1000, Event::Gate(false)), (2000, Event::Gate(true))];
    let levels = &play("adsr_exp", 48_000, &params, &events, 0.2)[ENV];
    let exact = |n: f64| 1.3 * (1.0 - (-(1.3_f64 / 0.3).ln() * n / 4800.0).exp());
    for (n, level) in levels[..1000].iter().enumerate() {
        let off = f64::from(*level) - exact((n + 1) as f64);
        assert!(off.abs() < 1e-6, "frame {n}: {off}");
    }
    assert!(steepest(levels) < 6e-3, "a gate starts from the level that it finds");
    let rest = when(levels, 2000, |level| level == 1.0);
    assert!(rest < 4800.0 && levels[1999] > 0.0, "from there it takes less: {rest}");
}

#[test]
fn velocity_scales_the_peak_and_a_softer_note_makes_no_step() {
    let params = [("attack", 1.0), ("decay", 20.0), ("sustain", 0.5), ("sensitivity", 0.8)];
    let events = [(0, Event::Gate(true)), (9600, Event::Gate(false)), (9700, Event::Gate(true))];
    // The bench brings its signal to the velocity as well.
    let velocity = |frame| if frame < 5000 { 1.0 } else { 0.25 };
    let levels =
        &Bench::with("adsr_exp", 48_000, &params).play(19_200, velocity, &events, &[])[ENV];
    assert_eq!(levels[47], 1.0, "the first is played at full velocity");
    assert!((levels[9599] - 0.5).abs() < 1e-4, "and stays what it was when it began");
    assert!((levels[19_199] - 0.5 * 0.4).abs() < 1e-4, "the second peaks at 1 - 0.8 * 0.75");
    let most = levels[9700..].iter().fold(0.0_f32, |most, level| most.max(*level));
    assert!(most <= levels[9699] && steepest(&levels[100..]) < 6e-3, "it comes down to there");
}

/// A contour with this text.
fn contour(text: &str, rate_hz: u32, events: &[(usize, Event)], s: f64) -> Vec<Vec<f32>> {
    let mut bench = Bench::new("contour", rate_hz);
    (bench.module.spec().texts[0].check)(text).unwrap();
    bench.module.set_text(0, text);
    let frames = (s * f64::from(rate_hz)) as usize;
    bench.play(frames.next_multiple_of(64), |_| 1.0, events, &[])
}

#[test]
fn a_contour_goes_through_its_stages_and_holds() {
    for rate_hz in RATES_HZ {
        let at = |ms: f64| frames_of(ms, rate_hz) as usize;
        let events = [(0, Event::Gate(true)), (at(500.0), Event::Gate(false))];
        let text = "1 10ms, -0.5 0.2s exp, hold, 0.25 100ms, 0 50ms log";
        let played = contour(text, rate_hz, &events, 0.8);
        let levels = &played[ENV];
        let near = |ms: f64, level: f64| {
            let off = (f64::from(levels[at(ms)]) - level).abs();
            assert!(off < 0.01, "{level} at {ms} ms, {rate_hz} Hz: {}", levels[at(ms)]);
        };
        near(5.0, 0.5);
        near(110.0, -0.5 + 1.5 * bent(0.5, 1.0));
        near(211.0, -0.5);
        near(499.0, -0.5);
        near(550.0, -0.125);
        near(600.0, 0.25);
        near(625.0, 0.25 * bent(0.5, -1.0));
        let end = when(levels, at(610.0), |level| level == 0.0) as usize + at(610.0);
        // Each of four stages is a whole number of frames.
        assert!(end.abs_diff(at(650.0)) <= 2, "it ends after {end} frames");
        let ends: Vec<_> = (0..levels.len()).filter(|n| played[END][*n] == 1.0).collect();
        assert_eq!(ends, [end - 1]);
    }
}

#[test]
fn a_contour_loops_while_the_gate_is_open() {
    let events = [(0, Event::Gate(true)), (48_000, Event::Gate(false))];
    let levels = &contour("1 50ms, 0.2 30ms, 0.8 70ms, loop 2, 0 10ms", 48_000, &events, 1.1)[ENV];
    for round in 0..9 {
        let start = 2400 + round * 4800;
        assert!((levels[start + 1440 - 1] - 0.2).abs() < 1e-6, "round {round}");
        assert!((levels[start + 4800 - 1] - 0.8).abs() < 1e-6, "round {round}");
    }
    assert_eq!(when(levels, 48_000, |level| level == 0.0), 480.0);
    let once =
        &contour("1 50ms, 0 50ms", 48_000, &[(0, Event::Gate(true)), (9, Event::Gate(false))], 0.2)
            [ENV];
    assert_eq!(when(once, 0, |level| level == 1.0), 2400.0, "without hold it is played to its end");
    let twice = contour("1 1ms, 0 1ms, loop", 48_000, &[(0, Event::Gate(true))], 0.1);
    assert!(twice[END].iter().all(|end| *end == 0.0), "a loop does not end");
}

#[test]
fn another_text_is_followed_from_where_the_contour_is() {
    let mut bench = Bench::new("contour", 48_000);
    bench.module.set_text(0, "1 10ms, hold, 0 1s");
    let held = bench.play(6400, |_| 1.0, &[(0, Event::Gate(true))], &[]).swap_remove(ENV);
    assert_eq!(held[6399], 1.0);
    bench.module.set_text(0, "0.5 10ms, 0.7 10ms, 0.6 10ms, hold, 0 10ms");
    let held = bench.play(6400, |_| 1.0, &[], &[]).swap_remove(ENV);
    assert!(held.iter().all(|level| *level == 1.0), "it still holds");
    bench.module.set_text(0, "0.5 10ms, 0 100ms");
    let ended = bench.play(6400, |_| 1.0, &[], &[]).swap_remove(ENV);
    assert_eq!(when(&ended, 0, |level| level == 0.0), 4800.0, "without hold it goes to its end");
}

#[test]
fn the_stretch_multiplies_all_times() {
    let mut bench = Bench::with("contour", 48_000, &[("stretch", 2.5)]);
    bench.module.set_text(0, "1 10ms, 0 30ms");
    let levels = bench.play(6400, |_| 1.0, &[(0, Event::Gate(true))], &[]).swap_remove(ENV);
    assert_eq!(when(&levels, 0, |level| level == 1.0), 1200.0);
    assert_eq!(when(&levels, 1200, |level| level == 0.0), 3600.0);
}

#[test]
fn a_cable_gates_each_channel_as_the_gate_does_all() {
    const CHANNELS: usize = 4;
    for kind in ["ad", "adsr_exp", "contour"] {
        let opens = |c: usize| 100 + 1000 * c;
        let entry = catalog::find(kind).unwrap();
        let mut module = Instance::new(entry, 48_000, CHANNELS);
        let mut outputs = vec![silent_buffer(CHANNELS); entry.spec.outputs.len()];
        let mut levels = vec![Vec::new(); CHANNELS];
        for block in 0..200 {
            let mut cable = silent_buffer(CHANNELS);
            for (i, gate) in cable.iter_mut().enumerate() {
                let (frame, c) = (block * BLOCK_FRAMES + i / CHANNELS, i % CHANNELS);
                *gate = if (opens(c)..opens(c) + 4000).contains(&frame) { 0.9 } else { 0.0 };
            }
            let mut inputs = vec![None; entry.spec.inputs.len()];
            inputs[1] = Some(&cable[..]);
            let transport = Transport::stopped(48_000);
            module.process(&inputs, &[], &mut outputs, 0..BLOCK_FRAMES, transport);
            for (i, level) in outputs[ENV].iter().enumerate() {
                levels[i % CHANNELS].push(*level);
            }
        }
        for (c, levels) in levels.into_iter().enumerate() {
            let events = [(opens(c), Event::Gate(true)), (opens(c) + 4000, Event::Gate(false))];
            let alone = Bench::new(kind, 48_000).play(200 * BLOCK_FRAMES, |_| 1.0, &events, &[]);
            assert_eq!(bits(&[levels]), bits(&alone[ENV..=ENV]), "{kind}, channel {c}");
        }
    }
}

#[test]
fn the_amplifier_is_the_envelope() {
    for kind in ["ad", "adsr_exp", "contour"] {
        let mut bench = Bench::new(kind, 48_000);
        let played = bench.play(6400, |frame| (frame % 7) as f32, &[(9, Event::Gate(true))], &[]);
        for (frame, (out, env)) in played[0].iter().zip(&played[ENV]).enumerate() {
            assert_eq!(*out, env * (frame % 7) as f32, "{kind}, frame {frame}");
        }
    }
}

#[test]
fn the_follower_reads_a_sine_as_a_meter_would() {
    let sine = |frame: usize| (TAU * 1000.0 * frame as f64 / 48_000.0).sin() as f32;
    let params = |detect| [("attack", 50.0), ("release", 50.0), ("detect", detect)];
    let rms = Bench::with("follower", 48_000, &params(1.0)).listen(48_000, sine);
    let (low, high) =
        rms[40_000..].iter().fold((9.0_f32, 0.0_f32), |(low, high), x| (low.min(*x), high.max(*x)));
    println!("rms of a sine: {low:.4} to {high:.4}");
    assert!((low - 0.5_f32.sqrt()).abs() < 0.01 && (high - 0.5_f32.sqrt()).abs() < 0.01);
    let quick = [("attack", 0.0), ("release", 1000.0)];
    let peak = Bench::with("follower", 48_000, &quick).listen(48_000, sine);
    assert!(peak[40_000..].iter().all(|level| (0.999..=1.0).contains(level)));
}

#[test]
fn the_follower_keeps_its_times() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for detect in [0.0, 1.0] {
            let params = [("attack", 20.0), ("release", 80.0), ("detect", detect)];
            let on = 64 * (rate_hz as usize / 128);
            let step = |frame| if frame < on { 1.0 } else { 0.0 };
            let heard =
                Bench::with("follower", rate_hz, &params).listen(2 * rate_hz as usize, step);
            // By power the level is the root of what falls in that time.
            let power = |level: f32| f64::from(if detect > 0.5 { level * level } else { level });
            let done = 1.0 - (-1.0_f64).exp();
            let rise = when(&heard, 0, |level| power(level) >= done - 1e-6);
            let fall = when(&heard, on, |level| power(level) <= 1.0 - done + 1e-6);
            for (measured, ms) in [(rise, 20.0), (fall, 80.0)] {
                let off = (measured - frames_of(ms, rate_hz)).abs();
                worst = worst.max(off);
                assert!(off <= 1.0, "{ms} ms at {rate_hz} Hz: {off} frames off");
            }
            assert!(heard.iter().all(|level| *level == 0.0 || level.is_normal()), "no denormals");
        }
    }
    println!("follower: at most {worst:.3} frames off");
}

#[test]
fn the_gate_of_the_follower_does_not_flutter() {
    let params = [("attack", 1.0), ("release", 20.0), ("threshold", 0.25)];
    // Loud enough only in the middle second.
    let sine = |frame: usize| {
        let level = if (48_000..96_000).contains(&frame) { 0.5 } else { 0.05 };
        level * (TAU * 100.0 * frame as f64 / 48_000.0).sin() as f32
    };
    let mut bench = Bench::with("follower", 48_000, &params);
    let gate = bench.play(144_000, sine, &[], &[]).swap_remove(1);
    let changes: Vec<_> = (1..gate.len()).filter(|n| gate[*n] != gate[*n - 1]).collect();
    println!("the gate changes at {changes:?}");
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes[0] < 48_000 + 480 && (96_000..98_400).contains(&changes[1]));
}
