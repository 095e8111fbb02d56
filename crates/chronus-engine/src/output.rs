//! The last stage before the world: what keeps ears and speakers safe, as far as a patch wants it.

use crate::CHANNELS;
use crate::patch::Safety;
use crate::safety::{DcBlocker, Limiter};

/// A DC blocker and a limiter, or one of them, or neither.
pub(crate) struct OutputStage {
    dc_blocker: Option<DcBlocker>,
    limiter: Option<Limiter>,
}

impl OutputStage {
    pub fn new(safety: Safety, rate_hz: u32) -> Self {
        Self {
            dc_blocker: safety.dc_blocker.then(|| DcBlocker::new(rate_hz)),
            limiter: safety.limiter.then(|| Limiter::new(rate_hz)),
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

    /// Makes frames fit for the world, in place. How a signal is divided into calls may show in its last
    /// bits.
    pub fn process(&mut self, frames: &mut [[f32; CHANNELS]]) {
        if let Some(blocker) = &mut self.dc_blocker {
            blocker.process(frames);
        }
        if let Some(limiter) = &mut self.limiter {
            limiter.process(frames);
        }
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
        self.limiter.as_ref().map_or(0, Limiter::delay_frames)
    }
}
