//! The reference of all kinds of module, made from the catalog: what `chronus modules` prints, and
//! the text of docs/modules.md.

use std::fmt::Write as _;

use chronus_dsp::catalog::{self, CATALOG, CatalogEntry, TRIALS};
use chronus_dsp::{ModuleSpec, ParamSpec, TextSpec};

use crate::names;

const HEAD: &str = "\
# Kinds of module

Each module of a [patch](patch-files.md) is of one of these kinds. This page is what
`chronus modules --markdown` prints; `chronus modules KIND` prints one kind of it. A test fails when
the page and the program differ.

";

/// The kinds of one sort after the other.
fn groups() -> impl Iterator<Item = &'static [CatalogEntry]> {
    CATALOG.chunk_by(|a, b| a.group() == b.group()).chain([TRIALS])
}

/// Each kind in a line: its name and its summary.
pub fn overview() -> String {
    let width = groups().flatten().map(|entry| entry.spec.kind.len()).max().unwrap_or_default();
    let mut text = String::new();
    for group in groups() {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{}", group[0].group());
        for ModuleSpec { kind, summary, .. } in group.iter().map(|entry| entry.spec) {
            let _ = writeln!(text, "  {kind:width$}  {summary}");
        }
    }
    text
}

/// All about one kind, in Markdown that can also be read as it is.
///
/// # Errors
/// If there is no kind of this exact name: a sentence with the one that was probably meant, or all.
pub fn of_kind(kind: &str) -> Result<String, String> {
    catalog::find(kind).map(|entry| section(entry.spec)).ok_or_else(|| {
        let kinds = CATALOG.iter().map(|entry| entry.spec.kind);
        format!("there is no kind of module `{kind}`; {}", names::instead(kind, "kinds", kinds))
    })
}

/// The whole reference in Markdown, with a list of the kinds at its head.
pub fn markdown() -> String {
    let mut text = String::from(HEAD);
    for group in groups() {
        let _ = writeln!(text, "{}:\n", group[0].group());
        for ModuleSpec { kind, summary, .. } in group.iter().map(|entry| entry.spec) {
            let _ = writeln!(text, "* [`{kind}`](#{kind}): {summary}");
        }
        text.push('\n');
    }
    for entry in groups().flatten() {
        let _ = writeln!(text, "{}", section(entry.spec));
    }
    text.pop();
    text
}

fn section(spec: &ModuleSpec) -> String {
    let mut text = format!("## `{}`\n\n{}\n\n", spec.kind, spec.summary);
    for (direction, ports) in [("Input", spec.inputs), ("Output", spec.outputs)] {
        for port in ports {
            let signal = port.signal.name();
            let rest = if port.rest == 0.0 { "" } else { "; 1 without a cable" };
            let _ = writeln!(text, "* {direction} `{}` ({signal}): {}{rest}.", port.name, port.doc);
        }
    }
    for text_spec in spec.texts {
        let TextSpec { name, default, doc, .. } = text_spec;
        let _ = writeln!(text, "* Text `{name}` (`\"{default}\"` by itself): {doc}.");
    }
    if let Some(recording) = spec.recording {
        let _ = writeln!(text, "* Recording (`file = \"NAME.wav\"`): {}.", recording.doc);
    }
    if !spec.meters.is_empty() {
        let names: Vec<_> = spec.meters.iter().map(|output| spec.outputs[*output].name).collect();
        let _ = writeln!(text, "* Readings: `/meter/ID` tells {}.", names::list(names));
    }
    if spec.notes {
        text.push_str("* Notes: `/note/ID` plays them.\n");
    }
    if spec.gate {
        text.push_str("* Gate: `/gate/ID` opens and closes it.\n");
    }
    let _ = writeln!(text, "* Bypassed: {}.", bypass_route(spec));
    if !spec.params.is_empty() {
        let _ = write!(text, "\n{}", table(spec.params));
    }
    text
}

