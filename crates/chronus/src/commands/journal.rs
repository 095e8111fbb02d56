//! `chronus journal prune`: removes what is kept beside journals and that no journal names any more.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chronus_engine::ContentDigest;
use rustix::fs::{FlockOperation, flock};

use crate::content::kept::{digest_of, file_name, folder_of, folders_beside};
use crate::log::counted;
use chronus_journal::Journal;

/// Removes recordings, and says which.
///
/// # Errors
/// A sentence, if something keeps it from being certain that nobody needs them; then nothing is removed.
pub fn run(name: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let folder = find(name);
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(format!("there is no folder {shown}; {}", instead(name)?).into());
    }
    let lock = File::open(&folder)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(format!(
            "an engine that plays keeps its recordings in {shown}; nothing is removed before it has ended"
        )
        .into());
    }
    let named = named_beside(&folder)?;
    let (mut removed, mut bytes, mut left) = (0, 0, 0);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)?.flatten().map(|it| it.path()).collect();
    paths.sort();
    for path in paths {
        // What a writer that died has left is called NAME.wav.new.
        let is_torn = path.extension().is_some_and(|it| it == "new")
            && digest_of(&path.with_extension("")).is_some();
        let Some(digest) = digest_of(&path).or(is_torn.then_some(ContentDigest([0; 32]))) else {
            continue;
        };
        if !is_torn && named.contains(&digest) {
            left += 1;
            continue;
        }
        let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{}: removed, {}", path.display(), mib(size));
        removed += 1;
        bytes += size;
    }
    let left = counted(left, "recording");
    println!("{shown}: {} removed, {}; {left} left", counted(removed, "file"), mib(bytes));
    Ok(ExitCode::SUCCESS)
}

/// The folder that is meant: by its journal, by itself, or by what both are called without what follows the last dot.
fn find(name: &Path) -> PathBuf {
    let mut longer = name.as_os_str().to_owned();
    longer.push(".recordings");
    let longer = PathBuf::from(longer);
    if longer.is_dir() { longer } else { folder_of(name) }
}

/// What to do where a journal has no folder of its name: it was renamed, perhaps while it was written.
fn instead(name: &Path) -> Result<String, Box<dyn Error>> {
    if !name.is_file() || !Journal::is_one(name) {
        return Ok("give the name of a journal whose recordings were kept".into());
    }
    let played: Vec<_> = contents(&Journal::read(name)?).map(file_name).collect();
    if played.is_empty() {
        return Ok("the journal names no recording, so nothing was kept for it".into());
    }
    let has_one = |folder: &PathBuf| played.iter().any(|file| folder.join(file).is_file());
    let own = folder_of(name);
    Ok(match folders_beside(name).into_iter().find(has_one) {
        Some(kept) => format!(
            "what this journal plays is kept in {kept}, from when it was called otherwise: rename that to {own}, or \
             prune what all journals there leave: chronus journal prune {kept}",
            kept = name.with_file_name(kept.file_name().unwrap_or_default()).display(),
            own = own.display()
        ),
        None => "what this journal plays is kept in no folder beside it; give the name of the journal as it was when \
                 it was played, where it was"
            .into(),
    })
}

/// What a journal plays.
fn contents(journal: &Journal) -> impl Iterator<Item = ContentDigest> {
    journal.scores.iter().flat_map(|score| &score.recordings).map(|it| it.content)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// All that the journals beside a folder name.
fn named_beside(folder: &Path) -> Result<BTreeSet<ContentDigest>, Box<dyn Error>> {
    let mut named = BTreeSet::new();
    for entry in fs::read_dir(chronus_files::folder_of(folder))?.flatten() {
        let path = entry.path();
        if !path.is_file() || !Journal::is_one(&path) {
            continue;
        }
        let unsure = |why: &dyn std::fmt::Display| {
            format!(
                "{why}; what it names can't be told, so nothing is removed: move it elsewhere first"
            )
        };
        let journal = Journal::read(&path).map_err(|error| unsure(&error))?;
        if let Some(what) = journal.damage {
            return Err(unsure(&format!("{}: {what}", path.display())).into());
        }
        named.extend(contents(&journal));
    }
    Ok(named)
}
