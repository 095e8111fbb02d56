//! A room: the sound comes back from everywhere, denser and denser, and dies away.
//!
//! What comes in waits for the predelay, is scattered over sixteen lanes by the diffuser, and goes round
//! in the tank; every other lane is heard on the left, the rest on the right.

use super::diffuser::{Diffuser, LANES};
use super::head::Head;
use super::line::Line;
use super::tank::{Design, SIZE_MAX, Tank};
use super::{Pole, blend, pieces, pole, silent_below};
use crate::io::Io;
use crate::lanes::Lanes;
use crate::math::{exp2, frames_of_ms};
use crate::module::{ModuleSpec, ParamSpec};
use crate::simd::Kernel;

/// The kind `reverb`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "reverb",
    summary: "A room, from a chamber to a cathedral, with a smooth and dense tail.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        ParamSpec::number("predelay", "ms", [0.0, 250.0], 10.0, "how long the room waits"),
        ParamSpec::number(
            "size",
            "",
            [0.0, 1.0],
            0.5,
            "how large the room is: how thin its echoes",
        )
        .smoothed(50.0),
        ParamSpec::number("decay", "s", [0.1, 60.0], 2.0, "time in which it dies away by 60 dB")
            .smoothed(50.0)
            .exponential(),
        ParamSpec::number(
            "damping",
            "Hz",
            [500.0, 20_000.0],
            5_000.0,
            "above this it dies away faster, up to four times",
        )
        .smoothed(50.0)
        .exponential(),
        ParamSpec::number(
            "low_cut",
            "Hz",
            [10.0, 1_000.0],
            60.0,
            "what lies below stays out of the room, by 6 dB per octave",
        )
        .smoothed(20.0)
        .exponential(),
        ParamSpec::number(
            "modulation",
            "",
            [0.0, 1.0],
            0.4,
            "how much the room moves, as in a choir",
        )
        .smoothed(50.0),
        ParamSpec::number("width", "", [0.0, 1.0], 1.0, "from one point (0) to all around (1)")
            .smoothed(20.0),
        super::mix(0.3),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const PREDELAY: usize = 0;
const SIZE: usize = 1;
const DECAY: usize = 2;
const DAMPING: usize = 3;
const LOW_CUT: usize = 4;
const MODULATION: usize = 5;
const WIDTH: usize = 6;
const MIX: usize = 7;
const PREDELAY_MAX_MS: f32 = 250.0;
/// Lanes per side.
const HALF: usize = LANES / 2;
/// The root of 1/8: a side goes to eight lanes, and comes from eight, with its power kept.
const PER_LANE: f32 = 0.353_553_4;
/// With it a steady sound comes back about as loud from a room of the default decay.
const LEVEL: f32 = 2.5;
/// The signs with which the lanes of a side are heard and told.
const SIGNS: [f32; HALF] = [1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0];

/// See [`SPEC`].
pub struct Reverb<const C: usize> {
    rate_hz: u32,
    head: Head<C>,
    waiting: [Line<C>; 2],
    low_cut: [Pole<C>; 2],
    diffuser: Diffuser<C>,
    tank: Tank<C>,
}

impl<const C: usize> Reverb<C> {
    /// A silent room.
    pub fn new(rate_hz: u32) -> Self {
        let frames = frames_of_ms(PREDELAY_MAX_MS, rate_hz) as usize + 2;
        Self {
            rate_hz,
            head: Head::new(rate_hz, frames),
            waiting: [(); 2].map(|()| Line::new(frames)),
            low_cut: [Pole::REST; 2],
            diffuser: Diffuser::new(rate_hz),
            tank: Tank::new(rate_hz),
        }
    }

    /// The room's answer to both sides.
    #[inline(always)]
    fn answer<L: Lanes<C>>(
        &mut self,
        set: L,
        sides: [L::Floats; 2],
        low_cut: L::Floats,
    ) -> [L::Floats; 2] {
        let mut lanes = [set.all(0.0); LANES];
        for (side, signal) in sides.into_iter().enumerate() {
            let high = signal - self.low_cut[side].low(set, signal, low_cut);
            for (lane, sign) in SIGNS.into_iter().enumerate() {
                lanes[side * HALF + lane] = silent_below(high * (sign * PER_LANE));
            }
        }
        self.diffuser.process(set, &mut lanes);
        let mut back = [set.all(0.0); LANES];
        self.tank.process(set, &lanes, &mut back);
        let mut heard = [set.all(0.0); 2];
        for (lane, signal) in back.iter().enumerate() {
            heard[lane % 2] = heard[lane % 2] + *signal * (SIGNS[lane / 2] * (LEVEL * PER_LANE));
        }
        heard
    }
}

impl<const C: usize> Kernel<C> for Reverb<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.head.reset();
        self.waiting.iter_mut().for_each(Line::reset);
        self.low_cut = [Pole::REST; 2];
        self.diffuser.reset();
        self.tank.reset();
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [predelay_ms, size, decay] = [PREDELAY, SIZE, DECAY].map(|param| io.param::<C>(param));
        let [damping, low_cut] = [DAMPING, LOW_CUT].map(|param| io.param::<C>(param));
        let [modulation, width, mix] = [MODULATION, WIDTH, MIX].map(|param| io.param::<C>(param));
        let (low_cut, width, mix) = (low_cut.on(lanes), width.on(lanes), mix.on(lanes));
        let (frames, is_stereo) = (io.frames.clone(), io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        let per_hz = 1.0 / self.rate_hz as f32;
        let mut cut = pole(low_cut.at(0) * per_hz);
        for piece in pieces(frames) {
            if piece.begins || self.tank.is_fresh() {
                let n = piece.frames.start;
                let place = |wait_ms| f64::from(frames_of_ms(wait_ms, self.rate_hz) + 1);
                self.head.aim(predelay_ms.at(n).map(place), [false; C]);
                // From about a third to twice; smaller rooms have too few modes to sound smooth.
                let design = Design {
                    size: size.at(n).map(|size| SIZE_MAX * exp2(2.5 * (size - 1.0))),
                    decay_s: decay.at(n),
                    damping_hz: damping.at(n),
                };
                self.tank.begin_cell(lanes, design, &modulation.at(n));
            }
            for n in piece.frames {
                if low_cut.is_moving() {
                    cut = pole(low_cut.at(n) * per_hz);
                }
                let dry = [lanes.load(&left[n]), lanes.load(&right[n])];
                self.head.step(lanes);
                let mut late = dry;
                for side in 0..2 {
                    late[side] = self.head.read(lanes, &self.waiting[side]);
                    self.waiting[side].push(lanes, silent_below(dry[side]));
                }
                let [left, right] = self.answer(lanes, late, cut);
                let middle = (left + right) * 0.5;
                let beside = width.at(n) * 0.5 * (left - right);
                let mix = mix.at(n);
                lanes.store(blend(dry[0], middle + beside, mix), &mut out_left[n]);
                lanes.store(blend(dry[1], middle - beside, mix), &mut out_right[n]);
            }
        }
    }
}
