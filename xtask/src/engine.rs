//! A real engine in a folder of its own, driven over OSC.

use std::cell::RefCell;
use std::error::Error;
use std::fs::{File, Permissions};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chronus_os::clock;
use chronus_os::memfd::Memfd;
use chronus_os::socket::udp_ports_of;
use chronus_osc::{encode_arguments, message, parse_reply};
use chronus_shm::ledger::LedgerRegion;
use chronus_shm::region::{View, Whole as _};
use serde_json::Value;
use tempfile::TempDir;

use crate::comparison::{self, Comparison};

/// A question may go to a supervisor that dies before it answers; then it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// What does not come by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(ASK_AGAIN))?;
    Ok(socket)
}

/// The program as `cargo build --release` left it, in the target folder that this program is in too.
pub fn program() -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).unwrap_or(&own);
    std::fs::canonicalize(target.join("release/chronus"))
}

/// A running engine; killed if it is dropped before its end.
pub struct Engine {
    process: Child,
    folder: TempDir,
    address: SocketAddr,
    socket: RefCell<UdpSocket>,
    kill_took_us: Option<f64>,
    extra_deaths: u64,
}

/// A worker, known by its process: how many have died tells of any.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    /// Its slot.
    pub slot: u64,
    pid: u64,
}

impl Worker {
    /// The worker that has a role, as a status tells.
    pub fn of(status: &Value, role: &str) -> Option<Self> {
        let found = status["replicas"].as_array()?.iter().find(|it| it["role"] == role)?;
        Some(Self { slot: found["slot"].as_u64()?, pid: found["pid"].as_u64()? })
    }

    /// Whether it is there.
    pub fn is_in(self, status: &Value) -> bool {
        let mut replicas = status["replicas"].as_array().into_iter().flatten();
        replicas.any(|replica| replica["pid"].as_u64() == Some(self.pid))
    }
}

/// What a run came to.
pub struct Outcome {
    pub faults: u64,
    pub compared: u64,
    pub different: u64,
    pub status: Value,
    pub kill_median_us: f64,
    pub took: Duration,
    /// Deaths beyond one for each fault.
    pub extra_deaths: u64,
}

impl Engine {
    /// Starts an engine that keeps a journal, and waits for its first sound. It takes any port that is free, and is
    /// asked which.
    pub fn start(output: &str, arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        Self::launch(folder, Command::new(program()?), output, arguments)
    }

