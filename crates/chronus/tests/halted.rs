//! Guarantee: an engine that is halted whole for seconds, as a machine that is suspended, goes on where it
//! was: no burst of blocks, no death, and the very samples that the journal gives.

#[path = "../../chronus-output/tests/support/servers.rs"]
mod servers;
mod support;

use std::time::{Duration, Instant};

use servers::PulseServer;
use support::{Engine, gaps, samples, string, waiting};

/// The children of the keeper, from the system, since it can't be asked while it is halted.
fn children_of(keeper: u32) -> Vec<u32> {
    chronus_os::child::children_of(keeper).expect("it is there")
}

#[test]
fn halted_for_two_seconds_it_goes_on_at_the_next_block() {
    halt_twice(Engine::start(&[]));
}

#[test]
fn a_server_that_waited_for_two_seconds_gets_what_is_due() {
    let Some(server) = PulseServer::start(48_000) else { return };
    let socket = format!("unix:{}", server.socket().display());
    let output = ["--output", "pulse", "--capture", "a.wav", "--lead", "48"];
    halt_twice(Engine::launch(&output, &[("PULSE_SERVER", &socket)], None));
}

fn halt_twice(engine: Engine) {
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    let keeper = engine.process.id();
    for _ in 0..2 {
        let before = engine.status();
        let began = Instant::now();
        // Who watches is halted first and goes on last, so that it never sees a worker halted.
        let mut pids = vec![keeper, before["supervisor_pid"].as_u64().expect("a process") as u32];
        Engine::signal_all(&pids, "STOP");
        let workers: Vec<_> =
            children_of(keeper).into_iter().filter(|child| !pids.contains(child)).collect();
        assert!(workers.len() >= 2);
        Engine::signal_all(&workers, "STOP");
        pids.extend(workers);
        std::thread::sleep(Duration::from_secs(2));
        pids.reverse();
        Engine::signal_all(&pids, "CONT");
        engine.play_on(100);
        let (after, took) = (engine.status(), began.elapsed());
        let count = |status: &serde_json::Value, name: &str| status[name].as_u64().expect(name);
        let frames = count(&after, "frames") - count(&before, "frames");
        // Not what was due in the meantime, only what was due before and after it.
        let awake = took.saturating_sub(Duration::from_secs(2)).as_secs_f64() * 48_000.0;
        assert!((frames as f64) < awake + 9_600.0, "{frames} frames in {took:?}");
        assert!(
            count(&after, "xruns") > count(&before, "xruns"),
            "the device says that it slipped"
        );
        assert_eq!(after["fresh_starts"], 0);
        assert_eq!(after["device"]["losses"], 0);
        engine.send("/mod/sine/freq", &["500"]);
    }
    let (engine, rendered) = engine.end_and_render();
    let played = samples(&engine.folder.path().join("a.wav"));
    // A device may have asked for frames before the performance began.
    let played = &played[played.len() - rendered.len()..];
    gaps::assert_only_gaps_differ(played, &rendered, &engine.folder.path().join("a.journal"));
}

#[test]
fn what_waits_for_a_time_that_may_never_come_is_said_and_bounded() {
    let engine = Engine::start(&[]);
    // As if the clock had been set back by three hours since the sender looked at it.
    engine.send_at(Duration::from_secs(3 * 3600), "/mod/sine/freq", &["300"]);
    let reply = engine.answer();
    assert_eq!((reply.address.as_str(), &reply.args[0]), ("/fail", &string("/mod/sine/freq")));
    assert!(format!("{:?}", reply.args[1]).contains("more than an hour"), "{reply:?}");
    engine.wait_for_log("clocks of its sender");
    assert_eq!(engine.status()["waiting_commands"], 0);
    engine.send_at(Duration::from_secs(600), "/mod/sine/freq", &["300"]);
    engine.wait_for("what is planned", |status| status["waiting_commands"] == 1);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    assert_eq!(engine.status()["waiting_commands"], 1);
}
