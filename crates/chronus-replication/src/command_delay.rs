//! The constant delay from the arrival of a message to its effect, and how it changes where it must: at once when it
//! has to grow, and so slowly when it may shrink that nothing is heard of it and no two commands change places.

use crate::BLOCK_FRAMES;

/// It shrinks by at most one frame in so many.
const SHRINKS_ONE_IN: u64 = 100;
/// No delay is longer, and no command ordered further ahead.
const LONGEST_S: u64 = 10;
/// The lateness of so many packets is remembered.
const REMEMBERED: usize = 32;

/// How late messages are ordered, and what the delay has to bear of it. One that is late alone is late; what happens
/// twice in 32 packets is how this machine is, and from then on no more of them shall be late.
#[derive(Clone, Debug)]
struct Slack {
    late_frames: [u64; REMEMBERED],
    next: usize,
    most_frames: u64,
}

impl Slack {
    /// A supervisor that has nothing else to do needs less than a block's time; one that needs 20 ms has no
    /// permission for real time, and bearing more would only be felt.
    fn new(rate_hz: u32) -> Self {
        let most_frames = u64::from(rate_hz / 50).max(BLOCK_FRAMES as u64);
        Self { late_frames: [0; REMEMBERED], next: 0, most_frames }
    }

    fn note(&mut self, late_frames: u64) {
        self.late_frames[self.next] = late_frames;
        self.next = (self.next + 1) % REMEMBERED;
    }

    fn frames(&self) -> u64 {
        let (mut largest, mut second) = (0, 0);
        for late in self.late_frames {
            (largest, second) = (largest.max(late), second.max(late.min(largest)));
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

    /// A packet was ordered so many frames after its arrival.
    pub fn note_late(&mut self, late_frames: u64) {
        self.slack.note(late_frames);
    }

    /// The frame for a message that arrived when the device was at frame `arrived`. Never before that of the
    /// message before.
    pub fn frame(&mut self, arrived: u64, ahead: Ahead) -> u64 {
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
        // Right after a callback as much is sealed as the lead and two periods less a block; whoever is ordered
        // later than it arrived finds more sealed by that.
        let block = BLOCK_FRAMES as u64;
        let period = ahead.period_frames.max(block);
        let wanted = ahead.lead_frames + 2 * period - block + self.slack.frames();
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
        assert_eq!(delay().frame(1000, SHORT), 1000 + 256 + 2 * 128);
        assert_eq!(delay().frames(1000, LONG), 256 + 2 * 4096);
    }

    #[test]
    fn it_grows_at_once_and_shrinks_by_a_frame_in_a_hundred() {
        let mut delay = delay();
        assert_eq!(delay.frame(0, SHORT), 512);
        assert_eq!(delay.frame(10, LONG), 10 + 8448);
        let mut last = 10 + 8448;
        let mut arrived = 10;
        while delay.frames(arrived, SHORT) > 512 {
            arrived += 7;
            let frame = delay.frame(arrived, SHORT);
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
        delay.note_late(300);
        assert_eq!(delay.frames(0, SHORT), 512);
        for _ in 0..20 {
            delay.note_late(5);
        }
        delay.note_late(200);
        assert_eq!(delay.frames(0, SHORT), 512 - 64 + 250);
        for _ in 0..REMEMBERED {
            delay.note_late(5);
        }
        assert_eq!(delay.frames(0, SHORT), 512, "nothing was ordered meanwhile");
    }

    #[test]
    fn what_no_player_would_bear_is_not_borne() {
        let mut delay = delay();
        for _ in 0..2 {
            delay.note_late(u64::MAX / 2);
        }
        assert_eq!(delay.frames(0, SHORT), 512 - 64 + 960);
    }

    #[test]
    fn no_command_overtakes_the_one_before_when_the_clock_of_the_device_slips() {
        let mut delay = delay();
        let first = delay.frame(10_000, SHORT);
        assert_eq!(delay.frame(9_700, SHORT), first);
        assert_eq!(delay.frame(10_001, SHORT), first + 1);
    }

    #[test]
    fn who_goes_on_shrinks_on_from_where_the_other_was() {
        let mut before = delay();
        before.frame(50_000, LONG);
        let last = before.last();
        let mut after = CommandDelay::new(48_000, last, 50_000);
        let frame = after.frame(51_000, SHORT);
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
            assert_eq!(delay.frame(51_000, SHORT), 51_512);
        }
    }
}
