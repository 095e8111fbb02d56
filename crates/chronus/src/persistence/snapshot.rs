//! Snapshots: where all controls stood as of a position of the log up to which everything has been played, and
//! which edition of the patch it was. Two lie in the ledger; each is written over the older one, so that a supervisor that is killed while it
//! writes leaves the other.

use std::io;

use chronus_os::memfd::Memfd;
use chronus_shm::checksum;
use chronus_shm::ledger::Edition;
use chronus_shm::region::{SNAPSHOT_BYTES, offset_of_snapshot};
use serde::{Deserialize, Serialize};

use crate::performance::CommittedControls;

/// After so many entries of the log it is time for another.
const EVERY_ENTRIES: u64 = 512;
/// Length and checksum come first.
const HEAD_BYTES: usize = 16;

/// Where the controls stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// How many entries of the log have been applied.
    pub position: u64,
    /// How many amendments have been taken.
    pub amendments: u64,
    /// The edition of the patch that was played: see [`Edition::to_words`].
    pub edition: [u64; 8],
    /// Frames per second.
    pub rate_hz: u32,
    /// The controls, encoded.
    pub controls: Vec<u8>,
}

impl Snapshot {
    /// A snapshot of what is committed.
    pub fn of(committed: &CommittedControls, amendments: u64, rate_hz: u32) -> Self {
        Self {
            position: committed.position,
            amendments,
            edition: committed.performance.edition.to_words(),
            rate_hz,
            controls: committed.performance.controls.encode(),
        }
    }

    fn write(&self, ledger: &Memfd, which: usize) -> io::Result<()> {
        let body = postcard::to_allocvec(self).map_err(io::Error::other)?;
        if body.len() > SNAPSHOT_BYTES - HEAD_BYTES {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(checksum::of_bytes(&body).to_le_bytes());
        bytes.extend(body);
        ledger.write_at(offset_of_snapshot(which), &bytes)
    }

    /// `Ok(None)` where there has never been one.
    fn read(ledger: &Memfd, which: usize) -> Result<Option<Self>, Damaged> {
        let offset = offset_of_snapshot(which);
        let head = ledger.read_at(offset, HEAD_BYTES).map_err(|_| Damaged)?;
        let word = |at: usize| head[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
        let (bytes, expected) = (word(0) as usize, word(8));
        if (bytes, expected) == (0, 0) {
            return Ok(None);
        }
        if bytes > SNAPSHOT_BYTES - HEAD_BYTES {
            return Err(Damaged);
        }
        let body = ledger.read_at(offset + HEAD_BYTES, bytes).map_err(|_| Damaged)?;
        if checksum::of_bytes(&body) != expected {
            return Err(Damaged);
        }
        postcard::from_bytes(&body).map(Some).map_err(|_| Damaged)
    }
}

/// Half written, or written over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Damaged;

/// The snapshots that are whole, the newest first, and how many are not.
pub fn find(ledger: &Memfd) -> (Vec<Snapshot>, usize) {
    let found = [0, 1].map(|which| Snapshot::read(ledger, which));
    let damaged = found.iter().filter(|found| found.is_err()).count();
    let mut whole: Vec<_> = found.into_iter().filter_map(|found| found.ok().flatten()).collect();
    whole.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.position));
    (whole, damaged)
}

/// Writes snapshots when it is time.
#[derive(Debug)]
pub struct Snapshots {
    next: usize,
    /// The positions of those that are there, the older first.
    positions: [u64; 2],
    edition: u32,
}

impl Snapshots {
    /// Writes the first two, or new ones over those of a supervisor before.
    ///
    /// # Errors
    /// If there is no room.
    pub fn begin(ledger: &Memfd, snapshot: &Snapshot) -> io::Result<Self> {
        // The one that is whole and newest goes last.
        let position = |which| Snapshot::read(ledger, which).ok().flatten().map(|it| it.position);
        let first = usize::from(position(0) > position(1));
        snapshot.write(ledger, first)?;
        snapshot.write(ledger, 1 - first)?;
        let edition = Edition::from_words(&snapshot.edition).map_or(0, |edition| edition.number);
        Ok(Self { next: first, positions: [snapshot.position; 2], edition })
    }

    /// No entry from here on may be overwritten in the log: it would be missing after a snapshot.
    pub fn needed_from(&self) -> u64 {
        self.positions[0]
    }

    /// Writes a snapshot of what is committed if it is time.
    ///
    /// # Errors
    /// If there is no room.
    pub fn keep(
        &mut self,
        ledger: &Memfd,
        committed: &CommittedControls,
        amendments: u64,
        rate_hz: u32,
    ) -> io::Result<()> {
        let edited = committed.performance.edition.number != self.edition;
        if !edited && committed.position < self.positions[1] + EVERY_ENTRIES {
            return Ok(());
        }
        let snapshot = Snapshot::of(committed, amendments, rate_hz);
        // After an edit both are renewed, so that the edition before it is not needed any more.
        for _ in 0..if edited { 2 } else { 1 } {
            snapshot.write(ledger, self.next)?;
            self.next = 1 - self.next;
            self.positions = [self.positions[1], committed.position];
        }
        self.edition = committed.performance.edition.number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chronus_engine::{Controls, Patch};
    use chronus_shm::ledger::{LedgerRegion, Piece};
    use chronus_shm::region::Whole;

    use super::*;
    use crate::performance::Performance;

    fn committed(position: u64, number: u32) -> CommittedControls {
        let piece = Piece { offset: 0, bytes: 1, checksum: 2 };
        let edition = Edition { number, patch: piece, score: piece, time_wall_ns: 0 };
        let controls = Controls::of(&Patch::first());
        CommittedControls { performance: Performance { edition, controls }, position }
    }

    #[test]
    fn the_older_one_is_there_when_the_newer_one_is_damaged() {
        let ledger = LedgerRegion::create().expect("memory");
        assert_eq!(find(&ledger), (vec![], 0));
        let first = Snapshot::of(&committed(0, 0), 0, 48_000);
        let mut snapshots = Snapshots::begin(&ledger, &first).expect("room");
        let mut keep = |position, number| {
            snapshots.keep(&ledger, &committed(position, number), 3, 48_000).expect("room");
            snapshots.needed_from()
        };
        assert_eq!(keep(EVERY_ENTRIES - 1, 0), 0);
        assert_eq!(find(&ledger).0, [first.clone(), first]);
        assert_eq!(keep(EVERY_ENTRIES, 0), 0, "the older one is still needed");
        let (whole, damaged) = find(&ledger);
        assert_eq!((whole[0].position, whole[1].position, damaged), (EVERY_ENTRIES, 0, 0));
        ledger.write_at(offset_of_snapshot(0) + 40, &[0xff]).expect("written");
        let (whole, damaged) = find(&ledger);
        assert_eq!((whole.len(), whole[0].position, damaged), (1, 0, 1));
        assert_eq!(keep(EVERY_ENTRIES + 1, 1), EVERY_ENTRIES + 1, "after an edit both are renewed");
        let whole = find(&ledger).0;
        assert_eq!(whole, vec![Snapshot::of(&committed(EVERY_ENTRIES + 1, 1), 3, 48_000); 2]);
        ledger.write_at(offset_of_snapshot(1), &[0xff; 8]).expect("written");
        assert_eq!(find(&ledger).1, 1, "a length beyond all bounds");
    }
}
