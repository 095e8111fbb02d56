//! A triangle: odd harmonics, falling by 12 dB per octave.

use super::edge::{Restart, Sync, Trail};
use crate::io::Io;
use crate::math::PhaseSteps;
use crate::module::{BLOCK_FRAMES, Module, ModuleSpec, PortSpec};

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

/// The input.
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
    step: [i32; C],
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

    /// Advances to `frame` in the channels, which restart so many frames ago where that is not 0.
    fn tell_edges(&mut self, frame: usize, from: [u32; C], ago: [f32; C]) {
        for c in 0..C {
            let step = self.step[c];
            let restart = Restart::new(ago[c], 0, step);
            let to =
                from[c].wrapping_add((step - restart.map_or(0, |restart| restart.rest)) as u32);
            // The slope in the first quarter, per frame.
            let slope = step as f32 * (4.0 / 4294967296.0);
            if is_falling(from[c]) != is_falling(to) {
                let ago = ago[c] + past_corner(to, step);
                let change = if is_falling(to) { -2.0 } else { 2.0 };
                self.trail.bend(frame, c, ago, change * slope);
            }
            if let Some(restart) = restart {
                self.trail.jump(frame, c, ago[c], -triangle(to));
                if is_falling(to) {
                    self.trail.bend(frame, c, ago[c], 2.0 * slope);
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
#[inline(always)]
fn is_falling(phase: u32) -> bool {
    ((phase ^ (phase << 1)) as i32) < 0
}

/// How many frames ago it was at the last of the two corners.
fn past_corner(phase: u32, step: i32) -> f32 {
    let (from, to) = if step < 0 { (phase, 1 << 30) } else { (1 << 30, phase) };
    let past = to.wrapping_sub(from) & (u32::MAX >> 1);
    past as f32 / step.unsigned_abs() as f32
}

/// The plain triangle: 0 at phase 0, 1 a quarter turn later.
#[inline(always)]
fn triangle(phase: u32) -> f32 {
    let folded = if is_falling(phase) { (1_u32 << 31).wrapping_sub(phase) } else { phase };
    folded as i32 as f32 * (1.0 / 1073741824.0)
}

impl<const C: usize> Module for Triangle<C> {
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
    fn process(&mut self, io: &mut Io<'_>) {
        let [freq, gain, index] = [FREQ, GAIN, INDEX].map(|param| io.param::<C>(param));
        let (frames, has_fm) = (io.frames.clone(), io.is_connected(FM));
        let ([sync, fm], [out]) = io.ports::<C, 2, 1>();
        let mut step = freq.at(0).map(|freq_hz| self.steps.of(freq_hz));
        for (n, out) in out.iter_mut().enumerate() {
            let from = self.phase;
            let (ago, mut any_edge) = self.sync.rises(&sync[n]);
            for c in 0..C {
                self.phase[c] = from[c].wrapping_add(self.step[c] as u32);
                any_edge |= is_falling(self.phase[c]) != is_falling(from[c]);
            }
            if any_edge {
                self.tell_edges(frames.start + n, from, ago);
            }
            let heard = self.trail.pass(frames.start + n, self.phase.map(triangle));
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
