//! Notes become voices: each note gets a channel, and with it everything that its cables lead to. One channel alone
//! is a mono voice, which goes back to a key that is still held.

use super::keys::{Heard, Keys, PRIORITIES};
use crate::gate::Onsets;
use crate::io::Io;
use crate::math::{frames_of_ms, same};
use crate::module::{Curve, Module, ModuleSpec, Note, ParamSpec, PortSpec};
use crate::smooth::Ramp;

/// The kind `voices`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "voices",
    summary: "Gives each note a channel; with none left, the note that has sounded longest makes way.",
    inputs: &[],
    outputs: &[
        PortSpec::pitch(
            "pitch",
            "octaves above middle C; what it drives is in tune at its default, a C",
        ),
        PortSpec::gate(
            "gate",
            "1 while the note is held, for a frame at least; 0 for a frame before the next note, if \
             it follows at once",
        ),
        PortSpec::control("velocity", "how hard the note was played, from 0 to 1"),
    ],
    params: &[
        ParamSpec {
            name: "glide",
            unit: "ms",
            min: 0.0,
            max: 5_000.0,
            default: 0.0,
            smoothing_ms: 0.0,
            curve: Curve::Linear,
            choices: &[],
            doc: "how long a voice takes from the pitch of its last note to the next",
        },
        ParamSpec::choice(
            "priority",
            PRIORITIES,
            "with one channel, which of the keys that are held is heard; as it is released, the \
             next of them is heard without a new attack",
        ),
    ],
    notes: true,
    ..ModuleSpec::BARE
};

const PITCH: usize = 0;
const GATE: usize = 1;
const VELOCITY: usize = 2;
const GLIDE: usize = 0;
const PRIORITY: usize = 1;
const MIDDLE_C: f32 = 60.0;

/// See [`SPEC`].
pub struct Voices<const C: usize> {
    rate_hz: u32,
    channels: [Voice; C],
    /// Counts notes begun and ended, to tell which came first.
    clock: u64,
    /// What plays the one channel, if there is but one.
    keys: Keys,
    /// What all frames are, until a note begins or ends; `None` while anything moves.
    held: Option<Frame<C>>,
}

/// What the channels yield in a frame.
#[derive(Clone, Copy)]
struct Frame<const C: usize> {
    pitches: [f32; C],
    gates: [f32; C],
    velocities: [f32; C],
}

#[derive(Clone, Copy)]
struct Voice {
    /// The note that is heard; it is over if it is not on.
    note: Note,
    /// When the note began or, if it is over, ended.
    since: u64,
    pitch: Ramp,
    /// It goes to the pitch of its note in the next frame; at once if this is the first note of the voice.
    moves: bool,
    gate: Onsets,
    has_sounded: bool,
    /// The note that is heard once this one is struck.
    then: Option<Note>,
}

const REST: Voice = Voice {
    note: Note { on: false, key: MIDDLE_C, velocity: 0.0, id: 0 },
    since: 0,
    pitch: Ramp::REST,
    moves: false,
    gate: Onsets::CLOSED,
    has_sounded: false,
    then: None,
};

impl Voice {
    fn strike(&mut self, note: Note) {
        (self.note, self.moves, self.then) = (note, true, None);
        self.gate.strike();
    }

    /// Goes over to a note that is held already, or to rest.
    fn go_over(&mut self, to: Option<Note>) {
        self.then = None;
        match to {
            None => self.note.on = false,
            Some(note) if note == self.note => (),
            Some(note) if self.gate.is_owed() => self.then = Some(note),
            Some(note) => (self.note, self.moves) = (note, true),
        }
    }

    /// Pitch and gate in the next frame.
    fn next(&mut self, glide_ms: f32, rate_hz: u32) -> (f32, bool) {
        if core::mem::take(&mut self.moves) {
            let octaves = (self.note.key - MIDDLE_C) / 12.0;
            if self.has_sounded && glide_ms > 0.0 {
                self.pitch.go_to(octaves, frames_of_ms(glide_ms, rate_hz));
            } else {
                self.pitch.snap_to(octaves);
            }
            self.has_sounded = true;
        }
        (self.pitch.step(), self.gate.next(self.note.on))
    }

