//! A sawtooth: all harmonics, falling by 6 dB per octave, up to the end of what is heard.

use super::edge::{Restart, Sync, Trail, jumped, ramp};
use crate::io::Io;
use crate::math::PhaseSteps;
use crate::module::{BLOCK_FRAMES, Module, ModuleSpec, PortSpec};

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

/// The input.
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
    step: [i32; C],
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

    /// Advances to `frame` in the channels, which restart so many frames ago where that is not 0.
    fn tell_edges(&mut self, frame: usize, from: [u32; C], ago: [f32; C]) {
        for c in 0..C {
            let restart = Restart::new(ago[c], 0, self.step[c]);
            self.trail.ramp_edges((frame, c), (from[c], self.step[c]), restart, 1.0);
            if let Some(restart) = restart {
                self.phase[c] = restart.arrival();
            }
        }
    }
}

impl<const C: usize> Module for Saw<C> {
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
                any_edge |= jumped(from[c], self.phase[c], self.step[c]);
            }
            if any_edge {
                self.tell_edges(frames.start + n, from, ago);
            }
            let heard = self.trail.pass(frames.start + n, self.phase.map(ramp));
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
