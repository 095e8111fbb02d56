//! Guarantee: a worker killed, stopped or crashing at any instant changes not one sample; the next
//! standby has the whole state of the old; there is no loop of respawns.

mod support;

use support::Engine;

#[test]
fn sigkill_of_the_primary_is_not_in_the_sound() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    let killed = engine.pid_of("primary");
    Engine::signal(killed, "KILL");
    let status = engine.wait_redundant(1);
    assert!(status["role_changes"].as_u64() >= Some(1));
    assert_ne!(engine.pid_of("primary"), killed);
    engine.play_on(200);
    assert_eq!(engine.status()["gaps"], 0);
    engine.end_and_compare().assert_identical();
}

#[test]
fn sigterm_and_sigsegv_from_outside_and_a_stopped_worker_are_not_in_the_sound() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for (deaths, (role, signal)) in (1..).zip([
        ("primary", "TERM"),
        ("standby", "SEGV"),
        ("primary", "STOP"),
        ("standby", "STOP"),
    ]) {
        engine.play_on(100);
        Engine::signal(engine.pid_of(role), signal);
        engine.wait_redundant(deaths);
    }
    assert_eq!(engine.status()["fences"], 2, "the stopped ones were fenced");
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_worker_that_crashes_by_itself_is_not_in_the_sound() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    let mut deaths = 0;
    for how in ["segfault", "panic", "abort", "loop", "sleep"] {
        for role in ["primary", "standby"] {
            engine.play_on(100);
            engine.send("/chaos/crash", &[role, how]);
            deaths += 1;
            engine.wait_redundant(deaths);
        }
    }
    assert_eq!(engine.status()["gaps"], 0);
    engine.end_and_compare().assert_identical();
}

#[test]
fn five_failovers_in_a_row_each_with_its_figures() {
    let engine = Engine::start(&[]);
    engine.send("/gate/adsr", &["on"]);
    for failover in 1..=5 {
        engine.send("/chaos/kill", &["primary"]);
        let status = engine.wait_redundant(failover);
        assert!(status["failover_count"].as_u64() >= Some(failover));
        let us = |name: &str| status[name]["last_us"].as_f64().expect("a figure");
        let (noticed, promoted, level) = (us("detection"), us("promotion"), us("redundancy"));
        eprintln!(
            "failover {failover}: noticed after {noticed:.0} us, promoted {promoted:.0} us later, \
             two replicas again after {level:.0} us"
        );
        assert!(noticed > 0.0 && promoted > 0.0 && level >= noticed, "{status:#?}");
    }
    let status = engine.status();
    eprintln!("gaps {}, xruns {}", status["gaps"], status["xruns"]);
    assert_eq!(status["fresh_starts"], 0);
    let gaps = status["gaps"].as_u64();
    let comparison = engine.end_and_compare();
    // Only a gap of the machine's own making may differ in real time.
    assert!(
        comparison.different.is_empty() || gaps > Some(0),
        "{:?}",
        comparison.different.first()
    );
}

#[test]
fn kill_wait_kill_again_makes_no_loop() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for deaths in 1..=2 {
        engine.send("/chaos/kill", &["primary"]);
        engine.wait_redundant(deaths);
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
    for deaths in 1..=20 {
        engine.send("/chaos/kill", &["primary"]);
        engine.wait_redundant(deaths);
    }
    engine.play_on(200);
    let status = engine.status();
    assert_eq!((&status["gaps"], &status["divergences"]), (&0.into(), &0.into()));
    assert!(status["blocks_compared"].as_u64() > Some(0), "replicas were compared, too");
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    let tail = &comparison.played[comparison.played.len() * 3 / 4..comparison.played.len() - 4000];
    assert!(tail.iter().any(|sample| sample.abs() > 0.2), "the gate is still open");
}

#[test]
fn one_three_and_four_replicas_keep_the_same_promise() {
    for replicas in ["3", "4"] {
        let engine = Engine::free_running(&["--replicas", replicas]);
        engine.send("/gate/adsr", &["on"]);
        for deaths in 1..=5 {
            engine.play_on(50);
            engine.send("/chaos/kill", &[["primary", "standby"][deaths as usize % 2]]);
            engine.wait_redundant(deaths);
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
    let engine = Engine::start(&[]);
    engine.send("/mod/sine/freq", &["330"]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    engine.kill_everybody();
    // If it is there before the lead is used up, there is not even a gap, only the fade-in.
    engine.wait_for("a fresh start", |status| {
        status["fresh_starts"].as_u64() >= Some(1) && status["redundant"] == true
    });
    engine.play_on(400);
    let comparison = engine.end_and_compare();
    let tail = &comparison.played[comparison.played.len() - 20_000..comparison.played.len() - 4000];
    assert!(tail.iter().any(|sample| sample.abs() > 0.2), "the gate is open again");
    let last_gap = comparison.different.last().copied().unwrap_or(0);
    assert!(last_gap < comparison.played.len() as u64 / 2 - 400 * 32, "identical again afterwards");
}
