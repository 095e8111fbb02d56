//! A pulse of any width: the difference of two ramps, of which one lags by the width. So every edge
//! is the edge of a ramp, however the width moves, and the mean is 0 at every width.

use super::edge::{Restart, Sync, Trail, ramp};
use crate::io::Io;
use crate::math::PhaseSteps;
use crate::module::{BLOCK_FRAMES, Curve, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `pulse`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "pulse",
    summary: "A pulse of any width, band-limited: a square at width 0.5. It is heard 16 frames late.",
    inputs: &[super::SYNC, super::FM],
    outputs: &[PortSpec::audio(
        "out",
        "the tone, 2 gain from low to high, with a mean of 0: a square goes from -gain to gain",
    )],
    params: &[
        super::FREQ,
        super::GAIN,
        ParamSpec {
            name: "width",
            unit: "",
            min: 0.01,
            max: 0.99,
            default: 0.5,
            smoothing_ms: 5.0,
            curve: Curve::Linear,
            choices: &[],
            doc: "how much of a turn it is high",
        },
        super::INDEX,
    ],
    tables: &[&super::edge::EDGES],
    ..ModuleSpec::BARE
};

/// The input.
const FM: usize = 1;
const FREQ: usize = 0;
const GAIN: usize = 1;
const WIDTH: usize = 2;
const INDEX: usize = 3;
/// The phase at which a ramp jumps, and so a turn of the pulse begins.
const START: u32 = 1 << 31;

/// See [`SPEC`]. A turn begins with the rising edge.
pub struct Pulse<const C: usize> {
    steps: PhaseSteps,
    /// Of the ramp whose jump is the rising edge; 2^32 is one turn.
    rise: [u32; C],
    /// Of the ramp whose jump is the falling edge: behind by the width.
    fall: [u32; C],
    /// What the phase advances by on the way to the next frame; backwards if negative.
    step: [i32; C],
    /// Whether there was a frame before, from which to advance.
    is_running: bool,
    sync: Sync<C>,
    trail: Trail<C>,
}

impl<const C: usize> Pulse<C> {
    /// A pulse at its rising edge.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            steps: PhaseSteps::new(rate_hz),
            rise: [START; C],
            fall: [START; C],
            step: [0; C],
            is_running: false,
            sync: Sync::new(),
            trail: Trail::new(),
        }
    }

    /// Tells what happened on the way to `frame` from the phases of the frame before, with a restart
    /// so many frames ago in the channels where that is not 0.
    fn tell_edges(
        &mut self,
        frame: usize,
        (rise, fall): ([u32; C], [u32; C]),
        width: [u32; C],
        ago: [f32; C],
    ) {
        for c in 0..C {
            let restart = |phase| Restart::new(ago[c], phase, self.step[c]);
            let (at_rise, at_fall) = (restart(START), restart(START.wrapping_sub(width[c])));
            let step_fall = self.fall[c].wrapping_sub(fall[c]) as i32;
            self.trail.ramp_edges((frame, c), (rise[c], self.step[c]), at_rise, -1.0);
            self.trail.ramp_edges((frame, c), (fall[c], step_fall), at_fall, 1.0);
            if let Some(restart) = at_rise {
                self.rise[c] = restart.arrival();
                self.fall[c] = self.rise[c].wrapping_sub(width[c]);
            }
        }
    }
}

/// The width as a phase. Multiplied in `f32`, which is exact, because a power of two moves no digit.
#[inline(always)]
fn phase_of(width: f32) -> u32 {
    (width * 4_294_967_296.0) as u32
}

/// Whether a ramp jumped on the shorter way from one phase to the other.
#[inline(always)]
fn jumped(from: u32, to: u32) -> bool {
    ((to.wrapping_sub(from) as i32) < 0) != ((to as i32) < from as i32)
}

impl<const C: usize> Module for Pulse<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.rise = [START; C];
        self.step = [0; C];
        self.is_running = false;
        self.sync = Sync::new();
        self.trail.reset();
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [freq, gain, width, index] =
            [FREQ, GAIN, WIDTH, INDEX].map(|param| io.param::<C>(param));
        let (frames, has_fm) = (io.frames.clone(), io.is_connected(FM));
        let ([sync, fm], [out]) = io.ports::<C, 2, 1>();
        let mut step = freq.at(0).map(|freq_hz| self.steps.of(freq_hz));
        for (n, out) in out.iter_mut().enumerate() {
            let width = width.at(n).map(phase_of);
            let rise = self.rise;
            if !self.is_running {
                self.is_running = true;
                self.fall = core::array::from_fn(|c| rise[c].wrapping_sub(width[c]));
            }
            let fall = self.fall;
            let (ago, mut any_edge) = self.sync.rises(&sync[n]);
            for c in 0..C {
                self.rise[c] = rise[c].wrapping_add(self.step[c] as u32);
                self.fall[c] = self.rise[c].wrapping_sub(width[c]);
                any_edge |= jumped(rise[c], self.rise[c]) | jumped(fall[c], self.fall[c]);
            }
            if any_edge {
                self.tell_edges(frames.start + n, (rise, fall), width, ago);
            }
            let plain = core::array::from_fn(|c| ramp(self.fall[c]) - ramp(self.rise[c]));
            let heard = self.trail.pass(frames.start + n, plain);
            let gain = gain.at(n);
            for c in 0..C {
                out[c] = heard[c] * gain[c];
            }
            if freq.is_moving() {
                step = freq.at(n).map(|freq_hz| self.steps.of(freq_hz));
            }
            self.step = step.map(|step| step as i32);
            if has_fm {
                let (index, fm) = (index.at(n), fm[n]);
                for c in 0..C {
                    self.step[c] = PhaseSteps::modulated(step[c], index[c] * fm[c]) as i32;
                }
            }
        }
        if frames.end == BLOCK_FRAMES {
            self.trail.end_block();
        }
    }
}
