//! A recording is what it holds. A module plays on with the content that it began with, whatever becomes of the file,
//! until it is itself edited, or its patch loaded or saved; and the journal gives back what was heard without the file.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chronus::content::{self, Limit};
use chronus_shm::control_board::LogRegion;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use support::takes::{self, kill_supervisor};
use support::{Engine, wait_until};

const HELD_HZ: f32 = 300.0;

/// Half a second of a tone, which a module can loop without a seam, in a file of 16 bits.
fn write_tone(path: &Path, hz: f32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    // Elsewhere first, as those do it who want nobody to read half a file.
    let aside = path.with_extension("new");
    let mut file = hound::WavWriter::create(&aside, spec).expect("a file");
    for frame in 0..24_000 {
        let turn = frame as f32 * hz / 48_000.0;
        let sample = (turn.fract() * std::f32::consts::TAU).sin() * 16_384.0;
        file.write_sample(sample as i16).expect("written");
    }
    file.finalize().expect("a whole file");
    std::fs::rename(aside, path).expect("renamed");
}

/// A player of `s.wav` that never stops, and a tone beside it that nobody hears.
fn patch(kind: &str, more: &str) -> String {
    let out = if kind == "sample" { "left" } else { "out" };
    let file = "file = \"s.wav\"";
    format!(
        "format = 1\n[[module]]\nid = \"s\"\nkind = \"{kind}\"\n{file}\n{more}\n\
         [[module]]\nid = \"other\"\nkind = \"sine\"\n\
         [output]\nleft = \"s.{out}\"\nright = \"s.{out}\"\n"
    )
}

const LOOPED: &str = "loop = \"on\"";

/// A folder with `p.toml` and `s.wav`.
fn songs(kind: &str, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("p.toml"), patch(kind, more)).expect("written");
    write_tone(&folder.path().join("s.wav"), HELD_HZ);
    folder
}

