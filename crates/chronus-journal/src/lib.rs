//! The performance journal: the patch and every command with its frame, on disk. Rendering it gives
//! the same samples as were heard.
//!
//! A header with the first score, then records of 64 bytes, each with a checksum: entries of the command
//! log as they were sealed, and marks that say how far the performance had come. Before the entry of an
//! edit comes a mark with its score. A file that ends in the middle of a record, because the machine lost
//! power, is whole up to there.

#![forbid(unsafe_code)]

pub mod file;
mod fnv;
#[cfg(test)]
#[path = "../../chronus-output/tests/support/waiting.rs"]
mod waiting;
mod writer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronus_engine::patch::with_former_defaults;
use chronus_engine::{Command, ContentDigest, Patch, PatchModule, SOUND_VERSION};
use chronus_files::{fill, regular};
use chronus_replication::Entry;
use chronus_replication::amendment::{Amendment, Change};
use chronus_shm::command_log::{from_words, to_words};
use serde::{Deserialize, Serialize};

pub use writer::{JournalStatus, JournalWriter, Left};

const MAGIC: &[u8; 8] = b"CHRONUSJ";
/// Journals of this version are written.
const VERSION: u32 = 7;
/// From this version on, recordings are named by what they hold; before, by their names and a weaker digest.
const VERSION_OF_CONTENTS: u32 = 6;
/// From this version on, journals name their sound version and the program that wrote them, and each score who made it.
const VERSION_OF_ORIGINS: u32 = 7;
/// The sound version of those before, which did not name it.
const SOUND_OF_CONTENTS: u32 = 2;
const SOUND_ALIKE: u32 = 1;
/// Those from this version on sound alike. In those before, some parameters were in other units.
const VERSION_ALIKE: u32 = 4;
/// From this version on, what a patch leaves out is what it is now.
const VERSION_DEFAULTS: u32 = 6;
/// Magic, version, rate and the length of the first score.
const HEAD_BYTES: usize = 20;
const RECORD_BYTES: usize = 64;
/// The sequence number that no command has: the record is a mark.
const MARK: u64 = u64::MAX;
/// Nor this one: the record is an amendment, of the block of its frame.
const AMENDMENT: u64 = u64::MAX - 1;
const MARK_END: u64 = 1;
const MARK_REACHED: u64 = 2;
const MARK_GAP: u64 = 3;
const MARK_SCORE: u64 = 4;
const MARK_RESUMED: u64 = 16;
/// No score is longer.
const SCORE_BYTES_MAX: u64 = 16 << 20;

/// Why a journal can't be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file can't be opened or read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is something else.
    #[error("{path} is not a journal; give a file written by `chronus run --journal`", path = .0.display())]
    NotAJournal(PathBuf),
    /// Another program wrote it.
    #[error(
        "{path} is a journal of version {version}, and this program reads those of {VERSION_ALIKE} to {VERSION}; render it with \
         the program that wrote it",
        path = path.display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Nothing of it can be played.
    #[error(
        "{path} is damaged: {what}, so that nothing of it can be played; is there a copy?",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        what: &'static str,
    },
    /// Its patch is not valid.
    #[error("the patch in the journal: {0}")]
    Patch(#[from] chronus_engine::PatchError),
}

/// A patch as it is kept: its text, and what else there must be to play it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The text of the patch.
    pub text: String,
    /// Where the names of its recordings count from.
    pub folder: PathBuf,
    /// The recordings that its modules play.
    pub recordings: Vec<Played>,
    /// Whose it is.
    pub origin: Origin,
}

/// Who made an edition of the patch, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The name of a session, or of who sent it; empty if it is not known.
    pub author: String,
    /// Why; empty if that was not said.
    pub reason: String,
}

/// What a module plays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// The id of the module.
    pub module: String,
    /// The file that it was read from, as the patch names it.
    pub file: String,
    /// What it held.
    pub content: ContentDigest,
}

impl Score {
    /// What a packed patch plays, whose text is this; names of recordings count from `folder`.
    pub fn of(patch: &Patch, text: &str, folder: &Path) -> Self {
        let played = |module: &PatchModule| {
            let (module, file, content) = (module.id(), module.file()?, module.content()?);
            Some(Played { module: module.to_owned(), file: file.to_owned(), content })
        };
        Self {
            text: text.to_owned(),
            folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
            recordings: patch.modules().iter().filter_map(played).collect(),
            origin: Origin::default(),
        }
    }

