//! Where a recording is being played, and how it goes on there: once, round and round, or to and
//! fro.

use super::kernel::{Kernel, Kernels, TAPS_MAX};
use crate::module::Recording;
use crate::smooth::Ramp;

/// How a region is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// From one end to the other.
    Once,
    /// And again from the start.
    Round,
    /// And back again.
    ToAndFro,
}

/// The part of a recording that is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Its first frame.
    pub first: i64,
    /// The frame after its last.
    pub end: i64,
    /// How it is played.
    pub course: Course,
}

impl Region {
    /// A region is at least so long, if the recording is.
    const FRAMES_MIN: i64 = 16;

    /// From share `start` to share `end` of so many frames.
    pub fn new(frames: usize, start: f32, end: f32, course: Course) -> Self {
        let frame = |share: f32| (f64::from(share) * frames as f64 + 0.5) as i64;
        let least = Self::FRAMES_MIN.min(frames as i64);
        let first = frame(start).min(frames as i64 - least);
        Self { first, end: frame(end).max(first + least), course }
    }

    /// The frame that is heard where frame `i` would be if the region went on beyond its ends.
    fn fold(&self, i: i64) -> i64 {
        let length = self.end - self.first;
        match self.course {
            Course::Once => i,
            Course::Round => self.first + (i - self.first).rem_euclid(length),
            Course::ToAndFro => {
                let period = (2 * (length - 1)).max(1);
                let k = (i - self.first).rem_euclid(period);
                self.first + k.min(period - k)
            }
        }
    }
}

/// How fast a recording is played.
#[derive(Clone, Copy)]
pub struct Pace {
    kernel: Kernel,
    /// Frames of the recording per frame that is heard.
    speed: f64,
    /// As many frames of the recording before the end of what is played once, it begins to fade.
    fade: f64,
}

impl Pace {
    /// So many frames of the recording per frame, of which `fade` fade before the end.
    pub fn new(kernels: &Kernels, speed: f64, fade: f64) -> Self {
        Self { kernel: kernels.of(speed), speed, fade: fade * speed }
    }
}

/// See the file's head.
#[derive(Clone, Copy, Debug)]
pub struct Playhead {
    /// The frame of the recording, and how far beyond.
    at: f64,
    /// What it plays.
    pub region: Region,
    /// How loud it is.
    pub level: Ramp,
    /// Whether it sounds at all.
    pub is_playing: bool,
    /// Whether it goes back just now, on its way to and fro.
    is_returning: bool,
    /// Whether it came round, so that what lies behind it is the other end of the region.
    has_turned: bool,
}

impl Playhead {
    /// One that plays nothing.
    pub const REST: Self = Self {
        at: 0.0,
        region: Region { first: 0, end: 1, course: Course::Once },
        level: Ramp::REST,
        is_playing: false,
        is_returning: false,
        has_turned: false,
    };

    /// At the beginning of a region, or if it is played in reverse at its end.
    pub fn new(region: Region, reverse: bool, level: Ramp) -> Self {
        let at = if reverse { region.end - 1 } else { region.first } as f64;
        Self { at, region, level, is_playing: true, ..Self::REST }
    }

    fn is_forward(&self, reverse: bool) -> bool {
        self.is_returning == reverse
    }

    /// Whether it would be beyond the end of a region.
    pub fn is_beyond(&self, region: &Region, reverse: bool) -> bool {
        if self.is_forward(reverse) {
            self.at >= region.end as f64
        } else {
            self.at <= (region.first - 1) as f64
        }
    }

    /// Goes on in another region, which it is not beyond.
    pub fn go_on_in(&mut self, region: Region) {
        self.region = region;
        self.is_returning &= region.course == Course::ToAndFro;
        let inside = region.first as f64..region.end as f64;
        self.has_turned &= inside.contains(&self.at);
    }

    /// What is heard on the left and on the right.
    #[inline(always)]
    pub fn read(&self, recording: &Recording, pace: &Pace, reverse: bool) -> [f32; 2] {
        let kernel = pace.kernel;
        // Rounded down; where a place is below 0 a conversion rounds up.
        let frame = self.at as i64 - i64::from(self.at < 0.0);
        let behind = (self.at - frame as f64) as f32;
        let first = kernel.first(frame);
        let taps = kernel.taps();
        let bounds = self.bounds(recording, reverse);
        let is_whole = first >= bounds.0 && first + taps as i64 <= bounds.1;
        let samples = recording.samples();
        let heard = match recording.channels() {
            1 if is_whole => {
                let frames = &samples.as_chunks::<1>().0[first as usize..][..taps];
                let [both] = kernel.weigh(behind, frames);
                [both, both]
            }
            2 if is_whole => {
                kernel.weigh(behind, &samples.as_chunks::<2>().0[first as usize..][..taps])
            }
            _ => {
                let mut frames = [[0.0; 2]; TAPS_MAX];
                for (frame, i) in frames[..taps].iter_mut().zip(first..) {
                    *frame = self.frame(recording, bounds, i);
                }
                kernel.weigh(behind, &frames[..taps])
            }
        };
        let level = self.level.value() * self.end_level(pace, reverse);
        heard.map(|sample| sample * level)
    }

    /// Where what is heard differs from what is recorded.
    fn bounds(&self, recording: &Recording, reverse: bool) -> (i64, i64) {
        let forward = self.is_forward(reverse);
        let loops = self.region.course != Course::Once;
        (
            if loops && (self.has_turned || !forward) { self.region.first } else { 0 },
            if loops && (self.has_turned || forward) {
                self.region.end
            } else {
                recording.frames() as i64
            },
        )
    }

    /// The first two channels of a frame; silence around the recording.
    fn frame(&self, recording: &Recording, bounds: (i64, i64), i: i64) -> [f32; 2] {
        let i = if (bounds.0..bounds.1).contains(&i) { i } else { self.region.fold(i) };
        if !(0..recording.frames() as i64).contains(&i) {
            return [0.0; 2];
        }
        let channels = recording.channels();
        let frame = &recording.samples()[i as usize * channels..][..channels];
        [frame[0], frame[1.min(channels - 1)]]
    }

    /// 1, and down to 0 before the end of what is played once.
    fn end_level(&self, pace: &Pace, reverse: bool) -> f32 {
        let Region { first, end, course } = self.region;
        let left = if self.is_forward(reverse) {
            end as f64 - self.at
        } else {
            self.at - first as f64 + 1.0
        };
        if course != Course::Once || left >= pace.fade {
            return 1.0;
        }
        (left / pace.fade).max(0.0) as f32
    }

    /// To the next frame that is heard.
    #[inline(always)]
    pub fn advance(&mut self, pace: &Pace, reverse: bool) {
        let forward = self.is_forward(reverse);
        self.at += if forward { pace.speed } else { -pace.speed };
        self.level.step();
        let (first, end) = (self.region.first as f64, self.region.end as f64);
        match self.region.course {
            Course::Once => self.is_playing &= !self.is_beyond(&self.region, reverse),
            Course::Round => {
                let is_over = if forward { self.at >= end } else { self.at < first };
                if is_over {
                    self.at = first + (self.at - first).rem_euclid(end - first);
                    self.has_turned = true;
                }
            }
            Course::ToAndFro => {
                let turn = if forward { end - 1.0 } else { first };
                if (forward && self.at > turn) || (!forward && self.at < turn) {
                    self.at = (2.0 * turn - self.at).clamp(first, end - 1.0);
                    self.is_returning = !self.is_returning;
                    self.has_turned = true;
                }
            }
        }
        self.is_playing &= self.level.is_moving() || self.level.target() > 0.0;
    }
}
