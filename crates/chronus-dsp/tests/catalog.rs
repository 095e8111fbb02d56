//! What every module guarantees, tested over the catalog: a block in pieces is the block, reset is
//! new, the same calls give the same bits, and no parameter makes a sample that is not finite.

mod common;

use chronus_dsp::catalog::CATALOG;
use chronus_dsp::{BLOCK_FRAMES, ModuleSpec, Vectors};
use common::{Bench, Chance, Event, RATES_HZ, bits};

const FRAMES: usize = 200 * BLOCK_FRAMES;

#[test]
fn specs_are_sound() {
    for entry in CATALOG.iter() {
        let spec = entry.spec;
        let same = CATALOG.iter().filter(|other| other.spec.kind == spec.kind).count();
        assert_eq!(same, 1, "{} is in the catalog once", spec.kind);
        assert!(
            core::ptr::eq(entry.construct(Vectors::chosen().arch(), 48_000, 1).spec(), spec),
            "{}",
            spec.kind
        );
        assert!(!spec.outputs.is_empty(), "{} is heard somewhere", spec.kind);
        names_are_unique(spec);
        for param in spec.params {
            let name = format!("{}.{}", spec.kind, param.name);
            assert!(!["id", "kind"].contains(&param.name), "{name} is a key of patch files");
            assert!(param.min < param.max, "{name}");
            assert_eq!(param.accept(param.default), Some(param.default), "{name}");
            assert_eq!(param.accept(param.max * 2.0 + 1.0), Some(param.max), "{name}");
            assert_eq!(param.accept(param.min - 1.0), Some(param.min), "{name}");
            for not_finite in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                assert_eq!(param.accept(not_finite), None, "{name}");
            }
            if param.is_enumeration() {
                assert_eq!(param.min, 0.0, "{name}");
                assert_eq!(param.max, (param.choices.len() - 1) as f32, "{name}");
                assert_eq!(param.accept(0.4), Some(0.0), "{name} is whole");
            }
        }
        for &(input, output) in spec.bypass {
            assert!(input < spec.inputs.len() && output < spec.outputs.len(), "{}", spec.kind);
        }
    }
}

fn names_are_unique(spec: &ModuleSpec) {
    let lists = [
        spec.params.iter().map(|param| param.name).collect::<Vec<_>>(),
        spec.inputs.iter().map(|port| port.name).collect(),
        spec.outputs.iter().map(|port| port.name).collect(),
    ];
    for mut names in lists {
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{}: {names:?}", spec.kind);
    }
}

#[test]
fn a_block_in_pieces_is_the_block() {
    for entry in CATALOG.iter() {
        for seed in 0..8 {
            let mut chance = Chance(seed);
            let events = chance.events(entry.spec, FRAMES, 150);
            let splits: Vec<usize> = (0..FRAMES).filter(|_| chance.below(5) == 0).collect();
            let play = |splits: &[usize]| {
                let mut bench = Bench::new(entry.spec.kind, 48_000).playing();
                bits(&bench.play(FRAMES, Chance::noise, &events, splits))
            };
            let whole = play(&[]);
            assert_eq!(play(&splits), whole, "{} seed {seed}", entry.spec.kind);
            let every_frame: Vec<usize> = (0..FRAMES).collect();
            assert_eq!(play(&every_frame), whole, "{} seed {seed}", entry.spec.kind);
        }
    }
}

#[test]
fn the_same_calls_give_the_same_bits() {
    for entry in CATALOG.iter() {
        let events = Chance(7).events(entry.spec, FRAMES, 90);
        let play = |events: &[(usize, Event)]| {
            bits(&Bench::new(entry.spec.kind, 44_100).playing().play(
                FRAMES,
                Chance::noise,
                events,
                &[],
            ))
        };
        let once = play(&events);
        assert!(play(&events) == once, "{}", entry.spec.kind);
        // What has no parameters has nothing that could change.
        let is_heard = play(&[]) != once || entry.spec.params.is_empty();
        assert!(is_heard, "{}: the events are heard", entry.spec.kind);
    }
}

