//! One patch gives way to another at one frame: what is in both plays on as if nothing had happened, what
//! changes is crossfaded, and whenever it was prepared, the bits are the same.
#![allow(clippy::format_push_string)] // A test may allocate.

mod common;

use chronus_dsp::MIDDLE_C_HZ;
use chronus_engine::{
    BLOCK_FRAMES, Block, CHANNELS, Command, Directory, Engine, NoRecordings, Patch, Preparation,
    TransportChange,
};
use common::{RATE_HZ, bits, engine, gate, set};

/// The frames that a change takes at 48 kHz: 10 ms in whole blocks.
const FADE_FRAMES: usize = 512;

/// A patch of modules (id, kind and further lines) and cables, heard at `heard`, bare of what guards ears.
fn patch(modules: &[(&str, &str, &str)], cables: &[(&str, &str)], heard: &str) -> Patch {
    let mut text = "format = 1\n".to_owned();
    for (id, kind, lines) in modules {
        text += &format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n{lines}\n");
    }
    for (from, to) in cables {
        text += &format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\n");
    }
    text += &format!(
        "[output]\ndc_blocker = false\nlimiter = false\nleft = \"{heard}\"\nright = \"{heard}\"\n"
    );
    Patch::parse(&text, "edit.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn prepared(engine: &mut Engine, patch: Patch) -> Preparation {
    let mut preparation = engine.prepare(patch);
    while !preparation.step(&NoRecordings) {}
    preparation
}

fn edit(engine: &mut Engine, offset: usize, patch: &Patch) -> Patch {
    let patch = patch.clone().succeeding(engine.patch());
    let preparation = prepared(engine, patch.clone());
    engine.edit(offset, preparation);
    patch
}

/// The left side of so many blocks.
fn left(engine: &mut Engine, blocks: usize) -> Vec<f32> {
    let mut block: Block = [0.0; BLOCK_FRAMES * CHANNELS];
    let mut samples = Vec::new();
    for _ in 0..blocks {
        engine.render(&mut block);
        samples.extend(block.iter().step_by(CHANNELS));
    }
    samples
}

const SINE: (&str, &str, &str) = ("s", "sine", "freq = 441.0");

#[test]
fn a_module_in_both_patches_plays_on_to_the_bit() {
    let one = patch(&[SINE], &[], "s.out");
    // The same tone behind an idle neighbour, and at another place in the text.
    let two = patch(&[("n", "noise", ""), SINE], &[], "s.out");
    let mut edited = engine(&one);
    let mut plain = engine(&one);
    let before = left(&mut edited, 10);
    edit(&mut edited, 17, &two);
    let after = left(&mut edited, 40);
    let expected = left(&mut plain, 50);
    assert_eq!(bits(&[before, after].concat()), bits(&expected));
}

#[test]
fn what_is_heard_is_crossfaded_within_ten_milliseconds() {
    let low = ("low", "sine", "freq = 100.0");
    let one = patch(&[low], &[], "low.out");
    let two = patch(&[("high", "sine", "freq = 150.0")], &[], "high.out");
    let mut edited = engine(&one);
    let before = left(&mut edited, 10);
    edit(&mut edited, 20, &two);
    let after = left(&mut edited, 20);
    let all = [before, after].concat();
    let steepest = all.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 0.5 * 160.0 * core::f32::consts::TAU / 48_000.0 + 0.003, "{steepest}");
    // From the end of the fade on, only the new tone is heard, which began with the edit.
    let new = left(&mut engine(&two), 30);
    let edit_at = 10 * BLOCK_FRAMES + 20;
    for frame in edit_at + FADE_FRAMES..all.len() {
        assert!((all[frame] - new[frame - edit_at]).abs() < 1e-6, "frame {frame}");
    }
    let old = left(&mut engine(&one), 30);
    assert_eq!(bits(&all[..edit_at]), bits(&old[..edit_at]));
    let middle = edit_at + FADE_FRAMES / 2 - 1;
    let expected = f32::midpoint(old[middle], new[middle - edit_at]);
    assert!((all[middle] - expected).abs() < 1e-6, "{} is not {expected}", all[middle]);
}

