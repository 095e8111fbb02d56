//! The module `fault` lets its signal pass, bit for bit, unless it was told otherwise; what could end a
//! process is done only where it was armed.

mod common;

use chronus_dsp::BLOCK_FRAMES;
use chronus_dsp::catalog::{self, CATALOG, TRIALS};
use chronus_dsp::utility::fault::{Deed, arm};
use common::{Bench, Chance, Event, bits};

const FRAMES: usize = 4 * BLOCK_FRAMES;
const OPEN: usize = BLOCK_FRAMES + 7;
const CLOSE: usize = 3 * BLOCK_FRAMES + 5;

/// What is heard if the gate is open for a while.
fn play(deed: &str) -> Vec<f32> {
    let spec = catalog::find("fault").expect("a kind").spec;
    let choice = spec.params[0].choices.iter().position(|choice| *choice == deed);
    let mut bench = Bench::with("fault", 48_000, &[("deed", choice.expect("a deed") as f32)]);
    let events = [(OPEN, Event::Gate(true)), (CLOSE, Event::Gate(false))];
    bench.play(FRAMES, Chance::noise, &events, &[]).swap_remove(0)
}

#[test]
fn it_is_found_by_name_and_is_no_kind_for_music() {
    assert!(catalog::find("fault").is_some_and(|entry| entry.is_for_trials()));
    assert!(TRIALS.iter().all(|trial| !CATALOG.contains(trial)));
    assert!(CATALOG.iter().all(|entry| !entry.is_for_trials()));
}

#[test]
fn unarmed_it_passes_its_signal_whatever_it_is_told_and_armed_it_does_what_it_is_told() {
    let input: Vec<f32> = (0..FRAMES).map(Chance::noise).collect();
    let spec = catalog::find("fault").expect("a kind").spec;
    let audible = ["nan", "infinity", "runaway", "denormals"];
    for deed in spec.params[0].choices.iter().filter(|deed| !audible.contains(deed)) {
        assert_eq!(bits(&[play(deed)]), bits(std::slice::from_ref(&input)), "{deed}");
        let mut bench = Bench::new("fault", 48_000);
        assert!((spec.texts[0].check)(deed).is_ok());
        bench.apply(Event::Text(0, deed));
    }
    assert!((spec.texts[0].check)("segfalt").is_err_and(|why| why.contains("`segfault`")));

    arm(|deed| {
        assert_eq!(deed, Deed::Segfault);
        panic!("it would have ended the process");
    });
    assert!(std::panic::catch_unwind(|| play("segfault")).is_err(), "while rendering");
    let at_once = || Bench::new("fault", 48_000).apply(Event::Text(0, "segfault"));
    assert!(std::panic::catch_unwind(at_once).is_err(), "while the text is set");
}

#[test]
fn what_is_wrong_with_the_signal_is_so_while_the_gate_is_open() {
    let is_wrong: [(&str, fn(f32) -> bool); 4] = [
        ("nan", f32::is_nan),
        ("infinity", |sample| sample == f32::INFINITY),
        ("runaway", |sample| sample.abs() > 1e6),
        ("denormals", f32::is_subnormal),
    ];
    for (deed, is_wrong) in is_wrong {
        for (frame, sample) in play(deed).into_iter().enumerate() {
            let input = Chance::noise(frame);
            if (OPEN..CLOSE).contains(&frame) {
                assert!(is_wrong(sample), "{deed} at {frame}: {sample}");
            } else {
                assert_eq!(sample.to_bits(), input.to_bits(), "{deed} at {frame}");
            }
        }
    }
}
