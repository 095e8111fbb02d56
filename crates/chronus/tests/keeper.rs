//! Guarantee: a supervisor that is killed is followed by another, which finds the workers as they were and goes on
//! at the next block. Nothing is lost but what nobody played: what is heard afterwards is, bit for bit, what the
//! journal gives, with every command that was acknowledged.

mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chronus_output::{Options, OutputSpec};
use chronus_shm::control_board::LogRegion;
use chronus_shm::region::offset_of_snapshot;
use serde_json::Value;
use support::takes::{
    end_and_compare, kill_supervisor, ruin, supervisor_of, wait_for_sound_after, wait_for_takeover,
};
use support::{BLOCK_FRAMES, Engine, samples, wait_until};

#[test]
fn one_supervisor_after_the_other_is_killed_and_not_a_bit_differs() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for round in 1..=15 {
        engine.send("/mod/sine/freq", &[&(110 * round).to_string()]);
        engine.play_on(50);
        kill_supervisor(&engine);
        engine.play_on(50);
    }
    let status = engine.wait_for("two replicas", |status| status["redundant"] == true);
    assert_eq!((&status["fresh_starts"], &status["divergences"]), (&0.into(), &0.into()));
    assert_eq!(status["commands_sent"], 16, "every command is in the log once");
    end_and_compare(engine, 15);
}

#[test]
fn the_sound_is_back_soon_and_with_it_all_that_was_set() {
    let engine = Engine::start(&[]);
    engine.send("/mod/sine/freq", &["333.3"]);
    engine.send("/gate/adsr", &["on"]);
    engine.send("/transport/tempo", &["96"]);
    engine.play_on(300);
    for kill in 1..=5 {
        let killed = supervisor_of(&engine.status());
        let start = Instant::now();
        Engine::signal(killed, "KILL");
        let status = wait_for_takeover(&engine, kill);
        eprintln!(
            "takeover {kill}: the first block {:.1} ms after the death was noticed, the first answer {:.1} ms \
             after the kill",
            status["resumed_after_ms"].as_f64().expect("a figure"),
            start.elapsed().as_secs_f64() * 1e3
        );
        assert_eq!((&status["tempo_bpm"], &status["fresh_starts"]), (&96.0.into(), &0.into()));
        engine.play_on(300);
    }
    let (_, expected) = end_and_compare(engine, 5);
    let tail = &expected[expected.len() - 20_000..expected.len() - 4000];
    assert!(tail.iter().any(|sample| sample.abs() > 0.1), "the gate is still open");
}

#[test]
fn commands_that_wait_for_their_time_are_not_lost() {
    let engine = Engine::start(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    let before = engine.status();
    // In the order of their arrival, not of their times.
    let ahead_ms = [900, 300, 600];
    for (ahead, freq) in ahead_ms.iter().zip(["990", "330", "660"]) {
        engine.send_at(Duration::from_millis(*ahead), "/mod/sine/freq", &[freq]);
    }
    // Whoever is answered knows that what was sent before has arrived.
    engine.status();
    for _ in 0..3 {
        kill_supervisor(&engine);
    }
    let sent = before["commands_sent"].as_u64().expect("a count");
    engine.wait_for("all three", |status| status["commands_sent"].as_u64() == Some(sent + 3));
    engine.play_on(400);
    assert_eq!(engine.status()["commands_sent"].as_u64(), Some(sent + 3), "each of them once");
    let (_, expected) = end_and_compare(engine, 3);
    // What was heard last is the last of the three.
    let tail = &expected[expected.len() - 48_000 / 5 * 2 - 6000..expected.len() - 6000];
    let rises = tail.chunks(2).zip(tail[2..].chunks(2));
    let rises = rises.filter(|(a, b)| a[0] < 0.0 && b[0] >= 0.0).count();
    assert!((196..=200).contains(&rises), "990 Hz for 0.2 s, not {} Hz", rises * 5);
}

#[test]
fn workers_that_die_with_the_supervisor_are_replaced() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for round in 0..10 {
        engine.wait_for("two replicas", |status| status["redundant"] == true);
        engine.play_on(200);
        let worker = engine.pid_of(["primary", "standby"][round % 2]);
        let both = [worker, supervisor_of(&engine.status())];
        // Whoever dies first, and whatever was under way between them.
        let order = if round % 3 == 0 { [both[1], both[0]] } else { both };
        Engine::signal_all(&order, "KILL");
        wait_for_takeover(&engine, round as u64 + 1);
    }
    let status = engine.wait_for("two replicas", |status| status["redundant"] == true);
    assert_eq!((&status["fresh_starts"], &status["divergences"]), (&0.into(), &0.into()));
    engine.play_on(500);
    end_and_compare(engine, 10);
}

