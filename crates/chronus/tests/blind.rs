//! Guarantee: what can't be seen is not taken for what is not there. A supervisor without descriptors, or one that may
//! not look at other processes, harms no healthy worker; it tells, tries again, and goes on as soon as it can. Dead
//! processes that nobody buries are an alarm and not a silence.

mod support;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use support::{ANY_PORT, Client, Engine, replicas, turn};

/// Fewer than an engine has open, and as many as it waits for at once.
const FEW_DESCRIPTORS: u64 = 8;
/// Counts that rise when a module is blamed or the sound is interrupted.
const HARM: [&str; 3] = ["fresh_starts", "amendments", "gaps"];

fn pid(process: u32) -> Option<Pid> {
    Pid::from_raw(process as i32)
}

fn has_alarm(status: &Value) -> bool {
    status["alarms"].as_array().is_some_and(|alarms| !alarms.is_empty())
}

#[track_caller]
fn assert_unharmed(engine: &Client, before: &Value, after: &Value) {
    for count in HARM {
        assert_eq!(after[count], before[count], "{count}; log:\n{}", engine.log());
    }
    // A machine that stands still may have a worker fenced, but nobody is for what can't be seen.
    let log = engine.log();
    assert!(!log.contains("did not fork when it was asked to"), "log:\n{log}");
}

#[test]
fn a_supervisor_without_descriptors_harms_nobody_and_goes_on_when_there_are_some() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    let before = engine.wait_level();
    let supervisor = pid(before["supervisor_pid"].as_u64().expect("a process") as u32);
    let current = rustix::process::getrlimit(Resource::Nofile);
    let few = Rlimit { current: Some(FEW_DESCRIPTORS), maximum: current.maximum };
    let usual = prlimit(supervisor, Resource::Nofile, few).expect("it is ours");
    let (primary, standby) = (engine.worker("primary"), engine.worker("standby"));
    Engine::signal(standby.pid, "KILL");
    let alone = engine.wait_for("an alarm", has_alarm);
    assert!(replicas(&alone).any(|it| it == primary), "it plays on; log:\n{}", engine.log());
    assert_unharmed(&engine, &before, &alone);
    // For longer than the log holds.
    engine.play_on(20_000);
    prlimit(supervisor, Resource::Nofile, usual).expect("it is ours");
    let after = engine.wait_for("all is well", |it| it["redundant"] == true && !has_alarm(it));
    assert_unharmed(&engine, &before, &after);
    assert!(engine.log().contains("nobody is blamed for that"), "log:\n{}", engine.log());
    engine.end_and_compare().assert_identical();
}

#[test]
fn dead_processes_that_the_keeper_does_not_bury_are_told_of() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    let before = engine.wait_level();
    Engine::signal(engine.process.id(), "STOP");
    Engine::signal(engine.pid_of("standby"), "KILL");
    let alarm = engine.wait_for("an alarm", |status| status["alarms"].to_string().contains("CONT"));
    assert_unharmed(&engine, &before, &alarm);
    engine.play_on(1000);
    Engine::signal(engine.process.id(), "CONT");
    engine.wait_for("all is well", |status| status["redundant"] == true && !has_alarm(status));
    engine.end_and_compare().assert_identical();
}

/// A user of this number has no processes but its own.
const NOBODY: &str = "65534";

/// Whether this machine permits an engine of another user behind a `/proc` of its own.
fn can_hide_processes() -> bool {
    let script =
        "mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=65534 --clear-groups true";
    let hidden = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .stderr(Stdio::null())
        .status();
    hidden.is_ok_and(|status| status.success())
}

#[test]
fn a_user_who_may_not_see_processes_has_all_replicas() {
    if !can_hide_processes() {
        eprintln!("skipped: it takes root, unshare and setpriv to hide processes from a user");
        return;
    }
    let _turn = turn();
    let folder = tempfile::tempdir().expect("temporary folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("it is ours");
    let program = folder.path().join("chronus");
    fs::copy(env!("CARGO_BIN_EXE_chronus"), &program).expect("a copy that everybody can read");
    let log = folder.path().join("log");
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid={NOBODY} --clear-groups ./chronus run \
         --free-run --output null --allow-chaos --osc {ANY_PORT}"
    );
    let mut process = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stderr(File::create(&log).expect("log"))
        .spawn()
        .expect("it starts");
    let engine = Client::of(&mut process, log);
    let before = engine.wait_level();
    let lost = engine.lose("primary", "KILL");
    let after = engine.wait_replaced(lost);
    assert_unharmed(&engine, &before, &after);
    Engine::signal(process.id(), "TERM");
    assert!(process.wait().expect("it ends").success(), "log:\n{}", engine.log());
}
