//! The step sequencer: a step begins in the first frame at or after its time, Euclidean rhythms are
//! the known ones, chances are kept, texts change when they should, and nothing depends on how a
//! block is divided.

mod common;

use chronus_dsp::control::pattern::Pattern;
use chronus_dsp::{BLOCK_FRAMES, Instance, Transport, catalog, silent_buffer};
use common::{Bench, Chance, Event, bits, param};

const GATE: usize = 0;
const TRIGGER: usize = 1;
const ACCENT: usize = 2;
const SLIDE: usize = 3;
const PITCH: usize = 4;
const VELOCITY: usize = 5;
/// The texts, by position.
const PATTERN: usize = 0;
const NOTES: usize = 1;
const LENGTHS: usize = 2;
const CHANCES: usize = 3;

/// At 120 beats a minute and 48 kHz a beat has 24000 frames, and a sixteenth 6000.
const STEP: usize = 6000;

fn playing(rate_hz: u32, tempo_bpm: f64, beat: f64) -> Event {
    let stopped = Transport::stopped(rate_hz);
    Event::Transport(Transport { playing: true, tempo_bpm, anchor_beat: beat, ..stopped })
}

/// What a track with these texts and parameters plays from beat 0 on.
fn play(texts: &[(usize, &'static str)], params: &[(&str, f32)], steps: usize) -> Vec<Vec<f32>> {
    play_with(texts, params, steps, &[])
}

fn play_with(
    texts: &[(usize, &'static str)],
    params: &[(&str, f32)],
    steps: usize,
    events: &[(usize, Event)],
) -> Vec<Vec<f32>> {
    let mut bench = Bench::with("steps", 48_000, params);
    for (text, value) in texts {
        bench.apply(Event::Text(*text, value));
    }
    bench.apply(playing(48_000, 120.0, 0.0));
    bench.play((steps * STEP).next_multiple_of(BLOCK_FRAMES), |_| 0.0, events, &[])
}

/// The frames in which a signal rises through 0.5.
fn rises(signal: &[f32]) -> Vec<usize> {
    let is_open = |n: usize| signal[n] > 0.5;
    (0..signal.len()).filter(|n| is_open(*n) && (*n == 0 || !is_open(n - 1))).collect()
}

/// The frames in which a signal falls through 0.5.
fn falls(signal: &[f32]) -> Vec<usize> {
    (1..signal.len()).filter(|n| signal[n - 1] > 0.5 && signal[*n] <= 0.5).collect()
}

#[test]
fn a_step_begins_in_the_first_frame_at_or_after_its_time() {
    // Tempos of whole beats per minute, so that the exact frame is a matter of whole numbers.
    let mut count = 0;
    for (rate_hz, bpm, per_beat) in
        [(48_000, 120, 4), (44_100, 137, 4), (22_050, 93, 3), (96_000, 61, 7), (192_000, 301, 16)]
    {
        // From beat 0, and from where a set of three hours ends.
        for beat in [0, 3 * 60 * bpm] {
            let mut bench = Bench::with("steps", rate_hz, &[("per_beat", per_beat as f32)]);
            bench.apply(Event::Text(PATTERN, "x"));
            bench.apply(playing(rate_hz, f64::from(bpm), f64::from(beat)));
            let frames = 3 * rate_hz as usize / BLOCK_FRAMES * BLOCK_FRAMES;
            let heard = bench.play(frames, |_| 0.0, &[], &[]);
            // Step k begins at k / (bpm per_beat) minutes.
            let per_step = (60 * u64::from(rate_hz), bpm as u64 * per_beat as u64);
            let exact = (0_u64..).map(|k| (k * per_step.0).div_ceil(per_step.1) as usize);
            let exact: Vec<usize> = exact.take_while(|frame| *frame < frames).collect();
            assert_eq!(rises(&heard[TRIGGER]), exact, "{rate_hz} Hz, {bpm} bpm, beat {beat}");
            assert_eq!(rises(&heard[GATE]), exact, "{rate_hz} Hz, {bpm} bpm, beat {beat}");
            count += exact.len();
        }
    }
    println!("{count} steps, each in its exact frame");
}

#[test]
fn swing_delays_every_second_step() {
    for (swing, delay) in [(62.5_f32, 1500), (70.0, 2400), (75.0, 3000)] {
        let heard = play(&[(PATTERN, "x")], &[("swing", swing), ("length", 1.0)], 8);
        let exact: Vec<usize> =
            (0..8).map(|k| k * STEP + if k % 2 == 1 { delay } else { 0 }).collect();
        assert_eq!(rises(&heard[TRIGGER]), exact, "swing {swing}");
        // Whole notes touch, but for the frame that tells them apart.
        let ends: Vec<usize> = exact[1..].iter().map(|next| next - 1).collect();
        assert_eq!(falls(&heard[GATE])[..7], ends, "swing {swing}");
    }
}

#[test]
fn marks_do_what_they_say() {
    let heard = play(&[(PATTERN, "xX .- | x-- (xX)(x.x)x~x")], &[("length", 0.5)], 12);
    let third = |part| 8 * STEP + part * STEP / 3;
    let struck = vec![0, STEP, 4 * STEP, 7 * STEP, 7 * STEP + STEP / 2];
    let struck = [struck, vec![third(0), third(2), 9 * STEP, 11 * STEP]].concat();
    assert_eq!(rises(&heard[TRIGGER]), struck);
    assert_eq!(rises(&heard[GATE]), struck);
    let ends = vec![
        STEP / 2,
        STEP + STEP / 2,
        // Two ties: two steps more.
        6 * STEP + STEP / 2,
        7 * STEP + STEP / 4,
        7 * STEP + 3 * STEP / 4,
        8 * STEP + STEP / 6,
        third(2) + STEP / 6,
        // Slid through the tenth step and half of the eleventh.
        10 * STEP + STEP / 2,
        11 * STEP + STEP / 2,
    ];
    assert_eq!(falls(&heard[GATE]), ends);
    assert_eq!(rises(&heard[ACCENT]), [STEP, 7 * STEP + STEP / 2]);
    assert_eq!(falls(&heard[ACCENT]), [STEP + STEP / 2, 7 * STEP + 3 * STEP / 4]);
    assert_eq!((rises(&heard[SLIDE]), falls(&heard[SLIDE])), (vec![10 * STEP], vec![ends[7]]));
    assert_eq!([heard[VELOCITY][0], heard[VELOCITY][STEP]], [0.7, 1.0]);
}

#[test]
fn lengths_and_notes_have_cycles_of_their_own() {
    let texts = [(PATTERN, "x"), (NOTES, "c4 eb4 _ a3 12"), (LENGTHS, "0.25 _ 1 2.5")];
    let heard = play(&texts, &[("length", 0.75), ("root", 2.0), ("transpose", 1.0)], 10);
    let semitones: Vec<f32> =
        (0..10).map(|k| heard[PITCH][k * STEP] * 12.0).map(f32::round).collect();
    assert_eq!(semitones, [1.0, 4.0, 4.0, -2.0, 15.0, 1.0, 4.0, 4.0, -2.0, 15.0]);
    let ends = [STEP / 4, STEP + 3 * STEP / 4, 3 * STEP - 1, 4 * STEP - 1];
    assert_eq!(falls(&heard[GATE])[..4], ends);
    // By hit, rests and the place in the pattern do not matter.
    let texts = [(PATTERN, "x.(xx)~...x"), (NOTES, "0 1 2")];
    let heard = play(&texts, &[("notes_by", 1.0)], 20);
    let struck: Vec<f32> =
        rises(&heard[TRIGGER]).iter().map(|n| (heard[PITCH][*n] * 12.0).round()).collect();
    // The slide, which no trigger shows, has the fourth.
    assert_eq!(struck[..8], [0.0, 1.0, 2.0, 1.0, 2.0, 0.0, 1.0, 0.0]);
    println!("pitches by step {semitones:?}, by hit {struck:?}");
}

#[test]
fn a_note_holds_its_pitch_until_the_next() {
    let heard = play(&[(PATTERN, "x..x"), (NOTES, "0 5 6 7")], &[], 8);
    let change = heard[PITCH].windows(2).position(|pair| pair[0] != pair[1]).map(|n| n + 1);
    assert_eq!(change, Some(3 * STEP));
}

#[test]
fn euclidean_rhythms_are_the_known_ones() {
    // From Toussaint, "The Euclidean algorithm generates traditional musical rhythms", 2005.
    let known = [
        ("[1/2]", "x."),
        ("[2/5]", "x.x.."),
        ("[3/4]", "x.xx"),
        ("[3/8]", "x..x..x."),
        ("[4/7]", "x.x.x.x"),
        ("[4/9]", "x.x.x.x.."),
        ("[4/11]", "x..x..x..x."),
        ("[5/6]", "x.xxxx"),
        ("[5/7]", "x.xx.xx"),
        ("[5/8]", "x.xx.xx."),
        ("[5/9]", "x.x.x.x.x"),
        ("[5/11]", "x.x.x.x.x.."),
        ("[5/12]", "x..x.x..x.x."),
        ("[5/16]", "x..x..x..x..x..."),
        ("[7/8]", "x.xxxxxx"),
        ("[7/16]", "x..x.x.x..x.x.x."),
        ("[9/16]", "x.xx.x.x.xx.x.x."),
        ("[13/24]", "x.xx.x.x.x.x.xx.x.x.x.x."),
        ("[3/8+3]", "x..x.x.."),
        ("[3/8+11]", "x..x.x.."),
        ("[0/4]", "...."),
        ("[4/4]", "xxxx"),
    ];
    let steps = |text: &str| Pattern::read(text).expect("a pattern").steps().to_vec();
    for (euclid, written) in known {
        assert_eq!(steps(euclid), steps(written), "{euclid} is {written}");
    }
    for count in 1..=64 {
        for hits in 0..=count {
            let text = format!("[{hits}/{count}]");
            let pattern = steps(&text);
            let at: Vec<usize> = (0..count).filter(|n| pattern[*n].marks()[0].is_note()).collect();
            assert_eq!((pattern.len(), at.len()), (count, hits), "{text}");
            // Even: the gaps differ by one step at most.
            let gaps = (0..hits).map(|i| (at[(i + 1) % hits] + count - at[i] - 1) % count + 1);
            let (least, most) = gaps.fold((64, 0), |(a, b), gap| (a.min(gap), b.max(gap)));
            assert!(hits == 0 || most - least <= 1, "{text}: gaps of {least} to {most}");
        }
    }
}

#[test]
fn a_new_text_is_heard_from_the_next_bar_or_step_on() {
    // It comes in the fourth step; a bar has 16 steps.
    let change = (3 * STEP + 777, Event::Text(PATTERN, "x"));
    for (at, first) in [(0.0, 16 * STEP), (1.0, 4 * STEP), (2.0, 4 * STEP)] {
        let heard = play_with(&[(PATTERN, ".")], &[("at", at)], 20, &[change]);
        assert_eq!(rises(&heard[TRIGGER])[0], first, "at {at}");
    }
    // "now" replaces what the step in which it comes is still to bring.
    let change = (3 * STEP + 777, Event::Text(PATTERN, "(.x)"));
    let heard = play_with(&[(PATTERN, ".")], &[("at", 2.0)], 20, &[change]);
    assert_eq!(rises(&heard[TRIGGER])[0], 3 * STEP + STEP / 2);
    // Exactly with a bar, it is that bar; while time stands, at once.
    let change = (16 * STEP, Event::Text(PATTERN, "x"));
    let heard = play_with(&[(PATTERN, ".")], &[], 20, &[change]);
    assert_eq!(rises(&heard[TRIGGER])[0], 16 * STEP);
    let start = (STEP, playing(48_000, 120.0, 0.5));
    let events = [
        (0, Event::Transport(Transport::stopped(48_000))),
        (777, Event::Text(PATTERN, "x")),
        start,
    ];
    let heard = play_with(&[(PATTERN, ".")], &[], 20, &events);
    assert_eq!(rises(&heard[TRIGGER])[..2], [STEP, 2 * STEP]);
}

#[test]
fn gates_close_when_time_stops_and_leaps_play_what_they_reach() {
    let (stop, resume, leap) = (STEP + 1000, 3 * STEP, 5 * STEP + 500);
    let stopped = Transport { anchor_beat: 0.3, ..Transport::stopped(48_000) };
    let events = [
        (stop, Event::Transport(stopped)),
        (resume, playing(48_000, 120.0, 0.3)),
        // In the midst of a step, then back to the very beginning of the same.
        (leap, playing(48_000, 120.0, 8.1)),
        (leap + 100, playing(48_000, 120.0, 8.0)),
        (leap + 200, playing(48_000, 60.0, 8.0)),
    ];
    let heard = play_with(&[(PATTERN, "x")], &[("length", 1.0)], 10, &events);
    // 0.3 beats are in the second step, 0.2 beats before the third.
    let third = resume + 24_000 / 5;
    let (triggers, gates) = (rises(&heard[TRIGGER]), rises(&heard[GATE]));
    println!("triggers {triggers:?}, gates {gates:?}");
    let struck = [0, STEP, third, third + STEP, leap + 100, leap + 200, leap + 200 + 2 * STEP];
    assert_eq!(triggers[..7], struck);
    // Between the last two leaps the gate was open and closes for a frame.
    assert_eq!(
        gates[..7],
        [0, STEP, third, third + STEP, leap + 100, leap + 201, leap + 200 + 2 * STEP]
    );
    assert_eq!(falls(&heard[GATE])[..4], [STEP - 1, stop, third + STEP - 1, leap]);
}

#[test]
fn a_change_of_tempo_moves_no_step_by_more_than_it_says() {
    // At beat 1/8, in the midst of the first step, twice as fast: the second is 1500 frames away.
    let events = [(3000, playing(48_000, 240.0, 0.125))];
    let heard = play_with(&[(PATTERN, "x")], &[], 8, &events);
    assert_eq!(rises(&heard[TRIGGER])[..3], [0, 4500, 7500]);
}

#[test]
fn chances_are_what_they_say_and_the_same_each_time() {
    let count = |seed: f32, chance: f32| {
        let params = [("seed", seed), ("chance", chance), ("per_beat", 16.0)];
        let mut bench = Bench::with("steps", 22_050, &params);
        bench.apply(Event::Text(PATTERN, "x"));
        bench.apply(Event::Text(CHANCES, "50 _ 20 0"));
        // 353 frames a step.
        bench.apply(playing(22_050, 937.5 / 4.0, 0.0));
        let triggers = rises(&bench.play(4000 * 5664 / 16, |_| 0.0, &[], &[])[TRIGGER]);
        let steps: Vec<usize> =
            triggers.iter().map(|n| (*n as f64 / 352.8 + 1e-6) as usize).collect();
        let shares = [0, 1, 2, 3]
            .map(|at| steps.iter().filter(|step| *step % 4 == at).count() as f64 / 1003.0);
        (shares, steps)
    };
    let (shares, steps) = count(1.0, 100.0);
    println!("chances of 50, 100, 20, 0: {shares:.3?}");
    // Three standard deviations of a thousand draws.
    for (share, chance) in shares.into_iter().zip([0.5, 1.0, 0.2, 0.0]) {
        let sigma = (chance * (1.0_f64 - chance) / 1000.0).sqrt();
        assert!((share - chance).abs() <= 3.0 * sigma + 0.005, "{share} for {chance}");
    }
    assert_eq!(count(1.0, 100.0).1, steps);
    let other = count(2.0, 100.0).1;
    let both = steps.iter().filter(|step| *step % 4 == 0 && other.contains(step)).count();
    println!("another seed: {both} of the steps at 50 percent are played with both");
    assert!((200..300).contains(&both), "{both}");
    let (halved, _) = count(1.0, 50.0);
    assert!((halved[1] - 0.5).abs() < 0.05 && (halved[0] - 0.25).abs() < 0.05, "{halved:?}");
}

#[test]
fn how_a_block_is_divided_changes_nothing_while_texts_and_time_change() {
    const FRAMES: usize = 300 * BLOCK_FRAMES;
    let texts: [[&str; 3]; 4] = [
        ["x~.X", "[5/8](xxx)-~", "(x-X.x.~x)"],
        ["0 _ 7", "c4 eb4", "-12"],
        ["1 0.3", "2.5 _", "0.9 1 1.1"],
        ["50 100", "_", "90"],
    ];
    let mut notes = 0;
    for seed in 0..16 {
        let mut chance = Chance(seed);
        let spec = catalog::find("steps").expect("a kind").spec;
        let mut events = chance.events(spec, FRAMES, 900);
        for _ in 0..40 {
            let frame = chance.below(FRAMES);
            let event = if chance.below(2) == 0 {
                let text = chance.below(4);
                Event::Text(text, texts[text][chance.below(3)])
            } else {
                let bpm = 200.0 + f64::from(chance.unit()) * 3000.0;
                let beat = f64::from(chance.unit()) * 10.0;
                let Event::Transport(time) = playing(48_000, bpm, beat) else { unreachable!() };
                Event::Transport(Transport { playing: chance.below(4) > 0, ..time })
            };
            events.push((frame, event));
        }
        events.sort_by_key(|event| event.0);
        let play = |splits: &[usize]| {
            let mut bench = Bench::new("steps", 48_000).playing();
            bench.play(FRAMES, |_| 0.0, &events, splits)
        };
        let whole = play(&[]);
        notes += rises(&whole[TRIGGER]).len();
        let every_frame: Vec<usize> = (0..FRAMES).collect();
        assert_eq!(bits(&play(&every_frame)), bits(&whole), "seed {seed}");
        let some: Vec<usize> = (0..FRAMES).filter(|_| chance.below(7) == 0).collect();
        assert_eq!(bits(&play(&some)), bits(&whole), "seed {seed}");
        for (n, trigger) in whole[TRIGGER].iter().enumerate() {
            let (gate, before) = (whole[GATE][n], if n > 0 { whole[GATE][n - 1] } else { 0.0 });
            assert!(*trigger < 0.5 || gate != before, "a note struck is heard as a new one");
        }
    }
    println!("{notes} notes");
    assert!(notes > 400);
}

#[test]
fn reset_keeps_texts_like_parameters() {
    let heard = play_with(&[(PATTERN, ".x")], &[], 8, &[(3 * STEP, Event::Reset)]);
    assert_eq!(rises(&heard[TRIGGER]), [STEP, 3 * STEP, 5 * STEP, 7 * STEP]);
    assert_eq!(param(Bench::new("steps", 48_000).module.spec(), "per_beat"), 0);
}

/// The outputs of channel `c` while a cable at `length` brings this signal.
fn driven(signal: &[f32], depth: f32, channels: usize, c: usize) -> Vec<Vec<f32>> {
    let entry = catalog::find("steps").expect("a kind");
    let mut module = Instance::new(entry, 48_000, channels);
    module.set_text(PATTERN, "xx.~(xX)");
    module.set_text(CHANCES, "80");
    let mut outputs = vec![silent_buffer(channels); entry.spec.outputs.len()];
    let mut heard = vec![Vec::new(); outputs.len()];
    let Event::Transport(mut transport) = playing(48_000, 480.0, 0.0) else { unreachable!() };
    for _ in 0..400 {
        let drives = [(param(entry.spec, "length"), depth, signal)];
        let drives = if depth.is_nan() { &[][..] } else { &drives };
        module.process(&[], drives, &mut outputs, 0..BLOCK_FRAMES, transport);
        transport.frames_since_anchor += BLOCK_FRAMES as u64;
        for (heard, output) in heard.iter_mut().zip(&outputs) {
            heard.extend(output.chunks_exact(channels).map(|frame| frame[c]));
        }
    }
    heard
}

#[test]
fn each_channel_follows_its_own_cable() {
    let signals = [0.0, -0.3, 0.4, 0.9];
    let four: Vec<f32> = (0..4 * BLOCK_FRAMES).map(|n| signals[n % 4]).collect();
    for (c, signal) in signals.into_iter().enumerate() {
        let one = vec![signal; BLOCK_FRAMES];
        assert_eq!(driven(&four, 1.0, 4, c), driven(&one, 1.0, 1, 0), "channel {c}");
    }
    assert_ne!(driven(&four, 1.0, 4, 1), driven(&four, 1.0, 4, 2));
    // Frame by frame, as with a cable, is the same as from change to change.
    let rest = vec![1.0; BLOCK_FRAMES];
    assert_eq!(driven(&rest, 0.0, 1, 0), driven(&rest, f32::NAN, 1, 0));
}

#[test]
fn what_is_wrong_with_a_text_is_said() {
    let spec = catalog::find("steps").expect("a kind").spec;
    let wrong = [
        (PATTERN, "", "at its end"),
        (PATTERN, "| ", "at its end"),
        (PATTERN, "x..o", "at character 4, `o`: this is no step"),
        (PATTERN, "xä", "at character 2, `ä`"),
        (PATTERN, "x(x)", "at character 4, `)`: a group"),
        (PATTERN, "(xxxxxxxxx)", "at character 10, `x`: a group"),
        (PATTERN, "(xx", "at its end: a group"),
        (PATTERN, "x [3/2]", "at character 3, `[`: a Euclid"),
        (PATTERN, "[3/]", "at character 4, `]`: a Euclid"),
        (PATTERN, "[3/65]", "at character 1, `[`: a Euclid"),
        (PATTERN, "[9999999999999999999999/8]", "at character 1, `[`"),
        (PATTERN, "[1/64][1/64][1/64][1/64]x", "at character 25, `x`: this would be step 257"),
        (NOTES, "", "at its end"),
        (NOTES, "_ _", "at its end"),
        (NOTES, "c4 h4", "at character 4, `h`: this is no note"),
        (NOTES, "c10", "at character 1"),
        (NOTES, "61", "at character 1"),
        (NOTES, "nan", "at character 1"),
        (LENGTHS, "1 0", "at character 3, `0`: this is no length"),
        (LENGTHS, "inf", "at character 1"),
        (CHANCES, "50 | 101", "at character 6, `1`: this is no chance"),
        (CHANCES, " ", "at its end"),
    ];
    for (text, value, why) in wrong {
        let said = (spec.texts[text].check)(value).expect_err(value);
        println!("{value:?}: {said}");
        assert!(said.starts_with(why), "{value:?}: {said}");
    }
    let right = [
        (PATTERN, "x"),
        (PATTERN, "[0/4] | (x X) ~-\n[5/8+20]"),
        (NOTES, "C4 bb3 Bb3 f##-1 c e g# _ 0 -12 3.5 +7"),
        (LENGTHS, "_ 0.01 64 | 1"),
        (CHANCES, "_ 0 100 33.3"),
    ];
    for (text, value) in right {
        assert_eq!((spec.texts[text].check)(value), Ok(()), "{value:?}");
    }
    for text in spec.texts {
        assert_eq!((text.check)(text.default), Ok(()), "the default of {}", text.name);
    }
}
