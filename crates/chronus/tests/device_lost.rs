//! Guarantee: when the sound server dies, the performance goes on without it, with all its commands,
//! and is heard again when a server is back; everybody is told; and not one sample is left out, played
//! twice or other than the journal gives.

#[path = "../../chronus-output/tests/support/servers.rs"]
mod servers;
mod support;

use chronus_osc::OscType;
use serde_json::Value;
use servers::{JackServer, PulseServer};
use support::{Engine, gaps, samples, string, waiting};

const RATE_HZ: u32 = 48_000;

/// Waits for what the listeners are told of the device, which must be this.
fn told(engine: &Engine, state: &str) -> String {
    let event = engine.answer_from(&["/event/device"]);
    assert_eq!(event.args[0], string(state), "{event:?}");
    let OscType::String(text) = &event.args[1] else { panic!("{event:?}") };
    text.clone()
}

fn state(engine: &Engine) -> Value {
    engine.status()["device"]["state"].clone()
}

/// A server that can be killed and started anew.
trait Server {
    fn kill(&mut self);
    fn revive(&mut self);
}

impl Server for JackServer {
    fn kill(&mut self) {
        self.process.kill();
    }

    fn revive(&mut self) {
        self.restart(RATE_HZ, 256);
    }
}

impl Server for PulseServer {
    fn kill(&mut self) {
        self.process.kill();
    }

    fn revive(&mut self) {
        self.restart(RATE_HZ);
    }
}

