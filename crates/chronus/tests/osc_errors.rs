//! Guarantee: whatever comes in over OSC, the engine plays on, the sender is told what would be right,
//! a counter rises; and nothing that comes in can stop a worker.

mod support;

use std::time::{Duration, Instant};

use support::{Client, Engine, replicas, string, wait_until};

#[test]
fn mistakes_are_answered_counted_and_survived() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    let mistakes: [(&str, &[&str], &str); 7] = [
        ("/mod/sin/freq", &["440"], "did you mean `sine`"),
        ("/mod/sine/frequency", &["440"], "no parameter"),
        ("/mod/sine/freq", &["loud"], "is not a number"),
        ("/mod/sine/freq", &["f:nan"], "is not finite"),
        ("/mod/sine/freq", &["f:inf"], "is not finite"),
        ("/mod/sine/freq", &["1e9"], "was clamped to 20000 Hz"),
        ("/nothing/of/the/kind", &[], "there is no such address"),
    ];
    for (address, arguments, wanted) in mistakes {
        engine.send(address, arguments);
        let reply = engine.answer();
        assert_eq!(reply.address, "/fail");
        assert_eq!(reply.args[0], string(address));
        let reason = format!("{:?}", reply.args[1]);
        assert!(reason.contains(wanted), "{address}: {reason}");
    }
    for garbage in [&b""[..], b"/", b"/mod/sine/freq\0\0,f\0\0\x01", b"#bundle\0\0\0", &[0xff; 999]]
    {
        engine.send_bytes(garbage);
        assert_eq!(engine.answer().address, "/fail");
    }
    let status = engine.status();
    assert_eq!((&status["osc_failed"], &status["osc_clamped"]), (&11.into(), &1.into()));
    assert_eq!(status["respawns"], 0);
    // The clamped frequency is above what the filter lets pass.
    engine.send("/mod/sine/freq", &["440"]);
    engine.play_on(200);
    engine.end_and_compare().assert_identical();
}

#[test]
fn what_others_send_is_taken_and_numbers_out_of_range_are_clamped() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    let stops = |packet: &[u8]| {
        engine.send("/transport/play", &[]);
        engine.wait_for("playing", |status| status["playing"] == true);
        engine.send_bytes(packet);
        engine.wait_for("the end of playing", |status| status["playing"] == false);
    };
    stops(b"/transport/stop\0");
    stops(b"/transport/stop\0,I\0\0");
    stops(b"/transport/play\0,S\0\0off\0");
    stops(b"#bundle\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x10/transport/stop\0");
    assert_eq!(engine.status()["osc_failed"], 1, "the element of no bytes was told");
    engine.forget_answers();
    engine.send("/transport/tempo", &["5000"]);
    let reason = format!("{:?}", engine.answer());
    assert!(reason.contains("a tempo of 5000 was clamped to 1000"), "{reason}");
    engine.wait_for("the tempo", |status| status["tempo_bpm"] == 1000.0);
    engine.play_on(200);
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_name_of_thousands_of_letters_is_answered_and_neither_answer_nor_log_is_long() {
    let engine = Engine::free_running(&[]);
    let takes: [(&str, &[&str]); 8] = [
        ("/patch/create", &["NAME", "sine"]),
        ("/patch/create", &["a", "NAME"]),
        ("/patch/create", &["a", "sample", "file", "NAME"]),
        ("/patch/delete", &["NAME"]),
        ("/patch/connect", &["NAME", "a.b"]),
        ("/patch/load", &["NAME"]),
        ("/patch/save", &["NAME"]),
        ("/record/start", &["NAME"]),
    ];
    // Letters without an end, words, and a path.
    for name in ["x".repeat(60_000), "take ".repeat(12_000), "../a b/".repeat(8_000)] {
        for (address, arguments) in takes {
            let arguments: Vec<&str> =
                arguments.iter().map(|it| if *it == "NAME" { &name } else { *it }).collect();
            engine.send(address, &arguments);
            let reply = engine.answer();
            assert_eq!((reply.address.as_str(), &reply.args[0]), ("/fail", &string(address)));
            let reason = format!("{:?}", reply.args[1]);
            assert!(reason.contains('…') && reason.len() < 400, "{address}: {reason}");
        }
        let address = format!("/mod/{name}/freq");
        engine.send(&address, &["1"]);
        let reply = engine.answer();
        assert!(reply.address == "/fail" && format!("{reply:?}").len() < 1000, "{reply:?}");
    }
    engine.wait_for_log("more message");
    let log = engine.log();
    let longest = log.lines().map(str::len).max();
    assert!(longest < Some(1000), "{longest:?}");
}

