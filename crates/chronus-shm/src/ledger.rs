//! The ledger: what a supervisor leaves behind so that the next one can go on. Supervisors and the keeper
//! write it, adapters may read it; no worker maps it.
//!
//! A supervisor may be killed between any two instructions. So each part is one word, or carries a checksum, and
//! who reads it believes nothing that can't be checked.

use chronus_replication::{Entry, PLACES, Slot};

use crate::checksum::of_bytes;
use crate::command_log::{LogEntry, from_words, to_words};
use crate::listener_board::ListenerBoard;
use crate::playback_board::PlaybackBoard;
use crate::session_board::SessionBoard;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Commands that can be noted while they wait for their frame.
pub const WAITING_PLACES: usize = 8192 + 64;
/// Deaths that the keeper can tell of before the supervisor must have read of them.
const EXIT_RECORDS: usize = 256;
/// Editions of the patch that are remembered.
const EDITIONS: usize = 16;

/// The region that supervisors hand down.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct LedgerRegion {
    /// What the keeper tells.
    pub keeper: KeeperBoard,
    /// Who is in which slot.
    pub roster: Roster,
    /// What has been played.
    pub playback: PlaybackBoard,
    /// What has happened.
    pub tally: Tally,
    /// What waits for its frame.
    pub waiting: WaitingBoard,
    /// The recording that is being made: its format and its file.
    pub recording: NoteBoard,
    /// Who is told of events.
    pub listeners: ListenerBoard,
    /// Which session clients have named.
    pub sessions: SessionBoard,
    editions: [LogEntry; EDITIONS],
}

/// Where in the ledger that begins which supervisors write.
pub const OF_SUPERVISORS: usize = std::mem::offset_of!(LedgerRegion, roster);

/// What the keeper tells the supervisor.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct KeeperBoard {
    /// What program plays, and how it was asked to: another must not go on with this.
    pub identity: AtomicU64,
    /// The performance has ended in order, and nobody shall go on with it.
    pub ended: AtomicU32,
    /// How many supervisors there have been.
    pub lives: AtomicU32,
    /// When the first of them was started, in nanoseconds of the monotonic clock.
    pub began_at_ns: AtomicU64,
    /// When the last supervisor was found dead, in nanoseconds of the monotonic clock; 0 if none was.
    pub died_at_ns: AtomicU64,
    /// A child that the supervisor wants gone and can't hold: it has no descriptor for it. 0 for none.
    pub dismissed: AtomicU32,
    /// Which file the unix socket is: its file system and its number there; 0 if there is none.
    pub socket_file: [AtomicU64; 2],
    /// How many processes have died and were reaped.
    deaths: AtomicU64,
    exit_records: [AtomicU64; EXIT_RECORDS],
}

/// The death of a process that was reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitRecord {
    /// Its process id.
    pub pid: u32,
    /// Its exit status, or the signal that ended it.
    pub cause: Result<i32, i32>,
}

/// Who is in which slot, as the supervisor knows it.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Roster {
    members: [AtomicU64; PLACES],
    fork: AtomicU64,
    /// The last number that was given to a process or an order.
    pub last_number: AtomicU32,
    /// Checkpoints with numbers up to this one may hold what is wrong.
    pub distrusted: AtomicU32,
    /// How many exit records have been read.
    pub exit_records_read: AtomicU64,
    /// When the supervisor last had everything done that was due, in nanoseconds of the monotonic clock.
    pub turned_at_ns: AtomicU64,
    /// Whether the sound has begun.
    pub playing: AtomicU32,
    /// The edit that is offered or ordered and not in the log yet; 0 for none.
    pub edit_under_way: AtomicU32,
    /// As many patches are being made.
    pub drafts: AtomicU64,
    /// Which file the journal is: its file system and its number there; 0 if there is none.
    pub journal: [AtomicU64; 2],
}

