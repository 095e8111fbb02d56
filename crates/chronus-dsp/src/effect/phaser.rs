//! Notches that wander through the sound, softer and further apart than those of a flanger: a chain
//! of all-pass filters that turn the phase, against the signal as it came.
//!
//! Where the chain has turned a frequency by half a turn, both cancel: two stages make one notch. The
//! stages are first-order all-passes by the bilinear transform (Julius O. Smith, "Physical Audio Signal
//! Processing", 2010, section on phasing).

use super::glide::{Choice, Glide};
use super::{HALF_TURN, blend_each, pieces, silent_below, tame_each};
use crate::io::Io;
use crate::math::{PhaseSteps, exp2, frames_of_ms, sine_of_phase, tan_of_turns};
use crate::module::{Module, ModuleSpec, ParamSpec};

/// The kind `phaser`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "phaser",
    summary: "Notches that wander through the sound, two to six of them.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        ParamSpec::choice("stages", &["4", "6", "8", "12"], "all-pass filters; two make one notch"),
        super::rate(0.3, "how fast the notches wander"),
        ParamSpec::number(
            "freq",
            "Hz",
            [50.0, 8_000.0],
            700.0,
            "the middle of their way, where each stage turns the phase by a quarter",
        )
        .smoothed(20.0)
        .exponential(),
        ParamSpec::number("depth", "octaves", [0.0, 4.0], 1.5, "how far they wander up and down")
            .smoothed(50.0),
        ParamSpec::number(
            "feedback",
            "",
            [-0.95, 0.95],
            0.4,
            "sharpens the peaks between the notches; below 0 it moves them",
        )
        .smoothed(10.0),
        super::width(0.3),
        super::mix(0.5),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const STAGES: usize = 0;
const RATE: usize = 1;
const FREQ: usize = 2;
const DEPTH: usize = 3;
const FEEDBACK: usize = 4;
const WIDTH: usize = 5;
const MIX: usize = 6;
const STAGES_MAX: usize = 12;
/// How many stages each choice has.
const COUNTS: [usize; 4] = [4, 6, 8, STAGES_MAX];
const CHANGE_MS: f32 = 20.0;

/// See [`SPEC`].
pub struct Phaser<const C: usize> {
    per_hz: f32,
    steps: PhaseSteps,
    phase: [u32; C],
    stages: Choice,
    sides: [Side<C>; 2],
}

#[derive(Clone, Copy)]
struct Side<const C: usize> {
    /// The coefficient that all stages share.
    turn: Glide<C>,
    states: [[f32; C]; STAGES_MAX],
    last: [f32; C],
}

impl<const C: usize> Side<C> {
    const REST: Self = Self { turn: Glide::REST, states: [[0.0; C]; STAGES_MAX], last: [0.0; C] };

    /// What comes out of the chain: after `to` stages, with a share of `going` after `from` of them.
    #[inline(always)]
    fn process(
        &mut self,
        dry: [f32; C],
        feedback: [f32; C],
        (to, from, going): (usize, usize, f32),
    ) -> [f32; C] {
        let turn = self.turn.step();
        let mut back = [0.0; C];
        for c in 0..C {
            back[c] = feedback[c] * self.last[c];
        }
        let back = tame_each(back);
        let mut signal = [0.0; C];
        for c in 0..C {
            signal[c] = dry[c] + back[c];
        }
        let [mut heard_to, mut heard_from] = [[0.0; C]; 2];
        for (stage, state) in self.states.iter_mut().enumerate() {
            for c in 0..C {
                let out = turn[c] * signal[c] + state[c];
                state[c] = silent_below(signal[c] - turn[c] * out);
                signal[c] = out;
            }
            if stage + 1 == to {
                heard_to = signal;
            }
            if stage + 1 == from {
                heard_from = signal;
            }
        }
        for c in 0..C {
            heard_to[c] = silent_below(heard_to[c] + going * (heard_from[c] - heard_to[c]));
        }
        self.last = heard_to;
        heard_to
    }
}

impl<const C: usize> Phaser<C> {
    /// A silent phaser.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            per_hz: 1.0 / rate_hz as f32,
            steps: PhaseSteps::new(rate_hz),
            phase: [0; C],
            stages: Choice::new(frames_of_ms(CHANGE_MS, rate_hz)),
            sides: [Side::REST; 2],
        }
    }

    #[inline(always)]
    fn begin_cell(&mut self, freq_hz: [f32; C], depth: [f32; C], width: [f32; C]) {
        for (side, state) in self.sides.iter_mut().enumerate() {
            let mut turn = [0.0; C];
            for c in 0..C {
                let behind = (width[c] * HALF_TURN) as u32 * side as u32;
                let sway = depth[c] * sine_of_phase(self.phase[c].wrapping_sub(behind));
                let g = tan_of_turns(0.5 * self.per_hz * freq_hz[c] * exp2(sway));
                turn[c] = (g - 1.0) / (g + 1.0);
            }
            state.turn.aim(turn);
        }
    }
}

impl<const C: usize> Module for Phaser<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.phase, self.sides) = ([0; C], [Side::REST; 2]);
        self.stages.reset();
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [stages, rate_hz, freq_hz] = [STAGES, RATE, FREQ].map(|param| io.param::<C>(param));
        let [depth, feedback] = [DEPTH, FEEDBACK].map(|param| io.param::<C>(param));
        let [width, mix] = [WIDTH, MIX].map(|param| io.param::<C>(param));
        let (frames, is_stereo) = (io.frames.clone(), io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        for piece in pieces(frames) {
            if piece.begins || self.sides[0].turn.is_fresh() {
                let n = piece.frames.start;
                // The first channel says for all.
                self.stages.aim(stages.at(n)[0] as usize);
                self.begin_cell(freq_hz.at(n), depth.at(n), width.at(n));
            }
            for n in piece.frames {
                let going = self.stages.step();
                let stages = (COUNTS[self.stages.to], COUNTS[self.stages.from], going);
                let (feedback, mix, rate_hz) = (feedback.at(n), mix.at(n), rate_hz.at(n));
                let wet_left = self.sides[0].process(left[n], feedback, stages);
                let wet_right = self.sides[1].process(right[n], feedback, stages);
                for c in 0..C {
                    self.phase[c] = self.phase[c].wrapping_add(self.steps.of(rate_hz[c]));
                }
                out_left[n] = blend_each(left[n], wet_left, mix);
                out_right[n] = blend_each(right[n], wet_right, mix);
            }
        }
    }
}
