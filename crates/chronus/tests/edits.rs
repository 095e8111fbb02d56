//! The patch can be edited while it plays and its workers are killed: every edit takes effect at one frame
//! in all replicas, and the journal gives it back bit for bit. What is wrong is refused whole.

mod support;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chronus_osc::Reply;
use support::takes::kill_supervisor;
use support::{Client, Engine, string, wait_until};
use tempfile::TempDir;

fn refused(engine: &Client, address: &str, arguments: &[&str]) -> String {
    engine.ask(address, arguments).expect_err(address)
}

#[test]
fn edits_among_kills_replay_bit_for_bit() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for round in 0..12 {
        let id = format!("m{round}");
        let freq = (110 * (round + 2)).to_string();
        engine.done("/patch/create", &[&id, "sine", "freq", &freq, "gain", "0.1"]);
        engine.done("/patch/connect", &[&format!("{id}.out"), "adsr.in"]);
        if round >= 3 {
            engine.done("/patch/delete", &[&format!("m{}", round - 3)]);
        }
        // A worker is killed while the edit is under way.
        if round % 2 == 0 {
            let role = if round % 4 == 0 { "primary" } else { "standby" };
            let worker = engine.worker(role);
            engine.send("/patch/commit", &[]);
            Engine::signal(worker.pid, "KILL");
            engine.wait_replaced(worker);
        } else {
            engine.done("/patch/commit", &[]);
        }
        engine.send(&format!("/mod/{id}/freq"), &[&(110 * (round + 3)).to_string()]);
        engine.play_on(20);
    }
    // Not every commit was waited for, so answers may be those to requests before.
    engine.wait_for("all edits", |status| status["edits"].as_u64() == Some(12));
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_worker_that_starts_afresh_plays_the_edited_patch() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.done("/patch/create", &["extra", "saw", "freq", "55"]);
    engine.done("/patch/connect", &["extra.out", "filter.in"]);
    engine.done("/patch/commit", &[]);
    engine.send("/mod/extra/freq", &["66"]);
    engine.play_on(50);
    let status = engine.kill_everybody();
    let again = status["frames"].as_u64().expect("frames");
    engine.done("/patch/delete", &["sine"]);
    engine.done("/patch/commit", &[]);
    engine.play_on(600);
    let comparison = engine.end_and_compare();
    // What was on its way when both died is lost; from the fresh start on, not a bit.
    let last = comparison.different.last().copied().unwrap_or(0);
    assert!(last < again, "frame {last} differs, though all were level again at {again}");
    let end = &comparison.played[(again + 200 * support::BLOCK_FRAMES) as usize * 2..];
    assert!(end.iter().any(|sample| sample.abs() > 0.1), "the edited patch is heard");
}

