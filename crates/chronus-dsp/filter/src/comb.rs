//! A comb filter: the signal meets itself a moment later, and what fits into that moment rings, as
//! a string or a pipe does.
//!
//! The universal comb of Udo Zölzer (ed.), "DAFX: Digital Audio Effects" (2002), section 3.2, with
//! a low-pass in its loop. The delay is read between frames by cubic interpolation (Lagrange) and
//! is shorter by what the low-pass delays, so that it is in tune.

use super::design_glide::DesignGlide;
use super::silent_below;
use crate::io::Io;
use crate::lanes::{Floats, Ints, Lanes, Mask};
use crate::math::tan_of_turns;
use crate::module::{MIDDLE_C_HZ, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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
            MIDDLE_C_HZ,
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
    glide: DesignGlide<Design<C>, C, 2>,
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
            glide: DesignGlide::new(),
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
    fn delayed<L: Lanes<C>>(&self, lanes: L, delay: L::Floats) -> L::Floats {
        let whole = delay.to_ints();
        let x = delay - whole.to_floats();
        let wholes = lanes.array_of_ints(whole);
        let [mut a, mut b, mut d, mut e] = [x; 4];
        if whole.eq(lanes.all_ints(wholes[0])).all() {
            for (frame, ago) in [&mut a, &mut b, &mut d, &mut e].into_iter().zip(wholes[0] - 1..) {
                *frame = lanes.load(&self.line[self.index(ago)]);
            }
        } else {
            let frames = self.around(&wholes);
            for (frame, from) in [&mut a, &mut b, &mut d, &mut e].into_iter().zip(&frames) {
                *frame = lanes.load(from);
            }
        }
        let (before, after, further) = (x + 1.0, x - 1.0, x - 2.0);
        (before * further) * (after * 0.5 * b - x * 0.5 * d)
            + (x * after) * (before * e - further * a) * (1.0 / 6.0)
    }

    #[inline(always)]
    fn index(&self, ago: u32) -> usize {
        self.at.wrapping_sub(ago as usize) & (self.line.len() - 1)
    }

    /// The four frames around the places of all channels, the youngest first.
    fn around(&self, wholes: &[u32; C]) -> [[f32; C]; 4] {
        let mut frames = [[0.0; C]; 4];
        for c in 0..C {
            for (frame, ago) in frames.iter_mut().zip(wholes[c] - 1..) {
                frame[c] = self.line[self.index(ago)][c];
            }
        }
        frames
    }
}

/// How loud the input is, so that noise keeps its level with this feedback and feedforward, as far as nothing is
/// damped.
#[inline(always)]
fn level<F: Floats>(round: F, along: F) -> F {
    let one = round.like(1.0);
    ((one - round * round) / (along * along + 1.0 + along * 2.0 * round)).root()
}

impl<const C: usize> Kernel<C> for Comb<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.line.fill([0.0; C]);
        (self.at, self.damped, self.glide) = (0, [0.0; C], DesignGlide::new());
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [freq_hz, feedback, feedforward, damp_hz, mix] =
            [FREQ, FEEDBACK, FEEDFORWARD, DAMP, MIX].map(|param| io.param::<C>(param));
        let (feedback, feedforward) = (feedback.on(lanes), feedforward.on(lanes));
        let mix = mix.on(lanes);
        let first = io.frames.start;
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let mut loudness = level(feedback.at(0), feedforward.at(0));
        let mut damped = lanes.load(&self.damped);
        for (n, (out, input)) in out.iter_mut().zip(input).enumerate() {
            if self.glide.is_due(first + n) {
                self.begin_cell(freq_hz.at(n), damp_hz.at(n));
            }
            self.glide.step(lanes);
            let (delay, share) = (self.glide.value(lanes, 0), self.glide.value(lanes, 1));
            let (round, along, input) = (feedback.at(n), feedforward.at(n), lanes.load(input));
            if feedback.is_moving() || feedforward.is_moving() {
                loudness = level(round, along);
            }
            let half_way = share * (self.delayed(lanes, delay) - damped);
            let back = damped + half_way;
            damped = silent_below(back + half_way);
            let written = silent_below(loudness * input + round * back);
            let comb = written + along * back;
            lanes.store(written, &mut self.line[self.at]);
            self.at = (self.at + 1) & (self.line.len() - 1);
            lanes.store(input + mix.at(n) * (comb - input), out);
        }
        lanes.store(damped, &mut self.damped);
    }
}
