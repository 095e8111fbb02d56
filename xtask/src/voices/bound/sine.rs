//! Sines of phases, by the polynomial of Chronus; and of angles that are turned by the same from frame to frame.

use super::lanes::Lanes;
use crate::voices::voice::BLOCK;

const QUARTER_TURN: u32 = 1 << 30;

/// The sine of a phase, where 2^32 is one turn: see [`chronus_dsp::math::sine_of_phase`].
#[inline(always)]
pub fn sine<L: Lanes>(l: L, phase: L::U) -> L::F {
    const COEFFICIENTS: [f32; 4] = [-0.598_242_1, 2.550_069_7, -5.167_709_7, core::f32::consts::PI];
    // How far from a quarter of a turn, where the sine is 1 and its own mirror image.
    let quarter = l.each_phase(|_| QUARTER_TURN);
    let from_top = l.abs(l.number_of(l.sub_phases(phase, quarter)));
    let x = l.mul_add(from_top, l.splat(-1.0 / 2_147_483_648.0), l.splat(0.5));
    let x2 = l.mul(x, x);
    let mut sum = l.splat(0.077_560_39);
    for coefficient in COEFFICIENTS {
        sum = l.mul_add(sum, x2, l.splat(coefficient));
    }
    l.mul(sum, x)
}

/// The cosine.
#[inline(always)]
pub fn cosine<L: Lanes>(l: L, phase: L::U) -> L::F {
    sine(l, l.add_phases(phase, l.each_phase(|_| QUARTER_TURN)))
}

/// An angle that goes on by the same from frame to frame, which takes less than a polynomial. It begins afresh with each
/// block, so that no rounding piles up.
#[derive(Clone, Copy)]
pub struct Angle<L: Lanes> {
    /// Where the next block begins.
    phase: L::U,
    /// What the phase advances by in a block.
    block: L::U,
    /// Sine and cosine of the angle, and of what it is turned by.
    now: [L::F; 2],
    turn: [L::F; 2],
}

impl<L: Lanes> Angle<L> {
    /// One that begins at phase 0; each lane has its step.
    pub fn new(l: L, step: impl Fn(usize) -> u32) -> Self {
        let steps = l.each_phase(&step);
        let turn = [sine(l, steps), cosine(l, steps)];
        let block = l.each_phase(|lane| step(lane).wrapping_mul(BLOCK as u32));
        Self { phase: l.each_phase(|_| 0), block, now: turn, turn }
    }

    /// Must be called before the first frame of a block.
    #[inline(always)]
    pub fn begin_block(&mut self, l: L) {
        self.now = [sine(l, self.phase), cosine(l, self.phase)];
        self.phase = l.add_phases(self.phase, self.block);
    }

    /// Sine and cosine in this frame.
    #[inline(always)]
    pub fn next(&mut self, l: L) -> [L::F; 2] {
        let ([sin, cos], [turn_sin, turn_cos]) = (self.now, self.turn);
        self.now = [
            l.mul_add(sin, turn_cos, l.mul(cos, turn_sin)),
            l.sub(l.mul(cos, turn_cos), l.mul(sin, turn_sin)),
        ];
        [sin, cos]
    }
}
