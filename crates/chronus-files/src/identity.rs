//! Which file it is: names change, a file stays what it is.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::folder_of;

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The number of the file there.
    pub inode: u64,
}

impl From<&Metadata> for Identity {
    fn from(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino() }
    }
}

impl Identity {
    /// That of an open file.
    ///
    /// # Errors
    /// As the system says.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&file.metadata()?))
    }

    /// That of what is at a path itself, not where a link leads.
    ///
    /// # Errors
    /// As the system says.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&fs::symlink_metadata(path)?))
    }

    /// Whether an open file or folder is the one that is called so.
    pub fn is_at(path: &Path, file: &File) -> bool {
        let there = fs::metadata(path).map(|it| Self::from(&it));
        there.ok().is_some_and(|there| Self::of(file).ok() == Some(there))
    }
}

/// What a file is called that was called `given`: so, as long as that name leads to it, and else as the system says, with
/// ` (deleted)` behind the last name of one that has none any more.
pub fn name_of(file: &File, given: &Path) -> PathBuf {
    if Identity::is_at(given, file) {
        return given.to_owned();
    }
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::read_link(link).unwrap_or_else(|_| given.to_owned())
}

/// Whether two names lead to one file, however they are spelled. Files that are not there yet are told by
/// their folder and name; what is no file, such as /dev/null, may be given twice.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |found: Metadata| found.is_file().then(|| Identity::from(&found));
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => identity(one).is_some_and(|one| identity(other) == Some(one)),
        (Err(_), Err(_)) => is_same_place(one, other),
        _ => false,
    }
}

fn is_same_place(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let folder = fs::canonicalize(folder_of(path)).ok()?;
        Some(folder.join(path.file_name()?))
    };
    one == other || place(one).is_some_and(|one| place(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_known_by_whatever_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).expect("a folder");
        fs::write(at("a"), "a").expect("written");
        fs::write(at("b"), "a").expect("written");
        symlink(at("a"), at("link")).expect("linked");
        fs::hard_link(at("a"), at("twin")).expect("linked");
        for other in ["a", "./a", "sub/../a", "link", "twin"] {
            assert!(is_same(&at("a"), &at(other)), "{other}");
        }
        assert!(!is_same(&at("a"), &at("b")));
        assert!(!is_same(&at("a"), &at("new")));
        assert!(is_same(&at("new"), &at("sub/../new")));
        assert!(!is_same(&at("new"), &at("sub/new")));
        assert!(!is_same(Path::new("/dev/null"), Path::new("/dev/null")));
    }
}
