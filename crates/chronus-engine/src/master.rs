//! The last stage before the output: the gain that mute and fade-in move.

use chronus_dsp::math::frames_of_ms;
use chronus_dsp::smooth::Ramp;

use crate::CHANNELS;

const MUTE_MS: f32 = 10.0;
const FADE_IN_MS: f32 = 20.0;

/// The master gain, the same for all channels: 1, or 0 if muted, and straight ramps between.
pub(crate) struct Master {
    gain: Ramp,
    rate_hz: u32,
}

impl Master {
    /// At rest at the gain that `muted` asks for.
    pub fn new(rate_hz: u32, muted: bool) -> Self {
        Self { gain: Ramp::at(gain_if(muted)), rate_hz }
    }

    /// Goes to silence or back within 10 ms; no effect if it is on its way there already.
    pub fn mute(&mut self, muted: bool) {
        self.gain.follow(gain_if(muted), frames_of_ms(MUTE_MS, self.rate_hz));
    }

    /// Starts from silence; unless muted, fades in over 20 ms.
    pub fn restart(&mut self, muted: bool) {
        self.gain.snap_to(0.0);
        self.gain.follow(gain_if(muted), frames_of_ms(FADE_IN_MS, self.rate_hz));
    }

    /// Turns the next frames up or down.
    pub fn apply(&mut self, frames: &mut [[f32; CHANNELS]]) {
        if !self.gain.is_moving() && self.gain.value() == 1.0 {
            return;
        }
        for frame in frames {
            let gain = self.gain.step();
            *frame = frame.map(|sample| sample * gain);
        }
    }
}

fn gain_if(muted: bool) -> f32 {
    if muted { 0.0 } else { 1.0 }
}
