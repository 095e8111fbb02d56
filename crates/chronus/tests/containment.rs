//! Guarantee: whatever a worker does wrong, it does to itself: what is played stays what the journal
//! gives, and the supervisor knows whose doing it was.

mod support;

use std::path::PathBuf;

use support::Engine;

/// A line of `/proc/PID/status`.
fn proc_status(pid: u32, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).trim().to_owned()
}

/// What the descriptors of a process lead to.
fn descriptors(pid: u32) -> Vec<(u32, PathBuf)> {
    let folder = format!("/proc/{pid}/fd");
    let entries = std::fs::read_dir(&folder).expect("only root may look, as it is not dumpable");
    let mut found: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("entry").path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            (number.expect("a number"), std::fs::read_link(path).expect("it is open"))
        })
        .collect();
    found.sort();
    found
}

/// What the engine's log says of the death of a process.
fn last_words(engine: &Engine, pid: u32) -> String {
    let dead = format!("worker {pid} in slot ");
    let log = engine.log();
    let line = log.lines().find(|line| line.contains(&dead));
    line.unwrap_or_else(|| panic!("nothing about {pid} in:\n{log}")).to_owned()
}

#[test]
fn a_crash_is_told_from_a_signal_that_was_sent() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    let mut deaths = 0;
    // Each signal hits the first worker once and its fork of a fork of it later.
    for signal in ["SEGV", "BUS", "ILL", "FPE", "ABRT", "SYS"] {
        for role in ["primary", "standby"] {
            let pid = engine.pid_of(role);
            Engine::signal(pid, signal);
            deaths += 1;
            engine.wait_redundant(deaths);
            let words = last_words(&engine, pid);
            let sent = format!("ended by SIG{signal}, sent by process ");
            assert!(words.contains(&sent), "{words}");
            assert!(words.ends_with("; blames nobody"), "{words}");
        }
    }
    for (how, sign) in [
        ("segfault", "SIGSEGV at address 0x8"),
        ("panic", "SIGABRT by itself"),
        ("abort", "SIGABRT by itself"),
    ] {
        let pid = engine.pid_of("primary");
        engine.send("/chaos/crash", &["primary", how]);
        deaths += 1;
        engine.wait_redundant(deaths);
        let words = last_words(&engine, pid);
        assert!(words.contains(sign) && words.ends_with("; its own doing"), "{words}");
    }
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_worker_and_its_fork_hold_nothing_that_they_do_not_need() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    let first = engine.pid_of("primary");
    Engine::signal(first, "KILL");
    engine.wait_redundant(1);
    let may_look = rustix::process::getuid().is_root();
    for role in ["primary", "standby"] {
        let pid = engine.pid_of(role);
        assert_ne!(pid, first, "both that are left are forks");
        assert_eq!(proc_status(pid, "NoNewPrivs"), "1");
        assert_eq!(proc_status(pid, "Seccomp"), "2", "its system calls are filtered");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
        for limit in ["Max core file size", "Max open files"] {
            let line = limits.lines().find(|line| line.starts_with(limit)).expect("a limit");
            let numbers: Vec<&str> = line[limit.len()..].split_whitespace().take(2).collect();
            assert_eq!(numbers, ["0", "0"], "{limit}");
        }
        if !may_look {
            let error = std::fs::read_dir(format!("/proc/{pid}/fd")).expect_err("not dumpable");
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
            continue;
        }
        let open = descriptors(pid);
        let leads_to = |number: u32| {
            let found = open.iter().find(|(open, _)| *open == number);
            found.map_or(String::new(), |(_, path)| path.display().to_string())
        };
        // Standard input, output and error, the slots, the kick, and the shelf. Not the log.
        let numbers: Vec<u32> = open.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 4, 5, 7], "{open:?}");
        assert_eq!(leads_to(0), "/dev/null");
        assert!(leads_to(4).starts_with("/memfd:chronus-slots"), "{open:?}");
        assert_eq!(leads_to(5), "anon_inode:[eventfd]");
        assert!(leads_to(7).starts_with("/memfd:chronus-shelf"), "{open:?}");
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
        let shared = |name: &str| -> Vec<String> {
            let named = maps.lines().filter(|line| line.contains(name));
            named.filter_map(|line| Some(line.split(' ').nth(1)?.to_owned())).collect()
        };
        assert_eq!(shared("/memfd:chronus-log"), ["r--s"], "the log can only be read");
        assert_eq!(shared("/memfd:chronus-slots"), ["rw-s"], "one slot and no other is mapped");
    }
    engine.end_and_compare().assert_identical();
}
