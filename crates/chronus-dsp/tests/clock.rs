//! Clocks tick on the frame for hours, straight and with swing, with the transport on its beats; a
//! divider lets just the ticks pass that it says.

mod common;
#[path = "common/rig.rs"]
mod rig;

use common::RATES_HZ;
use rig::{Rig, openings, triggers};

fn ticks(rig: &Rig<'_>, frames: usize) -> Vec<usize> {
    openings(&rig.play(frames)[0])
}

/// How far ticks lie from where they should, at most, in frames.
fn worst(ticks: &[usize], exact: impl Fn(usize) -> f64) -> f64 {
    let off = |(tick, frame): (usize, &usize)| *frame as f64 - exact(tick);
    // A tick is at the first frame that is not before its time.
    ticks.iter().enumerate().map(off).fold(0.0, |worst, off| {
        assert!((-1e-3..1.0).contains(&off), "{off} frames late");
        worst.max(off)
    })
}

#[test]
fn a_free_clock_ticks_at_its_tempo() {
    for rate_hz in RATES_HZ {
        for (bpm, per_beat) in [(120.0_f32, 4.0_f32), (1000.0, 24.0), (1.0, 1.0), (87.3, 3.0)] {
            let params = [("bpm", bpm), ("per_beat", per_beat)];
            let seconds = if bpm < 10.0 { 61 } else { 5 };
            let rig = Rig { rate_hz, ..Rig::new("clock", &params) };
            let frames = (seconds * rate_hz) as usize;
            let ticks = ticks(&rig, frames);
            let spacing = 60.0 * f64::from(rate_hz) / (f64::from(bpm) * f64::from(per_beat));
            let off = worst(&ticks, |tick| tick as f64 * spacing);
            println!("{bpm} bpm x {per_beat} at {rate_hz} Hz: {} ticks, {off:.3}", ticks.len());
            let count = (frames as f64 / spacing).ceil() as usize;
            assert!(ticks.len().abs_diff(count) <= 1, "{} of {count}", ticks.len());
        }
    }
    // Where a tick is a whole number of frames, it is never a frame late.
    let whole = ticks(&Rig::new("clock", &[]), 48_000 * 20);
    assert!(whole.iter().enumerate().all(|(tick, frame)| *frame == tick * 6000));
}

#[test]
fn with_the_transport_it_ticks_on_the_beat_after_hours() {
    for (tempo_bpm, beat) in [(120.0, 0.0), (97.3, 0.0), (133.7, 250_000.0), (120.0, -4.0)] {
        let rig = Rig::new("clock", &[("source", 1.0)]).playing(tempo_bpm, beat);
        let spacing = 60.0 * 48_000.0 / (tempo_bpm * 4.0);
        let ticks = ticks(&rig, 480_000);
        let off = worst(&ticks, |tick| tick as f64 * spacing);
        println!("{tempo_bpm} bpm from beat {beat}: {} ticks, at most {off:.3} late", ticks.len());
        assert_eq!(ticks.len(), (480_000.0 / spacing).ceil() as usize);
    }
    let stopped = Rig::new("clock", &[("source", 1.0)]).play(48_000);
    assert!(stopped[0].iter().all(|gate| *gate == 0.0), "no tick while the transport stands");
}

#[test]
fn width_swing_and_phase_are_shares_of_a_tick() {
    for (source, swing, width) in [(0.0, 50.0, 0.25), (0.0, 75.0, 0.5), (1.0, 60.0, 0.9)] {
        let params = [("source", source), ("swing", swing), ("width", width)];
        let played = Rig::new("clock", &params).playing(120.0, 0.0).play(48_000);
        let (gate, phase) = (&played[0], &played[1]);
        let swung = f64::from(swing) / 100.0 * 12_000.0;
        let exact = |tick: usize| (tick / 2) as f64 * 12_000.0 + (tick % 2) as f64 * swung;
        let ticks = openings(gate);
        let off = worst(&ticks, exact);
        assert_eq!(ticks.len(), 8);
        let open = gate[..12_000].iter().filter(|gate| **gate > 0.5).count();
        println!("swing {swing}: at most {off:.3} late, open for {open} of 12000 frames");
        assert!((open as f32 - width * 12_000.0).abs() <= 2.0, "{open}");
        for (frame, passed) in phase[..12_000].iter().enumerate() {
            let (from, to) = if frame < ticks[1] { (0.0, exact(1)) } else { (exact(1), exact(2)) };
            let share = (frame as f64 - from) / (to - from);
            assert!(
                (f64::from(*passed) - share).abs() < 1e-6 && *passed < 1.0,
                "{frame}: {passed}"
            );
        }
    }
}

#[test]
fn a_reset_ticks_at_once() {
    let at = triggers(&[10_001]);
    for source in [0.0, 1.0] {
        let rig = Rig::new("clock", &[("source", source), ("swing", 75.0)]).input("reset", &at);
        let ticks = ticks(&rig.playing(120.0, 0.0), 32_000);
        // The tick at 9000 is still open at 10001: it closes for a frame.
        assert_eq!(ticks, [0, 9000, 10_002, 19_001, 22_001, 31_001], "source {source}");
    }
}

#[test]
fn fast_ticks_stay_apart() {
    let params = [("bpm", 1000.0), ("per_beat", 24.0), ("width", 0.95), ("swing", 75.0)];
    let ticks = ticks(&Rig { rate_hz: 22_050, ..Rig::new("clock", &params) }, 22_080);
    println!("{} ticks in a second", ticks.len());
    assert!((399..=401).contains(&ticks.len()), "{}", ticks.len());
}

/// A tick of 50 frames each 100 frames.
fn clock(frame: usize) -> f32 {
    if frame % 100 < 50 { 1.0 } else { 0.0 }
}

#[test]
fn a_divider_lets_every_nth_tick_pass() {
    let rig = Rig::new("divider", &[("by", 5.0), ("late", 2.0)]).input("clock", &clock);
    let played = rig.play(9600);
    for (output, (by, late)) in played.iter().zip([(5, 2), (2, 0), (3, 0), (4, 0), (8, 0)]) {
        for (frame, gate) in output.iter().enumerate() {
            let is_open = clock(frame) > 0.5 && (frame / 100) % by == late;
            assert_eq!(*gate > 0.5, is_open, "by {by}, frame {frame}");
        }
    }
}

#[test]
fn a_divider_counts_from_its_reset() {
    // One together with a tick, one in a tick, one between ticks.
    let at = triggers(&[700, 1520, 2360]);
    let rig = Rig::new("divider", &[]).input("clock", &clock).input("reset", &at);
    let played = rig.play(3008);
    assert_eq!(
        openings(&played[1]),
        [
            0, 200, 400, 600, 700, 900, 1100, 1300, 1500, 1600, 1800, 2000, 2200, 2400, 2600, 2800,
            3000
        ]
    );
    assert_eq!(openings(&played[4]), [0, 700, 1500, 1600, 2400]);
    assert_eq!(played[1][1519..1521], [1.0, 0.0], "the tick in which it comes ends there");
}
