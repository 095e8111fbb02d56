//! Writes a journal from a thread of its own. Nothing here can hold up the supervisor: it hands records
//! over through a wait-free queue, and the thread looks into it by itself.
//!
//! When the disk is full or fails, the thread keeps what it has, leaves the rest in the queue, and tries again
//! until there is room: then the journal goes on without a gap. Only if the queue overflows meanwhile it ends
//! there, for nothing that comes after a hole may be played. Whenever the program ends, the file is a
//! whole prefix of the performance.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chronus_files::name_of;
use chronus_replication::Entry;
use chronus_replication::amendment::Amendment;
use rtrb::{Consumer, Producer, RingBuffer};
use serde::Serialize;

use crate::{Record, Score, edit_number, header, whole_part};

/// Records that may wait for the disk.
const QUEUE: usize = 1 << 16;
/// And so much text of patches among them.
const TEXT_BYTES: u64 = 64 << 20;
/// So much is written at once.
const WRITE_BYTES: usize = 1 << 20;
/// The writing thread looks for records this often.
const LOOK: Duration = Duration::from_millis(100);
/// A disk that did not take something is asked again after this time.
const RETRY: Duration = Duration::from_millis(500);
/// How long a disk may take at the end.
const END_WITHIN: Duration = Duration::from_secs(2);
/// The file is looked for this often.
const MISS_EVERY: Duration = Duration::from_secs(1);

/// What goes on with a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// It is written.
    Writing,
    /// The disk takes nothing; records wait, and it is tried again.
    Waiting,
    /// It has ended before its time.
    Over,
}

/// What the thread says. Read for people only.
#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    /// What the system said last; 0 for nothing.
    errno: AtomicI32,
    /// Why the thread has given the file up.
    given_up: OnceLock<String>,
    /// Records that it has thrown away since then.
    thrown_away: AtomicU64,
    /// Text of patches in the queue.
    text_bytes: AtomicU64,
    /// What the file is called now. Whoever has a priority only tries this lock.
    name: RwLock<String>,
}

/// A journal, as the player sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JournalStatus {
    /// none, writing, waiting (the disk takes nothing; it goes on when it does) or over.
    pub state: &'static str,
    /// The file, as it is called now.
    pub file: String,
    /// Why it is not written.
    pub reason: Option<String>,
    /// Records that are not in it, because it was over.
    pub lost: u64,
}

impl JournalStatus {
    /// There is no journal.
    pub fn none() -> Self {
        Self { state: "none", ..Self::default() }
    }
}

/// The supervisor's end.
#[derive(Debug)]
pub struct JournalWriter {
    name: String,
    records: Option<Producer<Record>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    lost: u64,
    told: State,
}

