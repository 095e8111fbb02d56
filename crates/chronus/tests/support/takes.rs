//! Supervisors that are killed one after the other, and what each has played.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use serde_json::Value;

use super::{BLOCK_FRAMES, Client, Engine, samples};

/// Kills the supervisor as anybody could, and waits until another has taken over and plays.
pub fn kill_supervisor(engine: &Client) -> Value {
    let status = engine.status();
    let deaths = status["supervisor_deaths"].as_u64().expect("a count") + 1;
    let killed = supervisor_of(&status);
    Engine::signal(killed, "KILL");
    let status = wait_for_takeover(engine, deaths);
    assert_ne!(supervisor_of(&status), killed);
    status
}

/// The process of the supervisor.
pub fn supervisor_of(status: &Value) -> u32 {
    status["supervisor_pid"].as_u64().expect("a process") as u32
}

/// Waits until it has been taken over so often, and each was told: what is still on its way to the log is lost with
/// its supervisor.
pub fn wait_for_takeover(engine: &Client, deaths: u64) -> Value {
    let status = wait_for_sound_after(engine, deaths);
    engine.wait_for("a line in the log", |_| {
        engine.log().matches("the sound goes on at frame ").count() as u64 >= deaths
    });
    status
}

/// Waits until it has been taken over so often, and is heard.
pub fn wait_for_sound_after(engine: &Client, deaths: u64) -> Value {
    engine.wait_for(&format!("supervisor {}", deaths + 1), |status| {
        status["supervisor_deaths"].as_u64() >= Some(deaths)
            && status["resumed_after_ms"].as_f64() > Some(0.0)
    })
}

/// What was played by one supervisor after the other: files, and the frame with which each begins.
pub fn takes(engine: &Engine) -> Vec<(PathBuf, u64)> {
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
pub fn end_and_compare(engine: Engine, takeovers: usize) -> (Engine, Vec<f32>) {
    let (engine, expected) = engine.end_and_render();
    let takes = takes(&engine);
    assert!(takes.len() > takeovers, "{takes:?}; log:\n{}", engine.log());
    // A gap of the machine's own making is played, but the journal does not give it.
    let has_gaps = engine.log().contains("gap: ");
    let (mut played, mut loud, mut end, mut different) = (0, 0, 0, 0);
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
            let place = || format!("{}, frame {frame} of {start}", path.display());
            assert!(is_same || has_gaps, "{}: {heard} {expected}", place());
            different += u64::from(!is_same);
            loud += usize::from(heard.abs() > 0.05);
        }
    }
    assert_eq!(end, expected.len() as u64 / 2, "up to the end of the journal");
    assert!(different < played, "{different} samples differ, and not only for gaps");
    assert!(loud > 1000, "silence proves nothing: {loud} loud samples");
    eprintln!(
        "{played} of {end} frames are in {} files, all as the journal gives them",
        takes.len()
    );
    (engine, expected)
}

/// Memory that the keeper holds, as anybody with its rights can open it.
fn memory(engine: &Engine, name: &str) -> File {
    File::options().read(true).write(true).open(engine.memory(name)).expect("it can be opened")
}

/// Writes garbage over a piece of memory while the supervisor is stopped, then kills it.
pub fn ruin(engine: &Engine, name: &str, pieces: impl IntoIterator<Item = std::ops::Range<u64>>) {
    let status = engine.status();
    Engine::signal(supervisor_of(&status), "STOP");
    let memory = memory(engine, name);
    for piece in pieces {
        for at in piece.step_by(8) {
            memory.write_all_at(&[0xa5; 8], at).expect("written");
        }
    }
    Engine::signal(supervisor_of(&status), "KILL");
}
