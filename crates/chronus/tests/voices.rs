//! Guarantee: sixteen voices, modulated, playing chords, survive kills bit for bit; and notes that are
//! held when every worker dies sound again in the fresh one.

mod support;

use support::{AT_ONCE, Engine, bundle_at};

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

/// A plucked note for each of four channels.
const PLUCK: &str = r#"
format = 1
[[module]]
id = "v"
kind = "voices"
channels = 4
[[module]]
id = "o"
kind = "sine"
gain = 0.2
[[module]]
id = "e"
kind = "adsr"
attack = 0
decay = 20
sustain = 0
release = 20
[[cable]]
from = "v.pitch"
to = "o.freq"
[[cable]]
from = "v.gate"
to = "e.gate"
[[cable]]
from = "o.out"
to = "e.in"
[output]
left = "e.out"
right = "e.out"
"#;

/// Messages that take effect at once, together.
fn at_once(messages: &[(&str, &[f32])]) -> Vec<u8> {
    let message = |(address, numbers): &(&str, &[f32])| {
        let numbers = numbers.iter().map(|number| chronus_osc::OscType::Float(*number)).collect();
        chronus_osc::message(address, numbers).expect("it encodes")
    };
    bundle_at(AT_ONCE, &messages.iter().map(message).collect::<Vec<_>>())
}

/// How often something is heard after a silence.
fn strokes(played: &[f32]) -> usize {
    let pieces: Vec<bool> =
        played.chunks(2 * 480).map(|piece| piece.iter().any(|it| it.abs() > 0.02)).collect();
    (0..pieces.len()).filter(|n| pieces[*n] && (*n == 0 || !pieces[n - 1])).count()
}

#[test]
fn a_chord_that_ends_and_begins_in_one_bundle_is_struck_each_time_through_kills() {
    const KEYS: [f32; 4] = [60.0, 64.0, 67.0, 71.0];
    let folder = tempfile::tempdir().expect("a folder");
    let patch = folder.path().join("pluck.toml");
    std::fs::write(&patch, PLUCK).expect("written");
    let engine = Engine::free_running(&["--patch", patch.to_str().expect("a path")]);
    let off = KEYS.each_ref().map(|key| ("/note/v/off", std::slice::from_ref(key)));
    let held = KEYS.map(|key| [key, 0.8]);
    let on = held.each_ref().map(|note| ("/note/v/on", &note[..]));
    engine.send_bytes(&at_once(&on));
    engine.play_on(100);
    let rounds = 9;
    for round in 0..rounds {
        // Held notes again, a note of no length, and all at once.
        let bundle = match round % 3 {
            0 => [&off[..], &on].concat(),
            1 => [&off[..], &on, &off].concat(),
            _ => on.to_vec(),
        };
        engine.send_bytes(&at_once(&bundle));
        engine.play_on(100);
        engine.lose(["primary", "standby"][round % 2], "KILL");
    }
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    assert_eq!(strokes(&comparison.played), 1 + rounds, "each bundle strikes");
}
