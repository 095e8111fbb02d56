//! Where patches are loaded from and saved to, and where the names of their recordings count from.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use chronus_engine::patch::Document;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::patch_file::{read_opened, unreadable};

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);
/// Nobody waits for who would write into a pipe.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const NEW: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

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
        Ok(self.patches.join(path))
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

    /// The file of this name and its text.
    ///
    /// # Errors
    /// A sentence, if it is not there, is no file, or lies outside the folder.
    pub fn load(&self, name: &str) -> Result<(PathBuf, String), String> {
        let path = self.path_of(name)?;
        let inside = self.inside(&path);
        let text = read_in(&self.root()?, &inside, &path)?;
        Ok((path, text))
    }

    /// Writes a patch file whole or not at all. What is there already is replaced only if it `may` be and is a patch.
    ///
    /// # Errors
    /// A sentence.
    pub fn save(&self, name: &str, text: &str, may: bool) -> Result<(), String> {
        let path = self.path_of(name)?;
        let inside = self.inside(&path);
        let wrong = |errno: Errno| format!("can't save {}: {}", path.display(), said(errno));
        let root = self.root()?;
        let folder = match inside.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => open_beneath(&root, folder, FOLDER).map_err(wrong)?,
            None => root,
        };
        let file = PathBuf::from(inside.file_name().unwrap_or_default());
        match rustix::fs::statat(&folder, &file, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(wrong(errno)),
            Ok(_) if !may => {
                let shown = path.display();
                return Err(format!(
                    "{shown} exists already; choose another name, or add overwrite"
                ));
            }
            Ok(_) => permit_overwriting(&folder, &file, &path)?,
        }
        let aside = PathBuf::from(format!(".{}.{}.new", file.display(), std::process::id()));
        let written = rustix::fs::openat(&folder, &aside, NEW, Mode::from_raw_mode(0o666))
            .map_err(io::Error::from)
            .and_then(|new| {
                let mut new = File::from(new);
                new.write_all(text.as_bytes())?;
                new.sync_all()?;
                Ok(rustix::fs::renameat(&folder, &aside, &folder, &file)?)
            });
        written.map_err(|error| {
            let _ = rustix::fs::unlinkat(&folder, &aside, AtFlags::empty());
            format!("can't save {}: {error}", path.display())
        })
    }

    fn root(&self) -> Result<OwnedFd, String> {
        let empty = self.patches.as_os_str().is_empty();
        let root = if empty { Path::new(".") } else { &self.patches };
        rustix::fs::openat(CWD, root, FOLDER, Mode::empty()).map_err(|errno| {
            format!(
                "can't open the folder of patches, {}: {}",
                root.display(),
                io::Error::from(errno)
            )
        })
    }

    /// A path as it is named from the folder.
    fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.patches).unwrap_or(path).to_owned()
    }
}

/// The folder of a file.
pub fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Opens what lies in a folder. No link leads out of it, whoever changes it meanwhile.
fn open_beneath(folder: &OwnedFd, inside: &Path, how: OFlags) -> Result<OwnedFd, Errno> {
    let stays = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(folder, inside, how, Mode::empty(), stays) {
        // Kernels before 5.6, and some containers, have no such call: then no link is followed at all.
        Err(Errno::NOSYS | Errno::PERM) => open_step_by_step(folder, inside, how),
        opened => opened,
    }
}

fn open_step_by_step(folder: &OwnedFd, inside: &Path, how: OFlags) -> Result<OwnedFd, Errno> {
    let mut folder = folder.try_clone().map_err(|_| Errno::MFILE)?;
    for part in parent(inside).components() {
        let how = FOLDER | OFlags::NOFOLLOW;
        folder = rustix::fs::openat(&folder, part.as_os_str(), how, Mode::empty())?;
    }
    let name = inside.file_name().ok_or(Errno::NOENT)?;
    rustix::fs::openat(&folder, name, how | OFlags::NOFOLLOW, Mode::empty())
}

fn said(errno: Errno) -> String {
    match errno {
        Errno::XDEV | Errno::LOOP => {
            "a link leads out of the folder of patches; put the file itself there".to_owned()
        }
        errno => io::Error::from(errno).to_string(),
    }
}

/// The text of a file that lies in a folder.
fn read_in(folder: &OwnedFd, inside: &Path, path: &Path) -> Result<String, String> {
    let wrong = |why: &dyn std::fmt::Display| unreadable(path, why);
    let file = File::from(open_beneath(folder, inside, READ).map_err(|errno| wrong(&said(errno)))?);
    let metadata = file.metadata().map_err(|error| wrong(&error))?;
    chronus_files::check(&metadata).map_err(|why| wrong(&why))?;
    read_opened(file, path)
}

