//! All workers killed in the same moment: a checkpoint catches up, and not one frame is lost.

mod support;

use std::path::PathBuf;

use support::Engine;

fn patch(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../patches");
    folder.join(name).display().to_string()
}

/// Kills all workers in one moment, so often, while notes come.
fn kill_all(engine: &Engine, times: u64) {
    for round in 1..=times {
        engine.wait_for("a checkpoint", |status| {
            status["redundant"] == true && status["checkpoint_age_blocks"].as_f64() >= Some(0.0)
        });
        engine.send("/mod/filter/cutoff", &[&(300 + round * 40).to_string()]);
        engine.send("/gate/adsr", &[if round % 2 == 0 { "on" } else { "off" }]);
        engine.send("/chaos/kill", &["workers"]);
        engine.wait_for("all are back", |status| {
            status["thaws"].as_u64() >= Some(round) && status["redundant"] == true
        });
    }
}

#[test]
fn all_workers_at_once_are_not_missed_by_a_frame() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    kill_all(&engine, 40);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    let status = engine.status();
    assert_eq!(status["fresh_starts"], 0, "{status}");
    assert_eq!(status["gaps"], 0, "{status}");
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_full_groove_goes_on_from_a_checkpoint() {
    let groove = patch("groove.toml");
    let engine = Engine::free_running(&["--patch", &groove, "--replicas", "3"]);
    engine.send("/transport/play", &[]);
    for round in 1..=10 {
        engine.wait_for("a checkpoint", |status| {
            status["redundant"] == true && status["checkpoint_age_blocks"].as_f64() >= Some(0.0)
        });
        engine.send("/chaos/kill", &["workers"]);
        engine.wait_for("all are back", |status| status["thaws"].as_u64() >= Some(round));
    }
    engine.play_on(2000);
    assert_eq!(engine.status()["fresh_starts"], 0);
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_checkpoint_does_not_hold_up_edits_nor_a_flood_of_commands() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for edit in 1..=5 {
        engine.send("/patch/set", &["sine", "gain", &format!("0.{edit}")]);
        engine.send("/patch/commit", &[]);
        engine.wait_for("the edit", |status| status["edits"].as_u64() >= Some(edit));
        for step in 0..3000 {
            engine.send("/mod/sine/freq", &[&(100 + step % 400).to_string()]);
        }
        engine.wait_for("a checkpoint", |status| {
            status["redundant"] == true && status["checkpoint_age_blocks"].as_f64() >= Some(0.0)
        });
        engine.send("/chaos/kill", &["workers"]);
        engine.wait_for("all are back", |status| status["thaws"].as_u64() >= Some(edit));
    }
    engine.play_on(100);
    assert_eq!(engine.status()["fresh_starts"], 0);
    engine.end_and_compare().assert_identical();
}
