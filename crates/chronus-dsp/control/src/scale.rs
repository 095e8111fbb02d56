//! Scales: by name, written out in ratios and cents, or a whole file of the program Scala.
//!
//! Manuel Op de Coul, "Scala scale file format" (huygens-fokker.org): a degree with a point is in
//! cents, any other a ratio; the last degree is the period, at which the scale repeats. A file has
//! a line of description, which may be blank, one with the count of degrees, and a line for each
//! degree, behind which anything may stand; lines that begin with `!` are comments. Degrees of a
//! file may be in any order. A list that is no file ascends: what does not is a slip.

use crate::names;

/// As many degrees as a scale may have.
pub const DEGREES_MAX: usize = 128;

/// Degrees that are closer than this, in octaves, are the same for any ear.
const LEAST_STEP: f64 = 1e-6;

/// A whole number above this is no ratio, but cents whose point was forgotten.
const WHOLE_MAX: f64 = 64.0;

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
    /// A Scala file lacks the line with its count of degrees.
    Uncounted,
    /// A Scala file has fewer degrees than it says.
    Fewer(usize, usize),
    /// The last degree, at which a Scala file repeats, is not above the root.
    Period(&'a str),
}

impl Scale {
    /// The scale that a text says. Does not allocate.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn read(text: &str) -> Result<Self, Wrong<'_>> {
        if has_comment(text) {
            return Self::of_file(text);
        }
        let is_headless = text.starts_with(['\n', '\r']);
        if is_headless && let Ok(scale) = Self::of_file(text) {
            return Ok(scale);
        }
        Self::of_list(text).or_else(|wrong| Self::of_file(text).map_err(|_| wrong))
    }

    /// The scale of a name or of a list of degrees.
    fn of_list(text: &str) -> Result<Self, Wrong<'_>> {
        let text = text.trim();
        if let Some(count) = text.strip_suffix("edo").or_else(|| text.strip_suffix("EDO")) {
            let count =
                count.trim_end_matches(['-', ' ']).parse().map_err(|_| Wrong::Name(text))?;
            return Self::equal(count).ok_or(Wrong::TooMany);
        }
        if text.starts_with(char::is_alphabetic) {
            let named = NAMED.iter().find(|(name, _)| is_name(text, name));
            return named.map_or(Err(Wrong::Name(text)), |(_, degrees)| Self::of_list(degrees));
        }
        let mut scale = Self { degrees: [0.0; DEGREES_MAX + 1], count: 0 };
        let words = text.split([' ', ',', ';', '\t', '\r', '\n']).filter(|word| !word.is_empty());
        for (at, word) in words.enumerate() {
            let octaves = octaves_of(word, WHOLE_MAX).ok_or(Wrong::Degree(word))?;
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

    /// The scale of a Scala file. Its degrees may be in any order, below the root, or beyond the
    /// period: what a pitch is drawn to is the same in every period.
    fn of_file(text: &str) -> Result<Self, Wrong<'_>> {
        let (count, lines) = degree_lines(text).ok_or(Wrong::Uncounted)?;
        let mut scale = Self { degrees: [0.0; DEGREES_MAX + 1], count };
        let degrees = scale.degrees.get_mut(1..=count).ok_or(Wrong::TooMany)?;
        let (mut found, mut last) = (0, "");
        for (line, degree) in lines.clone().zip(degrees.iter_mut()) {
            last = line.split_whitespace().next().unwrap_or_default();
            *degree = degree_of(line).ok_or(Wrong::Degree(last))?;
            found += 1;
        }
        if found < count {
            return Err(Wrong::Fewer(count, found));
        }
        let Some(period) = degrees.last().copied() else { return Err(Wrong::Empty) };
        if period < LEAST_STEP {
            return Err(Wrong::Period(last));
        }
        for degree in &mut degrees[..count - 1] {
            *degree -= (*degree / period).floor() * period;
        }
        degrees.sort_unstable_by(f64::total_cmp);
        let mut kept = 0;
        for at in 1..=count {
            let degree = scale.degrees[at];
            if degree - scale.degrees[kept] >= LEAST_STEP {
                kept += 1;
                scale.degrees[kept] = degree;
            }
        }
        scale.count = kept;
        Ok(scale)
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

/// Whether a text has a line of comment, as a Scala file.
fn has_comment(text: &str) -> bool {
    text.lines().any(|line| bare(line).starts_with('!'))
}

/// A line without what surrounds it; some editors put a mark in front of a file.
fn bare(line: &str) -> &str {
    line.trim_start_matches('\u{feff}').trim()
}

/// How many degrees a Scala file says that it has, and the lines with those, and what follows.
fn degree_lines(text: &str) -> Option<(usize, impl Iterator<Item = &str> + Clone)> {
    let mut lines = text.lines().map(bare).filter(|line| !line.starts_with('!'));
    let is_count = |line: &str| line.split_whitespace().next().and_then(|it| it.parse().ok());
    let mut description = lines.next()?;
    // Blank lines in front are no description if there is another.
    while description.is_empty() {
        let mut ahead = lines.clone();
        let next = ahead.next()?;
        if is_count(next).is_some() {
            break;
        }
        (description, lines) = (next, ahead);
    }
    let all = lines.filter(|line| !line.is_empty());
    let mut degrees = all.clone();
    let count: Option<usize> = degrees.next().and_then(is_count);
    let said = is_count(description);
    if let Some(count) = count
        && (said.is_none() || degrees.clone().count() >= count)
    {
        return Some((count, degrees));
    }
    // Its description was left out.
    said.map(|count| (count, all))
}

/// How many octaves the degree at the front of a line of a Scala file lies above the root.
fn degree_of(line: &str) -> Option<f64> {
    let is_of_it = |letter: char| letter.is_ascii_digit() || "./-".contains(letter);
    let end = line.find(|letter| !is_of_it(letter)).unwrap_or(line.len());
    octaves_of(&line[..end], f64::INFINITY)
}

/// A Scala file without comments, description, and what stands behind its degrees, if it is one: it
/// says the same scale in fewer bytes.
pub fn shortened(text: &str) -> Option<String> {
    let (count, lines) = degree_lines(text)?;
    let mut short = format!("!\n\n{count}\n");
    for line in lines.take(count) {
        short.push_str(line.split_whitespace().next()?);
        short.push('\n');
    }
    Some(short)
}

/// How many octaves a degree lies above the root, in cents if there is a point in it, else a ratio;
/// a whole number is one up to `whole_max`.
fn octaves_of(degree: &str, whole_max: f64) -> Option<f64> {
    if !degree.bytes().all(|letter| letter.is_ascii_digit() || b"./-".contains(&letter)) {
        return None;
    }
    if degree.contains('.') {
        let octaves = degree.parse::<f64>().ok()? / 1200.0;
        return (octaves.abs() < 100.0).then_some(octaves);
    }
    let number = |digits: &str| {
        let is_whole = digits.bytes().all(|letter| letter.is_ascii_digit());
        digits.parse::<f64>().ok().filter(|it| is_whole && it.is_finite() && *it > 0.0)
    };
    let (above, below) = match degree.split_once('/') {
        Some((above, below)) => (number(above)?, number(below)?),
        None => (number(degree).filter(|above| *above <= whole_max)?, 1.0),
    };
    let octaves = libm::log2(above / below);
    (octaves.abs() < 32.0).then_some(octaves)
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
        Wrong::Uncounted => {
            "a Scala file has a line with the count of its degrees behind that of its description; \
             add it, or leave out the lines with `!`"
                .to_owned()
        }
        Wrong::Fewer(count, found) => {
            format!("the Scala file says that it has {count} degrees, and has {found}; {DEGREES}")
        }
        Wrong::Period(word) => format!(
            "a Scala file repeats at its last degree, which `{word}` can't be: it is not above 1/1"
        ),
    })
}
