//! Four-operator FM: two stacks of two.

use super::lanes::Lanes;
use super::sine::{cosine, sine};
use super::{Kind, Lane, levels, step};
use crate::voices::voice::fm::STACKS;
use crate::voices::voice::{BLOCK, SUSTAIN, Voice};

/// See the file's head.
pub enum Fm {}

impl Kind for Fm {
    type Of<L: Lanes> = FmLanes<L>;
}

/// Two stacks.
#[derive(Clone, Copy)]
pub struct FmLanes<L: Lanes>([Stack<L>; 2]);

/// The upper operator is an angle that is turned by the same from frame to frame, beginning afresh with each
/// block, so that no rounding piles up.
#[derive(Clone, Copy)]
struct Stack<L: Lanes> {
    upper: Operator<L>,
    lower: Operator<L>,
    /// Sine and cosine of the angle, and of what it is turned by.
    angle: [L::F; 2],
    turn: [L::F; 2],
    /// What the phase of the upper operator advances by in a block.
    block: L::U,
}

#[derive(Clone, Copy)]
struct Operator<L: Lanes> {
    phase: L::U,
    step: L::U,
    level: L::F,
    rise: L::F,
}

impl<L: Lanes> Operator<L> {
    fn new(l: L, first: usize, ratio: f32, [level, rise]: [L::F; 2]) -> Self {
        let step = l.each_phase(|lane| step(Voice::Fm, first + lane, ratio));
        Self { phase: l.each_phase(|_| 0), step, level, rise }
    }
}

impl<L: Lanes> Stack<L> {
    #[inline(always)]
    fn begin_block(&mut self, l: L) {
        let phase = self.upper.phase;
        self.angle = [sine(l, phase), cosine(l, phase)];
        self.upper.phase = l.add_phases(phase, self.block);
    }

    #[inline(always)]
    fn frame(&mut self, l: L) -> L::F {
        let [sin, cos] = self.angle;
        let [turn_sin, turn_cos] = self.turn;
        // The phase goes with the integral of the sine that Chronus adds to the frequency.
        let moved = l.phase_of(l.mul(cos, self.upper.level));
        self.upper.level = l.add(self.upper.level, self.upper.rise);
        self.angle = [
            l.mul_add(sin, turn_cos, l.mul(cos, turn_sin)),
            l.sub(l.mul(cos, turn_cos), l.mul(sin, turn_sin)),
        ];
        let heard = l.mul(sine(l, l.sub_phases(self.lower.phase, moved)), self.lower.level);
        self.lower.phase = l.add_phases(self.lower.phase, self.lower.step);
        self.lower.level = l.add(self.lower.level, self.lower.rise);
        heard
    }
}

impl<L: Lanes> Lane<L> for FmLanes<L> {
    type Source = ();

    fn new(l: L, first: usize, voices: usize) -> (Self, ()) {
        let stacks = STACKS.map(|stack| {
            let radian = (4_294_967_296.0 / core::f64::consts::TAU) as f32;
            let moved = [stack.index * SUSTAIN * radian, 0.0].map(|value| l.splat(value));
            let heard = [SUSTAIN, 1e-9].map(|value| levels(l, first, voices, value * stack.share));
            let upper = Operator::new(l, first, stack.ratio, moved);
            let lower = Operator::new(l, first, 1.0, heard);
            let turn = [sine(l, upper.step), cosine(l, upper.step)];
            let block = l.each_phase(|lane| {
                step(Voice::Fm, first + lane, stack.ratio).wrapping_mul(BLOCK as u32)
            });
            Stack { upper, lower, angle: turn, turn, block }
        });
        (Self(stacks), ())
    }

    #[inline(always)]
    fn prepare(&mut self, l: L, (): &mut (), _: &mut [L::F; BLOCK], _: &mut [f32; BLOCK]) {
        for stack in &mut self.0 {
            stack.begin_block(l);
        }
    }

    #[inline(always)]
    fn frame(&mut self, l: L, _: L::F) -> L::F {
        let [a, b] = &mut self.0;
        l.add(a.frame(l), b.frame(l))
    }
}
