//! The constant delay from the arrival of a message to its effect, and how it changes where it must: at once when it
//! has to grow, and so slowly when it may shrink that nothing is heard of it and no two commands change places.

use crate::BLOCK_FRAMES;

/// It shrinks by at most one frame in so many.
const SHRINKS_ONE_IN: u64 = 100;
/// No delay is longer, and no command ordered further ahead.
const LONGEST_S: u64 = 10;
/// What so many packets lacked is remembered.
const REMEMBERED: usize = 32;

/// How much longer the delay should have been for messages to find their frame open, because receiver or supervisor
/// were late, and what it bears of that. One that is late alone is late; what happens twice in 32 packets is
/// how this machine is, and from then on no more of them shall be late.
#[derive(Clone, Debug)]
struct Slack {
    lacked_frames: [u64; REMEMBERED],
    next: usize,
    most_frames: u64,
}

impl Slack {
    /// A supervisor that has nothing else to do needs less than a block's time; one that needs 20 ms has no
    /// permission for real time, and bearing more would only be felt.
    fn new(rate_hz: u32) -> Self {
        let most_frames = u64::from(rate_hz / 50).max(BLOCK_FRAMES as u64);
        Self { lacked_frames: [0; REMEMBERED], next: 0, most_frames }
    }

    fn note(&mut self, lacked_frames: u64) {
        self.lacked_frames[self.next] = lacked_frames;
        self.next = (self.next + 1) % REMEMBERED;
    }

    fn frames(&self) -> u64 {
        let (mut largest, mut second) = (0, 0);
        for lacked in self.lacked_frames {
            (largest, second) = (largest.max(lacked), second.max(lacked.min(largest)));
        }
        let with_margin = second.saturating_add(second / 4);
        with_margin.clamp(BLOCK_FRAMES as u64, self.most_frames)
    }
}

/// What the delay has to bear at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// How far the workers are ahead of the device, in frames.
    pub lead_frames: u64,
    /// The most that the device asks for at once, in frames.
    pub period_frames: u64,
}

impl Ahead {
    /// As much is sealed right after a callback, at most; whoever is ordered later than it arrived finds more sealed.
    fn least_delay(self) -> u64 {
        let block = BLOCK_FRAMES as u64;
        self.lead_frames + 2 * self.period_frames.max(block) - block
    }
}

/// What has been given last, for who goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastGiven {
    /// The frame for which the last command was ordered.
    pub frame: u64,
    /// Its delay, in hundredths of a frame.
    pub delay_hundredths: u64,
}

/// Gives commands their frames.
#[derive(Clone, Debug)]
pub struct CommandDelay {
    slack: Slack,
    last: LastGiven,
    /// The frame that the device was at when the last command arrived.
    arrived: u64,
}

impl CommandDelay {
    /// Goes on after what was given `last`, when the device is at frame `now`. What nobody can have given is not gone on
    /// with.
    pub fn new(rate_hz: u32, last: LastGiven, now: u64) -> Self {
        let most = LONGEST_S * u64::from(rate_hz);
        let can_be = last.frame <= now.saturating_add(most)
            && last.delay_hundredths / SHRINKS_ONE_IN <= most;
        let last = if can_be { last } else { LastGiven::default() };
        let arrived = last.frame.saturating_sub(last.delay_hundredths / SHRINKS_ONE_IN);
        Self { slack: Slack::new(rate_hz), last, arrived }
    }

    /// The frame for the messages of a packet that arrived when the device was at frame `arrived`, and is ordered while
    /// the frames from `open` on are not sealed. Never before that of the packet before.
    pub fn frame(&mut self, arrived: u64, open: u64, ahead: Ahead) -> u64 {
        self.slack.note(open.saturating_sub(arrived + ahead.least_delay()));
        let delay_hundredths = self.hundredths(arrived, ahead);
        self.arrived = self.arrived.max(arrived);
        let frame = (arrived + delay_hundredths.div_ceil(SHRINKS_ONE_IN)).max(self.last.frame);
        self.last = LastGiven { frame, delay_hundredths };
        frame
    }

    /// The delay of a message that arrives when the device is at frame `arrived`, in frames.
    pub fn frames(&self, arrived: u64, ahead: Ahead) -> u64 {
        self.hundredths(arrived, ahead).div_ceil(SHRINKS_ONE_IN)
    }

