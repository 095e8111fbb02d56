//! What becomes of a device, told to its owner, who may be a real-time thread: of a fixed size, so that
//! nothing is allocated or freed in passing it on.

use std::{fmt, ops::Deref};

use arrayvec::ArrayString;

/// A few lines are enough for a reason or a description.
const LONGEST: usize = 480;

/// Something that has become of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It was not there at the start, for this reason; until it is, frames are taken without a sound.
    Awaited(Sentence),
    /// It is lost, for this reason; until it is back, frames are taken without a sound.
    Lost(Sentence),
    /// It is there and can't be had, for this reason; it is tried again.
    Refused(Sentence),
    /// It plays, again or for the first time: its description.
    Back(Sentence),
}

/// A text of at most 480 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sentence(ArrayString<LONGEST>);

impl Sentence {
    /// As much of a text as there is room for.
    pub fn new(text: &str) -> Self {
        let fits = |end: &usize| text.is_char_boundary(*end);
        let end = (0..=text.len().min(LONGEST)).rev().find(fits).unwrap_or(0);
        let mut sentence = ArrayString::new();
        sentence.push_str(&text[..end]);
        Self(sentence)
    }
}

impl Deref for Sentence {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_between_two_characters() {
        let long = format!("{}ü", "a".repeat(LONGEST - 1));
        assert_eq!(*Sentence::new(&long), long[..LONGEST - 1]);
        assert_eq!(*Sentence::new("short"), *"short");
    }
}
