//! The sweep of a jet plane: the sound and one copy so little late that they cancel at a comb of
//! frequencies, which wanders as the copy sways.

use super::head::read_at;
use super::line::Line;
use super::{HALF_TURN, blend, sum, tame};
use crate::io::Io;
use crate::math::{PhaseSteps, frames_of_ms, sine_of_phase};
use crate::module::{Module, ModuleSpec, ParamSpec};

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

impl<const C: usize> Module for Flanger<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [0; C];
        self.lines.iter_mut().for_each(Line::reset);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [rate_hz, delay_ms, depth] = [RATE, DELAY, DEPTH].map(|param| io.param::<C>(param));
        let [feedback, width, mix] = [FEEDBACK, WIDTH, MIX].map(|param| io.param::<C>(param));
        let is_stereo = io.is_connected(1);
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        for n in 0..left.len() {
            let (rate_hz, delay_ms, depth) = (rate_hz.at(n), delay_ms.at(n), depth.at(n));
            let (feedback, width, mix) = (feedback.at(n), width.at(n), mix.at(n));
            let dry = [left[n], right[n]];
            let mut wet = [[0.0; C]; 2];
            for side in 0..2 {
                let mut back = [0.0; C];
                for c in 0..C {
                    let behind = (width[c] * HALF_TURN) as u32 * side as u32;
                    let sway = depth[c] * sine_of_phase(self.phase[c].wrapping_sub(behind));
                    let late_ms = f64::from(delay_ms[c] * (1.0 + sway));
                    let ago = (late_ms * self.frames_per_ms).max(2.0);
                    wet[side][c] = read_at(&self.lines[side], c, ago);
                    back[c] = feedback[c] * wet[side][c];
                }
                self.lines[side].push(sum(dry[side], tame(back)));
            }
            for c in 0..C {
                self.phase[c] = self.phase[c].wrapping_add(self.steps.of(rate_hz[c]));
            }
            out_left[n] = blend(dry[0], wet[0], mix);
            out_right[n] = blend(dry[1], wet[1], mix);
        }
    }
}
