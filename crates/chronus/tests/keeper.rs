//! Guarantee: a supervisor that is killed is followed by another, which finds the workers as they were and goes on
//! at the next block. Nothing is lost but what nobody played: what is heard afterwards is, bit for bit, what the
//! journal gives, with every command that was acknowledged.

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{BLOCK_FRAMES, Engine, samples};

/// Kills the supervisor as anybody could, and waits until another has taken over and plays.
fn kill_supervisor(engine: &Engine) -> Value {
    let status = engine.status();
    let deaths = status["supervisor_deaths"].as_u64().expect("a count") + 1;
    let killed = supervisor_of(&status);
    Engine::signal(killed, "KILL");
    let status = wait_for_takeover(engine, deaths);
    assert_ne!(supervisor_of(&status), killed);
    status
}

fn supervisor_of(status: &Value) -> u32 {
    status["supervisor_pid"].as_u64().expect("a process") as u32
}

fn wait_for_takeover(engine: &Engine, deaths: u64) -> Value {
    engine.wait_for(&format!("supervisor {}", deaths + 1), |status| {
        status["supervisor_deaths"].as_u64() >= Some(deaths)
            && status["resumed_after_ms"].as_f64() > Some(0.0)
    })
}

/// What was played by one supervisor after the other: files, and the frame with which each begins.
fn takes(engine: &Engine) -> Vec<(PathBuf, u64)> {
    let folder = engine.folder.path();
    let mut takes = vec![(folder.join("a.wav"), Some(0))];
    for line in engine.log().lines() {
        if let Some((_, name)) = line.split_once("the sound goes on in ") {
            takes.push((folder.join(name), None));
        } else if let Some((_, rest)) = line.split_once("the sound goes on at frame ") {
            let frame = rest.split(',').next().and_then(|frame| frame.parse().ok());
            takes.last_mut().expect("a file").1 = frame;
        }
    }
    takes.into_iter().filter_map(|(path, start)| Some((path, start?))).collect()
}

/// Ends the engine and compares everything that was played with the journal. Only the first block of a supervisor
/// that took over may differ: it is faded in.
fn end_and_compare(engine: Engine, takeovers: usize) -> (Engine, Vec<f32>) {
    let (engine, expected) = engine.end_and_render();
    let takes = takes(&engine);
    assert!(takes.len() > takeovers, "{takes:?}; log:\n{}", engine.log());
    let (mut played, mut loud, mut end) = (0, 0, 0);
    for (take, (path, start)) in takes.iter().enumerate() {
        let heard = samples(path);
        assert!(*start >= end, "{}: no frame is played twice", path.display());
        end = start + heard.len() as u64 / 2;
        played += heard.len() as u64 / 2;
        let expected = &expected[(start * 2) as usize..];
        assert!(heard.len() <= expected.len(), "{}: longer than the journal", path.display());
        for (index, (heard, expected)) in heard.iter().zip(expected).enumerate() {
            let frame = index as u64 / 2;
            let is_same = if take > 0 && frame < BLOCK_FRAMES {
                heard.abs() <= expected.abs()
            } else {
                heard.to_bits() == expected.to_bits()
            };
            assert!(is_same, "{}, frame {frame} of {start}: {heard} {expected}", path.display());
            loud += usize::from(heard.abs() > 0.05);
        }
    }
    assert_eq!(end, expected.len() as u64 / 2, "up to the end of the journal");
    assert!(loud > 1000, "silence proves nothing: {loud} loud samples");
    eprintln!("{played} of {end} frames are in {} files, all as the journal gives them", takes.len());
    (engine, expected)
}

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