#[test]
fn a_cable_fades_in_and_out_at_a_module_that_plays_through() {
    let modules = [("a", "sine", "freq = 100.0"), ("b", "sine", "freq = 300.0"), ("m", "mix", "")];
    let one = patch(&modules, &[("a.out", "m.a")], "m.out");
    let two = patch(&modules, &[("a.out", "m.a"), ("b.out", "m.b")], "m.out");
    let mut edited = engine(&one);
    left(&mut edited, 4);
    edit(&mut edited, 0, &two);
    let faded_in = left(&mut edited, 12);
    edit(&mut edited, 0, &one);
    let faded_out = left(&mut edited, 12);
    let a = left(&mut engine(&patch(&modules, &[("a.out", "m.a")], "m.out")), 40);
    let b = left(&mut engine(&patch(&modules, &[("b.out", "m.b")], "m.out")), 40);
    for n in 0..12 * BLOCK_FRAMES {
        let share = ((n + 1) as f32 / FADE_FRAMES as f32).min(1.0);
        let (into, out) = (4 * BLOCK_FRAMES + n, 16 * BLOCK_FRAMES + n);
        let expected = a[into] + b[into] * share;
        assert!((faded_in[n] - expected).abs() < 1e-6, "in, frame {n}");
        let expected = a[out] + b[out] * (1.0 - share);
        assert!((faded_out[n] - expected).abs() < 1e-6, "out, frame {n}");
    }
}

#[test]
fn an_input_that_rests_at_one_fades_from_there() {
    let modules = [("s", "sine", "freq = 441.0"), ("e", "adsr", ""), ("v", "vca", "")];
    let one = patch(&modules, &[("s.out", "v.in")], "v.out");
    let two = patch(&modules, &[("s.out", "v.in"), ("e.env", "v.cv")], "v.out");
    let mut edited = engine(&one);
    left(&mut edited, 4);
    edit(&mut edited, 0, &two);
    let samples = left(&mut edited, 12);
    let plain = left(&mut engine(&one), 16);
    for (n, sample) in samples.iter().enumerate() {
        let share = ((n + 1) as f32 / FADE_FRAMES as f32).min(1.0);
        let expected = plain[4 * BLOCK_FRAMES + n] * (1.0 - share);
        assert!((sample - expected).abs() < 1e-6, "frame {n}");
    }
}

#[test]
fn controls_stay_where_they_were_but_for_what_the_text_says_anew() {
    let one = patch(&[("s", "sine", "freq = 300.0\ngain = 0.3"), ("e", "adsr", "")], &[], "s.out");
    let two = patch(
        &[("e", "adsr", ""), ("s", "sine", "freq = 300.0\ngain = 0.7"), ("t", "sine", "")],
        &[],
        "s.out",
    );
    let mut engine = engine(&one);
    for command in [
        set(&one, "s", "freq", 500.0),
        set(&one, "s", "gain", 0.5),
        gate(&one, "e", true),
        Command::Transport(TransportChange::Tempo(90.0)),
    ] {
        engine.apply(0, &command);
    }
    left(&mut engine, 3);
    let after = edit(&mut engine, 5, &two);
    let directory = Directory::of(&after);
    let value = |engine: &Engine, param| {
        let (module, param, _) = directory.param("s", param).expect("a parameter");
        engine.controls().param(module, param)
    };
    assert_eq!(value(&engine, "freq"), Some(500.0), "set over OSC, unchanged in the text");
    assert_eq!(value(&engine, "gain"), Some(0.7), "changed in the text");
    assert!(engine.controls().gate(directory.gate("e").expect("a gate")));
    assert_eq!(engine.controls().timeline().at(0, RATE_HZ).tempo_bpm, 90.0);
}

#[test]
fn a_command_under_way_reaches_the_module_it_was_meant_for_or_nobody() {
    let one = patch(&[("a", "sine", ""), ("b", "sine", "")], &[], "b.out");
    let two = patch(&[("b", "sine", ""), ("a", "saw", "")], &[], "b.out");
    let (to_a, to_b) = (set(&one, "a", "freq", 111.0), set(&one, "b", "freq", 222.0));
    let mut engine = engine(&one);
    let after = edit(&mut engine, 0, &two);
    engine.apply(0, &to_a);
    engine.apply(0, &to_b);
    let directory = Directory::of(&after);
    for (id, freq_hz) in [("a", MIDDLE_C_HZ), ("b", 222.0)] {
        let (module, param, _) = directory.param(id, "freq").expect("a parameter");
        assert_eq!(engine.controls().param(module, param), Some(freq_hz), "{id}");
    }
}

