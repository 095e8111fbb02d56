//! A real engine, started as a user would, in a folder of its own; and the comparison of what it
//! played with the offline rendering of its journal.

#![allow(dead_code, reason = "each guarantee uses its part")]

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chronus_osc::{OscType, Reply, encode_arguments, message, parse_reply};
use serde_json::Value;

pub const BLOCK_FRAMES: u64 = 64;

/// One engine at a time: two would starve each other on a small machine.
static TURN: Mutex<()> = Mutex::new(());

pub struct Engine {
    _turn: MutexGuard<'static, ()>,
    pub process: Child,
    pub folder: tempfile::TempDir,
    client: Client,
}

/// Somebody who speaks OSC to an engine.
pub struct Client {
    socket: UdpSocket,
    /// What the engine says, for whoever wants to know why something does not come.
    log: PathBuf,
}

impl Deref for Engine {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Client {
    /// A client of an engine that is to listen at a port that is free.
    pub fn with_free_port(log: PathBuf) -> (Self, SocketAddr) {
        let port = UdpSocket::bind("127.0.0.1:0").expect("port").local_addr().expect("address");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
        socket.connect(port).expect("connect");
        (Self { socket, log }, port)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends an OSC message; the arguments are read as `chronus send` reads them.
    pub fn send(&self, address: &str, arguments: &[&str]) {
        let words: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let packet =
            message(address, encode_arguments(&words).expect("arguments")).expect("message");
        self.send_bytes(&packet);
    }

    /// Sends an OSC message that takes effect after a while.
    pub fn send_at(&self, ahead: Duration, address: &str, arguments: &[&str]) {
        let words: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let inner =
            message(address, encode_arguments(&words).expect("arguments")).expect("message");
        let time = std::time::SystemTime::now() + ahead;
        let time = time.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let mut bundle = b"#bundle\0".to_vec();
        bundle.extend((time.as_secs() as u32).wrapping_add(2_208_988_800).to_be_bytes());
        let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
        bundle.extend((fraction as u32).to_be_bytes());
        bundle.extend((inner.len() as u32).to_be_bytes());
        bundle.extend(inner);
        self.send_bytes(&bundle);
    }

    pub fn send_bytes(&self, packet: &[u8]) {
        // Before the engine listens, the system may refuse to send; the caller asks again.
        let _ = self.socket.send(packet);
    }

    /// The next answer, if one comes soon.
    pub fn answer(&self) -> Option<Reply> {
        self.socket.set_read_timeout(Some(Duration::from_millis(500))).expect("timeout");
        let mut packet = vec![0; chronus_osc::MOST_DATAGRAM_BYTES];
        let length = self.socket.recv(&mut packet).ok()?;
        parse_reply(&packet[..length])
    }

    pub fn try_status(&self) -> Option<Value> {
        self.send("/status", &[]);
        loop {
            let reply = self.answer()?;
            if let Some(json) = reply.text_after("json") {
                return serde_json::from_str(json).ok();
            }
        }
    }

    pub fn status(&self) -> Value {
        self.wait_for("a status", |_| true)
    }

    /// Asks until the status is as wanted. The bound is for a test that would hang, not a figure.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        let mut last = None;
        while start.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.try_status() {
                if wanted(&status) {
                    return status;
                }
                last = Some(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("waited in vain for {what}; last status: {last:#?}\nlog:\n{}", self.log());
    }
}

impl Engine {
    /// An engine that pulls as fast as its replicas deliver, recorded and journaled.
    pub fn free_running(arguments: &[&str]) -> Self {
        Self::start(&[&["--free-run"], arguments].concat())
    }

    /// An engine in real time, recorded and journaled.
    pub fn start(arguments: &[&str]) -> Self {
        Self::launch(&[&["--output", "wav:a.wav"], arguments].concat(), &[], None)
    }

    /// A journaled engine with an output, an environment and, if it shall not be a file, a standard error of
    /// its own.
    pub fn launch(arguments: &[&str], environment: &[(&str, &str)], errors: Option<Stdio>) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        let log = File::create(&path).expect("log");
        let (client, port) = Client::with_free_port(path);
        let process = Command::new(env!("CARGO_BIN_EXE_chronus"))
            .current_dir(folder.path())
            .args(["run", "--journal", "a.journal"])
            .args(["--allow-chaos", "--osc", &port.to_string()])
            .args(arguments)
            .env("CHRONUS_LOG", "warn,chronus=debug")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(errors.unwrap_or(log.into()))
            .spawn()
            .expect("the engine starts");
        let engine = Self { _turn: turn, process, folder, client };
        engine.wait_for("the first sound", |status| status["frames"].as_u64() > Some(0));
        engine
    }

    /// Waits until all replicas are level and so many workers have died in all.
    pub fn wait_redundant(&self, deaths: u64) -> Value {
        self.wait_for(&format!("two replicas after {deaths} deaths"), |status| {
            status["redundant"] == true && status["respawns"].as_u64() >= Some(deaths)
        })
    }

    /// Where the memory of this name that the keeper holds can be opened.
    pub fn memory(&self, name: &str) -> PathBuf {
        let folder = format!("/proc/{}/fd", self.process.id());
        let links = std::fs::read_dir(folder).expect("descriptors").flatten();
        let is_it = |path: &PathBuf| {
            std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().contains(name))
        };
        links.map(|link| link.path()).find(is_it).expect("the memory")
    }