#[test]
fn what_is_wrong_is_refused_whole_and_can_be_mended() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    let reason = refused(&engine, "/patch/commit", &[]);
    assert!(reason.contains("nothing to commit"), "{reason}");
    let reason = refused(&engine, "/patch/create", &["x", "sien"]);
    assert!(reason.contains("did you mean `sine`?"), "{reason}");
    let reason = refused(&engine, "/patch/connect", &["sine.out", "filter.inn"]);
    assert!(reason.contains("did you mean `in`?"), "{reason}");
    engine.done("/patch/delete", &["filter"]);
    let reason = refused(&engine, "/patch/commit", &[]);
    assert_eq!(reason.matches("there is no module `filter`").count(), 2, "both sides: {reason}");
    engine.done("/patch/output", &["adsr.out"]);
    let reason = refused(&engine, "/patch/set", &["sine", "gain", "f:nan"]);
    assert!(reason.contains("is not finite"), "{reason}");
    engine.send("/patch/set", &["sine", "gain", "2"]);
    let told = format!("{:?}", engine.answer());
    assert!(told.contains("/done") && told.contains("gain: 2 was clamped to 1;"), "{told}");
    assert_eq!(engine.status()["osc_clamped"], 1);
    assert_eq!(engine.status()["edits"].as_u64(), Some(0), "nothing has changed so far");
    engine.done("/patch/set", &["sine", "gain", "0.4"]);
    engine.done("/patch/commit", &[]);
    engine.done("/patch/delete", &["sine"]);
    engine.done("/patch/abort", &[]);
    refused(&engine, "/patch/commit", &[]);
    engine.play_on(100);
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_number_out_of_range_in_a_file_is_clamped_and_told() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("loud.toml");
    let module = "[[module]]\nid = \"a\"\nkind = \"sine\"\nfreq = 300\ngain = 5\n";
    let text = format!(
        "format = 1\n{module}[output]\nleft = \"a.out\"\nright = \"a.out\"\n[transport]\ntempo = 5000\n"
    );
    std::fs::write(&path, &text).expect("written");
    let told = [
        "loud.toml:6:8: gain: 5 was clamped to 1; the range is 0 to 1",
        "loud.toml:11:9: a tempo of 5000 was clamped to 1000; the range is 1 to 1000 beats per minute",
    ];
    let path = path.display().to_string();
    let check = std::process::Command::new(env!("CARGO_BIN_EXE_chronus"))
        .args(["check", &path])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success() && said.contains("loud.toml: fine, 1 module"), "{said}");
    assert!(told.iter().all(|sentence| said.contains(sentence)), "{said}");
    let engine = Engine::free_running(&["--patch", &path, "--watch"]);
    for sentence in told {
        engine.wait_for_log(sentence);
    }
    assert_eq!(engine.status()["tempo_bpm"], 1000.0);
    let answer = engine.done("/patch/load", &["loud.toml"]);
    assert!(told.iter().all(|sentence| answer.contains(sentence)), "{answer}");
    // Who edits something else is not told of it again.
    engine.done("/patch/set", &["a", "freq", "200"]);
    let answer = engine.done("/patch/commit", &[]);
    assert!(!answer.contains("clamped"), "{answer}");
    std::fs::write(&path, text.replace("freq = 300", "freq = -7")).expect("written");
    engine.wait_for_log("loud.toml:5:8: freq: -7 Hz was clamped to 20 Hz");
    engine.play_on(100);
    engine.end_and_compare().assert_identical();
}

#[test]
fn patches_are_saved_as_they_sound_and_loaded_again() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.send("/mod/sine/freq", &["222.5"]);
    engine.play_on(50);
    engine.done("/patch/save", &["mine"]);
    let text = std::fs::read_to_string(engine.folder.path().join("mine.toml")).expect("saved");
    assert!(text.contains("freq = 222.5"), "{text}");
    assert!(text.contains("# The first patch"), "comments stay: {text}");
    let reason = refused(&engine, "/patch/save", &["mine"]);
    assert!(reason.contains("exists already"), "{reason}");
    let reason = refused(&engine, "/patch/load", &["../mine"]);
    assert!(reason.contains("not in the folder of patches"), "{reason}");
    let mended =
        text.replace("kind = \"biquad\"", "kind = \"svf\"").replace("mode = ", "# mode = ");
    std::fs::write(engine.folder.path().join("other.toml"), mended).expect("written");
    let reason = refused(&engine, "/patch/load", &["other"]);
    assert!(reason.contains("other:"), "the place of the mistake: {reason}");
    let text = text.replace("222.5", "333");
    std::fs::write(engine.folder.path().join("other.toml"), text).expect("written");
    engine.done("/patch/load", &["other"]);
    engine.play_on(50);
    engine.end_and_compare().assert_identical();
}

const FIRST: &str = include_str!("../../../patches/first.toml");

/// An engine that plays the patch `first` from a file that it watches, the file, and its folder.
fn watching() -> (Engine, PathBuf, TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("watched.toml");
    std::fs::write(&path, FIRST).expect("written");
    let engine = Engine::free_running(&["--patch", &path.display().to_string(), "--watch"]);
    engine.send("/gate/adsr", &["on"]);
    (engine, path, folder)
}

