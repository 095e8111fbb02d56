//! A track of the step sequencer: a rhythm and its notes, played in musical time.
//!
//! Where it is follows from the beat alone, so leaps, changes of tempo and tracks of different
//! lengths need no care, and every process that renders it plays the same.

use super::pattern::Pattern;
use super::row::Row;
use super::score::{Heard, Jump, Score, Settings, Track};
use crate::io::{Io, Param};
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec, TextSpec};
use crate::transport::Transport;
use core::ops::Range;

/// The kind `steps`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "steps",
    summary: "A track of the step sequencer; its gate and pitch play another module in time.",
    outputs: &[
        PortSpec::gate("gate", "1 while a note is held; the frame in which one begins is exact"),
        PortSpec::trigger("trigger", "1 in the frame in which a note is struck"),
        PortSpec::gate("accent", "1 while a note with an accent is held"),
        PortSpec::gate("slide", "1 while a note is held that the one before slid into"),
        PortSpec::pitch("pitch", "octaves above middle C, of the last note"),
        PortSpec::control(
            "velocity",
            "of the last note: 1 with an accent, else that of the parameter",
        ),
    ],
    params: &[
        ParamSpec::number("per_beat", "", [0.0625, 16.0], 4.0, "steps in a beat"),
        ParamSpec::number(
            "swing",
            "%",
            [50.0, 75.0],
            50.0,
            "where each second step lies between its neighbours: 50 is straight, 66.7 triplets",
        ),
        ParamSpec::number("length", "", [0.01, 64.0], 0.5, "how long a note is held, in steps"),
        ParamSpec::number(
            "chance",
            "%",
            [0.0, 100.0],
            100.0,
            "how likely each note is; multiplies the chances of the steps",
        ),
        ParamSpec::number("seed", "", [0.0, 65_535.0], 0.0, "whole; another number is other luck"),
        ParamSpec::number(
            "root",
            "semitones",
            [-60.0, 60.0],
            0.0,
            "what the number 0 among the notes is, above middle C",
        ),
        ParamSpec::number(
            "transpose",
            "semitones",
            [-60.0, 60.0],
            0.0,
            "moves each note, as it begins",
        ),
        ParamSpec::number("velocity", "", [0.0, 1.0], 0.7, "of notes without an accent"),
        ParamSpec::choice(
            "notes_by",
            &["step", "hit"],
            "whether the notes go on with each step, or with each note that the pattern has",
        ),
        ParamSpec::choice(
            "at",
            &["bar", "step", "now"],
            "when a new text is heard; it is at once while the transport stands",
        ),
    ],
    texts: &[
        TextSpec {
            name: "pattern",
            default: "x... x... x... x...",
            doc: "one mark per step: `x` a hit, `X` one with an accent, `.` a rest, `-` holds the \
                  note before, `~` lets it slide into a new one; `(xx)` shares a step among 2 to 8 \
                  marks, `[3/8+2]` is 3 hits spread over 8 steps, heard from its third step on; \
                  spaces and `|` are for the eye; up to 256 steps",
            check: Pattern::check,
            shortened: None,
        },
        TextSpec {
            name: "notes",
            default: "0",
            doc: "the pitches, in a cycle of their own: names (`c4` is middle C, `eb3`, `f#2`) or \
                  semitones above the root (`0 3 7`); `_` is the note before",
            check: Row::check_notes,
            shortened: None,
        },
        TextSpec {
            name: "lengths",
            default: "_",
            doc: "how long notes are held, in steps, one number per step in a cycle of their own; \
                  `_` is the parameter length; ties add to it, and within a group it counts in \
                  parts",
            check: Row::check_lengths,
            shortened: None,
        },
        TextSpec {
            name: "chances",
            default: "_",
            doc: "how likely the notes of each step are, in percent, in a cycle of their own; `_` \
                  is 100",
            check: Row::check_chances,
            shortened: None,
        },
    ],
    plays: true,
    ..ModuleSpec::BARE
};

const AT: usize = 9;
const AT_STEP: f32 = 1.0;
const AT_NOW: f32 = 2.0;
const PARAMS: usize = 10;
/// A bar begins this many beats early: what rounding may take away from a beat of millions.
const ROUNDING_BEATS: f64 = 1e-8;

/// See [`SPEC`].
pub struct Steps<const C: usize> {
    score: Score,
    /// What the score will be; the same unless `is_waiting`.
    written: Score,
    is_waiting: bool,
    tracks: [Track; C],
    /// Bar and step in the frame before, if the transport ran.
    before: Option<(f64, f64)>,
}

type Params<'a, const C: usize> = [Param<'a, C>; PARAMS];

fn settings<const C: usize>(params: &Params<'_, C>, n: usize, c: usize) -> Settings {
    let [per_beat, swing, length, chance, seed, root, transpose, velocity, notes_by, _] =
        params.each_ref().map(|param| param.at(n)[c]);
    Settings {
        per_beat: f64::from(per_beat),
        swing: 0.01 * f64::from(swing),
        length,
        chance,
        seed: seed as u32,
        root,
        transpose,
        velocity,
        is_by_hit: notes_by > 0.5,
    }
}

/// What the transport does in frame `n`.
fn jump(transport: &Transport, n: usize) -> Jump {
    let is_first = n == 0;
    Jump { started: is_first && transport.started, moved: is_first && transport.moved }
}

