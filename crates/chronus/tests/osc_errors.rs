//! Guarantee: whatever comes in over OSC, the engine plays on, the sender is told what would be right,
//! a counter rises; and nothing that comes in can stop a worker.

mod support;

use support::{Engine, string};

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
        let reply = engine.answer().unwrap_or_else(|| panic!("{address}: no answer"));
        assert_eq!(reply.address, "/fail");
        assert_eq!(reply.args[0], string(address));
        let reason = format!("{:?}", reply.args[1]);
        assert!(reason.contains(wanted), "{address}: {reason}");
    }
    for garbage in [&b""[..], b"/", b"/mod/sine/freq\0\0,f\0\0\x01", b"#bundle\0\0\0", &[0xff; 999]]
    {
        engine.send_bytes(garbage);
        assert_eq!(engine.answer().expect("an answer").address, "/fail");
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
fn no_message_can_shut_a_worker_down() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    // On a busy machine the two may change roles, but they must be the same two.
    let both = || {
        // From one answer, because roles may change between two.
        let status = engine.wait_for("both workers", |status| {
            ["primary", "standby"].iter().all(|role| support::find_role(status, role).is_some())
        });
        let mut pids = ["primary", "standby"].map(|role| support::find_role(&status, role));
        pids.sort_unstable();
        pids.map(|pid| pid.expect("found"))
    };
    let workers = both();
    for address in ["/shutdown", "/quit", "/engine/shutdown", "/engine/quit", "/worker/0/shutdown"]
    {
        engine.send(address, &[]);
        assert_eq!(engine.answer().expect("an answer").address, "/fail");
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
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chronus"));
    let port =
        std::net::UdpSocket::bind("127.0.0.1:0").expect("port").local_addr().expect("address");
    let mut process = command
        .args(["run", "--output", "null", "--osc", &port.to_string()])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the engine starts");
    let mut said = String::new();
    for _ in 0..100 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let kill = std::process::Command::new(env!("CARGO_BIN_EXE_chronus"))
            .args(["kill", "primary", "--osc", &port.to_string()])
            .output()
            .expect("kill runs");
        said = String::from_utf8_lossy(&kill.stderr).into_owned();
        if said.contains("--allow-chaos") {
            assert!(!kill.status.success());
            break;
        }
    }
    Engine::signal(process.id(), "TERM");
    process.wait().expect("it ends");
    assert!(said.contains("not started with --allow-chaos"), "{said}");
}

#[test]
fn a_bundle_takes_effect_at_its_timetag_in_order() {
    let engine = Engine::start(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    let now = std::time::SystemTime::now() + std::time::Duration::from_millis(200);
    let now = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let mut bundle = b"#bundle\0".to_vec();
    bundle.extend((now.as_secs() as u32).wrapping_add(2_208_988_800).to_be_bytes());
    bundle
        .extend(((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000).to_be_bytes()[4..].iter());
    let inner = chronus_osc::message("/gate/adsr", vec![string("off")]).expect("message");
    bundle.extend((inner.len() as u32).to_be_bytes());
    bundle.extend(inner);
    let sent_at = engine.status()["frames"].as_u64().expect("frames");
    engine.send_bytes(&bundle);
    engine.play_on(800);
    let comparison = engine.end_and_compare();
    let release = 48 * 200;
    let is_quiet = |frame: u64| {
        let at = (frame * 2) as usize;
        comparison.played[at..at + 2000].iter().all(|sample| sample.abs() < 1e-3)
    };
    assert!(!is_quiet(sent_at + 48 * 150), "not before its time");
    assert!(is_quiet(sent_at + 48 * 300 + release), "but then");
}