#[test]
fn a_watched_file_is_played_each_time_that_it_is_saved() {
    let (engine, path, _folder) = watching();
    std::fs::write(&path, FIRST.replace("kind = \"sine\"", "kind = \"saww\"")).expect("written");
    engine.wait_for_log("did you mean `saw`?");
    engine.done("/patch/set", &["sine", "gain", "0.375"]);
    let saved = FIRST.replace("kind = \"sine\"", "kind = \"saw\"");
    std::fs::write(&path, &saved).expect("written");
    engine.wait_for("the edit", |status| status["edits"].as_u64() == Some(1));
    engine.play_on(50);
    // What was saved since is not undone by what was begun before.
    let reason = refused(&engine, "/patch/commit", &[]);
    assert!(reason.contains("the patch file has changed `sine` meanwhile ("), "{reason}");
    assert!(
        reason.contains("watched.toml was saved") && reason.contains("/patch/abort"),
        "{reason}"
    );
    engine.done("/patch/abort", &[]);
    refused(&engine, "/patch/delete", &["nobody"]);
    assert!(refused(&engine, "/patch/commit", &[]).contains("nothing to commit"));
    engine.done("/patch/save", &["watched"]);
    assert!(std::fs::read_to_string(&path).expect("read").contains("kind = \"saw\""));
    engine.end_and_compare().assert_identical();
}

/// Two players, each with a draft of their own: what one commits is kept by the other, unless both change the same module.
#[test]
fn sessions_have_drafts_of_their_own_and_the_journal_knows_who_made_what() {
    let engine = Engine::free_running(&[]);
    let [ada, bob] = ["ada", "bob"].map(|name| {
        let client = engine.another();
        client.done("/session", &[name]);
        client
    });
    engine.send("/events", &[]);
    ada.done("/patch/set", &["sine", "gain", "0.375"]);
    bob.done("/patch/set", &["adsr", "attack", "20"]);
    assert!(refused(&engine, "/patch/commit", &[]).contains("nothing to commit"));
    ada.done("/patch/commit", &["softer"]);
    let event = engine.answer_from(&["/event/edit"]);
    assert_eq!(event.args[1..], [string("ada"), string("softer")]);
    // It was begun on the patch before, and is about another module.
    bob.done("/patch/commit", &[]);
    // This one is about the same module as what comes before it.
    ada.done("/patch/set", &["sine", "gain", "0.125"]);
    bob.done("/patch/set", &["sine", "gain", "0.5"]);
    bob.done("/patch/commit", &["louder"]);
    let reason = refused(&ada, "/patch/commit", &[]);
    assert!(reason.contains("bob has changed `sine` meanwhile (louder)"), "{reason}");
    ada.done("/patch/abort", &[]);
    // Whoever takes over tells that what was being made is lost.
    ada.done("/patch/set", &["sine", "gain", "0.125"]);
    kill_supervisor(&engine);
    engine.wait_for_log("1 draft of a patch that was being made is lost");
    assert!(refused(&ada, "/patch/commit", &[]).contains("is lost"));
    // She is still who she was.
    ada.done("/patch/set", &["sine", "gain", "0.125"]);
    assert!(refused(&engine, "/patch/commit", &[]).contains("nothing to commit"));
    ada.done("/patch/commit", &["after all"]);
    let (engine, _) = engine.end_and_render();
    let journal = chronus_journal::Journal::read(&engine.folder.path().join("a.journal"));
    let journal = journal.expect("a journal");
    let origins: Vec<_> = journal.scores.iter().map(|score| score.origin.clone()).collect();
    let made: Vec<_> =
        origins[1..].iter().map(|it| (it.author.as_str(), it.reason.as_str())).collect();
    assert_eq!(made, [("ada", "softer"), ("bob", ""), ("bob", "louder"), ("ada", "after all")]);
    let text = &journal.scores[2].text;
    assert!(text.contains("gain = 0.375") && text.contains("attack = 20"), "{text}");
}

