//! Each onset strikes, whatever else happened in its frame: gates that close and open, or open and close, in one
//! frame; notes that end and begin; musical time that is stopped and started, or moved to where it is. And how events
//! divide a block changes no sample.

mod common;

use chronus_dsp::catalog::CATALOG;
use chronus_dsp::{BLOCK_FRAMES, Note, Transport};
use common::{Bench, Chance, Event, bits, param};

const RATE_HZ: u32 = 48_000;
const FRAMES: usize = 40 * BLOCK_FRAMES;
/// Odd frames, in the middle, at the end and at the beginning of a block.
const AT: [usize; 3] = [1000, 1023, 1024];

fn bench(kind: &str, channels: usize) -> Bench {
    Bench::poly(kind, RATE_HZ, channels).playing()
}

fn play(bench: &mut Bench, events: &[(usize, Event)], splits: &[usize]) -> Vec<Vec<u32>> {
    // No velocity is 0, which would not be heard, and no gate but that of all opens.
    let input = |frame| 0.1 + 0.3 * Chance::noise(frame).abs();
    bits(&bench.play(FRAMES, input, events, splits))
}

/// The frames in which a gate rises.
fn rises(gate: &[f32]) -> Vec<usize> {
    let is_open = |n: usize| gate[n] > 0.5;
    (0..gate.len()).filter(|n| is_open(*n) && (*n == 0 || !is_open(n - 1))).collect()
}

