//! Moves pitches to the nearest note of a scale, tempered, just or of one's own making.

use super::scale::{self, Scale};
use super::timing::{Openings, PULSE_MS, Pulse};
use crate::io::Io;
use crate::math::frames_of_ms;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec, TextSpec};

/// The kind `quantizer`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "quantizer",
    summary: "Moves a pitch to the nearest note of a scale.",
    inputs: &[
        PortSpec::pitch("in", "the pitch, in octaves above middle C"),
        PortSpec::trigger(
            "trigger",
            "with a cable, the pitch is only taken where this rises through 0.5",
        ),
    ],
    outputs: &[
        PortSpec::pitch("pitch", "the nearest note, in octaves above middle C"),
        PortSpec::trigger("changed", "1 for 1 ms from each new note on"),
    ],
    params: &[ParamSpec::number(
        "root",
        "semitones",
        [-12.0, 12.0],
        0.0,
        "where the scale begins, above middle C; fractions tune it",
    )],
    bypass: &[(0, 0)],
    texts: &[TextSpec {
        name: "scale",
        default: "major",
        doc: "a name such as `dorian`, `19-edo` for 19 equal steps, or the degrees above the \
              root as in Scala files, in ratios or in cents with a point: \
              `9/8 5/4 4/3 3/2 5/3 15/8 2/1`; the last is where the scale repeats. A whole Scala \
              file is taken as it is, with its comments",
        check: scale::check,
        shortened: Some(scale::shortened),
    }],
    ..ModuleSpec::BARE
};

/// See [`SPEC`].
pub struct Quantizer<const C: usize> {
    pulse_frames: u32,
    scale: Scale,
    trigger: Openings<C>,
    /// The pitch that was taken last.
    taken: [f32; C],
    /// Pitch and root that the note was found for; none if it is to be found again.
    found_for: [Option<(f32, f32)>; C],
    note: [f32; C],
    /// The first note is no change.
    has_note: bool,
    changed: [Pulse; C],
}

impl<const C: usize> Quantizer<C> {
    /// At middle C, in the scale that the spec says.
    ///
    /// # Panics
    /// If that scale is none.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            pulse_frames: frames_of_ms(PULSE_MS, rate_hz),
            scale: Scale::read(SPEC.texts[0].default).expect("the default is a scale"),
            trigger: Openings::new(),
            taken: [0.0; C],
            found_for: [None; C],
            note: [0.0; C],
            has_note: false,
            changed: [Pulse::default(); C],
        }
    }

    fn note_near(&self, pitch: f32, root: f32) -> f32 {
        let root = f64::from(root) / 12.0;
        (root + self.scale.nearest(f64::from(pitch) - root)) as f32
    }
}

impl<const C: usize> Module for Quantizer<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.trigger, self.taken, self.note) = (Openings::new(), [0.0; C], [0.0; C]);
        (self.has_note, self.changed) = (false, [Pulse::default(); C]);
        self.found_for = [None; C];
    }

    fn set_text(&mut self, _text: usize, value: &str) {
        if let Ok(scale) = Scale::read(value) {
            (self.scale, self.found_for) = (scale, [None; C]);
        }
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let root = io.param::<C>(0);
        let is_free = !io.is_connected(1);
        let ([input, trigger], [pitch, changed]) = io.ports::<C, 2, 2>();
        for n in 0..pitch.len() {
            let (root, triggers) = (root.at(n), self.trigger.of(&trigger[n]));
            for c in 0..C {
                if is_free || triggers[c] {
                    self.taken[c] = input[n][c];
                }
                // A new root or scale is heard at once.
                let sought = Some((self.taken[c], root[c]));
                let mut is_new = false;
                if sought != self.found_for[c] {
                    self.found_for[c] = sought;
                    let note = self.note_near(self.taken[c], root[c]);
                    is_new = self.has_note && note != self.note[c];
                    self.note[c] = note;
                }
                pitch[n][c] = self.note[c];
                changed[n][c] = self.changed[c].step(is_new, self.pulse_frames);
            }
            self.has_note = true;
        }
    }
}
