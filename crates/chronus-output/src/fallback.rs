//! A device that can be heard, with `null` in its place while it is away, so that time goes on: what the
//! owner sees of it. The devices themselves are in the hands of a thread ([`crate::device_monitor`]), since it may
//! take seconds to close one or to open the next.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::{
    Device, DeviceStats, News, Options, OutputError, OutputSpec, Sentence, Source, StopReport,
    connector::Connector,
    device_monitor::{DeviceMonitor, StartedDevice},
    relay::Relay,
};

/// The rate of a performance that begins without a device, unless another is asked for.
const DEFAULT_RATE_HZ: u32 = 48_000;
/// News that may wait for the owner.
const NEWS: usize = 16;
/// A device whose server has died may never be closed; it is not waited for longer.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// What the owner and the monitor share. The counts are for people, and relaxed.
#[derive(Default)]
pub(crate) struct Shared {
    pub stop: AtomicBool,
    /// Whoever may be playing says when frames are consumed.
    pub self_paced: AtomicBool,
    pub xruns: AtomicU64,
}

/// Where the device is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    There,
    Away,
    /// Never was there yet.
    Awaited,
}

/// See the file's head.
pub(crate) struct Fallback {
    /// Until it is started, if it is there by then.
    device: Option<Box<dyn Device>>,
    is_started: bool,
    ready_frames: Option<u32>,
    rate_hz: u32,
    period_frames: Option<u32>,
    description: String,
    note: Option<String>,
    presence: Presence,
    /// What is told before all other news.
    first_news: Option<News>,
    shared: Arc<Shared>,
    started: Producer<StartedDevice>,
    news: Consumer<News>,
    relay: Option<Arc<Relay>>,
    monitor: Option<JoinHandle<Result<(), OutputError>>>,
    report: DeviceStats,
}

impl Fallback {
    /// Takes care of `device`, which was reached as `spec`.
    pub fn new(
        device: Box<dyn Device>,
        spec: &OutputSpec,
        options: &Options,
        connector: Connector,
    ) -> Result<Self, OutputError> {
        // What plays in its place, and the device when it comes back, must keep the rate.
        let options = Options { rate_hz: Some(device.rate_hz()), ..options.clone() };
        let mut fallback = Self::start_minder(spec, options, None, connector)?;
        fallback.shared.self_paced.store(device.self_paced(), Release);
        fallback.take_description(&*device);
        fallback.device = Some(device);
        Ok(fallback)
    }

    /// Looks for the device `spec` until it is there, which it is not for the reason `why`. If another process has
    /// played on it, it counts as lost.
    pub fn awaiting(
        spec: &OutputSpec,
        options: &Options,
        why: &OutputError,
        connector: Connector,
    ) -> Result<Self, OutputError> {
        let why = Sentence::new(&why.to_string());
        let rate_hz = options.rate_hz.unwrap_or(DEFAULT_RATE_HZ);
        let options = Options { rate_hz: Some(rate_hz), ..options.clone() };
        let is_lost = options.goes_on;
        let mut fallback = Self::start_minder(spec, options, Some(&why), connector)?;
        (fallback.presence, fallback.first_news) = if is_lost {
            (Presence::Away, Some(News::Lost(why)))
        } else {
            (Presence::Awaited, Some(News::Awaited(why)))
        };
        fallback.shared.self_paced.store(true, Release);
        fallback.description = match spec {
            OutputSpec::Auto => "a sound server".into(),
            other => other.to_string(),
        };
        Ok(fallback)
    }

    /// `said` is why the device is not there, if it is not.
    fn start_minder(
        spec: &OutputSpec,
        options: Options,
        said: Option<&Sentence>,
        connector: Connector,
    ) -> Result<Self, OutputError> {
        let shared = Arc::<Shared>::default();
        let (started, charges_out) = RingBuffer::new(1);
        let (news_in, news) = RingBuffer::new(NEWS);
        let rate_hz = options.rate_hz.unwrap_or(DEFAULT_RATE_HZ);
        let rings = (charges_out, news_in);
        let monitor =
            DeviceMonitor::new(spec.clone(), options, shared.clone(), rings, said, connector);
        // Started here and not with the device: the owner may have a real-time priority by then, which a
        // thread inherits.
        let spawned =
            thread::Builder::new().name("chronus-device".into()).spawn(move || monitor.run());
        let monitor = spawned.map_err(|source| OutputError::Thread { what: "device", source })?;
        Ok(Self {
            device: None,
            is_started: false,
            ready_frames: None,
            rate_hz,
            period_frames: None,
            description: String::new(),
            note: None,
            presence: Presence::There,
            first_news: None,
            shared,
            started,
            news,
            relay: None,
            monitor: Some(monitor),
            report: DeviceStats::default(),
        })
    }

