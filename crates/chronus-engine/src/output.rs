//! The last stage before the world: what keeps ears and speakers safe, as far as a patch wants it.

#![expect(clippy::inline_always, reason = "only what is inlined becomes wide vectors")]

use chronus_dsp::Vectors;
#[cfg(target_arch = "x86_64")]
use chronus_dsp::lanes::{Set as _, V3};
use chronus_dsp::simd::up_to_avx2;
use pulp::{Arch, NullaryFnOnce};

use crate::CHANNELS;
use crate::bypass::{LEVEL_MAX, is_unsound};
use crate::patch::Safety;
use crate::safety::{DcBlocker, Delayed, Plain, SafetyLimiter};

/// A DC blocker and a limiter, or one of them, or neither.
pub(crate) struct OutputStage {
    dc_blocker: Option<DcBlocker>,
    limiter: Option<SafetyLimiter>,
    arch: Arch,
}

struct Process<'a, D> {
    stage: &'a mut OutputStage,
    frames: &'a mut [[f32; CHANNELS]],
    delayed: D,
}

impl<D: Delayed> NullaryFnOnce for Process<'_, D> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        if let Some(blocker) = &mut self.stage.dc_blocker {
            blocker.process(self.frames, self.delayed);
        }
        if let Some(limiter) = &mut self.stage.limiter {
            limiter.process(self.frames);
        }
    }
}

struct Collect<'a> {
    sides: [&'a [f32]; 2],
    frames: &'a mut [[f32; CHANNELS]],
}

impl NullaryFnOnce for Collect<'_> {
    type Output = bool;

    #[inline(always)]
    fn call(self) -> bool {
        let [left, right] = self.sides;
        let mut unsound = 0;
        for (frame, (left, right)) in self.frames.iter_mut().zip(left.iter().zip(right)) {
            *frame = [*left, *right];
            unsound |= u32::from(is_unsound(*left) | is_unsound(*right));
        }
        if unsound != 0 {
            hold_within_reason(self.frames);
        }
        unsound == 0
    }
}

/// What follows can rely on numbers that are not too large.
#[cold]
fn hold_within_reason(frames: &mut [[f32; CHANNELS]]) {
    for sample in frames.as_flattened_mut() {
        *sample = if sample.is_nan() { 0.0 } else { sample.clamp(-LEVEL_MAX, LEVEL_MAX) };
    }
}

impl OutputStage {
    pub fn new(safety: Safety, rate_hz: u32) -> Self {
        Self {
            dc_blocker: safety.dc_blocker.then(|| DcBlocker::new(rate_hz)),
            limiter: safety.limiter.then(|| SafetyLimiter::new(rate_hz)),
            arch: Vectors::chosen().arch(),
        }
    }

    pub fn reset(&mut self) {
        if let Some(blocker) = &mut self.dc_blocker {
            blocker.reset();
        }
        if let Some(limiter) = &mut self.limiter {
            limiter.reset();
        }
    }

    /// Puts two channels side by side, held within [`LEVEL_MAX`]; returns whether they were.
    pub fn collect(&self, sides: [&[f32]; 2], frames: &mut [[f32; CHANNELS]]) -> bool {
        up_to_avx2(self.arch, Collect { sides, frames })
    }

    /// Makes frames fit for the world, in place. How they are divided into calls changes no bit.
    pub fn process(&mut self, frames: &mut [[f32; CHANNELS]]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = V3::of(self.arch) {
            return v3.vectorize(Process { stage: self, frames, delayed: v3 });
        }
        Process { stage: self, frames, delayed: Plain }.call();
    }

    /// Flips one bit of the state.
    pub fn flip_a_bit(&mut self) {
        match (&mut self.limiter, &mut self.dc_blocker) {
            (Some(limiter), _) => limiter.flip_a_bit(),
            (None, Some(blocker)) => blocker.flip_a_bit(),
            (None, None) => {}
        }
    }

    /// How many frames the limiter delays the sound; 0 without one.
    pub fn delay_frames(&self) -> usize {
        self.limiter.as_ref().map_or(0, SafetyLimiter::delay_frames)
    }
}