/// What supervisors have counted, one after another, since the performance began.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Tally {
    /// Times that another worker went first.
    pub role_changes: Count,
    /// Workers fenced.
    pub fences: Count,
    /// Workers that are gone.
    pub deaths: Count,
    /// Workers that lost their place, alive.
    pub overtaken: Count,
    /// Forks and starts that failed.
    pub forks_failed: Count,
    /// Fresh starts after everything was gone.
    pub fresh_starts: Count,
    /// Times that nobody was left and a checkpoint took over.
    pub thaws: Count,
    /// Replicas that rendered other bits.
    pub divergences: Count,
    /// Amendments of the log.
    pub amendments: Count,
    /// Commands withheld.
    pub withheld: Count,
    /// Times that nobody was run on a core for longer than a millisecond.
    pub stalls: Count,
    /// The longest of them, in nanoseconds.
    pub longest_stall_ns: AtomicU64,
    /// Blocks in gaps that such times explain.
    pub stalled_blocks: AtomicU64,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more. Only one supervisor at a time counts.
    pub fn add_one(&self) {
        self.0.store(self.get() + 1, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A process in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its process id; 0 while it is being started.
    pub pid: u32,
    /// Its number.
    pub number: u32,
}

/// A fork under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkUnderWay {
    /// Who was asked.
    pub forker: Slot,
    /// The slot of the child.
    pub into: Slot,
    /// The number of the order and of the child.
    pub number: u32,
}

/// Commands that wait for their frame, by places.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct WaitingBoard {
    /// The place whose command goes into the log just now, and the sequence number that it gets.
    leaving: AtomicU64,
    places: [LogEntry; WAITING_PLACES],
}

/// A line of text.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct NoteBoard {
    checksum: AtomicU64,
    bytes: AtomicU64,
    words: [AtomicU64; NOTE_WORDS],
}

/// A note is no longer than 1 KiB.
const NOTE_WORDS: usize = 128;

/// A piece of the shared assets, and what is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// The checksum of its bytes: [`of_bytes`].
    pub checksum: u64,
}

/// An edition of the patch: what an edit puts in the place of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The number of the edit; 0 for the patch that was played first.
    pub number: u32,
    /// The patch, for workers.
    pub patch: Piece,
    /// What the journal keeps of it.
    pub score: Piece,
    /// When it shall take effect, by the wall clock; 0 for as soon as it can.
    pub time_wall_ns: u64,
}

impl KeeperBoard {
    /// How many exit records have been written. Each is written once its process was reaped.
    pub fn deaths(&self) -> u64 {
        // Pairs with the releasing store in `bury`.
        self.deaths.load(Ordering::Acquire)
    }

    /// Writes an exit record. Only the keeper may.
    pub fn record_exit(&self, exit: ExitRecord) {
        let number = self.deaths.load(Ordering::Relaxed);
        let place = &self.exit_records[(number % EXIT_RECORDS as u64) as usize];
        place.store(exit.encode(), Ordering::Relaxed);
        self.deaths.store(number + 1, Ordering::Release);
    }

    /// The exit record of this number, which must have been written; `None` if it is too old.
    pub fn exit_record(&self, number: u64) -> Option<ExitRecord> {
        let word =
            self.exit_records[(number % EXIT_RECORDS as u64) as usize].load(Ordering::Acquire);
        let is_kept = number + EXIT_RECORDS as u64 > self.deaths();
        is_kept.then(|| ExitRecord::decode(word))
    }
}

impl ExitRecord {
    fn encode(self) -> u64 {
        let (by_signal, number) = match self.cause {
            Ok(status) => (0, status),
            Err(signal) => (1, signal),
        };
        u64::from(self.pid) << 32 | by_signal << 16 | u64::from(number as u16)
    }

    fn decode(word: u64) -> Self {
        let number = i32::from(word as u16);
        let cause = if word >> 16 & 1 == 1 { Err(number) } else { Ok(number) };
        Self { pid: (word >> 32) as u32, cause }
    }
}

impl Roster {
    /// Who is in a slot.
    pub fn member(&self, slot: Slot) -> Option<Member> {
        let word = self.members[slot].load(Ordering::Acquire);
        (word != 0).then_some(Member { pid: (word >> 32) as u32, number: word as u32 })
    }

    /// Notes who is in a slot.
    pub fn enrol(&self, slot: Slot, member: Option<Member>) {
        let word = |member: Member| u64::from(member.pid) << 32 | u64::from(member.number);
        self.members[slot].store(member.map_or(0, word), Ordering::Release);
    }

    /// The fork under way.
    pub fn fork(&self) -> Option<ForkUnderWay> {
        let word = self.fork.load(Ordering::Acquire);
        let slot = |shift: u32| (word >> shift & 0xff) as Slot;
        let (forker, into) = (slot(40).checked_sub(1)?, slot(32));
        (forker < PLACES && into < PLACES).then_some(ForkUnderWay {
            forker,
            into,
            number: word as u32,
        })
    }

