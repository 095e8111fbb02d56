//! Modules that do harm, with real processes: the culprit is found and bypassed before anybody hears it, the
//! rest plays on, players are told, and the journal replays all of it bit for bit.

mod support;

use std::time::{Duration, Instant};

use chronus_osc::OscType;
use support::Engine;

/// So long a module that did harm for the first time may not try again.
const PROBATION: Duration = Duration::from_secs(1);

/// A circle that is twice as loud with each block once `level_b` of `circle` is 2.
const CIRCLE: &str = r#"
format = 1
[[module]]
id = "tone"
kind = "sine"
gain = 0.3
[[module]]
id = "circle"
kind = "mix"
level_b = 0.0
[[module]]
id = "after"
kind = "mix"
[[cable]]
from = "tone.out"
to = "circle.a"
[[cable]]
from = "circle.out"
to = "circle.b"
[[cable]]
from = "circle.out"
to = "after.a"
[[cable]]
from = "tone.out"
to = "after.b"
[output]
left = "after.out"
right = "after.out"
"#;

fn file(engine: &tempfile::TempDir, text: &str) -> String {
    let path = engine.path().join("poison.toml");
    std::fs::write(&path, text).expect("a patch file");
    path.display().to_string()
}

/// Waits for an event, and returns its arguments as text.
fn event(engine: &Engine, name: &str) -> Vec<String> {
    let reply = engine.answer_from(&[&format!("/event/{name}")]);
    let word = |arg: &OscType| match arg {
        OscType::String(text) => text.clone(),
        other => format!("{other:?}"),
    };
    reply.args.iter().map(word).collect()
}

#[test]
fn a_circle_that_runs_away_is_bypassed_before_it_is_heard_and_may_try_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::free_running(&["--patch", &file(&folder, CIRCLE)]);
    engine.send("/events", &[]);
    engine.play_on(50);
    let harmed = Instant::now();
    engine.send("/mod/circle/level_b", &["2"]);
    assert_eq!(event(&engine, "bypass"), ["circle", "ran away in level"]);
    let status = engine.wait_for("the bypass", |status| status["bypassed"][0] == "circle");
    assert_eq!(status["amendments"], 1);
    engine.play_on(50);

    engine.send("/mod/circle/level_b", &["0.5"]);
    // Again and again, until that is permitted.
    let mut refusals = 0;
    loop {
        engine.send("/mod/circle/enable", &[]);
        let reply = engine.answer_from(&["/fail", "/event/enable"]);
        let reason = reply.args.last().map(|arg| format!("{arg:?}")).unwrap_or_default();
        if reply.address == "/event/enable" {
            assert!(reason.contains("circle"), "{reply:?}");
            break;
        }
        assert!(reason.contains("it may be enabled in"), "{reply:?}");
        refusals += 1;
        std::thread::sleep(PROBATION / 10);
    }
    assert!(refusals > 0 || harmed.elapsed() > PROBATION, "at first it is refused");
    assert!(harmed.elapsed() >= PROBATION, "for {PROBATION:?}");
    engine.wait_for("it plays again", |status| {
        status["bypassed"].as_array().is_some_and(Vec::is_empty) && status["redundant"] == true
    });
    engine.play_on(200);
    let status = engine.status();
    assert_eq!((&status["gaps"], &status["fresh_starts"]), (&0.into(), &0.into()), "{status}");
    engine.end_and_compare().assert_identical();
}

#[test]
fn with_a_single_replica_nothing_is_lost_but_the_sound_of_a_moment() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::free_running(&["--replicas", "1", "--patch", &file(&folder, CIRCLE)]);
    engine.play_on(50);
    engine.send("/mod/circle/level_b", &["2"]);
    engine.wait_for("the bypass", |status| {
        status["bypassed"][0] == "circle" && status["redundant"] == true
    });
    engine.play_on(200);
    assert_eq!(engine.status()["fresh_starts"], 1);
    let comparison = engine.end_and_compare();
    let loudest = comparison.played.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    assert!(loudest < 0.97, "the limiter holds: {loudest}");
}

/// A recording far beyond all levels, struck at once, beside a tone.
const LOUD_AT_ONCE: &str = r#"
format = 1
[[module]]
id = "steps"
kind = "steps"
[[module]]
id = "loud"
kind = "sample"
file = "loud.wav"
[[module]]
id = "tone"
kind = "sine"
gain = 0.3
[[cable]]
from = "steps.gate"
to = "loud.gate"
[output]
left = "tone.out"
right = "loud.left"
"#;

#[test]
fn a_module_that_does_harm_in_the_very_first_block_does_not_keep_the_rest_from_beginning() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut loud = hound::WavWriter::create(folder.path().join("loud.wav"), spec).expect("a file");
    (0..4800).for_each(|_| loud.write_sample(1e30_f32).expect("written"));
    loud.finalize().expect("a whole file");
    for replicas in ["1", "2", "3"] {
        let patch = file(&folder, LOUD_AT_ONCE);
        let engine = Engine::free_running(&["--replicas", replicas, "--patch", &patch]);
        engine.wait_for("the bypass", |status| {
            status["bypassed"][0] == "loud" && status["redundant"] == true
        });
        engine.play_on(200);
        let comparison = engine.end_and_compare();
        let loudest = comparison.played.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        assert!((0.2..0.97).contains(&loudest), "the tone plays: {loudest}");
    }
}
