//! The thread that monitors a device: it notices when the device is lost, puts `null` in its place, and
//! tries to open the device anew until that succeeds. Nobody waits for it.

use std::{
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed, Release},
    },
    thread,
    time::{Duration, Instant},
};

use chronus_units::BLOCK_FRAMES;
use rtrb::{Consumer, Producer};

use crate::{
    Device, News, Options, OutputError, OutputSpec, Sentence, connector::Connector,
    fallback::Shared, paced::Paced, relay::Relay,
};

/// How often the device is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// A device that asks for no frames for longer, and for more than four periods, is as good as lost.
const SILENT_WITHIN: Duration = Duration::from_millis(500);
/// Before it has asked for the first, it may take its time: a sink may have to play out two seconds of silence.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
/// The first attempt to have the device back comes so soon after the loss; each further one takes twice as
/// long, up to a second.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// A device that has been started, if it is there, and the source that it plays as hand 1.
pub(crate) struct StartedDevice {
    pub device: Option<Box<dyn Device>>,
    pub relay: Arc<Relay>,
    /// What the source keeps ready, if that is known.
    pub ready_frames: Option<u32>,
}

/// See the file's head.
pub(crate) struct DeviceMonitor {
    spec: OutputSpec,
    options: Options,
    connector: Connector,
    shared: Arc<Shared>,
    started: Consumer<StartedDevice>,
    news: Producer<News>,
    ready_frames: Option<u32>,
    /// The number of the last hand.
    hands: u32,
    device: Option<Playing>,
    /// What plays while the device does not.
    stand_in: Option<Box<dyn Device>>,
    /// Xruns of the devices before this one.
    xruns: u64,
    retry: Retry,
}

/// A device that plays, or may play when it asks for frames.
struct Playing {
    device: Box<dyn Device>,
    hand: u32,
    silence: Silence,
}

impl DeviceMonitor {
    pub fn new(
        spec: OutputSpec,
        options: Options,
        shared: Arc<Shared>,
        (started, news): (Consumer<StartedDevice>, Producer<News>),
        said: Option<&Sentence>,
        connector: Connector,
    ) -> Self {
        Self {
            spec,
            options,
            connector,
            shared,
            started,
            news,
            ready_frames: None,
            hands: 1,
            device: None,
            stand_in: None,
            xruns: 0,
            retry: Retry::new(said),
        }
    }

    /// Minds the device until it is told to stop.
    pub fn run(mut self) -> Result<(), OutputError> {
        let relay = loop {
            if let Ok(StartedDevice { device, relay, ready_frames }) = self.started.pop() {
                self.ready_frames = ready_frames;
                self.device = device.map(|device| Playing::new(device, 1));
                break relay;
            }
            if self.shared.stop.load(Acquire) {
                return Ok(());
            }
            thread::park();
        };
        while !self.shared.stop.load(Acquire) {
            self.look(&relay);
            thread::park_timeout(LOOK);
        }
        self.dismiss_stand_in();
        let Some(Playing { mut device, .. }) = self.device.take() else { return Ok(()) };
        let report = device.stop()?;
        self.count(report.xruns);
        Ok(())
    }

    fn look(&mut self, relay: &Arc<Relay>) {
        // A source that has panicked is no fault of the device; the owner is told by the counts.
        if relay.is_broken() {
            return;
        }
        let now = Instant::now();
        let Some(minded) = &mut self.device else {
            if self.stand_in.is_none() {
                self.stand_in(relay);
            } else if self.retry.is_due(now) {
                self.reopen(relay);
            }
            return;
        };
        let stats = minded.device.stats();
        let plays = relay.holder() == minded.hand;
        let silent = minded.silence.look(now, stats.periods);
        self.count(stats.xruns);
        if plays && self.stand_in.is_some() {
            self.welcome();
        }
        if let Some(why) = stats.lost {
            self.lose(relay, &why);
        } else if plays && silent {
            self.stand_in(relay);
            self.tell(&News::Lost(Sentence::new("it asks for no frames any more")));
        } else if !plays && self.stand_in.is_none() {
            self.stand_in(relay);
        }
    }

    /// The device is gone for good: `null` goes on at once, then the device is closed, which may take long.
    fn lose(&mut self, relay: &Arc<Relay>, why: &str) {
        let lost = self.device.take();
        if self.stand_in.is_none() {
            self.stand_in(relay);
            self.tell(&News::Lost(Sentence::new(why)));
        } else {
            relay.give(relay.holder(), 0);
            tracing::debug!("the device that was to come back is lost again: {why}");
        }
        if let Some(Playing { mut device, .. }) = lost {
            let _ = device.stop();
            self.xruns += device.stats().xruns;
        }
        self.retry.begin(Instant::now());
    }

    /// Puts `null` in the place of the device, which may take over again if it is still there.
    fn stand_in(&mut self, relay: &Arc<Relay>) {
        // Short periods, so that the one just taken leaves enough of what is ready to a device that comes.
        let options = Options { period_frames: Some(BLOCK_FRAMES as u32), ..self.options.clone() };
        let mut null = Paced::new(&options, None);
        if let Some(frames) = self.ready_frames {
            null.bear(frames);
        }
        self.hands += 1;
        let heir = self.device.as_ref().map_or(0, |minded| minded.hand);
        relay.give(self.hands, heir);
        match null.start(Box::new(relay.hand(self.hands))) {
            Ok(()) => self.stand_in = Some(Box::new(null)),
            Err(error) => tracing::error!("nothing takes the device's place yet: {error}"),
        }
        self.say_pace();
    }

    /// Whether whoever plays, or may begin to, says when frames are consumed.
    fn say_pace(&self) {
        let paced = self.device.as_ref().is_none_or(|minded| minded.device.self_paced());
        self.shared.self_paced.store(paced, Release);
        self.wake_owner();
    }

