//! The fat low-pass of the classic synthesizers: four poles in a row, fed back until they sing, and
//! an input that saturates gently.
//!
//! The circuit is that of Robert A. Moog, "A Voltage-Controlled Low-Pass High-Pass Filter for Audio
//! Signal Processing" (AES preprint 413, 1965), with the trapezoidal integrators and the feedback
//! without delay of Vadim Zavalishin, "The Art of VA Filter Design" (2012). One saturation, where
//! input and feedback meet, stands for those of all stages: without memory of its own it leaves the
//! tuning alone, and it bounds what the stages get.
//!
//! What a stage holds depends on what all of them held a frame ago, and a processor waits longer for that than
//! the arithmetic takes. So what the stages give by themselves is computed beside the saturation, and so is what they
//! feed back: it is a share of what was saturated a frame ago, and a rest. A frame waits for that share alone.

use super::{SILENCE, silent_below};
use crate::io::Io;
use crate::lanes::{Floats, Lanes};
use crate::math::tan_of_turns;
use crate::module::{MIDDLE_C_HZ, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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
            MIDDLE_C_HZ,
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
/// The saturation approaches this level; inside, all is counted in it.
const CEILING: f32 = 2.0;
/// No input is taken louder, so that no power overflows.
const LOUDEST: f32 = 1e6;

/// See [`SPEC`].
pub struct Ladder<const C: usize> {
    per_hz: f32,
    /// What was saturated in the frame before.
    saturated: [f32; C],
    /// What each stage took of it, twice, and what it holds besides.
    taken: [[f32; C]; 4],
    held: [[f32; C]; 4],
}

impl<const C: usize> Ladder<C> {
    /// A filter at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            per_hz: 1.0 / rate_hz as f32,
            saturated: [0.0; C],
            taken: [[0.0; C]; 4],
            held: [[0.0; C]; 4],
        }
    }
}

/// What the parameters come to.
struct Shape<F> {
    /// The share of the way to its input that a stage goes in half a frame, and what is left.
    g: F,
    rest: F,
    /// How much of the saturated signal is heard of each stage.
    through: [F; 4],
    /// How much of what each stage holds is fed back.
    back: [F; 4],
    /// How much of the saturated signal is fed back, and what of it is left without saturation.
    loop_gain: F,
    linear: F,
    /// How much of the input goes in, and what else does.
    level: F,
    spark: F,
}

impl<F: Floats> Shape<F> {
    #[inline(always)]
    fn of(per_hz: f32, cutoff_hz: F, resonance: F, drive: F, bass: F) -> Self {
        let one = cutoff_hz.like(1.0);
        let g = tan_of_turns(cutoff_hz * per_hz * 0.5);
        let g = g / (g + 1.0);
        let (square, rest) = (g * g, one - g);
        let powers = [g, square, square * g, square * square];
        let feedback = resonance * FEEDBACK_OF_SINGING;
        let loop_gain = feedback * powers[3];
        let fourth = feedback * rest * (1.0 / CEILING);
        let sings = feedback.gt(one * FEEDBACK_OF_SINGING);
        Self {
            g,
            rest,
            through: [
                powers[0] * CEILING,
                powers[1] * CEILING,
                powers[2] * CEILING,
                powers[3] * CEILING,
            ],
            back: [fourth * powers[2], fourth * powers[1], fourth * powers[0], fourth],
            loop_gain,
            linear: one / (loop_gain + 1.0),
            level: drive * (bass * feedback + 1.0) * (1.0 / CEILING),
            spark: F::choose(sings, one * (SPARK / CEILING), one * 0.0),
        }
    }
}

