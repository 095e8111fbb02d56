//! A real engine, started as a user would, in a folder of its own; and the comparison of what it
//! played with the offline rendering of its journal.
//!
//! Nothing here depends on how fast the machine is. What must come is waited for, whoever is struck is known by its
//! process, and the answer to a question is never taken for that to another.

#![allow(dead_code, reason = "each guarantee uses its part")]

pub mod gaps;
pub mod takes;
#[path = "../../../chronus-output/tests/support/waiting.rs"]
pub mod waiting;

use std::cell::RefCell;
use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chronus_os::child::Child as Watched;
use chronus_os::socket::udp_ports_of;
use chronus_osc::{OscType, Reply, encode_arguments, message, parse_reply};
use serde_json::Value;
pub use waiting::{PATIENCE, wait_until};

/// Frames in a block, in the width in which the status counts frames.
pub const BLOCK_FRAMES: u64 = chronus_replication::BLOCK_FRAMES as u64;
/// Where an engine listens that tells us later which port it took: any other might be taken before it can.
pub const ANY_PORT: &str = "127.0.0.1:0";
/// So far ahead of the device are engines in real time. Where the lead is not what is tested, a machine that stands
/// still now and then shall not be heard.
const LONG_LEAD: [&str; 2] = ["--lead", "48"];
/// A question that is not answered by then is asked again: it may have gone to a supervisor that died.
const ASK_AGAIN: Duration = Duration::from_millis(500);

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
    /// For messages, the answers to them, and events.
    socket: UdpSocket,
    /// For questions about the status alone, so that nothing else is missed over them.
    questions: RefCell<UdpSocket>,
    /// What the engine says, for whoever wants to know why something does not come.
    log: PathBuf,
}

/// A worker, as it was when it was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    pub pid: u32,
    pub slot: u64,
}

impl Deref for Engine {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Client {
    /// A client of an engine that was asked to listen at any port.
    #[track_caller]
    pub fn of(process: &mut Child, log: PathBuf) -> Self {
        Self::of_new(process, log, None)
    }

    /// The same, of one that was started by a process which held another port already.
    #[track_caller]
    pub fn of_new(process: &mut Child, log: PathBuf, old_port: Option<u16>) -> Self {
        let mut port = None;
        wait_until("a port", || {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            let ended = process.try_wait().expect("a child");
            assert!(ended.is_none(), "it has ended; log:\n{}", said());
            let ports = udp_ports_of(process.id()).unwrap_or_default();
            port = ports.into_iter().find(|port| Some(*port) != old_port);
            port.is_some()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("found")));
        Self { socket: connect(address), questions: RefCell::new(connect(address)), log }
    }

    /// Another client of the same engine.
    pub fn another(&self) -> Self {
        let (socket, questions) = (connect(self.port()), RefCell::new(connect(self.port())));
        Self { socket, questions, log: self.log.clone() }
    }

