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
use crate::content::{self, Found, Limit};

/// The files are looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// A recording that was not written to for so long may be whole.
const WHOLE_AFTER: Duration = Duration::from_millis(300);
/// Of one that is not, it is told then, and so of a file that is not there any more.
const TOLD_AFTER: Duration = Duration::from_millis(800);
/// One that ends before its head says so is as whole as it gets, and is played so.
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

    /// This patch plays, which another supervisor has read. Its recordings are compared with what plays. The file of the
    /// patch is left as it is, for what plays may have been edited since it was read, or be another.
    pub fn note_taken_over(&self, file: Option<&Path>, patch: &Patch, base: &Path) {
        self.note(file, patch, base, &Fresh::All);
        self.lock().recordings.values_mut().for_each(|stamp| *stamp = None);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files that are not as they were seen, how they are now, and whether each is a recording.
    fn changed(&self) -> Vec<(PathBuf, Option<Stamp>, bool)> {
        let seen = self.lock();
        let patch = seen.patch.iter().map(|(path, stamp)| (path, stamp, false));
        let recordings = seen.recordings.iter().map(|(path, stamp)| (path, stamp, true));
        let found = patch.chain(recordings).filter_map(|(path, stamp, is_recording)| {
            let now = stamp_of(path);
            (*stamp != now).then(|| (path.clone(), now, is_recording))
        });
        found.collect()
    }
}

/// A file that has changed.
struct Change {
    /// How it is now; nothing if it is not there.
    stamp: Option<Stamp>,
    since: Instant,
    step: Step,
}

/// How far a change was followed.
enum Step {
    /// Nothing was found out yet.
    New,
    /// It is not whole yet, or not there.
    Doubtful,
    /// It was told that it is cut.
    Cut,
    /// There is nothing more to do.
    Done,
}

/// What comes of a change.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// The file is to be read.
    Take,
    /// This is to be told.
    Say(String),
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
                let new = || Change { stamp, since: Instant::now(), step: Step::New };
                let change = changes.entry(path.clone()).or_insert_with(new);
                if change.stamp != stamp {
                    *change = new();
                }
                let rested = change.since.elapsed();
                let news = if is_recording {
                    change.of_recording(&path, rested)
                } else {
                    change.of_patch(&path, rested)
                };
                match news {
                    Some(News::Take) => watch.changed(),
                    Some(News::Say(sentence)) => tracing::warn!("{sentence}"),
                    None => {}
                }
            }
        }
    })?;
    Ok(())
}

impl Change {
    /// What comes of a patch file that has been as it is for so long. Whoever reads it tells what is wrong with it.
    fn of_patch(&mut self, path: &Path, rested: Duration) -> Option<News> {
        let is_new = matches!(self.step, Step::New);
        let news = if is_new && self.stamp.is_some() {
            News::Take
        } else if is_new && rested >= TOLD_AFTER {
            // Between two looks an editor may have taken the file away, to put the new one there.
            News::Say(format!(
                "the patch file {} is not there any more; what it said plays on, and it is read when it comes back",
                path.display()
            ))
        } else {
            return None;
        };
        self.step = Step::Done;
        Some(news)
    }

    /// The same of a recording, which may have been written to its end by then, as far as can be told.
    fn of_recording(&mut self, path: &Path, rested: Duration) -> Option<News> {
        let (next, news) = match self.step {
            Step::New if rested >= WHOLE_AFTER => {
                let is_whole = self.stamp.is_some() && read(path).is_ok_and(|it| !it.ends_early);
                if is_whole { (Step::Done, Some(News::Take)) } else { (Step::Doubtful, None) }
            }
            Step::Doubtful if rested >= TOLD_AFTER => self.doubtful(path),
            Step::Cut if rested >= AS_IT_IS_AFTER => (Step::Done, Some(News::Take)),
            _ => return None,
        };
        self.step = next;
        news
    }

    /// What there is to tell of a recording that is not whole after a while, or not there.
    fn doubtful(&self, path: &Path) -> (Step, Option<News>) {
        let shown = path.display();
        if self.stamp.is_none() {
            let gone = format!(
                "the recording {shown} is not there any more; what it held plays on, and it is read when it comes back"
            );
            return (Step::Done, Some(News::Say(gone)));
        }
        match read(path) {
            Ok(found) if !found.ends_early => (Step::Done, Some(News::Take)),
            Ok(_) => {
                let cut = format!(
                    "the recording {shown} ends before its head says so; what it held plays on, and what is there is \
                     played if it stays so for {} s",
                    AS_IT_IS_AFTER.as_secs()
                );
                (Step::Cut, Some(News::Say(cut)))
            }
            Err(why) => {
                let broken =
                    format!("{why}; what it held plays on, and it is read when it changes");
                (Step::Done, Some(News::Say(broken)))
            }
        }
    }
}

fn read(path: &Path) -> Result<Found, String> {
    content::read(path, Limit::of(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV file of 1000 frames of silence, of which so many bytes are there.
    fn write(path: &Path, bytes: usize) {
        let mut wav = b"RIFF\xf4\x07\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0data".to_vec();
        wav.extend(2000_u32.to_le_bytes());
        wav.resize(2044, 0);
        fs::write(path, &wav[..bytes]).expect("written");
    }

    /// What is told of a file, as it is now, in the first ten seconds: when, in units of 100 ms, and what.
    fn followed(
        path: &Path,
        follow: fn(&mut Change, &Path, Duration) -> Option<News>,
    ) -> Vec<(u32, News)> {
        let mut change = Change { stamp: stamp_of(path), since: Instant::now(), step: Step::New };
        let news = (0..100).filter_map(|at| Some((at, follow(&mut change, path, at * LOOK)?)));
        news.collect()
    }

    #[test]
    fn a_recording_is_taken_when_it_is_whole_and_what_is_wrong_is_told_within_a_second() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.wav");
        let told = |expected: &str| {
            let mut news = followed(&path, Change::of_recording);
            let (at, said) = news.remove(0);
            let News::Say(said) = said else { panic!("{said:?}") };
            assert!(at <= 10 && said.contains("s.wav") && said.contains(expected), "{at}: {said}");
            news
        };
        assert_eq!(told("is not there any more; what it held plays on"), []);
        write(&path, 2044);
        assert_eq!(followed(&path, Change::of_recording), [(3, News::Take)]);
        write(&path, 1000);
        assert_eq!(told("ends before its head says so"), [(50, News::Take)]);
        write(&path, 10);
        assert_eq!(told("what it held plays on"), []);
        fs::write(&path, "no sound").expect("written");
        assert_eq!(told("read are WAV"), []);
    }

    #[test]
    fn a_recording_that_has_grown_whole_meanwhile_is_not_told_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.wav");
        write(&path, 1000);
        let mut change = Change { stamp: stamp_of(&path), since: Instant::now(), step: Step::New };
        assert_eq!(change.of_recording(&path, WHOLE_AFTER), None);
        write(&path, 2044);
        assert_eq!(change.of_recording(&path, TOLD_AFTER), Some(News::Take));
        assert_eq!(change.of_recording(&path, AS_IT_IS_AFTER), None);
    }

    #[test]
    fn a_patch_file_is_taken_at_once_and_told_of_when_it_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.toml");
        let news = followed(&path, Change::of_patch);
        assert!(
            matches!(&news[..], [(8, News::Say(told))] if told.contains("p.toml is not there"))
        );
        fs::write(&path, "format = 1").expect("written");
        assert_eq!(followed(&path, Change::of_patch), [(0, News::Take)]);
    }
}
