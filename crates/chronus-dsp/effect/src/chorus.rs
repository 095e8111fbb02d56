//! One sound as an ensemble: three copies on each side, each a little late and swaying in pitch on its
//! own.

use super::head::{frames_of, read_at};
use super::line::Line;
use super::{HALF_TURN, blend, silent_below};
use crate::io::Io;
use crate::lanes::{Ints, Lanes};
use crate::math::{PhaseSteps, sine_of_phase, to_unsigned};
use crate::module::{ModuleSpec, ParamSpec};
use crate::simd::Kernel;

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

impl<const C: usize> Kernel<C> for Chorus<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [0; C];
        self.lines.iter_mut().for_each(Line::reset);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [rate_hz, depth_ms, delay_ms] = [RATE, DEPTH, DELAY].map(|param| io.param::<C>(param));
        let [width, mix] = [WIDTH, MIX].map(|param| io.param::<C>(param));
        let (rate_hz, depth_ms, delay_ms) =
            (rate_hz.on(lanes), depth_ms.on(lanes), delay_ms.on(lanes));
        let (width, mix) = (width.on(lanes), mix.on(lanes));
        let is_stereo = io.is_connected(1);
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        let mut phase = lanes.load_ints(&self.phase);
        for n in 0..left.len() {
            let (depth_ms, delay_ms, mix) = (depth_ms.at(n), delay_ms.at(n), mix.at(n));
            let behind = to_unsigned(width.at(n) * HALF_TURN);
            let sides = [(&left[n], phase), (&right[n], phase.minus(behind))];
            let mut outs = [lanes.all(0.0); 2];
            for (side, ((dry, phase), line)) in sides.into_iter().zip(&mut self.lines).enumerate() {
                let (dry, mut wet) = (lanes.load(dry), lanes.all(0.0));
                for voice in VOICES {
                    let sway = sine_of_phase(phase.plus(lanes.all_ints(voice)));
                    // A frame is read before the next is pushed, and so on its way already.
                    let ago = frames_of(delay_ms + depth_ms * sway, self.frames_per_ms);
                    wet = wet + read_at(lanes, line, ago) * LEVEL;
                }
                line.push(lanes, silent_below(dry));
                outs[side] = blend(dry, wet, mix);
            }
            lanes.store(outs[0], &mut out_left[n]);
            lanes.store(outs[1], &mut out_right[n]);
            phase = phase.plus(self.steps.of(rate_hz.at(n)));
        }
        lanes.store_ints(phase, &mut self.phase);
    }
}
