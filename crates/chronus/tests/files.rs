//! Guarantee: no command costs a file that somebody may still want. Journals are set aside and not overwritten,
//! what would be written over its own source is refused, and of what is damaged the whole part is rendered.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use chronus_journal::Journal;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use support::{ANY_PORT, Engine, samples, wait_until};

fn chronus(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chronus"));
    command.current_dir(folder).args(arguments).output().expect("it runs")
}

/// What it said, and its exit code.
fn outcome(output: &Output) -> (String, Option<i32>) {
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

/// A performance of half a second, which goes to this journal.
fn perform(folder: &Path, journal: &str) -> Output {
    let arguments = ["run", "--output", "null", "--free-run", "--seconds", "0.5", "--osc"];
    chronus(folder, &[&arguments[..], &[ANY_PORT, "--journal", journal]].concat())
}

#[test]
fn a_journal_that_is_there_is_set_aside() {
    let mut first = Engine::free_running(&[]);
    first.send("/gate/adsr", &["on"]);
    first.play_on(500);
    let folder = first.folder.path().to_owned();
    let at = |name: &str| folder.join(name);
    assert!(first.end().success());
    let (said, code) = outcome(&perform(&folder, "a.journal"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("it is kept as a-1.journal"), "{said}");
    let (said, _) = outcome(&perform(&folder, "./a.journal"));
    assert!(said.contains("it is kept as ./a-2.journal"), "{said}");
    assert_eq!(std::fs::metadata(at("a-3.journal")).ok().map(|found| found.len()), None);
    let rendered = chronus(&folder, &["render", "a-1.journal", "-o", "b.wav"]);
    assert_eq!(outcome(&rendered), (String::new(), Some(0)), "it was closed in order");
    assert_eq!(samples(&folder.join("a.wav")), samples(&folder.join("b.wav")));
    for later in ["a.journal", "a-2.journal"] {
        let rendered = chronus(&folder, &["render", later, "-o", "c.wav"]);
        assert_eq!(outcome(&rendered), (String::new(), Some(0)), "{later}");
    }
}

#[test]
fn what_everybody_was_killed_in_is_as_long_as_it_was_played() {
    let mut engine = Engine::start(&[]);
    // Nobody commands anything, so only the marks tell how long it was.
    let journal = engine.folder.path().join("a.journal");
    wait_until("a mark in the journal", || {
        Journal::read(&journal).is_ok_and(|journal| journal.frames > 48_000)
    });
    engine.process.kill().expect("kill -9");
    engine.process.wait().expect("it ends");
    let folder = engine.folder.path();
    let (said, code) = outcome(&chronus(folder, &["render", "a.journal", "-o", "b.wav"]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("not closed in order"), "{said}");
    let frames = samples(&folder.join("b.wav")).len() / 2;
    assert!(frames > 48_000, "{frames} frames");
}

#[test]
fn nothing_is_rendered_over_what_it_comes_from() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let patches = concat!(env!("CARGO_MANIFEST_DIR"), "/../../patches");
    std::fs::copy(format!("{patches}/first.toml"), folder.join("p.toml")).expect("a patch");
    let (said, code) = outcome(&perform(folder, "a.journal"));
    assert_eq!(code, Some(0), "{said}");
    std::os::unix::fs::symlink("a.journal", folder.join("link.wav")).expect("a link");
    for (input, output) in
        [("p.toml", "./p.toml"), ("a.journal", "a.journal"), ("a.journal", "link.wav")]
    {
        let before = std::fs::read(folder.join(input)).expect("bytes");
        let (said, code) = outcome(&chronus(folder, &["render", input, "-o", output]));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("would overwrite what is to be rendered"), "{said}");
        assert_eq!(std::fs::read(folder.join(input)).expect("bytes"), before, "{input}");
    }
    let arguments = ["run", "--patch", "p.toml", "--output", "null", "--journal", "p.toml"];
    let (said, code) = outcome(&chronus(folder, &arguments));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--journal p.toml would overwrite the patch"), "{said}");
    let bus = "\n[[bus]]\nname = \"all\"\nleft = \"vca.out\"\nright = \"vca.out\"\n";
    let text = std::fs::read_to_string(folder.join("p.toml")).expect("text");
    let module = text.lines().find_map(|line| line.strip_prefix("left = ")).expect("an output");
    std::fs::write(folder.join("q.toml"), text.clone() + &bus.replace("\"vca.out\"", module))
        .expect("written");
    let stems = ["render", "q.toml", "--stems", ".", "-o", "all.wav"];
    let (said, code) = outcome(&chronus(folder, &stems));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("is written by the stem already"), "{said}");
}