impl JournalWriter {
    /// Writes the header of a journal into an empty file, which is called `path`.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn create(file: File, path: &Path, score: &Score, rate_hz: u32) -> io::Result<Self> {
        Self::begin(file, path.display().to_string(), score, rate_hz)
    }

    /// Goes on with the journal that a supervisor has left which died: what it had not written yet comes from
    /// the log. The file is read and mended by the thread, however long it is.
    ///
    /// # Errors
    /// As the system says.
    pub fn resume(file: File, path: &Path, left: Left) -> io::Result<Self> {
        Self::start(file, path.display().to_string(), move |disk| left.mend(disk))
    }

    fn begin(mut disk: impl Disk, name: String, score: &Score, rate_hz: u32) -> io::Result<Self> {
        let header = header(score, rate_hz)?;
        disk.write(&header, 0)?;
        Self::start(disk, name, move |_| Ok((header.len() as u64, Vec::with_capacity(WRITE_BYTES))))
    }

    /// Starts the thread, which first of all finds out how much is in the file, and what comes next.
    fn start<D: Disk>(
        disk: D,
        name: String,
        find: impl FnOnce(&mut D) -> io::Result<(u64, Vec<u8>)> + Send + 'static,
    ) -> io::Result<Self> {
        let (records, queue) = RingBuffer::new(QUEUE);
        let shared = Arc::new(Shared {
            state: AtomicU8::new(State::Writing as u8),
            errno: AtomicI32::new(0),
            given_up: OnceLock::new(),
            thrown_away: AtomicU64::new(0),
            text_bytes: AtomicU64::new(0),
            name: RwLock::new(name.clone()),
        });
        let mut scribe = Scribe {
            disk,
            name: name.clone(),
            queue,
            shared: shared.clone(),
            written_bytes: 0,
            pending: Vec::new(),
        };
        let body = move || match find(&mut scribe.disk) {
            Ok(found) => {
                scribe.mind_its_name();
                (scribe.written_bytes, scribe.pending) = found;
                scribe.write_all();
            }
            Err(error) => scribe.discard(&error.to_string()),
        };
        let thread = std::thread::Builder::new().name("journal".into()).spawn(body)?;
        let (records, thread) = (Some(records), Some(thread));
        Ok(Self { name, records, thread, shared, lost: 0, told: State::Writing })
    }

    /// Notes a command.
    pub fn command(&mut self, entry: &Entry) {
        self.push(Record::Command(*entry));
    }

    /// Notes what was decided about a block after it was sealed.
    pub fn amendment(&mut self, amendment: &Amendment) {
        self.push(Record::Amendment(*amendment));
    }

    /// Notes the score of the edit whose command comes next.
    pub fn score(&mut self, score: &Arc<Score>) {
        let bytes = score.text.len() as u64;
        if self.shared.text_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > TEXT_BYTES {
            self.end_early();
        }
        self.push(Record::Score(score.clone()));
    }

    /// Notes how many frames have been played.
    pub fn reached(&mut self, frames: u64) {
        self.push(Record::Reached(frames));
    }

    /// Notes a block that no replica had.
    pub fn gap(&mut self, block: u64) {
        self.push(Record::Gap(block));
    }

    /// How it is, if that has changed since the last call.
    pub fn news(&mut self) -> Option<JournalStatus> {
        let state = self.state();
        let is_news = std::mem::replace(&mut self.told, state) != state;
        is_news.then(|| self.status())
    }

    /// How it is.
    pub fn status(&self) -> JournalStatus {
        let errno = self.shared.errno.load(Ordering::Relaxed);
        let (state, reason) = match self.state() {
            State::Writing => ("writing", None),
            State::Waiting if errno == 0 => ("waiting", Some("the disk is too slow".into())),
            State::Waiting => ("waiting", Some(io::Error::from_raw_os_error(errno).to_string())),
            State::Over => {
                let overflowed = || "the disk took nothing for too long".to_owned();
                let given_up = self.shared.given_up.get().cloned();
                ("over", Some(given_up.unwrap_or_else(overflowed)))
            }
        };
        let lost = self.lost + self.shared.thrown_away.load(Ordering::Relaxed);
        // Another thread looks for it once a second, since a disk may hold up who looks.
        let file = self.shared.name.try_read().map_or_else(|_| self.name.clone(), |it| it.clone());
        JournalStatus { state, file, reason, lost }
    }

    fn state(&self) -> State {
        let Some(records) = &self.records else { return State::Over };
        match self.shared.state.load(Ordering::Acquire) {
            over if over == State::Over as u8 => State::Over,
            waiting if waiting == State::Waiting as u8 => State::Waiting,
            // A thread that hangs in a write can't say so.
            _ if records.slots() < QUEUE / 2 => State::Waiting,
            _ => State::Writing,
        }
    }

    /// Notes the end and closes the file. Waits for the disk, but not for long.
    pub fn finish(mut self, frames: u64) {
        let Some(thread) = self.thread.take() else { return };
        let give_up = Instant::now() + END_WITHIN;
        let mut end = Some(Record::End(frames));
        while let (Some(records), Some(record)) = (&mut self.records, end.take())
            && let Err(rtrb::PushError::Full(record)) = records.push(record)
            && Instant::now() < give_up
        {
            end = Some(record);
            std::thread::sleep(LOOK);
        }
        self.records = None;
        let give_up = Instant::now() + END_WITHIN + RETRY;
        while !thread.is_finished() {
            if Instant::now() >= give_up {
                tracing::error!(
                    "journal {}: the disk takes too long; it is left as it is",
                    self.name
                );
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = thread.join();
    }

    fn push(&mut self, record: Record) {
        match self.records.as_mut().map(|records| records.push(record).is_ok()) {
            Some(true) => {}
            Some(false) => self.end_early(),
            None => self.lost += 1,
        }
    }

    /// Nothing may follow what could not be taken.
    fn end_early(&mut self) {
        if self.records.take().is_some() {
            self.lost += 1;
            tracing::error!(
                "journal {}: the disk took nothing for too long; it ends here, and the sound goes on \
                 without a journal",
                self.name
            );
        }
    }
}

/// What a supervisor leaves that its journal may not have yet.
#[derive(Debug)]
pub struct Left {
    /// Frames per second.
    pub rate_hz: u32,
    /// How many entries the log has.
    pub log_position: u64,
    /// Those that it still holds.
    pub entries: Vec<Entry>,
    /// How many amendments there are.
    pub amended: u64,
    /// Those that are still kept.
    pub amendments: Vec<Amendment>,
    /// The scores of edits among the entries, by number.
    pub scores: Vec<(u32, Arc<Score>)>,
    /// The frame that the sound had come to.
    pub stopped_at: u64,
    /// The frame at which it goes on.
    pub goes_on_at: u64,
}

impl Left {
    /// Cuts off what is torn; returns how much is whole, and what is missing.
    fn mend(&self, disk: &File) -> io::Result<(u64, Vec<u8>)> {
        let whole = whole_part(disk, self.rate_hz)?;
        if whole.commands > self.log_position || whole.amendments > self.amended {
            return Err(io::Error::other("it is not the journal of this performance"));
        }
        disk.set_len(whole.bytes)?;
        let missing = self.entries.iter().filter(|entry| entry.sequence >= whole.commands);
        let mut missing = missing.peekable();
        let first = missing.peek().map_or(self.log_position, |entry| entry.sequence);
        let amendments = self.amendments.iter().filter(|it| it.number >= whole.amendments);
        let mut amendments = amendments.peekable();
        let first_amendment = amendments.peek().map_or(self.amended, |it| it.number);
        if first > whole.commands || first_amendment > whole.amendments {
            return Err(io::Error::other(format!(
                "it ends before command {}, and the log remembers only from {first} on",
                whole.commands
            )));
        }
        let mut bytes = Vec::with_capacity(WRITE_BYTES);
        for entry in missing {
            // An edit is based on what was decided before about others.
            while let Some(amendment) = amendments.next_if(|it| it.block < entry.block()) {
                Record::Amendment(*amendment).encode(&mut bytes);
            }
            if let Some(number) = edit_number(entry)
                && let Some((_, score)) = self.scores.iter().find(|(of, _)| *of == number)
            {
                Record::Score(score.clone()).encode(&mut bytes);
            }
            Record::Command(*entry).encode(&mut bytes);
        }
        for amendment in amendments {
            Record::Amendment(*amendment).encode(&mut bytes);
        }
        Record::Resumed(self.stopped_at, self.goes_on_at).encode(&mut bytes);
        Ok((whole.bytes, bytes))
    }
}

/// Where a journal is written.
trait Disk: Send + 'static {
    /// Writes all of `bytes` at this place; after an error it may have written any of them.
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Has everything on the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Somebody has deleted the file.
    fn is_deleted(&self) -> bool;
    /// What the file is called that was called `given`.
    fn name(&self, given: &str) -> String;
}

