//! The rhythm of a track as a text: hits, rests, ties and slides, groups within a step, and
//! Euclidean rhythms. It is read into fixed arrays, without allocation.

use core::iter::Peekable;
use core::str::CharIndices;

/// As many steps as a pattern may have.
pub const STEPS_MAX: usize = 256;
/// As many parts as a step may have.
pub const PARTS_MAX: usize = 8;
/// As many steps as a Euclidean rhythm may have.
const EUCLID_MAX: usize = 64;

/// What is written at one place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `.`: nothing begins.
    Rest,
    /// `x`: a note is struck.
    Hit,
    /// `X`: a note is struck with an accent.
    Accent,
    /// `~`: the note before goes over into the next without being struck again.
    Slide,
    /// `-`: the note before is held.
    Tie,
}

impl Mark {
    fn of(letter: char) -> Option<Self> {
        match letter {
            '.' => Some(Self::Rest),
            'x' => Some(Self::Hit),
            'X' => Some(Self::Accent),
            '~' => Some(Self::Slide),
            '-' => Some(Self::Tie),
            _ => None,
        }
    }

    /// Whether a note begins here.
    pub fn is_note(self) -> bool {
        matches!(self, Self::Hit | Self::Accent | Self::Slide)
    }
}

/// One step: one mark, or several that share its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    marks: [Mark; PARTS_MAX],
    parts: u8,
}

impl Step {
    const EMPTY: Self = Self { marks: [Mark::Rest; PARTS_MAX], parts: 0 };

    const fn of(mark: Mark) -> Self {
        Self { marks: [mark; PARTS_MAX], parts: 1 }
    }

    /// The marks, each of which lasts for the same part of the step.
    pub fn marks(&self) -> &[Mark] {
        &self.marks[..usize::from(self.parts)]
    }
}

/// A pattern as it was read.
#[derive(Clone, Debug)]
pub struct Pattern {
    steps: [Step; STEPS_MAX],
    count: usize,
}

/// Why a text is none, and where: a place in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    at: usize,
    why: &'static str,
}

impl Fault {
    /// What is wrong at the byte `at`.
    pub(super) const fn new(at: usize, why: &'static str) -> Self {
        Self { at, why }
    }

    /// A sentence for whoever wrote the text.
    pub(super) fn sentence(self, text: &str) -> String {
        let Self { at, why } = self;
        let place = text[..at].chars().count() + 1;
        match text[at..].chars().next() {
            Some(found) => format!("at character {place}, `{found}`: {why}"),
            None => format!("at its end: {why}"),
        }
    }
}

const NO_STEP: &str = "this is no step; a step is x (hit), X (accent), ~ (slide), - (tie) or \
                       . (rest), a group is like (xx), and a Euclidean rhythm is like [3/8]";
const NOTHING: &str = "there is no step; a pattern has at least one, as in x...";
const TOO_LONG: &str = "this would be step 257; a pattern has at most 256 steps";
const GROUP: &str =
    "a group has 2 to 8 of the marks x X ~ - . and ends with ), as in (xx) or (x.x)";
const EUCLID: &str = "a Euclidean rhythm is hits/steps, perhaps +rotation, up to 64 steps and no \
                      more hits than steps, and ends with ], as in [3/8] or [5/8+2]";

type Letters<'a> = Peekable<CharIndices<'a>>;

