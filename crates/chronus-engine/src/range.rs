//! Numbers that are out of range. There is one rule for all of them, in patch files and over OSC: the nearest number
//! within the range is taken, and that is told.

use core::fmt;

use chronus_dsp::ParamSpec;

use crate::command::{BEATS_PER_BAR_MAX, TEMPOS_BPM};

/// A range of numbers, and how it is told.
#[derive(Clone, Debug)]
pub struct Range {
    /// What the number is, before it: "a tempo of ".
    pub what: String,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// The unit, behind the number.
    pub unit: String,
    /// The range as a phrase: "0 to 1".
    pub says: String,
}

/// What was done with a number out of range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clamped {
    /// "freq: 5 Hz was clamped to 20 Hz".
    pub found: String,
    /// "the range is 20 to 20000 Hz".
    pub right: String,
}

impl fmt::Display for Clamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.found, self.right)
    }
}

impl Range {
    /// That of a parameter. `what` is before the number.
    pub fn of(spec: &ParamSpec, what: impl Into<String>) -> Self {
        let unit = if spec.unit.is_empty() { String::new() } else { format!(" {}", spec.unit) };
        let says = format!("{} to {}{unit}", spec.min, spec.max);
        let (least, most) = (f64::from(spec.min), f64::from(spec.max));
        Self { what: what.into(), least, most, unit, says }
    }

    /// That of the tempo.
    pub fn of_tempo() -> Self {
        let (least, most) = (*TEMPOS_BPM.start(), *TEMPOS_BPM.end());
        let says = format!("{least} to {most} beats per minute");
        Self { what: "a tempo of ".into(), least, most, unit: String::new(), says }
    }

    /// That of the beats in a bar.
    pub fn of_bars() -> Self {
        let most = f64::from(BEATS_PER_BAR_MAX);
        let says = format!("1 to {most} beats in a bar");
        Self { what: "a bar of ".into(), least: 1.0, most, unit: " beats".into(), says }
    }

    /// The number within the range that is nearest to a finite one, and what is to be told if that is another.
    pub fn clamp(&self, wanted: f64) -> (f64, Option<Clamped>) {
        let Self { what, least, most, unit, says } = self;
        let value = wanted.clamp(*least, *most);
        let clamped = (value != wanted).then(|| Clamped {
            found: format!("{what}{}{unit} was clamped to {}{unit}", shown(wanted), shown(value)),
            right: format!("the range is {says}"),
        });
        (value, clamped)
    }
}

/// A number as people write it: as short as it was given, and none with hundreds of digits.
pub fn shown(value: f64) -> String {
    let short = value as f32;
    let size = value.abs();
    let is_long = size >= 1e15 || (size > 0.0 && size < 1e-6);
    match (f64::from(short) == value, is_long) {
        (true, false) => short.to_string(),
        (true, true) => format!("{short:e}"),
        (false, false) => value.to_string(),
        (false, true) => format!("{value:e}"),
    }
}
