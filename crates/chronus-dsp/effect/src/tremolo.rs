//! A level that sways: the shimmer of old amplifiers, or, with the sides apart, a sound that wanders
//! between them; in Hz or in step with the beat.

use super::HALF_TURN;
use crate::io::Io;
use crate::math::{PhaseSteps, sine_of_phase};
use crate::module::{Module, ModuleSpec, ParamSpec};
use chronus_dsp_control::timing::{beat_in, fixed};

/// The kind `tremolo`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "tremolo",
    summary: "A level that sways, on both sides alike or from side to side.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        super::rate(5.0, "how fast it sways, unless in step"),
        ParamSpec::number("depth", "", [0.0, 1.0], 0.5, "how much softer it becomes; 1 is silence")
            .smoothed(20.0),
        ParamSpec::number("shape", "", [0.0, 1.0], 0.0, "from a sine (0) to on and off (1)")
            .smoothed(20.0),
        super::width(0.0),
        ParamSpec::choice("sync", &["free", "beats"], "by rate, or in step with the beat"),
        ParamSpec::number(
            "beats",
            "beats",
            [0.0625, 16.0],
            0.5,
            "how long a turn is in step; it is loudest where it begins",
        )
        .exponential(),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const RATE: usize = 0;
const DEPTH: usize = 1;
const SHAPE: usize = 2;
const WIDTH: usize = 3;
const SYNC: usize = 4;
const BEATS: usize = 5;
/// With the hardest shape the level crosses over in about a fiftieth of a turn, not in a click.
const STEEPEST: f32 = 16.0;

/// See [`SPEC`].
pub struct Tremolo<const C: usize> {
    steps: PhaseSteps,
    phase: [u32; C],
}

impl<const C: usize> Tremolo<C> {
    /// A tremolo at its loudest.
    pub fn new(rate_hz: u32) -> Self {
        Self { steps: PhaseSteps::new(rate_hz), phase: [QUARTER_TURN; C] }
    }
}

/// Where a sine is at its peak.
const QUARTER_TURN: u32 = 1 << 30;

impl<const C: usize> Module for Tremolo<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [QUARTER_TURN; C];
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [rate_hz, depth] = [RATE, DEPTH].map(|param| io.param::<C>(param));
        let [shape, width] = [SHAPE, WIDTH].map(|param| io.param::<C>(param));
        let [sync, beats] = [SYNC, BEATS].map(|param| io.param::<C>(param));
        let (transport, is_stereo) = (io.transport, io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        for n in 0..left.len() {
            let (rate_hz, depth) = (rate_hz.at(n), depth.at(n));
            let (shape, width) = (shape.at(n), width.at(n));
            let (sync, beats) = (sync.at(n), beats.at(n));
            if sync.iter().any(|sync| *sync > 0.5) {
                let beat = beat_in(transport, n);
                for c in 0..C {
                    if sync[c] > 0.5 {
                        let turns = fixed(beat / f64::from(beats[c])) as u32;
                        self.phase[c] = QUARTER_TURN.wrapping_add(turns);
                    }
                }
            }
            let mut sides = [left[n], right[n]];
            for (side, signal) in sides.iter_mut().enumerate() {
                for c in 0..C {
                    let behind = (width[c] * HALF_TURN) as u32 * side as u32;
                    let sine = sine_of_phase(self.phase[c].wrapping_sub(behind));
                    let hard = (STEEPEST * sine).clamp(-1.0, 1.0);
                    // A clipped line has corners, a cubic through its ends has none.
                    let hard = hard * (1.5 - 0.5 * hard * hard);
                    let sway = sine + shape[c] * (hard - sine);
                    signal[c] *= 1.0 - depth[c] * (0.5 - 0.5 * sway);
                }
            }
            for c in 0..C {
                self.phase[c] = self.phase[c].wrapping_add(self.steps.of(rate_hz[c]));
            }
            [out_left[n], out_right[n]] = sides;
        }
    }
}