fn path_in(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

/// An engine that plays `p.toml` of a folder, its gate open.
fn play(folder: &tempfile::TempDir, more: &[&str]) -> Engine {
    let patch = path_in(folder, "p.toml").display().to_string();
    let engine = Engine::free_running(&[&["--patch", &patch], more].concat());
    engine.send("/gate/s", &["on"]);
    engine.play_on(20);
    engine
}

/// Edits that have nothing to do with the recording.
fn edit_others(engine: &Engine, rounds: std::ops::Range<u32>) {
    for round in rounds {
        engine.done("/patch/set", &["other", "freq", &(200 + round).to_string()]);
        engine.done("/patch/commit", &[]);
        engine.play_on(40);
    }
}

/// How often a sound goes through zero upwards in a second, between two frames.
fn pitch_hz(samples: &[f32], frames: std::ops::Range<usize>) -> f32 {
    let left: Vec<f32> =
        samples[2 * frames.start..2 * frames.end].iter().step_by(2).copied().collect();
    let crossings = left.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    crossings as f32 * 48_000.0 / left.len() as f32
}

/// The last tenth of a second is of this tone.
#[track_caller]
fn assert_ends_with(samples: &[f32], hz: f32) {
    let frames = samples.len() / 2;
    // What ends a performance fades out.
    let (start, end) = (frames - 8_800, frames - 4_000);
    let found = pitch_hz(samples, start..end);
    assert!((found - hz).abs() < 0.05 * hz, "{found} Hz instead of {hz}");
    let loud = samples[2 * start..2 * end].iter().filter(|sample| sample.abs() > 0.05).count();
    assert!(loud > 4_000, "it is silent: {loud} loud samples");
}

fn chronus(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chronus"));
    command.current_dir(folder).args(arguments).output().expect("it runs")
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// The recordings that are kept beside the journal of an engine.
fn kept(engine: &Engine) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(engine.folder.path().join("a.recordings"));
    folder.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[test]
fn a_recording_that_is_touched_plays_on_through_edits_of_others() {
    let folder = songs("sample", LOOPED);
    let engine = play(&folder, &[]);
    // The same samples, written a second time.
    write_tone(&path_in(&folder, "s.wav"), HELD_HZ);
    edit_others(&engine, 0..5);
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    assert_ends_with(&comparison.played, HELD_HZ);
}

#[test]
fn a_recording_plays_on_after_the_supervisor_was_killed_and_others_were_edited() {
    let folder = songs("sample", LOOPED);
    let engine = play(&folder, &[]);
    for round in 0..2 {
        kill_supervisor(&engine);
        engine.wait_level();
        edit_others(&engine, 4 * round..4 * round + 4);
    }
    let (_engine, rendered) = takes::end_and_compare(engine, 2);
    assert_ends_with(&rendered, HELD_HZ);
}

#[test]
fn a_recording_plays_on_when_its_file_is_another_or_gone_and_the_journal_knows_it() {
    for kind in ["sample", "wavetable"] {
        let more = if kind == "sample" { LOOPED } else { "freq = 220" };
        let folder = songs(kind, more);
        let patch = path_in(&folder, "p.toml").display().to_string();
        let engine = Engine::free_running(&["--patch", &patch]);
        if kind == "sample" {
            engine.send("/gate/s", &["on"]);
        }
        engine.play_on(20);
        write_tone(&path_in(&folder, "s.wav"), 1_000.0);
        edit_others(&engine, 0..4);
        kill_supervisor(&engine);
        engine.wait_level();
        // A worker that starts afresh plays it, too.
        std::fs::remove_file(path_in(&folder, "s.wav")).expect("removed");
        edit_others(&engine, 4..8);
        engine.lose("primary", "KILL");
        engine.play_on(100);
        assert_eq!(kept(&engine).len(), 1, "one recording was played");
        let (_engine, rendered) = takes::end_and_compare(engine, 1);
        if kind == "sample" {
            assert_ends_with(&rendered, HELD_HZ);
        }
    }
}

#[test]
fn a_performance_that_begins_anew_after_damage_plays_what_was_held() {
    let folder = songs("sample", LOOPED);
    let engine = play(&folder, &[]);
    write_tone(&path_in(&folder, "s.wav"), 1_000.0);
    let entries = std::mem::offset_of!(LogRegion, entries) as u64;
    takes::ruin(&engine, "chronus-log", std::iter::once(entries..entries + 64));
    engine.wait_for("another performance", |status| {
        status["supervisor_deaths"].as_u64() == Some(1) && status["redundant"] == true
    });
    engine.wait_for_log("can't be trusted");
    // What had opened the gate is among what was damaged.
    engine.send("/gate/s", &["on"]);
    engine.play_on(400);
    let (_engine, rendered) = engine.end_and_render();
    assert_ends_with(&rendered, HELD_HZ);
}

#[test]
fn two_scenes_with_a_recording_of_the_same_name_play_their_own() {
    let folder = songs("sample", LOOPED);
    for (scene, hz) in [("one", HELD_HZ), ("two", 900.0)] {
        let own = path_in(&folder, scene);
        std::fs::create_dir(&own).expect("a folder");
        std::fs::write(own.join("scene.toml"), patch("sample", LOOPED)).expect("written");
        write_tone(&own.join("s.wav"), hz);
    }
    let engine = play(&folder, &[]);
    for scene in ["one/scene", "two/scene", "one/scene", "two/scene"] {
        engine.done("/patch/load", &[scene]);
        engine.play_on(60);
        edit_others(&engine, 0..1);
    }
    engine.play_on(200);
    assert_eq!(kept(&engine).len(), 2, "the first scene plays what `p` plays");
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    assert_ends_with(&comparison.played, 900.0);
}

#[test]
fn a_recording_that_was_changed_is_read_again_when_it_is_asked_for() {
    type Asks = fn(&Engine);
    let ways: [(&str, Asks); 4] = [
        ("load", |engine| drop(engine.done("/patch/load", &["p"]))),
        ("save", |engine| drop(engine.done("/patch/save", &["saved"]))),
        ("set file", |engine| {
            engine.done("/patch/set", &["s", "file", "s.wav"]);
            engine.done("/patch/commit", &[]);
        }),
        ("set another key", |engine| {
            engine.done("/patch/set", &["s", "speed", "1"]);
            engine.done("/patch/commit", &[]);
        }),
    ];
    for (what, way) in ways {
        let folder = songs("sample", LOOPED);
        let engine = play(&folder, &[]);
        write_tone(&path_in(&folder, "s.wav"), 1_200.0);
        edit_others(&engine, 0..1);
        let edits = engine.status()["edits"].as_u64();
        way(&engine);
        engine.wait_for(what, |status| status["edits"].as_u64() > edits);
        engine.play_on(200);
        let comparison = engine.end_and_compare();
        comparison.assert_identical();
        assert_ends_with(&comparison.played, 1_200.0);
    }
}

#[test]
fn recordings_that_are_exchanged_while_workers_die_replay_bit_for_bit() {
    let folder = songs("sample", LOOPED);
    let engine = play(&folder, &[]);
    for (round, hz) in [600.0, 900.0, HELD_HZ, 600.0, 1_200.0].into_iter().enumerate() {
        write_tone(&path_in(&folder, "s.wav"), hz);
        engine.done("/patch/set", &["s", "file", "s.wav"]);
        let role = if round % 2 == 0 { "primary" } else { "standby" };
        let worker = engine.worker(role);
        engine.send("/patch/commit", &[]);
        Engine::signal(worker.pid, "KILL");
        engine.wait_replaced(worker);
        let edits = Some(2 * round as u64 + 1);
        engine.wait_for("the edit", |status| status["edits"].as_u64() >= edits);
        edit_others(&engine, 0..1);
    }
    engine.play_on(200);
    assert_eq!(kept(&engine).len(), 4, "as many tones were played");
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    assert_ends_with(&comparison.played, 1_200.0);
}

#[test]
fn recordings_are_watched_and_waited_for_until_they_are_whole() {
    let folder = songs("sample", LOOPED);
    let engine = play(&folder, &["--watch"]);
    let path = path_in(&folder, "s.wav");
    write_tone(&path_in(&folder, "t.wav"), 1_200.0);
    let whole = std::fs::read(path_in(&folder, "t.wav")).expect("bytes");
    // Half of it is no recording yet, though it could be read.
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    engine.wait_for_log("s.wav ends before its head says so; what it held plays on");
    std::fs::write(&path, &whole).expect("written");
    let content = content::read(&path, Limit::of(u64::MAX)).expect("a recording").content;
    let name = content::kept::file_name(content.digest());
    wait_until("the whole one plays", || kept(&engine).iter().any(|it| it.ends_with(&name)));
    engine.play_on(200);
    // The same samples are no change.
    std::fs::write(&path, &whole).expect("written");
    engine.wait_for_log("its recordings hold what they held");
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    assert_ends_with(&comparison.played, 1_200.0);
}

#[test]
fn a_watched_recording_that_is_broken_or_removed_is_told_and_plays_on_until_it_is_back() {
    let folder = songs("sample", LOOPED);
    let engine = play(&folder, &["--watch"]);
    let path = path_in(&folder, "s.wav");
    std::fs::write(&path, "no sound at all").expect("written");
    engine.wait_for_log("s.wav: ");
    engine.wait_for_log("what it held plays on, and it is read when it changes");
    std::fs::remove_file(&path).expect("removed");
    let gone = "s.wav is not there any more; what it held plays on";
    engine.wait_for_log(gone);
    edit_others(&engine, 0..3);
    assert_eq!(engine.status()["edits"].as_u64(), Some(3));
    write_tone(&path, 1_200.0);
    engine.wait_for("what came back", |status| status["edits"].as_u64() == Some(4));
    engine.play_on(200);
    assert_eq!(engine.log().matches(gone).count(), 1, "it is told once");
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    assert_ends_with(&comparison.played, 1_200.0);
}

#[test]
fn what_is_no_audio_file_or_not_in_the_folders_is_refused_and_nothing_hangs() {
    let folder = songs("sample", LOOPED);
    let elsewhere = tempfile::tempdir().expect("a folder");
    write_tone(&path_in(&elsewhere, "e.wav"), 500.0);
    let outside = path_in(&elsewhere, "e.wav").display().to_string();
    mknodat(CWD, path_in(&folder, "pipe.wav"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    mknodat(CWD, path_in(&folder, "pipe.toml"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    std::fs::create_dir(path_in(&folder, "d.wav")).expect("a folder");
    std::os::unix::fs::symlink("/dev/ptmx", path_in(&folder, "l.wav")).expect("a link");
    std::fs::write(path_in(&folder, "text.wav"), "format = 1").expect("written");
    let huge = std::fs::File::create(path_in(&folder, "huge.wav")).expect("created");
    huge.set_len(1 << 40).expect("sparse");
    let engine = play(&folder, &["--sample-memory", "8"]);
    for (file, reason) in [
        ("pipe.wav", "is a pipe"),
        ("d.wav", "is a folder"),
        ("text.wav", "read are WAV"),
        ("none.wav", "there is no recording"),
        ("huge.wav", "--sample-memory MIB"),
        ("/dev/ptmx", "--patches DIR"),
        ("l.wav", "--patches DIR"),
        (&outside, "--patches DIR"),
    ] {
        engine.done("/patch/create", &["x", "sample", "file", file]);
        let error = engine.ask("/patch/commit", &[]).expect_err(file);
        assert!(error.contains(reason), "{file}: {error}");
        engine.done("/patch/abort", &[]);
    }
    // Nor by a patch that is loaded.
    let text = patch("sample", LOOPED).replace("s.wav", &outside);
    std::fs::write(path_in(&folder, "away.toml"), text).expect("written");
    let error = engine.ask("/patch/load", &["away"]).expect_err("outside");
    assert!(error.contains("--patches DIR"), "{error}");
    let error = engine.ask("/patch/load", &["pipe"]).expect_err("a pipe");
    assert!(error.contains("is a pipe"), "{error}");
    edit_others(&engine, 0..2);
    engine.end_and_compare().assert_identical();
}

#[test]
fn recordings_that_are_missing_are_told_with_the_other_mistakes() {
    let folder = songs("sample", LOOPED);
    let engine = play(&folder, &[]);
    let text = patch("sample", "gian = 1").replace("s.wav", "none.wav");
    let more = "[[module]]\nid = \"t\"\nkind = \"sample\"\nfile = \"away.wav\"\n[output]\n";
    let text = text.replace("[output]\n", more);
    std::fs::write(path_in(&folder, "wrong.toml"), &text).expect("written");
    let right = text.replace("gian", "gain");
    std::fs::write(path_in(&folder, "missing.toml"), right).expect("written");
    for (file, count) in [("wrong", 3), ("missing", 2)] {
        let told = engine.ask("/patch/load", &[file]).expect_err(file);
        assert_eq!(told.matches(" | ").count() + 1, count, "{told}");
        assert!(told.contains("none.wav; ") && told.contains("away.wav; "), "{told}");
    }
    for arguments in [&["check"][..], &["run", "--output", "null", "--patch"]] {
        let told = said(&chronus(folder.path(), &[arguments, &["wrong.toml"]].concat()));
        for sentence in ["wrong.toml:5:8: there is no recording none.wav", ":6:1: module `s`"] {
            assert!(told.contains(sentence), "{told}");
        }
        assert!(told.contains("there is no recording away.wav"), "{told}");
    }
    // Of a module that plays on with what it has, the file is not asked for.
    std::fs::remove_file(path_in(&folder, "s.wav")).expect("removed");
    engine.done("/patch/create", &["x", "sample", "file", "none.wav"]);
    engine.done("/patch/create", &["y", "vca", "channels", "4"]);
    engine.done("/patch/create", &["z", "vca", "channels", "8"]);
    engine.done("/patch/connect", &["y.out", "z.in"]);
    let told = engine.ask("/patch/commit", &[]).expect_err("two mistakes");
    assert!(told.contains("none.wav") && told.contains("a cable of 4 channels"), "{told}");
    assert_eq!(told.matches(" | ").count(), 1, "{told}");
    engine.end_and_compare().assert_identical();
}

#[test]
fn what_the_patch_of_the_command_line_names_may_lie_anywhere() {
    let folder = songs("sample", LOOPED);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let outside = path_in(&elsewhere, "e.wav");
    write_tone(&outside, 600.0);
    let text = patch("sample", LOOPED).replace("s.wav", &outside.display().to_string());
    std::fs::write(path_in(&folder, "p.toml"), text).expect("written");
    let engine = play(&folder, &[]);
    kill_supervisor(&engine);
    engine.wait_level();
    write_tone(&outside, 900.0);
    engine.done("/patch/load", &["p"]);
    engine.play_on(200);
    let (_engine, rendered) = takes::end_and_compare(engine, 1);
    assert_ends_with(&rendered, 900.0);
}

#[test]
fn a_cut_recording_is_played_and_told() {
    let folder = songs("sample", LOOPED);
    let path = path_in(&folder, "s.wav");
    let whole = std::fs::read(&path).expect("bytes");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("cut");
    let engine = play(&folder, &[]);
    engine.wait_for_log("s.wav ends before its head says so; what is there is played");
    let told = engine.done("/patch/load", &["p"]);
    assert!(told.contains("what is there is played"), "{told}");
    engine.play_on(200);
    let checked = said(&chronus(folder.path(), &["check", "p.toml"]));
    assert!(checked.contains("p.toml: fine") && checked.contains("ends before"), "{checked}");
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    assert_ends_with(&comparison.played, HELD_HZ);
}

#[test]
fn where_nothing_can_be_kept_it_is_told_and_tried_again_and_the_sound_goes_on() {
    let engine = Engine::free_running(&[]);
    // A file where the folder should be.
    let in_the_way = engine.folder.path().join("a.recordings");
    std::fs::write(&in_the_way, "x").expect("written");
    write_tone(&engine.folder.path().join("t.wav"), HELD_HZ);
    engine.done("/patch/create", &["t", "sample", "file", "t.wav", "loop", "on"]);
    engine.done("/patch/output", &["t.left"]);
    engine.done("/patch/commit", &[]);
    engine.send("/gate/t", &["on"]);
    engine.wait_for_log("a.recordings: ");
    engine.play_on(100);
    std::fs::remove_file(&in_the_way).expect("removed");
    engine.wait_for_log("recordings are kept again");
    assert_eq!(kept(&engine).len(), 1);
    std::fs::remove_file(engine.folder.path().join("t.wav")).expect("removed");
    let comparison = engine.end_and_compare();
    comparison.assert_identical();
    assert_ends_with(&comparison.played, HELD_HZ);
}

#[test]
fn kept_recordings_are_pruned_when_no_journal_names_them() {
    let folder = songs("sample", LOOPED);
    let engine = play(&folder, &[]);
    let here = engine.folder.path().to_owned();
    let stranger = here.join("a.recordings").join(format!("{}.wav", "0".repeat(64)));
    std::fs::write(&stranger, "nobody's").expect("written");
    let prune = || chronus(&here, &["journal", "prune", "a.journal"]);
    let refused = prune();
    assert!(
        !refused.status.success() && said(&refused).contains("an engine"),
        "{}",
        said(&refused)
    );
    let (_engine, comparison) = engine.end_and_compare_in();
    comparison.assert_identical();
    let pruned = prune();
    assert!(pruned.status.success(), "{}", said(&pruned));
    assert!(said(&pruned).contains("1 file removed") && !stranger.exists(), "{}", said(&pruned));
    assert!(said(&pruned).contains("1 recording left"), "{}", said(&pruned));
    // A journal under another name finds them; and without both, it is told what is missing.
    std::fs::rename(here.join("a.journal"), here.join("b.journal")).expect("renamed");
    // To prune, it is told what it is called; under its own name it is found.
    let refused = chronus(&here, &["journal", "prune", "b.journal"]);
    assert!(!refused.status.success());
    let told =
        "is kept in a.recordings, from when it was called otherwise: rename that to b.recordings";
    assert!(said(&refused).contains(told), "{}", said(&refused));
    std::fs::rename(here.join("a.recordings"), here.join("b.recordings")).expect("renamed");
    let pruned = chronus(&here, &["journal", "prune", "b.journal"]);
    assert!(said(&pruned).contains("1 recording left"), "{}", said(&pruned));
    std::fs::rename(here.join("b.recordings"), here.join("a.recordings")).expect("renamed");
    let render = || chronus(&here, &["render", "b.journal", "-o", "c.wav"]);
    std::fs::remove_file(path_in(&folder, "s.wav")).expect("removed");
    let rendered = render();
    assert!(rendered.status.success(), "{}", said(&rendered));
    assert_eq!(support::samples(&here.join("c.wav")).len(), comparison.played.len());
    std::fs::remove_dir_all(here.join("a.recordings")).expect("removed");
    let refused = render();
    assert!(!refused.status.success() && said(&refused).contains("`s.wav`"), "{}", said(&refused));
    // The original serves as long as it is the same.
    write_tone(&path_in(&folder, "s.wav"), HELD_HZ);
    let rendered = render();
    assert!(rendered.status.success(), "{}", said(&rendered));
    write_tone(&path_in(&folder, "s.wav"), 1_000.0);
    let refused = render();
    assert!(said(&refused).contains("is not what it was"), "{}", said(&refused));
}
