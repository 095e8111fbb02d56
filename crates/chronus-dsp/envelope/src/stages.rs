//! How the stages of a contour are written, and what is said about those that are written wrong.

use core::fmt::{self, Display};

/// As many stages as a contour may have.
pub const STAGES_MAX: usize = 16;
const LONGEST_S: f32 = 60.0;

/// A level and how it is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// Where it leads, -1 to 1.
    pub level: f32,
    /// How long it takes.
    pub time_ms: f32,
    /// 0 is straight; 1 fast at first, -1 slow at first: see [`Bends`](super::way::Bends).
    pub bend: f32,
}

/// What happens before a certain stage while the gate is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wait {
    /// The level stays.
    Hold,
    /// It goes on with the stage of this index.
    Loop(usize),
}

/// A contour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stages {
    list: [Stage; STAGES_MAX],
    count: usize,
    /// Before which stage it waits for the gate to close, and how.
    wait: Option<(usize, Wait)>,
}

impl Stages {
    /// The stages, in order.
    pub fn list(&self) -> &[Stage] {
        &self.list[..self.count]
    }

    /// Before which stage the contour waits for the gate to close, and how.
    pub fn wait(&self) -> Option<(usize, Wait)> {
        self.wait
    }
}

/// What is wrong with a contour: where (stages count from 1), and what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault<'a> {
    stage: usize,
    reason: Reason<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reason<'a> {
    Empty,
    Level(&'a str),
    NoTime,
    Time(&'a str),
    Curve(&'a str),
    Excess(&'a str),
    SecondWait,
    LoopFrom(&'a str),
    TooMany,
}

impl Display for Fault<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "stage {} ", self.stage)?;
        match self.reason {
            Reason::Empty => {
                write!(
                    to,
                    "is empty: write a level and a time, as in `0.5 200ms`, `hold` or `loop`"
                )
            }
            Reason::Level(word) => {
                write!(to, "begins with `{word}`, not with a level from -1 to 1")
            }
            Reason::NoTime => {
                write!(to, "has no time: write one after the level, as in `0.5 200ms`")
            }
            Reason::Time(word) => write!(
                to,
                "has `{word}` for a time: write a number and its unit, as in `20ms` or `1.5s`, up \
                 to {LONGEST_S}s"
            ),
            Reason::Curve(word) => {
                write!(to, "has `{word}` for a curve: write `lin`, `exp`, `log` or nothing")
            }
            Reason::Excess(word) => {
                write!(to, "has a word too many, `{word}`: commas divide stages")
            }
            Reason::SecondWait => write!(to, "is a second `hold` or `loop`: only one can be"),
            Reason::LoopFrom(word) => {
                write!(
                    to,
                    "loops from `{word}`: write the number of an earlier stage, as in `loop 1`"
                )
            }
            Reason::TooMany => write!(to, "is one too many: a contour has up to {STAGES_MAX}"),
        }
    }
}

/// Reads a contour such as `1 10ms, 0.5 200ms exp, hold, 0 1s`, without allocating.
///
/// # Errors
/// If it is no contour.
pub fn read(text: &str) -> Result<Stages, Fault<'_>> {
    let rest = Stage { level: 0.0, time_ms: 0.0, bend: 0.0 };
    let mut stages = Stages { list: [rest; STAGES_MAX], count: 0, wait: None };
    for (i, part) in text.split(',').enumerate() {
        let fault = |reason| Fault { stage: i + 1, reason };
        let mut words = part.split_ascii_whitespace();
        match words.next().ok_or(fault(Reason::Empty))? {
            wait @ ("hold" | "loop") => {
                if stages.wait.is_some() {
                    return Err(fault(Reason::SecondWait));
                }
                let wait = match wait {
                    "hold" => Wait::Hold,
                    _ => Wait::Loop(loop_from(words.next(), stages.count).map_err(fault)?),
                };
                stages.wait = Some((stages.count, wait));
            }
            level => {
                let stage = stage(level, &mut words).map_err(fault)?;
                let free = stages.list.get_mut(stages.count).ok_or(fault(Reason::TooMany))?;
                *free = stage;
                stages.count += 1;
            }
        }
        if let Some(word) = words.next() {
            return Err(fault(Reason::Excess(word)));
        }
    }
    Ok(stages)
}

