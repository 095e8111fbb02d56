//! What the tests of the outputs share: a source whose every frame is known, and private sound servers
//! that end with the test.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use chronus_output::{CHANNELS, Options, OutputSpec, Source, connect};

/// One step of the ramp. A power of two, so that frame numbers up to 2^24 are exact samples below 1.
pub const STEP: f32 = 1.0 / 16_777_216.0;

/// A source whose frame n, counted from 1, is (n, -n) steps; any slip is a visible discontinuity.
#[derive(Clone, Default)]
pub struct Ramp {
    /// Frames handed out.
    pub frames: Arc<AtomicU64>,
    /// Calls of `consumed`.
    pub consumed: Arc<AtomicU64>,
}

impl Source for Ramp {
    fn fill(&mut self, interleaved: &mut [f32]) {
        let (frames, _) = interleaved.as_chunks_mut::<CHANNELS>();
        let first = self.frames.fetch_add(frames.len() as u64, SeqCst) + 1;
        for (frame, number) in frames.iter_mut().zip(first..) {
            let sample = number as f32 * STEP;
            *frame = [sample, -sample];
        }
    }

    fn consumed(&mut self) {
        self.consumed.fetch_add(1, SeqCst);
    }
}

/// The frame number that a frame of the ramp carries; 0 for silence. Panics if it is no frame of the ramp.
pub fn ramp_number([left, right]: [f32; CHANNELS]) -> u64 {
    assert_eq!(left, -right, "not a frame of the ramp");
    let number = left / STEP;
    assert!(number >= 0.0 && number.fract() == 0.0, "not a frame of the ramp: {number}");
    number as u64
}

/// Asserts that `frames` are the ramp from its first frame on, every frame once and in order.
pub fn assert_is_ramp(frames: &[[f32; CHANNELS]]) {
    for (&frame, number) in frames.iter().zip(1..) {
        assert_eq!(ramp_number(frame), number);
    }
}

/// All frames of a 32-bit float stereo WAV file.
pub fn read_wav(path: &Path) -> Vec<[f32; CHANNELS]> {
    let mut reader = hound::WavReader::open(path).expect("a WAV file that can be read");
    assert_eq!(reader.spec().channels, 2);
    assert_eq!(reader.spec().sample_format, hound::SampleFormat::Float);
    let samples: Vec<f32> = reader.samples().map(Result::unwrap).collect();
    samples.as_chunks().0.to_vec()
}

/// Waits until `condition` holds; panics with `what` after ten seconds.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Plays to `spec`, ends its server, and checks that the loss is reported under the server's name, once.
pub fn assert_loss_is_reported(
    spec: &OutputSpec,
    options: &Options,
    server: &mut Process,
    server_name: &str,
) {
    let mut device = connect(spec, options).unwrap();
    let ramp = Ramp::default();
    device.start(Box::new(ramp.clone())).unwrap();
    wait_for("frames are pulled", || ramp.frames.load(SeqCst) > 0);
    server.end();
    wait_for("the loss is noticed", || device.stats().lost.is_some());
    let report = device.stop().unwrap();
    assert!(report.lost.as_ref().unwrap().contains(server_name), "{:?}", report.lost);
    assert_eq!(device.stop().unwrap(), report, "stopping twice is stopping once");
}

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
        let mut command = Command::new("pulseaudio");
        command
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"])
            .arg("--load=module-native-protocol-unix")
            .arg(format!(
                "--load=module-null-sink sink_name=n rate={rate_hz} format=float32le channels=2"
            ))
            .stdout(Stdio::null());
        let process = Process::start(in_folder(&mut command, folder.path()))?;
        let server = Self { process, folder };
        wait_for("PulseAudio listens", || {
            std::os::unix::net::UnixStream::connect(server.socket()).is_ok()
        });
        Some(server)
    }

    fn socket(&self) -> PathBuf {
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
    name: String,
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
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("chronus-{test}-{}", std::process::id());
        let mut command = Command::new("jackd");
        // Synchronous: on a busy machine the server waits for a late client, where it would otherwise go on
        // and leave one client's period out of the other's recording.
        command
            .args(["--no-realtime", "--sync", "--timeout", "5000", "-n", &name, "-d", "dummy"])
            .args(["-r", &rate_hz.to_string(), "-p", &period_frames.to_string()])
            .env("JACK_NO_AUDIO_RESERVATION", "1")
            .stdout(Stdio::null());
        let process = Process::start(&mut command)?;
        let server = Self { process, name, _alone: alone };
        wait_for("JACK serves", || connect(&OutputSpec::Jack, &server.options()).is_ok());
        Some(server)
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
