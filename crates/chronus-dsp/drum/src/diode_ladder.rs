//! The diode ladder: a low-pass of 18 to 24 dB per octave whose resonance growls rather than sings.
//!
//! Its stages load each other. With the lowest capacitor half as large as the others, the transfer
//! function is `1 / (T(1 + s) + k)`, where `T(z) = 8 z^4 - 8 z^2 + 1` is the Chebyshev polynomial
//! and `k` the feedback (Tim Stinchcombe, "Analysis of the Moog Transistor Ladder and Derivative
//! Filters", 2008; Vadim Zavalishin, "The Art of VA Filter Design", 2018). It rings for ever at `k
//! = 17`, at `1 / sqrt 2` of the cutoff of a stage. The integrators are trapezoidal, and the four
//! stages are solved together.

use super::parts::{gain_of, saturate, silent_below};

/// The feedback at which the ladder rings for ever.
pub const FEEDBACK_MAX: f32 = 17.0;
const SQRT_2: f32 = core::f32::consts::SQRT_2;

/// A ladder per channel.
#[derive(Clone, Copy, Debug)]
pub struct DiodeLadder<const C: usize> {
    /// Of the four integrators.
    state: [[f32; C]; 4],
}

impl<const C: usize> DiodeLadder<C> {
    /// At rest.
    pub const REST: Self = Self { state: [[0.0; C]; 4] };

    /// Filters a frame. `peak_hz` is where it would ring (its peak is lower with less feedback),
    /// and `feedback` is from 0 to [`FEEDBACK_MAX`]. What is fed into the first stage saturates, at
    /// 1, so nothing grows beyond bounds.
    #[inline(always)]
    pub fn next(
        &mut self,
        input: [f32; C],
        peak_hz: [f32; C],
        feedback: [f32; C],
        per_hz: f32,
    ) -> [f32; C] {
        let mut out = [0.0; C];
        for c in 0..C {
            let [s1, s2, s3, s4] = [0, 1, 2, 3].map(|stage| self.state[stage][c]);
            let g = SQRT_2 * gain_of(peak_hz[c], per_hz);
            let h = 0.5 * g;
            // Each stage is what comes from below times `b`, plus `a`; solved from the top down.
            let d4 = 1.0 / (1.0 + g);
            let (b4, a4) = (h * d4, s4 * d4);
            let d3 = 1.0 / (1.0 + g - h * b4);
            let (b3, a3) = (h * d3, (s3 + h * a4) * d3);
            let d2 = 1.0 / (1.0 + g - h * b3);
            let (b2, a2) = (h * d2, (s2 + h * a3) * d2);
            let d1 = 1.0 / (1.0 + g - g * b2);
            let (b1, a1) = (g * d1, (s1 + g * a2) * d1);
            // What the output would be if nothing came in, and how far it follows what does.
            let still = b4 * (b3 * (b2 * a1 + a2) + a3) + a4;
            let follow = b4 * b3 * b2 * b1;
            let x = (input[c] - feedback[c] * still) / (1.0 + feedback[c] * follow);
            let y1 = b1 * saturate(x) + a1;
            let y2 = b2 * y1 + a2;
            let y3 = b3 * y2 + a3;
            let y4 = b4 * y3 + a4;
            for (stage, (y, s)) in [(y1, s1), (y2, s2), (y3, s3), (y4, s4)].into_iter().enumerate()
            {
                self.state[stage][c] = silent_below(2.0 * y - s);
            }
            out[c] = y4;
        }
        out
    }
}
