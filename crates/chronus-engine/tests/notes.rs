//! Notes: what is played is heard in tune, held notes survive a restart, and a chord is the sum of
//! its notes.

mod common;

use chronus_engine::{
    ALL_NOTES, BLOCK_FRAMES, CHANNELS, Command, Controls, Directory, ModuleEntry, Note, Patch,
    TransportChange,
};
use common::{RATE_HZ, bits, engine, engine_with, play};

fn organ() -> Patch {
    let text = include_str!("../../../patches/organ.toml");
    let bare = "[output]\ndc_blocker = false\nlimiter = false\n";
    Patch::parse(&text.replace("[output]\n", bare), "patches/organ.toml")
        .expect("a patch that comes with the program")
}

fn note(patch: &Patch, on: bool, key: f32, id: u32) -> Command {
    let module = Directory::of(patch).notes("voices").expect("it takes notes");
    Command::Note { module, note: Note { on, key, velocity: 0.8, id } }
}

fn left(samples: &[f32]) -> Vec<f32> {
    samples.iter().step_by(CHANNELS).copied().collect()
}

/// How often the signal rises through zero in a second.
fn rises(samples: &[f32]) -> usize {
    samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count()
}

#[test]
fn a_note_is_in_tune_and_ends() {
    let patch = organ();
    let second = RATE_HZ as usize;
    let commands = [(0, note(&patch, true, 69.0, 0)), (2 * second, note(&patch, false, 69.0, 0))];
    let samples = left(&play(&mut engine(&patch), 0, 3 * second, &commands));
    let heard = rises(&samples[second..2 * second]);
    assert!(heard.abs_diff(440) <= 1, "{heard} Hz");
    assert!(samples[3 * second - 1000..].iter().all(|sample| sample.abs() < 1e-6), "it ends");
}

#[test]
fn a_chord_is_the_sum_of_its_notes() {
    let patch = organ();
    let alone = |key: f32| {
        left(&play(&mut engine(&patch), 0, 100 * BLOCK_FRAMES, &[(0, note(&patch, true, key, 0))]))
    };
    let commands = [60.0, 64.0, 67.0].map(|key| (0, note(&patch, true, key, 0)));
    let chord = left(&play(&mut engine(&patch), 0, 100 * BLOCK_FRAMES, &commands));
    let [c, e, g] = [60.0, 64.0, 67.0].map(alone);
    assert!(chord.iter().any(|sample| sample.abs() > 0.1), "it is heard");
    for frame in 0..chord.len() {
        let sum = c[frame] + e[frame] + g[frame];
        assert!((chord[frame] - sum).abs() < 1e-5, "frame {frame}: {} is not {sum}", chord[frame]);
    }
}

#[test]
fn held_notes_are_controls_and_begin_again_in_a_fresh_engine() {
    let patch = organ();
    let mut first = engine(&patch);
    let commands = [
        (3, note(&patch, true, 60.0, 0)),
        (5, note(&patch, true, 62.0, 0)),
        (9, note(&patch, true, 67.0, 4)),
        (12, note(&patch, false, 62.0, 0)),
    ];
    play(&mut first, 0, BLOCK_FRAMES, &commands);
    let bytes = first.controls().encode();
    let controls = Controls::decode(&bytes, &patch).expect("its own bytes");
    assert_eq!(&controls, first.controls());
    let mut fresh = engine_with(&patch, RATE_HZ, &controls).expect("they fit");
    let fresh = play(&mut fresh, 0, 50 * BLOCK_FRAMES, &[]);
    let again = [(0, note(&patch, true, 60.0, 0)), (0, note(&patch, true, 67.0, 4))];
    let again = play(&mut engine(&patch), 0, 50 * BLOCK_FRAMES, &again);
    assert_eq!(bits(&fresh), bits(&again));
}

#[test]
fn all_notes_end_at_once() {
    let patch = organ();
    let mut engine = engine(&patch);
    let mut commands: Vec<_> =
        (0..40).map(|n| (n as usize, note(&patch, true, 30.0 + n as f32, n % 3))).collect();
    commands.push((100, note(&patch, false, 0.0, ALL_NOTES)));
    let samples = left(&play(&mut engine, 0, RATE_HZ as usize, &commands));
    let module = Directory::of(&patch).notes("voices").expect("it takes notes");
    assert!(engine.controls().notes(module).is_empty());
    assert!(samples[RATE_HZ as usize - 1000..].iter().all(|sample| sample.abs() < 1e-6));
}

/// The patches that nobody can stop.
const ENDLESS: [&str; 1] = ["drone"];

#[test]
fn every_patch_that_comes_with_the_program_sounds_and_falls_silent() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../patches");
    let entries = std::fs::read_dir(folder).expect("the patches");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(paths.len() >= 13);
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a text");
        let patch =
            Patch::parse(&text, "patch").unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(patch.name()));
        let plays_itself =
            patch.modules().iter().any(|module| ["steps", "clock"].contains(&module.spec().kind));
        let second = RATE_HZ as usize;
        let mut engine = engine(&patch);
        let commands = if plays_itself { Vec::new() } else { everything(&patch, true) };
        let heard = loudest(&play(&mut engine, 0, 3 * second, &commands));
        assert!(heard > 0.05, "{path:?} is heard: {heard}");
        if ENDLESS.contains(&patch.name()) {
            continue;
        }
        let mut commands = everything(&patch, false);
        commands.push((0, Command::Transport(TransportChange::Play(false))));
        play(&mut engine, 0, second, &commands);
        // Its tails may be long, but not endless.
        let falls_silent = (0..40).any(|_| loudest(&play(&mut engine, 0, second, &[])) < 1e-4);
        assert!(falls_silent, "{path:?} falls silent");
    }
}

/// Begins or ends a note, and opens or closes a gate, wherever one can.
fn everything(patch: &Patch, on: bool) -> Vec<(usize, Command)> {
    let directory = Directory::of(patch);
    let command = |entry: &ModuleEntry| {
        let module = entry.handle;
        let note = Note { on, key: 48.0, velocity: 0.9, id: 0 };
        if entry.takes_notes() {
            Some((0, Command::Note { module, note }))
        } else {
            entry.has_gate().then_some((0, Command::Gate { module, on }))
        }
    };
    directory.modules().filter_map(command).collect()
}

fn loudest(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()))
}
