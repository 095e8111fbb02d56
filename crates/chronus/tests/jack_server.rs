//! Guarantee: whatever a JACK server does with its clock, what it is given is the journal's rendering: while it freewheels
//! it waits for the replicas, and not one block is a gap; when its period grows and shrinks again, so does the delay of
//! commands, which keep their order.

#[path = "../../chronus-output/tests/support/servers.rs"]
mod servers;
mod support;

use std::cell::Cell;
use std::process::Stdio;

use chronus_engine::Command;
use serde_json::Value;
use servers::{JackServer, Process};
use support::{BLOCK_FRAMES, Engine, gaps, samples, waiting};

const RATE_HZ: u32 = 48_000;

/// Has one of JACK's own tools change the server; `None` if it is not installed.
fn have(server: &JackServer, tool: &str, argument: &str) -> Option<()> {
    let mut command = server.client(tool);
    let mut process = Process::start(command.arg(argument).stdout(Stdio::null()))?;
    assert!(process.0.wait().expect("it ends").success(), "{tool} {argument}");
    Some(())
}

fn start(server: &JackServer) -> Engine {
    let engine = Engine::launch(
        &["--output", "jack", "--capture", "a.wav"],
        &[("JACK_DEFAULT_SERVER", &server.name)],
        None,
    );
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    engine
}

fn number(status: &Value, name: &str) -> u64 {
    status[name].as_u64().expect("a number")
}

/// Ends the engine; what was handed out must be what the journal gives.
fn end_and_compare(engine: Engine) -> Engine {
    let (engine, rendered) = engine.end_and_render();
    let captured = samples(&engine.folder.path().join("a.wav"));
    // The server may have asked for frames before the performance began.
    let begins = captured.len() - rendered.len();
    assert!(captured[..begins].iter().all(|sample| *sample == 0.0));
    let journal = engine.folder.path().join("a.journal");
    gaps::assert_only_gaps_differ(&captured[begins..], &rendered, &journal);
    engine
}

#[test]
fn a_server_that_freewheels_is_given_every_block_however_fast_it_asks() {
    let Some(server) = JackServer::start("freewheel", RATE_HZ, 128) else { return };
    let engine = start(&server);
    let state =
        |state: &'static str| engine.wait_for(state, |status| status["device"]["state"] == state);
    state("playing");
    for _ in 0..2 {
        if have(&server, "jack_freewheel", "y").is_none() {
            return;
        }
        let mut last = state("freewheeling");
        let gap_blocks = number(&last, "gap_blocks");
        for pitch in ["220", "330", "440", "550"] {
            engine.send("/mod/sine/freq", &[pitch]);
            let until = number(&last, "frames") + 5 * u64::from(RATE_HZ);
            last = engine.wait_for("an export", |status| number(status, "frames") >= until);
        }
        assert_eq!(last["device"]["state"], "freewheeling");
        assert_eq!(number(&last, "gap_blocks"), gap_blocks, "log:\n{}", engine.log());
        assert_eq!(last["captures"][0]["lost_frames"], 0);
        have(&server, "jack_freewheel", "n");
        state("playing");
        engine.send("/mod/sine/freq", &["110"]);
        engine.play_on(200);
    }
    end_and_compare(engine);
}

#[test]
fn a_longer_period_counts_for_some_seconds_and_then_no_more() {
    let Some(server) = JackServer::start("periods", RATE_HZ, 128) else { return };
    let engine = start(&server);
    let lead = BLOCK_FRAMES * number(&engine.status(), "lead_blocks");
    let pitch = Cell::new(200);
    // Somebody plays all the time.
    let play_until = |what: &str, wanted: &dyn Fn(u64) -> bool| {
        let status = engine.wait_for(what, |status| {
            pitch.set(pitch.get() + 1);
            engine.send("/mod/sine/freq", &[&pitch.get().to_string()]);
            wanted(number(status, "delay_frames"))
        });
        number(&status, "delay_frames")
    };
    play_until("a delay", &|frames| frames >= lead + 2 * 128);
    if have(&server, "jack_bufsize", "1024").is_none() {
        return;
    }
    let long = play_until("a longer delay", &|frames| frames >= lead + 2 * 1024);
    have(&server, "jack_bufsize", "128");
    play_until("a shorter delay", &|frames| frames < long);
    // The slack may have grown a little on a busy machine.
    play_until("the delay that it had", &|frames| frames < lead + 2 * 128 + 1000);
    let journal = engine.folder.path().join("a.journal");
    let engine = end_and_compare(engine);
    let journal = chronus_journal::Journal::read(&journal).expect("a journal");
    let pitches = journal.entries.iter().filter_map(|entry| match Command::decode(entry.payload) {
        Ok(Command::SetParam { value, .. }) => Some(value),
        _ => None,
    });
    let pitches: Vec<f32> = pitches.collect();
    assert!(pitches.len() > 100, "{}", pitches.len());
    assert!(pitches.is_sorted(), "no command has overtaken another");
    drop(engine);
}
