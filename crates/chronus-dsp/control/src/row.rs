//! Notes and numbers of a track as texts, one per step of their own cycle. They are read into fixed
//! arrays, without allocation.

use super::pattern::{Fault, STEPS_MAX};

/// A pitch as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tone {
    /// By name: so many semitones above middle C.
    Named(f32),
    /// By number: so many semitones above the root.
    FromRoot(f32),
}

/// A cycle of values; `None` where `_` stands.
#[derive(Clone, Debug)]
pub struct Row<T> {
    values: [Option<T>; STEPS_MAX],
    count: usize,
}

const TOO_LONG: &str = "this would be value 257; there may be 256";
const NO_NOTE: &str = "this is no note; a note is a name as c4, eb3 or f#2 (c4 is middle C, \
                       octaves go from -1 to 9), a number of semitones from -60 to 60, or _ for the note \
                       before";
const NO_NOTE_AT_ALL: &str = "there is no note; there must be at least one, as in c4 eb4 or 0 3";
const NO_LENGTH: &str =
    "this is no length; a length is from 0.01 to 64 steps, or _ for that of the parameter";
const NO_CHANCE: &str = "this is no chance; a chance is from 0 to 100 percent, or _ for 100";
const NO_NUMBER: &str = "there is no number; there must be at least one, or _";

impl<T: Copy> Row<T> {
    /// Reads words between spaces; `|` is for the eye. `word` is what one means, unless it is `_`.
    fn read(
        text: &str,
        (nothing, no_word): (&'static str, &'static str),
        word: impl Fn(&str) -> Option<T>,
    ) -> Result<Self, Fault> {
        let mut row = Self { values: [None; STEPS_MAX], count: 0 };
        let words = text.split(|letter: char| letter.is_whitespace() || letter == '|');
        for found in words.filter(|found| !found.is_empty()) {
            // A word is a slice of the text.
            let at = found.as_ptr() as usize - text.as_ptr() as usize;
            let place = row.values.get_mut(row.count).ok_or(Fault::new(at, TOO_LONG))?;
            row.count += 1;
            if found != "_" {
                *place = Some(word(found).ok_or(Fault::new(at, no_word))?);
            }
        }
        if row.count == 0 { Err(Fault::new(text.len(), nothing)) } else { Ok(row) }
    }

    /// Value `number` of the endless repetition.
    pub fn at(&self, number: i64) -> Option<T> {
        self.values[number.rem_euclid(self.count as i64) as usize]
    }
}

impl Row<Tone> {
    /// Notes by name or number. `_` is the note before it, or the last of all if there is none.
    ///
    /// # Errors
    /// If one is no note.
    pub fn notes(text: &str) -> Result<Self, Fault> {
        let mut row = Self::read(text, (NO_NOTE_AT_ALL, NO_NOTE), tone)?;
        let mut before = row.values[..row.count].iter().rev().find_map(|value| *value);
        for value in &mut row.values[..row.count] {
            *value = value.or(before);
            before = *value;
        }
        // Nothing but `_`.
        if before.is_none() { Err(Fault::new(text.len(), NO_NOTE_AT_ALL)) } else { Ok(row) }
    }

    /// As the check of a [`TextSpec`](crate::module::TextSpec) does it.
    pub(super) fn check_notes(text: &str) -> Result<(), String> {
        Self::notes(text).map(drop).map_err(|fault| fault.sentence(text))
    }
}

impl Row<f32> {
    /// Lengths in steps.
    ///
    /// # Errors
    /// If one is no length.
    pub fn lengths(text: &str) -> Result<Self, Fault> {
        Self::read(text, (NO_NUMBER, NO_LENGTH), |word| number(word, 0.01, 64.0))
    }

    /// Chances in percent.
    ///
    /// # Errors
    /// If one is no chance.
    pub fn chances(text: &str) -> Result<Self, Fault> {
        Self::read(text, (NO_NUMBER, NO_CHANCE), |word| number(word, 0.0, 100.0))
    }

    /// As the check of a [`TextSpec`](crate::module::TextSpec) does it.
    pub(super) fn check_lengths(text: &str) -> Result<(), String> {
        Self::lengths(text).map(drop).map_err(|fault| fault.sentence(text))
    }

    /// As the check of a [`TextSpec`](crate::module::TextSpec) does it.
    pub(super) fn check_chances(text: &str) -> Result<(), String> {
        Self::chances(text).map(drop).map_err(|fault| fault.sentence(text))
    }
}

fn number(word: &str, min: f32, max: f32) -> Option<f32> {
    let value: f32 = word.parse().ok()?;
    (min..=max).contains(&value).then_some(value)
}

fn tone(word: &str) -> Option<Tone> {
    let mut letters = word.chars();
    let mut semitones: f32 = match letters.next()?.to_ascii_lowercase() {
        'c' => 0.0,
        'd' => 2.0,
        'e' => 4.0,
        'f' => 5.0,
        'g' => 7.0,
        'a' => 9.0,
        'b' => 11.0,
        _ => return number(word, -60.0, 60.0).map(Tone::FromRoot),
    };
    let mut rest = letters.as_str();
    for _ in 0..2 {
        let (sign, after) = match rest.as_bytes().first() {
            Some(b'#') => (1.0, &rest[1..]),
            Some(b'b') => (-1.0, &rest[1..]),
            _ => break,
        };
        semitones += sign;
        rest = after;
    }
    let octave: i8 = match rest {
        "" => 4,
        "-1" => -1,
        _ if rest.len() == 1 => rest.parse().ok()?,
        _ => return None,
    };
    Some(Tone::Named(semitones + 12.0 * f32::from(octave - 4)))
}
