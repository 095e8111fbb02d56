//! Notes become voices: each note gets a channel, and with it everything that its cables lead to.

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
        PortSpec::pitch("pitch", "octaves above middle C; drives a frequency of 261.63 Hz"),
        PortSpec::gate("gate", "1 while the note is held, 0 after"),
        PortSpec::control("velocity", "how hard the note was played, from 0 to 1"),
    ],
    params: &[ParamSpec {
        name: "glide",
        unit: "ms",
        min: 0.0,
        max: 5_000.0,
        default: 0.0,
        smoothing_ms: 0.0,
        curve: Curve::Linear,
        choices: &[],
        doc: "how long a voice takes from the pitch of its last note to the next",
    }],
    notes: true,
    ..ModuleSpec::BARE
};

const PITCH: usize = 0;
const GATE: usize = 1;
const VELOCITY: usize = 2;
const GLIDE: usize = 0;
const MIDDLE_C: f32 = 60.0;

/// See [`SPEC`].
pub struct Voices<const C: usize> {
    rate_hz: u32,
    channels: [Voice; C],
    /// Counts notes begun and ended, to tell which came first.
    clock: u64,
    /// What all frames are, until a note begins or ends; `None` while a pitch glides.
    held: Option<Held<C>>,
}

/// What the channels yield.
#[derive(Clone, Copy)]
struct Held<const C: usize> {
    pitches: [f32; C],
    gates: [f32; C],
    velocities: [f32; C],
}

#[derive(Clone, Copy)]
struct Voice {
    note: Note,
    /// When the note began or, if it is over, ended.
    since: u64,
    pitch: Ramp,
    /// It begins in the next frame, and glides there unless this is the first note of the voice.
    begins: bool,
    /// The gate is closed for one frame first, so that a note that follows another is heard as a new one.
    is_interrupted: bool,
    has_sounded: bool,
}

const REST: Voice = Voice {
    note: Note { on: false, key: MIDDLE_C, velocity: 0.0, id: 0 },
    since: 0,
    pitch: Ramp::REST,
    begins: false,
    is_interrupted: false,
    has_sounded: false,
};

impl<const C: usize> Voices<C> {
    /// No note yet.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz, channels: [REST; C], clock: 0, held: None }
    }

    /// The channel for a new note: that of the same note, or of the note that is over for longest, or
    /// of the one that has been held for longest.
    fn channel_for(&self, note: &Note) -> usize {
        let same = self.channels.iter().position(|voice| voice.note.on && voice.note.is_same(note));
        let order = |c: &usize| (self.channels[*c].note.on, self.channels[*c].since);
        same.or_else(|| (0..C).min_by_key(order)).unwrap_or(0)
    }

    /// Begins the notes that are due. Returns the gates of the first frame, and those of all others.
    fn begin_notes(&mut self, glide_ms: [f32; C]) -> ([f32; C], [f32; C]) {
        let (mut first, mut then) = ([0.0; C], [0.0; C]);
        for (c, voice) in self.channels.iter_mut().enumerate() {
            if std::mem::take(&mut voice.begins) {
                let octaves = (voice.note.key - MIDDLE_C) / 12.0;
                if voice.has_sounded && glide_ms[c] > 0.0 {
                    voice.pitch.go_to(octaves, frames_of_ms(glide_ms[c], self.rate_hz));
                } else {
                    voice.pitch.snap_to(octaves);
                }
                voice.has_sounded = true;
            }
            then[c] = if voice.note.on { 1.0 } else { 0.0 };
            let was_interrupted = std::mem::take(&mut voice.is_interrupted);
            first[c] = if was_interrupted { 0.0 } else { then[c] };
        }
        (first, then)
    }

    fn glide(&mut self, out: &mut [[f32; C]]) {
        for n in 0..out.len() {
            if !self.channels.iter().any(|voice| voice.pitch.is_moving()) {
                return out[n..].fill(self.channels.each_ref().map(|voice| voice.pitch.value()));
            }
            out[n] = self.channels.each_mut().map(|voice| voice.pitch.step());
        }
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
        if note.on {
            let voice = &mut self.channels[self.channel_for(&note)];
            voice.is_interrupted |= voice.note.on && !voice.begins;
            (voice.note, voice.since, voice.begins) = (note, self.clock, true);
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
        if let Some(Held { pitches, gates, velocities }) = &self.held {
            hold(io, PITCH, pitches);
            hold(io, GATE, gates);
            return hold(io, VELOCITY, velocities);
        }
        let glide_ms = io.param::<C>(GLIDE).at(0);
        let (first, gates) = self.begin_notes(glide_ms);
        let is_interrupted = !same(&first, &gates);
        if is_interrupted {
            let [_, out, _] = io.ports::<C, 0, 3>().1;
            out.fill(gates);
            out[0] = first;
        } else {
            hold(io, GATE, &gates);
        }
        let velocities = self.channels.each_ref().map(|voice| voice.note.velocity);
        hold(io, VELOCITY, &velocities);
        let glides = self.channels.iter().any(|voice| voice.pitch.is_moving());
        let pitches = self.channels.each_ref().map(|voice| voice.pitch.value());
        if glides {
            let [out, _, _] = io.ports::<C, 0, 3>().1;
            self.glide(out);
        } else {
            hold(io, PITCH, &pitches);
        }
        let is_held = !is_interrupted && !glides;
        self.held = is_held.then_some(Held { pitches, gates, velocities });
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