    /// Waits until so many more blocks have been played.
    pub fn play_on(&self, blocks: u64) {
        let until = self.status()["frames"].as_u64().expect("frames") + blocks * BLOCK_FRAMES;
        self.wait_for("more sound", |status| status["frames"].as_u64() >= Some(until));
    }

    pub fn pid_of(&self, role: &str) -> u32 {
        let status = self.wait_for(role, |status| find_role(status, role).is_some());
        find_role(&status, role).expect("found")
    }

    /// Sends a signal as anybody could, from outside.
    pub fn signal(pid: u32, signal: &str) {
        let number = chronus_os::child::signal_number(signal).expect("a signal").to_string();
        let done = Command::new("kill").args([format!("-{number}"), pid.to_string()]).status();
        assert!(done.expect("kill runs").success(), "SIG{signal} to {pid}");
    }

    /// Kills all workers and all checkpoints, none of which can do anything meanwhile.
    pub fn kill_everybody(&self) {
        let pids = |status: &Value, of: &str| -> Vec<u32> {
            let pid = |it: &Value| it["pid"].as_u64().or(it.as_u64()).expect("a pid") as u32;
            status[of].as_array().expect("a list").iter().map(pid).collect()
        };
        let workers = pids(&self.wait_for("two", |s| s["redundant"] == true), "replicas");
        for pid in &workers {
            Self::signal(*pid, "STOP");
        }
        let checkpoints = pids(&self.status(), "checkpoints");
        for pid in &checkpoints {
            Self::signal(*pid, "STOP");
        }
        for pid in workers.into_iter().chain(checkpoints) {
            // One that is stopped for too long may be gone before.
            if is_alive(pid) {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
        }
    }

    /// Sends a signal to several processes at once.
    pub fn signal_all(pids: &[u32], signal: &str) {
        let number = chronus_os::child::signal_number(signal).expect("a signal");
        let pids = pids.iter().map(u32::to_string);
        let done = Command::new("kill").arg(format!("-{number}")).args(pids).status();
        assert!(done.expect("kill runs").success());
    }

    /// Ends the engine by SIGTERM and waits.
    pub fn end(&mut self) -> ExitStatus {
        Self::signal(self.process.id(), "TERM");
        self.process.wait().expect("it ends")
    }

    /// Where it listens.
    pub fn port(&self) -> SocketAddr {
        self.socket.peer_addr().expect("it is connected")
    }

    /// Ends the engine and compares each sample that was played with the offline rendering.
    pub fn end_and_compare(self) -> Comparison {
        self.end_and_compare_in().1
    }

    /// The same, and the engine's folder stays until the caller drops the engine.
    pub fn end_and_compare_in(self) -> (Self, Comparison) {
        let (engine, expected) = self.end_and_render();
        let played = samples(&engine.folder.path().join("a.wav"));
        assert_eq!(played.len(), expected.len(), "as long as the journal says");
        let pairs = played.chunks(2).zip(expected.chunks(2)).enumerate();
        let different = pairs
            .filter(|(_, (a, b))| a.iter().zip(*b).any(|(a, b)| a.to_bits() != b.to_bits()))
            .map(|(frame, _)| frame as u64)
            .collect();
        (engine, Comparison { played, different })
    }

    /// Ends the engine and renders its journal.
    pub fn end_and_render(mut self) -> (Self, Vec<f32>) {
        let status = self.end();
        assert!(status.success(), "{status}; log:\n{}", self.log());
        let rendered = Command::new(env!("CARGO_BIN_EXE_chronus"))
            .current_dir(self.folder.path())
            .args(["render", "a.journal", "-o", "b.wav"])
            .output()
            .expect("render runs");
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        let complaint = String::from_utf8_lossy(&rendered.stderr).into_owned();
        assert!(complaint.is_empty(), "the journal is complete: {complaint}");
        let rendered = samples(&self.folder.path().join("b.wav"));
        (self, rendered)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Ends only the process that this test started; its workers go with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Comparison {
    pub played: Vec<f32>,
    /// Frames that differ from the offline rendering.
    pub different: Vec<u64>,
}

impl Comparison {
    /// Not one frame differs, and it was sound that was compared.
    pub fn assert_identical(&self) {
        let first = self.different.first();
        assert_eq!(self.different.len(), 0, "frames differ, the first is {first:?}");
        let loud = self.played.iter().filter(|sample| sample.abs() > 0.05).count();
        assert!(loud > 1000, "silence proves nothing: {loud} loud samples");
    }
}

pub fn find_role(status: &Value, role: &str) -> Option<u32> {
    let replicas = status["replicas"].as_array()?;
    let found = replicas.iter().find(|replica| replica["role"] == role)?;
    Some(found["pid"].as_u64()? as u32)
}

/// Whether a process with this id exists and is not a zombie.
pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

/// The samples of a WAV file.
pub fn samples(path: &Path) -> Vec<f32> {
    let reader = hound::WavReader::open(path).expect("a WAV file");
    reader.into_samples().collect::<Result<_, _>>().expect("samples")
}

pub fn string(text: &str) -> OscType {
    OscType::String(text.to_owned())
}
