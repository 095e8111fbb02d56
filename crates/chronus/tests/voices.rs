//! Guarantee: sixteen voices, modulated, playing chords, survive kills bit for bit; and notes that are
//! held when every worker dies sound again in the fresh one.

mod support;

use support::Engine;

const ORGAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../patches/organ.toml");

const BASS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../patches/bass.toml");

#[test]
fn chords_through_kills_are_bit_identical() {
    for patch in [ORGAN, BASS] {
        play_chords_through_kills(patch);
    }
}

fn play_chords_through_kills(patch: &str) {
    let engine = Engine::free_running(&["--patch", patch]);
    for round in 0..12_u64 {
        for step in [0, 4, 7] {
            let key = (48 + (round * 5 + step) % 36).to_string();
            engine.send("/note/voices/on", &[&key, ["0.9", "0.4"][round as usize % 2]]);
        }
        engine.play_on(40);
        let (role, signal) =
            [("primary", "KILL"), ("standby", "KILL"), ("primary", "STOP")][round as usize % 3];
        engine.lose(role, signal);
        engine.send("/note/voices/off", if round % 4 == 3 { &[] } else { &["48"] });
    }
    let status = engine.status();
    assert_eq!((&status["gaps"], &status["osc_failed"]), (&0.into(), &0.into()), "{status}");
    engine.end_and_compare().assert_identical();
}

#[test]
fn held_notes_sound_again_when_all_have_died() {
    let engine = Engine::free_running(&["--patch", ORGAN]);
    engine.send("/note/voices/on", &["60"]);
    engine.send("/note/voices/on", &["67", "0.5", "3"]);
    engine.play_on(100);
    let again = engine.kill_everybody()["frames"].as_u64().expect("frames");
    engine.play_on(400);
    let comparison = engine.end_and_compare();
    let played = &comparison.played;
    let tail = &played[played.len() - 20_000..played.len() - 4000];
    assert!(tail.iter().any(|sample| sample.abs() > 0.05), "the notes sound again");
    let last = comparison.different.last().copied().unwrap_or(0);
    assert!(last < again, "frame {last} differs, though all were level again at {again}");
}