/// The index of the stage that a loop goes back to; the first unless a number says otherwise.
fn loop_from(word: Option<&str>, count: usize) -> Result<usize, Reason<'_>> {
    let word = word.unwrap_or("1");
    match word.parse::<usize>() {
        Ok(number) if (1..=count).contains(&number) => Ok(number - 1),
        _ => Err(Reason::LoopFrom(word)),
    }
}

fn stage<'a>(
    level: &'a str,
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<Stage, Reason<'a>> {
    let within = |range: core::ops::RangeInclusive<f32>, word: &str| {
        word.parse::<f32>().ok().filter(|number| range.contains(number))
    };
    let to = within(-1.0..=1.0, level).ok_or(Reason::Level(level))?;
    let time = words.next().ok_or(Reason::NoTime)?;
    let (number, per_ms) = match (time.strip_suffix("ms"), time.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1000.0),
        (None, None) => return Err(Reason::Time(time)),
    };
    let time = within(0.0..=LONGEST_S * 1000.0 / per_ms, number).ok_or(Reason::Time(time))?;
    let bend = match words.next() {
        None | Some("lin") => 0.0,
        Some("exp") => 1.0,
        Some("log") => -1.0,
        Some(word) => return Err(Reason::Curve(word)),
    };
    Ok(Stage { level: to, time_ms: time * per_ms, bend })
}

#[cfg(test)]
mod tests {
    use super::{Stage, Wait, read};

    #[test]
    fn a_contour_is_read() {
        let stages = read("1 10ms, 0.5 0.2s exp, hold , -.25 1s log,0 1ms lin").unwrap();
        let expected =
            [(1.0, 10.0, 0.0), (0.5, 200.0, 1.0), (-0.25, 1000.0, -1.0), (0.0, 1.0, 0.0)];
        let expected = expected.map(|(level, time_ms, bend)| Stage { level, time_ms, bend });
        assert_eq!(stages.list(), expected);
        assert_eq!(stages.wait(), Some((2, Wait::Hold)));
        assert_eq!(read("1 1ms, 0 1ms, loop").unwrap().wait(), Some((2, Wait::Loop(0))));
        assert_eq!(read("1 1ms, 0 1ms, loop 2").unwrap().wait(), Some((2, Wait::Loop(1))));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let many = "1 1ms, ".repeat(16) + "0 1ms";
        for (text, sentence) in [
            ("", "stage 1 is empty: write"),
            ("1 1ms,", "stage 2 is empty: write"),
            ("1 1ms, up 1ms", "stage 2 begins with `up`, not with a level from -1 to 1"),
            ("2 1ms", "stage 1 begins with `2`, not"),
            ("nan 1ms", "stage 1 begins with `nan`, not"),
            ("1", "stage 1 has no time"),
            ("1 20", "stage 1 has `20` for a time: write a number and its unit"),
            ("1 -2ms", "stage 1 has `-2ms` for a time"),
            ("1 61s", "stage 1 has `61s` for a time"),
            ("1 10ms expo", "stage 1 has `expo` for a curve: write `lin`, `exp`, `log` or nothing"),
            ("1 10ms exp 0", "stage 1 has a word too many, `0`: commas divide stages"),
            ("hold, 1 10ms, loop", "stage 3 is a second `hold` or `loop`"),
            ("1 10ms, loop 2", "stage 2 loops from `2`: write the number of an earlier stage"),
            ("loop, 1 10ms", "stage 1 loops from `1`"),
            (&many, "stage 17 is one too many: a contour has up to 16"),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.starts_with(sentence), "{text}: {said}");
        }
    }
}