    /// What a module plays.
    fn content_of(&self, module: &PatchModule) -> Option<ContentDigest> {
        let played = self.recordings.iter().find(|played| played.module == module.id())?;
        Some(played.content)
    }
}

/// A score as journals before [`VERSION_OF_ORIGINS`] have it.
#[derive(Deserialize)]
struct ScoreWithoutOrigin {
    text: String,
    folder: PathBuf,
    recordings: Vec<Played>,
}

/// What a journal begins with, behind the numbers.
#[derive(Serialize, Deserialize)]
struct Beginning {
    /// The sound version.
    sound: u32,
    /// The version of the program.
    program: String,
    score: Score,
}

/// A score as journals before [`VERSION_OF_CONTENTS`] have it.
#[derive(Deserialize)]
struct OldScore {
    text: String,
    folder: PathBuf,
    recordings: Vec<(String, u64)>,
}

/// The text of a patch; what an old one leaves out was otherwise then.
fn as_written(version: u32, text: String) -> String {
    if version < VERSION_DEFAULTS { with_former_defaults(&text) } else { text }
}

/// A score as it was read, and of an old one the files of its recordings with their digests of then.
type ReadScore = (Score, Vec<(PathBuf, u64)>);

fn decode_score(version: u32, bytes: &[u8]) -> Option<ReadScore> {
    if version >= VERSION_OF_ORIGINS {
        return Some((postcard::from_bytes(bytes).ok()?, Vec::new()));
    }
    if version >= VERSION_OF_CONTENTS {
        let ScoreWithoutOrigin { text, folder, recordings } = postcard::from_bytes(bytes).ok()?;
        return Some((Score { text, folder, recordings, origin: Origin::default() }, Vec::new()));
    }
    let OldScore { text, folder, recordings } = postcard::from_bytes(bytes).ok()?;
    let named = recordings.into_iter().map(|(name, digest)| (folder.join(name), digest));
    let named = named.collect();
    Some((Score { text, folder, recordings: Vec::new(), origin: Origin::default() }, named))
}

/// A journal that has been read.
#[derive(Clone, Debug)]
pub struct Journal {
    /// The file.
    pub path: PathBuf,
    /// The patch that was played first.
    pub patch: Patch,
    /// The version of its sound: this program renders bit for bit what was played if it is its own
    /// ([`SOUND_VERSION`]).
    pub sound: u32,
    /// The version of the program that wrote it, which renders it exactly; `None` if the journal is of before they said so.
    pub program: Option<String>,
    /// Its score, and those of the edits, in order.
    pub scores: Vec<Score>,
    /// The recordings that an old journal names, with the digests that journals had then ([`old_digest`]).
    pub named: Vec<(PathBuf, u64)>,
    /// The patches of the edits by their numbers, and where the names of their recordings count from.
    pub edits: BTreeMap<u32, (Patch, PathBuf)>,
    /// The sample rate, in Hz.
    pub rate_hz: u32,
    /// The commands, in order.
    pub entries: Vec<Entry>,
    /// What was decided about blocks after they were sealed, in order.
    pub amendments: Vec<Amendment>,
    /// How many frames were played, as far as the journal says.
    pub frames: u64,
    /// Blocks that no replica had when they were needed.
    pub gaps: Vec<u64>,
    /// Where the sound stopped because its supervisor died, and the frame at which the next one went on.
    pub resumptions: Vec<(u64, u64)>,
    /// Whether it was closed in order.
    pub complete: bool,
    /// What is wrong with a record, so that it can't be read on; one that is only cut short at the end of the
    /// file is nothing wrong.
    pub damage: Option<&'static str>,
    /// So many bytes were not read: those from the damaged record on, or what follows the end.
    pub unread_bytes: u64,
}

impl Journal {
    /// Whether this program renders bit for bit what was played.
    pub fn is_exact(&self) -> bool {
        self.sound == SOUND_VERSION
    }

    /// Whether a file begins as a journal does. What is no regular file is none, and is not opened.
    pub fn is_one(path: &Path) -> bool {
        let mut magic = [0; 8];
        let Ok(mut opened) = regular(path) else { return false };
        let read = fill(&mut opened.file, &mut magic);
        read.is_ok_and(|length| length > 0 && MAGIC.starts_with(&magic[..length]))
    }

