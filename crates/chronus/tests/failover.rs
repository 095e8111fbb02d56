//! Guarantee: a worker killed, stopped or crashing at any instant changes not one sample; the next
//! standby has the whole state of the old; there is no loop of respawns.

mod support;

use serde_json::Value;
use support::Engine;

fn count(status: &Value, name: &str) -> u64 {
    status[name].as_u64().unwrap_or_else(|| panic!("no {name} in {status}"))
}

#[test]
fn sigkill_of_the_primary_is_not_in_the_sound() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    let killed = engine.lose("primary", "KILL");
    assert!(count(&engine.status(), "role_changes") >= 1);
    assert_ne!(engine.worker("primary"), killed);
    engine.play_on(200);
    assert_eq!(engine.status()["gaps"], 0);
    engine.end_and_compare().assert_identical();
}

#[test]
fn crashes_sent_from_outside_and_a_stopped_worker_are_not_in_the_sound() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for (role, signal, is_fenced) in [
        ("primary", "ILL", false),
        ("standby", "SEGV", false),
        ("primary", "STOP", true),
        ("standby", "STOP", true),
    ] {
        engine.play_on(100);
        let lost = engine.lose(role, signal);
        let words = format!("slot {} is fenced", lost.slot);
        if is_fenced {
            engine.wait_for_log(&words);
        }
        engine.wait_for_log(&format!("worker {} in slot {}", lost.pid, lost.slot));
    }
    assert!(count(&engine.status(), "fences") >= 2, "the stopped ones were fenced");
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_worker_that_crashes_by_itself_is_not_in_the_sound() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for how in ["segfault", "panic", "abort", "loop", "sleep"] {
        for role in ["primary", "standby"] {
            engine.play_on(100);
            engine.harm("/chaos/crash", role, &[how]);
        }
    }
    assert_eq!(engine.status()["gaps"], 0);
    engine.end_and_compare().assert_identical();
}

/// In real time, where other workers may be late meanwhile: the figures are those of the kill all the same.
#[test]
fn five_failovers_in_a_row_each_with_its_figures() {
    let engine = Engine::start(&[]);
    engine.send("/gate/adsr", &["on"]);
    for failover in 1..=5 {
        let before = engine.wait_level();
        engine.send("/chaos/kill", &["primary"]);
        let of = |status: &Value, name: &str| count(&status[name], "count");
        let status = engine.wait_for("the figures of the failover", |status| {
            status["redundant"] == true
                && of(status, "detection") > of(&before, "detection")
                && of(status, "redundancy") > of(&before, "redundancy")
        });
        let us = |name: &str, which: &str| status[name][which].as_f64().expect("a figure");
        let (noticed, promoted) = (us("detection", "last_us"), us("promotion", "last_us"));
        let level = us("redundancy", "last_us");
        eprintln!(
            "failover {failover}: noticed after {noticed:.0} us, promoted {promoted:.0} us later, \
             two replicas again after {level:.0} us"
        );
        assert_eq!(of(&status, "detection"), failover, "each kill is noticed once, and no other");
        assert!(of(&status, "promotion") >= failover && count(&status, "role_changes") >= failover);
        assert!(noticed > 0.0 && promoted > 0.0, "{status:#?}");
        // If another was late as well, the last figure may be that of the other.
        let is_only_one = of(&status, "redundancy") == of(&before, "redundancy") + 1;
        let level = if is_only_one { level } else { us("redundancy", "max_us") };
        assert!(level >= noticed, "{status:#?}");
    }
    engine.play_on(100);
    assert_eq!(engine.status()["fresh_starts"], 0);
    engine.end_and_compare().assert_only_gaps_differ();
}

#[test]
fn kill_wait_kill_again_makes_no_loop() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for _ in 0..2 {
        engine.harm("/chaos/kill", "primary", &[]);
        engine.play_on(2000);
    }
    let status = engine.status();
    assert_eq!(status["respawns"], 2, "one death for each kill, and none besides");
    assert_eq!(status["fences"], 0);
    assert_eq!(status["fresh_starts"], 0);
    engine.end_and_compare().assert_identical();
}

#[test]
fn gate_parameters_and_phase_survive_and_a_new_standby_has_the_state_of_the_old() {
    let engine = Engine::free_running(&[]);
    engine.send("/mod/sine/freq", &["333.3"]);
    engine.send("/mod/filter/cutoff", &["1500"]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(500);
    // Generation after generation: each survivor is a fork of a fork of the one that heard the gate.
    for _ in 0..20 {
        engine.harm("/chaos/kill", "primary", &[]);
    }
    engine.play_on(200);
    let status = engine.status();
    assert_eq!((&status["gaps"], &status["divergences"]), (&0.into(), &0.into()));
    assert!(status["blocks_compared"].as_u64() > Some(0), "replicas were compared, too");
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    let tail = &comparison.played[comparison.played.len() * 3 / 4..comparison.played.len() - 4000];
    assert!(tail.iter().any(|sample| sample.abs() > 0.1), "the gate is still open");
}

#[test]
fn one_three_and_four_replicas_keep_the_same_promise() {
    for replicas in ["3", "4"] {
        let engine = Engine::free_running(&["--replicas", replicas]);
        engine.send("/gate/adsr", &["on"]);
        for round in 0..5 {
            engine.play_on(50);
            engine.harm("/chaos/kill", ["standby", "primary"][round % 2], &[]);
        }
        engine.end_and_compare().assert_identical();
    }
    let engine = Engine::free_running(&["--replicas", "1"]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(500);
    engine.end_and_compare().assert_identical();
}

#[test]
fn when_all_are_gone_a_fresh_worker_plays_on_with_the_same_parameters() {
    let engine = Engine::free_running(&[]);
    engine.send("/mod/sine/freq", &["330"]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    let again = count(&engine.kill_everybody(), "frames");
    engine.play_on(400);
    let comparison = engine.end_and_compare();
    let tail = &comparison.played[comparison.played.len() - 20_000..comparison.played.len() - 4000];
    assert!(tail.iter().any(|sample| sample.abs() > 0.1), "the gate is open again");
    let last = comparison.different.last().copied().unwrap_or(0);
    assert!(last < again, "frame {last} differs, though all were level again at {again}");
}