/// Refuses to write a patch over anything but a patch.
fn permit_overwriting(folder: &OwnedFd, inside: &Path, path: &Path) -> Result<(), String> {
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    let is_patch = |text: &str| match Document::parse(text) {
        Ok(document) => text.trim().is_empty() || document.has_format(),
        // A patch that is being written, and is not right yet.
        Err(_) => is_toml,
    };
    match read_in(folder, inside, path) {
        Ok(text) if is_patch(&text) => Ok(()),
        Ok(_) => Err(format!(
            "{} is no patch and is not written over; choose another name",
            path.display()
        )),
        Err(why) => Err(format!("{why}; it is not written over: choose another name")),
    }
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
    fn a_patch_is_saved_as_one() {
        let folder = Folder::new("songs".into(), None);
        for name in ["new", "new/b", "live/c.toml"] {
            let path = folder.path_to_save(name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(path, Path::new("songs").join(name).with_extension("toml"));
        }
        for name in ["keep.wav", "a.toml.new", "x.txt"] {
            let error = folder.path_to_save(name).expect_err(name);
            assert!(error.contains("NAME.toml"), "{error}");
        }
    }

    #[test]
    fn a_patch_is_written_whole_or_not_at_all() {
        let there = tempfile::tempdir().expect("temporary folder");
        let folder = Folder::new(there.path().to_owned(), None);
        folder.save("a", "format = 1", false).expect("written");
        let error = folder.save("a", "format = 1", false).expect_err("it is there");
        assert!(error.contains("exists already; choose another name, or add overwrite"), "{error}");
        folder.save("a", "format = 1 # two", true).expect("written");
        let (path, text) = folder.load("a").expect("read");
        assert_eq!((path, text), (there.path().join("a.toml"), "format = 1 # two".to_owned()));
        let error = folder.save("no/a", "x", true).expect_err("no such folder");
        assert!(error.starts_with("can't save"), "{error}");
        assert_eq!(std::fs::read_dir(there.path()).expect("folder").count(), 1);
    }

    #[test]
    fn nothing_but_a_patch_is_written_over() {
        let there = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| there.path().join(name);
        let folder = Folder::new(there.path().to_owned(), None);
        for (name, content) in [
            ("keep.wav", &b"RIFF\x24\0\0\0WAVE\xff\xfe"[..]),
            ("notes.txt", b"bring the cable"),
            ("Cargo.toml", b"[package]\nname = \"a\"\n"),
            ("sound.toml", b"\xff\xfe\xfd"),
        ] {
            std::fs::write(at(name), content).expect("written");
            let error = folder.save(name, "format = 1", true).expect_err(name);
            assert!(error.contains("not written over"), "{error}");
            assert_eq!(std::fs::read(at(name)).expect("kept"), content, "{name}");
        }
        std::fs::create_dir(at("d.toml")).expect("a folder");
        assert!(
            folder
                .save("d", "format = 1", true)
                .expect_err("a folder")
                .contains("no ordinary file")
        );
        for (name, content) in
            [("a.toml", "format = 1\nbroken"), ("b", "format = 1"), ("c.toml", "")]
        {
            std::fs::write(at(name), content).expect("written");
            if Path::new(name).extension().is_some() {
                folder.save(name, "format = 1", true).expect(name);
            }
        }
    }

    #[test]
    fn no_link_leads_out_of_the_folder() {
        use std::os::unix::fs::symlink;
        let there = tempfile::tempdir().expect("temporary folder");
        let [inside, outside] = ["in", "out"].map(|name| there.path().join(name));
        for folder in [&inside, &outside, &inside.join("sub")] {
            std::fs::create_dir(folder).expect("a folder");
        }
        for file in [outside.join("a.toml"), inside.join("sub/a.toml")] {
            std::fs::write(file, "format = 1").expect("written");
        }
        symlink(&outside, inside.join("away")).expect("a link");
        symlink(outside.join("a.toml"), inside.join("file.toml")).expect("a link");
        symlink("sub", inside.join("near")).expect("a link");
        let folder = Folder::new(inside.clone(), None);
        for name in ["away/a", "file"] {
            let error = folder.load(name).expect_err(name);
            assert!(error.contains("a link leads out of the folder of patches"), "{error}");
            let error = folder.save(name, "format = 1 # mine", true).expect_err(name);
            assert!(error.contains("a link leads out of the folder of patches"), "{error}");
        }
        assert!(folder.save("away/new", "x", true).is_err());
        assert_eq!(std::fs::read_dir(&outside).expect("folder").count(), 1);
        assert_eq!(std::fs::read_to_string(outside.join("a.toml")).expect("text"), "format = 1");
        folder.load("near/a").expect("it stays inside");
        // What a kernel without the call does follows no link at all, and reads the rest.
        let root = folder.root().expect("it opens");
        for (name, is_read) in [
            ("sub/a.toml", true),
            ("away/a.toml", false),
            ("file.toml", false),
            ("near/a.toml", false),
        ] {
            assert_eq!(open_step_by_step(&root, Path::new(name), READ).is_ok(), is_read, "{name}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let there = tempfile::tempdir().expect("temporary folder");
        let made = std::process::Command::new("mkfifo").arg(there.path().join("pipe")).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of every system");
        std::fs::rename(there.path().join("pipe"), there.path().join("pipe.toml"))
            .expect("renamed");
        let folder = Folder::new(there.path().to_owned(), None);
        assert!(folder.load("pipe").expect_err("a pipe").contains("no ordinary file"));
        assert!(
            folder
                .save("pipe", "format = 1", true)
                .expect_err("a pipe")
                .contains("not written over")
        );
    }
}
