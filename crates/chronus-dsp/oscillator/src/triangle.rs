//! A triangle: odd harmonics, falling by 12 dB per octave.

use super::edge::{Edges, Restart, Sync, Trail};
use crate::io::Io;
use crate::lanes::{Ints, Lanes, Mask};
use crate::math::PhaseSteps;
use crate::module::{ModuleSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `triangle`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "triangle",
    summary: "A triangle, band-limited. It is heard 16 frames late.",
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
pub struct Triangle<const C: usize> {
    steps: PhaseSteps,
    /// 2^32 is one turn.
    phase: [u32; C],
    /// What the phase advances by on the way to the next frame; backwards if negative.
    step: [u32; C],
    sync: Sync<C>,
    trail: Trail<C>,
}

impl<const C: usize> Triangle<C> {
    /// A triangle at phase 0.
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
            let (from, ago, step) = (edges.from[c], edges.ago[c], self.step[c] as i32);
            let restart = Restart::new(ago, 0, step);
            let to = from.wrapping_add((step - restart.map_or(0, |restart| restart.rest)) as u32);
            // The slope in the first quarter, per frame.
            let slope = step as f32 * (4.0 / 4294967296.0);
            if is_falling(from) != is_falling(to) {
                let ago = ago + past_corner(to, step);
                let change = if is_falling(to) { -2.0 } else { 2.0 };
                self.trail.bend(frame, c, ago, change * slope);
            }
            if let Some(restart) = restart {
                self.trail.jump(frame, c, ago, -triangle(to));
                if is_falling(to) {
                    self.trail.bend(frame, c, ago, 2.0 * slope);
                }
                self.phase[c] = restart.arrival();
                // What is left of a frame may reach the first corner again.
                if is_falling(self.phase[c]) {
                    self.trail.bend(frame, c, past_corner(self.phase[c], step), -2.0 * slope);
                }
            }
        }
    }
}

/// Whether the phase is in the second or third quarter.
fn is_falling(phase: u32) -> bool {
    ((phase ^ (phase << 1)) as i32) < 0
}

/// How many frames ago it was at the last of the two corners.
fn past_corner(phase: u32, step: i32) -> f32 {
    let (from, to) = if step < 0 { (phase, 1 << 30) } else { (1 << 30, phase) };
    let past = to.wrapping_sub(from) & (u32::MAX >> 1);
    past as f32 / step.unsigned_abs() as f32
}

/// Whether it rose and falls now, or the other way round.
#[inline(always)]
fn turned<I: Ints>(from: I, to: I) -> I::Mask {
    let differs = from ^ to;
    (differs ^ differs.up(1)).lt_signed(from.like(0))
}

/// The plain triangle: 0 at phase 0, 1 a quarter turn later.
#[inline(always)]
fn triangle<I: Ints>(phase: I) -> I::Floats {
    let is_falling = (phase ^ phase.up(1)).lt_signed(phase.like(0));
    let folded = I::choose(is_falling, phase.like(1 << 31).minus(phase), phase);
    folded.to_floats() * (1.0 / 1073741824.0)
}

impl<const C: usize> Kernel<C> for Triangle<C> {
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
            let (mut edges, mut ago) = (turned(from, phase), lanes.all(0.0));
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
            let heard = self.trail.pass(lanes, frames.start + n, triangle(phase));
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
