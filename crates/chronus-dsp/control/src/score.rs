//! What a track of the step sequencer plays, and where it is in it.
//!
//! Positions are counted in steps, after the swing was taken away, so that each step is 1 long.

use super::pattern::{Mark, Pattern};
use super::row::{Row, Tone};
use crate::gate::Onsets;
use crate::math::scramble;

/// A position this far before a step belongs to it: what rounding may take away from a beat of
/// millions.
const ROUNDING: f64 = 1e-7;
/// A position that moves on by more from frame to frame has leapt.
const LEAP: f64 = 0.5;
const PERCENT_OF_BITS: f64 = 100.0 / 4_294_967_296.0;

/// The texts of a track.
#[derive(Clone)]
pub struct Score {
    /// What happens at each step.
    pub pattern: Pattern,
    /// The pitches.
    pub notes: Row<Tone>,
    /// How long notes are, in steps.
    pub lengths: Row<f32>,
    /// How likely notes are, in percent.
    pub chances: Row<f32>,
}

/// The parameters of a channel in a frame.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Steps in a beat.
    pub per_beat: f64,
    /// How much of two steps the first takes: 0.5 is straight.
    pub swing: f64,
    /// How long a note is, in steps.
    pub length: f32,
    /// How likely all notes are, in percent.
    pub chance: f32,
    /// What the chances are drawn from.
    pub seed: u32,
    /// Semitones from middle C to the number 0.
    pub root: f32,
    /// Semitones to be added to all notes.
    pub transpose: f32,
    /// The velocity of a note without accent.
    pub velocity: f32,
    /// Whether the notes go on with each hit rather than with each step.
    pub is_by_hit: bool,
}

impl Settings {
    /// The position at a beat.
    pub fn position(&self, beat: f64) -> f64 {
        let straight = beat * self.per_beat + ROUNDING;
        let pair = (straight * 0.5).floor() * 2.0;
        let within = straight - pair;
        let first = 2.0 * self.swing;
        if within < first {
            pair + within / first
        } else {
            pair + 1.0 + (within - first) / (2.0 - first)
        }
    }
}

/// A part of a step; a step without a group has one.
#[derive(Clone, Copy)]
struct Slot {
    step: i64,
    part: usize,
    parts: usize,
    mark: Mark,
}

impl Slot {
    fn new(pattern: &Pattern, step: i64, part: usize) -> Self {
        let marks = pattern.step(step).marks();
        Self { step, part, parts: marks.len(), mark: marks[part] }
    }

    fn at(pattern: &Pattern, position: f64) -> Self {
        let step = position.floor();
        let parts = pattern.step(step as i64).marks().len();
        let part = ((position - step) * parts as f64) as usize;
        Self::new(pattern, step as i64, part.min(parts - 1))
    }

    fn start(&self) -> f64 {
        self.step as f64 + self.part as f64 / self.parts as f64
    }

    fn length(&self) -> f64 {
        1.0 / self.parts as f64
    }

    fn next(&self, pattern: &Pattern) -> Self {
        if self.part + 1 < self.parts {
            Self::new(pattern, self.step, self.part + 1)
        } else {
            Self::new(pattern, self.step + 1, 0)
        }
    }
}

impl Score {
    /// Whether the notes of a step are played, which its number and the seed decide.
    fn plays(&self, step: i64, settings: &Settings) -> bool {
        let percent = f64::from(self.chances.at(step).unwrap_or(100.0))
            * f64::from(settings.chance)
            * (1.0 / 100.0);
        let high = scramble((step >> 32) as u32 ^ settings.seed ^ 0x5bd1_e995);
        let bits = scramble(scramble(step as u32 ^ high).wrapping_add(high));
        // Even the greatest draw is below 100.
        f64::from(bits) * PERCENT_OF_BITS < percent
    }

    fn pitch(&self, slot: Slot, settings: &Settings) -> f32 {
        let number = if settings.is_by_hit {
            self.pattern.notes_before(slot.step, slot.part)
        } else {
            slot.step
        };
        let semitones = match self.notes.at(number) {
            Some(Tone::Named(semitones)) => semitones,
            Some(Tone::FromRoot(semitones)) => settings.root + semitones,
            None => settings.root,
        };
        (semitones + settings.transpose) / 12.0
    }
}

/// What a channel puts out in a frame.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "one per output")]
pub struct Heard {
    /// Whether a note is held.
    pub gate: bool,
    /// Whether one is struck in this very frame.
    pub trigger: bool,
    /// Whether the note that is held has an accent.
    pub accent: bool,
    /// Whether the pitch is to slide to that of the note that is held.
    pub slide: bool,
    /// Octaves above middle C, of the last note.
    pub pitch: f32,
    /// Of the last note.
    pub velocity: f32,
}

/// One channel of a track: the note that it plays.
#[derive(Clone, Copy)]
pub struct Track {
    heard: Heard,
    /// The position in the frame before, if it ran.
    last: Option<f64>,
    /// Where the note ends.
    end: f64,
    /// Where the next note is struck, if the gate would still be open then: it closes a frame
    /// before.
    struck: f64,
    /// The gate as it is put out: a note that meets an open one closes it for its first frame.
    onsets: Onsets,
    /// The same for the trigger, which lasts for a frame.
    triggers: Onsets,
}

