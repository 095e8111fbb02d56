//! Patch files: their text, read without waiting for anybody, and the patch that it means.

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use chronus_engine::Patch;
use chronus_files::regular;

use crate::content::{self, allowed::Allowed};
use crate::log::counted;

/// Reads a patch file, or takes the built-in patch.
///
/// # Errors
/// As [`read_patch_file`].
pub fn read_patch(path: Option<&Path>) -> Result<Patch, Box<dyn Error>> {
    path.map_or_else(|| Ok(Patch::first()), read_patch_file)
}

/// Reads a patch file.
///
/// # Errors
/// If it can't be read, or is not a patch: a sentence for each mistake, with its place.
pub fn read_patch_file(path: &Path) -> Result<Patch, Box<dyn Error>> {
    let text = read_text(path)?;
    let (name, base) = (path.display().to_string(), path.parent().unwrap_or(Path::new("")));
    Ok(content::parse_patch(&text, &name, (base, &Allowed::all()), |_| true)?)
}

/// How much a patch holds, as a phrase: "3 modules, 1 cable".
pub fn contents(patch: &Patch) -> String {
    let (modules, cables) = (patch.modules().len() as u64, patch.cables().len() as u64);
    let parts = format!("{}, {}", counted(modules, "module"), counted(cables, "cable"));
    match patch.trial() {
        None => parts,
        Some(trial) => {
            let (id, kind) = (trial.id(), trial.spec().kind);
            format!("{parts}; `{id}`, a `{kind}`, is played only with --allow-chaos")
        }
    }
}

/// A patch file that is longer, in bytes, is none.
const LONGEST_PATCH: u64 = 8 << 20;

/// What a patch file says. Whoever would write into a pipe is not waited for.
///
/// # Errors
/// A sentence with the name of the file, and the place if a byte of it is no text.
pub fn read_text(path: &Path) -> Result<String, String> {
    match regular(path) {
        Ok(opened) => read_opened(opened.file, path),
        Err(why) => Err(unreadable(path, &why)),
    }
}

/// The same of a regular file that was opened; `path` is only named.
///
/// # Errors
/// As [`read_text`].
pub fn read_opened(file: File, path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = file.take(LONGEST_PATCH + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > LONGEST_PATCH {
        let why = format!("it is longer than {LONGEST_PATCH} bytes, as no patch is");
        return Err(unreadable(path, &why));
    }
    text_of(bytes, &path.display().to_string())
}

/// What is told of a patch file that can't be read.
pub fn unreadable(path: &Path, why: &dyn Display) -> String {
    format!("can't read the patch {}: {why}", path.display())
}

fn text_of(bytes: Vec<u8>, name: &str) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = String::from_utf8_lossy(&bytes[..at]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let byte = bytes.get(at).copied().unwrap_or_default();
        format!("{name}:{line}:{column}: the byte {byte:#04x} is no UTF-8; save the file as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_text_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        fs::write(&path, b"format = 1\nname = \"\xc3\xa4 \xe4\"\n").expect("written");
        let found = read_text(&path).expect_err("no text");
        assert!(
            found.ends_with("a.toml:2:11: the byte 0xe4 is no UTF-8; save the file as UTF-8"),
            "{found}"
        );
        let found = read_text(Path::new("/nowhere/a.toml")).expect_err("no file");
        assert!(found.starts_with("can't read the patch /nowhere/a.toml: No such file"), "{found}");
    }
}
