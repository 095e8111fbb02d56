//! Sine, straight envelope, low-pass. The sine is a polynomial in each frame, or an angle that is turned, as
//! Chronus does while a frequency rests.

use super::lanes::Lanes;
use super::sine::{Angle, sine};
use super::{Kind, Lane, levels, step};
use crate::voices::voice::{BLOCK, CUTOFF_HZ, Q, RATE_HZ, SUSTAIN, Voice};

/// See the file's head.
pub enum Held<const TURNED: bool> {}

impl<const TURNED: bool> Kind for Held<TURNED> {
    type Of<L: Lanes> = HeldLanes<L, TURNED>;
}

/// The filter is in direct form, which takes the least operations, whatever noise it makes.
#[derive(Clone, Copy)]
pub struct HeldLanes<L: Lanes, const TURNED: bool> {
    angle: Angle<L>,
    phase: L::U,
    step: L::U,
    level: L::F,
    /// What the level moves by in each frame: the envelope is one straight line.
    rise: L::F,
    /// `b1` is twice, `b2` is once that.
    b0: L::F,
    /// With the sign turned.
    a1: L::F,
    a2: L::F,
    state: [L::F; 2],
}

impl<L: Lanes, const TURNED: bool> Lane<L> for HeldLanes<L, TURNED> {
    type Source = ();

    fn new(l: L, first: usize, voices: usize) -> (Self, ()) {
        let omega = core::f64::consts::TAU * f64::from(CUTOFF_HZ) / f64::from(RATE_HZ);
        let (sin, cos) = omega.sin_cos();
        let alpha = sin / (2.0 * f64::from(Q));
        let a0 = 1.0 + alpha;
        let lanes = Self {
            angle: Angle::new(l, |lane| step(Voice::Held, first + lane, 1.0)),
            phase: l.each_phase(|_| 0),
            step: l.each_phase(|lane| step(Voice::Held, first + lane, 1.0)),
            level: levels(l, first, voices, SUSTAIN),
            rise: levels(l, first, voices, 1e-9),
            b0: l.splat(((1.0 - cos) / 2.0 / a0) as f32),
            a1: l.splat((2.0 * cos / a0) as f32),
            a2: l.splat(((alpha - 1.0) / a0) as f32),
            state: [l.splat(0.0); 2],
        };
        (lanes, ())
    }

    #[inline(always)]
    fn prepare(&mut self, l: L, (): &mut (), _: &mut [L::F; BLOCK], _: &mut [f32; BLOCK]) {
        if TURNED {
            self.angle.begin_block(l);
        }
    }

    #[inline(always)]
    fn frame(&mut self, l: L, _: L::F) -> L::F {
        let tone = if TURNED {
            let [sine, _] = self.angle.next(l);
            sine
        } else {
            let phase = self.phase;
            self.phase = l.add_phases(phase, self.step);
            sine(l, phase)
        };
        let x = l.mul(tone, self.level);
        self.level = l.add(self.level, self.rise);
        let [s1, s2] = self.state;
        let y = l.mul_add(self.b0, x, s1);
        let fed = l.mul(self.b0, x);
        self.state =
            [l.mul_add(self.a1, y, l.add(l.add(fed, fed), s2)), l.mul_add(self.a2, y, fed)];
        y
    }
}
