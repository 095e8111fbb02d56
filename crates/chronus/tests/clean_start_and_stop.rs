//! Guarantee: an engine that nobody disturbs runs for a minute without a respawn or a fence, ends by
//! SIGTERM with its files whole, and leaves nothing behind.

mod support;

use std::time::Duration;
use support::{Engine, is_alive};

#[test]
fn a_minute_undisturbed_then_a_clean_end() {
    let before = shared_memory();
    let mut engine = Engine::start(&[]);
    engine.send("/gate/adsr", &["on"]);
    std::thread::sleep(Duration::from_secs(60));
    let status = engine.status();
    eprintln!(
        "gaps {}, xruns {}, overtaken {}",
        status["gaps"], status["xruns"], status["overtaken"]
    );
    for counter in ["respawns", "fences", "divergences", "fresh_starts", "forks_failed"] {
        assert_eq!(status[counter], 0, "{counter}; log:\n{}", engine.log());
    }
    // Who goes first may have changed; each process must still be titled by the slot that it is in.
    let replicas = status["replicas"].as_array().expect("replicas");
    assert_eq!(replicas.len(), 2);
    let mut workers = Vec::new();
    for replica in replicas {
        let pid = replica["pid"].as_u64().expect("a pid") as u32;
        let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("title");
        let expected = format!("chronus: worker in slot {}\0", replica["slot"]);
        assert!(title.starts_with(&expected), "{title:?}");
        workers.push(pid);
    }
    assert!(engine.end().success());
    assert!(workers.iter().all(|pid| !is_alive(*pid)), "no worker is left");
    assert_eq!(shared_memory(), before, "no shared memory is left");
    let wav = hound::WavReader::open(engine.folder.path().join("a.wav")).expect("a whole WAV file");
    assert!(wav.duration() > 48_000 * 55, "{} frames", wav.duration());
}

#[test]
fn ctrl_c_ends_it_as_cleanly() {
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
    let start = std::time::Instant::now();
    while workers.iter().any(|pid| is_alive(*pid)) {
        assert!(start.elapsed() < Duration::from_secs(5), "somebody outlives the keeper");
        std::thread::sleep(Duration::from_millis(10));
    }
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