#[test]
fn what_was_counted_is_counted_on() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(300);
    for _ in 0..3 {
        engine.lose("primary", "KILL");
    }
    let counts = |status: &Value| {
        ["respawns", "role_changes", "failover_count"].map(|name| status[name].as_u64())
    };
    let before = counts(&engine.status());
    assert!(before.iter().all(|count| *count >= Some(3)), "{before:?}");
    let after = counts(&kill_supervisor(&engine));
    // On a machine that stalls, one worker overtakes another at any time.
    let goes_on = |(after, before): (&Option<u64>, &Option<u64>)| {
        after >= before && *after < before.map(|count| 2 * count)
    };
    assert!(
        after.iter().zip(&before).all(goes_on),
        "neither lost nor doubled: {after:?}, {before:?}"
    );
    end_and_compare(engine, 1);
}

#[test]
fn edits_go_on_whatever_they_had_come_to() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    let mut lost = 0;
    for round in 0..12_u64 {
        let id = format!("m{round}");
        let make = || {
            let freq = (110 * (round + 2)).to_string();
            engine.done("/patch/create", &[&id, "sine", "freq", &freq, "gain", "0.03"]);
            engine.done("/patch/connect", &[&format!("{id}.out"), "adsr.in"]);
        };
        make();
        let supervisor = supervisor_of(&engine.status());
        let is_answered = round % 3 == 0;
        if is_answered {
            engine.done("/patch/commit", &[]);
        } else {
            // Somewhere between the message and the answer.
            engine.send("/patch/commit", &[]);
            std::thread::sleep(Duration::from_micros(400 * round));
        }
        Engine::signal(supervisor, "KILL");
        wait_for_takeover(&engine, round + 1);
        engine.wait_for("two replicas", |status| status["redundant"] == true);
        // The patch that plays is edited on; whether the module is in it shows what has become of it.
        let is_there = engine.ask("/patch/set", &[&id, "gain", "0.03"]).is_ok();
        assert!(is_there || !is_answered, "what was answered has been done");
        let _ = engine.ask("/patch/abort", &[]);
        if !is_there {
            lost += 1;
            make();
            engine.done("/patch/commit", &[]);
        }
        engine.play_on(20);
    }
    eprintln!("{lost} of 8 edits without an answer were lost");
    engine.done("/patch/save", &["kept"]);
    let text = std::fs::read_to_string(engine.folder.path().join("kept.toml")).expect("saved");
    assert!(text.contains("# The first patch"), "comments stay: {text}");
    for round in 0..12 {
        assert!(text.contains(&format!("id = \"m{round}\"")), "m{round}: {text}");
    }
    end_and_compare(engine, 12);
}

#[test]
fn a_supervisor_killed_over_and_over_while_it_takes_over_leaves_the_sound_whole() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(300);
    let mut killed = None;
    for round in 0..15_u64 {
        let mut supervisor = killed;
        wait_until("another supervisor", || {
            supervisor = supervisor_under(engine.process.id());
            supervisor.is_some() && supervisor != killed
        });
        // Whatever it is at: the whole way from its first instruction to the sound.
        std::thread::sleep(Duration::from_millis(round));
        Engine::signal(supervisor.expect("found"), "KILL");
        killed = supervisor;
    }
    wait_for_sound_after(&engine, 15);
    engine.play_on(300);
    let status = engine.wait_for("two replicas", |status| status["redundant"] == true);
    assert_eq!((&status["fresh_starts"], &status["divergences"]), (&0.into(), &0.into()));
    end_and_compare(engine, 1);
}

/// The supervisor among the children of a keeper.
fn supervisor_under(keeper: u32) -> Option<u32> {
    let children =
        std::fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).ok()?;
    let is_supervisor = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
            line.split(|byte| *byte == 0).nth(1).is_some_and(|word| word == b"supervisor")
        })
    };
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(is_supervisor)
}

/// Where the two snapshots lie in the ledger.
const SNAPSHOTS: [u64; 2] = [offset_of_snapshot(0) as u64, offset_of_snapshot(1) as u64];

#[test]
fn a_damaged_snapshot_is_recognised_and_the_other_one_serves() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    for round in 0..4_u64 {
        engine.send("/mod/sine/freq", &[&(200 + 100 * round).to_string()]);
        engine.play_on(100);
        let at = SNAPSHOTS[round as usize % 2];
        ruin(&engine, "chronus-ledger", std::iter::once(at + 16..at + 64));
        wait_for_takeover(&engine, round + 1);
    }
    engine.wait_for_log("1 of 2 snapshots are damaged");
    end_and_compare(engine, 4);
}