    /// Reads a journal, up to the first record that is damaged or cut short.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let io_error = |source| JournalError::Io { path: path.to_owned(), source };
        Self::read_from(BufReader::new(File::open(path).map_err(io_error)?), path)
    }

    /// The same from its bytes; `path` is only named in errors.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn read_from(mut file: impl Read, path: &Path) -> Result<Self, JournalError> {
        let Head { version, rate_hz, sound, program, score } = read_head(&mut file, path)?;
        let (mut score, named) = score;
        score.text = as_written(version, score.text);
        let name = path.display().to_string();
        let mut journal = Self {
            path: path.to_owned(),
            patch: Patch::parse(&score.text, &name)?.with_contents(|it| score.content_of(it)),
            sound,
            program,
            scores: vec![score],
            named,
            edits: BTreeMap::new(),
            rate_hz,
            entries: Vec::new(),
            amendments: Vec::new(),
            frames: 0,
            gaps: Vec::new(),
            resumptions: Vec::new(),
            complete: false,
            damage: None,
            unread_bytes: 0,
        };
        let io_error = |source| JournalError::Io { path: path.to_owned(), source };
        let ended = journal.read_records(&mut file, version, &name).map_err(io_error)?;
        let rest = io::copy(&mut file, &mut io::sink()).map_err(io_error)?;
        match ended {
            Ended::InOrder => journal.unread_bytes = rest,
            Ended::Short => {}
            Ended::Damaged(what, bytes) => {
                journal.damage = Some(what);
                journal.unread_bytes = bytes + rest;
            }
        }
        Ok(journal)
    }

    /// Reads up to the end, or to the first record that can't be played.
    fn read_records(
        &mut self,
        file: &mut impl Read,
        version: u32,
        name: &str,
    ) -> io::Result<Ended> {
        // The edits that were played, in order, and the score of the one whose command comes next.
        let mut played: Vec<(u64, u32)> = Vec::new();
        let mut next_score = None;
        let mut record = [0_u8; RECORD_BYTES];
        let damaged = |what, bytes: usize| Ok(Ended::Damaged(what, bytes as u64));
        while !self.complete {
            if fill(file, &mut record)? < RECORD_BYTES {
                return Ok(Ended::Short);
            }
            let Some(entry) = from_bytes(&record) else {
                return damaged("a record is damaged", RECORD_BYTES);
            };
            if (entry.sequence, entry.payload[0]) == (MARK, MARK_SCORE) {
                let text = read_text(file, entry.payload[1])?;
                if (text.len() as u64) < entry.payload[1] && entry.payload[1] <= SCORE_BYTES_MAX {
                    return Ok(Ended::Short);
                }
                let is_whole =
                    version < VERSION_OF_ORIGINS || entry.payload[2] == checksum_of(&text);
                let decoded = decode_score(version, &text).filter(|_| is_whole);
                let Some((mut score, named)) = decoded else {
                    return damaged("the patch of an edit is damaged", RECORD_BYTES + text.len());
                };
                score.text = as_written(version, score.text);
                self.named.extend(named);
                self.scores.push(score.clone());
                next_score = Some(score);
                continue;
            }
            if let Some(number) = edit_number(&entry) {
                // An edit without its score can't be played, nor what comes after it.
                let Some(score) = next_score.take() else {
                    return damaged("the patch of an edit is missing", RECORD_BYTES);
                };
                let Ok(patch) = Patch::parse(&score.text, name) else {
                    return damaged("the patch of an edit is damaged", RECORD_BYTES);
                };
                let patch = patch.with_contents(|module| score.content_of(module));
                let last = played.last().and_then(|(_, number)| self.edits.get(number));
                let patch = patch.succeeding(last.map_or(&self.patch, |(patch, _)| patch));
                self.edits.insert(number, (patch, score.folder));
                played.push((entry.sequence, number));
            }
            self.take(entry);
            if let Some(Change::Withhold { sequence }) = self.amendments.last().map(|a| a.change) {
                played.retain(|(edit, _)| *edit != sequence);
            }
        }
        Ok(Ended::InOrder)
    }

    /// How far it tells of the performance: to the last mark of the time, or the last command.
    pub fn last_frame(&self) -> u64 {
        self.entries.last().map_or(self.frames, |entry| entry.frame.max(self.frames))
    }

    fn take(&mut self, entry: Entry) {
        if entry.sequence == AMENDMENT {
            let sequence = self.amendments.len() as u64;
            self.amendments.push(Amendment::from_entry(&Entry { sequence, ..entry }));
            return;
        }
        if entry.sequence != MARK {
            self.entries.push(entry);
            return;
        }
        match entry.payload[0] {
            MARK_GAP => self.gaps.push(entry.payload[1]),
            MARK_RESUMED => {
                self.resumptions.push((entry.payload[1], entry.frame));
                self.frames = self.frames.max(entry.payload[1]);
            }
            kind => {
                self.frames = entry.frame;
                self.complete = kind == MARK_END;
            }
        }
    }
}

