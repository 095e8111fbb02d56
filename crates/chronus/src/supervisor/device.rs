//! The device as the supervisor sees it: lost, back, or gone for good. It opens and closes none; a thread of
//! the device does, and tells.

use chronus_os::clock;
use chronus_osc::Value;
use chronus_output::{News, Sentence};
use serde::Serialize;

use super::Supervisor;

/// Asking the device how it is allocates, so it is done only so often.
const ASK_EVERY_NS: u64 = 250_000_000;

/// What is known of the device.
#[derive(Debug, Default)]
pub struct DeviceWatch {
    state: State,
    /// Why it is away.
    reason: Option<Sentence>,
    /// How often it was lost.
    losses: u64,
    since_ns: u64,
    asked_ns: u64,
}

/// Who takes the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The device.
    #[default]
    Playing,
    /// `null`, until the device is back.
    Away,
    /// Nobody any more.
    Gone,
}

impl DeviceWatch {
    fn enter(&mut self, state: State, reason: Option<&Sentence>, now_ns: u64) {
        // One that is away, and then gone for good, was lost once, and has been away since then.
        if self.state == State::Playing || state == State::Playing {
            self.losses += u64::from(state != State::Playing);
            self.since_ns = now_ns;
        }
        (self.state, self.reason) = (state, reason.copied());
    }

    /// As the player sees it.
    pub fn status(&self, now_ns: u64) -> DeviceStatus {
        let state = match self.state {
            State::Playing => "playing",
            State::Away => "away",
            State::Gone => "gone",
        };
        DeviceStatus {
            state,
            reason: self.reason.map(|reason| reason.to_string()),
            losses: self.losses,
            away_s: match self.state {
                State::Playing => 0.0,
                _ => now_ns.saturating_sub(self.since_ns) as f64 / 1e9,
            },
        }
    }
}

/// The device, as the player sees it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeviceStatus {
    /// playing, away (frames are taken without a sound until it is back) or gone (nobody takes them).
    pub state: &'static str,
    /// Why it does not play.
    pub reason: Option<String>,
    /// How often it was lost.
    pub losses: u64,
    /// For how long it has been away.
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
            if let Some(why) = self.device.stats().lost {
                tracing::error!("the audio device is gone: {why}");
                self.device_watch.enter(State::Gone, Some(&Sentence::new(&why)), now_ns);
                self.tell_device("gone", &why);
            }
        }
    }

    fn take_news(&mut self, news: &News, now_ns: u64) {
        match news {
            News::Lost(why) => {
                tracing::error!(
                    "the audio device is lost: {why}; time goes on without a sound, and it is tried again"
                );
                self.device_watch.enter(State::Away, Some(why), now_ns);
                self.device_clock.restart(now_ns);
                self.tell_device("lost", why);
            }
            News::Refused(why) => {
                tracing::warn!("the audio device can't be had back yet: {why}");
                self.device_watch.reason = Some(*why);
                self.tell_device("refused", why);
            }
            News::Back(what) => {
                tracing::info!("the audio device is back: {what}");
                self.device_watch.enter(State::Playing, None, now_ns);
                self.device_clock.restart(now_ns);
                self.tell_device("back", what);
            }
        }
    }

    fn tell_device(&self, what: &str, text: &str) {
        self.tell("device", &[Value::Text(what.to_owned()), Value::Text(text.to_owned())]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_lost_once_whatever_becomes_of_it() {
        let mut watch = DeviceWatch::default();
        let mut told = |state, now_ns| {
            watch.enter(state, None, now_ns);
            let status = watch.status(10_000_000_000);
            (status.state, status.losses, status.away_s)
        };
        assert_eq!(told(State::Away, 1_000_000_000), ("away", 1, 9.0));
        assert_eq!(told(State::Gone, 4_000_000_000), ("gone", 1, 9.0));
        assert_eq!(told(State::Playing, 5_000_000_000), ("playing", 1, 0.0));
        assert_eq!(told(State::Away, 8_000_000_000), ("away", 2, 2.0));
    }
}
