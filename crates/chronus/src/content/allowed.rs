//! Which recordings a patch may play: those of the folders that were allowed, and none besides.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chronus_engine::{Patch, PatchModule};
use chronus_files::NotOpened;

/// A sentence about the recording that it should have been.
pub fn about_recording(why: &NotOpened, path: &Path) -> String {
    let shown = path.display();
    match why {
        NotOpened::NoFile(what) => {
            format!("the recording {shown} is {what}; give the name of an audio file")
        }
        NotOpened::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            format!(
                "there is no recording {shown}; `file` counts from the folder of the patch file"
            )
        }
        NotOpened::Io(error) => format!("can't read the recording {shown}: {error}"),
    }
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
        let found = real(&path).map_err(|error| about_recording(&NotOpened::Io(error), &path))?;
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

    use super::*;

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