    /// Tries to have the device back.
    fn reopen(&mut self, relay: &Arc<Relay>) {
        self.hands += 1;
        let hand = self.hands;
        let rate_hz = self.options.rate_hz;
        let opened =
            self.connector.reach(&self.spec, &self.options).and_then(|(mut device, spec)| {
                if rate_hz.is_some_and(|rate_hz| rate_hz != device.rate_hz()) {
                    // It was asked before the rate was known, and is asked again.
                    return Err(OutputError::Nobody);
                }
                device.start(Box::new(relay.hand(hand)))?;
                Ok((device, spec))
            });
        match opened {
            Ok((device, spec)) => {
                // Of several that may play, the one that has begun to is looked for when it is lost.
                self.spec = spec;
                self.device = Some(Playing::new(device, hand));
                // Before it may take over: whoever watches the time must not sleep until it is woken.
                self.say_pace();
                relay.give(relay.holder(), hand);
            }
            Err(error) => {
                self.retry.failed(Instant::now());
                tracing::debug!("{error}");
                if error.is_refusal() {
                    let why = Sentence::new(&error.to_string());
                    if self.retry.is_new(&why) {
                        self.tell(&News::Refused(why));
                    }
                }
            }
        }
    }

    /// The device plays again.
    fn welcome(&mut self) {
        self.dismiss_stand_in();
        let Some(Playing { device, .. }) = &self.device else { return };
        let mut description = device.describe();
        if let Some(note) = device.note() {
            description += ". ";
            description += &note;
        }
        self.tell(&News::Back(Sentence::new(&description)));
    }

    fn dismiss_stand_in(&mut self) {
        let report = self.stand_in.take().and_then(|mut null| null.stop().ok());
        self.xruns += report.map_or(0, |report| report.xruns);
    }

    fn tell(&mut self, news: &News) {
        // The owner takes them several times a second.
        while self.news.push(*news).is_err()
            && !self.shared.stop.load(Acquire)
            && !self.news.is_abandoned()
        {
            thread::sleep(LOOK);
        }
        self.wake_owner();
    }

    fn wake_owner(&self) {
        if let Some(hook) = &self.options.on_news {
            hook();
        }
    }

    fn count(&self, xruns: u64) {
        self.shared.xruns.store(self.xruns + xruns, Relaxed);
    }
}

impl Playing {
    fn new(device: Box<dyn Device>, hand: u32) -> Self {
        let period_frames = u64::from(device.period_frames().unwrap_or(0));
        let period = Duration::from_secs(4 * period_frames) / device.rate_hz();
        Self { device, hand, silence: Silence::new(SILENT_WITHIN.max(period)) }
    }
}

/// Notices that a device asks for nothing any more. Only time in which this thread itself was run counts:
/// after a halt of the whole program nobody has asked, and nobody is to blame.
struct Silence {
    within: Duration,
    lasted: Duration,
    looked: Option<Instant>,
    periods: u64,
}

impl Silence {
    fn new(within: Duration) -> Self {
        Self { within, lasted: Duration::ZERO, looked: None, periods: 0 }
    }

    /// Looks at how often the device has asked so far.
    fn look(&mut self, now: Instant, periods: u64) -> bool {
        let since = self.looked.replace(now).map_or(Duration::ZERO, |looked| now - looked);
        if periods == self.periods {
            self.lasted += since.min(2 * LOOK);
        } else {
            self.periods = periods;
            self.lasted = Duration::ZERO;
        }
        self.lasted >= if periods == 0 { BEGIN_WITHIN.max(self.within) } else { self.within }
    }
}

/// When to try again, and what was said about it already.
struct Retry {
    due: Instant,
    pause: Duration,
    said: Option<Sentence>,
}

impl Retry {
    /// The owner knows already why the device is not there, if it is not.
    fn new(said: Option<&Sentence>) -> Self {
        Self { due: Instant::now(), pause: FIRST_RETRY, said: said.copied() }
    }

    /// The device was lost.
    fn begin(&mut self, now: Instant) {
        *self = Self { due: now + FIRST_RETRY, pause: FIRST_RETRY, said: None };
    }

    fn failed(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(LAST_RETRY);
        self.due = now + self.pause;
    }

    fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// Whether this has not been said yet, as it will have been from now on.
    fn is_new(&mut self, why: &Sentence) -> bool {
        self.said.replace(*why).as_ref() != Some(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_tried_again_ever_later_but_at_least_once_a_second() {
        let mut now = Instant::now();
        let mut retry = Retry::new(None);
        retry.begin(now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let before = now;
            while !retry.is_due(now) {
                now += Duration::from_millis(1);
            }
            pauses.push((now - before).as_millis());
            retry.failed(now);
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn what_was_said_is_said_again_only_after_another_loss() {
        let mut retry = Retry::new(None);
        let (rate, other) = (Sentence::new("another rate"), Sentence::new("something else"));
        assert!(retry.is_new(&rate) && !retry.is_new(&rate) && retry.is_new(&other));
        retry.begin(Instant::now());
        assert!(retry.is_new(&other));
    }

    #[test]
    fn a_device_is_silent_only_in_time_that_this_thread_lived_through() {
        let mut now = Instant::now();
        let mut silence = Silence::new(Duration::from_millis(100));
        assert!(!silence.look(now, 1));
        now += Duration::from_secs(5);
        assert!(!silence.look(now, 1), "the program was halted, and the device with it");
        now += Duration::from_millis(40);
        assert!(!silence.look(now, 1));
        now += Duration::from_millis(40);
        assert!(silence.look(now, 1));
        assert!(!silence.look(now, 2), "it asks again");
    }
}
