//! Musical time, as modules see it: where the beat is, frame by frame.

/// Where musical time stands while some frames are rendered. It changes only between calls of
/// [`Module::process`](crate::Module::process).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transport {
    /// Whether it runs.
    pub playing: bool,
    /// Whether it was started in the first of the frames to be rendered. It may have been stopped in the same frame,
    /// so that it always seems to run.
    pub started: bool,
    /// Whether it was moved in the first of the frames to be rendered, be it to where it was.
    pub moved: bool,
    /// The tempo in beats (quarter notes) per minute.
    pub tempo_bpm: f64,
    /// Beats in a bar.
    pub beats_per_bar: u32,
    /// The beat at the anchor: the frame where tempo, position or `playing` last changed.
    pub anchor_beat: f64,
    /// Frames from the anchor to the first of the frames to be rendered.
    pub frames_since_anchor: u64,
    /// The rate, in frames per second.
    pub rate_hz: u32,
}

impl Transport {
    /// At rest at beat 0, 120 beats a minute, four to the bar.
    pub const fn stopped(rate_hz: u32) -> Self {
        Self {
            playing: false,
            started: false,
            moved: false,
            tempo_bpm: 120.0,
            beats_per_bar: 4,
            anchor_beat: 0.0,
            frames_since_anchor: 0,
            rate_hz,
        }
    }

    /// Beats that pass from one frame to the next; 0 if it does not run.
    pub fn beats_per_frame(&self) -> f64 {
        if self.playing { self.tempo_bpm / (60.0 * f64::from(self.rate_hz)) } else { 0.0 }
    }

    /// The beat in frame `n` of the frames to be rendered. It is computed from the anchor alone, so
    /// how a block is divided changes nothing and nothing adds up over hours.
    #[inline(always)]
    pub fn beat_at(&self, n: usize) -> f64 {
        let frames = self.frames_since_anchor + n as u64;
        self.anchor_beat + frames as f64 * self.beats_per_frame()
    }
}
