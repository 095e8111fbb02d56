//! Guarantee: a signal from outside is nobody's fault. One that means nothing ends nothing; one that ends a worker
//! blames no module; and what a parent has ignored or blocked is respected, or undone where nobody could end the
//! engine otherwise.

mod support;

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{ANY_PORT, Client, Engine, replicas, turn, wait_until};

const MEANINGLESS: [&str; 12] = [
    "USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "XFSZ", "IO", "PWR", "RTMIN", "TTIN", "TTOU",
];

#[test]
fn signals_that_mean_nothing_end_nobody_and_blame_nobody() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    let before = engine.wait_level();
    let supervisor = before["supervisor_pid"].as_u64().expect("a process") as u32;
    for signal in MEANINGLESS {
        let workers: Vec<u32> = replicas(&engine.status()).map(|worker| worker.pid).collect();
        for process in [&[engine.process.id(), supervisor][..], &workers].concat() {
            send(&process.to_string(), signal);
        }
        engine.play_on(20);
    }
    // What ends the engine is the keeper's to hear, whoever else is sent it.
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        for worker in replicas(&engine.status()) {
            Engine::signal(worker.pid, signal);
        }
        engine.play_on(20);
    }
    let after = engine.status();
    for counter in ["respawns", "fences", "supervisor_deaths", "fresh_starts", "amendments", "gaps"]
    {
        assert_eq!(after[counter], 0, "{counter}; log:\n{}", engine.log());
    }
    engine.end_and_compare().assert_identical();
}

#[test]
fn crashes_that_others_sent_do_not_end_the_keeper() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.wait_level();
    for signal in ["SEGV", "BUS", "ILL", "FPE", "ABRT", "SYS", "TRAP"] {
        Engine::signal(engine.process.id(), signal);
        engine.wait_for_log(&format!("has sent the keeper SIG{signal}, which ends nothing"));
        engine.play_on(20);
    }
    assert_eq!(engine.status()["supervisor_deaths"], 0, "log:\n{}", engine.log());
    engine.end_and_compare().assert_identical();
}

#[test]
fn crashes_that_others_sent_blame_no_module() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for signal in ["SEGV", "BUS", "ILL", "FPE", "ABRT", "SYS", "TRAP"] {
        for role in ["primary", "standby"] {
            engine.play_on(50);
            engine.lose(role, signal);
        }
    }
    let status = engine.wait_level();
    assert_eq!(status["amendments"], 0, "log:\n{}", engine.log());
    engine.end_and_compare().assert_identical();
}

/// An engine started by another program, in a process group of its own.
fn start(folder: &Path, through: &[&str]) -> (Child, Client) {
    let log = folder.join("log");
    let words = [
        through,
        &[env!("CARGO_BIN_EXE_chronus"), "run", "--output", "wav:a.wav", "--free-run"],
        &["--journal", "a.journal", "--osc", ANY_PORT],
    ]
    .concat();
    let mut process = Command::new(words[0])
        .args(&words[1..])
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stderr(File::create(&log).expect("a log"))
        .spawn()
        .expect("it starts");
    let client = Client::of(&mut process, log);
    client.wait_for("the first sound", |status| status["frames"].as_u64() > Some(0));
    (process, client)
}

fn send(to: &str, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, "--", to]).status().expect("kill runs");
    assert!(sent.success(), "{signal} to {to}");
}

#[test]
fn sigterm_to_the_whole_family_is_a_clean_end() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let (mut process, client) = start(folder.path(), &["env"]);
    client.play_on(100);
    send(&format!("-{}", process.id()), "TERM");
    assert!(process.wait().expect("it ends").success(), "log:\n{}", client.log());
    let log = client.log();
    assert!(log.contains("0 gaps") && !log.contains("ERROR"), "{log}");
}

#[test]
fn a_hangup_that_nohup_has_ignored_stays_ignored_and_a_blocked_sigterm_ends_it() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let through = ["env", "--ignore-signal=HUP", "--block-signal=TERM"];
    let can =
        Command::new(through[0]).args(&through[1..]).arg("true").stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("skipped: env of this machine can't ignore and block signals");
        return;
    }
    let (mut process, client) = start(folder.path(), &through);
    send(&process.id().to_string(), "HUP");
    client.play_on(100);
    assert!(process.try_wait().expect("a child").is_none(), "it plays on");
    send(&process.id().to_string(), "TERM");
    wait_until("the end", || process.try_wait().expect("a child").is_some());
    assert!(process.wait().expect("it has ended").success(), "log:\n{}", client.log());
}
