//! Watches a patch file and the recordings that it plays: each time that one is saved, what they say is played.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chronus_engine::Patch;

use super::FileWatch;
use super::waiting::Fresh;
use crate::content::{self, Limit};

/// The files are looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// A recording that was not written to for so long may be whole.
const WHOLE_AFTER: Duration = Duration::from_millis(300);
/// One that still can't be read then, or ends before its head says so, will not get any better.
const AS_IT_IS_AFTER: Duration = Duration::from_secs(5);

/// What tells one state of a file from another: when it was written, how long it is, and which it is.
type Stamp = (Option<SystemTime>, u64, u64);

fn stamp_of(path: &Path) -> Option<Stamp> {
    let data = fs::metadata(path).ok()?;
    Some((data.modified().ok(), data.len(), data.ino()))
}

/// The files that are watched, and how they were before they were read last.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    patch: Option<(PathBuf, Option<Stamp>)>,
    recordings: BTreeMap<PathBuf, Option<Stamp>>,
}

impl Watched {
    /// This patch is about to be read from this file, and its recordings, as far as they are read anew.
    pub fn note(&self, file: Option<&Path>, patch: &Patch, base: &Path, fresh: &Fresh) {
        let mut seen = self.lock();
        if *fresh == Fresh::All || seen.patch.is_none() {
            seen.patch = file.map(|file| (file.to_owned(), stamp_of(file)));
        }
        let mut before = std::mem::take(&mut seen.recordings);
        for module in patch.modules().iter().filter(|module| module.plays_a_file()) {
            let path = base.join(module.file().unwrap_or_default());
            let stamp = match before.remove(&path) {
                Some(stamp) if !fresh.has(module.id()) => stamp,
                _ => stamp_of(&path),
            };
            seen.recordings.entry(path).or_insert(stamp);
        }
    }

    /// This patch plays, which another supervisor has read.
    pub fn note_unseen(&self, file: Option<&Path>, patch: &Patch, base: &Path) {
        self.note(file, patch, base, &Fresh::All);
        let mut seen = self.lock();
        seen.patch.iter_mut().for_each(|(_, stamp)| *stamp = None);
        seen.recordings.values_mut().for_each(|stamp| *stamp = None);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files that are not as they were seen, and whether each is a recording.
    fn changed(&self) -> Vec<(PathBuf, Stamp, bool)> {
        let seen = self.lock();
        let patch = seen.patch.iter().map(|(path, stamp)| (path, stamp, false));
        let recordings = seen.recordings.iter().map(|(path, stamp)| (path, stamp, true));
        let found = patch.chain(recordings).filter_map(|(path, stamp, is_recording)| {
            // Between two looks an editor may have taken the file away, to put the new one there.
            let now = stamp_of(path)?;
            (*stamp != Some(now)).then(|| (path.clone(), now, is_recording))
        });
        found.collect()
    }
}

/// A file that has changed.
struct Change {
    stamp: Stamp,
    since: Instant,
    /// Whether the patcher was told, or it was found that there is nothing to tell yet.
    is_told: bool,
    is_tried: bool,
}

/// Starts a thread that watches the files of the patch that plays.
///
/// # Errors
/// As the system says.
pub fn watch(watch: FileWatch) -> std::io::Result<()> {
    std::thread::Builder::new().name("watch".into()).spawn(move || {
        let mut changes: BTreeMap<PathBuf, Change> = BTreeMap::new();
        loop {
            std::thread::sleep(LOOK);
            let found = watch.watched().changed();
            changes.retain(|path, _| found.iter().any(|(known, ..)| known == path));
            for (path, stamp, is_recording) in found {
                let since = Instant::now();
                let new = || Change { stamp, since, is_told: false, is_tried: false };
                let change = changes.entry(path.clone()).or_insert_with(new);
                if change.stamp != stamp {
                    *change = new();
                }
                if !change.is_told && (!is_recording || change.is_whole(&path)) {
                    change.is_told = true;
                    watch.changed();
                }
            }
        }
    })?;
    Ok(())
}

impl Change {
    /// Whether a recording is written to its end, as far as can be told.
    fn is_whole(&mut self, path: &Path) -> bool {
        let age = self.since.elapsed();
        if age >= AS_IT_IS_AFTER {
            return true;
        }
        if age < WHOLE_AFTER || std::mem::replace(&mut self.is_tried, true) {
            return false;
        }
        content::read(path, Limit::of(u64::MAX)).is_ok_and(|found| !found.ends_early)
    }
}