    /// The same, by a user who is not root and sees no processes of others. The `/proc` of that kind is the engine's
    /// alone.
    pub fn start_hidden(output: &str, arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777))?;
        let own = folder.path().join("chronus");
        std::fs::copy(program()?, own)?;
        let script = "mount -t proc -o hidepid=2 proc /proc && \
                      exec setpriv --reuid=65534 --clear-groups ./chronus \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
        Self::launch(folder, command, output, arguments)
    }

    fn launch(
        folder: TempDir,
        mut command: Command,
        output: &str,
        arguments: &[&str],
    ) -> Result<Self, Box<dyn Error>> {
        let log = folder.path().join("log");
        let mut process = command
            .current_dir(folder.path())
            .env("CHRONUS_LOG", "info")
            .args(["run", "--output", output, "--journal", "a.journal", "--allow-chaos"])
            .args(["--osc", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let begins = Instant::now();
        let port = loop {
            if let Some(port) = udp_ports_of(process.id()).ok().and_then(|it| it.first().copied()) {
                break port;
            }
            if process.try_wait()?.is_some() || begins.elapsed() > PATIENCE {
                let _ = process.kill();
                let _ = process.wait();
                return Err(std::fs::read_to_string(&log)?.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut engine = Self {
            process,
            folder,
            address,
            socket: RefCell::new(connect(address)?),
            kill_took_us: None,
            extra_deaths: 0,
        };
        while engine.ask_status().is_none_or(|status| status["frames"].as_u64() == Some(0)) {
            let has_ended = engine.process.try_wait()?.is_some();
            if has_ended || begins.elapsed() > PATIENCE {
                return Err(engine.in_vain());
            }
        }
        Ok(engine)
    }

    /// Sends a message.
    pub fn send(&self, address: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
        let words: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        // Before the engine listens, the system may refuse; the caller asks again.
        let _ = self.socket.borrow().send(&message(address, encode_arguments(&words)?)?);
        Ok(())
    }

    /// Sends a message that is answered, and waits for the answer.
    pub fn ask(&self, address: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
        self.send(address, arguments)?;
        let mut packet = vec![0; chronus_osc::MOST_DATAGRAM_BYTES];
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            let Ok(length) = self.socket.borrow().recv(&mut packet) else { continue };
            let Some(reply) = parse_reply(&packet[..length]) else { continue };
            match reply.address.as_str() {
                "/done" => return Ok(()),
                "/fail" => return Err(format!("{address} {arguments:?}: {:?}", reply.args).into()),
                _ => {}
            }
        }
        Err(format!("no answer to {address}").into())
    }

    /// Causes a fault of the worker that has a role, and waits until it has cost that worker its life and all
    /// replicas are level again, so that no two faults are ever under way at once.
    pub fn cause(&mut self, address: &str, role: &str, how: &str) -> Result<Value, Box<dyn Error>> {
        let before = self.wait_for(|status| status["redundant"] == true)?;
        let worker = Worker::of(&before, role).ok_or("no worker has this role")?;
        self.send(address, &[&worker.slot.to_string(), how])?;
        let done = self.wait_for(|status| status["redundant"] == true && !worker.is_in(status))?;
        let more = |count: &dyn Fn(&Value) -> Option<u64>| {
            count(&done).unwrap_or(0).saturating_sub(count(&before).unwrap_or(0))
        };
        // More than one death for one fault would be a fault of the engine's own making, or the machine's.
        self.extra_deaths += more(&|status| status["respawns"].as_u64()).saturating_sub(1);
        // If others were late meanwhile, the last figure may be theirs.
        let figures = more(&|status| status["redundancy"]["count"].as_u64());
        let is_its_own = how == "KILL" && figures == 1;
        self.kill_took_us = is_its_own.then(|| done["redundancy"]["last_us"].as_f64()).flatten();
        Ok(done)
    }

    /// From the last fault to full redundancy, in microseconds, if that fault was a SIGKILL.
    pub fn kill_took_us(&self) -> Option<f64> {
        self.kill_took_us
    }

    /// Asks how it is.
    pub fn status(&self) -> Result<Value, Box<dyn Error>> {
        self.wait_for(|_| true)
    }

    /// Asks until the status is as wanted.
    pub fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value, Box<dyn Error>> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let Some(status) = self.ask_status() else { continue };
            if wanted(&status) {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Err(self.in_vain())
    }

    fn ask_status(&self) -> Option<Value> {
        self.send("/status", &[]).ok()?;
        let mut packet = vec![0; chronus_osc::MOST_DATAGRAM_BYTES];
        let Ok(length) = self.socket.borrow().recv(&mut packet) else {
            // An answer that comes too late is not to be taken for that to a later question.
            self.socket.replace(connect(self.address).ok()?);
            return None;
        };
        let reply = parse_reply(&packet[..length])?;
        serde_json::from_str(reply.text_after("json")?).ok()
    }

    fn in_vain(&self) -> Box<dyn Error> {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(40)..];
        format!("waited in vain; the end of the engine's log:\n{}", last.join("\n")).into()
    }

    /// Per cent of a core used by the supervisor and by all workers, over `length`.
    pub fn cpu_share(&self, length: Duration) -> Result<(f64, f64), Box<dyn Error>> {
        let status = self.status()?;
        let replicas = status["replicas"].as_array().ok_or("no replicas")?;
        let workers: Vec<u32> =
            replicas.iter().filter_map(|replica| Some(replica["pid"].as_u64()? as u32)).collect();
        let supervisor = status["supervisor_pid"].as_u64().ok_or("no supervisor")? as u32;
        let used = || {
            let supervisor = clock::process_cpu_ns(supervisor).unwrap_or(0);
            let workers = workers.iter().filter_map(|pid| clock::process_cpu_ns(*pid)).sum::<u64>();
            (supervisor, workers)
        };
        let (before, start) = (used(), Instant::now());
        std::thread::sleep(length);
        let (after, ns) = (used(), start.elapsed().as_nanos() as f64);
        let share = |after: u64, before: u64| (after - before) as f64 / ns * 100.0;
        Ok((share(after.0, before.0), share(after.1, before.1)))
    }

    /// A socket of its own for who sends beside the others.
    pub fn another_socket(&self) -> std::io::Result<UdpSocket> {
        connect(self.address)
    }

    /// Ends it by SIGTERM, renders its journal, and compares every frame.
    pub fn end(
        &mut self,
        faults: u64,
        status: Value,
        kill_median_us: f64,
        took: Duration,
    ) -> Result<Outcome, Box<dyn Error>> {
        let found = self.end_and_compare()?;
        Ok(Outcome {
            faults,
            compared: found.frames,
            different: found.different.len() as u64,
            status,
            kill_median_us,
            took,
            extra_deaths: self.extra_deaths,
        })
    }

    /// The same.
    pub fn end_and_compare(&mut self) -> Result<Comparison, Box<dyn Error>> {
        let terminate = chronus_os::child::signal_number("TERM").ok_or("no SIGTERM")?;
        chronus_os::child::Child::open(self.process.id())?.signal(terminate)?;
        self.process.wait()?;
        self.tell_of_gaps();
        let program = program()?;
        let rendered = Command::new(program)
            .current_dir(self.folder.path())
            .args(["render", "a.journal", "-o", "b.wav"])
            .output()?;
        if !rendered.status.success() {
            return Err(String::from_utf8_lossy(&rendered.stderr).into_owned().into());
        }
        comparison::compare(self.folder.path(), ("a.wav", "b.wav"), &self.log())
    }

    /// What the engine said shortly before and after each gap that it told of.
    fn tell_of_gaps(&self) {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        for (index, _) in lines.iter().enumerate().filter(|(_, line)| line.contains("gap:")) {
            for line in &lines[index.saturating_sub(25)..(index + 8).min(lines.len())] {
                eprintln!("{line}");
            }
            eprintln!();
        }
    }

    /// The ledger that its supervisors hand down; only to be read.
    pub fn ledger(&self) -> Result<View<LedgerRegion>, Box<dyn Error>> {
        let folder = format!("/proc/{}/fd", self.process.id());
        let is_it = |path: &PathBuf| {
            let link = std::fs::read_link(path);
            link.is_ok_and(|link| link.to_string_lossy().contains(LedgerRegion::NAME))
        };
        let mut paths = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        let path = paths.find(is_it).ok_or("the keeper has no ledger")?;
        let file = File::options().read(true).write(true).open(path)?;
        Ok(LedgerRegion::map(&Memfd::adopt(file.into())?)?)
    }

    /// Where it was started.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its performance journal.
    pub fn journal(&self) -> PathBuf {
        self.folder.path().join("a.journal")
    }

    /// The process of the keeper.
    pub fn keeper(&self) -> u32 {
        self.process.id()
    }

    /// All that the engine has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // After an orderly end there is nothing left to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
