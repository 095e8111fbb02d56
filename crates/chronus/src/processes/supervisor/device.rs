//! The device as the supervisor sees it: lost, back, or gone for good. It opens and closes none; a thread of
//! the device does, and tells.

use chronus_control::Event;
use chronus_os::clock;
use chronus_output::{Device, News, Sentence};
use serde::Serialize;

use super::Supervisor;
use crate::persistence::service::Output;

/// Asking the device how it is allocates, so it is done only so often.
const ASK_EVERY_NS: u64 = 250_000_000;

/// What is known of the device.
#[derive(Debug)]
pub struct DeviceWatch {
    state: State,
    /// Why it can't be heard.
    reason: Option<Sentence>,
    /// How often it was lost.
    losses: u64,
    since_ns: u64,
    asked_ns: u64,
    told: Output,
}

/// Who takes the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The device, which can be heard.
    Playing,
    /// `null` or a file, as it was asked for.
    Unheard,
    /// `null`, until the device is there for the first time.
    Waiting,
    /// `null`, until the device is back.
    Away,
    /// Nobody any more.
    Gone,
}

impl DeviceWatch {
    /// Nothing has become of the device yet; what it is now is told to `told`.
    pub fn new(device: &dyn Device, told: Output) -> Self {
        let (state, reason) = if device.is_real() {
            (State::Playing, None)
        } else {
            let why = format!("nobody hears it: {}", device.describe());
            (State::Unheard, Some(Sentence::new(&why)))
        };
        Self::beginning(state, reason.as_ref(), told)
    }

    fn beginning(state: State, reason: Option<&Sentence>, told: Output) -> Self {
        Self { state, reason: reason.copied(), losses: 0, since_ns: 0, asked_ns: 0, told }
    }

    /// Whether somebody may hear it.
    pub fn is_playing(&self) -> bool {
        self.state == State::Playing
    }

    fn enter(&mut self, state: State, reason: Option<&Sentence>, now_ns: u64) {
        // One that is away, and then gone for good, was lost once, and has been away since then.
        let is_there = |state| !matches!(state, State::Away | State::Gone);
        if is_there(self.state) || is_there(state) {
            self.losses += u64::from(!is_there(state));
            self.since_ns = now_ns;
        }
        (self.state, self.reason) = (state, reason.copied());
    }

    /// As the player sees it. If it `runs_free`, nobody hears it at the moment.
    pub fn status(&self, now_ns: u64, runs_free: bool) -> DeviceStatus {
        let state = match self.state {
            State::Playing if runs_free => "freewheeling",
            State::Playing => "playing",
            State::Unheard => "unheard",
            State::Waiting => "waiting",
            State::Away => "away",
            State::Gone => "gone",
        };
        DeviceStatus {
            state,
            reason: self.reason.map(|reason| reason.to_string()),
            losses: self.losses,
            away_s: match self.state {
                State::Playing | State::Unheard => 0.0,
                State::Waiting | State::Away | State::Gone => {
                    now_ns.saturating_sub(self.since_ns) as f64 / 1e9
                }
            },
        }
    }
}

/// The device, as the player sees it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeviceStatus {
    /// playing, freewheeling (as fast as it can, for an export), unheard (`null` or a file takes the frames), waiting
    /// (it is not there yet), away (it was lost and is not back yet) or gone (nobody takes the frames).
    pub state: &'static str,
    /// Why it can't be heard.
    pub reason: Option<String>,
    /// How often it was lost.
    pub losses: u64,
    /// For how long it has not been there.
    pub away_s: f64,
}

impl Supervisor {
    /// Hears what has become of the device, and says so.
    pub(super) fn watch_device(&mut self) {
        let now_ns = clock::monotonic_ns();
        while let Some(news) = self.device.news() {
            self.take_news(&news, now_ns);
        }
        if self.device_watch.state != State::Gone
            && now_ns >= self.device_watch.asked_ns + ASK_EVERY_NS
        {
            self.device_watch.asked_ns = now_ns;
            self.device_watch.told.tell(&self.device.describe());
            if let Some(why) = self.device.stats().lost {
                tracing::error!("the audio device is gone: {why}");
                self.device_watch.enter(State::Gone, Some(&Sentence::new(&why)), now_ns);
                self.tell_device("gone", &why);
            }
        }
    }

    fn take_news(&mut self, news: &News, now_ns: u64) {
        match news {
            News::Awaited(why) => {
                tracing::warn!(
                    "no sound yet: {why}; time goes on, and it is looked for until it is there"
                );
                self.device_watch.enter(State::Waiting, Some(why), now_ns);
            }
            News::Lost(why) => {
                tracing::error!(
                    "the audio device is lost: {why}; time goes on without a sound, and it is tried again"
                );
                self.device_watch.enter(State::Away, Some(why), now_ns);
                self.device_clock.restart(now_ns);
                self.tell_device("lost", why);
            }
            News::Refused(why) => {
                tracing::warn!("the audio device can't be had yet: {why}; it is tried again");
                self.device_watch.reason = Some(*why);
                self.tell_device("refused", why);
            }
            News::Back(what) => {
                let how = if self.device_watch.state == State::Waiting { "there" } else { "back" };
                tracing::info!("the audio device is {how}: {what}");
                self.device_watch.enter(State::Playing, None, now_ns);
                self.device_clock.restart(now_ns);
                self.tell_device("back", what);
            }
        }
    }

    fn tell_device(&self, what: &str, text: &str) {
        self.tell(&Event::Device { what: what.to_owned(), text: text.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_lost_once_whatever_becomes_of_it() {
        let mut watch = DeviceWatch::beginning(State::Playing, None, Output::default());
        let mut told = |state, now_ns| {
            watch.enter(state, None, now_ns);
            let status = watch.status(10_000_000_000, false);
            (status.state, status.losses, status.away_s)
        };
        assert_eq!(told(State::Away, 1_000_000_000), ("away", 1, 9.0));
        assert_eq!(told(State::Gone, 4_000_000_000), ("gone", 1, 9.0));
        assert_eq!(told(State::Playing, 5_000_000_000), ("playing", 1, 0.0));
        assert_eq!(told(State::Away, 8_000_000_000), ("away", 2, 2.0));
    }
}
