//! Guarantee: an engine can be played over a unix socket, beside UDP or without it, by the user that runs it and nobody
//! else. Whoever has a name is answered and told of events, by one supervisor after another; and the file of the socket
//! harms no other and is left to nobody.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use chronus_os::socket::udp_ports_of;
use chronus_osc::{OscType, Reply, parse_reply};
use rustix::process::Uid;
use serde_json::Value;
use support::takes::{kill_supervisor, supervisor_of};
use support::{Engine, PATIENCE, packet, string, wait_until};

/// Somebody else than the user that runs the tests.
const ANOTHER: u32 = 65_534;

/// Somebody who plays over a unix socket.
struct Player {
    socket: UnixDatagram,
    engine: PathBuf,
}

impl Player {
    /// With this name; an empty one has the kernel choose.
    fn new(engine: &Path, name: &Path) -> Self {
        let socket = UnixDatagram::bind(name).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(500))).expect("timeout");
        Self { socket, engine: engine.to_owned() }
    }

    fn send(&self, address: &str, arguments: &[&str]) {
        self.socket.send_to(&packet(address, arguments), &self.engine).expect("it is sent");
    }

    fn next(&self) -> Option<Reply> {
        let mut packet = vec![0; chronus_osc::MOST_DATAGRAM_BYTES];
        let length = self.socket.recv(&mut packet).ok()?;
        parse_reply(&packet[..length])
    }

    /// What is told at this address; all else is passed over.
    #[track_caller]
    fn told(&self, address: &str) -> Vec<OscType> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(reply) = self.next().filter(|reply| reply.address == address) {
                return reply.args;
            }
        }
        panic!("nothing was told at {address}");
    }

    #[track_caller]
    fn status(&self) -> Value {
        self.wait_for("a status", |_| true)
    }

    /// Asks until the status is as wanted.
    #[track_caller]
    fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            self.send("/status", &[]);
            let reply = self.next().filter(|reply| reply.address == "/status.reply");
            let json = reply.and_then(|reply| serde_json::from_str(reply.text_after("json")?).ok());
            if let Some(status) = json.filter(|status| wanted(status)) {
                return status;
            }
        }
        panic!("waited in vain for {what}");
    }
}

fn by_kernel() -> &'static Path {
    Path::new("")
}

fn chronus(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chronus"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn option(path: &Path) -> String {
    format!("unix:{}", path.display())
}

#[test]
fn it_is_played_over_both_kinds_of_socket_and_each_is_answered() {
    let engine = Engine::free_running(&["--osc", "unix:osc.sock"]);
    let folder = engine.folder.path().to_owned();
    let path = folder.join("osc.sock");
    assert_eq!(fs::symlink_metadata(&path).expect("a socket").mode() & 0o7777, 0o600);
    let players = [Player::new(&path, &folder.join("me")), Player::new(&path, by_kernel())];
    players[0].send("/gate/adsr", &["on"]);
    players[0].wait_for("the gate", |status| status["commands_sent"] == 1);
    players[1].send("/mod/sine/freq", &["330"]);
    engine.send("/mod/filter/cutoff", &["900"]);
    let frames = players[1].wait_for("all three", |status| status["commands_sent"] == 3)["frames"]
        .as_u64()
        .expect("frames");
    players[0].wait_for("more sound", |status| status["frames"].as_u64() > Some(frames + 24_000));
    for player in &players {
        player.send("/ping", &["7"]);
        player.told("/pong");
        player.send("/mod/sin/freq", &["1"]);
        assert_eq!(player.told("/fail")[0], string("/mod/sin/freq"));
        player.send("/patch/set", &["sine", "gain", "0.2"]);
        assert_eq!(player.told("/done")[0], string("/patch/set"));
        player.send("/patch/abort", &[]);
        player.told("/done");
    }
    // Who has begun a recording and who has ended it are told, each when it is so.
    players[0].send("/record/start", &["take"]);
    assert_eq!(players[0].told("/record.reply")[..2], [string("state"), string("recording")]);
    players[1].send("/record/stop", &[]);
    assert_eq!(players[1].told("/record.reply")[..2], [string("state"), string("complete")]);
    engine.end_and_compare().assert_identical();
    assert!(!path.exists(), "the file of the socket is gone");
}