impl Disk for File {
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn is_deleted(&self) -> bool {
        self.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    fn name(&self, given: &str) -> String {
        name_of(self, Path::new(given)).display().to_string()
    }
}

/// The thread that writes.
struct Scribe<D> {
    disk: D,
    name: String,
    queue: Consumer<Record>,
    shared: Arc<Shared>,
    /// So much is in the file for certain.
    written_bytes: u64,
    /// What comes next; of a write that failed, the file may hold a part already.
    pending: Vec<u8>,
}

impl<D: Disk> Scribe<D> {
    fn write_all(mut self) {
        let mut give_up = None;
        let mut missed = Instant::now();
        loop {
            // Read before the queue is emptied: whoever abandons it has pushed all that it ever will.
            let ended = self.queue.is_abandoned();
            self.take();
            let written = self.write();
            if missed.elapsed() >= MISS_EVERY {
                missed = Instant::now();
                self.mind_its_name();
                if self.disk.is_deleted() {
                    return self.discard("somebody has deleted it");
                }
            }
            match written {
                Ok(()) if !self.queue.is_empty() => {}
                Ok(()) if ended => return self.close(),
                Ok(()) => std::thread::sleep(LOOK),
                Err(error) if ended => {
                    let give_up = *give_up.get_or_insert_with(|| Instant::now() + END_WITHIN);
                    if Instant::now() >= give_up {
                        return self.say_short(&error);
                    }
                    std::thread::sleep(LOOK);
                }
                Err(_) => std::thread::sleep(RETRY),
            }
        }
    }

