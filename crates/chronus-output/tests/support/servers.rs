//! Private sound servers that end with the test.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use chronus_output::{Options, OutputSpec, connect};

use super::waiting::wait_until;

/// A process that is killed and reaped at the end of its scope.
pub struct Process(pub Child);

impl Process {
    /// Starts `command` in silence; `None`, with a word on stderr, if the program is not installed.
    pub fn start(command: &mut Command) -> Option<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        match command.stdin(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(child) => Some(Self(child)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("skipped: {name} is not installed");
                None
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }

    /// Ends it at once, by SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Halts it, or has it go on.
    pub fn halt(&self, halt: bool) {
        use rustix::process::{Pid, Signal, kill_process};
        let signal = if halt { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_child(&self.0), signal).expect("the process is there");
    }

    /// Ends it as a person would, and waits; by force if it does not listen.
    pub fn end(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_secs(3);
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.0.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A PulseAudio server with the null sink `n`, in a folder of its own.
pub struct PulseServer {
    pub process: Process,
    folder: tempfile::TempDir,
}

impl PulseServer {
    /// `None` if PulseAudio is not installed.
    pub fn start(rate_hz: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let process = Self::launch(folder.path(), rate_hz)?;
        Some(Self { process, folder })
    }

    /// Starts it anew after its end.
    pub fn restart(&mut self, rate_hz: u32) {
        self.process = Self::launch(self.folder.path(), rate_hz).expect("it was installed before");
    }

    fn launch(folder: &Path, rate_hz: u32) -> Option<Process> {
        let mut command = Command::new("pulseaudio");
        command
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"])
            .arg("--load=module-native-protocol-unix")
            .arg(format!(
                "--load=module-null-sink sink_name=n rate={rate_hz} format=float32le channels=2"
            ))
            .stdout(Stdio::null());
        let process = Process::start(in_folder(&mut command, folder))?;
        wait_until("PulseAudio listens", || {
            std::os::unix::net::UnixStream::connect(folder.join("pulse/native")).is_ok()
        });
        Some(process)
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("pulse/native")
    }

    /// Options that lead to this server.
    pub fn options(&self) -> Options {
        Options { pulse_socket: Some(self.socket()), ..Options::default() }
    }

    /// A client program of this server.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        in_folder(&mut command, self.folder.path());
        command
    }
}

fn in_folder<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command
        .env("HOME", folder)
        .env("XDG_RUNTIME_DIR", folder)
        .env("PULSE_RUNTIME_PATH", folder.join("pulse"))
        .env_remove("PULSE_SERVER")
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
}

/// A JACK server with the dummy driver. One at a time: libjack's globals are those of one server.
pub struct JackServer {
    pub process: Process,
    /// Its name.
    pub name: String,
    waits: bool,
    _alone: MutexGuard<'static, ()>,
}

impl Drop for JackServer {
    /// Removes the semaphores that the server leaves of clients it outlived.
    fn drop(&mut self) {
        self.process.end();
        for file in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with("jack_sem") && name.contains(&self.name) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

impl JackServer {
    /// `test` makes the name unique within this process. `None` if `jackd` is not installed.
    pub fn start(test: &str, rate_hz: u32, period_frames: u32) -> Option<Self> {
        Self::start_as(test, rate_hz, period_frames, true)
    }

    /// The same, of one that waits for no client, as it is by default: it does not wait for a dead one, either.
    pub fn start_impatient(test: &str, rate_hz: u32, period_frames: u32) -> Option<Self> {
        Self::start_as(test, rate_hz, period_frames, false)
    }

    fn start_as(test: &str, rate_hz: u32, period_frames: u32, waits: bool) -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("chronus-{test}-{}", std::process::id());
        let process = Self::launch(&name, rate_hz, period_frames, waits)?;
        let server = Self { process, name, waits, _alone: alone };
        wait_until("JACK serves", || server.serves());
        Some(server)
    }

    /// Whether it takes clients.
    fn serves(&self) -> bool {
        // One that has to be waited for says so first.
        connect(&OutputSpec::Jack, &self.options()).is_ok_and(|mut device| device.news().is_none())
    }

    /// Starts it anew after its end.
    pub fn restart(&mut self, rate_hz: u32, period_frames: u32) {
        let launched = Self::launch(&self.name, rate_hz, period_frames, self.waits);
        self.process = launched.expect("it was installed before");
    }

    fn launch(name: &str, rate_hz: u32, period_frames: u32, waits: bool) -> Option<Process> {
        let mut command = Command::new("jackd");
        // Synchronous: on a busy machine the server waits for a late client, where it would otherwise go on
        // and leave one client's period out of the other's recording.
        command
            .arg("--no-realtime")
            .args(if waits { &["--sync", "--timeout", "5000"][..] } else { &[] })
            .args(["-n", name, "-d", "dummy"])
            .args(["-r", &rate_hz.to_string(), "-p", &period_frames.to_string()])
            .env("JACK_NO_AUDIO_RESERVATION", "1")
            .stdout(Stdio::null());
        Process::start(&mut command)
    }

    /// Options that lead to this server.
    pub fn options(&self) -> Options {
        Options { jack_server: Some(self.name.clone()), ..Options::default() }
    }

    /// A client program of this server.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("JACK_DEFAULT_SERVER", &self.name);
        command
    }
}