    /// After a frame: goes over to what was to come after the stroke.
    fn end_frame(&mut self) {
        if !self.gate.is_owed()
            && let Some(note) = self.then.take()
        {
            (self.note, self.moves) = (note, true);
        }
    }

    /// Whether gate and velocity stay as they are.
    fn rests(&self) -> bool {
        self.gate.rests(self.note.on) && !self.moves && self.then.is_none()
    }
}

impl<const C: usize> Voices<C> {
    /// No note yet.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz, channels: [REST; C], clock: 0, keys: Keys::default(), held: None }
    }

    /// The channel for a new note: that of the same note, or of the note that is over for longest, or
    /// of the one that has been held for longest.
    fn channel_for(&self, note: &Note) -> usize {
        let same = self.channels.iter().position(|voice| voice.note.on && voice.note.is_same(note));
        let order = |c: &usize| (self.channels[*c].note.on, self.channels[*c].since);
        same.or_else(|| (0..C).min_by_key(order)).unwrap_or(0)
    }

    /// Has the one channel play what the keys say.
    fn follow_keys(&mut self, priority: f32) {
        let Some(Heard { struck, held }) = self.keys.heard(priority as usize) else { return };
        let voice = &mut self.channels[0];
        if let Some(note) = struck {
            voice.strike(note);
        }
        voice.go_over(held);
    }

    /// The next frame.
    fn next(&mut self, glide_ms: [f32; C]) -> Frame<C> {
        let mut frame = Frame { pitches: [0.0; C], gates: [0.0; C], velocities: [0.0; C] };
        for (c, voice) in self.channels.iter_mut().enumerate() {
            let (pitch, is_open) = voice.next(glide_ms[c], self.rate_hz);
            (frame.pitches[c], frame.velocities[c]) = (pitch, voice.note.velocity);
            frame.gates[c] = if is_open { 1.0 } else { 0.0 };
            voice.end_frame();
        }
        frame
    }

    fn rests(&self) -> bool {
        self.channels.iter().all(Voice::rests)
    }

    fn glides(&self) -> bool {
        self.channels.iter().any(|voice| voice.pitch.is_moving())
    }
}

impl<const C: usize> Module for Voices<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    fn note(&mut self, note: Note) {
        self.clock += 1;
        self.held = None;
        if C == 1 {
            return self.keys.take(note);
        }
        if note.on {
            let voice = &mut self.channels[self.channel_for(&note)];
            voice.strike(note);
            voice.since = self.clock;
            return;
        }
        for voice in &mut self.channels {
            if voice.note.on && voice.note.is_same(&note) {
                voice.note.on = false;
                voice.since = self.clock;
            }
        }
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        if io.frames.is_empty() {
            return;
        }
        if let Some(frame) = &self.held {
            return frame.hold(io);
        }
        let glide_ms = io.param::<C>(GLIDE);
        if C == 1 {
            self.follow_keys(io.param::<C>(PRIORITY).at(0)[0]);
        }
        let first = self.next(glide_ms.at(0));
        if self.rests() && !self.glides() {
            self.held = Some(first);
            return first.hold(io);
        }
        // While it only glides, gates are known to be held.
        let only_glides = self.rests();
        if only_glides {
            hold(io, GATE, &first.gates);
            hold(io, VELOCITY, &first.velocities);
        }
        let ([], [pitch, gate, velocity]) = io.ports::<C, 0, 3>();
        let mut frame = first;
        for n in 0..pitch.len() {
            if n > 0 && self.held.is_none() {
                frame = self.next(glide_ms.at(n));
            }
            pitch[n] = frame.pitches;
            if !only_glides {
                (gate[n], velocity[n]) = (frame.gates, frame.velocities);
            }
            if self.rests() && !self.glides() {
                self.held = Some(frame);
            }
        }
    }
}

impl<const C: usize> Frame<C> {
    /// The same for all frames.
    #[inline(always)]
    fn hold(&self, io: &mut Io<'_>) {
        hold(io, PITCH, &self.pitches);
        hold(io, GATE, &self.gates);
        hold(io, VELOCITY, &self.velocities);
    }
}

/// One frame for all, if anybody reads it.
#[inline(always)]
fn hold<const C: usize>(io: &mut Io<'_>, output: usize, values: &[f32; C]) {
    if same(values, &[0.0; C]) {
        io.silence(output);
    } else if io.is_heard(output) {
        io.hold(output, values);
    }
}
