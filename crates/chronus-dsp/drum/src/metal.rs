//! Square waves that do not agree: what cymbals and cowbells of drum machines are made of.

use crate::math::PhaseSteps;

/// Squares at so many frequencies.
///
/// Each sample is the mean of the square over a frame: the difference of its integral, a triangle.
/// So edges between two frames are where they belong, and aliases are weaker by the response of
/// that mean (the first order of what Vesa Välimäki, "Discrete-time synthesis of the sawtooth
/// waveform with reduced aliasing", 2005, did for the saw).
#[derive(Clone, Copy, Debug)]
pub struct Squares<const C: usize, const COUNT: usize> {
    phase: [[u32; C]; COUNT],
}

/// What each square advances by in a frame, and its inverse.
pub type Strides<const C: usize, const COUNT: usize> = [([u32; C], [f32; C]); COUNT];

impl<const C: usize, const COUNT: usize> Squares<C, COUNT> {
    /// All at the beginning of their turn.
    pub const START: Self = Self { phase: [[0; C]; COUNT] };

    /// How far the squares go in a frame at these ratios to a frequency.
    #[inline(always)]
    pub fn strides(
        steps: &PhaseSteps,
        freq_hz: [f32; C],
        ratios: &[f32; COUNT],
    ) -> Strides<C, COUNT> {
        ratios.map(|ratio| {
            let step = freq_hz.map(|freq_hz| steps.of(ratio * freq_hz).max(1));
            (step, step.map(|step| 1.0 / step as f32))
        })
    }

    /// The next sample of each.
    #[inline(always)]
    pub fn next(&mut self, strides: &Strides<C, COUNT>) -> [[f32; C]; COUNT] {
        let mut samples = [[0.0; C]; COUNT];
        for (i, (step, inverse)) in strides.iter().enumerate() {
            for c in 0..C {
                let before = (self.phase[i][c] as i32).unsigned_abs();
                self.phase[i][c] = self.phase[i][c].wrapping_add(step[c]);
                let after = (self.phase[i][c] as i32).unsigned_abs();
                samples[i][c] = after.wrapping_sub(before) as i32 as f32 * inverse[c];
            }
        }
        samples
    }
}
