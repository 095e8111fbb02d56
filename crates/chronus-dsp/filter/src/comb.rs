//! A comb filter: the signal meets itself a moment later, and what fits into that moment rings, as
//! a string or a pipe does.
//!
//! The universal comb of Udo Zölzer (ed.), "DAFX: Digital Audio Effects" (2002), section 3.2, with
//! a low-pass in its loop. The delay is read between frames by cubic interpolation (Lagrange) and
//! is shorter by what the low-pass delays, so that it is in tune.

use super::glide::Glide;
use super::silent_below;
use crate::io::Io;
use crate::math::tan_of_turns;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

const FREQ_MIN_HZ: f32 = 20.0;

/// The kind `comb`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "comb",
    summary: "A comb of resonances or notches at the multiples of a frequency.",
    inputs: &[PortSpec::audio("in", "the signal to be filtered")],
    outputs: &[PortSpec::audio("out", "the filtered signal")],
    params: &[
        ParamSpec::number(
            "freq",
            "Hz",
            [FREQ_MIN_HZ, 5_000.0],
            220.0,
            "the lowest resonance: one over the delay",
        )
        .smoothed(5.0)
        .exponential(),
        ParamSpec::number(
            "feedback",
            "",
            [-0.99, 0.99],
            0.8,
            "how much comes round again; below 0 the odd multiples of half the frequency ring",
        )
        .smoothed(10.0),
        ParamSpec::number(
            "feedforward",
            "",
            [-1.0, 1.0],
            0.0,
            "how much of the delayed signal is added: notches between the resonances, or on them",
        )
        .smoothed(10.0),
        ParamSpec::number(
            "damp",
            "Hz",
            [100.0, 20_000.0],
            8_000.0,
            "what lies above dies away sooner, by 6 dB per octave each time round",
        )
        .smoothed(10.0)
        .exponential(),
        ParamSpec::number("mix", "", [0.0, 1.0], 1.0, "0 is the input alone, 1 the comb alone")
            .smoothed(10.0),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const FREQ: usize = 0;
const FEEDBACK: usize = 1;
const FEEDFORWARD: usize = 2;
const DAMP: usize = 3;
const MIX: usize = 4;
/// The interpolation reads one frame before this, which is the last one written.
const DELAY_MIN: f32 = 2.0;

/// Frequency and damping, in Hz.
type Design<const C: usize> = [[f32; C]; 2];

/// See [`SPEC`].
pub struct Comb<const C: usize> {
    rate_hz: f32,
    /// What went round, the oldest overwritten first; a power of two long.
    line: Box<[[f32; C]]>,
    at: usize,
    damped: [f32; C],
    /// The delay in frames, and the share of the way that the low-pass goes in half a frame.
    glide: Glide<Design<C>, C, 2>,
}

impl<const C: usize> Comb<C> {
    /// A comb at rest.
    pub fn new(rate_hz: u32) -> Self {
        let longest = (rate_hz as f32 / FREQ_MIN_HZ) as usize + 4;
        Self {
            rate_hz: rate_hz as f32,
            line: vec![[0.0; C]; longest.next_power_of_two()].into_boxed_slice(),
            at: 0,
            damped: [0.0; C],
            glide: Glide::new(),
        }
    }

    fn begin_cell(&mut self, freq_hz: [f32; C], damp_hz: [f32; C]) {
        let rate_hz = self.rate_hz;
        self.glide.begin_cell([freq_hz, damp_hz], |[freq_hz, damp_hz]| {
            let [mut delay, mut share] = [[0.0; C]; 2];
            for c in 0..C {
                let g = tan_of_turns(damp_hz[c] / rate_hz * 0.5);
                let period = rate_hz / freq_hz[c];
                // The turn by which the low-pass lags at the frequency, as a share of the period.
                let lag = libm::atanf(tan_of_turns(0.5 / period) / g) / core::f32::consts::TAU;
                delay[c] = (period * (1.0 - lag)).max(DELAY_MIN);
                share[c] = g / (1.0 + g);
            }
            [delay, share]
        });
    }

    /// What went in so many frames ago.
    #[inline(always)]
    fn delayed(&self, delay: f32, c: usize) -> f32 {
        let whole = delay as usize;
        let x = delay - whole as f32;
        let mask = self.line.len() - 1;
        let [a, b, d, e] = [whole - 1, whole, whole + 1, whole + 2]
            .map(|ago| self.line[self.at.wrapping_sub(ago) & mask][c]);
        let (before, after, further) = (x + 1.0, x - 1.0, x - 2.0);
        (before * further) * (0.5 * after * b - 0.5 * x * d)
            + (x * after) * (before * e - further * a) * (1.0 / 6.0)
    }
}

impl<const C: usize> Module for Comb<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.line.fill([0.0; C]);
        (self.at, self.damped, self.glide) = (0, [0.0; C], Glide::new());
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [freq_hz, feedback, feedforward, damp_hz, mix] =
            [FREQ, FEEDBACK, FEEDFORWARD, DAMP, MIX].map(|param| io.param::<C>(param));
        let first = io.frames.start;
        let ([input], [out]) = io.ports::<C, 1, 1>();
        for n in 0..out.len() {
            if self.glide.is_due(first + n) {
                self.begin_cell(freq_hz.at(n), damp_hz.at(n));
            }
            let [delay, share] = self.glide.step();
            let (feedback, feedforward) = (feedback.at(n), feedforward.at(n));
            let (mix, input) = (mix.at(n), input[n]);
            let [mut heard, mut written] = [[0.0; C]; 2];
            for c in 0..C {
                let half_way = share[c] * (self.delayed(delay[c], c) - self.damped[c]);
                let back = self.damped[c] + half_way;
                self.damped[c] = silent_below(back + half_way);
                let (round, along) = (feedback[c], feedforward[c]);
                // With it noise keeps its level, as far as nothing is damped.
                let level =
                    ((1.0 - round * round) / (1.0 + along * along + 2.0 * along * round)).sqrt();
                written[c] = silent_below(level * input[c] + round * back);
                let comb = written[c] + along * back;
                heard[c] = input[c] + mix[c] * (comb - input[c]);
            }
            self.line[self.at] = written;
            self.at = (self.at + 1) & (self.line.len() - 1);
            out[n] = heard;
        }
    }
}