    /// What has been given last.
    pub fn last(&self) -> LastGiven {
        self.last
    }

    fn hundredths(&self, arrived: u64, ahead: Ahead) -> u64 {
        let wanted = ahead.least_delay() + self.slack.frames();
        let passed = arrived.saturating_sub(self.arrived);
        (wanted * SHRINKS_ONE_IN).max(self.last.delay_hundredths.saturating_sub(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Ahead = Ahead { lead_frames: 256, period_frames: 128 };
    const LONG: Ahead = Ahead { lead_frames: 256, period_frames: 4096 };

    fn delay() -> CommandDelay {
        CommandDelay::new(48_000, LastGiven::default(), 0)
    }

    #[test]
    fn at_rest_it_is_the_lead_and_two_periods() {
        assert_eq!(delay().frame(1000, 0, SHORT), 1000 + 256 + 2 * 128);
        assert_eq!(delay().frames(1000, LONG), 256 + 2 * 4096);
    }

    #[test]
    fn it_grows_at_once_and_shrinks_by_a_frame_in_a_hundred() {
        let mut delay = delay();
        assert_eq!(delay.frame(0, 0, SHORT), 512);
        assert_eq!(delay.frame(10, 0, LONG), 10 + 8448);
        let mut last = 10 + 8448;
        let mut arrived = 10;
        while delay.frames(arrived, SHORT) > 512 {
            arrived += 7;
            let frame = delay.frame(arrived, 0, SHORT);
            let step = frame - last;
            assert!((6..=7).contains(&step), "the notes of a chord keep their order: {step}");
            last = frame;
        }
        // 7,936 frames are gone.
        assert!((793_600..793_700).contains(&arrived), "{arrived}");
    }

    #[test]
    fn one_late_packet_changes_nothing_and_the_second_at_once() {
        let mut delay = delay();
        let mut order = |arrived: u64, lacked: u64| {
            delay.frame(arrived, arrived + 448 + lacked, SHORT) - arrived
        };
        assert_eq!(order(0, 300), 512, "it is late");
        for packet in 1..=20 {
            assert_eq!(order(1000 * packet, 5), 512);
        }
        assert_eq!(order(21_000, 200), 448 + 250);
        // Nothing lacked for a while, and the delay is slow to shrink.
        for packet in 0..REMEMBERED as u64 {
            assert_eq!(order(21_100 + packet, 0), 448 + 250 - u64::from(packet >= 100));
        }
        assert_eq!(order(100_000, 0), 512);
    }

    #[test]
    fn who_is_late_and_finds_its_frame_open_lacks_nothing() {
        let mut delay = delay();
        for packet in 0..100 {
            let arrived = 500 * packet;
            assert_eq!(delay.frame(arrived, arrived + 440, SHORT), arrived + 512);
        }
    }

    #[test]
    fn what_no_player_would_bear_is_not_borne() {
        let mut delay = delay();
        for _ in 0..2 {
            delay.frame(0, 1 << 40, SHORT);
        }
        assert_eq!(delay.frames(0, SHORT), 448 + 960);
    }

    #[test]
    fn no_command_overtakes_the_one_before_when_the_clock_of_the_device_slips() {
        let mut delay = delay();
        let first = delay.frame(10_000, 0, SHORT);
        assert_eq!(delay.frame(9_700, 0, SHORT), first);
        assert_eq!(delay.frame(10_001, 0, SHORT), first + 1);
    }

    #[test]
    fn who_goes_on_shrinks_on_from_where_the_other_was() {
        let mut before = delay();
        before.frame(50_000, 0, LONG);
        let last = before.last();
        let mut after = CommandDelay::new(48_000, last, 50_000);
        let frame = after.frame(51_000, 0, SHORT);
        assert_eq!(frame, 51_000 + 8448 - 10);
        assert!(frame > last.frame);
    }

    #[test]
    fn what_nobody_can_have_given_is_not_gone_on_with() {
        for last in [
            LastGiven { frame: u64::MAX, delay_hundredths: 51_200 },
            LastGiven { frame: 50_000, delay_hundredths: u64::MAX },
        ] {
            let mut delay = CommandDelay::new(48_000, last, 50_000);
            assert_eq!(delay.frame(51_000, 0, SHORT), 51_512);
        }
    }
}