    /// Where the engine listens.
    pub fn port(&self) -> SocketAddr {
        self.socket.peer_addr().expect("it is connected")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for words in the log, which is written by a thread that nobody waits for.
    #[track_caller]
    pub fn wait_for_log(&self, words: &str) {
        let began = Instant::now();
        while !self.log().contains(words) {
            assert!(began.elapsed() < PATIENCE, "no `{words}` in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends an OSC message; the arguments are read as `chronus send` reads them.
    pub fn send(&self, address: &str, arguments: &[&str]) {
        self.send_bytes(&packet(address, arguments));
    }

    /// Sends an OSC message that takes effect after a while.
    pub fn send_at(&self, ahead: Duration, address: &str, arguments: &[&str]) {
        self.send_bytes(&bundle(ahead, &[packet(address, arguments)]));
    }

    pub fn send_bytes(&self, packet: &[u8]) {
        // Between two supervisors the system may refuse to send; the caller asks again.
        let _ = self.socket.send(packet);
    }

    /// Forgets what came and was not asked for, so that it is not taken for the next answer.
    pub fn forget_answers(&self) {
        self.socket.set_nonblocking(true).expect("it does not wait");
        while self.socket.recv(&mut [0]).is_ok() {}
        self.socket.set_nonblocking(false).expect("it waits");
    }

    /// The next answer or event, which must come.
    #[track_caller]
    pub fn answer(&self) -> Reply {
        let answer = self.answer_within(PATIENCE);
        answer.unwrap_or_else(|| panic!("no answer; log:\n{}", self.log()))
    }

    /// The next answer or event, if one comes within a while.
    pub fn answer_within(&self, within: Duration) -> Option<Reply> {
        receive(&self.socket, within)
    }

    /// The next answer or event with this address; others are passed over.
    #[track_caller]
    pub fn answer_from(&self, addresses: &[&str]) -> Reply {
        let began = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(began.elapsed()) {
            let reply = self.answer_within(left.max(Duration::from_millis(1)));
            if let Some(reply) = reply.filter(|it| addresses.contains(&it.address.as_str())) {
                return reply;
            }
        }
        panic!("no {addresses:?}; log:\n{}", self.log());
    }

    /// Sends a request and waits for what is answered: the words of `/done` or of `/fail`.
    pub fn ask(&self, address: &str, arguments: &[&str]) -> Result<String, String> {
        self.forget_answers();
        self.send(address, arguments);
        loop {
            let reply = self.answer_from(&["/done", "/fail"]);
            // One may be the answer to another request, which nobody has waited for.
            if reply.args.first() == Some(&string(address)) {
                let words: Vec<_> = reply.args.iter().map(|word| format!("{word:?}")).collect();
                let words = words.join(" ");
                return if reply.address == "/done" { Ok(words) } else { Err(words) };
            }
        }
    }

    /// The same, of one that must be done.
    #[track_caller]
    pub fn done(&self, address: &str, arguments: &[&str]) -> String {
        self.ask(address, arguments).unwrap_or_else(|reason| panic!("{address}: {reason}"))
    }

    /// Asks for the status, if somebody answers soon.
    pub fn try_status(&self) -> Option<Value> {
        let status = {
            let questions = self.questions.borrow();
            let _ = questions.send(&packet("/status", &[]));
            receive(&questions, ASK_AGAIN)
        };
        if status.is_none() {
            // An answer that comes too late is not to be taken for that to a later question.
            self.questions.replace(connect(self.port()));
        }
        serde_json::from_str(status?.text_after("json")?).ok()
    }

    #[track_caller]
    pub fn status(&self) -> Value {
        self.wait_for("a status", |_| true)
    }

    /// Asks until the status is as wanted.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        let mut last = None;
        while began.elapsed() < PATIENCE {
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

    /// Waits until all replicas are there and level.
    #[track_caller]
    pub fn wait_level(&self) -> Value {
        self.wait_for("all replicas", |status| status["redundant"] == true)
    }

    /// Waits until so many more blocks have been played.
    #[track_caller]
    pub fn play_on(&self, blocks: u64) {
        let until = self.status()["frames"].as_u64().expect("frames") + blocks * BLOCK_FRAMES;
        self.wait_for("more sound", |status| status["frames"].as_u64() >= Some(until));
    }

    /// The worker of this role.
    #[track_caller]
    pub fn worker(&self, role: &str) -> Worker {
        let status = self.wait_for(role, |status| find_role(status, role).is_some());
        find_role(&status, role).expect("found")
    }

    #[track_caller]
    pub fn pid_of(&self, role: &str) -> u32 {
        self.worker(role).pid
    }

    /// Waits until this worker is gone and all replicas are level. Others may come and go meanwhile: a worker is
    /// known by its process, not by how many have died.
    #[track_caller]
    pub fn wait_replaced(&self, worker: Worker) -> Value {
        self.wait_for(&format!("another in the place of {worker:?}"), |status| {
            let is_there = replicas(status).any(|replica| replica == worker);
            status["redundant"] == true && !is_there
        })
    }

    /// Sends a signal from outside to the worker of this role, once all are level; waits until it is gone and
    /// replaced.
    #[track_caller]
    pub fn lose(&self, role: &str, signal: &str) -> Worker {
        self.wait_level();
        let worker = self.worker(role);
        Engine::signal(worker.pid, signal);
        self.wait_replaced(worker);
        worker
    }

    /// Has the worker of this role come to harm by an order of this address, once all are level; waits until it is
    /// gone and replaced.
    #[track_caller]
    pub fn harm(&self, address: &str, role: &str, how: &[&str]) -> Worker {
        self.wait_level();
        let worker = self.worker(role);
        let slot = worker.slot.to_string();
        self.send(address, &[&[slot.as_str()], how].concat());
        self.wait_replaced(worker);
        worker
    }
}

/// The turn of who starts an engine by another way.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// An engine that pulls as fast as its replicas deliver, recorded and journaled.
    #[track_caller]
    pub fn free_running(arguments: &[&str]) -> Self {
        Self::launch(&[&["--output", "wav:a.wav", "--free-run"], arguments].concat(), &[], None)
    }

    /// An engine in real time, recorded and journaled.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        let always = [&["--output", "wav:a.wav"][..], &LONG_LEAD].concat();
        Self::launch(&[&always, arguments].concat(), &[], None)
    }

    /// A journaled engine with an output, an environment and, if it shall not be a file, a standard error of
    /// its own.
    #[track_caller]
    pub fn launch(arguments: &[&str], environment: &[(&str, &str)], errors: Option<Stdio>) -> Self {
        let turn = turn();
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        let log = File::create(&path).expect("log");
        let mut process = Command::new(env!("CARGO_BIN_EXE_chronus"))
            .current_dir(folder.path())
            .args(["run", "--journal", "a.journal"])
            .args(["--allow-chaos", "--osc", ANY_PORT])
            .args(arguments)
            .env("CHRONUS_LOG", "warn,chronus=debug")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(errors.unwrap_or(log.into()))
            .spawn()
            .expect("the engine starts");
        let client = Client::of(&mut process, path);
        let engine = Self { _turn: turn, process, folder, client };
        engine.wait_for("the first sound", |status| status["frames"].as_u64() > Some(0));
        engine
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

    /// Sends a signal as anybody could, from outside.
    #[track_caller]
    pub fn signal(pid: u32, signal: &str) {
        let sent = Watched::open(pid).and_then(|process| process.signal(number_of(signal)));
        sent.unwrap_or_else(|error| panic!("SIG{signal} to {pid}: {error}"));
    }

    /// Sends a signal to several processes, one right after the other.
    #[track_caller]
    pub fn signal_all(pids: &[u32], signal: &str) {
        let open = |pid: &u32| Watched::open(*pid).expect("it is there");
        let processes: Vec<_> = pids.iter().map(open).collect();
        for process in processes {
            // One may have died with another.
            let _ = process.signal(number_of(signal));
        }
    }

    /// Kills workers and checkpoints until nobody is left who has the state, and a fresh worker begins; returns how
    /// it is when all are level again. A fork that was just being made may survive, so it is tried again.
    #[track_caller]
    pub fn kill_everybody(&self) -> Value {
        let count = |status: &Value, name: &str| status[name].as_u64().expect("a count");
        let fresh_starts = count(&self.status(), "fresh_starts");
        loop {
            let before = self.wait_level();
            let workers: Vec<_> = replicas(&before).collect();
            self.send("/chaos/kill", &["everybody"]);
            let after = self.wait_for("others", |status| {
                status["redundant"] == true && !replicas(status).any(|it| workers.contains(&it))
            });
            if count(&after, "fresh_starts") > fresh_starts {
                return after;
            }
        }
    }

    /// Ends the engine by SIGTERM and waits.
    pub fn end(&mut self) -> ExitStatus {
        Self::signal(self.process.id(), "TERM");
        self.process.wait().expect("it ends")
    }

    /// Ends the engine and compares each sample that was played with the offline rendering.
    #[track_caller]
    pub fn end_and_compare(self) -> Comparison {
        self.end_and_compare_in().1
    }

    /// The same, and the engine's folder stays until the caller drops the engine.
    #[track_caller]
    pub fn end_and_compare_in(self) -> (Self, Comparison) {
        let (engine, expected) = self.end_and_render();
        let played = samples(&engine.folder.path().join("a.wav"));
        assert_eq!(played.len(), expected.len(), "as long as the journal says");
        let pairs = played.chunks(2).zip(expected.chunks(2)).enumerate();
        let different = pairs
            .filter(|(_, (a, b))| a.iter().zip(*b).any(|(a, b)| a.to_bits() != b.to_bits()))
            .map(|(frame, _)| frame as u64)
            .collect();
        let gaps = gaps::gaps(&engine.folder.path().join("a.journal"));
        (engine, Comparison { played, different, gaps })
    }

    /// Ends the engine and renders its journal.
    #[track_caller]
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
        let log = || self.log();
        assert!(complaint.is_empty(), "the journal is complete: {complaint}; log:\n{}", log());
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
    /// Blocks that nobody had in time, as the journal tells.
    pub gaps: Vec<u64>,
}

impl Comparison {
    /// Not one frame differs, and it was sound that was compared.
    #[track_caller]
    pub fn assert_identical(&self) {
        let first = self.different.first();
        assert_eq!(self.different.len(), 0, "frames differ, the first is {first:?}");
        assert_eq!(self.gaps, [0_u64; 0], "nobody had these blocks in time");
        self.assert_loud();
    }

    /// In real time: nothing differs but gaps of the machine's own making, and it was sound that was compared.
    #[track_caller]
    pub fn assert_only_gaps_differ(&self) {
        let is_gap = |frame: &&u64| gaps::is_near(**frame / BLOCK_FRAMES, &self.gaps);
        let other = self.different.iter().find(|frame| !is_gap(frame));
        assert_eq!(other, None, "a frame differs, and the gaps are {:?}", self.gaps);
        self.assert_loud();
    }

    #[track_caller]
    fn assert_loud(&self) {
        let loud = self.played.iter().filter(|sample| sample.abs() > 0.05).count();
        assert!(loud > 1000, "silence proves nothing: {loud} loud samples");
    }
}

fn connect(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
    socket.connect(address).expect("connect");
    socket
}

fn receive(socket: &UdpSocket, within: Duration) -> Option<Reply> {
    let began = Instant::now();
    let mut packet = vec![0; chronus_osc::MOST_DATAGRAM_BYTES];
    while let Some(left) = within.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left)).expect("timeout");
        match socket.recv(&mut packet) {
            Ok(length) => return parse_reply(&packet[..length]),
            // Nobody may listen for a moment.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(_) => {}
        }
    }
    None
}

pub fn packet(address: &str, arguments: &[&str]) -> Vec<u8> {
    let words: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    message(address, encode_arguments(&words).expect("arguments")).expect("message")
}

/// Messages that take effect together after a while.
pub fn bundle(ahead: Duration, messages: &[Vec<u8>]) -> Vec<u8> {
    let time = std::time::SystemTime::now() + ahead;
    let time = time.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seconds = (time.as_secs() as u32).wrapping_add(2_208_988_800);
    let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
    bundle_at(u64::from(seconds) << 32 | fraction, messages)
}

/// The time of what takes effect at once.
pub const AT_ONCE: u64 = 1;

/// Messages that take effect together at this time of NTP.
pub fn bundle_at(time: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bundle = b"#bundle\0".to_vec();
    bundle.extend(time.to_be_bytes());
    for message in messages {
        bundle.extend((message.len() as u32).to_be_bytes());
        bundle.extend(message);
    }
    bundle
}

fn number_of(signal: &str) -> i32 {
    chronus_os::child::signal_number(signal).expect("a signal")
}

/// The workers that a status tells of.
pub fn replicas(status: &Value) -> impl Iterator<Item = Worker> + '_ {
    status["replicas"].as_array().into_iter().flatten().filter_map(worker_of)
}

fn worker_of(replica: &Value) -> Option<Worker> {
    Some(Worker { pid: replica["pid"].as_u64()? as u32, slot: replica["slot"].as_u64()? })
}

pub fn find_role(status: &Value, role: &str) -> Option<Worker> {
    let replicas = status["replicas"].as_array()?;
    worker_of(replicas.iter().find(|replica| replica["role"] == role)?)
}

/// Whether a process with this id exists and is not a zombie.
pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

/// The samples of a WAV file.
#[track_caller]
pub fn samples(path: &Path) -> Vec<f32> {
    let reader = hound::WavReader::open(path).expect("a WAV file");
    reader.into_samples().collect::<Result<_, _>>().expect("samples")
}

pub fn string(text: &str) -> OscType {
    OscType::String(text.to_owned())
}