/// What is heard at the outputs of a module that is passed over, as a phrase.
fn bypass_route(spec: &ModuleSpec) -> String {
    let heard = spec.bypass.iter().map(|&(input, output)| {
        format!("`{}` is heard at `{}`", spec.inputs[input].name, spec.outputs[output].name)
    });
    let is_silent = |output: &usize| spec.bypass.iter().all(|route| route.1 != *output);
    let silent = (0..spec.outputs.len())
        .filter(is_silent)
        .map(|output| format!("`{}` is silent", spec.outputs[output].name));
    heard.chain(silent).collect::<Vec<_>>().join(", ")
}

/// A table of Markdown whose columns stand under one another in the plain text, too.
fn table(params: &[ParamSpec]) -> String {
    let head = ["parameter", "range", "default", "unit", "what it does"].map(str::to_owned);
    let rows: Vec<_> = core::iter::once(head).chain(params.iter().map(row)).collect();
    let width_of = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..4).filter_map(width_of).collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        for (cell, &width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        let _ = writeln!(text, "| {} |", row[4]);
        if at == 0 {
            for width in widths.iter().chain([&row[4].len()]) {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}

/// The cells of one parameter. Where it is an enumeration, its range is its choices.
fn row(param: &ParamSpec) -> [String; 5] {
    let quoted = |choice: &&str| format!("`\"{choice}\"`");
    let (range, default) = if param.is_enumeration() {
        let choices: Vec<String> = param.choices.iter().map(quoted).collect();
        (choices.join(", "), choices[param.default as usize].clone())
    } else {
        (format!("{} to {}", param.min, param.max), param.default.to_string())
    };
    [format!("`{}`", param.name), range, default, param.unit.to_owned(), param.doc.to_owned()]
        .map(|cell| cell.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::{markdown, of_kind, overview};

    #[test]
    fn the_reference_in_docs_is_that_of_the_catalog() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/modules.md");
        let expected = markdown();
        if std::env::var_os("CHRONUS_BLESS").is_some() {
            std::fs::write(path, &expected).expect("write the reference");
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == expected,
            "run `CHRONUS_BLESS=1 cargo test -p chronus-engine` and commit docs/"
        );
    }

    #[test]
    fn a_kind_tells_all_about_itself() {
        let adsr = of_kind("adsr").expect("a kind");
        for line in [
            "* Input `in` (audio): the signal to be shaped.\n",
            "* Output `env` (control): the envelope itself, from 0 to 1.\n",
            "* Gate: `/gate/ID` opens and closes it.\n",
            "* Bypassed: `in` is heard at `out`, `env` is silent.\n",
            "| `sustain` | 0 to 1     | 0.7     |      | level while the gate stays open |\n",
        ] {
            assert!(adsr.contains(line), "{line}\nis not in\n{adsr}");
        }
        let sine = of_kind("sine").expect("a kind");
        assert!(sine.contains("* Bypassed: `out` is silent.\n"), "{sine}");
        assert!(!sine.contains("Gate"), "{sine}");
        let biquad = of_kind("biquad").expect("a kind");
        let mode = "`\"low-pass\"`, `\"high-pass\"`, `\"band-pass\"`, `\"notch\"`, ";
        assert!(biquad.contains(mode), "{biquad}");
    }

    #[test]
    fn the_overview_has_a_line_for_each_kind() {
        let text = overview();
        for entry in chronus_dsp::catalog::CATALOG.iter() {
            let line =
                |line: &&str| line.trim_start().starts_with(&format!("{} ", entry.spec.kind));
            assert_eq!(text.lines().filter(line).count(), 1, "{}", entry.spec.kind);
        }
        assert!(text.contains("  A pure tone"), "{text}");
    }

    #[test]
    fn an_unknown_kind_gets_a_near_miss() {
        let error = of_kind("asdr").unwrap_err();
        assert_eq!(error, "there is no kind of module `asdr`; did you mean `adsr`?");
        assert!(of_kind("zzzzzzzz").unwrap_err().contains("; kinds: `"));
    }
}