/// A message in a bundle whose timetag is so far ahead.
fn send_ahead(engine: &Engine, ahead: Duration, address: &str) {
    engine.forget_answers();
    engine.send_at(ahead, address, &[]);
}

/// Waits for the next answer from one of these addresses about a commit.
fn answer_about_commit(engine: &Engine, addresses: &[&str]) -> Reply {
    loop {
        let reply = engine.answer();
        assert_ne!(reply.address, "/fail", "{:?}", reply.args);
        let is_about_it = reply.args.first() == Some(&string("/patch/commit"));
        if is_about_it && addresses.contains(&reply.address.as_str()) {
            return reply;
        }
    }
}

#[test]
fn a_commit_in_a_bundle_takes_effect_at_its_timetag() {
    let engine = Engine::start(&[]);
    engine.done("/patch/create", &["late", "sine", "freq", "110"]);
    engine.done("/patch/output", &["late.out"]);
    let ahead = Duration::from_secs(2);
    let sent = Instant::now();
    send_ahead(&engine, ahead, "/patch/commit");
    answer_about_commit(&engine, &["/done"]);
    let status = engine.status();
    let is_still_to_come = status["edits"].as_u64() == Some(0);
    assert!(is_still_to_come || sent.elapsed() >= ahead, "its time is still to come");
    let frames = if is_still_to_come { status["frames"].as_u64().expect("frames") } else { 0 };
    engine.wait_for("the edit", |status| status["edits"].as_u64() == Some(1));
    engine.play_on(100);
    let comparison = engine.end_and_compare();
    comparison.assert_only_gaps_differ();
    // Before the edit no gate was open.
    let first = comparison.played.iter().position(|sample| *sample != 0.0).expect("a sound");
    assert!(first as u64 / 2 > frames, "heard from frame {} on, before {frames}", first / 2);
}

#[test]
fn an_edit_that_is_due_much_later_holds_up_neither_saves_nor_further_edits() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.done("/patch/create", &["one", "sine"]);
    send_ahead(&engine, Duration::from_secs(3000), "/patch/commit");
    answer_about_commit(&engine, &["/done"]);
    let saved = |name: &str| {
        engine.done("/patch/save", &[name]);
        let path = engine.folder.path().join(format!("{name}.toml"));
        std::fs::read_to_string(path).expect("saved")
    };
    engine.send("/mod/sine/freq", &["222.5"]);
    engine.play_on(50);
    let text = saved("now");
    assert!(text.contains("freq = 222.5") && !text.contains("\"one\""), "what sounds: {text}");
    engine.done("/patch/create", &["two", "sine"]);
    engine.send("/patch/commit", &[]);
    let reply = answer_about_commit(&engine, &["/wait", "/done"]);
    assert_eq!(reply.address, "/wait", "{:?}", reply.args);
    // The next goes on from what waits.
    engine.done("/patch/connect", &["two.out", "adsr.in"]);
    let reason = refused(&engine, "/patch/create", &["one", "sine"]);
    assert!(reason.contains("there is a module `one` already"), "{reason}");
    assert!(!saved("still").contains("\"two\""), "what sounds");
    assert_eq!(engine.status()["edits"].as_u64(), Some(0));
    engine.end_and_compare().assert_identical();
}

#[test]
fn commits_that_waited_take_effect_one_after_the_other() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.done("/patch/create", &["one", "sine"]);
    send_ahead(&engine, Duration::from_secs(1), "/patch/commit");
    answer_about_commit(&engine, &["/done"]);
    for id in ["two", "three"] {
        engine.done("/patch/create", &[id, "sine"]);
        engine.done("/patch/connect", &[&format!("{id}.out"), "adsr.in"]);
        engine.send("/patch/commit", &[]);
    }
    for _ in 0..2 {
        answer_about_commit(&engine, &["/done"]);
    }
    engine.wait_for("all edits", |status| status["edits"].as_u64() == Some(3));
    engine.play_on(50);
    engine.done("/patch/save", &["all"]);
    let text = std::fs::read_to_string(engine.folder.path().join("all.toml")).expect("saved");
    assert!(["one", "two", "three"].iter().all(|id| text.contains(&format!("\"{id}\""))), "{text}");
    engine.end_and_compare().assert_identical();
}

