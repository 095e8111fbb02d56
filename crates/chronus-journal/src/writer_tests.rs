//! Tests of the writer of journals: disks that are full for a while or for good, and files that are deleted.

use std::sync::{Mutex, PoisonError};

use chronus_engine::{Command, Patch};
use chronus_replication::amendment::Change;

use super::*;
use crate::waiting::wait_until as wait_for;
use crate::{Journal, Origin};

/// A disk with so much room, which takes what still fits, as real ones do.
#[derive(Clone, Default)]
struct SmallDisk(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    room: usize,
    deleted: bool,
}

impl SmallDisk {
    fn content<R>(&self, look: impl FnOnce(&mut Content) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a reader finds.
    fn read(&self) -> Journal {
        let file = tempfile::NamedTempFile::new().expect("a file");
        self.content(|content| std::fs::write(file.path(), &content.bytes)).expect("written");
        Journal::read(file.path()).expect("a journal")
    }
}

impl Disk for SmallDisk {
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.content(|content| {
            let at = at as usize;
            assert!(at <= content.bytes.len(), "no hole is left");
            let fits = bytes.len().min(content.room.saturating_sub(at));
            content.bytes.truncate(at);
            content.bytes.extend(&bytes[..fits]);
            // 28 is ENOSPC.
            if fits < bytes.len() { Err(io::Error::from_raw_os_error(28)) } else { Ok(()) }
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn is_deleted(&self) -> bool {
        self.content(|content| content.deleted)
    }

    fn name(&self, given: &str) -> String {
        given.to_owned()
    }
}

fn begin(more_room: usize) -> (JournalWriter, SmallDisk, usize) {
    let text = Patch::first().text().to_owned();
    let score =
        Score { text, folder: "songs".into(), recordings: Vec::new(), origin: Origin::default() };
    let head = header(&score, 48_000).expect("header").len();
    let disk = SmallDisk::default();
    disk.content(|content| content.room = head + more_room);
    let journal = JournalWriter::begin(disk.clone(), "a.journal".into(), &score, 48_000);
    (journal.expect("there is room for the header"), disk, head)
}

fn command(sequence: u64) -> Entry {
    Entry { sequence, frame: sequence * 7, payload: [sequence, 1, 2, 3, 4] }
}

/// Ends a journal, and waits until the disk has got what it is to have, should that take longer than the end does.
fn finish(journal: JournalWriter, frames: u64, is_there: impl Fn() -> bool) {
    journal.finish(frames);
    wait_for("what is left is written", is_there);
}

fn waits(journal: &JournalWriter) -> bool {
    let status = journal.status();
    let told = status.reason.is_some_and(|reason| reason.contains("No space left"));
    status.state == "waiting" && told
}

#[test]
fn a_disk_that_has_room_again_gets_everything_in_order() {
    // Room for ten records and a half.
    let (mut journal, disk, _) = begin(64 * 10 + 32);
    (0..100).for_each(|sequence| journal.command(&command(sequence)));
    journal.reached(6400);
    wait_for("it waits", || waits(&journal));
    assert_eq!(journal.news().map(|news| news.state), Some("waiting"));
    assert_eq!(journal.news(), None, "it is told once");
    let read = disk.read();
    assert_eq!((read.entries.len(), read.frames, read.complete), (10, 0, false), "a whole prefix");
    (100..200).for_each(|sequence| journal.command(&command(sequence)));
    disk.content(|content| content.room = 1 << 20);
    wait_for("it goes on", || journal.status().state == "writing");
    assert_eq!(journal.news().map(|news| news.state), Some("writing"));
    finish(journal, 12_800, || disk.read().complete);
    let read = disk.read();
    let expected: Vec<_> = (0..200).map(command).collect();
    assert_eq!((read.entries, read.frames, read.complete), (expected, 12_800, true));
}

#[test]
fn a_disk_that_stays_full_ends_the_journal_where_the_queue_overflowed() {
    let (mut journal, disk, head) = begin(0);
    let mut sequence = 0;
    journal.command(&command(0));
    wait_for("it waits", || waits(&journal));
    // What the thread holds and what the queue holds is bounded.
    while journal.status().state != "over" {
        sequence += 1;
        journal.command(&command(sequence));
        assert!(sequence < 200_000, "memory is bounded");
    }
    (0..10).for_each(|more| journal.command(&command(sequence + more)));
    assert_eq!(journal.news().map(|news| (news.state, news.lost)), Some(("over", 11)));
    assert_eq!(disk.content(|content| content.bytes.len()), head);
    // Room comes too late for the rest, and in time for what was kept.
    disk.content(|content| content.room = usize::MAX);
    finish(journal, 1 << 40, || disk.read().entries.len() as u64 == sequence);
    let read = disk.read();
    let expected: Vec<_> = (0..sequence).map(command).collect();
    assert!(read.entries == expected, "all before the hole, and nothing after it");
    assert_eq!((read.frames, read.complete), (0, false));
}

#[test]
fn a_disk_that_is_full_at_the_end_is_not_waited_for() {
    let (mut journal, disk, _) = begin(64 * 3);
    (0..5).for_each(|sequence| journal.command(&command(sequence)));
    // It would wait for ever for room.
    finish(journal, 6400, || disk.read().entries.len() == 3);
    let read = disk.read();
    assert_eq!((read.entries.len(), read.complete), (3, false));
}

#[test]
fn texts_of_patches_do_not_pile_up_without_a_bound() {
    let (mut journal, _, _) = begin(0);
    let text = "x".repeat(1 << 20);
    let score = Arc::new(Score {
        text,
        folder: "songs".into(),
        recordings: Vec::new(),
        origin: Origin::default(),
    });
    let mut edits = 0;
    while journal.status().state != "over" {
        journal.score(&score);
        edits += 1;
        assert!(edits < 1000, "memory is bounded");
    }
}

#[test]
fn a_journal_that_is_deleted_is_missed() {
    let (mut journal, disk, _) = begin(1 << 20);
    journal.command(&command(0));
    disk.content(|content| content.deleted = true);
    wait_for("it is missed", || journal.status().state == "over");
    assert!(journal.status().reason.is_some_and(|reason| reason.contains("deleted")));
    (1..1000).for_each(|sequence| journal.command(&command(sequence)));
    wait_for("all is told that is lost", || journal.status().lost == 999);
    assert!(journal.status().reason.is_some_and(|reason| reason.contains("deleted")));
    journal.finish(64);
}

#[test]
fn a_disk_without_room_for_the_header_is_found_at_once() {
    let path = Path::new("/dev/full");
    let text = Patch::first().text().to_owned();
    let score =
        Score { text, folder: "songs".into(), recordings: Vec::new(), origin: Origin::default() };
    let full = File::options().write(true).open(path).expect("it is there");
    assert!(JournalWriter::create(full, path, &score, 48_000).is_err());
}

#[test]
fn a_journal_that_was_left_torn_is_mended_from_the_log() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("d.journal");
    let text = Patch::first().text().to_owned();
    let score = Score {
        text: text.clone(),
        folder: "songs".into(),
        recordings: Vec::new(),
        origin: Origin::default(),
    };
    let text = text.replace("gain = 0.5", "gain = 0.25");
    let edited = Arc::new(Score { text, ..score.clone() });
    let entry = |sequence: u64| Entry {
        sequence,
        frame: sequence,
        payload: match sequence {
            2 => Command::Edit { number: 1 }.encode(),
            _ => [4, 0, 0, 0, 0],
        },
    };
    let amendment = Amendment { number: 0, block: 0, change: Change::Withhold { sequence: 1 } };
    let mut whole = header(&score, 48_000).expect("a header");
    let mut ends = Vec::new();
    for sequence in 0..4 {
        if sequence == 2 {
            Record::Score(edited.clone()).encode(&mut whole);
        }
        Record::Command(entry(sequence)).encode(&mut whole);
        ends.push(whole.len());
    }
    Record::Amendment(amendment).encode(&mut whole);
    for cut in (ends[0]..=whole.len()).step_by(97).chain(ends) {
        std::fs::write(&path, &whole[..cut]).expect("cut");
        let left = Left {
            rate_hz: 48_000,
            log_position: 4,
            entries: (1..4).map(entry).collect(),
            scores: vec![(1, edited.clone())],
            amended: 1,
            amendments: vec![amendment],
            stopped_at: 100,
            goes_on_at: 128,
        };
        let file = File::options().read(true).write(true).open(&path).expect("it is there");
        let journal = JournalWriter::resume(file, &path, left).expect("resume");
        finish(journal, 640, || Journal::read(&path).is_ok_and(|journal| journal.complete));
        let journal = Journal::read(&path).expect("read");
        let entries: Vec<_> = (0..4).map(entry).collect();
        assert_eq!(journal.entries, entries, "cut at {cut} of {}", whole.len());
        assert_eq!((journal.edits.len(), journal.complete), (1, true));
        assert_eq!(journal.amendments, [amendment]);
        assert_eq!((journal.resumptions, journal.frames), (vec![(100, 128)], 640));
    }
}