#[test]
fn what_is_no_file_is_no_patch_and_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    mknodat(CWD, folder.join("pipe.toml"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    std::fs::create_dir(folder.join("d.toml")).expect("a folder");
    let run = ["run", "--output", "null", "--osc", ANY_PORT, "--journal", "a.journal", "--patch"];
    let render = ["render", "-o", "a.wav"];
    for (file, what) in [("pipe.toml", "a pipe"), ("d.toml", "a folder"), ("/dev/zero", "a device")]
    {
        let sentence = format!(
            "can't read the patch {file}: it is {what} and no ordinary file; give the name of one"
        );
        for (command, status) in [(&["check"][..], 1), (&["graph"], 1), (&render, 1), (&run, 2)] {
            let output = chronus(folder, &[command, &[file]].concat());
            let said = [&output.stdout[..], &output.stderr[..]].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(said.contains(&sentence), "{command:?}: {said}");
            assert_eq!(output.status.code(), Some(status), "{command:?}: {said}");
        }
    }
    assert!(!folder.join("a.journal").exists(), "nothing was begun");
}

#[test]
fn of_a_damaged_journal_the_whole_part_is_rendered_and_the_rest_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let (said, code) = outcome(&perform(folder, "a.journal"));
    assert_eq!(code, Some(0), "{said}");
    let whole = std::fs::read(folder.join("a.journal")).expect("bytes");
    let render = |bytes: &[u8]| {
        std::fs::write(folder.join("b.journal"), bytes).expect("written");
        outcome(&chronus(folder, &["render", "b.journal", "-o", "b.wav"]))
    };
    let mut damaged = whole.clone();
    let last = damaged.len() - 64;
    damaged[last + 3] ^= 1;
    let (said, code) = render(&damaged);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a record is damaged in the journal, after frame "), "{said}");
    assert!(said.contains(" and 64 bytes from there on are not read"), "{said}");
    hound::WavReader::open(folder.join("b.wav")).expect("what is whole was written");
    let (said, code) = render(&[&whole[..], b"rubbish"].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("there are 7 bytes that do not belong to it"), "{said}");
    let (said, code) = render(&whole[..100]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is damaged: it ends within its patch"), "{said}");
}

#[test]
fn a_performance_of_a_second_is_one_second_long() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    for (seconds, period, frames) in
        [("1", "128", 48_000), ("0.5", "1000", 24_000), ("0.0101", "64", 485)]
    {
        let arguments = ["run", "--output", "wav:a.wav", "--free-run", "--journal", "a.journal"];
        let more =
            ["--capture", "b.wav", "--osc", ANY_PORT, "--seconds", seconds, "--period", period];
        let (said, code) = outcome(&chronus(folder, &[&arguments[..], &more].concat()));
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("ended after {frames} frames, 0 gaps")), "{said}");
        let rendered = chronus(folder, &["render", "a.journal", "-o", "c.wav"]);
        assert_eq!(outcome(&rendered), (String::new(), Some(0)));
        let played = samples(&folder.join("a.wav"));
        assert_eq!(played.len(), 2 * frames, "{seconds} s");
        assert_eq!(played, samples(&folder.join("b.wav")), "what was captured");
        assert_eq!(played, samples(&folder.join("c.wav")), "what is rendered");
    }
}

