//! A sawtooth: all harmonics, falling by 6 dB per octave, up to the end of what is heard.

use super::edge::{Edges, Restart, Sync, Trail, jumped, ramp};
use crate::io::Io;
use crate::lanes::{Ints, Lanes, Mask};
use crate::math::PhaseSteps;
use crate::module::{ModuleSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `saw`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "saw",
    summary: "A rising sawtooth, band-limited. It is heard 16 frames late.",
    inputs: &[super::SYNC, super::FM],
    outputs: &[PortSpec::audio("out", "the tone, from -gain to gain")],
    params: &[super::FREQ, super::GAIN, super::INDEX],
    tables: &[&super::edge::EDGES],
    ..ModuleSpec::BARE
};

const SYNC: usize = 0;
const FM: usize = 1;
const FREQ: usize = 0;
const GAIN: usize = 1;
const INDEX: usize = 2;

/// See [`SPEC`]. At phase 0 it rises through 0, like the sine.
pub struct Saw<const C: usize> {
    steps: PhaseSteps,
    /// 2^32 is one turn.
    phase: [u32; C],
    /// What the phase advances by on the way to the next frame; backwards if negative.
    step: [u32; C],
    sync: Sync<C>,
    trail: Trail<C>,
}

impl<const C: usize> Saw<C> {
    /// A saw at phase 0.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            steps: PhaseSteps::new(rate_hz),
            phase: [0; C],
            step: [0; C],
            sync: Sync::new(),
            trail: Trail::new(),
        }
    }

    /// Tells of these channels what happened on the way to `frame`, where they have arrived unless they restarted.
    fn tell_edges(&mut self, frame: usize, edges: &Edges<C>) {
        for c in edges.channels() {
            let step = self.step[c] as i32;
            let restart = Restart::new(edges.ago[c], 0, step);
            self.trail.ramp_edges((frame, c), (edges.from[c], step), restart, 1.0);
            if let Some(restart) = restart {
                self.phase[c] = restart.arrival();
            }
        }
    }
}

impl<const C: usize> Kernel<C> for Saw<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.phase = [0; C];
        self.step = [0; C];
        self.sync = Sync::new();
        self.trail.reset();
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        // Where there is nothing, nothing is silent.
        if io.frames.is_empty() {
            return;
        }
        let [freq, gain, index] = [FREQ, GAIN, INDEX].map(|param| io.param::<C>(param));
        let (freq, gain, index) = (freq.on(lanes), gain.on(lanes), index.on(lanes));
        let (frames, has_fm) = (io.frames.clone(), io.is_connected(FM));
        let has_sync = !self.sync.rests(io.is_silent(SYNC));
        let ([sync, fm], [out]) = io.ports::<C, 2, 1>();
        let (mut phase, mut step) = (lanes.load_ints(&self.phase), lanes.load_ints(&self.step));
        let mut steady = self.steps.of(freq.at(0));
        for (n, out) in out.iter_mut().enumerate() {
            let from = phase;
            phase = phase.plus(step);
            let (mut edges, mut ago) = (jumped(from, phase, step), lanes.all(0.0));
            if has_sync {
                let (risen_ago, risen) = self.sync.rises(lanes, &sync[n]);
                (edges, ago) = (edges | risen, risen_ago);
            }
            if edges.any() {
                lanes.store_ints(phase, &mut self.phase);
                lanes.store_ints(step, &mut self.step);
                self.tell_edges(frames.start + n, &Edges::new(lanes, edges, from, ago));
                phase = lanes.load_ints(&self.phase);
            }
            let heard = self.trail.pass(lanes, frames.start + n, ramp(phase));
            lanes.store(heard * gain.at(n), out);
            if freq.is_moving() {
                steady = self.steps.of(freq.at(n));
            }
            step = steady;
            if has_fm {
                step = PhaseSteps::modulated(steady, index.at(n) * lanes.load(&fm[n]));
            }
        }
        lanes.store_ints(phase, &mut self.phase);
        lanes.store_ints(step, &mut self.step);
    }
}
