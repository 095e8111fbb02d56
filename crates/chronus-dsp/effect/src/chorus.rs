//! One sound as an ensemble: three copies on each side, each a little late and swaying in pitch on its
//! own.

use super::head::read_at;
use super::line::Line;
use super::{HALF_TURN, blend};
use crate::io::Io;
use crate::math::{PhaseSteps, sine_of_phase};
use crate::module::{Module, ModuleSpec, ParamSpec};

/// The kind `chorus`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "chorus",
    summary: "Makes one sound an ensemble: three swaying copies on each side.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        super::rate(0.6, "how fast the copies sway"),
        ParamSpec::number("depth", "ms", [0.0, 6.0], 2.0, "how far they sway to each side")
            .smoothed(50.0),
        ParamSpec::number("delay", "ms", [7.0, 40.0], 14.0, "how late they are on average")
            .smoothed(50.0),
        super::width(0.5),
        super::mix(0.5),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const RATE: usize = 0;
const DEPTH: usize = 1;
const DELAY: usize = 2;
const WIDTH: usize = 3;
const MIX: usize = 4;
/// As late as a copy may be: the greatest delay and depth.
const LATEST_MS: f32 = 46.0;
/// Where in their turn the copies of a side are.
const VOICES: [u32; 3] = [0, 0x5555_5555, 0xaaaa_aaaa];
/// Copies that have nothing to do with one another add up in power: three are as loud as one.
const LEVEL: f32 = 0.577_350_3;

/// See [`SPEC`].
pub struct Chorus<const C: usize> {
    frames_per_ms: f64,
    steps: PhaseSteps,
    phase: [u32; C],
    lines: [Line<C>; 2],
}

impl<const C: usize> Chorus<C> {
    /// A silent chorus.
    pub fn new(rate_hz: u32) -> Self {
        let frames = crate::math::frames_of_ms(LATEST_MS, rate_hz) as usize + 2;
        Self {
            frames_per_ms: f64::from(rate_hz) / 1000.0,
            steps: PhaseSteps::new(rate_hz),
            phase: [0; C],
            lines: [(); 2].map(|()| Line::new(frames)),
        }
    }
}

impl<const C: usize> Module for Chorus<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [0; C];
        self.lines.iter_mut().for_each(Line::reset);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [rate_hz, depth_ms, delay_ms] = [RATE, DEPTH, DELAY].map(|param| io.param::<C>(param));
        let [width, mix] = [WIDTH, MIX].map(|param| io.param::<C>(param));
        let is_stereo = io.is_connected(1);
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        for n in 0..left.len() {
            let (rate_hz, depth_ms, delay_ms) = (rate_hz.at(n), depth_ms.at(n), delay_ms.at(n));
            let (width, mix) = (width.at(n), mix.at(n));
            let dry = [left[n], right[n]];
            let mut wet = [[0.0; C]; 2];
            for side in 0..2 {
                for c in 0..C {
                    let behind = (width[c] * HALF_TURN) as u32 * side as u32;
                    for voice in VOICES {
                        let phase = self.phase[c].wrapping_add(voice).wrapping_sub(behind);
                        let late_ms = f64::from(delay_ms[c] + depth_ms[c] * sine_of_phase(phase));
                        // A frame is read before the next is pushed, and so on its way already.
                        let ago = (late_ms * self.frames_per_ms).max(2.0);
                        wet[side][c] += LEVEL * read_at(&self.lines[side], c, ago);
                    }
                }
                self.lines[side].push(dry[side].map(super::silent_below));
            }
            for c in 0..C {
                self.phase[c] = self.phase[c].wrapping_add(self.steps.of(rate_hz[c]));
            }
            out_left[n] = blend(dry[0], wet[0], mix);
            out_right[n] = blend(dry[1], wet[1], mix);
        }
    }
}
