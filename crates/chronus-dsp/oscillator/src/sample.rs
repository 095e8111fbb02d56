//! A recording, played once or round and round, at any speed, forwards or backwards.

use super::kernel::Kernels;
use super::playhead::{Course, Pace, Playhead, Region};
use crate::gate::Orders;
use crate::io::Io;
use crate::math::frames_of_ms;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec, Recording, RecordingSpec};
use crate::smooth::Ramp;
use core::array::from_fn;

/// The kind `sample`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "sample",
    summary: "Plays a recording: once or in a loop, at any speed, forwards or backwards.",
    inputs: &[PortSpec::gate(
        "gate",
        "starts each channel as it rises through 0.5, as the gate does all; closing ends a loop",
    )],
    outputs: &[
        PortSpec::audio("left", "the first channel of the recording"),
        PortSpec::audio("right", "the second, or the first if there is but one"),
    ],
    params: &[
        ParamSpec::number(
            "speed",
            "",
            [0.01, 16.0],
            1.0,
            "how fast it is played: at 1 as it was recorded, at 2 an octave higher",
        )
        .exponential()
        .smoothed(5.0),
        ParamSpec::number(
            "start",
            "",
            [0.0, 1.0],
            0.0,
            "where what is played begins, as a share of the recording",
        ),
        ParamSpec::number("end", "", [0.0, 1.0], 1.0, "where it ends, as a share of the recording"),
        ParamSpec::choice(
            "loop",
            &["off", "on", "pingpong"],
            "off: each start is played to its end; on, pingpong: round and round, or to and fro, \
             until the gate closes",
        ),
        ParamSpec::choice(
            "reverse",
            &["off", "on"],
            "on: from the end to the start, also at once in the middle of it",
        ),
        ParamSpec {
            max: 2.0,
            default: 1.0,
            doc: "amplitude; at 1 as loud as it was recorded",
            ..super::GAIN
        },
        ParamSpec::number(
            "release",
            "ms",
            [1.0, 20_000.0],
            10.0,
            "how long a loop takes to fade once the gate closes; an envelope behind needs as long",
        )
        .exponential(),
    ],
    gate: true,
    recording: Some(RecordingSpec::plain(
        "plays it, of more than two channels the first two; without one it is silent",
    )),
    tables: &[&super::kernel::WEIGHTS],
    ..ModuleSpec::BARE
};

const SPEED: usize = 0;
const START: usize = 1;
const END: usize = 2;
const LOOP: usize = 3;
const REVERSE: usize = 4;
const GAIN: usize = 5;
const RELEASE: usize = 6;
/// What is played fades in over this time if it begins within the recording. Where that itself
/// begins nothing is cut, and a stroke stays as hard as it is.
const FADE_IN_MS: f32 = 1.0;
/// What ends, or makes way for a new start, fades over this time.
const FADE_OUT_MS: f32 = 5.0;

/// See [`SPEC`].
pub struct Sample<const C: usize> {
    rate_hz: u32,
    kernels: Kernels,
    recording: Option<Recording>,
    /// Frames of the recording per frame at speed 1.
    per_frame: f64,
    /// What is played, and what fades away behind it.
    heads: [[Playhead; 2]; C],
    /// Whether the input was open in the last frame.
    gates: [bool; C],
    orders: Orders,
}

/// The parameters of one channel in one frame.
#[derive(Clone, Copy)]
struct Now {
    region: Region,
    reverse: bool,
    release_ms: f32,
}