/// What the transport does in the very frame that is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jump {
    /// It is started, perhaps after it was stopped in the same frame.
    pub started: bool,
    /// It is moved, be it to where it was.
    pub moved: bool,
}

impl Track {
    /// Before its first note.
    pub const REST: Self = Self {
        heard: Heard {
            gate: false,
            trigger: false,
            accent: false,
            slide: false,
            pitch: 0.0,
            velocity: 0.0,
        },
        last: None,
        end: f64::NEG_INFINITY,
        struck: f64::INFINITY,
        onsets: Onsets::CLOSED,
        triggers: Onsets::CLOSED,
    };

    /// What is put out while the transport stands; and whether all frames to come are the same.
    pub fn stop(&mut self) -> (Heard, bool) {
        self.last = None;
        // A note that has begun is heard, if only for a frame.
        if !self.onsets.is_owed() {
            self.close();
        }
        self.heard.gate = self.onsets.next(false);
        self.heard.trigger = self.triggers.next(false);
        (self.heard, !self.heard.gate && !self.heard.trigger)
    }

    fn close(&mut self) {
        self.end = f64::NEG_INFINITY;
        (self.heard.gate, self.heard.accent, self.heard.slide) = (false, false, false);
    }

    /// The frame at position `now`, which is followed by one at `next`; and how many frames, with
    /// this one, are surely the same.
    pub fn play(
        &mut self,
        score: &Score,
        settings: &Settings,
        (now, next): (f64, f64),
        jump: Jump,
    ) -> (Heard, usize) {
        if jump.started {
            // As if it had stood for a while.
            self.last = None;
            self.close();
        }
        let slot = Slot::at(&score.pattern, now);
        let moves = self.last.filter(|last| (0.0..LEAP).contains(&(now - last)));
        if moves.is_none() && self.last.is_some() {
            self.end = f64::NEG_INFINITY;
        }
        // After a start or a leap only what begins in this very frame is played.
        let begins_here = now - slot.start() < next - now;
        let arrives = match moves {
            Some(last) => last < slot.start() || jump.moved && begins_here,
            None => begins_here,
        };
        let begins = arrives && slot.mark.is_note() && score.plays(slot.step, settings);
        let was_open = self.heard.gate;
        self.heard.trigger = false;
        if begins {
            self.begin(score, settings, slot);
        }
        if self.heard.trigger {
            self.onsets.strike();
            self.triggers.strike();
        }
        // Even the shortest note is open for a frame.
        let is_open = begins || (now < self.end && next < self.struck);
        if !is_open && !self.onsets.is_owed() {
            self.close();
        }
        self.heard.gate = self.onsets.next(is_open);
        self.last = Some(now);
        let mut heard = self.heard;
        heard.accent &= heard.gate;
        heard.trigger = self.triggers.next(false);
        let owes = self.onsets.is_owed() || self.triggers.is_owed();
        let changes = begins || heard.gate != was_open || owes || heard.trigger;
        let quiet = if changes { 1 } else { self.quiet(slot, now, next) };
        (heard, quiet)
    }

    /// How many frames lie well before the next that could be different.
    fn quiet(&self, slot: Slot, now: f64, next: f64) -> usize {
        let mut until = slot.start() + slot.length();
        if self.heard.gate {
            until = until.min(self.end).min(self.struck);
        }
        // A frame is kept back for the look ahead and two for rounding.
        (((until - now) / (next - now)) as usize).saturating_sub(3).max(1)
    }

    /// Goes over frames that are the same, up to that at `position`.
    pub fn skip_to(&mut self, position: f64) {
        self.last = Some(position);
    }

    fn begin(&mut self, score: &Score, settings: &Settings, slot: Slot) {
        let is_legato = slot.mark == Mark::Slide && self.heard.gate;
        let is_accented = slot.mark == Mark::Accent;
        self.heard = Heard {
            gate: self.heard.gate,
            trigger: !is_legato,
            accent: is_accented,
            slide: is_legato,
            pitch: score.pitch(slot, settings),
            velocity: if is_accented { 1.0 } else { settings.velocity },
        };
        let length = score.lengths.at(slot.step).unwrap_or(settings.length);
        self.end = slot.start() + f64::from(length) * slot.length();
        self.struck = f64::INFINITY;
        let mut next = slot.next(&score.pattern);
        // A pattern of ties alone would go on for ever.
        let last_tie = slot.step + score.pattern.steps().len() as i64;
        while next.mark == Mark::Tie && next.step < last_tie {
            self.end += next.length();
            next = next.next(&score.pattern);
        }
        if next.mark == Mark::Slide && score.plays(next.step, settings) {
            // It is held until the slide has begun.
            self.end = next.start() + next.length();
            return;
        }
        while next.start() <= self.end {
            if next.mark.is_note() && score.plays(next.step, settings) {
                if next.mark != Mark::Slide {
                    self.struck = next.start();
                }
                return;
            }
            next = next.next(&score.pattern);
        }
    }
}
