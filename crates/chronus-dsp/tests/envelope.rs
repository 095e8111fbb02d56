//! The envelope keeps time: each segment ends within one frame of its parameter, from wherever it
//! starts, and no parameter that changes meanwhile makes a step.

mod common;

use common::{Bench, Event, RATES_HZ, param};

const ENV: usize = 1;

fn frames_of(ms: f64, rate_hz: u32) -> f64 {
    ms * f64::from(rate_hz) / 1000.0
}

/// The envelope of these events.
fn envelope(rate_hz: u32, params: &[(&str, f32)], events: &[(usize, Event)], s: f64) -> Vec<f32> {
    let frames = (s * f64::from(rate_hz)) as usize;
    let mut bench = Bench::with("adsr", rate_hz, params);
    bench.play(frames.next_multiple_of(64), |_| 1.0, events, &[]).swap_remove(ENV)
}

/// How many frames after `start` the level first is as asked.
fn when(levels: &[f32], start: usize, is_there: impl Fn(f32) -> bool) -> f64 {
    let frames = levels[start..].iter().position(|&level| is_there(level));
    // The frame at which it has arrived is the last one of the segment.
    (frames.expect("the level is reached") + 1) as f64
}

#[test]
fn segments_end_within_one_frame() {
    let mut worst = 0.0_f64;
    for rate_hz in RATES_HZ {
        for [attack, decay, release] in
            [[10.0, 100.0, 200.0], [0.3, 33.3, 7.7], [150.0, 1.0, 250.0], [0.0, 0.0, 0.0]]
        {
            let params =
                [("attack", attack), ("decay", decay), ("sustain", 0.6), ("release", release)];
            let open = 77;
            let close = open + frames_of(300.0, rate_hz) as usize;
            let events = [(open, Event::Gate(true)), (close, Event::Gate(false))];
            let levels = envelope(rate_hz, &params, &events, 0.6);
            let attack_frames = when(&levels, open, |level| level == 1.0);
            let decay_frames =
                when(&levels, open + attack_frames as usize, |level| level == 0.6_f32);
            let release_frames = when(&levels, close, |level| level == 0.0);
            let expected = [attack, decay, release].map(|ms| frames_of(f64::from(ms), rate_hz));
            let measured = [attack_frames, decay_frames, release_frames];
            for (segment, (measured, expected)) in measured.iter().zip(expected).enumerate() {
                let off = (measured - expected).abs();
                worst = worst.max(off);
                assert!(off <= 1.0, "segment {segment} at {rate_hz} Hz: {measured}, {expected}");
            }
            assert!(levels[close - 1] == 0.6_f32, "it sustains");
            assert!(levels[..open].iter().all(|&level| level == 0.0), "it waits for the gate");
        }
    }
    println!("segments: at most {worst:.3} frames off");
}

#[test]
fn a_segment_of_twenty_seconds_is_as_exact() {
    let events = [(0, Event::Gate(true))];
    let levels = envelope(192_000, &[("attack", 20_000.0)], &events, 20.1);
    assert_eq!(when(&levels, 0, |level| level == 1.0), 20.0 * 192_000.0);
    assert!((levels[10 * 192_000 - 1] - 0.5).abs() < 1e-6, "and straight");
}

#[test]
fn segments_are_straight() {
    let events = [(0, Event::Gate(true))];
    let levels = envelope(48_000, &[("attack", 10.0), ("decay", 10.0)], &events, 0.1);
    for (i, level) in levels[..480].iter().enumerate() {
        assert!((level - (i + 1) as f32 / 480.0).abs() < 1e-6, "attack, frame {i}: {level}");
    }
    for (i, level) in levels[480..960].iter().enumerate() {
        let expected = 1.0 - 0.3 * (i + 1) as f32 / 480.0;
        assert!((level - expected).abs() < 1e-6, "decay, frame {i}: {level}");
    }
}

#[test]
fn a_gate_starts_from_the_level_that_it_finds() {
    let rate_hz = 48_000;
    let params = [("attack", 100.0), ("decay", 100.0), ("release", 100.0)];
    let events = [
        (0, Event::Gate(true)),
        (2400, Event::Gate(false)),
        (4800, Event::Gate(true)),
        (6000, Event::Gate(true)),
        (30_000, Event::Gate(false)),
        (31_000, Event::Gate(false)),
    ];
    let levels = envelope(rate_hz, &params, &events, 1.0);
    assert!((levels[2399] - 0.5).abs() < 1e-6);
    assert!((levels[4799] - 0.25).abs() < 1e-6, "half way down from 0.5");
    let step = levels.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(step < 1.001 / 4800.0, "no jump: {step}");
    assert_eq!(when(&levels, 6000, |level| level == 1.0), 4800.0, "an open gate triggers again");
    assert_eq!(when(&levels, 30_000, |level| level == 0.0), 4800.0, "a closed one closes once");
}

#[test]
fn parameters_that_change_make_no_step() {
    let rate_hz = 48_000;
    let spec = Bench::new("adsr", rate_hz).module.spec();
    let set = |name, value| Event::Set(param(spec, name), value);
    let params = [("attack", 1000.0), ("decay", 1000.0), ("release", 1000.0)];
    let events = [
        (0, Event::Gate(true)),
        (10_000, set("attack", 0.0)),  // during the attack
        (20_000, set("sustain", 0.1)), // during the decay
        (22_000, set("decay", 0.0)),   // during the decay
        (24_000, set("sustain", 1.0)), // while it sustains
        (30_000, Event::Gate(false)),
        (40_000, set("release", 0.0)), // during the release
    ];
    let levels = envelope(rate_hz, &params, &events, 1.0);
    let step = levels.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    println!("steepest step {step:.5} per frame, 5 ms from 0 to 1 are {:.5}", 1.0 / 240.0);
    assert!(step <= 1.0 / 240.0, "{step}");
    assert_eq!(levels[10_240], 1.0 - 0.3 / 48_000.0, "the attack ended 5 ms after its change");
    assert!(levels[24_300..30_000].iter().all(|&level| level == 1.0), "the new sustain level");
    assert!(levels[40_300..].iter().all(|&level| level == 0.0), "the release ended");
}

#[test]
fn a_time_that_changes_under_way_keeps_the_share_of_the_way() {
    let rate_hz = 48_000;
    let spec = Bench::new("adsr", rate_hz).module.spec();
    let change = (2400, Event::Set(param(spec, "attack"), 200.0));
    let events = [(0, Event::Gate(true)), change];
    let levels = envelope(rate_hz, &[("attack", 100.0)], &events, 1.0);
    assert_eq!(when(&levels, 2400, |level| level == 1.0), 4800.0, "half of 200 ms are left");
}

#[test]
fn the_amplifier_is_the_envelope() {
    let mut bench = Bench::new("adsr", 48_000);
    let played = bench.play(6400, |frame| (frame % 7) as f32, &[(9, Event::Gate(true))], &[]);
    for (frame, (out, env)) in played[0].iter().zip(&played[ENV]).enumerate() {
        assert_eq!(*out, env * (frame % 7) as f32, "frame {frame}");
    }
}
