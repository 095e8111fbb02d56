//! Scales: by name, or written out in ratios and cents as in files of the program Scala.
//!
//! Manuel Op de Coul, "Scala scale file format" (huygens-fokker.org): a degree with a point is in
//! cents, any other a ratio; the last degree is the period, at which the scale repeats. Unlike
//! there, degrees must ascend.

use crate::names;

/// As many degrees as a scale may have.
pub const DEGREES_MAX: usize = 128;

/// Degrees that are closer than this, in octaves, are the same for any ear.
const LEAST_STEP: f64 = 1e-6;

/// A whole number above this is no ratio, but cents whose point was forgotten.
const WHOLE_MAX: u32 = 64;

/// The scales that have names. Semitones are written in cents.
pub const NAMED: &[(&str, &str)] = &[
    ("chromatic", "12-edo"),
    ("major", "200. 400. 500. 700. 900. 1100. 1200."),
    ("minor", "200. 300. 500. 700. 800. 1000. 1200."),
    ("harmonic-minor", "200. 300. 500. 700. 800. 1100. 1200."),
    ("melodic-minor", "200. 300. 500. 700. 900. 1100. 1200."),
    ("ionian", "200. 400. 500. 700. 900. 1100. 1200."),
    ("dorian", "200. 300. 500. 700. 900. 1000. 1200."),
    ("phrygian", "100. 300. 500. 700. 800. 1000. 1200."),
    ("lydian", "200. 400. 600. 700. 900. 1100. 1200."),
    ("mixolydian", "200. 400. 500. 700. 900. 1000. 1200."),
    ("aeolian", "200. 300. 500. 700. 800. 1000. 1200."),
    ("locrian", "100. 300. 500. 600. 800. 1000. 1200."),
    ("major-pentatonic", "200. 400. 700. 900. 1200."),
    ("minor-pentatonic", "300. 500. 700. 1000. 1200."),
    ("blues", "300. 500. 600. 700. 1000. 1200."),
    ("whole-tone", "6-edo"),
    ("octatonic", "200. 300. 500. 600. 800. 900. 1100. 1200."),
    ("hirajoshi", "200. 300. 700. 800. 1200."),
    ("double-harmonic", "100. 400. 500. 700. 800. 1100. 1200."),
    ("major-triad", "400. 700. 1200."),
    ("minor-triad", "300. 700. 1200."),
    ("fifths", "700. 1200."),
    ("octaves", "1200."),
    ("quarter-tones", "24-edo"),
    ("just-major", "9/8 5/4 4/3 3/2 5/3 15/8 2/1"),
    ("just-minor", "9/8 6/5 4/3 3/2 8/5 9/5 2/1"),
    ("pythagorean", "9/8 81/64 4/3 3/2 27/16 243/128 2/1"),
    ("harmonics", "9/8 5/4 11/8 3/2 13/8 7/4 15/8 2/1"),
    ("bohlen-pierce", "27/25 25/21 9/7 7/5 75/49 5/3 9/5 49/25 15/7 7/3 63/25 25/9 3/1"),
];

/// The degrees of a scale.
#[derive(Clone, Debug)]
pub struct Scale {
    /// In octaves above the root, ascending. The first is the root, at 0; the one at `count` is the
    /// period.
    degrees: [f64; DEGREES_MAX + 1],
    count: usize,
}