    /// Notes the fork under way.
    pub fn note_fork(&self, fork: Option<ForkUnderWay>) {
        let word = |fork: ForkUnderWay| {
            (fork.forker as u64 + 1) << 40 | (fork.into as u64) << 32 | u64::from(fork.number)
        };
        self.fork.store(fork.map_or(0, word), Ordering::Release);
    }
}

/// Sequence numbers have as many bits as in a seal, and more.
const SEQUENCE_BITS: u32 = 48;

impl WaitingBoard {
    /// Notes a command that waits at `place`, with the number of its arrival.
    pub fn enter(&self, place: usize, command: &Entry) {
        if let Some(place) = self.places.get(place) {
            place.store(&to_words(command));
        }
    }

    /// Notes that the command at `place` is about to become entry `sequence` of the log. Should the supervisor
    /// die now, the log tells whether it has.
    pub fn leave(&self, place: usize, sequence: u64) {
        self.leaving.store((place as u64 + 1) << SEQUENCE_BITS | sequence, Ordering::Release);
    }

    /// Notes what has become of it.
    pub fn settle(&self, place: usize, has_left: bool) {
        if has_left && let Some(place) = self.places.get(place) {
            place.store(&[0; 8]);
        }
        self.leaving.store(0, Ordering::Release);
    }

    /// For a supervisor that takes over: all that wait, given how many entries the log has.
    pub fn all(&self, log_position: u64) -> Vec<(usize, Entry)> {
        let leaving = self.leaving.load(Ordering::Acquire);
        let place = (leaving >> SEQUENCE_BITS) as usize;
        if place > 0 {
            let sequence = leaving & ((1 << SEQUENCE_BITS) - 1);
            self.settle(place - 1, sequence < log_position);
        }
        let entries = self.places.iter().enumerate();
        entries.filter_map(|(place, entry)| Some((place, from_words(&entry.load())?))).collect()
    }
}

impl NoteBoard {
    /// Notes a line, unless it is too long.
    pub fn write(&self, line: &str) {
        self.clear();
        if line.len() > NOTE_WORDS * 8 {
            return;
        }
        for (word, bytes) in self.words.iter().zip(line.as_bytes().chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(padded), Ordering::Relaxed);
        }
        self.bytes.store(line.len() as u64, Ordering::Relaxed);
        self.checksum.store(of_bytes(line.as_bytes()), Ordering::Release);
    }

    /// The line, if there is one and it is whole.
    pub fn read(&self) -> Option<String> {
        let checksum = self.checksum.load(Ordering::Acquire);
        let bytes = self.bytes.load(Ordering::Relaxed) as usize;
        let words = self.words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        let line: Vec<u8> = words.take(bytes).collect();
        let is_whole = checksum != 0 && of_bytes(&line) == checksum;
        String::from_utf8(line).ok().filter(|_| is_whole)
    }

    /// Forgets it.
    pub fn clear(&self) {
        self.checksum.store(0, Ordering::Release);
    }
}

impl LedgerRegion {
    /// Notes an edition, in the place of the oldest.
    pub fn note_edition(&self, edition: &Edition) {
        self.editions[edition.number as usize % EDITIONS].store(&edition.to_words());
    }

    /// The edition of this number, if it is still remembered.
    pub fn edition(&self, number: u32) -> Option<Edition> {
        let words = self.editions[number as usize % EDITIONS].load();
        Edition::from_words(&words).filter(|edition| edition.number == number)
    }

    /// All editions that are remembered.
    pub fn editions(&self) -> impl Iterator<Item = Edition> + '_ {
        self.editions.iter().filter_map(|entry| Edition::from_words(&entry.load()))
    }
}

impl Edition {
    /// As words, with a checksum.
    pub fn to_words(&self) -> [u64; 8] {
        let Self { number, patch, score, time_wall_ns } = *self;
        let packed = |piece: Piece| piece.bytes << OFFSET_BITS | piece.offset;
        let payload = [packed(patch), patch.checksum, packed(score), score.checksum, 0];
        to_words(&Entry { sequence: u64::from(number), frame: time_wall_ns, payload })
    }

    /// Reads [`to_words`](Self::to_words) back; `None` if they are damaged.
    pub fn from_words(words: &[u64; 8]) -> Option<Self> {
        let entry = from_words(words)?;
        let [patch, patch_checksum, score, score_checksum, _] = entry.payload;
        let piece = |packed: u64, checksum| Piece {
            offset: packed & ((1 << OFFSET_BITS) - 1),
            bytes: packed >> OFFSET_BITS,
            checksum,
        };
        Some(Self {
            number: u32::try_from(entry.sequence).ok()?,
            patch: piece(patch, patch_checksum),
            score: piece(score, score_checksum),
            time_wall_ns: entry.frame,
        })
    }
}