    fn take_description(&mut self, device: &dyn Device) {
        self.note = device.note();
        self.period_frames = device.period_frames();
        self.description = device.describe();
    }

    fn join(&mut self) -> Result<(), OutputError> {
        let Some(monitor) = self.monitor.take() else { return Ok(()) };
        self.shared.stop.store(true, Release);
        monitor.thread().unpark();
        let give_up = Instant::now() + STOP_WITHIN;
        while !monitor.is_finished() {
            if Instant::now() >= give_up {
                tracing::warn!("{} does not let itself be closed", self.description);
                return Ok(());
            }
            thread::sleep(Duration::from_millis(1));
        }
        monitor.join().unwrap_or(Ok(()))
    }
}

impl Device for Fallback {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn period_frames(&self) -> Option<u32> {
        self.period_frames
    }

    fn describe(&self) -> String {
        match self.presence {
            Presence::There => self.description.clone(),
            Presence::Away => format!("null: no sound until it is back: {}", self.description),
            Presence::Awaited => format!("null: no sound until it is there: {}", self.description),
        }
    }

    fn is_real(&self) -> bool {
        true
    }

    fn self_paced(&self) -> bool {
        self.shared.self_paced.load(Acquire)
    }

    fn note(&self) -> Option<String> {
        self.note.clone()
    }

    fn news(&mut self) -> Option<News> {
        let news = self.first_news.take().or_else(|| self.news.pop().ok())?;
        match news {
            News::Lost(_) => self.presence = Presence::Away,
            News::Back(description) => {
                self.presence = Presence::There;
                self.description.clear();
                self.description.push_str(&description);
            }
            News::Awaited(_) | News::Refused(_) => {}
        }
        Some(news)
    }

    fn bear(&mut self, ready_frames: u32) {
        self.ready_frames = Some(ready_frames);
    }

    fn start(&mut self, source: Box<dyn Source>) -> Result<(), OutputError> {
        if std::mem::replace(&mut self.is_started, true) {
            return Err(OutputError::AlreadyStarted);
        }
        let relay = Relay::new(source);
        let mut device = self.device.take();
        if let Some(device) = &mut device {
            relay.give(1, 0);
            device.start(Box::new(relay.hand(1)))?;
            self.take_description(&**device);
        }
        self.relay = Some(relay.clone());
        if self
            .started
            .push(StartedDevice { device, relay, ready_frames: self.ready_frames })
            .is_err()
        {
            return Err(OutputError::AlreadyStarted);
        }
        if let Some(monitor) = &self.monitor {
            monitor.thread().unpark();
        }
        Ok(())
    }

    fn stats(&self) -> DeviceStats {
        let Some(relay) = &self.relay else { return self.report.clone() };
        let (periods, frames) = relay.taken();
        let lost = if relay.is_broken() {
            Some("the source of the sound panicked; the device plays silence".into())
        } else if self.monitor.as_ref().is_some_and(JoinHandle::is_finished) {
            Some("the thread that minds the device has ended unexpectedly".into())
        } else {
            None
        };
        let xruns = self.shared.xruns.load(Relaxed);
        DeviceStats { xruns, periods, frames, lost, recordings: Vec::new() }
    }

    fn stop(&mut self) -> Result<StopReport, OutputError> {
        (self.device, self.is_started) = (None, true);
        let stopped = self.join();
        self.report = self.stats();
        // The source goes with the last who has it.
        self.relay = None;
        stopped.map(|()| self.report.clone())
    }
}

impl Drop for Fallback {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}
