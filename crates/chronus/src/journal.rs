//! The performance journal: the patch and every command with its frame, on disk. Rendering it gives
//! the same samples as were heard.
//!
//! A header with the first score, then records of 64 bytes, each with a checksum: entries of the command
//! log as they were sealed, and marks that say how far the performance had come. Before the entry of an
//! edit comes a mark with its score. A file that ends in the middle of a record, because the machine lost
//! power, is whole up to there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronus_engine::patch::with_former_defaults;
use chronus_engine::{Command, Patch};
use chronus_replication::Entry;
use chronus_replication::amendment::{Amendment, Change};
use chronus_shm::command_log::{from_words, to_words};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"CHRONUSJ";
/// What is played is, bit for bit, what a journal of this version gives.
const VERSION: u32 = 6;
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
    /// The recordings that it names, each with the digest of its samples.
    pub recordings: Vec<(String, u64)>,
}

/// A journal that has been read.
#[derive(Clone, Debug)]
pub struct Journal {
    /// The patch that was played first.
    pub patch: Patch,
    /// Whether this program renders bit for bit what was played. Modules of the one that wrote it may round otherwise.
    pub is_exact: bool,
    /// Its score, and those of the edits, in order.
    pub scores: Vec<Score>,
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
    /// Whether a file begins as a journal does.
    pub fn is_one(path: &Path) -> bool {
        let mut magic = [0; 8];
        let read = File::open(path).and_then(|mut file| fill(&mut file, &mut magic));
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
        let (version, rate_hz, mut score) = read_head(&mut file, path)?;
        let as_written: fn(String) -> String = if version < VERSION_DEFAULTS {
            |text| with_former_defaults(&text)
        } else {
            |text| text
        };
        score.text = as_written(score.text);
        let name = path.display().to_string();
        let mut journal = Self {
            patch: Patch::parse(&score.text, &name)?,
            is_exact: version == VERSION,
            scores: vec![score],
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
        let ended = journal.read_records(&mut file, &name, as_written).map_err(io_error)?;
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
        name: &str,
        as_written: fn(String) -> String,
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
                let Ok(mut score) = postcard::from_bytes::<Score>(&text) else {
                    return damaged("the patch of an edit is damaged", RECORD_BYTES + text.len());
                };
                score.text = as_written(score.text);
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

/// How the records of a journal come to an end.
enum Ended {
    /// With the mark of the end.
    InOrder,
    /// With the file; the last record may be cut short.
    Short,
    /// With a record that can't be played, for this reason; so many bytes of it were read.
    Damaged(&'static str, u64),
}

/// Reads what a journal begins with: the rate and the first score.
fn read_head(file: &mut impl Read, path: &Path) -> Result<(u32, u32, Score), JournalError> {
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
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (version, rate_hz, score_bytes) = (number(8), number(12), u64::from(number(16)));
    if !(VERSION_ALIKE..=VERSION).contains(&version) {
        return Err(JournalError::OtherVersion { path: path.to_owned(), version });
    }
    let text = read_text(file, score_bytes).map_err(io_error)?;
    if (text.len() as u64) < score_bytes && score_bytes <= SCORE_BYTES_MAX {
        return Err(damaged("it ends within its patch"));
    }
    match postcard::from_bytes(&text) {
        Ok(score) if rate_hz > 0 => Ok((version, rate_hz, score)),
        _ => Err(damaged("its header or its patch can't be read")),
    }
}

/// Reads as many bytes as there are, and returns how many.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
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
    let score = postcard::to_allocvec(score).map_err(io::Error::other)?;
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
                (mark(MARK_SCORE, 0, text.len() as u64), text)
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
pub fn whole_part(path: &Path, rate_hz: u32) -> io::Result<Whole> {
    let not_ours = || io::Error::other("it is not the journal of this performance");
    let mut file = BufReader::new(File::open(path)?);
    let mut head = [0_u8; 20];
    file.read_exact(&mut head)?;
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if head[..8] != *MAGIC || (number(8), number(12)) != (VERSION, rate_hz) {
        return Err(not_ours());
    }
    read_score(&mut file, u64::from(number(16))).ok_or_else(not_ours)?;
    let mut position = 20 + u64::from(number(16));
    let mut whole = Whole { bytes: position, commands: 0, amendments: 0 };
    let mut record = [0_u8; RECORD_BYTES];
    while file.read_exact(&mut record).is_ok()
        && let Some(entry) = from_bytes(&record)
    {
        position += RECORD_BYTES as u64;
        if (entry.sequence, entry.payload[0]) == (MARK, MARK_SCORE) {
            // Whole only together with the edit that comes next.
            if read_score(&mut file, entry.payload[1]).is_none() {
                break;
            }
            position += entry.payload[1];
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

fn read_score(file: &mut impl Read, bytes: u64) -> Option<Score> {
    let text = read_text(file, bytes).ok().filter(|text| text.len() as u64 == bytes)?;
    postcard::from_bytes(&text).ok()
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
mod tests {
    use super::*;
    use crate::journal_writer::JournalWriter;

    #[test]
    fn a_journal_is_read_as_written_and_up_to_where_it_was_cut() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.journal");
        let score = score_of(&Patch::first());
        let mut writer = JournalWriter::create(&path, &score, 44_100).expect("create");
        let mut entries: Vec<Entry> =
            (0..3).map(|n| Entry { sequence: n, frame: n * 7, payload: [n, 1, 2, 3, 4] }).collect();
        for entry in &entries {
            writer.command(entry);
        }
        let quiet = Patch::first().text().replace("gain = 0.5", "gain = 0.25");
        let edited = Arc::new(Score { text: quiet, ..score.clone() });
        writer.score(&edited);
        let edit = Command::Edit { number: 1 }.encode();
        entries.push(Entry { sequence: 3, frame: 99, payload: edit });
        writer.command(&entries[3]);
        let change = Change::Withhold { sequence: 1 };
        let amendment = Amendment { number: 0, block: 5, change };
        writer.amendment(&amendment);
        writer.reached(640);
        writer.gap(9);
        writer.finish(1280);
        let journal = Journal::read(&path).expect("read");
        assert_eq!((journal.rate_hz, journal.frames, journal.complete), (44_100, 1280, true));
        assert_eq!(journal.amendments, [amendment]);
        assert_eq!((journal.entries, journal.gaps), (entries.clone(), vec![9]));
        assert_eq!((journal.edits.len(), journal.edits[&1].0.modules()[0].params()[1]), (1, 0.25));
        assert_eq!(journal.scores, [score, (*edited).clone()]);

        let bytes = std::fs::read(&path).expect("bytes");
        std::fs::write(&path, &bytes[..bytes.len() - 65]).expect("cut");
        let journal = Journal::read(&path).expect("read");
        assert_eq!((journal.frames, journal.complete, journal.entries.len()), (640, false, 4));
        assert!(Journal::is_one(&path));
    }

    fn score_of(patch: &Patch) -> Score {
        let text = patch.text().to_owned();
        Score { text, folder: PathBuf::from("songs"), recordings: vec![("a.wav".into(), 7)] }
    }

    #[test]
    fn an_edit_without_its_score_ends_a_journal() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("c.journal");
        let score = score_of(&Patch::first());
        let mut writer = JournalWriter::create(&path, &score, 48_000).expect("create");
        let edit = Command::Edit { number: 1 }.encode();
        for (sequence, payload) in [[4, 0, 0, 0, 0], edit, [4, 0, 0, 0, 0]].into_iter().enumerate()
        {
            writer.command(&Entry { sequence: sequence as u64, frame: 0, payload });
        }
        writer.finish(64);
        let journal = Journal::read(&path).expect("read");
        assert_eq!((journal.entries.len(), journal.complete), (1, false));
        assert_eq!(journal.damage, Some("the patch of an edit is missing"));
    }

    #[test]
    fn what_is_damaged_is_told_apart_from_what_is_cut_short() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("d.journal");
        let score = score_of(&Patch::first());
        let mut writer = JournalWriter::create(&path, &score, 48_000).expect("create");
        let payload = [4, 0, 0, 0, 0];
        writer.command(&Entry { sequence: 0, frame: 7, payload });
        writer.reached(640);
        writer.command(&Entry { sequence: 1, frame: 900, payload });
        writer.finish(1280);
        let whole = std::fs::read(&path).expect("bytes");
        let records = whole.len() - 4 * RECORD_BYTES;
        let read = |bytes: &[u8]| Journal::read_from(bytes, &path);
        let found = |bytes: &[u8]| {
            let journal = read(bytes).expect("a journal");
            (journal.damage, journal.unread_bytes, journal.frames, journal.last_frame())
        };
        assert_eq!(found(&whole), (None, 0, 1280, 1280));
        let rubbish = [&whole[..], b"rubbish"].concat();
        assert_eq!(found(&rubbish), (None, 7, 1280, 1280));
        assert_eq!(found(&whole[..whole.len() - 10]), (None, 0, 640, 900));
        let mut flipped = whole.clone();
        flipped[records + 2 * RECORD_BYTES + 9] ^= 1;
        assert_eq!(found(&flipped), (Some("a record is damaged"), 128, 640, 640));
        for cut in [3, 8, 19, 20, records - 1] {
            let error = read(&whole[..cut]).expect_err("cut").to_string();
            assert!(error.contains("is damaged: it ends within its"), "{cut}: {error}");
            std::fs::write(&path, &whole[..cut]).expect("cut");
            assert!(Journal::is_one(&path), "{cut}");
        }
        let mut other = whole;
        assert!(read(&other).expect("it is whole").is_exact);
        for version in [4, 5] {
            other[8] = version;
            assert!(!read(&other).expect("it sounds alike").is_exact);
        }
        for version in [3, 9] {
            other[8] = version;
            let error = read(&other).expect_err("another version").to_string();
            let expected = format!("of version {version}, and this program reads those of 4 to 6");
            assert!(error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn what_a_patch_leaves_out_is_what_it_was_when_it_was_played() {
        let text = "format = 1\n[[module]]\nid = \"s\"\nkind = \"sine\"\n[output]\nleft = \"s.out\"\n\
                    right = \"s.out\"\n";
        let score = score_of(&Patch::parse(text, "s").expect("a patch"));
        let mut bytes = header(&score, 48_000).expect("a header");
        Record::Score(Arc::new(score)).encode(&mut bytes);
        let edit = Entry { sequence: 0, frame: 0, payload: Command::Edit { number: 1 }.encode() };
        Record::Command(edit).encode(&mut bytes);
        for (version, freq_hz) in [(4, 440.0), (5, 440.0), (6, 261.625_58)] {
            bytes[8] = version;
            let journal = Journal::read_from(&bytes[..], Path::new("a.journal")).expect("read");
            for patch in [&journal.patch, &journal.edits[&1].0] {
                assert_eq!(patch.modules()[0].params()[0], freq_hz, "version {version}");
            }
        }
    }

    #[test]
    fn a_journal_that_a_supervisor_left_is_as_long_as_was_played() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("e.journal");
        let mut bytes = header(&score_of(&Patch::first()), 48_000).expect("a header");
        Record::Reached(640).encode(&mut bytes);
        Record::Resumed(1000, 1024).encode(&mut bytes);
        let journal = Journal::read_from(&bytes[..], &path).expect("read");
        assert_eq!((journal.frames, journal.complete), (1000, false));
    }

    #[test]
    fn anything_else_is_refused_with_a_sentence() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("b.journal");
        std::fs::write(&path, b"RIFF....WAVE").expect("write");
        let error = Journal::read(&path).expect_err("not a journal").to_string();
        assert!(error.contains("give a file written by `chronus run --journal`"), "{error}");
    }
}
