//! What recordings hold: read from audio files of many kinds, known by a digest, and kept for those who play
//! or render them later.

pub mod allowed;
mod chunks;
mod coding;
mod compressed;
pub mod kept;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use chronus_engine::patch::Mistakes;
use chronus_engine::{ContentDigest, Patch, Recording};

use allowed::{Allowed, about_recording};
use chronus_files::{Opened, regular};

/// What recordings may be, to go on after what is wrong with one.
const READABLE: &str =
    "read are WAV, AIFF, FLAC, Ogg Vorbis and MP3 files; save or convert it as one of them";
/// Digests of this kind begin with these bytes, so that no other has the same by chance.
const DIGESTED: &[u8] = b"chronus recording 1";
/// No recording of more channels is read.
const CHANNELS_MAX: usize = 1024;

/// What a recording holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Interleaved samples; full scale is from -1 to 1, and all are finite.
    pub samples: Arc<Vec<f32>>,
    /// Samples in a frame, at least one.
    pub channels: usize,
    /// Frames per second, at least one.
    pub rate_hz: u32,
}

impl Content {
    /// What it is: see [`ContentDigest`].
    pub fn digest(&self) -> ContentDigest {
        digest(&self.samples, self.channels, self.rate_hz)
    }

    /// For a module to play.
    pub fn recording(&self) -> Recording {
        Recording::new(self.samples.clone(), self.channels, self.rate_hz)
    }
}

/// The digest of interleaved samples with so many channels at a rate in frames per second: BLAKE3.
pub fn digest(samples: &[f32], channels: usize, rate_hz: u32) -> ContentDigest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(DIGESTED);
    hasher.update(&(channels as u32).to_le_bytes());
    hasher.update(&rate_hz.to_le_bytes());
    let mut bytes = Vec::with_capacity(1 << 16);
    for piece in samples.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(piece.iter().flat_map(|sample| sample.to_le_bytes()));
        hasher.update(&bytes);
    }
    ContentDigest(*hasher.finalize().as_bytes())
}

/// The digest of a recording.
pub fn digest_of(recording: &Recording) -> ContentDigest {
    digest(recording.samples(), recording.channels(), recording.rate_hz())
}

/// What was read of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What there is.
    pub content: Content,
    /// Whether the file ends before its head says so.
    pub ends_early: bool,
}

/// Why nothing can be read of a file, as the end of a sentence.
#[derive(Debug)]
enum Unreadable {
    /// It can't be read at all.
    Io(io::Error),
    /// It is not what it seems to be.
    Wrong(String),
    /// There is more than so many bytes of samples.
    TooLarge(u64),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<String> for Unreadable {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

/// How many bytes of memory the samples of a recording may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// As many as there are for all recordings of a performance.
    pub all: u64,
    /// As many of them are free.
    pub free: u64,
}

impl Limit {
    /// Nothing else is in memory.
    pub const fn of(bytes: u64) -> Self {
        Self { all: bytes, free: bytes }
    }

    /// Refuses something called `what` that takes more bytes than are free.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(self, what: &str, bytes: u64) -> Result<(), String> {
        if bytes > self.free { Err(self.refuse(what, bytes)) } else { Ok(()) }
    }

    /// What to do about a recording that takes so many bytes.
    fn refuse(self, what: &str, bytes: u64) -> String {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let others = match self.all - self.free {
            0 => String::new(),
            taken => format!(
                ", of which others take {}, or took until the last edits but two",
                mib(taken)
            ),
        };
        format!(
            "the recording {what} takes at least {} MiB of memory, and recordings may take {} MiB in all{others}; \
             use a shorter one, or start with more: --sample-memory MIB",
            mib(bytes),
            mib(self.all)
        )
    }
}

/// Rates that outputs and recorders have, in Hz; one far from them is most likely a damaged head.
const USUAL_HZ: std::ops::RangeInclusive<u32> = 1000..=768_000;
/// What is a hundred times full scale (40 dB above it) can hardly be meant.
const LEVEL_MAX: f32 = 100.0;

impl Found {
    /// What is to be told of it though it is played: sentences.
    pub fn remarks(&self, path: &Path) -> Vec<String> {
        let (shown, rate_hz) = (path.display(), self.content.rate_hz);
        let mut remarks = Vec::new();
        if self.ends_early {
            remarks.push(format!(
                "the recording {shown} ends before its head says so; what is there is played"
            ));
        }
        if !USUAL_HZ.contains(&rate_hz) {
            remarks.push(format!(
                "the recording {shown} has {rate_hz} frames per second if its head is right, and is played so"
            ));
        }
        let peak = self.content.samples.iter().fold(0.0, |peak: f32, it| peak.max(it.abs()));
        if peak > LEVEL_MAX {
            remarks.push(format!(
                "the recording {shown} is {:.0} dB above full scale where it is loudest; save it with lower samples",
                20.0 * peak.log10()
            ));
        }
        remarks
    }
}

