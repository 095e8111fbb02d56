//! The fat low-pass of the classic synthesizers: four poles in a row, fed back until they sing, and
//! an input that saturates gently.
//!
//! The circuit is that of Robert A. Moog, "A Voltage-Controlled Low-Pass High-Pass Filter for Audio
//! Signal Processing" (AES preprint 413, 1965), with the trapezoidal integrators and the feedback
//! without delay of Vadim Zavalishin, "The Art of VA Filter Design" (2012). One saturation, where
//! input and feedback meet, stands for those of all stages: without memory of its own it leaves the
//! tuning alone, and it bounds what the stages get.

use super::silent_below;
use crate::io::Io;
use crate::math::tan_of_turns;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `ladder`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "ladder",
    summary: "A transistor ladder: a warm low-pass, 24 or 12 dB per octave, that can sing.",
    inputs: &[PortSpec::audio("in", "the signal to be filtered")],
    outputs: &[PortSpec::audio("out", "the filtered signal")],
    params: &[
        ParamSpec::number(
            "cutoff",
            "Hz",
            [20.0, 20_000.0],
            1_000.0,
            "where the resonance is, held below 0.49 of the rate",
        )
        .smoothed(10.0)
        .exponential(),
        ParamSpec::number(
            "resonance",
            "",
            [0.0, 1.2],
            0.2,
            "feedback; above 1 the filter sings by itself, at the cutoff",
        )
        .smoothed(10.0),
        ParamSpec::number("drive", "", [0.1, 16.0], 1.0, "amplification before the saturation")
            .smoothed(10.0)
            .exponential(),
        ParamSpec::number(
            "bass",
            "",
            [0.0, 1.0],
            0.0,
            "how much of what resonance takes from the bass is given back; 0 as in the circuit",
        )
        .smoothed(10.0),
        ParamSpec::choice("slope", &["24 dB", "12 dB"], "fall per octave above the cutoff")
            .smoothed(10.0),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const CUTOFF: usize = 0;
const RESONANCE: usize = 1;
const DRIVE: usize = 2;
const BASS: usize = 3;
const SLOPE: usize = 4;
/// The four stages together take a quarter of the amplitude at the cutoff.
const FEEDBACK_OF_SINGING: f32 = 4.0;
/// What a filter that would sing gets to begin with (-100 dB), as the noise of a circuit would
/// give.
const SPARK: f32 = 1e-5;
/// The saturation approaches this level.
const CEILING: f32 = 2.0;
/// No input is taken louder, so that no square overflows.
const LOUDEST: f32 = 1e6;

/// See [`SPEC`].
pub struct Ladder<const C: usize> {
    per_hz: f32,
    state: [[f32; C]; 4],
}

impl<const C: usize> Ladder<C> {
    /// A filter at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self { per_hz: 1.0 / rate_hz as f32, state: [[0.0; C]; 4] }
    }

    /// The share of the way to its input that a stage goes in half a frame.
    #[inline(always)]
    fn shares(&self, cutoff_hz: [f32; C]) -> [f32; C] {
        let mut shares = [0.0; C];
        for c in 0..C {
            let g = tan_of_turns(cutoff_hz[c] * self.per_hz * 0.5);
            shares[c] = g / (1.0 + g);
        }
        shares
    }
}

/// Solves `v + loop_gain * saturated(v) = asked`, and returns `saturated(v)`.
///
/// The left side is odd, rising, and ever less steep away from 0. So Newton's method, begun with
/// the linear solution, only ever comes closer. Its two steps are enough: what they leave is a
/// slightly different saturation.
#[inline(always)]
fn saturated_within_loop(asked: f32, loop_gain: f32) -> f32 {
    const SCALE: f32 = 1.0 / (CEILING * CEILING);
    let asked = asked.clamp(-LOUDEST, LOUDEST);
    let mut v = asked / (1.0 + loop_gain);
    let mut slope = 1.0 / (1.0 + SCALE * v * v).sqrt();
    for _ in 0..2 {
        let error = v + loop_gain * v * slope - asked;
        v -= error / (1.0 + loop_gain * slope * slope * slope);
        slope = 1.0 / (1.0 + SCALE * v * v).sqrt();
    }
    v * slope
}

impl<const C: usize> Module for Ladder<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.state = [[0.0; C]; 4];
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [cutoff_hz, resonance, drive, bass, slope] =
            [CUTOFF, RESONANCE, DRIVE, BASS, SLOPE].map(|param| io.param::<C>(param));
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let mut state = self.state;
        let mut shares = self.shares(cutoff_hz.at(0));
        for n in 0..out.len() {
            if cutoff_hz.is_moving() {
                shares = self.shares(cutoff_hz.at(n));
            }
            let (resonance, drive, bass) = (resonance.at(n), drive.at(n), bass.at(n));
            let (slope, input) = (slope.at(n), input[n]);
            let mut heard = [0.0; C];
            for c in 0..C {
                let (g, rest) = (shares[c], 1.0 - shares[c]);
                let feedback = FEEDBACK_OF_SINGING * resonance[c];
                // What the last stage would give if the first got nothing.
                let [s1, s2, s3, s4] = [0, 1, 2, 3].map(|stage| state[stage][c]);
                let ringing = rest * (s4 + g * (s3 + g * (s2 + g * s1)));
                let spark = if feedback > FEEDBACK_OF_SINGING { SPARK } else { 0.0 };
                let fed = drive[c] * (1.0 + bass[c] * feedback) * input[c] + spark;
                let loop_gain = feedback * ((g * g) * (g * g));
                let mut signal = saturated_within_loop(fed - feedback * ringing, loop_gain);
                let mut second = 0.0;
                for stage in 0..4 {
                    let half_way = g * (signal - state[stage][c]);
                    signal = state[stage][c] + half_way;
                    state[stage][c] = silent_below(signal + half_way);
                    if stage == 1 {
                        second = signal;
                    }
                }
                heard[c] = signal + slope[c] * (second - signal);
            }
            out[n] = heard;
        }
        self.state = state;
    }
}