#[test]
fn held_notes_go_on_in_a_module_of_other_channels() {
    let voices = |channels: &str| {
        let modules = [("v", "voices", channels), ("s", "sine", "freq = 261.63"), ("a", "vca", "")];
        let cables = [("v.pitch", "s.freq"), ("s.out", "a.in"), ("v.gate", "a.cv")];
        patch(&modules, &cables, "a.out")
    };
    let four = voices("channels = 4");
    let mut engine = engine(&four);
    let module = Directory::of(&four).notes("v").expect("it takes notes");
    let note = chronus_engine::Note { on: true, key: 69.0, velocity: 1.0, id: 0 };
    engine.apply(0, &Command::Note { module, note });
    left(&mut engine, 10);
    edit(&mut engine, 0, &voices("channels = 8"));
    let samples = left(&mut engine, 100);
    let loudest = samples[FADE_FRAMES..].iter().fold(0.0_f32, |most, s| most.max(s.abs()));
    assert!(loudest > 0.4, "{loudest}");
    assert_eq!(engine.controls().notes(module), [note]);
}

#[test]
fn when_it_was_prepared_and_how_blocks_are_divided_changes_no_bit() {
    let modules = [SINE, ("f", "biquad", ""), ("m", "mix", "")];
    let one = patch(&modules[..2], &[("s.out", "f.in")], "f.out");
    let two = patch(&modules, &[("s.out", "m.a"), ("f.out", "m.b"), ("s.out", "f.in")], "m.out");
    let play = |early: bool, splits: usize| {
        let mut engine = engine(&one);
        let mut samples = left(&mut engine, 5);
        let patch = two.clone().succeeding(engine.patch());
        let mut preparation = early.then(|| prepared(&mut engine, patch.clone()));
        engine.apply(0, &set(&one, "s", "freq", 600.0));
        samples.extend(left(&mut engine, 5));
        let preparation =
            preparation.take().unwrap_or_else(|| prepared(&mut engine, patch.clone()));
        engine.edit(33, preparation);
        let mut block: Block = [0.0; BLOCK_FRAMES * CHANNELS];
        for _ in 0..20 {
            for split in 0..splits {
                engine.apply(split * 7 + 34, &Command::Mute(false));
            }
            engine.render(&mut block);
            samples.extend(block.iter().step_by(CHANNELS));
        }
        bits(&samples)
    };
    let once = play(true, 0);
    assert_eq!(play(false, 0), once);
    assert_eq!(play(true, 4), once);
}

#[test]
fn a_hundred_edits_leave_what_a_fresh_patch_has() {
    let tone = |n: usize| {
        let freq = format!("freq = {:?}", 100.0 + n as f32);
        patch(&[("s", "sine", &freq), ("f", "biquad", "")], &[("s.out", "f.in")], "f.out")
    };
    let mut engine = engine(&tone(0));
    for n in 1..=100 {
        edit(&mut engine, n % 64, &tone(n));
        // Now and then the next edit comes before the fade is over.
        left(&mut engine, n % 12);
    }
    left(&mut engine, 20);
    assert_eq!(engine.patch().modules().len(), 2);
    let freq = Directory::of(engine.patch()).param("s", "freq").expect("a parameter");
    assert_eq!(engine.controls().param(freq.0, freq.1), Some(200.0));
    assert!(!engine.is_changing());
}

#[test]
fn a_patch_survives_its_bytes() {
    let one = patch(&[SINE, ("n", "noise", "channels = 4")], &[], "n.out");
    let two =
        patch(&[("n", "noise", "channels = 4"), ("x", "saw", "")], &[("n.out", "x.freq")], "x.out")
            .succeeding(&one);
    let read = Patch::from_bytes(&two.to_bytes()).expect("its own bytes");
    assert_eq!(read.to_bytes(), two.to_bytes());
    let handles: Vec<_> = read.modules().iter().map(|module| module.handle().0).collect();
    assert_eq!(handles, [1, 2], "the noise is the same, the saw is new");
    assert!(Patch::from_bytes(&two.to_bytes()[1..]).is_err());
}