impl<const C: usize> Sample<C> {
    /// A player without a recording.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            kernels: Kernels::of_table(),
            rate_hz,
            recording: None,
            per_frame: 1.0,
            heads: [[Playhead::REST; 2]; C],
            gates: [false; C],
            orders: Orders::NONE,
        }
    }

    /// Lets what channel `c` plays fade away, and begins with this.
    fn change_to(&mut self, c: usize, head: Playhead) {
        let [now, before] = &mut self.heads[c];
        *before = core::mem::replace(now, head);
        before.level.go_to(0.0, frames_of_ms(FADE_OUT_MS, self.rate_hz));
    }

    fn begin(&mut self, c: usize, now: Now, frames: usize) {
        let is_cut =
            if now.reverse { now.region.end < frames as i64 } else { now.region.first > 0 };
        let mut level = Ramp::at(if is_cut { 0.0 } else { 1.0 });
        level.follow(1.0, frames_of_ms(FADE_IN_MS, self.rate_hz));
        self.change_to(c, Playhead::new(now.region, now.reverse, level));
    }

    /// What is played once goes on to its end.
    fn close(&mut self, c: usize, now: Now) {
        if now.region.course != Course::Once {
            self.heads[c][0].level.follow(0.0, frames_of_ms(now.release_ms, self.rate_hz));
        }
    }

    /// Follows parameters that moved while it plays.
    fn follow(&mut self, c: usize, now: Now, frames: usize) {
        let head = &mut self.heads[c][0];
        if !head.is_playing {
            return;
        }
        if !head.is_beyond(&now.region, now.reverse) {
            if head.region != now.region {
                head.go_on_in(now.region);
            }
            return;
        }
        let mut head = *head;
        // Where it is, it may have been turned round before it came to its own region; to fade it
        // goes on.
        if head.is_beyond(&head.region, now.reverse) {
            self.heads[c][0].go_on_in(Region::new(frames, 0.0, 1.0, Course::Once));
        }
        // It cannot go on there: a loop begins again, anything else is at its end.
        if now.region.course == Course::Once {
            head.is_playing = false;
        } else {
            let (target, mut level) = (head.level.target(), Ramp::at(0.0));
            level.follow(target, frames_of_ms(FADE_OUT_MS, self.rate_hz));
            head = Playhead::new(now.region, now.reverse, level);
        }
        self.change_to(c, head);
    }

    /// What the gates say in a frame.
    fn answer(&mut self, c: usize, gate: bool, order: Option<bool>, now: Now, frames: usize) {
        let was_open = core::mem::replace(&mut self.gates[c], gate);
        if order == Some(false) || (!gate && was_open) {
            self.close(c, now);
        }
        // What starts comes last: it is not for the one gate to undo the onset of the other.
        if order == Some(true) || (gate && !was_open) {
            self.begin(c, now, frames);
        }
    }
}

fn course_of(value: f32) -> Course {
    match value as u32 {
        0 => Course::Once,
        1 => Course::Round,
        _ => Course::ToAndFro,
    }
}

impl<const C: usize> Module for Sample<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.heads = [[Playhead::REST; 2]; C];
        self.gates = [false; C];
        self.orders = Orders::NONE;
    }

    fn set_gate(&mut self, open: bool) {
        self.orders.set(open);
    }

    fn set_recording(&mut self, recording: Recording) {
        self.per_frame = f64::from(recording.rate_hz()) / f64::from(self.rate_hz);
        self.recording = (recording.frames() > 0).then_some(recording);
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let [speed, start, end, course, reverse, gain, release] =
            [SPEED, START, END, LOOP, REVERSE, GAIN, RELEASE].map(|param| io.param::<C>(param));
        let ([gates], [left, right]) = io.ports::<C, 1, 2>();
        let Some(recording) = self.recording.take() else {
            left.fill([0.0; C]);
            right.fill([0.0; C]);
            return;
        };
        let frames = recording.frames();
        let fade = f64::from(frames_of_ms(FADE_OUT_MS, self.rate_hz));
        let mut paces = [Pace::new(&self.kernels, 1.0, fade); C];
        let mut regions = [Region::new(frames, 0.0, 1.0, Course::Once); C];
        for n in 0..left.len() {
            if n == 0 || speed.is_moving() {
                paces = speed
                    .at(n)
                    .map(|speed| Pace::new(&self.kernels, f64::from(speed) * self.per_frame, fade));
            }
            if n == 0 || start.is_moving() || end.is_moving() || course.is_moving() {
                let (start, end, course) = (start.at(n), end.at(n), course.at(n).map(course_of));
                regions = from_fn(|c| Region::new(frames, start[c], end[c], course[c]));
            }
            let order = self.orders.take();
            let (reverse, gain, release_ms) = (reverse.at(n), gain.at(n), release.at(n));
            let [mut l, mut r] = [[0.0; C]; 2];
            for c in 0..C {
                let (region, reverse) = (regions[c], reverse[c] > 0.5);
                let now = Now { region, reverse, release_ms: release_ms[c] };
                self.follow(c, now, frames);
                self.answer(c, gates[n][c] > 0.5, order, now, frames);
                for head in self.heads[c].iter_mut().filter(|head| head.is_playing) {
                    let heard = head.read(&recording, &paces[c], reverse);
                    l[c] += gain[c] * heard[0];
                    r[c] += gain[c] * heard[1];
                    head.advance(&paces[c], reverse);
                }
            }
            (left[n], right[n]) = (l, r);
        }
        self.recording = Some(recording);
    }
}
