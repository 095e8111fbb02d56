//! Guarantee: the lead is what was asked for, or what the machine was found to need; it is the same for every
//! supervisor of a performance; and whoever asks for none that can be is told what can.

mod support;

use std::process::{Command, Stdio};

use chronus_replication::lead;
use support::Engine;

/// The lead in blocks as an engine tells it, before and after its supervisor was killed.
fn leads(engine: &Engine) -> [u64; 2] {
    let lead_of = |status: &serde_json::Value| status["lead_blocks"].as_u64().expect("a number");
    let before = engine.wait_level();
    let supervisor = before["supervisor_pid"].as_u64().expect("a process");
    Engine::signal(supervisor as u32, "KILL");
    let after = engine.wait_for("another supervisor", |status| {
        status["supervisor_pid"].as_u64().is_some_and(|other| other != supervisor)
    });
    [lead_of(&before), lead_of(&after)]
}

#[test]
fn a_lead_in_milliseconds_is_so_many_blocks_for_every_supervisor() {
    let engine = Engine::free_running(&["--lead", "12ms"]);
    // 576 frames.
    assert_eq!(leads(&engine), [9, 9]);
}

#[test]
fn a_lead_that_was_measured_is_kept_by_who_takes_over_and_said_once() {
    let engine = Engine::launch(&["--output", "null", "--lead", "auto"], &[], None);
    let [before, after] = leads(&engine);
    assert!((lead::LEAST_BLOCKS..=48).contains(&before), "{before} blocks");
    assert_eq!(after, before, "whatever the machine has done meanwhile");
    engine.wait_for_log("this machine woke");
    assert_eq!(engine.log().matches("this machine woke").count(), 1, "{}", engine.log());
}

#[test]
fn a_lead_that_can_not_be_is_refused_with_a_sentence_and_status_2() {
    for wrong in ["0", "5000", "soon", "-3", "0.0001s", "65ms"] {
        for command in ["run", "demo"] {
            let refused = Command::new(env!("CARGO_BIN_EXE_chronus"))
                .args([command, "--lead", wrong])
                .stdin(Stdio::null())
                .output()
                .expect("it starts");
            let said = String::from_utf8_lossy(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{command} --lead {wrong}: {said}");
            assert!(said.contains("auto") && said.contains("12ms"), "{command} {wrong}: {said}");
        }
    }
}
