//! A recording as modules read it.

use std::sync::Arc;

/// A recording in memory: what the file of a patch holds. Its memory is shared, so that it costs a fork
/// nothing.
#[derive(Clone)]
pub struct Recording {
    samples: Arc<dyn AsRef<[f32]> + Send + Sync>,
    channels: usize,
    rate_hz: u32,
}

impl Recording {
    /// A recording of interleaved samples; an incomplete last frame is left out.
    ///
    /// # Panics
    /// If there are no channels.
    pub fn new(
        samples: Arc<dyn AsRef<[f32]> + Send + Sync>,
        channels: usize,
        rate_hz: u32,
    ) -> Self {
        assert!(channels > 0, "a recording has at least one channel");
        Self { samples, channels, rate_hz }
    }

    /// The samples, frame after frame.
    pub fn samples(&self) -> &[f32] {
        (*self.samples).as_ref()
    }

    /// Samples in a frame.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// How many frames it has.
    pub fn frames(&self) -> usize {
        self.samples().len() / self.channels
    }

    /// The rate at which it was recorded, in frames per second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }
}

impl core::fmt::Debug for Recording {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (frames, channels) = (self.frames(), self.channels);
        write!(formatter, "Recording({frames} frames of {channels} at {} Hz)", self.rate_hz)
    }
}
