//! Echoes: the sound again after a while, and again, each repeat quieter and darker. The time may be
//! told in milliseconds or as a note value that follows the tempo.

use super::head::Head;
use super::line::Line;
use super::{Pole, blend, pieces, sum, tame};
use crate::io::Io;
use crate::math::frames_of_ms;
use crate::module::{Module, ModuleSpec, ParamSpec};
use crate::transport::Transport;

/// The kind `delay`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "delay",
    summary: "Stereo echoes, in time with the music if they are to be, straight or bouncing.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        ParamSpec::number("time", "ms", [1.0, 2000.0], 350.0, "from one repeat to the next")
            .exponential(),
        ParamSpec::choice(
            "sync",
            &[
                "off", "1_32", "1_16t", "1_16", "1_16d", "1_8t", "1_8", "1_8d", "1_4t", "1_4",
                "1_4d", "1_2t", "1_2", "1_2d", "1_1",
            ],
            "a note value in place of the time (t triplet, d dotted), halved until it is below 2 s",
        ),
        ParamSpec::choice(
            "change",
            &["fade", "tape"],
            "how the time changes: by a crossfade, or gliding in pitch as on a tape",
        ),
        ParamSpec::number(
            "feedback",
            "",
            [0.0, 1.1],
            0.4,
            "level of each repeat after the one before; from 1 up they stay, and saturate",
        )
        .smoothed(10.0),
        ParamSpec::number("ping_pong", "", [0.0, 1.0], 0.0, "1: repeats bounce from left to right")
            .smoothed(30.0),
        ParamSpec::number(
            "damping",
            "Hz",
            [200.0, 20_000.0],
            6_000.0,
            "each repeat loses what lies above, by 6 dB per octave",
        )
        .smoothed(10.0)
        .exponential(),
        ParamSpec::number(
            "low_cut",
            "Hz",
            [10.0, 2_000.0],
            20.0,
            "each repeat loses what lies below, by 6 dB per octave",
        )
        .smoothed(10.0)
        .exponential(),
        super::mix(0.35),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const TIME: usize = 0;
const SYNC: usize = 1;
const CHANGE: usize = 2;
const FEEDBACK: usize = 3;
const PING_PONG: usize = 4;
const DAMPING: usize = 5;
const LOW_CUT: usize = 6;
const MIX: usize = 7;
const TIME_MAX_MS: f32 = 2000.0;
/// The length of each choice of `sync`, in beats.
const BEATS: [f64; 15] = [
    0.0,
    1.0 / 8.0,
    1.0 / 6.0,
    1.0 / 4.0,
    3.0 / 8.0,
    1.0 / 3.0,
    1.0 / 2.0,
    3.0 / 4.0,
    2.0 / 3.0,
    1.0,
    3.0 / 2.0,
    4.0 / 3.0,
    2.0,
    3.0,
    4.0,
];

/// See [`SPEC`]. The filters lie in the loop: the first repeat is clear.
pub struct Delay<const C: usize> {
    rate_hz: u32,
    head: Head<C>,
    lines: [Line<C>; 2],
    damping: [Pole<C>; 2],
    low_cut: [Pole<C>; 2],
}

impl<const C: usize> Delay<C> {
    /// A silent delay.
    pub fn new(rate_hz: u32) -> Self {
        let frames = frames_of_ms(TIME_MAX_MS, rate_hz).max(2) as usize;
        Self {
            rate_hz,
            head: Head::new(rate_hz, frames),
            lines: [(); 2].map(|()| Line::new(frames)),
            damping: [Pole::REST; 2],
            low_cut: [Pole::REST; 2],
        }
    }

    /// How many frames lie between repeats.
    fn frames(&self, time_ms: f32, sync: f32, transport: &Transport) -> f64 {
        let max = f64::from(frames_of_ms(TIME_MAX_MS, self.rate_hz));
        let mut frames = f64::from(frames_of_ms(time_ms, self.rate_hz));
        if sync > 0.0 {
            let frames_per_beat = 60.0 * f64::from(self.rate_hz) / transport.tempo_bpm.max(1.0);
            frames = BEATS[sync as usize] * frames_per_beat;
            while frames > max {
                frames *= 0.5;
            }
        }
        // On a whole frame, where interpolation loses nothing.
        ((frames + 0.5) as u32).max(2).into()
    }
}

impl<const C: usize> Module for Delay<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.head.reset();
        self.lines.iter_mut().for_each(Line::reset);
        (self.damping, self.low_cut) = ([Pole::REST; 2], [Pole::REST; 2]);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [time_ms, sync, change] = [TIME, SYNC, CHANGE].map(|param| io.param::<C>(param));
        let [feedback, ping_pong, mix] =
            [FEEDBACK, PING_PONG, MIX].map(|param| io.param::<C>(param));
        let [damping, low_cut] = [DAMPING, LOW_CUT].map(|param| io.param::<C>(param));
        let (transport, frames, is_stereo) = (io.transport, io.frames.clone(), io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        let per_hz = 1.0 / self.rate_hz as f32;
        let pole = |corner_hz: f32| Pole::<C>::coefficient(corner_hz * per_hz);
        let (mut damped, mut cut) = (damping.at(0).map(pole), low_cut.at(0).map(pole));
        for piece in pieces(frames) {
            if piece.begins || self.head.is_fresh() {
                let n = piece.frames.start;
                let (time_ms, sync) = (time_ms.at(n), sync.at(n));
                let place = core::array::from_fn(|c| self.frames(time_ms[c], sync[c], transport));
                self.head.aim(place, change.at(n).map(|change| change > 0.5));
            }
            for n in piece.frames {
                self.head.step();
                let dry = [left[n], right[n]];
                let wet = [self.head.read(&self.lines[0]), self.head.read(&self.lines[1])];
                if damping.is_moving() {
                    damped = damping.at(n).map(pole);
                }
                if low_cut.is_moving() {
                    cut = low_cut.at(n).map(pole);
                }
                let (feedback, bounce, mix) = (feedback.at(n), ping_pong.at(n), mix.at(n));
                let mut back = [[0.0; C]; 2];
                for side in 0..2 {
                    let bright = self.damping[side].low(wet[side], damped);
                    let deep = self.low_cut[side].low(bright, cut);
                    for c in 0..C {
                        back[side][c] = feedback[c] * (bright[c] - deep[c]);
                    }
                }
                let [mut to_left, mut to_right] = [[0.0; C]; 2];
                let [mut back_left, mut back_right] = [[0.0; C]; 2];
                for c in 0..C {
                    let (l, r, b) = (dry[0][c], dry[1][c], bounce[c]);
                    // A bouncing signal enters at the left alone.
                    to_left[c] = l + b * (0.5 * (r - l));
                    to_right[c] = (1.0 - b) * r;
                    back_left[c] = back[0][c] + b * (back[1][c] - back[0][c]);
                    back_right[c] = back[1][c] + b * (back[0][c] - back[1][c]);
                }
                self.lines[0].push(sum(to_left, tame(back_left)));
                self.lines[1].push(sum(to_right, tame(back_right)));
                out_left[n] = blend(dry[0], wet[0], mix);
                out_right[n] = blend(dry[1], wet[1], mix);
            }
        }
    }
}
