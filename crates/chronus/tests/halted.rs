//! Guarantee: an engine that is halted whole for seconds, as a machine that is suspended, goes on where it
//! was: no burst of blocks, no death, and the very samples that the journal gives.

#[path = "support/gaps.rs"]
mod gaps;
#[path = "../../chronus-output/tests/support/servers.rs"]
mod servers;
mod support;

use std::time::{Duration, Instant, SystemTime};

use servers::PulseServer;
use support::{Engine, samples, string};

/// The processes that the supervisor has started, from the system, since it can't be asked while it is halted.
fn workers_of(supervisor: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{supervisor}/task")).expect("it is there");
    let children = tasks
        .flatten()
        .map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    children
        .flat_map(|pids| {
            pids.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect::<Vec<u32>>()
        })
        .collect()
}

/// A bundle with one message for a time of the wall clock.
fn bundle(at: SystemTime, address: &str, value: f32) -> Vec<u8> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let args = vec![chronus_osc::OscType::Float(value)];
    let message = chronus_osc::message(address, args).expect("message");
    let mut bundle = b"#bundle\0".to_vec();
    bundle.extend((since.as_secs() as u32).wrapping_add(2_208_988_800).to_be_bytes());
    bundle.extend([0; 4]);
    bundle.extend((message.len() as u32).to_be_bytes());
    bundle.extend(message);
    bundle
}

#[test]
fn halted_for_two_seconds_it_goes_on_at_the_next_block() {
    halt_twice(Engine::start(&[]));
}

#[test]
fn a_server_that_waited_for_two_seconds_gets_what_is_due() {
    let Some(server) = PulseServer::start(48_000) else { return };
    let socket = format!("unix:{}", server.socket().display());
    let output = ["--output", "pulse", "--capture", "a.wav"];
    halt_twice(Engine::launch(&output, &[("PULSE_SERVER", &socket)], None));
}

fn halt_twice(engine: Engine) {
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    let supervisor = engine.process.id();
    for _ in 0..2 {
        let before = engine.status();
        let began = Instant::now();
        // Who watches is halted first and goes on last, so that it never sees a worker halted.
        Engine::signal(supervisor, "STOP");
        let pids = workers_of(supervisor);
        assert!(pids.len() >= 2);
        for pid in &pids {
            Engine::signal(*pid, "STOP");
        }
        std::thread::sleep(Duration::from_secs(2));
        for pid in &pids {
            Engine::signal(*pid, "CONT");
        }
        Engine::signal(supervisor, "CONT");
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
    let now = SystemTime::now();
    // As if the clock had been set back by three hours since the sender looked at it.
    engine.send_bytes(&bundle(now + Duration::from_secs(3 * 3600), "/mod/sine/freq", 300.0));
    let reply = engine.answer().expect("it is refused");
    assert_eq!((reply.address.as_str(), &reply.args[0]), ("/fail", &string("/mod/sine/freq")));
    assert!(format!("{:?}", reply.args[1]).contains("more than an hour"), "{reply:?}");
    engine.wait_for("a line in the log", |_| engine.log().contains("clocks of its sender"));
    assert_eq!(engine.status()["waiting_commands"], 0);
    engine.send_bytes(&bundle(now + Duration::from_secs(600), "/mod/sine/freq", 300.0));
    engine.wait_for("what is planned", |status| status["waiting_commands"] == 1);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    assert_eq!(engine.status()["waiting_commands"], 1);
}