/// How journals before version 6 told one recording from another: FNV-1a over the bits of its samples. They still find
/// their recordings by it; whatever is named anew is named by its [`ContentDigest`].
pub fn old_digest(samples: &[f32]) -> u64 {
    fnv::fnv1a(samples.iter().map(|sample| sample.to_bits()))
}

/// How the records of a journal come to an end.
enum Ended {
    /// With the mark of the end.
    InOrder,
    /// With the file; the last record may be cut short.
    Short,
    /// With a record that can't be played, for this reason; so many bytes of it were read.
    Damaged(&'static str, u64),
}

/// What a journal begins with.
struct Head {
    version: u32,
    rate_hz: u32,
    sound: u32,
    program: Option<String>,
    score: ReadScore,
}

/// The version, the rate and the length of the first score.
fn numbers_of(head: &[u8; HEAD_BYTES]) -> [u32; 3] {
    let (numbers, _) = head[MAGIC.len()..].as_chunks::<4>();
    std::array::from_fn(|i| u32::from_le_bytes(numbers[i]))
}

/// Reads what a journal begins with.
fn read_head(file: &mut impl Read, path: &Path) -> Result<Head, JournalError> {
    let io_error = |source| JournalError::Io { path: path.to_owned(), source };
    let damaged = |what| JournalError::Damaged { path: path.to_owned(), what };
    let mut head = [0_u8; HEAD_BYTES];
    let length = fill(file, &mut head).map_err(io_error)?;
    if length == 0 || !MAGIC.starts_with(&head[..length.min(MAGIC.len())]) {
        return Err(JournalError::NotAJournal(path.to_owned()));
    }
    if length < HEAD_BYTES {
        return Err(damaged("it ends within its header"));
    }
    let [version, rate_hz, score_bytes] = numbers_of(&head);
    let score_bytes = u64::from(score_bytes);
    if !(VERSION_ALIKE..=VERSION).contains(&version) {
        return Err(JournalError::OtherVersion { path: path.to_owned(), version });
    }
    let text = read_text(file, score_bytes).map_err(io_error)?;
    if (text.len() as u64) < score_bytes && score_bytes <= SCORE_BYTES_MAX {
        return Err(damaged("it ends within its patch"));
    }
    let unreadable = || damaged("its header or its patch can't be read");
    let (sound, program, score) = match version {
        VERSION_OF_ORIGINS.. => {
            let (text, checksum) = text.split_last_chunk::<8>().ok_or_else(unreadable)?;
            if u64::from_le_bytes(*checksum) != checksum_of(text) {
                return Err(damaged("its patch is damaged"));
            }
            let Beginning { sound, program, score } =
                postcard::from_bytes(text).map_err(|_| unreadable())?;
            (sound, Some(program), (score, Vec::new()))
        }
        older => {
            let sound = if older >= VERSION_OF_CONTENTS { SOUND_OF_CONTENTS } else { SOUND_ALIKE };
            (sound, None, decode_score(older, &text).ok_or_else(unreadable)?)
        }
    };
    if rate_hz == 0 {
        return Err(unreadable());
    }
    Ok(Head { version, rate_hz, sound, program, score })
}

/// Of the text of a patch: 64-bit FNV-1a. A record has a checksum of its own.
fn checksum_of(text: &[u8]) -> u64 {
    fnv::fnv1a(text.iter().copied())
}

/// Reads so much, or what there is; of a text that is longer than any score, nothing.
fn read_text(file: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if bytes <= SCORE_BYTES_MAX {
        file.take(bytes).read_to_end(&mut text)?;
    }
    Ok(text)
}

/// What a journal begins with.
///
/// # Errors
/// If the score can't be encoded.
pub fn header(score: &Score, rate_hz: u32) -> io::Result<Vec<u8>> {
    let beginning = Beginning {
        sound: SOUND_VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        score: score.clone(),
    };
    let score = postcard::to_allocvec(&beginning).map_err(io::Error::other)?;
    let checksum = checksum_of(&score);
    let score = [score, checksum.to_le_bytes().into()].concat();
    let mut header = MAGIC.to_vec();
    for number in [VERSION, rate_hz, score.len() as u32] {
        header.extend(number.to_le_bytes());
    }
    header.extend(score);
    Ok(header)
}

/// One record of a journal; a score is followed by its text.
#[derive(Debug)]
pub enum Record {
    /// A command.
    Command(Entry),
    /// What was decided about a block after it was sealed.
    Amendment(Amendment),
    /// The score of the edit whose command comes next.
    Score(Arc<Score>),
    /// So many frames have been played.
    Reached(u64),
    /// No replica had this block.
    Gap(u64),
    /// The supervisor died when the sound had come to the first frame; another went on at the second.
    Resumed(u64, u64),
    /// The performance has ended after so many frames.
    End(u64),
}

impl Record {
    /// Appends the record to `bytes`.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let mark = |kind: u64, frame: u64, value: u64| Entry {
            sequence: MARK,
            frame,
            payload: [kind, value, 0, 0, 0],
        };
        let (entry, text) = match self {
            Self::Command(entry) => (*entry, Vec::new()),
            Self::Amendment(amendment) => {
                (Entry { sequence: AMENDMENT, ..amendment.to_entry() }, Vec::new())
            }
            Self::Score(score) => {
                // Only a writer that fails can fail to encode, and memory does not.
                let text = postcard::to_allocvec(&**score).unwrap_or_default();
                let mut mark = mark(MARK_SCORE, 0, text.len() as u64);
                mark.payload[2] = checksum_of(&text);
                (mark, text)
            }
            Self::Reached(frames) => (mark(MARK_REACHED, *frames, 0), Vec::new()),
            Self::Gap(block) => (mark(MARK_GAP, 0, *block), Vec::new()),
            Self::Resumed(stopped, goes_on) => (mark(MARK_RESUMED, *goes_on, *stopped), Vec::new()),
            Self::End(frames) => (mark(MARK_END, *frames, 0), Vec::new()),
        };
        bytes.extend(to_words(&entry).iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(text);
    }
}

