//! Files of others: opened so that nothing can hang ([`regular()`]), told apart whatever they are called
//! ([`Identity`]), and kept under the next free name instead of being written over ([`set_aside`], [`numbering`]).

#![forbid(unsafe_code)]

mod identity;
pub mod numbering;
mod regular;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use identity::{Identity, is_same, name_of};
pub use regular::{NotOpened, Opened, check, regular};

/// The folder in which a file lies, or would.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Reads as many bytes as there are, and returns how many.
///
/// # Errors
/// As the system says.
pub fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Renames a file that is to be written anew to the next name beside it that is free, and returns that. Whoever
/// is still writing it goes on writing it. One that is empty, or no file, stays.
///
/// # Errors
/// If it can't be renamed.
pub fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    if !fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0) {
        return Ok(None);
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let beside = |mut name: String| {
        if let Some(extension) = path.extension() {
            name.push('.');
            name.push_str(&extension.to_string_lossy());
        }
        path.with_file_name(name)
    };
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    let mut names = numbering::following(&stem, 1).map(beside);
    let Some(aside) = names.find(is_free) else { return Ok(None) };
    fs::rename(path, &aside)?;
    Ok(Some(aside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_set_aside_under_the_next_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("night.journal");
        assert_eq!(set_aside(&path).expect("nothing to do"), None);
        fs::write(&path, "").expect("written");
        assert_eq!(set_aside(&path).expect("nothing to do"), None);
        for count in 1..=2 {
            fs::write(&path, format!("{count}")).expect("written");
            let aside = folder.path().join(format!("night-{count}.journal"));
            assert_eq!(set_aside(&path).expect("renamed"), Some(aside.clone()));
            assert_eq!(fs::read_to_string(aside).expect("kept"), format!("{count}"));
        }
        assert!(!path.exists());
        let numbered = folder.path().join("night-1.journal");
        let next = folder.path().join("night-3.journal");
        assert_eq!(set_aside(&numbered).expect("renamed"), Some(next), "no night-1-1");
        assert_eq!(set_aside(Path::new("/dev/full")).expect("no file"), None);
    }
}