/// The patch that a text is, called `name` in errors. If it has mistakes, the recordings are looked at, too, of those
/// modules that are to read theirs, by their ids. Names of recordings count from `base`.
///
/// # Errors
/// Every mistake, also those of recordings that can't be had.
pub fn parse_patch(
    text: &str,
    name: &str,
    (base, allowed): (&Path, &Allowed),
    reads: impl Fn(&str) -> bool,
) -> Result<Patch, Mistakes> {
    Patch::parse_all(text, name).map_err(|mut mistakes| {
        let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
        mistakes.add_files(|named| {
            if !reads(&named.module) {
                return None;
            }
            let file = named.file.clone();
            let why = known.entry(file).or_insert_with(|| why_not(base, &named.file, allowed));
            let why = why.as_deref()?;
            let (found, right) = why.split_once("; ").unwrap_or((why, READABLE));
            Some((found.to_owned(), right.to_owned()))
        });
        mistakes
    })
}

/// Why the recording that a patch in the folder `base` calls `file` can't be had, if it can't: a sentence.
pub fn why_not(base: &Path, file: &str, allowed: &Allowed) -> Option<String> {
    if file.is_empty() {
        return None;
    }
    let found = allowed.find(base, file);
    found.and_then(|path| read(&path, Limit::of(MEMORY_MIB << 20))).err()
}

/// As much memory as recordings take if nobody says otherwise, in MiB.
pub const MEMORY_MIB: u64 = 1024;

/// Reads an audio file.
///
/// # Errors
/// A sentence with its name: it can't be opened, is no audio file, or is too large. The latter is found before it is
/// read, as far as its head tells.
pub fn read(path: &Path, limit: Limit) -> Result<Found, String> {
    let opened = regular(path).map_err(|error| about_recording(&error, path))?;
    read_opened(opened, path, limit)
}

/// The same of a file that was opened; `path` is only named.
///
/// # Errors
/// As [`read`].
pub fn read_opened(opened: Opened, path: &Path, limit: Limit) -> Result<Found, String> {
    let wrong = |why: &dyn std::fmt::Display| {
        format!("can't read the recording {}: {why}; {READABLE}", path.display())
    };
    // Samples of 64 bits take half of it in memory, all others as much or more.
    if opened.bytes / 2 > limit.free.saturating_add(1 << 20) {
        return Err(limit.refuse(&path.display().to_string(), opened.bytes / 2));
    }
    let found = read_any(opened, limit.free).map_err(|why| match why {
        Unreadable::TooLarge(bytes) => limit.refuse(&path.display().to_string(), bytes),
        Unreadable::Wrong(what) => wrong(&what),
        Unreadable::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            wrong(&"it ends too early")
        }
        Unreadable::Io(error) => wrong(&error),
    })?;
    if found.content.samples.is_empty() {
        return Err(wrong(&"it holds no sound"));
    }
    Ok(found)
}

fn read_any(opened: Opened, most_bytes: u64) -> Result<Found, Unreadable> {
    let Opened { mut file, bytes } = opened;
    if bytes == 0 {
        return Err("it is empty".to_owned().into());
    }
    let start = tag_bytes(&mut file)?;
    let mut magic = Vec::with_capacity(12);
    file.seek(SeekFrom::Start(start))?;
    (&file).take(12).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    let mut found = if let Some(family) = chunks::Family::of(&magic) {
        chunks::read(&mut file, start..bytes, family, most_bytes)?
    } else {
        // Whatever a file of others brings about there must not end who reads it.
        let decode = AssertUnwindSafe(|| compressed::read(file, most_bytes));
        let broken = |_| Unreadable::Wrong("it is broken".into());
        catch_unwind(decode).map_err(broken)??
    };
    // Nobody has heard more of a recording than whole frames, nor what is no number.
    let Content { samples, channels, .. } = &mut found.content;
    let samples = Arc::make_mut(samples);
    samples.truncate(samples.len() / *channels * *channels);
    for sample in samples.iter_mut().filter(|sample| !sample.is_finite()) {
        *sample = 0.0;
    }
    Ok(found)
}

/// How long the tag is with which a file begins, as some programs write it before anything: `ID3v2`, whose length has 7
/// bits in each byte.
fn tag_bytes(file: &mut File) -> io::Result<u64> {
    let mut head = Vec::with_capacity(10);
    file.take(10).read_to_end(&mut head)?;
    Ok(match head[..] {
        [b'I', b'D', b'3', _, _, _, a, b, c, d] => {
            10 + [a, b, c, d].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 127))
        }
        _ => 0,
    })
}

#[cfg(test)]
mod tests;