fn default_score() -> Score {
    let [pattern, notes, lengths, chances] = [0, 1, 2, 3].map(|text| SPEC.texts[text].default);
    Score {
        pattern: Pattern::read(pattern).expect("the default is right"),
        notes: Row::notes(notes).expect("the default is right"),
        lengths: Row::lengths(lengths).expect("the default is right"),
        chances: Row::chances(chances).expect("the default is right"),
    }
}

impl<const C: usize> Steps<C> {
    /// A track with the default texts.
    pub fn new(_rate_hz: u32) -> Self {
        let score = default_score();
        let written = score.clone();
        Self { score, written, is_waiting: false, tracks: [Track::REST; C], before: None }
    }

    /// Bar and step in frame `n`, if the transport runs. The first channel says it for all.
    fn place(params: &Params<'_, C>, transport: &Transport, n: usize) -> Option<(f64, f64)> {
        Self::place_of(transport.beat_at(n), params, transport, n)
    }

    /// The same of a beat, with the parameters of frame `n`.
    fn place_of(
        beat: f64,
        params: &Params<'_, C>,
        transport: &Transport,
        n: usize,
    ) -> Option<(f64, f64)> {
        let bar = (beat + ROUNDING_BEATS) / f64::from(transport.beats_per_bar);
        let step = settings(params, n, 0).position(beat);
        transport.playing.then(|| (bar.floor(), step.floor()))
    }

    /// The first of these frames in which the texts that wait are due.
    fn due(
        &self,
        params: &Params<'_, C>,
        transport: &Transport,
        frames: Range<usize>,
    ) -> Option<usize> {
        let mut before = self.before;
        frames.into_iter().find(|n| {
            let now = Self::place(params, transport, *n);
            let last = core::mem::replace(&mut before, now);
            let (Some(now), Some(last)) = (now, last) else { return true };
            let differs_from = |other: (f64, f64)| match params[AT].at(*n)[0] {
                AT_NOW => true,
                AT_STEP => now.1 != other.1,
                _ => now.0 != other.0,
            };
            let jump = jump(transport, *n);
            // Who is moved to the beginning of a bar is at the beginning of a bar, be it the same one.
            let just_before = transport.beat_at(*n) - transport.beats_per_frame();
            let begins_here = || {
                let place = Self::place_of(just_before, params, transport, *n);
                place.is_some_and(differs_from)
            };
            jump.started || differs_from(last) || jump.moved && begins_here()
        })
    }

    fn take_up(&mut self) {
        if core::mem::take(&mut self.is_waiting) {
            self.score.clone_from(&self.written);
        }
    }

    /// Plays channel `c` through these frames.
    fn play(
        &mut self,
        params: &Params<'_, C>,
        transport: &Transport,
        (frames, c): (Range<usize>, usize),
        mut put: impl FnMut(usize, Heard),
    ) {
        let is_moving = params.iter().any(Param::is_moving);
        let track = &mut self.tracks[c];
        if !transport.playing {
            let (mut heard, mut lasts) = track.stop();
            for n in frames {
                put(n, heard);
                if !lasts {
                    (heard, lasts) = track.stop();
                }
            }
            return;
        }
        let mut settings = settings(params, frames.start, c);
        let mut n = frames.start;
        while n < frames.end {
            if is_moving {
                settings = self::settings(params, n, c);
            }
            let now = settings.position(transport.beat_at(n));
            let next = settings.position(transport.beat_at(n + 1));
            let (heard, same) = track.play(&self.score, &settings, (now, next), jump(transport, n));
            let end = if is_moving { n + 1 } else { frames.end.min(n + same) };
            if end > n + 1 {
                track.skip_to(settings.position(transport.beat_at(end - 1)));
            }
            (n..end).for_each(|n| put(n, heard));
            n = end;
        }
    }
}

impl<const C: usize> Module for Steps<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    /// The texts are kept, like parameters.
    fn reset(&mut self) {
        self.take_up();
        self.tracks = [Track::REST; C];
        self.before = None;
    }

    fn set_text(&mut self, text: usize, value: &str) {
        // A text that is not right was refused before it came here, and would change nothing.
        let Score { pattern, notes, lengths, chances } = &mut self.written;
        match text {
            0 => replace(pattern, Pattern::read(value)),
            1 => replace(notes, Row::notes(value)),
            2 => replace(lengths, Row::lengths(value)),
            _ => replace(chances, Row::chances(value)),
        }
        self.is_waiting = true;
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let params: Params<'_, C> = core::array::from_fn(|index| io.param::<C>(index));
        let transport = io.transport;
        let ([], [gate, trigger, accent, slide, pitch, velocity]) = io.ports::<C, 0, 6>();
        let frames = gate.len();
        if frames == 0 {
            return;
        }
        let mut start = 0;
        while start < frames {
            let due =
                if self.is_waiting { self.due(&params, transport, start..frames) } else { None };
            if due == Some(start) {
                self.take_up();
                continue;
            }
            let end = due.unwrap_or(frames);
            for c in 0..C {
                self.play(&params, transport, (start..end, c), |n, heard| {
                    gate[n][c] = f32::from(u8::from(heard.gate));
                    trigger[n][c] = f32::from(u8::from(heard.trigger));
                    accent[n][c] = f32::from(u8::from(heard.accent));
                    slide[n][c] = f32::from(u8::from(heard.slide));
                    pitch[n][c] = heard.pitch;
                    velocity[n][c] = heard.velocity;
                });
            }
            self.before = Self::place(&params, transport, end - 1);
            start = end;
        }
    }
}

fn replace<T, E>(place: &mut T, read: Result<T, E>) {
    if let Ok(value) = read {
        *place = value;
    }
}
