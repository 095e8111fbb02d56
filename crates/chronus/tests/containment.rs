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

/// What the engine's log says of the death of a process, once it is dead.
fn last_words(engine: &Engine, pid: u32) -> String {
    let dead = format!("worker {pid} in slot ");
    let words = || engine.log().lines().find(|line| line.contains(&dead)).map(str::to_owned);
    engine.wait_for("the end of a worker", |_| words().is_some());
    words().expect("it was there")
}

#[test]
fn a_crash_is_told_from_a_signal_that_was_sent() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    // Each signal hits the first worker once and its fork of a fork of it later.
    for signal in ["SEGV", "BUS", "ILL", "FPE", "ABRT", "SYS"] {
        for role in ["primary", "standby"] {
            let words = last_words(&engine, engine.lose(role, signal).pid);
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
        let words = last_words(&engine, engine.harm("/chaos/crash", "primary", &[how]).pid);
        assert!(words.contains(sign) && words.ends_with("; its own doing"), "{words}");
    }
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_worker_and_its_fork_hold_nothing_that_they_do_not_need() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    let first = engine.lose("primary", "KILL").pid;
    let may_look = rustix::process::getuid().is_root();
    for role in ["primary", "standby"] {
        let pid = engine.pid_of(role);
        assert_ne!(pid, first, "both that are left are forks");
        assert_eq!(proc_status(pid, "NoNewPrivs"), "1");
        assert_eq!(proc_status(pid, "Seccomp"), "2", "its system calls are filtered");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
        let limit = |name: &str| -> Vec<String> {
            let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit");
            line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect()
        };
        for name in ["Max core file size", "Max open files"] {
            assert_eq!(limit(name), ["0", "0"], "{name}");
        }
        // What calls itself for ever has used it up before anybody is overdue.
        let stack = proc_status(pid, "VmStk");
        let kib: u64 = stack.trim_end_matches(" kB").parse().expect("a size");
        let most: u64 = limit("Max stack size")[0].parse().expect("a limit");
        assert!(most <= (kib + 256) << 10, "{most} of {kib} KiB");
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
        // Standard input, output and error, the slots, the notifier, and the shared assets. Not the log.
        let numbers: Vec<u32> = open.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 4, 5, 7], "{open:?}");
        assert_eq!(leads_to(0), "/dev/null");
        assert!(leads_to(4).starts_with("/memfd:chronus-slots"), "{open:?}");
        assert_eq!(leads_to(5), "anon_inode:[eventfd]");
        assert!(leads_to(7).starts_with("/memfd:chronus-assets"), "{open:?}");
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

/// A tone through one `fault` after the other, one for each of these deeds, and then as many that do
/// theirs while a text is set.
fn patch_of_faults(deeds: &[&str]) -> String {
    let mut text = String::from(
        "format = 1\n[[module]]\nid = \"tone\"\nkind = \"triangle\"\nfreq = 220\ngain = 0.5\n",
    );
    let mut last = "tone".to_owned();
    let rendering = deeds.iter().map(|deed| (id_of(deed), *deed));
    let at_once = deeds.iter().map(|deed| (format!("{}_at_once", id_of(deed)), "none"));
    for (id, deed) in rendering.chain(at_once) {
        let module = format!("[[module]]\nid = \"{id}\"\nkind = \"fault\"\ndeed = \"{deed}\"\n");
        let cable = format!("[[cable]]\nfrom = \"{last}.out\"\nto = \"{id}.in\"\n");
        text += &(module + &cable);
        last = id;
    }
    text + &format!("[output]\nleft = \"{last}.out\"\nright = \"{last}.out\"\n")
}

fn id_of(deed: &str) -> String {
    deed.replace('-', "_")
}

/// The deeds that end a worker, and what is noted of it.
const DEADLY: [(&str, &str); 10] = [
    ("segfault", "SIGSEGV at address 0x8"),
    ("panic", "SIGABRT by itself"),
    ("abort", "SIGABRT by itself"),
    ("stack-overflow", "SIGSEGV: its stack was used up"),
    ("allocate", "SIGABRT by itself"),
    ("write-log", "SIGSEGV at address"),
    ("write-slot", "SIGSYS: the system call mmap"),
    ("system-call", "SIGSYS: the system call openat"),
    ("fork-bomb", "SIGSYS: the system call clone"),
    ("grow-slot", "SIGSYS: the system call mremap"),
];

#[test]
fn whatever_a_module_does_it_is_bypassed_and_the_rest_goes_on() {
    let others = ["loop", "sleep", "nan", "infinity", "runaway", "denormals"];
    let deeds: Vec<_> = DEADLY.iter().map(|(deed, _)| *deed).chain(others).collect();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("faults.toml");
    std::fs::write(&path, patch_of_faults(&deeds)).expect("patch");
    let engine = Engine::free_running(&["--patch", path.to_str().expect("a path")]);
    let is_bypassed = |status: &serde_json::Value, id: &str| {
        let bypassed = status["bypassed"].as_array().expect("a list");
        bypassed.iter().any(|module| module == id)
    };
    for deed in &deeds {
        engine.play_on(100);
        engine.send(&format!("/gate/{}", id_of(deed)), &["on"]);
        if *deed == "denormals" {
            engine.play_on(500);
            assert!(!is_bypassed(&engine.status(), "denormals"), "they do no harm");
            engine.send("/gate/denormals", &["off"]);
        } else {
            engine.wait_for(&format!("an end of {deed}"), |status| {
                is_bypassed(status, &id_of(deed)) && status["redundant"] == true
            });
        }
    }
    let log = engine.log();
    for (deed, words) in DEADLY {
        assert!(log.contains(words), "{deed}: no `{words}` in\n{log}");
    }
    engine.play_on(200);
    let status = engine.status();
    assert_eq!((&status["gaps"], &status["fresh_starts"]), (&0.into(), &0.into()), "{status}");
    engine.end_and_compare().assert_identical();
}

#[test]
fn whatever_a_command_does_it_is_withheld_and_the_rest_goes_on() {
    let deeds: Vec<_> = DEADLY.iter().map(|(deed, _)| *deed).chain(["loop", "sleep"]).collect();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("faults.toml");
    std::fs::write(&path, patch_of_faults(&deeds)).expect("patch");
    let engine = Engine::free_running(&["--patch", path.to_str().expect("a path")]);
    for (withheld, deed) in (1..).zip(&deeds) {
        engine.play_on(100);
        engine.send(&format!("/seq/{}_at_once/at_once", id_of(deed)), &[deed]);
        engine.wait_for(&format!("an end of {deed}"), |status| {
            status["withheld_commands"].as_u64() >= Some(withheld) && status["redundant"] == true
        });
    }
    engine.play_on(200);
    let status = engine.status();
    assert_eq!((&status["gaps"], &status["fresh_starts"]), (&0.into(), &0.into()), "{status}");
    assert_eq!(status["bypassed"], serde_json::json!([]), "no module was to blame");
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_patch_that_does_harm_is_played_only_if_that_is_wanted() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("faults.toml");
    std::fs::write(&path, patch_of_faults(&["segfault"])).expect("patch");
    let chronus = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chronus"));
        let output = command.args(arguments).arg(&path).output().expect("it runs");
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (runs, why) = chronus(&["run", "--output", "null", "--osc", "127.0.0.1:0", "--patch"]);
    assert!(!runs && why.contains("`segfault`") && why.contains("--allow-chaos"), "{why}");
    let (is_fine, what) = chronus(&["check"]);
    assert!(is_fine && what.contains("only with --allow-chaos"), "{what}");
}
