//! What a kind of module is, as data: its ports, parameters, texts, gate.

use crate::recording::Recording;
use crate::signal_kind::SignalKind;
use crate::tables::Table;

pub use chronus_units::BLOCK_FRAMES;

/// The numbers of channels that a cable may have. A module on a cable of 16 channels is 16 voices.
pub const CHANNEL_COUNTS: [usize; 4] = [1, 4, 8, 16];

/// The most channels that a cable may have.
pub const CHANNELS_MAX: usize = 16;

/// The frequency of middle C, at which a pitch is 0: the default of what a pitch may drive, so that a plain cable is in
/// tune.
pub const MIDDLE_C_HZ: f32 = 261.625_58;

/// What a kind of module is, as data: enough to check a patch, to validate a message and to print
/// a reference.
#[derive(Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a state")]
pub struct ModuleSpec {
    /// The name of the kind in patch files, unique in the catalog.
    pub kind: &'static str,
    /// One sentence for a musician.
    pub summary: &'static str,
    /// The inputs, by position.
    pub inputs: &'static [PortSpec],
    /// The outputs, by position.
    pub outputs: &'static [PortSpec],
    /// The parameters, by position.
    pub params: &'static [ParamSpec],
    /// Whether it has a gate.
    pub gate: bool,
    /// Whether it takes notes.
    pub notes: bool,
    /// Whether it plays by itself: notes or gates come of it though nobody commands any.
    pub plays: bool,
    /// If the module is bypassed: which input (first) is heard at which output (second), by
    /// position. Outputs that are not named are silent.
    pub bypass: &'static [(usize, usize)],
    /// The texts that it can be given, in the order of [`set_text`](crate::Module::set_text).
    pub texts: &'static [TextSpec],
    /// If it plays a recording, which a patch names with the key `file`.
    pub recording: Option<RecordingSpec>,
    /// The outputs, at most two, whose values at the end of each block can be asked for from outside. Of
    /// several channels the value that is furthest from 0 counts.
    pub meters: &'static [usize],
    /// The tables that it reads.
    pub tables: &'static [&'static Table],
    /// Whether [`skip`](crate::Module::skip) costs less than [`process`](crate::Module::process), so that it is worth
    /// finding out whether its output is ignored.
    pub skips: bool,
    /// Whether [`ignored_inputs`](crate::Module::ignored_inputs) ever says so.
    pub ignores: bool,
}

impl ModuleSpec {
    /// A spec with nothing in it, from which others are made.
    pub const BARE: Self = Self {
        kind: "",
        summary: "",
        inputs: &[],
        outputs: &[],
        params: &[],
        gate: false,
        notes: false,
        plays: false,
        bypass: &[],
        texts: &[],
        recording: None,
        meters: &[],
        tables: &[],
        skips: false,
        ignores: false,
    };
}

/// What a module does with a recording.
#[derive(Clone, Copy, Debug)]
pub struct RecordingSpec {
    /// For a musician.
    pub doc: &'static str,
    /// Makes of it what the module is given. It may take long: it is done once, aside.
    pub prepare: fn(Recording) -> Recording,
    /// Whether the module is silent without one.
    pub is_needed: bool,
}

impl PartialEq for RecordingSpec {
    fn eq(&self, other: &Self) -> bool {
        self.doc == other.doc
    }
}

impl RecordingSpec {
    /// A recording that is given to the module as it is, and that it can't do without.
    pub const fn plain(doc: &'static str) -> Self {
        Self { doc, prepare: |recording| recording, is_needed: true }
    }
}

/// As long, in bytes, as the text of a module may be.
pub const TEXT_MAX: usize = 1000;

/// A text of a module: a pattern, a scale.
#[derive(Debug)]
pub struct TextSpec {
    /// Its name in patch files and messages, unique among the texts and parameters of the module.
    pub name: &'static str,
    /// The text where a patch says nothing.
    pub default: &'static str,
    /// What it does and how it is written.
    pub doc: &'static str,
    /// Finds out whether a text of at most [`TEXT_MAX`] bytes is right; if not, says why and what would
    /// be.
    pub check: fn(&str) -> Result<(), String>,
    /// A text that says the same in fewer bytes, if there is one; for those that are too long.
    pub shortened: Option<fn(&str) -> Option<String>>,
}

impl TextSpec {
    /// The text that is taken for this one: itself if it fits.
    ///
    /// # Errors
    /// A sentence, if it is too long or not right.
    pub fn take(&self, text: &str) -> Result<String, String> {
        let mut taken = text.to_owned();
        if text.len() > TEXT_MAX {
            let short = self.shortened.and_then(|shortened| shortened(text));
            let length = short.as_ref().map_or(text.len(), String::len);
            taken = short.filter(|_| length <= TEXT_MAX).ok_or_else(|| {
                format!("a text of {length} bytes is too long; write at most {TEXT_MAX}")
            })?;
        }
        (self.check)(&taken).map(|()| taken)
    }
}

