//! Musical time over the frames of a performance: where the beat is, and how tempo, meter and position
//! change.

use chronus_dsp::Transport;
use serde::{Deserialize, Serialize};

use crate::command::{BEATS_PER_BAR_MAX, TEMPOS_BPM, TransportChange};
use crate::patch::PatchTransport;

/// Where musical time stands: at which frame which beat was, and how it goes on from there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// As the patch has it.
    written: PatchTransport,
    now: PatchTransport,
    anchor_frame: u64,
    anchor_beat: f64,
    /// The frame in which it was started last, and the one in which it was moved last.
    started_at: Option<u64>,
    moved_at: Option<u64>,
}

impl Timeline {
    /// As the patch says, at beat 0 in frame 0.
    pub fn new(patch: PatchTransport) -> Self {
        let (started_at, moved_at) = (None, None);
        Self { written: patch, now: patch, anchor_frame: 0, anchor_beat: 0.0, started_at, moved_at }
    }

    /// Changes musical time from `frame` on.
    pub fn change(&mut self, change: TransportChange, frame: u64, rate_hz: u32) {
        if change == TransportChange::Play(self.now.playing) {
            return;
        }
        self.anchor_beat = self.at(frame, rate_hz).beat_at(0);
        self.anchor_frame = frame;
        match change {
            TransportChange::Play(playing) => {
                self.now.playing = playing;
                if playing {
                    self.started_at = Some(frame);
                }
            }
            TransportChange::Tempo(bpm) => self.now.tempo_bpm = bpm,
            TransportChange::Position(beat) => {
                (self.anchor_beat, self.moved_at) = (beat, Some(frame));
            }
            TransportChange::BeatsPerBar(beats) => self.now.beats_per_bar = beats,
        }
    }

    /// Goes on where `old` is at `frame`, but for what the patch says anew.
    pub(crate) fn succeed(&mut self, old: &Self, frame: u64, rate_hz: u32) {
        let (was, is) = (old.written, self.written);
        self.now = old.now;
        (self.anchor_frame, self.anchor_beat) = (old.anchor_frame, old.anchor_beat);
        (self.started_at, self.moved_at) = (old.started_at, old.moved_at);
        if was.playing != is.playing {
            self.change(TransportChange::Play(is.playing), frame, rate_hz);
        }
        if was.tempo_bpm != is.tempo_bpm {
            self.change(TransportChange::Tempo(is.tempo_bpm), frame, rate_hz);
        }
        if was.beats_per_bar != is.beats_per_bar {
            self.change(TransportChange::BeatsPerBar(is.beats_per_bar), frame, rate_hz);
        }
    }

    /// Whether commands and patches could have made it so.
    pub(crate) fn is_sound(&self) -> bool {
        let is_sound = |transport: &PatchTransport| {
            TEMPOS_BPM.contains(&transport.tempo_bpm)
                && (1..=BEATS_PER_BAR_MAX).contains(&transport.beats_per_bar)
        };
        is_sound(&self.written) && is_sound(&self.now) && self.anchor_beat.is_finite()
    }

    /// Whether it runs, and how fast.
    pub fn now(&self) -> PatchTransport {
        self.now
    }

    /// Musical time as modules see it that render from `frame` on.
    pub fn at(&self, frame: u64, rate_hz: u32) -> Transport {
        Transport {
            playing: self.now.playing,
            started: self.started_at == Some(frame),
            moved: self.moved_at == Some(frame),
            tempo_bpm: self.now.tempo_bpm,
            beats_per_bar: self.now.beats_per_bar,
            anchor_beat: self.anchor_beat,
            frames_since_anchor: frame.saturating_sub(self.anchor_frame),
            rate_hz,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 48_000;

    #[test]
    fn what_no_command_could_have_made_is_not_sound() {
        let sound =
            || Timeline::new(PatchTransport { playing: true, tempo_bpm: 120.0, beats_per_bar: 4 });
        assert!(sound().is_sound());
        for tempo_bpm in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
            let mut timeline = sound();
            timeline.now.tempo_bpm = tempo_bpm;
            assert!(!timeline.is_sound(), "{tempo_bpm} bpm");
        }
        assert!(!Timeline { anchor_beat: f64::NAN, ..sound() }.is_sound());
    }

    #[test]
    fn the_beat_goes_on_through_changes_of_tempo_and_stands_still_while_stopped() {
        let patch = PatchTransport { playing: true, tempo_bpm: 120.0, beats_per_bar: 4 };
        let mut timeline = Timeline::new(patch);
        let beat = |timeline: &Timeline, frame| timeline.at(frame, RATE_HZ).beat_at(0);
        assert_eq!(beat(&timeline, 48_000), 2.0);
        timeline.change(TransportChange::Tempo(60.0), 48_000, RATE_HZ);
        assert_eq!(beat(&timeline, 96_000), 3.0);
        timeline.change(TransportChange::Play(false), 96_000, RATE_HZ);
        assert_eq!(beat(&timeline, 500_000), 3.0);
        timeline.change(TransportChange::Play(true), 500_000, RATE_HZ);
        assert_eq!(beat(&timeline, 548_000), 4.0);
        timeline.change(TransportChange::Position(16.0), 548_000, RATE_HZ);
        assert_eq!(beat(&timeline, 548_000), 16.0);
    }

    #[test]
    fn a_start_and_a_move_are_seen_in_their_frame_whatever_came_before_them_in_it() {
        let patch = PatchTransport { playing: true, tempo_bpm: 120.0, beats_per_bar: 4 };
        let mut timeline = Timeline::new(patch);
        let seen = |timeline: &Timeline, frame| {
            let now = timeline.at(frame, RATE_HZ);
            (now.started, now.moved)
        };
        timeline.change(TransportChange::Play(true), 0, RATE_HZ);
        assert_eq!(seen(&timeline, 0), (false, false), "it ran already");
        timeline.change(TransportChange::Play(false), 100, RATE_HZ);
        timeline.change(TransportChange::Play(true), 100, RATE_HZ);
        assert_eq!([99, 100, 101].map(|at| seen(&timeline, at).0), [false, true, false]);
        // Moved to where it is.
        let beat = timeline.at(200, RATE_HZ).beat_at(0);
        timeline.change(TransportChange::Position(beat), 200, RATE_HZ);
        assert_eq!([199, 200, 201].map(|at| seen(&timeline, at).1), [false, true, false]);
        let mut next = Timeline::new(PatchTransport { tempo_bpm: 60.0, ..patch });
        next.succeed(&timeline, 200, RATE_HZ);
        assert_eq!(seen(&next, 200), (false, true), "an edit in the same frame keeps it");
    }

    #[test]
    fn a_patch_changes_only_what_it_says_anew() {
        let patch = PatchTransport { playing: true, tempo_bpm: 120.0, beats_per_bar: 4 };
        let mut old = Timeline::new(patch);
        old.change(TransportChange::Tempo(60.0), 0, RATE_HZ);
        let mut same = Timeline::new(patch);
        same.succeed(&old, 48_000, RATE_HZ);
        assert_eq!(same, old);
        let mut faster = Timeline::new(PatchTransport { tempo_bpm: 90.0, ..patch });
        faster.succeed(&old, 48_000, RATE_HZ);
        assert_eq!(faster.at(96_000, RATE_HZ).beat_at(0), 2.5);
    }
}