/// What is whole of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// So many bytes.
    pub bytes: u64,
    /// The number of the command that comes next.
    pub commands: u64,
    /// The number of the amendment that comes next.
    pub amendments: u64,
}

/// How much of a journal is whole, which was written at this rate.
///
/// # Errors
/// If it is another, or no journal at all.
pub fn whole_part(mut file: &File, rate_hz: u32) -> io::Result<Whole> {
    let not_ours = || io::Error::other("it is not the journal of this performance");
    file.seek(SeekFrom::Start(0))?;
    let mut file = BufReader::new(file);
    let mut head = [0_u8; HEAD_BYTES];
    file.read_exact(&mut head)?;
    let [version, rate, score_bytes] = numbers_of(&head);
    if !head.starts_with(MAGIC) || (version, rate) != (VERSION, rate_hz) {
        return Err(not_ours());
    }
    let text = read_text(&mut file, u64::from(score_bytes))?;
    let (text, checksum) = text.split_last_chunk::<8>().ok_or_else(not_ours)?;
    if u64::from_le_bytes(*checksum) != checksum_of(text) {
        return Err(not_ours());
    }
    let mut position = HEAD_BYTES as u64 + u64::from(score_bytes);
    let mut whole = Whole { bytes: position, commands: 0, amendments: 0 };
    let mut record = [0_u8; RECORD_BYTES];
    while file.read_exact(&mut record).is_ok()
        && let Some(entry) = from_bytes(&record)
    {
        position += RECORD_BYTES as u64;
        if (entry.sequence, entry.payload[0]) == (MARK, MARK_SCORE) {
            // Whole only together with the edit that comes next.
            let [_, bytes, checksum, ..] = entry.payload;
            let is_whole =
                |text: &Vec<u8>| text.len() as u64 == bytes && checksum_of(text) == checksum;
            if !read_text(&mut file, bytes).is_ok_and(|text| is_whole(&text)) {
                break;
            }
            position += bytes;
            continue;
        }
        match entry.sequence {
            MARK => {}
            AMENDMENT => whole.amendments += 1,
            sequence => whole.commands = sequence + 1,
        }
        whole.bytes = position;
    }
    Ok(whole)
}

/// The number of the edit that an entry calls for.
pub fn edit_number(entry: &Entry) -> Option<u32> {
    match Command::decode(entry.payload) {
        Ok(Command::Edit { number }) => Some(number),
        _ => None,
    }
}

fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Entry> {
    let (words, _) = bytes.as_chunks::<8>();
    from_words(&std::array::from_fn(|i| u64::from_le_bytes(words[i])))
}

#[cfg(test)]
mod tests;
