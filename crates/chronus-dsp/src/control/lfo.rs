//! A slow oscillator, in Hz or in step with the beat, that moves parameters: waves, random steps
//! and random curves.

use super::random::SEED;
use super::timing::{Openings, PHASE_START, RESET, TURN, beat_in, fixed};
use crate::io::Io;
use crate::math::{Die, sine_of_phase, unit_of};
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `lfo`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "lfo",
    summary: "A slow oscillator that moves parameters, free or in step with the beat.",
    inputs: &[PortSpec { doc: "begins the turn, and the random series, anew", ..RESET }],
    outputs: &[PortSpec::control("out", "offset plus depth times the shape")],
    params: &[
        ParamSpec::choice(
            "shape",
            &["sine", "triangle", "saw-up", "saw-down", "square", "random", "smooth-random"],
            "course of a turn; random is a new value each turn, smooth-random glides between such",
        ),
        ParamSpec::number("freq", "Hz", [0.001, 100.0], 1.0, "turns per second, unless in step")
            .smoothed(5.0)
            .exponential(),
        ParamSpec::choice("sync", &["free", "beats"], "by freq, or in step with the beat"),
        ParamSpec::number("beats", "beats", [0.0625, 64.0], 4.0, "how long a turn is in step")
            .exponential(),
        ParamSpec::number("phase", "turns", [0.0, 1.0], 0.0, "how far on it is").smoothed(10.0),
        ParamSpec::number("depth", "", [-1.0, 1.0], 1.0, "how far it swings; below 0, upside down")
            .smoothed(10.0),
        ParamSpec::number("offset", "", [-1.0, 1.0], 0.0, "is added").smoothed(10.0),
        ParamSpec::choice(
            "polarity",
            &["bipolar", "unipolar"],
            "whether the shape lies within -1 and 1, or within 0 and 1",
        ),
        SEED,
        ParamSpec::number(
            "spread",
            "turns",
            [0.0, 1.0],
            0.0,
            "how far apart the channels are in all; above 0, each has a random series of its own",
        )
        .smoothed(10.0),
    ],
    ..ModuleSpec::BARE
};

const FREQ: usize = 1;
const PHASE: usize = 4;
const SPREAD: usize = 9;
const PARAMS: usize = 10;

/// See [`SPEC`].
pub struct Lfo<const C: usize> {
    /// What the phase advances by in a frame at 1 Hz.
    step_per_hz: f64,
    reset: Openings<C>,
    /// Turns since the beginning.
    turns: [u32; C],
    /// Where in its turn it is, if free; 2^64 are a turn, so that the slowest is in tune.
    phase: [u64; C],
    /// The beat at which the first turn begins, if in step.
    origin: [f64; C],
}

impl<const C: usize> Lfo<C> {
    /// At the beginning of its first turn.
    pub fn new(rate_hz: u32) -> Self {
        let step_per_hz = TURN * TURN / f64::from(rate_hz);
        let (turns, phase, origin) = ([0; C], [PHASE_START; C], [0.0; C]);
        Self { step_per_hz, reset: Openings::new(), turns, phase, origin }
    }
}

/// The shape at a position, within -1 and 1.
fn shape_at(shape: f32, position: u64, die: impl Fn() -> Die) -> f32 {
    const QUARTER: f32 = 1.0 / 1_073_741_824.0;
    let (turn, phase) = ((position >> 32) as u32, position as u32);
    let signed = phase as i32;
    match shape as u32 {
        0 => sine_of_phase(phase),
        1 => {
            // As the sine is folded: the second and third quarter mirror the others.
            let mirrored = (signed ^ (signed << 1)) < 0;
            let folded = if mirrored { i32::MIN.wrapping_sub(signed) } else { signed };
            folded as f32 * QUARTER
        }
        2 => unit_of(phase ^ 1 << 31),
        3 => -unit_of(phase ^ 1 << 31),
        4 if signed >= 0 => 1.0,
        4 => -1.0,
        5 => unit_of(die().throw(turn)),
        _ => {
            let die = die();
            let [from, to] = [turn, turn.wrapping_add(1)].map(|turn| unit_of(die.throw(turn)));
            let x = phase as f32 * (0.25 * QUARTER);
            // Flat where one curve meets the next.
            from + (to - from) * (x * x * (3.0 - 2.0 * x))
        }
    }
}

impl<const C: usize> Module for Lfo<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.reset = Openings::new();
        (self.turns, self.phase, self.origin) = ([0; C], [PHASE_START; C], [0.0; C]);
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let params: [_; PARAMS] = core::array::from_fn(|param| io.param::<C>(param));
        let transport = io.transport;
        let ([reset], [out]) = io.ports::<C, 1, 1>();
        let step_at = |n| params[FREQ].at(n).map(|hz| (f64::from(hz) * self.step_per_hz) as u64);
        let ahead_at = |n| {
            let (phase, spread) = (params[PHASE].at(n), params[SPREAD].at(n));
            let share = |c| f64::from(spread[c]) * c as f64 / C as f64;
            core::array::from_fn(|c| fixed(f64::from(phase[c]) + share(c)))
        };
        let (mut step, mut ahead): (_, [_; C]) = (step_at(0), ahead_at(0));
        let (step_moves, ahead_moves) =
            (params[FREQ].is_moving(), params[PHASE].is_moving() || params[SPREAD].is_moving());
        for (n, out) in out.iter_mut().enumerate() {
            let [shape, _, sync, beats, _, depth, offset, polarity, seed, spread] =
                params.each_ref().map(|param| param.at(n));
            if step_moves {
                step = step_at(n);
            }
            if ahead_moves {
                ahead = ahead_at(n);
            }
            let (resets, beat) = (self.reset.of(&reset[n]), beat_in(transport, n));
            for c in 0..C {
                if resets[c] {
                    (self.turns[c], self.phase[c]) = (0, PHASE_START);
                    self.origin[c] = transport.beat_at(n);
                }
                let position = if sync[c] > 0.5 {
                    fixed((beat - self.origin[c]) / f64::from(beats[c]))
                } else {
                    u64::from(self.turns[c]) << 32 | self.phase[c] >> 32
                };
                let die = || Die::new(seed[c], if spread[c] > 0.0 { c } else { 0 });
                let wave = shape_at(shape[c], position.wrapping_add(ahead[c]), die);
                let wave = if polarity[c] > 0.5 { 0.5 + 0.5 * wave } else { wave };
                out[c] = offset[c] + depth[c] * wave;
                let (phase, is_over) = self.phase[c].overflowing_add(step[c]);
                self.phase[c] = phase;
                self.turns[c] = self.turns[c].wrapping_add(u32::from(is_over));
            }
        }
    }
}
