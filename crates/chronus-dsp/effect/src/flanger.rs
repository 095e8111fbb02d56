//! The sweep of a jet plane: the sound and one copy so little late that they cancel at a comb of
//! frequencies, which wanders as the copy sways.

use super::head::{frames_of, read_at};
use super::line::Line;
use super::{HALF_TURN, blend, silent_below, tame};
use crate::io::Io;
use crate::lanes::{Ints, Lanes};
use crate::math::{PhaseSteps, frames_of_ms, sine_of_phase, to_unsigned};
use crate::module::{ModuleSpec, ParamSpec};
use crate::simd::Kernel;

/// The kind `flanger`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "flanger",
    summary: "The sweep of a jet plane: a comb of notches that wanders.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        super::rate(0.2, "how fast the comb wanders"),
        ParamSpec::number("delay", "ms", [0.2, 10.0], 2.0, "how late the copy is on average")
            .smoothed(50.0)
            .exponential(),
        ParamSpec::number(
            "depth",
            "",
            [0.0, 1.0],
            0.7,
            "how far it sways, as a share of the delay",
        )
        .smoothed(50.0),
        ParamSpec::number(
            "feedback",
            "",
            [-0.97, 0.97],
            0.5,
            "how much of the copy goes round again; below 0 upside down",
        )
        .smoothed(10.0),
        super::width(0.3),
        super::mix(0.5),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const RATE: usize = 0;
const DELAY: usize = 1;
const DEPTH: usize = 2;
const FEEDBACK: usize = 3;
const WIDTH: usize = 4;
const MIX: usize = 5;
const LATEST_MS: f32 = 20.0;

/// See [`SPEC`].
pub struct Flanger<const C: usize> {
    frames_per_ms: f64,
    steps: PhaseSteps,
    phase: [u32; C],
    lines: [Line<C>; 2],
}

impl<const C: usize> Flanger<C> {
    /// A silent flanger.
    pub fn new(rate_hz: u32) -> Self {
        let frames = frames_of_ms(LATEST_MS, rate_hz) as usize + 2;
        Self {
            frames_per_ms: f64::from(rate_hz) / 1000.0,
            steps: PhaseSteps::new(rate_hz),
            phase: [0; C],
            lines: [(); 2].map(|()| Line::new(frames)),
        }
    }
}

impl<const C: usize> Kernel<C> for Flanger<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [0; C];
        self.lines.iter_mut().for_each(Line::reset);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [rate_hz, delay_ms, depth] = [RATE, DELAY, DEPTH].map(|param| io.param::<C>(param));
        let [feedback, width, mix] = [FEEDBACK, WIDTH, MIX].map(|param| io.param::<C>(param));
        let (rate_hz, delay_ms, depth) = (rate_hz.on(lanes), delay_ms.on(lanes), depth.on(lanes));
        let (feedback, width, mix) = (feedback.on(lanes), width.on(lanes), mix.on(lanes));
        let is_stereo = io.is_connected(1);
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        let mut phase = lanes.load_ints(&self.phase);
        for n in 0..left.len() {
            let (depth, delay_ms) = (depth.at(n), delay_ms.at(n));
            let (feedback, mix) = (feedback.at(n), mix.at(n));
            let behind = to_unsigned(width.at(n) * HALF_TURN);
            let sides = [(&left[n], phase), (&right[n], phase.minus(behind))];
            let mut outs = [lanes.all(0.0); 2];
            for (side, ((dry, phase), line)) in sides.into_iter().zip(&mut self.lines).enumerate() {
                let dry = lanes.load(dry);
                let sway = depth * sine_of_phase(phase);
                let ago = frames_of(delay_ms * (sway + 1.0), self.frames_per_ms);
                let wet = read_at(lanes, line, ago);
                line.push(lanes, silent_below(dry + tame(feedback * wet)));
                outs[side] = blend(dry, wet, mix);
            }
            lanes.store(outs[0], &mut out_left[n]);
            lanes.store(outs[1], &mut out_right[n]);
            phase = phase.plus(self.steps.of(rate_hz.at(n)));
        }
        lanes.store_ints(phase, &mut self.phase);
    }
}
