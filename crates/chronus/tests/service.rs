//! Guarantee: under a service manager that speaks systemd's protocol, the engine tells when it plays and that it
//! goes on playing, and has its memory and its port kept; should even the keeper be killed, the next one goes on
//! with patch, parameters, gates and musical time.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;
use support::{ANY_PORT, Client, samples, wait_until};

/// A service manager: what it was told, and what it keeps.
/// A process that goes with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Manager {
    socket: UnixDatagram,
    told: Vec<String>,
    kept: BTreeMap<String, OwnedFd>,
}

impl Manager {
    fn new(folder: &Path) -> Self {
        let socket = UnixDatagram::bind(folder.join("notify")).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("timeout");
        Self { socket, told: Vec::new(), kept: BTreeMap::new() }
    }

    /// Takes the next message, if one comes soon.
    fn take(&mut self) {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut bytes)];
        let Ok(received) = recvmsg(&self.socket, parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        else {
            return;
        };
        let text = String::from_utf8_lossy(&bytes[..received.bytes]).into_owned();
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let name = value("FDNAME=").unwrap_or_default().to_owned();
        if value("FDSTOREREMOVE=1").is_some() {
            self.kept.remove(&name);
        }
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                assert!(text.contains("FDSTORE=1"), "{text}");
                // Above the numbers under which they will be handed over.
                let above = |fd: OwnedFd| fcntl_dupfd_cloexec(fd, 50).expect("a number");
                self.kept.extend(descriptors.map(|descriptor| (name.clone(), above(descriptor))));
            }
        }
        self.told.push(text);
    }

    fn wait_for(&mut self, what: &str) {
        wait_until(what, || {
            self.take();
            self.told.iter().any(|text| text.contains(what))
        });
    }

    fn count(&self, what: &str) -> usize {
        self.told.iter().filter(|text| text.contains(what)).count()
    }

    /// Ends the engine, and listens to the last.
    fn end(&mut self, engine: &mut Child, client: &Client) {
        support::Engine::signal(engine.id(), "TERM");
        loop {
            self.take();
            if let Some(ended) = engine.try_wait().expect("a child") {
                assert!(ended.success(), "log:\n{}", client.log());
                return;
            }
        }
    }

    /// Starts the engine as systemd would: with all that was kept.
    fn start(&self, folder: &Path, osc: &[&str]) -> Running {
        let mut script = String::new();
        for (number, descriptor) in (3..).zip(self.kept.values()) {
            fcntl_setfd(descriptor, FdFlags::empty()).expect("to be inherited");
            let _ = write!(script, "exec {number}<&{}; ", descriptor.as_raw_fd());
        }
        let names: Vec<&str> = self.kept.keys().map(String::as_str).collect();
        if !names.is_empty() {
            script += "export LISTEN_PID=$$; ";
        }
        script += "exec \"$@\"";
        let log = std::fs::File::options().append(true).create(true).open(folder.join("log"));
        let process = Command::new("bash")
            .current_dir(folder)
            .args(["-c", &script, "bash", env!("CARGO_BIN_EXE_chronus"), "run"])
            .args(["--output", "wav:a.wav", "--journal", "a.journal"])
            .args(osc.iter().flat_map(|place| ["--osc", place]))
            .args(["--lead", "48"])
            .env("NOTIFY_SOCKET", folder.join("notify"))
            .env("WATCHDOG_USEC", "5000000")
            .env("LISTEN_FDS", names.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .stdin(Stdio::null())
            .stderr(log.expect("log"))
            .spawn()
            .expect("it starts");
        Running(process)
    }
}