    /// A file that was renamed is told by the name that it has now.
    fn mind_its_name(&self) {
        let name = self.disk.name(&self.name);
        let lock = &self.shared.name;
        let is_known = *lock.read().unwrap_or_else(PoisonError::into_inner) == name;
        if !is_known {
            *lock.write().unwrap_or_else(PoisonError::into_inner) = name;
        }
    }

    /// Takes what is in the queue, up to a bound; returns how many records that were.
    fn take(&mut self) -> u64 {
        let mut taken = 0;
        while self.pending.len() < WRITE_BYTES
            && let Ok(record) = self.queue.pop()
        {
            taken += 1;
            record.encode(&mut self.pending);
            if let Record::Score(score) = &record {
                self.shared.text_bytes.fetch_sub(score.text.len() as u64, Ordering::Relaxed);
            }
        }
        taken
    }

    fn write(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = self.disk.write(&self.pending, self.written_bytes);
        if written.is_ok() {
            self.written_bytes += self.pending.len() as u64;
            self.pending.clear();
        }
        self.say(written.as_ref().err());
        written
    }

    /// Says that it waits, or that it goes on, once.
    fn say(&self, error: Option<&io::Error>) {
        let state = if error.is_some() { State::Waiting } else { State::Writing };
        let errno = error.and_then(io::Error::raw_os_error).unwrap_or(0);
        self.shared.errno.store(errno, Ordering::Relaxed);
        let before = self.shared.state.swap(state as u8, Ordering::Relaxed);
        if before == state as u8 {
            return;
        }
        match error {
            Some(error) => tracing::error!(
                "journal {}: {error}; the sound goes on, and so will the journal, without a gap, if there \
                 is room again soon",
                self.name
            ),
            None => {
                tracing::info!("journal {}: it is written again, nothing is missing", self.name);
            }
        }
    }

    fn close(mut self) {
        if let Err(error) = self.disk.sync() {
            tracing::error!("journal {}: {error}; its end may be missing", self.name);
        }
    }

    fn say_short(self, error: &io::Error) {
        let missing = self.pending.len();
        tracing::error!(
            "journal {}: {error}; its last {missing} bytes are missing, it holds what was played before",
            self.name
        );
    }

    /// Nobody will find the file any more, or it can't be gone on with: takes and forgets the rest, so that the
    /// queue is never full.
    fn discard(mut self, why: &str) {
        let _ = self.shared.given_up.set(why.to_owned());
        self.shared.state.store(State::Over as u8, Ordering::Release);
        tracing::error!("journal {}: {why}; the sound goes on without a journal", self.name);
        loop {
            let ended = self.queue.is_abandoned();
            self.pending.clear();
            let taken = self.take();
            self.shared.thrown_away.fetch_add(taken, Ordering::Relaxed);
            if ended && self.queue.is_empty() {
                return;
            }
            std::thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