#[test]
fn who_has_no_name_is_heard_and_refused_in_the_log_alone() {
    let engine = Engine::free_running(&["--osc", "unix:osc.sock"]);
    let path = engine.folder.path().join("osc.sock");
    let nameless = UnixDatagram::unbound().expect("a socket");
    for (address, arguments) in [("/status", &[][..]), ("/gate/adsr", &["on"]), ("/events", &[])] {
        nameless.send_to(&packet(address, arguments), &path).expect("it is sent");
    }
    engine.wait_for("the gate", |status| status["commands_sent"] == 1);
    engine.wait_for_log("OSC from a unix socket without a name: /events: nothing can be told");
}

#[test]
fn nobody_else_may_send() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    // Where everybody may look, so that it is the socket itself that refuses.
    let folder = tempfile::tempdir().expect("a folder");
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    open(folder.path(), 0o755).expect("it is ours");
    let path = folder.path().join("osc.sock");
    let engine = Engine::free_running(&["--osc", &option(&path)]);
    let as_another = || {
        let path = path.clone();
        let body = move || {
            // Of this thread alone.
            rustix::thread::set_thread_uid(Uid::from_raw(ANOTHER)).expect("we are root");
            let socket = UnixDatagram::bind("").expect("a socket");
            socket.send_to(&packet("/gate/adsr", &["on"]), path).map_err(|error| error.kind())
        };
        std::thread::spawn(body).join().expect("no panic")
    };
    assert_eq!(as_another(), Err(std::io::ErrorKind::PermissionDenied));
    // Were it not for the mode, that other could.
    open(&path, 0o666).expect("it is ours");
    as_another().expect("it is sent");
    engine.wait_for("the gate", |status| status["commands_sent"] == 1);
}

/// An engine without any UDP port, in a folder of its own.
struct Alone {
    process: Child,
    folder: tempfile::TempDir,
}

impl Alone {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = File::create(folder.path().join("log")).expect("log");
        let process = chronus(&["run", "--output", "null", "--lead", "48"])
            .current_dir(folder.path())
            .args(arguments)
            .envs(environment.iter().copied())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let alone = Self { process, folder };
        wait_until("a socket", || alone.path().exists());
        alone
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("osc.sock")
    }

    fn end(&mut self) {
        Engine::signal(self.process.id(), "TERM");
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(self.process.wait().expect("it ends").success(), "{}", log());
        assert!(!self.path().exists(), "the file of the socket is gone");
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn with_a_unix_socket_alone_there_is_no_port_and_all_commands_find_it() {
    let _turn = support::turn();
    for (arguments, environment) in [
        (&["--osc", "unix:osc.sock"][..], &[][..]),
        (&[], &[("CHRONUS_OSC_HOST", "unix:osc.sock")]),
    ] {
        let mut engine = Alone::start(arguments, environment);
        let player = Player::new(&engine.path(), by_kernel());
        let status = player.wait_for("sound", |status| status["frames"].as_u64() > Some(0));
        for pid in [engine.process.id(), supervisor_of(&status)] {
            assert_eq!(udp_ports_of(pid).expect("it runs"), [0_u16; 0]);
        }
        let osc = option(&engine.path());
        // It waits for an answer only for a moment, which on a busy machine may be too short.
        wait_until("an answer", || {
            let status = chronus(&["status", "--json", "--osc", &osc]).output().expect("it runs");
            let json = serde_json::from_slice::<Value>(&status.stdout);
            json.is_ok_and(|json| json["patch"] == "first")
        });
        let sent = chronus(&["send", "/gate/adsr", "on"])
            .env("CHRONUS_OSC_HOST", &osc)
            .output()
            .expect("it runs");
        assert!(sent.status.success(), "{}", said(&sent));
        player.wait_for("the gate", |status| status["commands_sent"] == 1);
        wait_until("a refusal", || {
            let refused = chronus(&["send", "/record/stop", "--osc", &osc]).output();
            said(&refused.expect("it runs")).contains("nothing is being recorded")
        });
        engine.end();
        let nobody = chronus(&["status", "--osc", &osc]).output().expect("it runs");
        let wanted = format!("no engine answers at {osc}; start one with `chronus run --osc");
        assert!(said(&nobody).contains(&wanted), "{}", said(&nobody));
        assert!(!nobody.status.success());
    }
}

/// A patch whose circle runs away once its level is raised.
const CIRCLE: &str = r#"
format = 1
[[module]]
id = "tone"
kind = "sine"
gain = 0.3
[[module]]
id = "circle"
kind = "mix"
level_b = 0.0
[[cable]]
from = "tone.out"
to = "circle.a"
[[cable]]
from = "circle.out"
to = "circle.b"
[output]
left = "circle.out"
right = "circle.out"
"#;

#[test]
fn who_listens_is_told_by_the_next_supervisor_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let patch = folder.path().join("circle.toml");
    fs::write(&patch, CIRCLE).expect("written");
    let patch = patch.display().to_string();
    let engine = Engine::free_running(&["--osc", "unix:osc.sock", "--patch", &patch]);
    let path = engine.folder.path().join("osc.sock");
    let players = [Player::new(&path, &folder.path().join("me")), Player::new(&path, by_kernel())];
    for player in &players {
        player.send("/events", &[]);
        assert_eq!(player.told("/done")[0], string("/events"));
    }
    engine.done("/events", &[]);
    let before = fs::symlink_metadata(&path).expect("a socket").ino();
    for _ in 0..2 {
        kill_supervisor(&engine);
    }
    assert_eq!(fs::symlink_metadata(&path).expect("a socket").ino(), before, "it is the same");
    players[1].send("/mod/circle/level_b", &["2"]);
    for player in &players {
        assert_eq!(player.told("/event/bypass")[0], string("circle"));
    }
    assert_eq!(engine.answer_from(&["/event/bypass"]).args[0], string("circle"));
}