impl PartialEq for TextSpec {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.default, self.doc) == (other.name, other.default, other.doc)
    }
}

/// An input or output of a module.
#[derive(Debug, PartialEq)]
pub struct PortSpec {
    /// Its name in patch files, unique among the inputs or outputs of the module.
    pub name: &'static str,
    /// What its signal means.
    pub signal: SignalKind,
    /// What signal goes there.
    pub doc: &'static str,
    /// What an input reads where no cable ends: 0 or 1.
    pub rest: f32,
}

impl PortSpec {
    /// A port for sound. This and the next four rest at 0.
    pub const fn audio(name: &'static str, doc: &'static str) -> Self {
        Self { name, signal: SignalKind::Audio, doc, rest: 0.0 }
    }

    /// A port for what moves something else.
    pub const fn control(name: &'static str, doc: &'static str) -> Self {
        Self { signal: SignalKind::Control, ..Self::audio(name, doc) }
    }

    /// A port for a pitch.
    pub const fn pitch(name: &'static str, doc: &'static str) -> Self {
        Self { signal: SignalKind::Pitch, ..Self::audio(name, doc) }
    }

    /// A port for a gate.
    pub const fn gate(name: &'static str, doc: &'static str) -> Self {
        Self { signal: SignalKind::Gate, ..Self::audio(name, doc) }
    }

    /// A port for a trigger.
    pub const fn trigger(name: &'static str, doc: &'static str) -> Self {
        Self { signal: SignalKind::Trigger, ..Self::audio(name, doc) }
    }

    /// An input that reads 1 where no cable ends.
    #[must_use]
    pub const fn resting_at_one(self) -> Self {
        Self { rest: 1.0, ..self }
    }
}

/// A parameter of a module.
#[derive(Debug, PartialEq)]
pub struct ParamSpec {
    /// Its name in patch files and messages, unique in the module.
    pub name: &'static str,
    /// Its unit (`Hz`, `ms`), empty for a plain number.
    pub unit: &'static str,
    /// The least value.
    pub min: f32,
    /// The greatest value.
    pub max: f32,
    /// The value where a patch says nothing.
    pub default: f32,
    /// How long it takes to move to a new value, in ms; 0 jumps.
    pub smoothing_ms: f32,
    /// How a cable drives it.
    pub curve: Curve,
    /// For an enumeration the names of the values 0, 1, 2, ...; else empty.
    pub choices: &'static [&'static str],
    /// What it does.
    pub doc: &'static str,
}

/// How a cable drives a parameter, given its depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// It adds: depth times signal, in the unit of the parameter.
    Linear,
    /// It multiplies: depth times signal, in octaves. A pitch of 1 per octave drives a frequency with
    /// depth 1.
    Exponential,
}

impl ParamSpec {
    /// A plain number within a range, which jumps to new values and is driven linearly.
    pub const fn number(
        name: &'static str,
        unit: &'static str,
        range: [f32; 2],
        default: f32,
        doc: &'static str,
    ) -> Self {
        let [min, max] = range;
        Self {
            name,
            unit,
            min,
            max,
            default,
            smoothing_ms: 0.0,
            curve: Curve::Linear,
            choices: &[],
            doc,
        }
    }

    /// One of several named values; the first unless a patch says otherwise.
    pub const fn choice(
        name: &'static str,
        choices: &'static [&'static str],
        doc: &'static str,
    ) -> Self {
        Self { choices, ..Self::number(name, "", [0.0, (choices.len() - 1) as f32], 0.0, doc) }
    }

    /// The same, but moving to new values within so many milliseconds.
    #[must_use]
    pub const fn smoothed(self, smoothing_ms: f32) -> Self {
        Self { smoothing_ms, ..self }
    }

    /// The same, but driven by cables in octaves.
    #[must_use]
    pub const fn exponential(self) -> Self {
        Self { curve: Curve::Exponential, ..self }
    }

    /// The value that the parameter takes when `value` is asked for: within its range, whole if it
    /// is an enumeration. `None` for NaN and infinities, which change nothing.
    pub fn accept(&self, value: f32) -> Option<f32> {
        let whole = |value: f32| if self.choices.is_empty() { value } else { value.round() };
        // Adding 0 takes the sign off a zero.
        value.is_finite().then(|| whole(value).clamp(self.min, self.max) + 0.0)
    }

    /// Whether a value must be one of [`choices`](Self::choices).
    pub fn is_enumeration(&self) -> bool {
        !self.choices.is_empty()
    }
}
