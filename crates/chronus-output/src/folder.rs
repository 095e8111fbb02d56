//! The folder of recordings. Names come over the network, so nothing outside the folder is ever
//! touched, and no file that exists is written over.
//!
//! The path is walked folder by folder from an open descriptor, and no link is followed on the way:
//! a check of the text alone would be betrayed by a link, and a check beforehand by a race.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, statat, unlinkat},
    io::Errno,
};

use chronus_files::numbering;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// So many names are tried before a free one is given up.
const MOST_TRIES: u32 = 10_000;

/// A new file in the folder.
pub(crate) struct NewFile {
    pub path: PathBuf,
    pub file: File,
    folder: OwnedFd,
    name: String,
}

impl NewFile {
    /// Removes it again, because nothing could be written into it.
    pub fn remove(self) {
        let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}

/// Creates the file `name` in the folder `root`, and all folders that are missing. Without a name
/// it is called by the date and the time.
///
/// # Errors
/// A sentence that says what would be right.
pub(crate) fn create(root: &Path, name: Option<&str>) -> Result<NewFile, String> {
    let by_the_clock = || jiff::Zoned::now().strftime("%Y-%m-%d_%H-%M-%S").to_string();
    // Two recordings may begin within one second; a name of the player's own choice is not changed.
    let may_count_on = name.is_none();
    let text = name.map_or_else(by_the_clock, str::to_owned);
    let parts = parts_of(&text)?;
    let Some((stem, folders)) = parts.split_last() else { return Err(no_name()) };
    let mut folder = open_root(root)?;
    let mut path = root.to_path_buf();
    for part in folders {
        path.push(part);
        folder = enter(&folder, part, &path)?;
    }
    let others = numbering::following(stem, 2).take(MOST_TRIES as usize);
    for stem in [(*stem).to_owned()].into_iter().chain(others) {
        let name = format!("{stem}.wav");
        match openat(&folder, &name, NEW_FILE, Mode::from_raw_mode(0o666)) {
            Ok(file) => {
                path.push(&name);
                return Ok(NewFile { path, file: file.into(), folder, name });
            }
            Err(Errno::EXIST) if may_count_on => {}
            Err(Errno::EXIST) => return Err(taken(&folder, &path.join(name), folders, &stem)),
            Err(error) => return Err(cannot("create", &path.join(name), error)),
        }
    }
    Err(format!("{} has too many recordings of this name; give another one", path.display()))
}

fn no_name() -> String {
    "a recording needs a name such as take1; without an argument it gets the date and the time"
        .into()
}

/// The parts of a name between the slashes, the last one without `.wav`.
fn parts_of(name: &str) -> Result<Vec<&str>, String> {
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Err(format!(
            "`{name}` leads out of the folder of recordings; give a name such as take1 or \
             tuesday/take1, or choose the folder with `chronus run --recordings DIR`"
        ));
    }
    let is_wav = name.len() >= 4 && name.as_bytes()[name.len() - 4..].eq_ignore_ascii_case(b".wav");
    let stem = if is_wav { &name[..name.len() - 4] } else { name };
    let parts: Vec<&str> = stem.split('/').collect();
    let bad = |part: &&str| part.is_empty() || part.starts_with('.');
    if parts.iter().any(bad) {
        return Err(format!("a part of the name `{name}` is empty or hidden; {}", no_name()));
    }
    if name.chars().any(char::is_control) {
        return Err(format!("a name has no control characters; {}", no_name()));
    }
    Ok(parts)
}

fn open_root(root: &Path) -> Result<OwnedFd, String> {
    fs::create_dir_all(root).map_err(|error| cannot("create", root, error))?;
    // The folder itself is the player's own choice, and may well be a link to another disk.
    openat(CWD, root, FOLDER, Mode::empty()).map_err(|error| cannot("open", root, error))
}

fn enter(folder: &OwnedFd, part: &str, path: &Path) -> Result<OwnedFd, String> {
    match mkdirat(folder, part, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(cannot("create", path, error)),
    }
    openat(folder, part, FOLDER | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| match error {
        Errno::LOOP | Errno::NOTDIR => format!(
            "{} is a link or no folder at all; recordings stay inside their folder, so give a \
             name of another",
            path.display()
        ),
        error => cannot("open", path, error),
    })
}