#[test]
fn a_socket_whose_file_is_taken_away_is_told() {
    let engine = Engine::free_running(&["--osc", "unix:osc.sock"]);
    let (path, aside) = (engine.folder.path().join("osc.sock"), engine.folder.path().join("aside"));
    fs::rename(&path, &aside).expect("renamed");
    let is_told = |status: &Value| status["alarms"].to_string().contains("the unix socket");
    engine.wait_for("an alarm", is_told);
    // The next supervisor finds it gone, and says so.
    kill_supervisor(&engine);
    engine.wait_for("the alarm of the next", is_told);
    assert_eq!(engine.status()["gaps"], 0);
}

#[test]
fn a_socket_that_was_left_behind_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("osc.sock");
    drop(UnixDatagram::bind(&path).expect("a socket"));
    let mut engine = Engine::free_running(&["--osc", &option(&path)]);
    Player::new(&path, by_kernel()).status();
    // Even a keeper that is killed leaves one behind, and the next engine is played by it.
    engine.process.kill().and_then(|()| engine.process.wait()).expect("kill -9");
    drop(engine);
    assert!(path.exists());
    // The supervisor of before may still be about to end.
    let mut next = None;
    wait_until("its end", || {
        let probe = UnixDatagram::unbound().expect("a socket");
        let is_over = probe.connect(&path).is_err();
        if is_over {
            next = Some(Engine::free_running(&["--osc", &option(&path)]));
        }
        is_over
    });
    Player::new(&path, by_kernel()).status();
    assert!(next.expect("it plays").end().success());
    assert!(!path.exists());
}

#[test]
fn what_is_there_already_is_left_alone_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("osc.sock");
    let run = |places: &[&str], status: i32, wanted: &str| {
        let mut command = chronus(&["run", "--output", "null", "--free-run", "--seconds", "1"]);
        for place in places {
            command.args(["--osc", place]);
        }
        let output = command.current_dir(folder.path()).output().expect("it runs");
        let said = said(&output);
        assert!(said.contains(wanted) && output.status.code() == Some(status), "{said}");
    };
    let other = UnixDatagram::bind(&path).expect("a socket");
    run(&[&option(&path)], 1, "somebody listens there; is another engine running?");
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.send_to(b"hello", &path).expect("it is still reached");
    assert_eq!(other.recv(&mut [0; 9]).expect("a packet"), 5);
    let file = folder.path().join("notes");
    fs::write(&file, "precious").expect("written");
    run(&[&option(&file)], 2, "is no socket, and is left alone");
    assert_eq!(fs::read(&file).expect("it is there"), b"precious");
    run(&["unix:no/osc.sock"], 2, "there is no folder no");
    run(&[&format!("unix:{}", "x".repeat(108))], 2, "and a socket's may have 107");
    run(&["unix:a", "unix:b"], 2, "two of a kind");
    run(&["127.0.0.1:0", "127.0.0.1:0"], 2, "two of a kind");
    // What was bound before something else was refused is not left behind.
    run(&["unix:new", "192.0.2.1:5005"], 1, "no such address");
    assert!(!folder.path().join("new").exists());
}
