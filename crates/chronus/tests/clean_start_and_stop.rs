//! Guarantee: an engine that nobody disturbs plays a minute without a respawn or a fence, ends by
//! SIGTERM with its files whole, and leaves nothing behind.

mod support;

use support::{BLOCK_FRAMES, Engine, is_alive, replicas, wait_until};

/// A minute of the performance, which passes as fast as the machine renders it. What a minute of the clock costs is
/// measured by `cargo xtask bench faults`.
#[test]
fn a_minute_undisturbed_then_a_clean_end() {
    let before = shared_memory();
    let mut engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(60 * 48_000 / BLOCK_FRAMES);
    let status = engine.status();
    for counter in ["gaps", "respawns", "fences", "divergences", "fresh_starts", "forks_failed"] {
        assert_eq!(status[counter], 0, "{counter}; log:\n{}", engine.log());
    }
    // Who goes first may have changed; each process must still be titled by the slot that it is in.
    let workers: Vec<_> = replicas(&status).collect();
    assert_eq!(workers.len(), 2);
    for worker in &workers {
        let title = std::fs::read_to_string(format!("/proc/{}/cmdline", worker.pid));
        let expected = format!("chronus: worker in slot {}\0", worker.slot);
        assert!(title.as_ref().is_ok_and(|title| title.starts_with(&expected)), "{title:?}");
    }
    assert!(engine.end().success());
    assert!(workers.iter().all(|worker| !is_alive(worker.pid)), "no worker is left");
    assert_eq!(shared_memory(), before, "no shared memory is left");
    let wav = hound::WavReader::open(engine.folder.path().join("a.wav")).expect("a whole WAV file");
    assert!(wav.duration() > 48_000 * 60, "{} frames", wav.duration());
}

#[test]
fn ctrl_c_ends_it_as_cleanly() {
    if ignores_ctrl_c() {
        eprintln!("skipped: SIGINT is ignored here, as shells ask of what runs in the background");
        return;
    }
    let mut engine = Engine::start(&[]);
    let workers = [engine.pid_of("primary"), engine.pid_of("standby")];
    Engine::signal(engine.process.id(), "INT");
    assert!(engine.process.wait().expect("it ends").success());
    assert!(workers.iter().all(|pid| !is_alive(*pid)), "no worker is left");
}

#[test]
fn nobody_outlives_a_killed_keeper() {
    let mut engine = Engine::start(&[]);
    let supervisor = engine.status()["supervisor_pid"].as_u64().expect("a process") as u32;
    let workers = [engine.pid_of("primary"), engine.pid_of("standby"), supervisor];
    engine.process.kill().expect("kill");
    engine.process.wait().expect("it ends");
    wait_until("nobody outlives the keeper", || !workers.iter().any(|pid| is_alive(*pid)));
}

/// Whether an engine that is started by these tests ignores SIGINT, because they do.
fn ignores_ctrl_c() -> bool {
    const SIGINT: u32 = 2;
    let status = std::fs::read_to_string("/proc/self/status").expect("it is readable");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a mask");
    u64::from_str_radix(ignored.trim(), 16).expect("hexadecimal") >> (SIGINT - 1) & 1 == 1
}

/// Named shared memory, of which Chronus uses none.
fn shared_memory() -> Vec<String> {
    let names = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.contains("chronus"));
    names.sort();
    names
}