#[test]
fn no_message_can_shut_a_worker_down() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    // On a busy machine the two may change roles, but they must be the same two.
    let both = || {
        // From one answer, because roles may change between two.
        let status = engine.wait_for("both workers", |status| {
            ["primary", "standby"].iter().all(|role| support::find_role(status, role).is_some())
        });
        let mut pids = replicas(&status).map(|worker| worker.pid).collect::<Vec<_>>();
        pids.sort_unstable();
        pids
    };
    let workers = both();
    for address in ["/shutdown", "/quit", "/engine/shutdown", "/engine/quit", "/worker/0/shutdown"]
    {
        engine.send(address, &[]);
        assert_eq!(engine.answer().address, "/fail");
    }
    engine.send("/engine/stop", &[]);
    engine.play_on(100);
    engine.send("/engine/start", &[]);
    // Ctrl-C reaches all processes of a terminal; a worker leaves it to the supervisor.
    Engine::signal(workers[0], "INT");
    Engine::signal(workers[1], "HUP");
    engine.play_on(2000);
    assert_eq!(both(), workers);
    assert_eq!(engine.status()["respawns"], 0);
    engine.end_and_compare().assert_identical();
}

#[test]
fn chaos_is_refused_without_permission() {
    let folder = tempfile::tempdir().expect("folder");
    let log = folder.path().join("log");
    let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_chronus"))
        .args(["run", "--output", "null", "--osc", support::ANY_PORT])
        .stderr(std::fs::File::create(&log).expect("log"))
        .spawn()
        .expect("the engine starts");
    let client = Client::of(&mut process, log);
    client.wait_for("workers", |status| support::find_role(status, "primary").is_some());
    let before = client.status();
    client.send("/chaos/kill", &["primary"]);
    let reason = format!("{:?}", client.answer());
    assert!(
        reason.contains("/fail") && reason.contains("not started with --allow-chaos"),
        "{reason}"
    );
    // It waits for a complaint only for a moment, which on a busy machine may be too short.
    wait_until("a complaint", || {
        let kill = std::process::Command::new(env!("CARGO_BIN_EXE_chronus"))
            .args(["kill", "primary", "--osc", &client.port().to_string()])
            .output()
            .expect("kill runs");
        let said = String::from_utf8_lossy(&kill.stderr).into_owned();
        assert_eq!(kill.status.success(), said.is_empty(), "{said}");
        said.contains("not started with --allow-chaos")
    });
    assert_eq!(client.status()["respawns"], before["respawns"]);
    Engine::signal(process.id(), "TERM");
    process.wait().expect("it ends");
}

/// So far ahead that the bundle arrives before, however busy the machine is.
const AHEAD: Duration = Duration::from_secs(1);

#[test]
fn a_bundle_takes_effect_at_its_timetag_in_order() {
    let engine = Engine::start(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    // It is due so long after these frames have been played at the earliest, and so long at the latest.
    let began = Instant::now();
    let frames = engine.status()["frames"].as_u64().expect("frames");
    engine.send_at(AHEAD, "/gate/adsr", &["off"]);
    let latest = (began.elapsed() + AHEAD).as_millis() as u64 * 48;
    engine.wait_for("the gate's end", |status| status["commands_sent"].as_u64() == Some(2));
    let (release, margin) = (48 * 200, 48 * 100);
    let quiet_at = frames + latest + release + margin;
    engine.wait_for("silence", |status| status["frames"].as_u64() > Some(quiet_at + 4000));
    let comparison = engine.end_and_compare();
    comparison.assert_only_gaps_differ();
    let is_quiet = |frame: u64| {
        let at = (frame * 2) as usize;
        comparison.played[at..at + 2000].iter().all(|sample| sample.abs() < 1e-3)
    };
    // A device that slips plays less than the clock says, so that less was played when its time came.
    assert!(!is_quiet(frames + 48 * 500), "not before its time");
    assert!(is_quiet(quiet_at), "but then");
}