/// A recording of noise, two megabytes large.
fn write_recording(path: &Path, seed: u32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = hound::WavWriter::create(path, spec).expect("a file");
    let mut noise = seed;
    for _ in 0..500_000 {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        file.write_sample(noise as f32 / u32::MAX as f32 - 0.5).expect("written");
    }
    file.finalize().expect("a whole file");
}

#[test]
fn a_takeover_undoes_no_edit_of_a_patch_that_is_watched() {
    let (engine, path, _folder) = watching();
    engine.done("/patch/create", &["more", "sine", "freq", "660"]);
    engine.done("/patch/commit", &[]);
    let before = kill_supervisor(&engine);
    assert_eq!(before["edits"], 1, "{before:#?}");
    // Long enough for the file to be looked at, which must find nothing; a slow machine finds less, never more.
    std::thread::sleep(std::time::Duration::from_millis(400));
    std::fs::write(&path, FIRST.replace("kind = \"sine\"", "kind = \"saw\"")).expect("written");
    let after = engine.wait_for("the file", |status| status["edits"].as_u64() >= Some(2));
    engine.play_on(100);
    assert_eq!(engine.status()["edits"], 2, "log:\n{}", engine.log());
    assert_eq!(after["modules"], before["modules"].as_u64().expect("a count") - 1);
    let log = engine.log();
    let played = log.matches("watched.toml: plays with").count();
    assert_eq!(played, 1, "the file was played when it was saved, and not before; log:\n{log}");
}

/// What the shared assets take of memory, in MB.
fn assets_mb(engine: &Engine) -> u64 {
    let metadata = std::fs::metadata(engine.memory("chronus-assets")).expect("metadata");
    metadata.blocks() * 512 / 1_000_000
}

#[test]
fn recordings_that_no_patch_names_any_more_take_no_memory() {
    let engine = Engine::free_running(&[]);
    for round in 0..12 {
        let file = format!("{round}.wav");
        write_recording(&engine.folder.path().join(&file), round);
        let (new, old) = (format!("take{round}"), format!("take{}", round.wrapping_sub(1)));
        if round > 0 {
            engine.done("/patch/delete", &[&old]);
        }
        engine.done("/patch/create", &[&new, "sample", "file", &file]);
        engine.done("/patch/connect", &[&format!("{new}.left"), "filter.in"]);
        engine.done("/patch/commit", &[]);
        engine.send(&format!("/gate/{new}"), &["on"]);
        engine.play_on(40);
        if round == 6 {
            // Another supervisor knows what it may give back.
            let status = engine.status();
            Engine::signal(status["supervisor_pid"].as_u64().expect("a process") as u32, "KILL");
            engine.wait_for("another supervisor", |status| {
                status["resumed_after_ms"].as_f64() > Some(0.0)
            });
            engine.wait_level();
        } else {
            engine.harm("/chaos/kill", "standby", &[]);
        }
    }
    // What checkpoints may still know is given back with an edit that comes once others are in their places.
    let mut gain = 0.1;
    wait_until("memory for no more than three recordings", || {
        gain = 0.5 - gain;
        engine.done("/patch/set", &["sine", "gain", &gain.to_string()]);
        engine.done("/patch/commit", &[]);
        engine.play_on(40);
        (2..=6).contains(&assets_mb(&engine))
    });
    let status = engine.status();
    assert_eq!((&status["fresh_starts"], &status["divergences"]), (&0.into(), &0.into()));
}
