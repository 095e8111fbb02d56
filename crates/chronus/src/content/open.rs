//! Files of others are opened so that nothing can hang: regular files alone, and none outside of the folders that
//! were allowed.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chronus_engine::{Patch, PatchModule};
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

impl NotOpened {
    /// A sentence about the recording that it should have been.
    pub fn about_recording(&self, path: &Path) -> String {
        let shown = path.display();
        match self {
            Self::NoFile(what) => {
                format!("the recording {shown} is {what}; give the name of an audio file")
            }
            Self::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                format!(
                    "there is no recording {shown}; `file` counts from the folder of the patch file"
                )
            }
            Self::Io(error) => format!("can't read the recording {shown}: {error}"),
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

/// The files that may be played: those of some folders, with all that is below them, and single ones.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    is_all: bool,
}

impl Allowed {
    /// Those of these folders.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { folders: folders.into_iter().collect(), ..Self::default() }
    }

    /// All: whoever names the patch on a command line may read them anyway.
    pub fn all() -> Self {
        Self { is_all: true, ..Self::default() }
    }

    /// Those that a patch in the folder `base` names, too.
    #[must_use]
    pub fn with_files_of(mut self, patch: &Patch, base: &Path) -> Self {
        let files = patch.modules().iter().filter_map(PatchModule::file);
        self.files.extend(files.filter_map(|file| real(&base.join(file)).ok()));
        self
    }

    /// The file that a patch in the folder `base` calls `name`: where it really lies, all links followed. The patch's
    /// own folder is always allowed.
    ///
    /// # Errors
    /// A sentence, if it is not there, or not in one of the folders.
    pub fn find(&self, base: &Path, name: &str) -> Result<PathBuf, String> {
        let path = base.join(name);
        let found = real(&path).map_err(|error| NotOpened::Io(error).about_recording(&path))?;
        let own = [base.to_owned()];
        let mut folders = own.iter().chain(&self.folders).filter_map(|folder| real(folder).ok());
        if self.is_all
            || self.files.contains(&found)
            || folders.any(|folder| found.starts_with(folder))
        {
            return Ok(found);
        }
        Err(format!(
            "the recording {} lies neither in the folder of the patch nor in that of patches; move it there, or name \
             a folder above both with --patches DIR",
            path.display()
        ))
    }
}

/// Where a file or folder really lies, all links followed; the current folder if the name is empty.
///
/// # Errors
/// As the system says, if it is not there.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(if path.as_os_str().is_empty() { Path::new(".") } else { path })
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
            let error = regular(path).expect_err(what).about_recording(path);
            assert!(error.contains(what) && error.contains("give the name"), "{error}");
        }
        let file = folder.path().join("a");
        fs::write(&file, "abc").expect("written");
        assert_eq!(regular(&file).expect("a file").bytes, 3);
    }

    #[test]
    fn files_outside_of_the_folders_are_refused_however_they_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["songs/live", "elsewhere"] {
            fs::create_dir_all(at(name)).expect("a folder");
        }
        for name in ["songs/a.wav", "songs/live/b.wav", "elsewhere/c.wav"] {
            fs::write(at(name), "x").expect("written");
        }
        symlink(at("elsewhere"), at("songs/way")).expect("a link");
        symlink(at("elsewhere/c.wav"), at("songs/c.wav")).expect("a link");
        symlink(at("songs/a.wav"), at("songs/live/a.wav")).expect("a link");
        let allowed = Allowed::new([at("songs")]);
        let live = at("songs/live");
        let outside = at("elsewhere/c.wav").display().to_string();
        for name in ["b.wav", "../a.wav", "a.wav", "../live/b.wav"] {
            allowed.find(&live, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for name in ["../../elsewhere/c.wav", "../c.wav", "../way/c.wav", &outside] {
            let error = allowed.find(&live, name).expect_err(name);
            assert!(error.contains("--patches DIR"), "{error}");
        }
        let error = allowed.find(&live, "d.wav").expect_err("there is none");
        assert!(error.starts_with("there is no recording"), "{error}");
        allowed.find(&at("elsewhere"), "c.wav").expect("its own folder");
        Allowed::all().find(&live, "../c.wav").expect("anything");
        let text = "format = 1\n[[module]]\nid = \"s\"\nkind = \"sample\"\nfile = \"../c.wav\"\n\
                    [output]\nleft = \"s.left\"\nright = \"s.left\"\n";
        let patch = Patch::parse(text, "a.toml").unwrap_or_else(|error| panic!("{error}"));
        let allowed = allowed.with_files_of(&patch, &live);
        allowed.find(&live, "../c.wav").expect("the player has named it");
    }
}
