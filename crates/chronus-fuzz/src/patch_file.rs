//! Texts of patches: what is taken can be edited, sent to workers, played, and played after another patch;
//! what is not is answered with its place.

use chronus_engine::hints::hints;
use chronus_engine::patch::{Document, TOLD_MAX};
use chronus_engine::{Controls, NoRecordings, Patch};

use crate::instruments::{TEXTS, engine, is_small, play_everything, render};

/// Blocks that are rendered of each patch.
const BLOCKS: usize = 4;

/// The target.
pub fn run(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let document = Document::parse(text);
    let patch = match Patch::parse_all(text, "fuzzed.toml") {
        Ok(patch) => patch,
        Err(mistakes) => {
            let lines = text.lines().count().max(1) + 1;
            assert!(!mistakes.all().is_empty());
            for error in mistakes.all() {
                assert!((1..=lines).contains(&error.line), "line {} of {lines}", error.line);
                assert!(!error.found.is_empty() && !error.to_string().is_empty());
            }
            assert!(mistakes.to_string().lines().count() >= mistakes.all().len().min(TOLD_MAX));
            assert_eq!(Patch::parse(text, "fuzzed.toml"), Err(mistakes.into_first()));
            return;
        }
    };
    assert!(hints(&patch).iter().all(|hint| !hint.is_empty()));
    let mut document = document.expect("what is a patch is TOML");
    let controls = Controls::of(&patch);
    document.write_controls(&patch, &controls);
    let again = Patch::parse(&document.to_string(), "again").expect("nothing was changed");
    assert_eq!(again.to_bytes(), patch.to_bytes(), "its controls were written down as others");
    let sent = Patch::from_bytes(&patch.to_bytes()).expect("a worker reads what is sent");
    assert_eq!(sent.to_bytes(), patch.to_bytes());
    if is_small(&patch) {
        play(&patch, &controls);
    }
}

fn play(patch: &Patch, controls: &Controls) {
    let mut alone = engine(patch, controls);
    play_everything(&mut alone);
    let _ = (0..BLOCKS).try_for_each(|_| render(&mut alone).map(drop));
    // There and back again, from the first patch.
    let first = Patch::first();
    let mut edited = engine(&first, &Controls::of(&first));
    play_everything(&mut edited);
    let there = patch.clone().succeeding(&first);
    let back = first.clone().succeeding(&there);
    for next in [there, back] {
        let mut preparation = edited.prepare(next);
        while !preparation.step(&NoRecordings) {}
        edited.edit(17, preparation);
        if (0..BLOCKS).any(|_| render(&mut edited).is_none()) {
            return;
        }
        while edited.tidy() {}
    }
}

/// A patch with a Scala file in it, and one with many mistakes.
const MORE: [&str; 2] = [
    "format = 1\n[[module]]\nid = \"q\"\nkind = \"quantizer\"\nscale = \"\"\"\n! a.scl\n!\nof three\n 3\n!\n \
     81/80 comma\n 701.955\n 2/1\n\"\"\"\n[[module]]\nid = \"s\"\nkind = \"saw\"\n[[cable]]\nfrom = \"q.pitch\"\nto = \
     \"s.pitch\"\n[output]\nleft = \"s.out\"\nright = \"s.out\"\n",
    "format = 1\ntempo = 9\n[module]\nid = \"a\"\n[module]\nid = \"b\"\n[[cable]]\nfrom = \"a.in\"\nto = \"b.out\"\n",
];

/// The patches that come with the program, and more.
pub fn seeds() -> Vec<Vec<u8>> {
    TEXTS.iter().chain(&MORE).map(|text| text.as_bytes().to_vec()).collect()
}