#[test]
fn reset_is_new_with_the_parameters_kept() {
    for entry in CATALOG.iter() {
        for seed in 0..8 {
            let before = Chance(seed).events(entry.spec, FRAMES, 70);
            let after = Chance(!seed).events(entry.spec, FRAMES, 200);
            // Somewhere within a block, while parameters are still on their way.
            let reset_at = FRAMES / 2 + 64 * seed as usize + 23 + seed as usize;
            let mut old = Bench::new(entry.spec.kind, 48_000).playing();
            let mut events: Vec<_> =
                before.iter().copied().filter(|event| event.0 < reset_at).collect();
            let mut new = Bench::new(entry.spec.kind, 48_000).playing();
            for (_, event) in &events {
                if let Event::Set(..) = event {
                    new.apply(*event);
                }
            }
            events.push((reset_at, Event::Reset));
            let mut later = vec![(reset_at, Event::Reset), (reset_at, Event::Gate(true))];
            later.extend(after.iter().copied().filter(|event| event.0 > reset_at));
            events.extend(&later[1..]);
            let old = bits(&old.play(FRAMES, Chance::noise, &events, &[]));
            let new = bits(&new.play(FRAMES, Chance::noise, &later, &[]));
            for (old, new) in old.iter().zip(&new) {
                assert_eq!(old[reset_at..], new[reset_at..], "{} seed {seed}", entry.spec.kind);
            }
        }
    }
}

#[test]
fn extreme_parameters_give_finite_samples() {
    for entry in CATALOG.iter() {
        for rate_hz in RATES_HZ {
            let mut loudest = 0.0_f32;
            for (seed, every) in [(1, 2), (2, 20), (3, 200), (4, 2000)] {
                let events = Chance(seed).events(entry.spec, FRAMES, every);
                let mut bench = Bench::new(entry.spec.kind, rate_hz).playing();
                for signal in bench.play(FRAMES, Chance::noise, &events, &[]) {
                    let bad = signal.iter().position(|sample| !sample.is_finite());
                    assert_eq!(bad, None, "{} at {rate_hz} Hz, seed {seed}", entry.spec.kind);
                    loudest = signal.iter().fold(loudest, |most, sample| most.max(sample.abs()));
                }
            }
            println!("{} at {rate_hz} Hz: at most {loudest}", entry.spec.kind);
            // A resonance of 30 rings, and parameters that jump at each frame add to it.
            assert!(loudest < 1000.0, "{} at {rate_hz} Hz is bounded: {loudest}", entry.spec.kind);
        }
    }
}

#[test]
fn every_channel_is_the_module_of_one_channel() {
    // A module that takes notes gives each channel another.
    for entry in CATALOG.iter().filter(|entry| !entry.spec.notes) {
        for channels in [4, 8, 16] {
            let mut events = Chance(7).events(entry.spec, FRAMES, 200);
            // A module with this parameter makes its channels differ on demand.
            let spread = entry.spec.params.iter().position(|param| param.name == "spread");
            events.retain(|(_, event)| !matches!(event, Event::Set(at, _) if Some(*at) == spread));
            let play = |mut bench: Bench| bench.play(FRAMES, Chance::noise, &events, &[]);
            let mono = play(Bench::new(entry.spec.kind, 48_000).playing());
            let poly = play(Bench::poly(entry.spec.kind, 48_000, channels).playing());
            assert_eq!(bits(&mono), bits(&poly), "{}, {channels} channels", entry.spec.kind);
        }
    }
}

#[test]
fn inputs_and_parameters_of_a_module_have_different_names() {
    // A cable may end at either, by name alone.
    for entry in CATALOG.iter() {
        for input in entry.spec.inputs {
            let is_param = entry.spec.params.iter().any(|param| param.name == input.name);
            assert!(!is_param, "{}: {}", entry.spec.kind, input.name);
        }
    }
}