#[test]
fn even_the_keeper_may_die() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let mut manager = Manager::new(folder);
    let mut engine = manager.start(folder, &[ANY_PORT, "unix:osc.sock"]);
    let client = Client::of(&mut engine.0, folder.join("log"));
    manager.wait_for("READY=1");
    manager.wait_for("STATUS=");
    for name in ["log", "slots", "assets", "ledger", "port", "unix"] {
        assert!(manager.kept.contains_key(&format!("chronus-{name}")), "{:?}", manager.kept.keys());
    }
    for (address, arguments) in [
        ("/mod/sine/freq", &["440"][..]),
        ("/gate/adsr", &["on"]),
        ("/transport/tempo", &["77"]),
        ("/transport/play", &[]),
    ] {
        client.send(address, arguments);
    }
    client.wait_for("sound", |status| {
        status["frames"].as_u64() > Some(48_000 / 2) && status["commands_sent"] == 4
    });
    assert!(manager.count("WATCHDOG=1") > 0, "it goes on");
    for life in 1..=2 {
        let before = client.status();
        engine.0.kill().expect("kill -9");
        engine.0.wait().expect("it ends");
        // What is sent while nobody is there waits in the port.
        let unix = UnixDatagram::unbound().expect("a socket");
        let cutoff = support::packet("/mod/filter/cutoff", &["900"]);
        unix.send_to(&cutoff, folder.join("osc.sock")).expect("it is sent");
        engine = manager.start(folder, &[ANY_PORT, "unix:osc.sock"]);
        let count = |status: &Value, name: &str| status[name].as_u64().expect("a count");
        // A restart, and what waited, which is ordered a moment later.
        let commands = count(&before, "commands_sent") + 2;
        let status = client.wait_for("the next keeper", |status| {
            status["fresh_starts"].as_u64() == Some(life)
                && status["redundant"] == true
                && status["commands_sent"].as_u64() >= Some(commands)
        });
        assert_eq!(count(&status, "supervisor_deaths"), life, "log:\n{}", client.log());
        assert!(count(&status, "frames") >= count(&before, "frames"), "it goes on");
        assert_eq!((&status["tempo_bpm"], &status["playing"]), (&77.0.into(), &true.into()));
        assert!(status["beat"].as_f64() >= before["beat"].as_f64());
        assert_eq!(count(&status, "commands_sent"), commands);
        let until = count(&status, "frames") + 24_000;
        client.wait_for("sound", |status| status["frames"].as_u64() > Some(until));
    }
    manager.end(&mut engine.0, &client);
    manager.wait_for("STOPPING=1");
    wait_until("what has ended is not kept", || {
        manager.take();
        manager.kept.is_empty()
    });
    assert!(!folder.join("osc.sock").exists(), "the last keeper has removed the first one's");
    // Half a second of what was heard last, up to the fade-out, is what the journal gives.
    let rendered = Command::new(env!("CARGO_BIN_EXE_chronus"))
        .current_dir(folder)
        .args(["render", "a.journal", "-o", "b.wav"])
        .output()
        .expect("render runs");
    assert!(rendered.stderr.is_empty(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let (heard, expected) = (samples(&folder.join("a-3.wav")), samples(&folder.join("b.wav")));
    let tail = |samples: &[f32]| samples[samples.len() - 20_000..].to_vec();
    let differ = tail(&heard).iter().zip(tail(&expected)).filter(|(a, b)| **a != *b).count();
    let gaps = client.log().matches("gap: ").count();
    assert!(differ == 0 || gaps > 2, "{differ} samples differ; log:\n{}", client.log());
    assert!(tail(&heard).iter().any(|sample| sample.abs() > 0.1), "the gate is open");
}

#[test]
fn what_was_kept_of_another_performance_is_not_gone_on_with() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let mut manager = Manager::new(folder);
    let mut engine = manager.start(folder, &[ANY_PORT]);
    let client = Client::of(&mut engine.0, folder.join("log"));
    manager.wait_for("READY=1");
    client.send("/gate/adsr", &["on"]);
    client.wait_for("the gate", |status| status["commands_sent"] == 1);
    engine.0.kill().expect("kill -9");
    engine.0.wait().expect("it ends");
    // The player now asks for something else: another port.
    let mut engine = manager.start(folder, &["localhost:0"]);
    client.wait_for_log("asked for otherwise");
    let old_port = Some(client.port().port());
    let other = Client::of_new(&mut engine.0, folder.join("log"), old_port);
    let status = other.wait_for("a start", |status| status["frames"].as_u64() > Some(0));
    assert_eq!((&status["commands_sent"], &status["supervisor_deaths"]), (&0.into(), &0.into()));
    manager.end(&mut engine.0, &other);
}
