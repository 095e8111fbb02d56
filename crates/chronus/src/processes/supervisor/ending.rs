//! The end of a performance: when it is, and that it is silent.

use std::sync::atomic::Ordering;

use chronus_engine::Command;
use chronus_os::clock;
use chronus_replication::BLOCK_FRAMES;

use super::Supervisor;

impl Supervisor {
    pub(super) fn asked_to_end(&self) -> bool {
        self.end_asked || self.is_over()
    }

    /// Whether all has been played that was to be.
    pub(super) fn is_over(&self) -> bool {
        let reached = self.regions.ledger.playback.frames.load(Ordering::Acquire);
        self.setup.end_frame.is_some_and(|end| reached >= end)
    }

    /// How long it takes to fade out, with what the limiter is late.
    fn fade_frames(&self) -> u64 {
        u64::from(self.rate_hz) / 50 + BLOCK_FRAMES as u64
    }

    /// Tells those who write files of the end before anything beyond it is sealed.
    pub(super) fn tell_of_the_end(&mut self) {
        let soon = self.sequencer.first_open_frame() + u64::from(self.rate_hz);
        if let Some(end) = self.setup.end_frame.filter(|end| soon >= *end) {
            self.device.end_at(end);
        }
    }

    /// If the end is known: it is silent there, and what was played is as long as it was to be.
    pub(super) fn fade_out_at_the_end(&mut self) {
        let Some(end) = self.setup.end_frame else { return };
        // It may be over before the device has begun.
        self.tell_of_the_end();
        let fade = end.saturating_sub(self.fade_frames());
        if fade >= self.sequencer.first_open_frame() {
            // A queue that is full would only cost the fade.
            let _ = self.sequencer.submit(fade, Command::Mute(true).encode());
        }
    }

    /// Fades out by a command like any other, so that a replay fades alike.
    pub(super) fn fade_out(&mut self) {
        self.sequencer.submit_urgent(Command::Mute(true).encode());
        let end = self.sequencer.first_open_frame() + self.fade_frames();
        let give_up_ns = clock::monotonic_ns() + 500_000_000;
        while self.regions.ledger.playback.frames.load(Ordering::Acquire) < end
            && clock::monotonic_ns() < give_up_ns
        {
            self.sleep();
            self.turn();
        }
    }
}
