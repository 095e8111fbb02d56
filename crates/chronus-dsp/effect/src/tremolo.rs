//! A level that sways: the shimmer of old amplifiers, or, with the sides apart, a sound that wanders
//! between them; in Hz or in step with the beat.

use super::HALF_TURN;
use crate::io::Io;
use crate::lanes::{Floats, Ints, Lanes};
use crate::math::{PhaseSteps, sine_of_phase, to_unsigned};
use crate::module::{ModuleSpec, ParamSpec};
use crate::simd::Kernel;
use crate::transport::Transport;
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

    /// Goes to where the beat is in frame `n`, in the channels that are in step with it.
    #[inline(always)]
    fn keep_in_step(&mut self, transport: &Transport, n: usize, sync: [f32; C], beats: [f32; C]) {
        if sync.iter().any(|sync| *sync > 0.5) {
            let beat = beat_in(transport, n);
            for c in 0..C {
                if sync[c] > 0.5 {
                    let turns = fixed(beat / f64::from(beats[c])) as u32;
                    self.phase[c] = QUARTER_TURN.wrapping_add(turns);
                }
            }
        }
    }
}

/// Where a sine is at its peak.
const QUARTER_TURN: u32 = 1 << 30;

impl<const C: usize> Kernel<C> for Tremolo<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [QUARTER_TURN; C];
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [rate_hz, depth] = [RATE, DEPTH].map(|param| io.param::<C>(param));
        let [shape, width] = [SHAPE, WIDTH].map(|param| io.param::<C>(param));
        let [sync, beats] = [SYNC, BEATS].map(|param| io.param::<C>(param));
        let (rate_hz, depth) = (rate_hz.on(lanes), depth.on(lanes));
        let (shape, width) = (shape.on(lanes), width.on(lanes));
        let (transport, is_stereo) = (io.transport, io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        let (half, one) = (lanes.all(0.5), lanes.all(1.0));
        for n in 0..left.len() {
            self.keep_in_step(transport, n, sync.at(n), beats.at(n));
            let (depth, shape) = (depth.at(n), shape.at(n));
            let phase = lanes.load_ints(&self.phase);
            let behind = to_unsigned(width.at(n) * HALF_TURN);
            let sides = [
                (&left[n], &mut out_left[n], phase),
                (&right[n], &mut out_right[n], phase.minus(behind)),
            ];
            for (signal, out, phase) in sides {
                let sine = sine_of_phase(phase);
                let hard = (sine * STEEPEST).between(-1.0, 1.0);
                // A clipped line has corners, a cubic through its ends has none.
                let hard = hard * (lanes.all(1.5) - hard * 0.5 * hard);
                let sway = sine + shape * (hard - sine);
                lanes.store(lanes.load(signal) * (one - depth * (half - sway * 0.5)), out);
            }
            lanes.store_ints(phase.plus(self.steps.of(rate_hz.at(n))), &mut self.phase);
        }
    }
}
