//! What a PulseAudio server really plays.

use std::{
    io::Read,
    process::Stdio,
    sync::{Arc, Mutex},
    thread,
};

use super::{
    servers::{Process, PulseServer},
    waiting::wait_until,
};

/// `parec` on the null sink's monitor and what it has captured so far.
pub struct Capture {
    _process: Process,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Capture {
    /// Begins to listen; `None` if `parec` is not installed.
    pub fn start(server: &PulseServer) -> Option<Self> {
        let mut command = server.client("parec");
        command.args(["-d", "n.monitor", "--format=float32le", "--channels=2"]);
        command.args(["--latency-msec=20", "--rate=48000"]).stdout(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let mut pipe = process.0.stdout.take().unwrap();
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let sink = bytes.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                sink.lock().unwrap().extend(&buffer[..count]);
            }
        });
        let capture = Self { _process: process, bytes };
        wait_until("parec captures the sink's silence", || !capture.frames().is_empty());
        Some(capture)
    }

    /// What it has heard so far.
    pub fn frames(&self) -> Vec<[f32; 2]> {
        let bytes = self.bytes.lock().unwrap();
        let (frames, _) = bytes.as_chunks::<8>();
        let sample = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        frames.iter().map(|frame| [sample(&frame[..4]), sample(&frame[4..])]).collect()
    }
}
