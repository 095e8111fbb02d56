//! Every kind of module sounds as it did: the bits that it makes of the same inputs, events and parameters
//! are those of `golden.txt`, on every machine.
//!
//! If a change of the sound is meant, `CHRONUS_BLESS=1 cargo test -p chronus-dsp --test golden` writes the new
//! bits; say so in the changelog, because journals of earlier versions then render differently.
#![allow(clippy::format_push_string)] // A test may allocate.

mod common;
#[path = "../../chronus-journal/src/fnv.rs"]
mod fnv;

use chronus_dsp::catalog::CATALOG;
use chronus_dsp::{BLOCK_FRAMES, SOUND_VERSION, Vectors};
use common::{Bench, Chance, Event, bits};

const FRAMES: usize = 300 * BLOCK_FRAMES;

/// FNV-1a over the bits of all outputs.
fn digest(signals: &[Vec<f32>]) -> u64 {
    fnv::fnv1a(bits(signals).into_iter().flatten())
}

/// Of each sound version, what its bits are together. A new one gets a line here and leaves the others as they are.
const VERSIONS: [(u32, u64); 1] = [(2, 0xc213d30a84663d07)];

#[test]
fn every_kind_has_these_bits() {
    let mut found = String::new();
    for entry in CATALOG.iter() {
        let mut chance = Chance(2026);
        let mut events = chance.events(entry.spec, FRAMES, 400);
        // At first as it comes, so that its defaults are among what is kept.
        events.retain(|(frame, _)| *frame > FRAMES / 4);
        let mut bench = Bench::poly(entry.spec.kind, 48_000, 4);
        let mut outputs = bench.play(FRAMES, Chance::noise, &events, &[]);
        // Then by itself, while musical time goes on.
        let mut bench = bench.playing();
        bench.disconnect();
        bench.apply(Event::Reset);
        outputs.extend(bench.play(FRAMES, Chance::noise, &events, &[]));
        found += &format!("{} {:016x}\n", entry.spec.kind, digest(&outputs));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.txt");
    if std::env::var_os("CHRONUS_BLESS").is_some() {
        std::fs::write(path, &found).expect("write the bits");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let all = fnv::fnv1a(found.bytes());
    assert_eq!(
        VERSIONS.last(),
        Some(&(SOUND_VERSION, all)),
        "if other bits are meant, raise SOUND_VERSION and note {all:#018x} for it"
    );
    for (found, kept) in found.lines().zip(kept.lines()) {
        assert_eq!(found, kept, "kind and digest; see the head of this file if it is meant");
    }
    assert_eq!(found.lines().count(), kept.lines().count(), "each kind has a line");
}

/// What is played here with the widest vectors and fused arithmetic is what is played with all others, those of the least
/// of machines among them.
#[test]
fn all_vectors_play_the_same_bits() {
    assert_all_sets_agree();
    // Of this thread alone, as threads that render do.
    chronus_os::float::flush_denormals();
    assert_all_sets_agree();
}

fn assert_all_sets_agree() {
    const FRAMES: usize = 40 * BLOCK_FRAMES;
    for entry in CATALOG.iter() {
        for channels in [1, 4, 8, 16] {
            let mut chance = Chance(channels as u64);
            let mut events = chance.events(entry.spec, FRAMES, 12);
            events.insert(0, (0, Event::Gate(true)));
            let play = |arch| {
                let mut bench = Bench::on(arch, entry.spec.kind, 48_000, channels).playing();
                let with_input = bench.play(FRAMES, Chance::noise, &events, &[]);
                bench.disconnect();
                [with_input, bench.play(FRAMES, Chance::noise, &events, &[])].concat()
            };
            let sets = Vectors::available();
            let widest = bits(&play(sets[0].arch()));
            for set in &sets[1..] {
                let same = bits(&play(set.arch())) == widest;
                assert!(same, "{} with {channels} channels, {set}", entry.spec.kind);
            }
        }
    }
}