#[test]
fn a_performance_that_cannot_go_on_is_followed_by_one_that_begins_with_what_is_whole() {
    let engine = Engine::free_running(&[]);
    engine.send("/mod/sine/freq", &["440"]);
    engine.send("/mod/sine/gain", &["0.4"]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(300);
    // The first entry of the log, which only the first snapshot comes before.
    let entries = std::mem::offset_of!(LogRegion, entries) as u64;
    ruin(&engine, "chronus-log", std::iter::once(entries..entries + 64));
    let again = |deaths: u64| {
        engine.wait_for("another performance", |status| {
            status["supervisor_deaths"].as_u64() == Some(deaths) && status["redundant"] == true
        })
    };
    again(1);
    engine.wait_for_log("entry 0 of the command log is damaged");
    engine.play_on(5000);
    let second = engine.folder.path().join("a-2.wav");
    // What the disk has not got yet is lost with its supervisor.
    wait_until("the sound is on the disk", || {
        samples(&second).iter().any(|sample| sample.abs() > 0.15)
    });
    // Now nothing is whole.
    ruin(&engine, "chronus-ledger", SNAPSHOTS.map(|at| at..at + 64));
    again(2);
    engine.wait_for_log("no snapshot is whole");
    assert!(samples(&second).iter().any(|sample| sample.abs() > 0.15), "the gate was open");
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(1000);
    for aside in ["a-1.journal", "a-2.journal"] {
        let path = engine.folder.path().join(aside);
        assert!(std::fs::metadata(&path).expect("kept").len() > 64, "{aside}");
    }
    let (engine, expected) = engine.end_and_render();
    assert_eq!(samples(&engine.folder.path().join("a-3.wav")), expected);
}

#[test]
fn a_supervisor_that_hangs_is_replaced_too() {
    let engine = Engine::start(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    engine.send("/chaos/kill", &["supervisor", "STOP"]);
    wait_for_takeover(&engine, 1);
    engine.wait_for_log("the supervisor stands still");
    engine.send("/chaos/kill", &["supervisor", "SEGV"]);
    wait_for_takeover(&engine, 2);
    engine.play_on(300);
    end_and_compare(engine, 2);
}

#[test]
fn a_supervisor_that_is_asked_to_end_ends_everything_in_order() {
    let mut engine = Engine::start(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    Engine::signal(supervisor_of(&engine.status()), "TERM");
    assert!(engine.process.wait().expect("it ends").success());
    assert!(engine.log().contains("ended after"), "{}", engine.log());
}

/// A JACK server without a sound card, which ends with the test.
struct JackServer(Child);

impl Drop for JackServer {
    fn drop(&mut self) {
        Engine::signal(self.0.id(), "TERM");
        let _ = self.0.wait();
    }
}

#[test]
fn the_sound_is_back_soon_on_jack() {
    let name = format!("chronus-keeper-{}", std::process::id());
    let server = Command::new("jackd")
        .args(["--no-realtime", "-n", &name, "-d", "dummy", "-r", "48000", "-p", "128"])
        .env("JACK_NO_AUDIO_RESERVATION", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(server) = server else { return eprintln!("skipped: jackd is not installed") };
    let _server = JackServer(server);
    let options = || Options { jack_server: Some(name.clone()), ..Options::default() };
    wait_until("JACK serves", || chronus_output::connect(&OutputSpec::Jack, &options()).is_ok());
    let environment = [("JACK_DEFAULT_SERVER", name.as_str())];
    let arguments = ["--output", "jack", "--capture", "a.wav", "--lead", "48"];
    let engine = Engine::launch(&arguments, &environment, None);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    for kill in 1..=3 {
        let status = kill_supervisor(&engine);
        eprintln!("takeover {kill} on JACK: {} ms", status["resumed_after_ms"]);
        engine.play_on(200);
    }
    end_and_compare(engine, 3);
}

#[test]
fn a_recording_goes_on_in_another_file() {
    let engine = Engine::start(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.send("/record/start", &["take"]);
    engine.wait_for("a recording", |status| status["recording"]["frames"].as_u64() > Some(0));
    let first = engine.folder.path().join("recordings/take.wav");
    // What the disk has not got yet is lost with the supervisor.
    wait_until("the sound is on the disk", || samples(&first).len() > 2000);
    kill_supervisor(&engine);
    let status =
        engine.wait_for("the recording", |status| status["recording"]["frames"].as_u64() > Some(0));
    let second = engine.folder.path().join("recordings/take-2.wav");
    assert_eq!(status["recording"]["file"], second.display().to_string());
    let start = status["recording"]["start_frame"].as_u64().expect("a frame");
    engine.play_on(200);
    engine.send("/record/stop", &[]);
    engine.wait_for("its end", |status| status["recording"]["state"] == "complete");
    let (engine, expected) = end_and_compare(engine, 1);
    assert!(samples(&first).len() > 2000, "what was written before");
    let heard = samples(&second);
    let rest = &expected[(start * 2) as usize..][..heard.len()];
    let faded = BLOCK_FRAMES as usize * 2;
    let gaps = engine.log().matches("gap: ").count();
    assert!(heard[faded..] == rest[faded..] || gaps > 0, "as it was played");
}
