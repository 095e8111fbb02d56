//! A pulse of any width: the difference of two ramps, of which one lags by the width. So every edge
//! is the edge of a ramp, however the width moves, and the mean is 0 at every width.

use super::edge::{Edges, Restart, Sync, Trail, jumped, ramp};
use crate::io::Io;
use crate::lanes::{Floats, Ints, Lanes, Mask};
use crate::math::PhaseSteps;
use crate::module::{Curve, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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

const SYNC: usize = 0;
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
    step: [u32; C],
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

    /// Tells of these channels what happened on the way to `frame` from the phases of the frame before, of which
    /// `falls` are those of the falling edge.
    fn tell_edges(&mut self, frame: usize, edges: &Edges<C>, falls: &[u32; C], width: &[u32; C]) {
        for c in edges.channels() {
            let step = self.step[c] as i32;
            let restart = |phase| Restart::new(edges.ago[c], phase, step);
            let (at_rise, at_fall) = (restart(START), restart(START.wrapping_sub(width[c])));
            let step_fall = self.fall[c].wrapping_sub(falls[c]) as i32;
            self.trail.ramp_edges((frame, c), (edges.from[c], step), at_rise, -1.0);
            self.trail.ramp_edges((frame, c), (falls[c], step_fall), at_fall, 1.0);
            if let Some(restart) = at_rise {
                self.rise[c] = restart.arrival();
                self.fall[c] = self.rise[c].wrapping_sub(width[c]);
            }
        }
    }
}

/// The width, which is below 1, as a phase; in steps of two, since vectors convert signed numbers.
#[inline(always)]
fn phase_of<F: Floats>(width: F) -> F::Ints {
    (width * 2_147_483_648.0).to_ints_within().up(1)
}

impl<const C: usize> Kernel<C> for Pulse<C> {
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
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        // Where there is nothing, nothing is silent.
        if io.frames.is_empty() {
            return;
        }
        let [freq, gain, width, index] =
            [FREQ, GAIN, WIDTH, INDEX].map(|param| io.param::<C>(param));
        let (freq, gain) = (freq.on(lanes), gain.on(lanes));
        let (width, index) = (width.on(lanes), index.on(lanes));
        let (frames, has_fm) = (io.frames.clone(), io.is_connected(FM));
        let has_sync = !self.sync.rests(io.is_silent(SYNC));
        let ([sync, fm], [out]) = io.ports::<C, 2, 1>();
        let (mut rise, mut fall) = (lanes.load_ints(&self.rise), lanes.load_ints(&self.fall));
        let (mut step, mut steady) = (lanes.load_ints(&self.step), self.steps.of(freq.at(0)));
        let mut lag = phase_of(width.at(0));
        if !self.is_running {
            fall = rise.minus(lag);
            self.is_running = true;
        }
        for (n, out) in out.iter_mut().enumerate() {
            if width.is_moving() {
                lag = phase_of(width.at(n));
            }
            let from = [rise, fall];
            rise = rise.plus(step);
            fall = rise.minus(lag);
            let mut edges =
                jumped(from[0], rise, step) | jumped(from[1], fall, fall.minus(from[1]));
            let mut ago = lanes.all(0.0);
            if has_sync {
                let (risen_ago, risen) = self.sync.rises(lanes, &sync[n]);
                (edges, ago) = (edges | risen, risen_ago);
            }
            if edges.any() {
                lanes.store_ints(rise, &mut self.rise);
                lanes.store_ints(fall, &mut self.fall);
                lanes.store_ints(step, &mut self.step);
                let edges = Edges::new(lanes, edges, from[0], ago);
                let (falls, lags) = (lanes.array_of_ints(from[1]), lanes.array_of_ints(lag));
                self.tell_edges(frames.start + n, &edges, &falls, &lags);
                (rise, fall) = (lanes.load_ints(&self.rise), lanes.load_ints(&self.fall));
            }
            let heard = self.trail.pass(lanes, frames.start + n, ramp(fall) - ramp(rise));
            lanes.store(heard * gain.at(n), out);
            if freq.is_moving() {
                steady = self.steps.of(freq.at(n));
            }
            step = steady;
            if has_fm {
                step = PhaseSteps::modulated(steady, index.at(n) * lanes.load(&fm[n]));
            }
        }
        lanes.store_ints(rise, &mut self.rise);
        lanes.store_ints(fall, &mut self.fall);
        lanes.store_ints(step, &mut self.step);
    }
}
