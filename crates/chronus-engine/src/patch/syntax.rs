//! Mistakes in the TOML of a patch, and what of the rest can be told besides them.

use super::error::{Mistakes, PatchError, Source};

/// Tables that there are many of, and that are easily written as if there were one.
const MANY: [&str; 3] = ["module", "cable", "bus"];

/// What is wrong with a text that is no TOML. Single brackets are told where they are written first, not where the
/// second of them is one too many.
pub(super) fn mistakes(source: Source<'_>, errors: &[toml::de::Error]) -> Vec<PatchError> {
    if errors.is_empty() {
        return Vec::new();
    }
    let mut mistakes = Vec::new();
    let mut headers = Vec::new();
    for name in MANY {
        let lines = single_brackets(source.text, name);
        // One alone is TOML, and told as no list of modules.
        if let [first, second, ..] = lines[..] {
            let found = format!("[{name}] in single brackets, and again in line {}", second.0);
            let right = format!("write [[{name}]] in double brackets, here and wherever it stands");
            mistakes.push(source.error(&(first.1..first.1), found, right));
        } else if let [only] = lines[..]
            && source.text.contains(&format!("[[{name}]]"))
        {
            let found = format!("[{name}] in single brackets");
            let right = format!("write [[{name}]] in double brackets");
            mistakes.push(source.error(&(only.1..only.1), found, right));
        }
        headers.extend(lines.iter().map(|(line, _)| *line));
    }
    // The second of such tables has all the keys of the first again.
    let is_echo =
        |error: &toml::de::Error| !headers.is_empty() && error.message().contains("duplicate");
    let others = errors.iter().filter(|error| !is_echo(error));
    mistakes.extend(others.map(|error| source.syntax_error(error)));
    let mut seen = Vec::new();
    mistakes.retain(|mistake| {
        let is_new = !seen.contains(&mistake.line);
        seen.push(mistake.line);
        is_new
    });
    if mistakes.is_empty() {
        mistakes.extend(errors.first().map(|error| source.syntax_error(error)));
    }
    mistakes
}

/// The lines with the header `[name]`, counted from 1, and where they begin in the text.
fn single_brackets(text: &str, name: &str) -> Vec<(usize, usize)> {
    let mut at = 0;
    let mut found = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let header = line.split('#').next().unwrap_or_default().trim();
        let inner = header.strip_prefix('[').and_then(|header| header.strip_suffix(']'));
        if inner.is_some_and(|inner| inner.trim() == name) {
            found.push((index + 1, at));
        }
        at += line.len();
    }
    found
}

/// Whether these mistakes of syntax lie in single keys, so that what the rest says can still be told.
pub(super) fn costs_only_keys(text: &str, mistakes: &[PatchError]) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    mistakes.iter().all(|mistake| {
        let line = lines.get(mistake.line - 1).map_or("", |line| line.trim_start());
        let is_key = line.starts_with(|letter: char| letter.is_ascii_alphabetic());
        is_key && line.contains('=') && !line.contains("\"\"\"") && !line.contains("'''")
    })
}

/// All mistakes, of which the first so many are of syntax. What a broken line lacks is no mistake of its own.
pub(super) fn without_echoes(found: Vec<PatchError>, of_syntax: usize) -> Mistakes {
    let first = Box::new(found.first().cloned().unwrap_or_else(PatchError::unsaid));
    let broken: Vec<usize> = found[..of_syntax].iter().map(|mistake| mistake.line).collect();
    let mut all = found;
    let mut index = 0;
    all.retain(|mistake| {
        index += 1;
        let is_echo = broken.contains(&mistake.line) || mistake.found.contains(" without `");
        index <= of_syntax || of_syntax == 0 || !is_echo
    });
    all.sort_by_key(|mistake| (mistake.line, mistake.column));
    Mistakes { first, all, files: Vec::new() }
}