/// The shared assets are not longer than 2^36 bytes, and nothing among them that an edition names than 2^28.
const OFFSET_BITS: u32 = 36;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn exit_records_are_read_in_order_until_they_are_too_old() {
        let board = KeeperBoard {
            identity: AtomicU64::new(0),
            ended: AtomicU32::new(0),
            lives: AtomicU32::new(0),
            began_at_ns: AtomicU64::new(0),
            died_at_ns: AtomicU64::new(0),
            dismissed: AtomicU32::new(0),
            socket_file: [0; 2].map(AtomicU64::new),
            deaths: AtomicU64::new(0),
            exit_records: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        let of = |pid: u32| ExitRecord {
            pid,
            cause: if pid.is_multiple_of(2) { Ok(3) } else { Err(9) },
        };
        for pid in 0..EXIT_RECORDS as u32 + 2 {
            board.record_exit(of(pid));
        }
        assert_eq!(board.deaths(), EXIT_RECORDS as u64 + 2);
        assert_eq!(board.exit_record(2), None, "it may be being overwritten");
        assert_eq!(board.exit_record(3), Some(of(3)));
        assert_eq!(board.exit_record(257), Some(of(257)));
    }

    #[test]
    fn a_roster_tells_what_was_noted() {
        let roster = Roster::default();
        assert_eq!((roster.member(1), roster.fork()), (None, None));
        let member = Member { pid: 4_000_000, number: 7 };
        roster.enrol(1, Some(member));
        let fork = ForkUnderWay { forker: 0, into: 3, number: u32::MAX };
        roster.note_fork(Some(fork));
        assert_eq!((roster.member(1), roster.fork()), (Some(member), Some(fork)));
        roster.enrol(1, None);
        roster.note_fork(None);
        assert_eq!((roster.member(1), roster.fork()), (None, None));
    }

    fn waiting() -> WaitingBoard {
        WaitingBoard {
            leaving: AtomicU64::new(0),
            places: std::array::from_fn(|_| LogEntry::default()),
        }
    }

    fn command(arrival: u64) -> Entry {
        Entry { sequence: arrival, frame: 99, payload: [arrival, 0, 0, 0, 0] }
    }

    #[test]
    fn a_command_waits_or_is_in_the_log_but_never_both_or_neither() {
        // Killed after the note, with the entry in the log and without.
        for (head, left) in [(5, false), (6, true)] {
            let board = waiting();
            board.enter(2, &command(40));
            board.enter(7, &command(41));
            board.leave(2, 5);
            let expected: &[_] =
                if left { &[(7, command(41))] } else { &[(2, command(40)), (7, command(41))] };
            assert_eq!(board.all(head), expected);
            assert_eq!(board.all(head), expected, "found again by the next one");
        }
        // Killed after it was settled and its place had another command.
        let board = waiting();
        board.enter(2, &command(40));
        board.leave(2, 5);
        board.settle(2, true);
        board.enter(2, &command(42));
        assert_eq!(board.all(6), [(2, command(42))]);
    }

    #[test]
    fn half_of_a_note_is_no_note() {
        let board = waiting();
        board.enter(0, &command(1));
        let mut words = board.places[0].load();
        words[4] = 7;
        board.places[0].store(&words);
        assert_eq!(board.all(0), []);
    }

    #[test]
    fn an_edition_is_read_as_written() {
        let piece = |offset, bytes| Piece { offset, bytes, checksum: offset ^ bytes };
        let patch = piece((1 << 36) - 64, 4 << 20);
        let edition = Edition { number: 9, patch, score: piece(0, 1), time_wall_ns: 5 };
        let mut words = edition.to_words();
        assert_eq!(Edition::from_words(&words), Some(edition));
        words[3] ^= 1;
        assert_eq!(Edition::from_words(&words), None);
    }

    #[test]
    fn a_note_is_read_whole_or_not_at_all() {
        let board = NoteBoard {
            checksum: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        assert_eq!(board.read(), None);
        for line in ["f32 täke.wav", "", "a", &"x".repeat(1024)] {
            board.write(line);
            assert_eq!(board.read().as_deref(), Some(line));
        }
        board.words[9].store(0, Ordering::Relaxed);
        assert_eq!(board.read(), None, "damaged");
        board.write(&"x".repeat(1025));
        assert_eq!(board.read(), None, "too long");
    }
}
