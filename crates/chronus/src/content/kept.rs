//! What was played is kept beside the journal, each recording once, as a WAV file of 32-bit floats that is called by
//! its digest. So rendering needs no original, which may have been changed or deleted since, and decodes nothing
//! again. A thread writes the files, and nobody waits for it while there is sound.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chronus_engine::ContentDigest;
use chronus_os::memfd::Memfd;
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;

use super::{Content, Limit};
use chronus_files::Identity;

/// A disk that did not take something is asked again after this time.
const RETRY: Duration = Duration::from_secs(1);
/// How long a disk may take at the end; and one that takes nothing.
const END_WITHIN: Duration = Duration::from_secs(10);
const END_FAILING_WITHIN: Duration = Duration::from_secs(1);
/// So many samples are copied at once.
const PIECE_SAMPLES: usize = 1 << 16;

/// The folder of what is kept for a journal: `night.recordings` for `night.journal`.
pub fn folder_of(journal: &Path) -> PathBuf {
    journal.with_extension("recordings")
}

/// What a recording is called in such a folder.
pub fn file_name(digest: ContentDigest) -> String {
    format!("{digest}.wav")
}

/// The digest by which a file of such a folder is called, if it is a recording.
pub fn digest_of(path: &Path) -> Option<ContentDigest> {
    let is_wav = path.extension().is_some_and(|extension| extension == "wav");
    path.file_stem().filter(|_| is_wav)?.to_str()?.parse().ok()
}

/// Reads what was kept, and makes sure that it is what it is called.
///
/// # Errors
/// A sentence.
pub fn read(path: &Path, digest: ContentDigest) -> Result<Content, String> {
    let content = super::read(path, Limit::of(u64::MAX))?.content;
    if content.digest() == digest {
        Ok(content)
    } else {
        Err(format!("{} is damaged: it is not what it is called", path.display()))
    }
}

/// The folders beside a journal in which its recordings may be, its own first. A journal that was renamed finds
/// what is kept under its old name.
pub fn folders_beside(journal: &Path) -> Vec<PathBuf> {
    let own = folder_of(journal);
    let beside = chronus_files::folder_of(journal);
    let is_one = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "recordings")
            && path.is_dir()
            && path.file_name() != own.file_name()
    };
    let others = fs::read_dir(beside).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut others: Vec<_> = others.filter(is_one).collect();
    others.sort();
    std::iter::once(own).chain(others).collect()
}

/// Samples among the shared assets that are to be kept.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What they are.
    pub digest: ContentDigest,
    /// Where they lie, in bytes.
    pub place: Range<usize>,
    /// Samples in a frame.
    pub channels: usize,
    /// Frames per second.
    pub rate_hz: u32,
}

/// Who asks for recordings to be kept.
#[derive(Clone, Debug)]
pub struct Keeping(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// What is to be written; the first is under way.
    queue: VecDeque<Wanted>,
    /// What is there for certain.
    done: Vec<ContentDigest>,
    /// Whether the disk took nothing when it was last tried.
    is_failing: bool,
}

impl Keeping {
    /// Starts the thread that writes into `folder` what lies among the shared assets. The folder is made when it is needed.
    ///
    /// # Errors
    /// As the system says.
    pub fn start(folder: PathBuf, assets: Arc<Memfd>) -> io::Result<Self> {
        let shared = Arc::new(Shared { waiting: Mutex::default(), more: Condvar::new() });
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new().name("recordings".into());
        let scribe = Scribe { shared: of_thread, folder, assets, locks: Vec::new() };
        thread.spawn(move || scribe.write_all())?;
        Ok(Self(shared))
    }

    /// Has this kept, unless it is.
    pub fn want(&self, wanted: Wanted) {
        let mut waiting = self.0.lock();
        let is_known = waiting.done.contains(&wanted.digest)
            || waiting.queue.iter().any(|it| it.digest == wanted.digest);
        if !is_known {
            waiting.queue.push_back(wanted);
            self.0.more.notify_all();
        }
    }

    /// The places among the shared assets that are still to be written, and must not be freed.
    pub fn places(&self) -> Vec<Range<usize>> {
        self.0.lock().queue.iter().map(|wanted| wanted.place.clone()).collect()
    }

