//! What is wrong with a patch file, and where.

use core::ops::Range;

use thiserror::Error;

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

/// A text and its name: turns places in the text into errors.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub file_name: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    /// The mistake at the start of a range of bytes of the text.
    pub fn error(
        &self,
        at: &Range<usize>,
        found: impl Into<String>,
        right: impl Into<String>,
    ) -> PatchError {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        PatchError {
            file_name: self.file_name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            found: found.into(),
            right: right.into(),
        }
    }

    /// The text is not even TOML.
    pub fn syntax_error(&self, error: &toml::de::Error) -> PatchError {
        let message = error.message().replace('\n', ", ");
        let at = error.span().unwrap_or_default();
        self.error(&at, format!("not TOML: {message}"), "docs/patch-files.md shows the format")
    }
}
