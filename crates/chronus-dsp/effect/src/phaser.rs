//! Notches that wander through the sound, softer and further apart than those of a flanger: a chain
//! of all-pass filters that turn the phase, against the signal as it came.
//!
//! Where the chain has turned a frequency by half a turn, both cancel: two stages make one notch. The
//! stages are first-order all-passes by the bilinear transform (Julius O. Smith, "Physical Audio Signal
//! Processing", 2010, section on phasing).

use super::glide::{Choice, Glide};
use super::{HALF_TURN, blend, pieces, silent_below, tame};
use crate::io::Io;
use crate::lanes::{Ints, Lanes};
use crate::math::{PhaseSteps, exp2, frames_of_ms, sine_of_phase, tan_of_turns, to_unsigned};
use crate::module::{ModuleSpec, ParamSpec};
use crate::simd::Kernel;

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
    fn process<L: Lanes<C>>(
        &mut self,
        lanes: L,
        dry: L::Floats,
        feedback: L::Floats,
        (to, from, going): (usize, usize, f32),
    ) -> L::Floats {
        let turn = self.turn.step(lanes);
        let mut signal = dry + tame(feedback * lanes.load(&self.last));
        let (mut heard_to, mut heard_from) = (lanes.all(0.0), lanes.all(0.0));
        for (stage, memory) in self.states.iter_mut().enumerate() {
            let out = turn * signal + lanes.load(memory);
            lanes.store(silent_below(signal - turn * out), memory);
            signal = out;
            if stage + 1 == to {
                heard_to = signal;
            }
            if stage + 1 == from {
                heard_from = signal;
            }
        }
        let heard = silent_below(heard_to + (heard_from - heard_to) * going);
        lanes.store(heard, &mut self.last);
        heard
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
    fn begin_cell<L: Lanes<C>>(
        &mut self,
        lanes: L,
        freq_hz: L::Floats,
        depth: L::Floats,
        width: L::Floats,
    ) {
        let phase = lanes.load_ints(&self.phase);
        let behind = to_unsigned(width * HALF_TURN);
        for (side, phase) in [phase, phase.minus(behind)].into_iter().enumerate() {
            let sway = depth * sine_of_phase(phase);
            let g = tan_of_turns(freq_hz * (0.5 * self.per_hz) * exp2(sway));
            self.sides[side].turn.aim(lanes, (g - 1.0) / (g + 1.0));
        }
    }
}

impl<const C: usize> Kernel<C> for Phaser<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.phase, self.sides) = ([0; C], [Side::REST; 2]);
        self.stages.reset();
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [stages, rate_hz, freq_hz] = [STAGES, RATE, FREQ].map(|param| io.param::<C>(param));
        let [depth, feedback] = [DEPTH, FEEDBACK].map(|param| io.param::<C>(param));
        let [width, mix] = [WIDTH, MIX].map(|param| io.param::<C>(param));
        let (rate_hz, freq_hz, depth) = (rate_hz.on(lanes), freq_hz.on(lanes), depth.on(lanes));
        let (feedback, width, mix) = (feedback.on(lanes), width.on(lanes), mix.on(lanes));
        let (frames, is_stereo) = (io.frames.clone(), io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        for piece in pieces(frames) {
            if piece.begins || self.sides[0].turn.is_fresh() {
                let n = piece.frames.start;
                // The first channel says for all.
                self.stages.aim(stages.at(n)[0] as usize);
                self.begin_cell(lanes, freq_hz.at(n), depth.at(n), width.at(n));
            }
            for n in piece.frames {
                let going = self.stages.step();
                let stages = (COUNTS[self.stages.to], COUNTS[self.stages.from], going);
                let (feedback, mix) = (feedback.at(n), mix.at(n));
                let sides = [(&left[n], &mut out_left[n]), (&right[n], &mut out_right[n])];
                for (side, (dry, out)) in sides.into_iter().enumerate() {
                    let dry = lanes.load(dry);
                    let wet = self.sides[side].process(lanes, dry, feedback, stages);
                    lanes.store(blend(dry, wet, mix), out);
                }
                let phase = lanes.load_ints(&self.phase).plus(self.steps.of(rate_hz.at(n)));
                lanes.store_ints(phase, &mut self.phase);
            }
        }
    }
}