/// What is wrong with a text that should be a scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wrong<'a> {
    /// There is nothing in it.
    Empty,
    /// It names a scale that there is not.
    Name(&'a str),
    /// This is no degree.
    Degree(&'a str),
    /// The degree does not lie above the one before it.
    Descends(&'a str),
    /// There are too many degrees.
    TooMany,
}

impl Scale {
    /// The scale that a text says. Does not allocate.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn read(text: &str) -> Result<Self, Wrong<'_>> {
        let text = text.trim();
        if let Some(count) = text.strip_suffix("edo").or_else(|| text.strip_suffix("EDO")) {
            let count =
                count.trim_end_matches(['-', ' ']).parse().map_err(|_| Wrong::Name(text))?;
            return Self::equal(count).ok_or(Wrong::TooMany);
        }
        if text.starts_with(char::is_alphabetic) {
            let named = NAMED.iter().find(|(name, _)| is_name(text, name));
            return named.map_or(Err(Wrong::Name(text)), |(_, degrees)| Self::read(degrees));
        }
        let mut scale = Self { degrees: [0.0; DEGREES_MAX + 1], count: 0 };
        let words = text.split([' ', ',', ';', '\t', '\r', '\n']).filter(|word| !word.is_empty());
        for (at, word) in words.enumerate() {
            let octaves = octaves_of(word).ok_or(Wrong::Degree(word))?;
            // The root need not be written, but may be.
            if at == 0 && octaves == 0.0 {
                continue;
            }
            if octaves - scale.degrees[scale.count] < LEAST_STEP {
                return Err(Wrong::Descends(word));
            }
            scale.count += 1;
            *scale.degrees.get_mut(scale.count).ok_or(Wrong::TooMany)? = octaves;
        }
        if scale.count > 0 { Ok(scale) } else { Err(Wrong::Empty) }
    }

    /// The octave in so many equal steps.
    fn equal(count: usize) -> Option<Self> {
        let mut scale = Self { degrees: [0.0; DEGREES_MAX + 1], count };
        for (step, degree) in scale.degrees.get_mut(..=count)?.iter_mut().enumerate() {
            *degree = if step == 0 { 0.0 } else { step as f64 / count as f64 };
        }
        (count > 0).then_some(scale)
    }

    /// In octaves above the root: the root, all degrees between, and the period.
    pub fn degrees(&self) -> &[f64] {
        &self.degrees[..=self.count]
    }

    /// The pitch of the scale nearest to this, both in octaves above the root; of two as near the
    /// lower.
    pub fn nearest(&self, octaves: f64) -> f64 {
        let degrees = self.degrees();
        let period = degrees[self.count];
        let base = (octaves / period).floor() * period;
        let rest = octaves - base;
        let above = degrees.partition_point(|degree| *degree < rest).clamp(1, self.count);
        let (low, high) = (degrees[above - 1], degrees[above]);
        base + if rest - low <= high - rest { low } else { high }
    }
}

/// Whether a text is this name, whatever the case, and with any of `-`, `_` and space in it.
fn is_name(text: &str, name: &str) -> bool {
    let plain = |letter: u8| if matches!(letter, b' ' | b'_') { b'-' } else { letter };
    text.len() == name.len()
        && text.bytes().zip(name.bytes()).all(|(a, b)| plain(a).eq_ignore_ascii_case(&b))
}

/// How many octaves a degree lies above the root, in cents if there is a point in it, else a ratio.
fn octaves_of(degree: &str) -> Option<f64> {
    if !degree.bytes().all(|letter| letter.is_ascii_digit() || b"./-".contains(&letter)) {
        return None;
    }
    if degree.contains('.') {
        let octaves = degree.parse::<f64>().ok()? / 1200.0;
        return (octaves.abs() < 100.0).then_some(octaves);
    }
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|number| *number > 0);
    let (above, below) = match degree.split_once('/') {
        Some((above, below)) => (number(above)?, number(below)?),
        None => (number(degree).filter(|above| *above <= WHOLE_MAX)?, 1),
    };
    Some(libm::log2(f64::from(above) / f64::from(below)))
}

/// Finds out whether a text is a scale.
///
/// # Errors
/// A sentence about what is wrong and what would be right.
pub fn check(text: &str) -> Result<(), String> {
    const DEGREES: &str = "degrees are ratios such as 3/2 or cents such as 701.955, with a point";
    let Err(wrong) = Scale::read(text) else { return Ok(()) };
    Err(match wrong {
        Wrong::Empty => format!("a scale needs a name or degrees; {DEGREES}"),
        Wrong::Name(name) => {
            let right = names::instead(name, "scales", NAMED.iter().map(|(name, _)| *name));
            format!("there is no scale `{name}`; {right}")
        }
        Wrong::Degree(word) => format!("`{word}` is no degree of a scale; {DEGREES}"),
        Wrong::Descends(word) if text.trim() == word => {
            format!(
                "a scale repeats at its last degree, which `{word}` can't be: it is not above 1/1"
            )
        }
        Wrong::Descends(word) => {
            format!("`{word}` does not lie above the degree before it; a scale ascends from 1/1")
        }
        Wrong::TooMany => format!("a scale has 1 to {DEGREES_MAX} degrees"),
    })
}