fn taken(folder: &OwnedFd, path: &Path, folders: &[&str], stem: &str) -> String {
    let is_free = |name: &String| {
        matches!(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
    };
    let names = numbering::following(stem, 2).take(MOST_TRIES as usize);
    let free = names.map(|stem| format!("{stem}.wav")).find(is_free);
    let free = free.map_or("give another name".into(), |name| {
        format!("{} is free", [folders, &[name.as_str()]].concat().join("/"))
    });
    format!("{} exists already and is not written over; {free}", path.display())
}

fn cannot(what: &str, path: &Path, error: impl Into<io::Error>) -> String {
    format!(
        "can't {what} {}: {}; make room or give the permission, or choose another folder with \
         `chronus run --recordings DIR`",
        path.display(),
        error.into()
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("recordings");
        (folder, root)
    }

    fn refusal(root: &Path, name: &str) -> String {
        create(root, Some(name)).err().unwrap_or_else(|| panic!("`{name}` was taken"))
    }

    #[test]
    fn names_get_their_folders_and_their_ending() {
        let (_folder, root) = root();
        for (name, file) in [
            ("take1", "take1.wav"),
            ("take2.wav", "take2.wav"),
            ("RecordingHandle 3.WAV", "RecordingHandle 3.wav"),
            ("a.b", "a.b.wav"),
            ("tuesday/late/täke", "tuesday/late/täke.wav"),
            ("tuesday/x", "tuesday/x.wav"),
        ] {
            assert_eq!(create(&root, Some(name)).unwrap().path, root.join(file));
            assert!(root.join(file).exists());
        }
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        let (folder, root) = root();
        let outside = folder.path().join("outside");
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir_all(&root).unwrap();
        symlink(&outside, root.join("link")).unwrap();
        symlink(outside.join("new.wav"), root.join("dangling.wav")).unwrap();
        let absolute = outside.join("x").display().to_string();
        for name in [absolute.as_str(), "/x", "../x", "a/../../outside/x", "a/..", ".."] {
            assert!(refusal(&root, name).contains("leads out"), "{name}");
        }
        for name in ["", ".wav", "a//b", "a/", "./x", ".hidden", "a/.b/c"] {
            assert!(refusal(&root, name).contains("such as take1"), "{name}");
        }
        for name in ["a\nb", "a\0b"] {
            assert!(refusal(&root, name).contains("control"), "{name:?}");
        }
        assert!(refusal(&root, "link/x").contains("is a link"));
        assert!(refusal(&root, "dangling").contains("exists already"));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "nothing came out");
    }

    #[test]
    fn a_file_is_not_written_over_and_a_free_name_is_told() {
        let (_folder, root) = root();
        for name in ["take", "take-2", "tuesday/take"] {
            create(&root, Some(name)).unwrap();
        }
        fs::write(root.join("take.wav"), "precious").unwrap();
        assert!(refusal(&root, "take.wav").contains("take-3.wav is free"));
        assert!(refusal(&root, "take-2").contains("take-3.wav is free"), "no take-2-2");
        assert!(refusal(&root, "tuesday/take").contains("tuesday/take-2.wav is free"));
        assert_eq!(fs::read(root.join("take.wav")).unwrap(), b"precious");
    }

    #[test]
    fn without_a_name_there_is_always_a_free_one() {
        let (_folder, root) = root();
        let paths: Vec<_> = (0..3).map(|_| create(&root, None).unwrap().path).collect();
        assert!(paths[0] != paths[1] && paths[1] != paths[2]);
        let name = paths[0].file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("20"), "{name}");
        assert_eq!(paths[0].extension().unwrap(), "wav");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_said() {
        let (folder, _) = root();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = refusal(&file.join("recordings"), "x");
        assert!(error.contains("can't create") && error.contains("--recordings"), "{error}");
        let error = refusal(&file, "x");
        assert!(error.contains("file"), "{error}");
    }
}
