//! Guarantee: what `chronus demo` plays while it kills is what the journal gives, and it says so; what it leaves behind
//! is the sound, the journal and a picture of them.

mod support;

use std::process::{Command, Stdio};

use chronus_os::child::children_of;
use support::{is_alive, samples, wait_until};

/// What is told in a row of the table: running free, and in real time.
fn row(told: &str, name: &str) -> Vec<String> {
    let line = told.lines().find(|line| line.trim_start_matches(['│', ' ']).starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no `{name}` in:\n{told}"));
    let cells = line.trim_matches(['│', ' ']).strip_prefix(name).expect("it begins so");
    cells.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn not_a_frame_differs_while_workers_are_killed() {
    let _turn = support::turn();
    let folder = tempfile::tempdir().expect("a folder");
    let demo = Command::new(env!("CARGO_BIN_EXE_chronus"))
        .current_dir(folder.path())
        .args(["demo", "--seconds", "2", "--output", "null", "--lead", "64ms"])
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    let told = String::from_utf8_lossy(&demo.stdout);
    let complained = String::from_utf8_lossy(&demo.stderr);
    assert_eq!(row(&told, "frames different"), ["0", "0"], "{told}\n{complained}");
    // Running free, no machine is too slow; in real time one may be, and then the demonstration says so.
    assert_eq!(row(&told, "frames lost")[0], "0", "{told}");
    let is_well = demo.status.success();
    assert_eq!(is_well, told.contains("not one frame differs"), "{told}\n{complained}");
    let compared: u64 = row(&told, "frames compared")[1].parse().expect("a number");
    let played = samples(&folder.path().join("demo/demo.wav"));
    assert!(played.len() as u64 / 2 >= compared && compared > 48_000, "{compared} frames");
    assert!(played.iter().any(|sample| sample.abs() > 0.1), "it is loud");
    let picture = std::fs::read_to_string(folder.path().join("demo/demo.svg")).expect("a picture");
    assert!(picture.contains("primary killed") && picture.ends_with("</svg>\n"));
    assert!(folder.path().join("demo/demo.journal").exists());
}

#[test]
fn whoever_kills_the_demonstration_leaves_no_engine_behind() {
    let _turn = support::turn();
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_chronus"))
        .current_dir(folder.path())
        .args(["demo", "--seconds", "600", "--output", "null", "--lead", "64ms"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut engine = None;
    wait_until("an engine", || {
        engine = children_of(demo.id()).ok().and_then(|children| children.first().copied());
        engine.is_some()
    });
    let engine = engine.expect("found");
    demo.kill().and_then(|()| demo.wait()).expect("it was running");
    wait_until("the end of its engine", || !is_alive(engine));
}

#[test]
fn a_reader_that_goes_away_ends_what_prints_for_it_quietly() {
    for words in [&["doctor", "--seconds", "0.1"][..], &["modules", "--markdown"]] {
        let mut printer = Command::new(env!("CARGO_BIN_EXE_chronus"))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        drop(printer.stdout.take());
        let said = printer.wait_with_output().expect("it ends").stderr;
        assert!(said.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&said));
    }
}
