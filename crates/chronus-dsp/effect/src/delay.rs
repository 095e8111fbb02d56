//! Echoes: the sound again after a while, and again, each repeat quieter and darker. The time may be
//! told in milliseconds or as a note value that follows the tempo.

use super::head::Head;
use super::line::Line;
use super::{Pole, blend, pieces, pole, silent_below, tame};
use crate::io::Io;
use crate::lanes::Lanes;
use crate::math::frames_of_ms;
use crate::module::{ModuleSpec, ParamSpec};
use crate::simd::Kernel;
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

impl<const C: usize> Kernel<C> for Delay<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.head.reset();
        self.lines.iter_mut().for_each(Line::reset);
        (self.damping, self.low_cut) = ([Pole::REST; 2], [Pole::REST; 2]);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [time_ms, sync, change] = [TIME, SYNC, CHANGE].map(|param| io.param::<C>(param));
        let [feedback, bounce, mix] = [FEEDBACK, PING_PONG, MIX].map(|param| io.param::<C>(param));
        let [damping, low_cut] = [DAMPING, LOW_CUT].map(|param| io.param::<C>(param));
        let (feedback, bounce, mix) = (feedback.on(lanes), bounce.on(lanes), mix.on(lanes));
        let (damping, low_cut) = (damping.on(lanes), low_cut.on(lanes));
        let (transport, frames, is_stereo) = (io.transport, io.frames.clone(), io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        let (per_hz, one) = (1.0 / self.rate_hz as f32, lanes.all(1.0));
        let mut damped = pole(damping.at(0) * per_hz);
        let mut cut = pole(low_cut.at(0) * per_hz);
        for piece in pieces(frames) {
            if piece.begins || self.head.is_fresh() {
                let n = piece.frames.start;
                let (time_ms, sync) = (time_ms.at(n), sync.at(n));
                let place = core::array::from_fn(|c| self.frames(time_ms[c], sync[c], transport));
                self.head.aim(place, change.at(n).map(|change| change > 0.5));
            }
            for n in piece.frames {
                self.head.step(lanes);
                if damping.is_moving() {
                    damped = pole(damping.at(n) * per_hz);
                }
                if low_cut.is_moving() {
                    cut = pole(low_cut.at(n) * per_hz);
                }
                let (l, r, b) = (lanes.load(&left[n]), lanes.load(&right[n]), bounce.at(n));
                let mut wet = [one; 2];
                let mut back = [one; 2];
                for side in 0..2 {
                    wet[side] = self.head.read(lanes, &self.lines[side]);
                    let bright = self.damping[side].low(lanes, wet[side], damped);
                    let deep = self.low_cut[side].low(lanes, bright, cut);
                    back[side] = feedback.at(n) * (bright - deep);
                }
                // A bouncing signal enters at the left alone.
                let (to_left, to_right) = (l + b * ((r - l) * 0.5), (one - b) * r);
                let back_left = tame(back[0] + b * (back[1] - back[0]));
                let back_right = tame(back[1] + b * (back[0] - back[1]));
                self.lines[0].push(lanes, silent_below(to_left + back_left));
                self.lines[1].push(lanes, silent_below(to_right + back_right));
                let mix = mix.at(n);
                lanes.store(blend(l, wet[0], mix), &mut out_left[n]);
                lanes.store(blend(r, wet[1], mix), &mut out_right[n]);
            }
        }
    }
}