impl Pattern {
    /// Reads a text.
    ///
    /// # Errors
    /// If it is no pattern: where it stops being one, and what would be right.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let mut pattern = Self { steps: [Step::EMPTY; STEPS_MAX], count: 0 };
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '|' => (),
                space if space.is_whitespace() => (),
                '(' => pattern.push(at, group(&mut letters, text.len())?)?,
                '[' => {
                    let (bits, steps) = euclid_of(&mut letters, at)?;
                    for step in 0..steps {
                        let mark = if bits >> step & 1 == 1 { Mark::Hit } else { Mark::Rest };
                        pattern.push(at, Step::of(mark))?;
                    }
                }
                _ => {
                    let mark = Mark::of(letter).ok_or(Fault::new(at, NO_STEP))?;
                    pattern.push(at, Step::of(mark))?;
                }
            }
        }
        if pattern.count == 0 { Err(Fault::new(text.len(), NOTHING)) } else { Ok(pattern) }
    }

    /// As the check of a [`TextSpec`](crate::module::TextSpec) does it.
    pub(super) fn check(text: &str) -> Result<(), String> {
        Self::read(text).map(drop).map_err(|fault| fault.sentence(text))
    }

    /// Its steps, at least one.
    pub fn steps(&self) -> &[Step] {
        &self.steps[..self.count]
    }

    /// Step `number` of the endless repetition of the pattern, before and after 0.
    pub fn step(&self, number: i64) -> &Step {
        &self.steps[number.rem_euclid(self.count as i64) as usize]
    }

    /// How many notes begin before a part of step `number`, counted from step 0.
    pub fn notes_before(&self, number: i64, part: usize) -> i64 {
        let notes = |step: &Step| step.marks().iter().filter(|mark| mark.is_note()).count() as i64;
        let count = self.count as i64;
        let all: i64 = self.steps().iter().map(notes).sum();
        let (cycle, at) = (number.div_euclid(count), number.rem_euclid(count) as usize);
        let here = self.steps[at].marks()[..part].iter().filter(|mark| mark.is_note()).count();
        cycle * all + self.steps[..at].iter().map(notes).sum::<i64>() + here as i64
    }

    fn push(&mut self, at: usize, step: Step) -> Result<(), Fault> {
        let place = self.steps.get_mut(self.count).ok_or(Fault::new(at, TOO_LONG))?;
        *place = step;
        self.count += 1;
        Ok(())
    }
}

/// The rest of a group, after its bracket.
fn group(letters: &mut Letters<'_>, end: usize) -> Result<Step, Fault> {
    let mut step = Step::EMPTY;
    for (at, letter) in letters {
        let parts = usize::from(step.parts);
        match Mark::of(letter) {
            Some(mark) if parts < PARTS_MAX => {
                step.marks[parts] = mark;
                step.parts += 1;
            }
            None if letter == ')' && parts >= 2 => return Ok(step),
            None if letter == ' ' => (),
            _ => return Err(Fault::new(at, GROUP)),
        }
    }
    Err(Fault::new(end, GROUP))
}

/// The rest of a Euclidean rhythm, after its bracket: a bit per step, and how many steps.
fn euclid_of(letters: &mut Letters<'_>, start: usize) -> Result<(u64, usize), Fault> {
    let (mut numbers, mut which) = ([None; 3], 0);
    loop {
        let (at, letter) = letters.next().ok_or(Fault::new(start, EUCLID))?;
        match (letter, which) {
            (digit @ '0'..='9', _) => {
                let number = numbers[which].unwrap_or(0) * 10 + (digit as usize - '0' as usize);
                // A thousand is too much already, and more might overflow.
                numbers[which] = Some(number.min(1000));
            }
            ('/', 0) => which = 1,
            ('+', 1) => which = 2,
            (']', _) if numbers[which].is_some() => break,
            _ => return Err(Fault::new(at, EUCLID)),
        }
    }
    match numbers {
        [Some(hits), Some(steps @ 1..=EUCLID_MAX), by] if hits <= steps => {
            Ok((rotated(euclid(hits, steps), steps, by.unwrap_or(0)), steps))
        }
        _ => Err(Fault::new(start, EUCLID)),
    }
}

/// The rhythm as it is heard from its step `by` on.
fn rotated(bits: u64, steps: usize, by: usize) -> u64 {
    (0..steps).fold(0, |sum, step| sum | (bits >> ((step + by) % steps) & 1) << step)
}

/// So many hits in so many steps, as even as can be: the algorithm of Eric Bjorklund ("The theory
/// of rep-rate pattern generation in the SNS timing system", 2003), as Godfried Toussaint ("The
/// Euclidean algorithm generates traditional musical rhythms", 2005) applied it. The first step is
/// the lowest bit.
///
/// It deals two kinds of groups out to each other, at first the hits and the rests, until at most
/// one group is left over.
fn euclid(hits: usize, steps: usize) -> u64 {
    let (mut many, mut left) = ((1_u64, 1_u32, hits), (0_u64, 1_u32, steps - hits));
    let mut is_dealt = false;
    while many.2 > 0 && (left.2 > 1 || !is_dealt && left.2 > 0) {
        is_dealt = true;
        let pairs = many.2.min(left.2);
        let joined = (many.0 | left.0 << many.1, many.1 + left.1, pairs);
        left = if many.2 > left.2 {
            (many.0, many.1, many.2 - pairs)
        } else {
            (left.0, left.1, left.2 - pairs)
        };
        many = joined;
    }
    let (mut bits, mut at) = (0, 0);
    for (group, length, count) in [many, left] {
        for _ in 0..count {
            bits |= group << at;
            at += length;
        }
    }
    bits
}
