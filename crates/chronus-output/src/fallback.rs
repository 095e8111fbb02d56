//! A device that can be heard, with `null` in its place while it is away, so that time goes on: what the
//! owner sees of it. The devices themselves are in the hands of a thread ([`crate::minder`]), since it may
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
    Device, DeviceStats, News, Options, OutputError, OutputSpec, Source, StopReport,
    minder::{Charge, Minder},
    relay::Relay,
};

/// News that may wait for the owner.
const NEWS: usize = 16;
/// A device whose server has died may never be closed; it is not waited for longer.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// What the owner and the minder share. The counts are for people, and relaxed.
#[derive(Default)]
pub(crate) struct Shared {
    pub stop: AtomicBool,
    /// Whoever may be playing says when frames are consumed.
    pub self_paced: AtomicBool,
    pub xruns: AtomicU64,
}

/// See the file's head.
pub(crate) struct Fallback {
    /// Until it is started.
    device: Option<Box<dyn Device>>,
    rate_hz: u32,
    period_frames: Option<u32>,
    description: String,
    note: Option<String>,
    away: bool,
    shared: Arc<Shared>,
    charges: Producer<Charge>,
    news: Consumer<News>,
    relay: Option<Arc<Relay>>,
    minder: Option<JoinHandle<Result<(), OutputError>>>,
    report: DeviceStats,
}

impl Fallback {
    /// Takes care of `device`, which was reached as `spec`.
    pub fn new(
        device: Box<dyn Device>,
        spec: &OutputSpec,
        options: &Options,
    ) -> Result<Self, OutputError> {
        let shared = Arc::<Shared>::default();
        shared.self_paced.store(device.self_paced(), Release);
        let (charges, charges_out) = RingBuffer::new(1);
        let (news_in, news) = RingBuffer::new(NEWS);
        // What plays in its place, and the device when it comes back, must keep the rate.
        let options = Options { rate_hz: Some(device.rate_hz()), ..options.clone() };
        let minder = Minder::new(spec.clone(), options, shared.clone(), charges_out, news_in);
        // Started here and not with the device: the owner may have a real-time priority by then, which a
        // thread inherits.
        let spawned =
            thread::Builder::new().name("chronus-device".into()).spawn(move || minder.run());
        let minder = spawned.map_err(|source| OutputError::Thread { what: "device", source })?;
        Ok(Self {
            rate_hz: device.rate_hz(),
            period_frames: device.period_frames(),
            description: device.describe(),
            note: device.note(),
            away: false,
            device: Some(device),
            shared,
            charges,
            news,
            relay: None,
            minder: Some(minder),
            report: DeviceStats::default(),
        })
    }

    fn join(&mut self) -> Result<(), OutputError> {
        let Some(minder) = self.minder.take() else { return Ok(()) };
        self.shared.stop.store(true, Release);
        minder.thread().unpark();
        let give_up = Instant::now() + STOP_WITHIN;
        while !minder.is_finished() {
            if Instant::now() >= give_up {
                tracing::warn!("{} does not let itself be closed", self.description);
                return Ok(());
            }
            thread::sleep(Duration::from_millis(1));
        }
        minder.join().unwrap_or(Ok(()))
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
        if self.away {
            return format!("null: no sound until it is back: {}", self.description);
        }
        self.description.clone()
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
        let news = self.news.pop().ok()?;
        match news {
            News::Lost(_) => self.away = true,
            News::Back(description) => {
                self.away = false;
                self.description.clear();
                self.description.push_str(&description);
            }
            News::Refused(_) => {}
        }
        Some(news)
    }

    fn start(&mut self, source: Box<dyn Source>) -> Result<(), OutputError> {
        let mut device = self.device.take().ok_or(OutputError::AlreadyStarted)?;
        let relay = Relay::new(source);
        relay.give(1, 0);
        device.start(Box::new(relay.hand(1)))?;
        self.note = device.note();
        self.period_frames = device.period_frames();
        self.description = device.describe();
        self.relay = Some(relay.clone());
        if self.charges.push(Charge { device, relay }).is_err() {
            return Err(OutputError::AlreadyStarted);
        }
        if let Some(minder) = &self.minder {
            minder.thread().unpark();
        }
        Ok(())
    }

    fn stats(&self) -> DeviceStats {
        let Some(relay) = &self.relay else { return self.report.clone() };
        let (periods, frames) = relay.taken();
        let lost = if relay.is_broken() {
            Some("the source of the sound panicked; the device plays silence".into())
        } else if self.minder.as_ref().is_some_and(JoinHandle::is_finished) {
            Some("the thread that minds the device has ended unexpectedly".into())
        } else {
            None
        };
        let xruns = self.shared.xruns.load(Relaxed);
        DeviceStats { xruns, periods, frames, lost, recordings: Vec::new() }
    }

    fn stop(&mut self) -> Result<StopReport, OutputError> {
        self.device = None;
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