#[test]
fn a_gate_that_opens_and_closes_in_a_frame_is_open_for_that_frame() {
    let gated = CATALOG.iter().filter(|entry| entry.spec.gate);
    let mut count = 0;
    for kind in gated.map(|entry| entry.spec.kind) {
        for at in AT {
            let (on, off) = (Event::Gate(true), Event::Gate(false));
            let never = play(&mut bench(kind, 4), &[], &[]);
            let frame = play(&mut bench(kind, 4), &[(at, on), (at + 1, off)], &[]);
            for splits in [&[][..], &[at, at + 1], &[at + 1, at + 2, at + 3]] {
                let at_once = play(&mut bench(kind, 4), &[(at, on), (at, off)], splits);
                assert!(at_once == frame, "{kind}, opened and closed at {at}, cut at {splits:?}");
            }
            assert!(frame != never, "{kind} at {at}: it is heard");
            // It counts what it is in the end.
            let again = play(&mut bench(kind, 4), &[(at, on), (at, off), (at, on)], &[]);
            assert!(again == play(&mut bench(kind, 4), &[(at, on)], &[]), "{kind} at {at}");
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn a_gate_that_closes_and_opens_in_a_frame_is_struck_again() {
    for kind in CATALOG.iter().filter(|it| it.spec.gate).map(|it| it.spec.kind) {
        for at in AT {
            let (on, off) = (Event::Gate(true), Event::Gate(false));
            let held = play(&mut bench(kind, 4), &[(100, on)], &[]);
            let struck = play(&mut bench(kind, 4), &[(100, on), (at, off), (at, on)], &[]);
            assert!(struck != held, "{kind} at {at} is struck again");
            let again = play(&mut bench(kind, 4), &[(100, on), (at, on)], &[]);
            assert!(struck == again, "{kind} at {at}: as a gate that is open");
        }
    }
}

fn note(on: bool, key: f32, velocity: f32) -> Event {
    Event::Note(Note { on, key, velocity, id: 0 })
}

/// What the last channel of `voices` yields: pitch in keys, gate and velocity.
fn voices(
    channels: usize,
    params: &[(&str, f32)],
    events: &[(usize, Event)],
    splits: &[usize],
) -> [Vec<f32>; 3] {
    let mut bench = Bench::poly("voices", RATE_HZ, channels);
    for (name, value) in params {
        bench.apply(Event::Set(param(bench.module.spec(), name), *value));
    }
    let played = bench.play(FRAMES, |_| 0.0, events, splits);
    let [pitch, gate, velocity]: [Vec<f32>; 3] = played.try_into().expect("three outputs");
    [pitch.iter().map(|octaves| 60.0 + 12.0 * octaves).collect(), gate, velocity]
}

#[test]
fn a_note_that_ends_and_begins_in_a_frame_is_struck_again() {
    for channels in [1, 4, 8, 16] {
        let chord = |on: bool| (0..channels).map(move |c| note(on, 50.0 + c as f32, 0.7));
        for at in AT {
            let mut events: Vec<_> = chord(true).map(|event| (100, event)).collect();
            events.extend(chord(false).chain(chord(true)).map(|event| (at, event)));
            let [_, gate, _] = voices(channels, &[], &events, &[]);
            // It is the last channel, so all that came before it have found theirs.
            assert_eq!(rises(&gate), [100, at + 1], "{channels} channels at {at}");
            assert_eq!(gate[at], 0.0);
            let cut = voices(channels, &[], &events, &[at, at + 1, at + 2]);
            assert_eq!(bits(&cut), bits(&voices(channels, &[], &events, &[])));
        }
    }
}

#[test]
fn a_note_that_begins_and_ends_in_a_frame_is_struck() {
    for at in AT {
        let [pitch, gate, velocity] =
            voices(1, &[], &[(at, note(true, 72.0, 0.3)), (at, note(false, 72.0, 0.0))], &[]);
        assert_eq!(rises(&gate), [at]);
        assert_eq!((gate[at], gate[at + 1]), (1.0, 0.0), "it is open for a frame");
        assert_eq!((pitch[at], velocity[at]), (72.0, 0.3), "and it is that note");
        // Over a note that is held: parted from it, then struck, then that one goes on.
        let held = (100, note(true, 60.0, 0.9));
        let events = [held, (at, note(true, 72.0, 0.3)), (at, note(false, 72.0, 0.0))];
        let [pitch, gate, velocity] = voices(1, &[], &events, &[at + 1]);
        assert_eq!(rises(&gate), [100, at + 1]);
        assert_eq!((pitch[at + 1], velocity[at + 1]), (72.0, 0.3));
        assert_eq!((pitch[at + 2], velocity[at + 2], gate[at + 2]), (60.0, 0.9, 1.0));
        // And over one that ends at once with it.
        let events = [&events[..], &[(at, note(false, 60.0, 0.0))]].concat();
        let [_, gate, _] = voices(1, &[], &events, &[]);
        assert_eq!((rises(&gate), gate[at + 2]), (vec![100, at + 1], 0.0));
    }
}

#[test]
fn a_mono_voice_returns_to_the_key_that_is_held() {
    let keys =
        [(100, note(true, 64.0, 0.4)), (200, note(true, 60.0, 0.5)), (300, note(true, 67.0, 0.6))];
    let released = [(400, note(false, 67.0, 0.0)), (500, note(false, 60.0, 0.0))];
    let last = [(600, note(false, 64.0, 0.0))];
    let events = [&keys[..], &released, &last].concat();
    // Priority, the keys that are heard from 100, 200 and so on on, and the frames in which they are struck.
    for (priority, heard, struck) in [
        (0.0, [64.0, 60.0, 67.0, 60.0, 64.0], vec![100, 201, 301]),
        (1.0, [64.0, 60.0, 60.0, 60.0, 64.0], vec![100, 201]),
        (2.0, [64.0, 64.0, 67.0, 64.0, 64.0], vec![100, 301]),
    ] {
        for splits in [&[][..], &[301, 350, 401, 402]] {
            let [pitch, gate, velocity] = voices(1, &[("priority", priority)], &events, splits);
            let found = [150, 250, 350, 450, 550].map(|n| pitch[n]);
            assert_eq!((found, rises(&gate)), (heard, struck.clone()), "priority {priority}");
            let velocities = heard.map(|key| {
                keys.iter()
                    .position(|(_, event)| matches!(event, Event::Note(note) if note.key == key))
            });
            let velocities = velocities.map(|at| [0.4, 0.5, 0.6][at.expect("a key")]);
            assert_eq!([150, 250, 350, 450, 550].map(|n| velocity[n]), velocities);
            assert_eq!((gate[599], gate[600]), (1.0, 0.0), "the last key ends it");
        }
    }
    // Back to it at the pace of the glide.
    let [pitch, ..] = voices(1, &[("glide", 1.0)], &events, &[]);
    assert!((pitch[423] - 63.5).abs() < 1e-3, "{}", pitch[423]);
    // All at once, and all that were pressed in one frame.
    let all = Event::Note(Note { on: false, key: 0.0, velocity: 0.0, id: chronus_dsp::ALL_NOTES });
    let [_, gate, _] = voices(1, &[], &[&keys[..], &[(400, all)]].concat(), &[]);
    assert_eq!((gate[399], gate[400]), (1.0, 0.0));
    let chord: Vec<_> = keys.iter().map(|(_, event)| (100, *event)).collect();
    for (priority, key) in [(0.0, 67.0), (1.0, 60.0), (2.0, 67.0)] {
        let [pitch, gate, _] = voices(1, &[("priority", priority)], &chord, &[]);
        assert_eq!((pitch[100], pitch[200], rises(&gate)), (key, key, vec![100]));
    }
}

fn transport(beat: f64, (started, moved): (bool, bool)) -> Event {
    let stopped = Transport::stopped(RATE_HZ);
    let time = Transport { playing: true, anchor_beat: beat, started, moved, ..stopped };
    Event::Transport(time)
}

/// At 120 beats a minute and 48 kHz.
const BEAT: usize = 24_000;

#[test]
fn a_transport_that_stops_and_starts_in_a_frame_begins_what_begins_there() {
    let mut bench = Bench::with("steps", RATE_HZ, &[("length", 1.0), ("per_beat", 1.0)]);
    bench.apply(Event::Text(0, "x"));
    let frames = (3 * BEAT).next_multiple_of(BLOCK_FRAMES);
    let beat = |frame: usize| frame as f64 / BEAT as f64;
    let events = |at: usize, from: f64, jump| {
        [(0, transport(0.0, (true, false))), (at, transport(from, jump))]
    };
    let mut heard = |events: &[(usize, Event)]| {
        bench.apply(Event::Reset);
        let played = bench.play(frames, |_| 0.0, events, &[]);
        (rises(&played[1]), rises(&played[0]), played)
    };
    // In the middle of a note: that is over, as it would be had the transport stood for a frame.
    let (struck, opened, played) = heard(&events(30_000, beat(30_000), (true, false)));
    assert_eq!((struck, opened), (vec![0, BEAT, 2 * BEAT], vec![0, BEAT, 2 * BEAT]));
    assert_eq!((played[0][29_999], played[0][30_000], played[0][40_000]), (1.0, 0.0, 0.0));
    // To the beginning, be it the one that was just played or the one that it is at.
    for at in [2, 100, BEAT, 30_000] {
        for jump in [(true, true), (false, true)] {
            let (struck, opened, _) = heard(&events(at, 0.0, jump));
            let before = [0, BEAT].into_iter().filter(|before| *before < at);
            let after = [at, at + BEAT, at + 2 * BEAT].into_iter().filter(|after| *after < frames);
            let mut expected: Vec<usize> = before.chain(after).collect();
            assert_eq!(struck, expected, "{at} {jump:?}");
            // What meets an open gate opens it in the next frame.
            if let Some(here) = expected.iter_mut().find(|it| **it == at && at != BEAT) {
                *here += 1;
            }
            assert_eq!(opened, expected, "{at} {jump:?}");
        }
    }
    // Right behind its first frame: trigger and gate are parted from those before.
    let (struck, opened, _) = heard(&events(1, 0.0, (false, true)));
    assert_eq!((&struck[..2], &opened[..2]), (&[0, 2][..], &[0, 2][..]));
    // A small correction within a note strikes nothing.
    let (struck, ..) = heard(&events(30_000, beat(30_010), (false, true)));
    assert_eq!(struck, [0, BEAT, 2 * BEAT - 10, 3 * BEAT - 10]);
    // Stopped right behind its first frame, a note that met an open gate is heard all the same.
    let stopped = (BEAT + 2, Event::Transport(Transport::stopped(RATE_HZ)));
    let again = (BEAT + 1, transport(0.0, (false, true)));
    let (_, opened, played) = heard(&[events(1, beat(1), (false, false))[0], again, stopped]);
    assert_eq!((opened, played[0][BEAT + 3]), (vec![0, BEAT, BEAT + 2], 0.0));
}

#[test]
fn a_clock_ticks_again_where_the_transport_is_started_or_moved_to_a_tick() {
    let params = [("source", 1.0), ("per_beat", 1.0), ("width", 0.5)];
    let beat = |frame: usize| frame as f64 / BEAT as f64;
    let frames = (2 * BEAT).next_multiple_of(BLOCK_FRAMES);
    for (from, jump, again) in [
        (beat(5000), (true, false), Some(5001)),
        (0.0, (false, true), Some(5001)),
        (0.0, (true, true), Some(5001)),
        (beat(7000), (false, true), None),
        (beat(5000), (false, false), None),
    ] {
        let mut bench = Bench::with("clock", RATE_HZ, &params);
        let events = [(0, transport(0.0, (true, false))), (5000, transport(from, jump))];
        let played = bench.play(frames, |_| 0.0, &events, &[]);
        let found = rises(&played[0]).into_iter().find(|at| (1..BEAT / 2).contains(at));
        assert_eq!(found, again, "to {from}, {jump:?}");
    }
}

#[test]
fn a_text_that_waits_for_a_bar_is_heard_where_the_transport_is_moved_to_one() {
    for (from, jump, accents) in [
        // One frame later where the note before is still held.
        (0.0, (false, true), &[201, 200 + BEAT][..]),
        (0.1, (false, true), &[]),
        // It is heard at once while the transport stands, be it for no time at all.
        (0.1, (true, false), &[200 + BEAT * 9 / 10]),
    ] {
        let mut bench = Bench::with("steps", RATE_HZ, &[("per_beat", 1.0)]);
        let start = transport(0.0, (true, false));
        let events = [(0, start), (100, Event::Text(0, "XXXX")), (200, transport(from, jump))];
        let frames = (2 * BEAT - 5000) / BLOCK_FRAMES * BLOCK_FRAMES;
        let played = bench.play(frames, |_| 0.0, &events, &[]);
        assert_eq!(rises(&played[2])[..1.min(accents.len())], accents[..1.min(accents.len())]);
        assert_eq!(rises(&played[2]).len(), accents.len(), "moved to {from}, {jump:?}");
    }
}

/// Events of which many fall into the same frame.
fn crowded(chance: &mut Chance, spec: &'static chronus_dsp::ModuleSpec) -> Vec<(usize, Event)> {
    let mut events = chance.events(spec, FRAMES, 60);
    let mut frame = 0;
    while frame < FRAMES {
        for _ in 0..=chance.below(4) {
            let event = match chance.below(3) {
                0 if spec.notes => note(chance.below(2) == 0, 60.0 + chance.below(3) as f32, 0.5),
                1 => {
                    let jump = (chance.below(2) == 0, chance.below(2) == 0);
                    transport(chance.below(8) as f64 / 4.0, jump)
                }
                _ => Event::Gate(chance.below(2) == 0),
            };
            events.push((frame, event));
        }
        frame += 1 + chance.below(90) * chance.below(2);
    }
    events.sort_by_key(|(frame, _)| *frame);
    events
}

#[test]
fn how_crowded_frames_divide_a_block_changes_no_sample() {
    for entry in CATALOG.iter() {
        for channels in [1, 4] {
            let mut chance = Chance(77 + channels as u64);
            let events = crowded(&mut chance, entry.spec);
            let splits: Vec<usize> = (0..FRAMES).filter(|_| chance.below(5) == 0).collect();
            let whole = play(&mut bench(entry.spec.kind, channels), &events, &[]);
            let cut = play(&mut bench(entry.spec.kind, channels), &events, &splits);
            assert!(whole == cut, "{} with {channels} channels", entry.spec.kind);
        }
    }
}