/// Solves `x + loop_gain * u = asked`, where `u` is `x` saturated, `x / sqrt(1 + x^2)`, and returns `u`.
///
/// The left side is odd, rising, and ever less steep away from 0. So Newton's method, begun with the linear
/// solution, only ever comes closer. A step of it for `x` is followed by one for `u`, which is nowhere above 1
/// then. What they leave, at most 0.005, is a slightly different saturation.
#[inline(always)]
fn saturated_within_loop<F: Floats>(asked: F, loop_gain: F, linear: F) -> F {
    let x = asked * linear;
    let square = x * x + 1.0;
    let root = square.root();
    let error = (x - asked) * root + loop_gain * x;
    let x = x - error / (root + loop_gain / square);
    let x2 = x * x;
    let square = x2 + 1.0;
    (x2 * x + asked) / (square * square.root() + loop_gain)
}

impl<const C: usize> Kernel<C> for Ladder<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.saturated = [0.0; C];
        (self.taken, self.held) = ([[0.0; C]; 4], [[0.0; C]; 4]);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [cutoff_hz, resonance, drive, bass, slope] =
            [CUTOFF, RESONANCE, DRIVE, BASS, SLOPE].map(|param| io.param::<C>(param));
        let (cutoff_hz, resonance) = (cutoff_hz.on(lanes), resonance.on(lanes));
        let (drive, bass, slope) = (drive.on(lanes), bass.on(lanes), slope.on(lanes));
        let is_moving =
            cutoff_hz.is_moving() || resonance.is_moving() || drive.is_moving() || bass.is_moving();
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let per_hz = self.per_hz;
        let mut u = lanes.load(&self.saturated);
        let (mut taken, mut held) = ([u; 4], [u; 4]);
        for i in 0..4 {
            (taken[i], held[i]) = (lanes.load(&self.taken[i]), lanes.load(&self.held[i]));
        }
        let mut shape =
            Shape::of(per_hz, cutoff_hz.at(0), resonance.at(0), drive.at(0), bass.at(0));
        for (n, (out, input)) in out.iter_mut().zip(input).enumerate() {
            if is_moving {
                let (cutoff_hz, resonance) = (cutoff_hz.at(n), resonance.at(n));
                shape = Shape::of(per_hz, cutoff_hz, resonance, drive.at(n), bass.at(n));
            }
            let Shape { g, rest, through: [t1, t2, t3, t4], back: [b1, b2, b3, b4], .. } = shape;
            let ([k1, k2, k3, k4], [h1, h2, h3, h4]) = (taken, held);
            let fed = (shape.level * lanes.load(input) + shape.spark).between(-LOUDEST, LOUDEST);
            let back = (b4 * k4 + b3 * k3) + (b2 * k2 + b1 * k1);
            let asked = (fed - ((b4 * h4 + b3 * h3) + (b2 * h2 + b1 * h1))) - back * u;
            let s1 = silent_below(k1 * u + h1);
            let s2 = silent_below(k2 * u + h2);
            let s3 = silent_below(k3 * u + h3);
            let s4 = silent_below(k4 * u + h4);
            // What each stage would give if the first got nothing.
            let q1 = rest * s1;
            let q2 = g * q1 + rest * s2;
            let q3 = g * q2 + rest * s3;
            let q4 = g * q3 + rest * s4;
            // Found out beside that: what is left of a sound that is over would never come to an end.
            let zero = lanes.all(0.0);
            let is_over = s1.eq(zero)
                & s2.eq(zero)
                & s3.eq(zero)
                & s4.eq(zero)
                & fed.magnitude().lt(lanes.all(SILENCE));
            u = saturated_within_loop(asked, shape.loop_gain, shape.linear).without(is_over);
            let (second, fourth) = (t2 * u + q2, t4 * u + q4);
            lanes.store(fourth + slope.at(n) * (second - fourth), out);
            taken = [t1 + t1, t2 + t2, t3 + t3, t4 + t4];
            held = [q1 + q1 - s1, q2 + q2 - s2, q3 + q3 - s3, q4 + q4 - s4];
        }
        lanes.store(u, &mut self.saturated);
        for i in 0..4 {
            lanes.store(taken[i], &mut self.taken[i]);
            lanes.store(held[i], &mut self.held[i]);
        }
    }
}