fn plays_on_without(server: &mut dyn Server, output: &str, environment: &[(&str, &str)]) {
    let arguments = ["--output", output, "--capture", "a.wav", "--lead", "48"];
    let engine = Engine::launch(&arguments, environment, None);
    engine.send("/events", &[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    assert_eq!(state(&engine), "playing");
    let mut pitch = 300;
    for losses in 1..=2 {
        server.kill();
        let why = told(&engine, "lost");
        let status = engine.status();
        assert_eq!(
            (&status["device"]["state"], &status["device"]["losses"]),
            (&"away".into(), &losses.into())
        );
        assert_eq!(status["device"]["reason"], why.as_str());
        assert!(
            status["output"].as_str().is_some_and(|output| output.starts_with("null")),
            "{status}"
        );
        // Commands take effect while it is away.
        for _ in 0..5 {
            pitch += 7;
            engine.send("/mod/sine/freq", &[&pitch.to_string()]);
            engine.play_on(20);
        }
        server.revive();
        let what = told(&engine, "back");
        assert_eq!(engine.status()["output"], format!("{what}; recorded to a.wav").as_str());
        assert_eq!(state(&engine), "playing");
        pitch += 7;
        engine.send("/mod/sine/freq", &[&pitch.to_string()]);
        engine.play_on(200);
    }
    for words in ["the audio device is lost", "the audio device is back"] {
        engine.wait_for(words, |_| engine.log().matches(words).count() == 2);
    }
    let status = engine.status();
    assert_eq!(
        (&status["captures"][0]["lost_frames"], &status["fresh_starts"]),
        (&0.into(), &0.into())
    );
    let (engine, rendered) = engine.end_and_render();
    let captured = samples(&engine.folder.path().join("a.wav"));
    // The device may have asked for frames before the performance began.
    let begins = captured.len() - rendered.len();
    assert!(captured[..begins].iter().all(|sample| *sample == 0.0));
    let journal = engine.folder.path().join("a.journal");
    gaps::assert_only_gaps_differ(&captured[begins..], &rendered, &journal);
}

#[test]
fn a_jack_server_that_is_killed_costs_nothing_but_its_sound() {
    let Some(mut server) = JackServer::start("engine", RATE_HZ, 128) else { return };
    let name = server.name.clone();
    plays_on_without(&mut server, "jack", &[("JACK_DEFAULT_SERVER", &name)]);
}

#[test]
fn a_pulseaudio_server_that_is_killed_costs_nothing_but_its_sound() {
    let Some(mut server) = PulseServer::start(RATE_HZ) else { return };
    let socket = format!("unix:{}", server.socket().display());
    plays_on_without(&mut server, "pulse", &[("PULSE_SERVER", &socket)]);
}

/// An engine that begins without a server, which comes later.
fn waits_for(server: &mut dyn Server, output: &str, environment: &[(&str, &str)]) {
    server.kill();
    let engine = Engine::launch(&["--output", output, "--capture", "a.wav"], environment, None);
    engine.send("/events", &[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    let status = engine.status();
    let device = &status["device"];
    assert_eq!((&device["state"], &device["losses"]), (&"waiting".into(), &0.into()));
    assert!(device["reason"].as_str().is_some_and(|why| why.contains("; start")), "{device}");
    assert!(status["output"].as_str().is_some_and(|it| it.starts_with("null: no sound")));
    server.revive();
    let what = told(&engine, "back");
    let status = engine.wait_for("it is heard", |status| status["device"]["state"] == "playing");
    assert_eq!(status["output"], format!("{what}; recorded to a.wav").as_str());
    engine.send("/mod/sine/freq", &["300"]);
    engine.play_on(200);
    engine.wait_for_log("the audio device is there");
    let log = engine.log();
    assert_eq!(log.matches("no sound yet").count(), 1, "{log}");
    assert!(!log.contains("is lost"), "{log}");
    let (engine, rendered) = engine.end_and_render();
    let captured = samples(&engine.folder.path().join("a.wav"));
    let begins = captured.len() - rendered.len();
    assert!(captured[..begins].iter().all(|sample| *sample == 0.0));
    let journal = engine.folder.path().join("a.journal");
    gaps::assert_only_gaps_differ(&captured[begins..], &rendered, &journal);
}

#[test]
fn an_engine_waits_for_its_jack_server_and_plays_on_it_when_it_comes() {
    let Some(mut server) = JackServer::start("await", RATE_HZ, 128) else { return };
    let name = server.name.clone();
    waits_for(&mut server, "jack", &[("JACK_DEFAULT_SERVER", &name)]);
}

#[test]
fn auto_finds_a_server_that_comes_after_the_start() {
    let Some(mut server) = PulseServer::start(RATE_HZ) else { return };
    let socket = format!("unix:{}", server.socket().display());
    let nobody = [("PULSE_SERVER", &*socket), ("JACK_DEFAULT_SERVER", "chronus-no-such")];
    waits_for(&mut server, "auto", &nobody);
}

/// A server that is stopped takes connections and never answers: whoever takes over must not wait for it.
fn is_taken_over_beside_a_stopped_server(
    server: &servers::Process,
    output: &str,
    environment: &[(&str, &str)],
) {
    let engine = Engine::launch(&["--output", output, "--lead", "48"], environment, None);
    engine.send("/gate/adsr", &["on"]);
    engine.wait_for("it is heard", |status| status["device"]["state"] == "playing");
    engine.play_on(200);
    let supervisor = engine.wait_level()["supervisor_pid"].as_u64().expect("a process") as u32;
    server.halt(true);
    Engine::signal(supervisor, "KILL");
    engine.wait_for("another supervisor", |status| {
        status["supervisor_pid"] != supervisor && status["device"]["state"] == "away"
    });
    engine.send("/mod/sine/freq", &["300"]);
    // For longer than a supervisor may stand still.
    engine.play_on(3 * u64::from(RATE_HZ) / 64);
    server.halt(false);
    let status = engine.wait_for("it is heard", |status| status["device"]["state"] == "playing");
    assert_eq!(status["supervisor_deaths"], 1, "log:\n{}", engine.log());
    engine.play_on(200);
    let (_engine, rendered) = engine.end_and_render();
    assert!(rendered.iter().any(|sample| sample.abs() > 0.05), "silence proves nothing");
}

#[test]
fn a_supervisor_takes_over_while_the_jack_server_is_stopped() {
    let Some(server) = JackServer::start_impatient("stopped", RATE_HZ, 128) else { return };
    let name = server.name.clone();
    is_taken_over_beside_a_stopped_server(
        &server.process,
        "jack",
        &[("JACK_DEFAULT_SERVER", &name)],
    );
}

#[test]
fn a_supervisor_takes_over_while_the_pulseaudio_server_is_stopped() {
    let Some(server) = PulseServer::start(RATE_HZ) else { return };
    let socket = format!("unix:{}", server.socket().display());
    is_taken_over_beside_a_stopped_server(&server.process, "pulse", &[("PULSE_SERVER", &socket)]);
}

#[test]
fn what_is_asked_for_without_being_heard_is_not_called_playing() {
    for (arguments, name) in
        [(&["--output", "null"][..], "null"), (&["--output", "wav:b.wav"][..], "WAV file b.wav")]
    {
        let engine = Engine::launch(arguments, &[], None);
        let device = engine.status()["device"].clone();
        assert_eq!(device["state"], "unheard");
        assert!(device["reason"].as_str().is_some_and(|why| why.contains(name)), "{device}");
    }
}

#[test]
fn what_can_never_be_is_refused_as_any_other_slip_of_the_finger() {
    for (arguments, what_to_do) in [
        (&["--output", "puls"][..], "wav:FILE"),
        (&["--output", "pulse", "--free-run"][..], "use the output `null`"),
        (&["--output", "jack", "--rate", "1"][..], "8000"),
    ] {
        let refused = std::process::Command::new(env!("CARGO_BIN_EXE_chronus"))
            .arg("run")
            .args(arguments)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(what_to_do), "{said}");
    }
}