#[test]
fn check_tells_each_mistake_with_its_line_and_ends_quietly_without_a_reader() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let module = "[[module]]\nid = \"a\"\nkind = \"sien\"\nfrq = 1\n[[module]]\nid = \"b\"\nkind = \"adsr\"\nattak = 1\n";
    let text = format!("format = 1\n{module}[output]\nleft = \"b.out\"\nright = \"c.out\"\n");
    std::fs::write(folder.join("wrong.toml"), text).expect("written");
    std::fs::write(folder.join("latin.toml"), b"format = 1\nname = \"\xe4\"\n").expect("written");
    let first = concat!(env!("CARGO_MANIFEST_DIR"), "/../../patches/first.toml");
    let output = chronus(folder, &["check", "wrong.toml", "latin.toml", "none.toml", first]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(lines[0].starts_with("wrong.toml:4:8: there is no kind of module `sien`"), "{said}");
    assert!(
        lines[1].starts_with("wrong.toml:9:1: module `b` of the kind `adsr` has no `attak`"),
        "{said}"
    );
    assert!(lines[2].starts_with("wrong.toml:12:9: there is no module `c`"), "{said}");
    assert!(lines[3].starts_with("latin.toml:2:9: the byte 0xe4 is no UTF-8"), "{said}");
    assert!(lines[4].starts_with("can't read the patch none.toml: No such file"), "{said}");
    assert!(lines[5].contains("first.toml: fine, 3 modules"), "{said}");
    assert!(lines[6].contains("opens only over OSC, by /gate/adsr"), "{said}");
    assert_eq!(lines.len(), 7, "{said}");
    // What is only a hint is no failure.
    assert_eq!(chronus(folder, &["check", first]).status.code(), Some(0));
}

#[test]
fn a_journal_is_one_engines_alone_and_goes_on_whatever_it_is_called() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    let before = engine.wait_level();
    let folder = engine.folder.path().to_owned();
    let second = ["run", "--journal", "a.journal", "--output", "null", "--osc", ANY_PORT];
    let (said, code) = outcome(&chronus(&folder, &[&second[..], &["--seconds", "1"]].concat()));
    assert!(said.contains("another engine writes the journal a.journal"), "{said}");
    assert_ne!(code, Some(0), "{said}");
    std::fs::rename(folder.join("a.journal"), folder.join("moved.journal")).expect("renamed");
    // Another takes the name meanwhile.
    std::fs::write(folder.join("a.journal"), "of somebody else").expect("written");
    let is_called = |status: &serde_json::Value, name: &str| {
        status["journal"]["file"].as_str().is_some_and(|file| file.ends_with(name))
    };
    engine.wait_for("its name", |status| is_called(status, "/moved.journal"));
    let supervisor = before["supervisor_pid"].as_u64().expect("a process") as u32;
    Engine::signal(supervisor, "KILL");
    engine.wait_for("another supervisor", |status| status["supervisor_pid"] != supervisor);
    engine.wait_level();
    engine.wait_for("its name again", |status| is_called(status, "/moved.journal"));
    engine.send("/mod/sine/freq", &["300"]);
    engine.play_on(500);
    assert_eq!(engine.status()["journal"]["state"], "writing", "log:\n{}", engine.log());
    let other = std::fs::read_to_string(folder.join("a.journal")).expect("it is there");
    assert_eq!(other, "of somebody else");
    std::fs::rename(folder.join("moved.journal"), folder.join("a.journal")).expect("renamed");
    engine.wait_for("its first name", |status| status["journal"]["file"] == "a.journal");
    let (_engine, rendered) = engine.end_and_render();
    assert!(rendered.iter().any(|sample| sample.abs() > 0.05), "silence proves nothing");
}
