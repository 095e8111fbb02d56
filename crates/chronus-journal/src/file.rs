//! The file of a journal: it is one engine's alone, and known by what it is, not by its name. The keeper makes and locks
//! it, and hands it to one supervisor after another; so the journal goes on in the right file whatever is renamed, and
//! no other engine takes its place meanwhile.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chronus_files::{Identity, set_aside};

/// What is left of an engine whose keeper was killed holds its journal for so long at most: it ends by itself.
const DYING: Duration = Duration::from_secs(1);
/// So often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// So many engines may want to begin in the same folder in the same moment.
const ATTEMPTS: usize = 100;

/// Makes an empty file for a journal and locks it. One that is there already is kept under another name, which is said,
/// unless another engine writes it.
///
/// # Errors
/// A sentence.
pub fn create(path: &Path) -> Result<File, String> {
    let wrong = |error| unwritable(path, &error);
    for _ in 0..ATTEMPTS {
        if let Some(aside) = clear(path)? {
            let (shown, aside) = (path.display(), aside.display());
            tracing::warn!("there was a journal {shown}; it is kept as {aside}");
        }
        let mut open = File::options();
        open.read(true).write(true);
        // An empty file, or one that is none, is taken as it is.
        let file = match open.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match open.clone().create_new(true).open(path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    made => made.map_err(wrong)?,
                }
            }
            there => there.map_err(wrong)?,
        };
        if lock(&file) && Identity::is_at(path, &file) && is_empty(&file) {
            return Ok(file);
        }
    }
    Err(taken(path))
}

/// The file for a new performance: what the keeper has made, or, if another performance was written into that already,
/// another in its place.
///
/// # Errors
/// A sentence.
pub fn begin(path: &Path, made: Option<File>) -> Result<File, String> {
    match made {
        Some(file) if is_empty(&file) => return Ok(file),
        Some(file) if Identity::is_at(path, &file) => {
            let aside = set_aside(path).map_err(|error| {
                format!("the journal {} can't be kept aside: {error}", path.display())
            })?;
            if let Some(aside) = aside {
                tracing::warn!("the journal {} is kept as {}", path.display(), aside.display());
            }
        }
        _ => {}
    }
    create(path)
}

/// The file that was written before: the one that the keeper has, or the one of this name.
///
/// # Errors
/// A sentence, if neither is it.
pub fn go_on(path: &Path, made: Option<File>, noted: Identity) -> Result<File, String> {
    match made {
        Some(file) if Identity::of(&file).ok() == Some(noted) => Ok(file),
        _ => reopen(path, noted),
    }
}

/// Opens the journal that was written before, by its name, and locks it.
///
/// # Errors
/// A sentence, if it is another file, or another engine writes it.
fn reopen(path: &Path, noted: Identity) -> Result<File, String> {
    let shown = path.display();
    let opened = File::options().read(true).write(true).open(path);
    let file = opened.map_err(|error| format!("{shown} can't be opened: {error}"))?;
    if Identity::of(&file).ok() != Some(noted) {
        return Err(format!("{shown} is another file than the one that was written before"));
    }
    if lock_patiently(&file) { Ok(file) } else { Err(taken(path)) }
}

/// Puts what is there aside, and says where.
///
/// # Errors
/// A sentence, also if another engine writes it.
fn clear(path: &Path) -> Result<Option<PathBuf>, String> {
    // What is no file can't be in anybody's way, and opening it may have effects.
    if !fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0) {
        return Ok(None);
    }
    // It stays locked until it has its other name. One that may not be read may still be renamed.
    let there = File::open(path);
    if let Ok(there) = &there {
        if !lock_patiently(there) {
            return Err(taken(path));
        }
        if !Identity::is_at(path, there) {
            return Ok(None);
        }
    }
    set_aside(path).map_err(|error| unwritable(path, &error))
}

/// Locks a file; `false` if somebody else has. A file system without locks has nobody who could, and what is no file takes
/// from everybody.
fn lock(file: &File) -> bool {
    !is_regular(file) || !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// The same, when whoever has locked it may be about to end.
fn lock_patiently(file: &File) -> bool {
    let began = Instant::now();
    loop {
        if lock(file) {
            return true;
        }
        if began.elapsed() >= DYING {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

fn is_regular(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.is_file())
}

fn is_empty(file: &File) -> bool {
    !is_regular(file) || file.metadata().is_ok_and(|found| found.len() == 0)
}

fn unwritable(path: &Path, error: &io::Error) -> String {
    format!(
        "the journal {} can't be written: {error}; give a file with --journal in a folder that has room and that you \
         may write to",
        path.display()
    )
}

fn taken(path: &Path) -> String {
    format!(
        "another engine writes the journal {}; give this one another file with --journal",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use chronus_files::name_of;

    use super::*;

    #[test]
    fn a_journal_is_one_engines_alone_and_known_whatever_it_is_called() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.journal");
        let first = create(&path).expect("there is none");
        fs::write(&path, "of the first").expect("written");
        let error = create(&path).expect_err("it is written");
        assert!(error.contains("another engine writes the journal"), "{error}");
        let identity = Identity::of(&first).expect("a file");
        assert!(reopen(&path, identity).expect_err("it is locked").contains("another engine"));
        drop(first);
        let again = reopen(&path, identity).expect("its engine is gone");
        let moved = folder.path().join("b.journal");
        assert_eq!(name_of(&again, &path), path);
        fs::rename(&path, &moved).expect("renamed");
        assert_eq!(name_of(&again, &path), fs::canonicalize(&moved).expect("it is there"));
        let second = create(&path).expect("the name is free");
        assert_ne!(Identity::of(&second).expect("a file"), identity);
        assert!(reopen(&path, identity).expect_err("renamed").contains("another file"));
        drop((again, second));
        let third = create(&moved).expect("nobody writes it");
        assert_eq!(third.metadata().expect("a file").len(), 0);
        let aside = folder.path().join("b-1.journal");
        assert_eq!(fs::read_to_string(aside).expect("kept"), "of the first");
    }

    #[test]
    fn a_journal_whose_engine_is_about_to_end_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.journal");
        let first = create(&path).expect("there is none");
        fs::write(&path, "of the first").expect("written");
        let dying = std::thread::spawn(move || {
            std::thread::sleep(LOOK * 4);
            drop(first);
        });
        create(&path).expect("its engine has ended meanwhile");
        dying.join().expect("it ends");
    }

    #[test]
    fn a_journal_that_was_deleted_is_called_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.journal");
        let file = create(&path).expect("there is none");
        fs::remove_file(&path).expect("removed");
        let name = name_of(&file, &path).display().to_string();
        assert!(name.ends_with("/a.journal (deleted)"), "{name}");
        // Whatever is called like it now is another.
        fs::write(&path, "x").expect("written");
        let name = name_of(&file, &path).display().to_string();
        assert!(name.ends_with("/a.journal (deleted)"), "{name}");
    }

    #[test]
    fn what_is_no_file_can_be_written_to() {
        create(Path::new("/dev/null")).expect("it takes everything");
    }
}