    /// Waits until everything is written, but not for ever.
    pub fn finish(&self) {
        let began = Instant::now();
        let mut waiting = self.0.lock();
        while !waiting.queue.is_empty() {
            let within = if waiting.is_failing { END_FAILING_WITHIN } else { END_WITHIN };
            let left = within.saturating_sub(began.elapsed());
            if left.is_zero() {
                tracing::error!(
                    "{} recordings that were played could not be kept in time; the journal can be rendered as long as \
                     their files stay as they are",
                    waiting.queue.len()
                );
                return;
            }
            let waited = self.0.more.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to be written.
    fn first(&self) -> Wanted {
        let mut waiting = self.lock();
        loop {
            if let Some(first) = waiting.queue.front() {
                return first.clone();
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The disk takes nothing.
    fn failing(&self) {
        self.lock().is_failing = true;
        self.more.notify_all();
    }

    /// The first is written, or never will be.
    fn over(&self, is_done: bool) {
        let mut waiting = self.lock();
        waiting.is_failing = false;
        if let Some(first) = waiting.queue.pop_front()
            && is_done
        {
            waiting.done.push(first.digest);
        }
        self.more.notify_all();
    }
}

/// The thread that writes.
struct Scribe {
    shared: Arc<Shared>,
    folder: PathBuf,
    assets: Arc<Memfd>,
    /// The folder, locked against whoever would prune it; and those that were it before they were renamed.
    locks: Vec<File>,
}

impl Scribe {
    fn write_all(mut self) {
        let mut is_told = false;
        loop {
            let wanted = self.shared.first();
            match self.keep(&wanted) {
                Ok(()) => {
                    if std::mem::take(&mut is_told) {
                        tracing::info!("{}: recordings are kept again", self.folder.display());
                    }
                    self.shared.over(true);
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::error!("a recording can't be kept: {error}");
                    self.shared.over(false);
                }
                Err(error) => {
                    self.shared.failing();
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::error!(
                            "{}: {error}; the sound goes on, and what is played is kept as soon as that is possible",
                            self.folder.display()
                        );
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    fn keep(&mut self, wanted: &Wanted) -> io::Result<()> {
        // Who renames a journal renames its folder, too, and rendering finds what is kept in either.
        if !self.locks.last().is_some_and(|folder| Identity::is_at(&self.folder, folder)) {
            fs::create_dir_all(&self.folder)?;
            let folder = File::open(&self.folder)?;
            flock(&folder, FlockOperation::LockShared)?;
            self.locks.push(folder);
        }
        let path = self.folder.join(file_name(wanted.digest));
        if read(&path, wanted.digest).is_ok() {
            return Ok(());
        }
        let aside = path.with_extension("wav.new");
        let written = self.write(wanted, &aside).and_then(|()| fs::rename(&aside, &path));
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written?;
        File::open(&self.folder)?.sync_all()
    }

    fn write(&self, wanted: &Wanted, path: &Path) -> io::Result<()> {
        let bytes = self.assets.read_at(wanted.place.start, wanted.place.len())?;
        let (words, _) = bytes.as_chunks::<4>();
        let samples: Vec<f32> = words.iter().map(|word| f32::from_ne_bytes(*word)).collect();
        if super::digest(&samples, wanted.channels, wanted.rate_hz) != wanted.digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not in memory any more"));
        }
        let file = File::create(path)?;
        // A disk without room for all of it is not filled up to the brim: the journal may need what is left.
        let room = fallocate(&file, FallocateFlags::empty(), 0, wanted.place.len() as u64);
        if room == Err(Errno::NOSPC) {
            return Err(Errno::NOSPC.into());
        }
        let mut file = BufWriter::new(file);
        file.write_all(&head(wanted.channels, wanted.rate_hz, samples.len())?)?;
        for piece in samples.chunks(PIECE_SAMPLES) {
            let bytes: Vec<u8> = piece.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            file.write_all(&bytes)?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// The head of a WAV file of floats.
fn head(channels: usize, rate_hz: u32, samples: usize) -> io::Result<Vec<u8>> {
    const FLOAT: u16 = 3;
    let too_large =
        |_| io::Error::new(io::ErrorKind::InvalidData, "it is too large for a WAV file");
    let frame = u16::try_from(channels * size_of::<f32>()).map_err(too_large)?;
    let data = u32::try_from(samples * size_of::<f32>()).map_err(too_large)?;
    let riff = data.checked_add(50).ok_or(io::ErrorKind::InvalidData)?;
    let mut head = b"RIFF".to_vec();
    head.extend(riff.to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(18_u32.to_le_bytes());
    head.extend([FLOAT, channels as u16].map(u16::to_le_bytes).concat());
    head.extend(rate_hz.to_le_bytes());
    head.extend(rate_hz.wrapping_mul(u32::from(frame)).to_le_bytes());
    head.extend([frame, 32, 0].map(u16::to_le_bytes).concat());
    head.extend(b"fact");
    head.extend(4_u32.to_le_bytes());
    head.extend(((samples / channels) as u32).to_le_bytes());
    head.extend(b"data");
    head.extend(data.to_le_bytes());
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_to_the_bit_and_never_mistaken() {
        let folder = tempfile::tempdir().expect("a folder");
        let assets = Arc::new(Memfd::create("chronus-test", 1 << 20).expect("memory"));
        let samples = vec![0.0, -0.0, 1e-42, 0.1, -1.0, 3.5];
        let bytes: Vec<u8> = samples.iter().flat_map(|it: &f32| it.to_ne_bytes()).collect();
        assets.write_at(4096, &bytes).expect("written");
        let content = Content { samples: Arc::new(samples), channels: 3, rate_hz: 44_100 };
        let digest = content.digest();
        let night = folder.path().join("night.journal");
        let keeping = Keeping::start(folder_of(&night), assets).expect("a thread");
        let place = 4096..4096 + bytes.len();
        let wanted = Wanted { digest, place: place.clone(), channels: 3, rate_hz: 44_100 };
        keeping.want(wanted.clone());
        // What is not there any more is not kept under a wrong name.
        keeping.want(Wanted { digest: ContentDigest([7; 32]), ..wanted });
        keeping.finish();
        let path = folder.path().join("night.recordings").join(file_name(digest));
        let found = read(&path, digest).expect("it was kept");
        let bits =
            |content: &Content| content.samples.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
        assert_eq!((bits(&found), found.channels, found.rate_hz), (bits(&content), 3, 44_100));
        assert_eq!(digest_of(&path), Some(digest));
        assert_eq!(fs::read_dir(folder_of(&night)).expect("a folder").count(), 1);
        assert_eq!(folders_beside(&folder.path().join("night-1.journal"))[1], folder_of(&night));
        // What is played after the folder was renamed is kept, too.
        fs::rename(folder_of(&night), folder.path().join("day.recordings")).expect("renamed");
        let one = Content { channels: 1, ..content.clone() };
        keeping.want(Wanted { digest: one.digest(), place, channels: 1, rate_hz: 44_100 });
        keeping.finish();
        let path = folder_of(&night).join(file_name(one.digest()));
        assert_eq!(read(&path, one.digest()).expect("kept").channels, 1);
        let error = read(&path, ContentDigest([7; 32])).expect_err("another");
        assert!(error.contains("is damaged"), "{error}");
    }
}
