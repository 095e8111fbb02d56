//! Files of others are opened so that nothing can hang: regular files alone.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// A regular file that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The file, at its start.
    pub file: File,
    /// How many bytes it had then.
    pub bytes: u64,
}

/// Why a file was not opened.
#[derive(Debug)]
pub enum NotOpened {
    /// It is a folder, a pipe, a device or the like.
    NoFile(&'static str),
    /// What the system says.
    Io(io::Error),
}

impl From<io::Error> for NotOpened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// As the end of a sentence about any file.
impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile(what) => {
                write!(f, "it is {what} and no ordinary file; give the name of one")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// Opens a regular file for reading. Anything else is refused without being opened, since opening alone can have
/// effects or never end.
///
/// # Errors
/// What it is instead, or what the system says.
pub fn regular(path: &Path) -> Result<Opened, NotOpened> {
    check(&fs::metadata(path)?)?;
    // Should something else stand there by now, it is opened without waiting, and refused.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok(Opened { file, bytes: metadata.len() })
}

/// Refuses what is no regular file.
///
/// # Errors
/// What it is instead.
pub fn check(metadata: &fs::Metadata) -> Result<(), NotOpened> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(NotOpened::NoFile(what))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_none_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe.wav");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
        let link = folder.path().join("link.wav");
        symlink(&pipe, &link).expect("a link");
        for (path, what) in [
            (pipe.as_path(), "is a pipe"),
            (&link, "is a pipe"),
            (folder.path(), "is a folder"),
            (Path::new("/dev/ptmx"), "is a device"),
            (Path::new("/dev/zero"), "is a device"),
        ] {
            let error = regular(path).expect_err(what).to_string();
            assert!(error.contains(what.trim_start_matches("is ")), "{error}");
        }
        let file = folder.path().join("a");
        fs::write(&file, "abc").expect("written");
        assert_eq!(regular(&file).expect("a file").bytes, 3);
    }
}
