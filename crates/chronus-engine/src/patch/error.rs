//! What is wrong with a patch file, and where.

use core::cell::RefCell;
use core::fmt::{self, Display, Formatter};
use core::ops::Range;

use thiserror::Error;

use crate::range::{Clamped, Range as Numbers};

/// A mistake in a patch file: where it is, what was found, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file_name}:{line}:{column}: {found}; {right}")]
pub struct PatchError {
    /// The file, as its reader called it.
    pub file_name: String,
    /// Its line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
    /// What was found.
    pub found: String,
    /// What would be right.
    pub right: String,
}

impl PatchError {
    /// What follows from a mistake that is told already, and is not told itself.
    pub(super) fn unsaid() -> Self {
        let [file_name, found, right] = Default::default();
        Self { file_name, line: 0, column: 0, found, right }
    }
}

/// As many mistakes are told at once.
pub const TOLD_MAX: usize = 20;

/// All mistakes of a patch file; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Mistakes {
    /// The one that was found first.
    pub(super) first: Box<PatchError>,
    /// All of them, in the order of the text.
    pub(super) all: Vec<PatchError>,
    /// The recordings that its modules name.
    pub(super) files: Vec<NamedFile>,
}

/// A recording that a patch file names, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The id of the module, if it has one.
    pub module: String,
    /// As it is named.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
}

impl Mistakes {
    /// The one that was found first.
    pub fn into_first(self) -> PatchError {
        *self.first
    }

    /// All of them, in the order of the text.
    pub fn all(&self) -> &[PatchError] {
        &self.all
    }

    /// Adds what is wrong with the recordings that the patch names, as `wrong` finds it: what was found, and what would
    /// be right.
    pub fn add_files(&mut self, mut wrong: impl FnMut(&NamedFile) -> Option<(String, String)>) {
        for named in &self.files {
            if let Some((found, right)) = wrong(named) {
                let (file_name, line, column) =
                    (self.first.file_name.clone(), named.line, named.column);
                self.all.push(PatchError { file_name, line, column, found, right });
            }
        }
        self.all.sort_by_key(|mistake| (mistake.line, mistake.column));
    }

    /// A sentence for each, as `say` puts it, and for those that are too many to be told.
    pub fn sentences(&self, say: impl Fn(&PatchError) -> String) -> Vec<String> {
        sentences(&self.all, ["mistake", "mistakes"], say)
    }

    /// All of them on one line.
    pub fn on_one_line(&self) -> String {
        self.sentences(ToString::to_string).join(" | ")
    }
}

/// A sentence for each of these, as `say` puts it, and for those that are too many to be told.
pub(super) fn sentences(
    all: &[PatchError],
    [one, many]: [&str; 2],
    say: impl Fn(&PatchError) -> String,
) -> Vec<String> {
    let mut sentences: Vec<String> = all.iter().take(TOLD_MAX).map(say).collect();
    match all.len().saturating_sub(TOLD_MAX) {
        0 => {}
        1 => sentences.push(format!("and 1 more {one}")),
        more => sentences.push(format!("and {more} more {many}")),
    }
    sentences
}

/// Each on a line of its own.
impl Display for Mistakes {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentences(ToString::to_string).join("\n"))
    }
}

/// Line and character of a byte of a text, both counted from 1.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A text and its name: turns places in the text into errors, and notes them.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub file_name: &'a str,
    pub text: &'a str,
    pub noted: &'a RefCell<Vec<PatchError>>,
    pub files: &'a RefCell<Vec<NamedFile>>,
    pub clamped: &'a RefCell<Vec<PatchError>>,
}

impl Source<'_> {
    /// The mistake at the start of a range of bytes of the text.
    pub fn error(
        &self,
        at: &Range<usize>,
        found: impl Into<String>,
        right: impl Into<String>,
    ) -> PatchError {
        let (line, column) = place(self.text, at.start);
        PatchError {
            file_name: self.file_name.to_owned(),
            line,
            column,
            found: found.into(),
            right: right.into(),
        }
    }

    /// Notes a recording that is named here.
    pub fn names(&self, module: &str, file: &str, at: &Range<usize>) {
        let (line, column) = place(self.text, at.start);
        let (module, file) = (module.to_owned(), file.to_owned());
        self.files.borrow_mut().push(NamedFile { module, file, line, column });
    }

    /// The number within a range that is nearest to the finite one that is written here; if it is another, that is noted.
    pub fn within(&self, range: &Numbers, wanted: f64, at: &Range<usize>) -> f64 {
        let (value, told) = range.clamp(wanted);
        if let Some(Clamped { found, right }) = told {
            self.clamped.borrow_mut().push(self.error(at, found, right));
        }
        value
    }

    /// Notes a mistake.
    pub fn say(&self, mistake: PatchError) {
        if !mistake.found.is_empty() {
            self.noted.borrow_mut().push(mistake);
        }
    }

    /// What was read, or nothing, and then the mistake is noted.
    pub fn note<T>(&self, read: Result<T, PatchError>) -> Option<T> {
        read.map_err(|mistake| self.say(mistake)).ok()
    }

    /// Whether there is a mistake already.
    pub fn has_noted(&self) -> bool {
        !self.noted.borrow().is_empty()
    }

    /// The text is not even TOML.
    pub fn syntax_error(&self, error: &toml::de::Error) -> PatchError {
        let message = error.message().replace('\n', ", ");
        let at = error.span().unwrap_or_default();
        self.error(&at, format!("not TOML: {message}"), "docs/patch-files.md shows the format")
    }
}
