//! The device without a sound card: a thread that pulls one period after the other, paced by the system
//! clock or, running free, by the source alone. `null` is this device; `wav:FILE` is this device recorded.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread::{self, JoinHandle},
};

use chronus_os::clock::monotonic_ns;
use rustix::{
    io::Errno,
    thread::{ClockId, Timespec, clock_nanosleep_absolute},
};

use crate::{
    AudioThreadHook, CHANNELS, Device, DeviceStats, Options, OutputError, Source, StopReport,
    feed::{Counters, Feed},
    pace::Pace,
};

const DEFAULT_RATE_HZ: u32 = 48_000;
const DEFAULT_PERIOD_FRAMES: u32 = 128;

/// See the file's head.
pub(crate) struct Paced {
    rate_hz: u32,
    period_frames: u32,
    free_run: bool,
    on_audio_thread: Option<AudioThreadHook>,
    note: Option<String>,
    ready_frames: Option<u32>,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    started: bool,
    thread: Option<JoinHandle<()>>,
}

impl Paced {
    /// A device that is not running yet; `note` is what its [`Device::note`] says.
    pub fn new(options: &Options, note: Option<String>) -> Self {
        Self {
            rate_hz: options.rate_hz.unwrap_or(DEFAULT_RATE_HZ),
            period_frames: options.period_frames.unwrap_or(DEFAULT_PERIOD_FRAMES),
            free_run: options.free_run,
            on_audio_thread: options.on_audio_thread.clone(),
            note,
            ready_frames: None,
            counters: Arc::default(),
            stop: Arc::default(),
            started: false,
            thread: None,
        }
    }

    /// How it runs, for a description.
    pub fn manner(&self) -> String {
        let manner = if self.free_run { "running free" } else { "paced by the system clock" };
        format!("{} Hz, {} frames per period, {manner}", self.rate_hz, self.period_frames)
    }
}

impl Device for Paced {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn period_frames(&self) -> Option<u32> {
        Some(self.period_frames)
    }

    fn describe(&self) -> String {
        format!("null: no sound, {}", self.manner())
    }

    fn is_real(&self) -> bool {
        false
    }

    fn self_paced(&self) -> bool {
        true
    }

    fn note(&self) -> Option<String> {
        self.note.clone()
    }

    fn bear(&mut self, ready_frames: u32) {
        self.ready_frames = Some(ready_frames);
    }

    fn start(&mut self, source: Box<dyn Source>) -> Result<(), OutputError> {
        if self.started {
            return Err(OutputError::AlreadyStarted);
        }
        self.started = true;
        let hook = self.on_audio_thread.clone();
        let mut audio = AudioThread {
            feed: Feed::new(source, self.counters.clone()),
            buffer: vec![0.0; self.period_frames as usize * CHANNELS],
            rate_hz: self.rate_hz,
            period_frames: self.period_frames,
            ready_frames: self.ready_frames,
            counters: self.counters.clone(),
            stop: self.stop.clone(),
        };
        let free_run = self.free_run;
        let body = move || {
            if let Some(hook) = hook {
                hook();
            }
            if free_run { audio.run_free() } else { audio.run_paced() }
        };
        let spawned = thread::Builder::new().name("chronus-audio".into()).spawn(body);
        let thread = spawned.map_err(|source| OutputError::Thread { what: "audio", source })?;
        self.thread = Some(thread);
        Ok(())
    }

    fn stats(&self) -> DeviceStats {
        // The thread ends of itself only if the hook panicked.
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) && !self.stop.load(Relaxed) {
            self.counters.set_lost("the audio thread has ended unexpectedly");
        }
        self.counters.stats()
    }

    fn stop(&mut self) -> Result<StopReport, OutputError> {
        self.started = true;
        self.stop.store(true, Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            self.counters.set_lost("the audio thread has ended unexpectedly");
        }
        Ok(self.counters.stats())
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

struct AudioThread {
    feed: Feed,
    buffer: Vec<f32>,
    rate_hz: u32,
    period_frames: u32,
    ready_frames: Option<u32>,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
}

impl AudioThread {
    fn run_paced(&mut self) {
        let now_ns = monotonic_ns();
        let mut pace = Pace::new(self.rate_hz, self.period_frames, self.ready_frames, now_ns);
        // The flag carries no data; Acquire only pairs with the Release in `stop`.
        while !self.stop.load(Acquire) {
            sleep_until_ns(pace.deadline_ns());
            if pace.woken(monotonic_ns()) {
                self.counters.xruns.fetch_add(1, Relaxed);
                self.feed.slipped();
            }
            self.feed.fill(&mut self.buffer);
            self.feed.consumed();
        }
    }

    fn run_free(&mut self) {
        loop {
            self.feed.wait(self.period_frames as usize, &self.stop);
            // After giving up, a fill would be a gap that nobody is to hear.
            if self.stop.load(Acquire) {
                return;
            }
            self.feed.fill(&mut self.buffer);
            self.feed.consumed();
        }
    }
}

/// Sleeps until the monotonic clock shows `deadline_ns`; returns at once if it is past. Absolute, so that being
/// preempted between reading the clock and sleeping costs nothing.
pub(crate) fn sleep_until_ns(deadline_ns: u64) {
    let deadline = Timespec {
        tv_sec: (deadline_ns / 1_000_000_000) as i64,
        tv_nsec: (deadline_ns % 1_000_000_000) as i64,
    };
    while clock_nanosleep_absolute(ClockId::Monotonic, &deadline) == Err(Errno::INTR) {}
}
