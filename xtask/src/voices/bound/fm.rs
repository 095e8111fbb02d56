//! Four-operator FM: two stacks of two.

use super::lanes::Lanes;
use super::sine::{Angle, sine};
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

#[derive(Clone, Copy)]
struct Stack<L: Lanes> {
    upper: Angle<L>,
    /// How far the upper operator moves the phase of the lower, and how that goes on.
    depth: L::F,
    depth_rise: L::F,
    lower: Operator<L>,
}

#[derive(Clone, Copy)]
struct Operator<L: Lanes> {
    phase: L::U,
    step: L::U,
    level: L::F,
    rise: L::F,
}

impl<L: Lanes> Stack<L> {
    #[inline(always)]
    fn frame(&mut self, l: L) -> L::F {
        // The phase goes with the integral of the sine that Chronus adds to the frequency.
        let [_, cosine] = self.upper.next(l);
        let moved = l.phase_of(l.mul(cosine, self.depth));
        self.depth = l.add(self.depth, self.depth_rise);
        let lower = &mut self.lower;
        let heard = l.mul(sine(l, l.sub_phases(lower.phase, moved)), lower.level);
        lower.phase = l.add_phases(lower.phase, lower.step);
        lower.level = l.add(lower.level, lower.rise);
        heard
    }
}

impl<L: Lanes> Lane<L> for FmLanes<L> {
    type Source = ();

    fn new(l: L, first: usize, voices: usize) -> (Self, ()) {
        let stacks = STACKS.map(|stack| {
            let radian = (4_294_967_296.0 / core::f64::consts::TAU) as f32;
            let lower = Operator {
                phase: l.each_phase(|_| 0),
                step: l.each_phase(|lane| step(Voice::Fm, first + lane, 1.0)),
                level: levels(l, first, voices, SUSTAIN * stack.share),
                rise: levels(l, first, voices, 1e-9),
            };
            Stack {
                upper: Angle::new(l, |lane| step(Voice::Fm, first + lane, stack.ratio)),
                depth: l.splat(stack.index * SUSTAIN * radian),
                depth_rise: l.splat(0.0),
                lower,
            }
        });
        (Self(stacks), ())
    }

    #[inline(always)]
    fn prepare(&mut self, l: L, (): &mut (), _: &mut [L::F; BLOCK], _: &mut [f32; BLOCK]) {
        for stack in &mut self.0 {
            stack.upper.begin_block(l);
        }
    }

    #[inline(always)]
    fn frame(&mut self, l: L, _: L::F) -> L::F {
        let [a, b] = &mut self.0;
        l.add(a.frame(l), b.frame(l))
    }
}
