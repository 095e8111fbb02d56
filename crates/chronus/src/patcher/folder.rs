//! Where patches are loaded from and saved to, and where the names of their recordings count from.

use std::io::{Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::content::open;

/// The text of no patch is longer.
const PATCH_BYTES_MAX: u64 = 4 << 20;

/// The folder of patches, and the file that plays.
#[derive(Debug)]
pub struct Folder {
    patches: PathBuf,
    file: Option<PathBuf>,
    base: PathBuf,
}

impl Folder {
    /// The folder of patches, and the file that plays, if it is one.
    pub fn new(patches: PathBuf, file: Option<PathBuf>) -> Self {
        let base = file.as_deref().map_or_else(|| patches.clone(), parent);
        Self { patches, file, base }
    }

    /// Where the names of recordings count from.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Names of recordings count from here now.
    pub fn set_base(&mut self, base: PathBuf) {
        self.base = base;
    }

    /// The file that plays.
    pub fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Another file plays now.
    pub fn now_playing(&mut self, file: PathBuf) {
        self.file = Some(file);
    }

    /// What plays is again what played before.
    pub fn back_to(&mut self, file: Option<PathBuf>, base: PathBuf) {
        (self.file, self.base) = (file, base);
    }

    /// The file of this name, which must lie in the folder of patches. `.toml` is added if it is missing.
    ///
    /// # Errors
    /// A sentence, if it does not.
    pub fn path_of(&self, name: &str) -> Result<PathBuf, String> {
        let mut path = PathBuf::from(name);
        let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !is_inside {
            return Err(format!(
                "`{name}` is not in the folder of patches, {}; give a name without `/` in front and \
                 without `..` (another folder: chronus run --patches DIR)",
                self.patches.display()
            ));
        }
        if path.extension().is_none() {
            path.set_extension("toml");
        }
        let path = self.patches.join(path);
        if self.is_left_by(&path) {
            return Err(format!(
                "`{name}` leads out of the folder of patches, {}, by a link; give a name that stays in it (another \
                 folder: chronus run --patches DIR)",
                self.patches.display()
            ));
        }
        Ok(path)
    }

    /// The file of this name for a patch to be saved in.
    ///
    /// # Errors
    /// A sentence, if it is not in the folder, or would be called like something else than a patch.
    pub fn path_to_save(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path_of(name)?;
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Ok(path);
        }
        Err(format!(
            "a patch is saved as NAME.toml, and `{name}` is called otherwise; leave out what follows the dot"
        ))
    }

    /// Whether links on the way to a file, as far as that is there, lead out of the folder.
    fn is_left_by(&self, path: &Path) -> bool {
        let Ok(patches) = open::real(&self.patches) else { return false };
        let there = path.ancestors().find_map(|path| open::real(path).ok());
        there.is_some_and(|there| !there.starts_with(&patches))
    }
}

/// The folder of a file.
pub fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Reads a patch file.
///
/// # Errors
/// A sentence.
pub fn read(path: &Path) -> Result<String, String> {
    let opened = open::regular(path).map_err(|error| error.about_patch(path))?;
    if opened.bytes > PATCH_BYTES_MAX {
        return Err(format!(
            "the patch {} is too large; a patch has at most {} MiB",
            path.display(),
            PATCH_BYTES_MAX >> 20
        ));
    }
    let mut text = String::new();
    let read = opened.file.take(PATCH_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| format!("can't read the patch {}: {error}", path.display()))?;
    Ok(text)
}

/// Writes a patch file whole or not at all.
///
/// # Errors
/// A sentence.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("can't save {}: {error}", path.display());
    let aside = path.with_extension("toml.new");
    let written = std::fs::File::create(&aside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&aside, path)).map_err(|error| {
        let _ = std::fs::remove_file(&aside);
        wrong(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_folder() {
        let folder = Folder::new("songs".into(), None);
        assert_eq!(folder.path_of("a"), Ok("songs/a.toml".into()));
        assert_eq!(folder.path_of("live/b.toml"), Ok("songs/live/b.toml".into()));
        for name in ["", "/etc/passwd", "../a", "a/../../b", "."] {
            let error = folder.path_of(name).expect_err(name);
            assert!(error.contains("--patches DIR"), "{error}");
        }
    }

    #[test]
    fn links_do_not_lead_out_of_the_folder_and_a_patch_is_saved_as_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("songs/live")).expect("a folder");
        std::fs::create_dir(at("elsewhere")).expect("a folder");
        std::fs::write(at("elsewhere/a.toml"), "").expect("written");
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(at(to), at(name));
        link("elsewhere", "songs/way").expect("a link");
        link("elsewhere/a.toml", "songs/a.toml").expect("a link");
        link("songs/live", "songs/own").expect("a link");
        let folder = Folder::new(at("songs"), None);
        for name in ["way/a", "way/new", "way/new/b", "a"] {
            let error = folder.path_of(name).expect_err(name);
            assert!(error.contains("by a link"), "{error}");
        }
        for name in ["own/b", "new", "new/b", "live/c"] {
            let path = folder.path_to_save(name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(path, at("songs").join(name).with_extension("toml"));
        }
        for name in ["keep.wav", "a.toml.new", "x.txt"] {
            let error = folder.path_to_save(name).expect_err(name);
            assert!(error.contains("NAME.toml"), "{error}");
        }
    }

    #[test]
    fn a_patch_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.toml");
        write(&path, "one").expect("written");
        write(&path, "two").expect("written");
        assert_eq!(read(&path), Ok("two".into()));
        let error = write(&folder.path().join("no/a.toml"), "x").expect_err("no such folder");
        assert!(error.starts_with("can't save"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
    }
}
