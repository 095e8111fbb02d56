//! The hand-written bound: what the same voice costs if nothing is modular. One fused loop, the state of
//! a group of voices in registers for a whole block, a polynomial for the sine, a filter in direct form, no
//! library function; with and without fused arithmetic.

#![expect(clippy::inline_always, reason = "only what is inlined becomes vectors")]

use std::hint::black_box;

use chronus_dsp::Vectors;
use chronus_dsp::fused::{Fused, InHardware};
use chronus_dsp::math::{folded_half_turns, sine_of_phase};
use chronus_os::clock::thread_cpu_ns;
use pulp::NullaryFnOnce;

use super::{BLOCK, CUTOFF_HZ, Q, RATE_HZ, freq_hz, gain};

/// A group of voices: what is kept from block to block.
struct Group<const C: usize, const FUSED: bool> {
    phase: [u32; C],
    step: [u32; C],
    level: [f32; C],
    /// What the level moves by in each frame: the envelope is one straight line.
    rise: [f32; C],
    /// `b0` (`b1` is twice, `b2` is once that), `a1`, `a2`.
    coefficients: [[f32; C]; 3],
    state: [[f32; C]; 2],
}

impl<const C: usize, const FUSED: bool> Group<C, FUSED> {
    fn new(index: usize, voices: usize) -> Self {
        let rate_hz = f64::from(RATE_HZ);
        let omega = core::f64::consts::TAU * f64::from(CUTOFF_HZ) / rate_hz;
        let (sin, cos) = omega.sin_cos();
        let alpha = sin / (2.0 * f64::from(Q));
        let a0 = 1.0 + alpha;
        let coefficients = [(1.0 - cos) / 2.0 / a0, -2.0 * cos / a0, (1.0 - alpha) / a0];
        Self {
            phase: [0; C],
            step: std::array::from_fn(|c| {
                let freq_hz = f64::from(freq_hz(index * C + c));
                (freq_hz / rate_hz * 4_294_967_296.0) as u32
            }),
            level: [0.0; C],
            rise: [gain(voices) * 1e-6; C],
            coefficients: coefficients.map(|value| [value as f32; C]),
            state: [[0.0; C]; 2],
        }
    }

    /// `a * b + c`.
    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        if FUSED { InHardware::fused(a, b, c) } else { a * b + c }
    }

    /// As [`sine_of_phase`].
    #[inline(always)]
    fn sine(phase: u32) -> f32 {
        if !FUSED {
            return sine_of_phase(phase);
        }
        let x = folded_half_turns(phase);
        let x2 = x * x;
        let coefficients = [-0.598_242_1, 2.550_069_7, -5.167_709_7, core::f32::consts::PI];
        coefficients.iter().fold(0.077_560_39, |sum, next| Self::fused(sum, x2, *next)) * x
    }

    /// Adds a block to the sum of all groups. The filter is in direct form, which takes the least
    /// operations, whatever noise it makes.
    #[inline(always)]
    fn render(&mut self, sum: &mut [[f32; C]; BLOCK]) {
        let (mut phase, mut level) = (self.phase, self.level);
        let [b0, a1, a2] = self.coefficients;
        let [mut s1, mut s2] = self.state;
        for sum in sum {
            let mut frame = *sum;
            for c in 0..C {
                let x = Self::sine(phase[c]) * level[c];
                phase[c] = phase[c].wrapping_add(self.step[c]);
                level[c] += self.rise[c];
                let y = Self::fused(b0[c], x, s1[c]);
                let fed = b0[c] * x;
                s1[c] = Self::fused(-a1[c], y, (fed + fed) + s2[c]);
                s2[c] = Self::fused(-a2[c], y, fed);
                frame[c] += y;
            }
            *sum = frame;
        }
        (self.phase, self.level, self.state) = (phase, level, [s1, s2]);
    }
}

struct Render<'a, const C: usize, const FUSED: bool> {
    groups: &'a mut [Group<C, FUSED>],
    heard: &'a mut [f32; BLOCK],
}

impl<const C: usize, const FUSED: bool> NullaryFnOnce for Render<'_, C, FUSED> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut sum = [[0.0; C]; BLOCK];
        for group in self.groups {
            group.render(&mut sum);
        }
        for (heard, frame) in self.heard.iter_mut().zip(&sum) {
            *heard = frame.iter().sum();
        }
    }
}

/// CPU seconds for so many voices and seconds, in groups of `C`.
fn run<const C: usize, const FUSED: bool>(voices: usize, seconds: f64) -> f64 {
    let mut groups: Vec<Group<C, FUSED>> =
        (0..voices.div_ceil(C)).map(|index| Group::new(index, voices)).collect();
    let (arch, mut heard) = (Vectors::chosen().arch(), [0.0; BLOCK]);
    let start = thread_cpu_ns();
    for _ in 0..(seconds * f64::from(RATE_HZ) / BLOCK as f64) as usize {
        arch.dispatch(Render { groups: &mut groups, heard: &mut heard });
        black_box(&heard);
    }
    // A group that is not full does more than was asked.
    let share = voices as f64 / (groups.len() * C) as f64;
    (thread_cpu_ns() - start) as f64 / 1e9 * share
}

/// The same with the best size of groups.
pub fn cpu_seconds<const FUSED: bool>(voices: usize, seconds: f64) -> f64 {
    let of_8 = run::<8, FUSED>(voices, seconds);
    of_8.min(run::<16, FUSED>(voices, seconds)).min(run::<32, FUSED>(voices, seconds))
}
