//! Snapshots: where all controls stood as of a position of the log, and which edition of the patch was played.
//! Two lie in the ledger; each is written over the older one, so that a supervisor that is killed while it
//! writes leaves the other.

use std::io;

use chronus_engine::Controls;
use chronus_os::memfd::Memfd;
use chronus_shm::ledger::digest;
use chronus_shm::region::{SNAPSHOT_BYTES, offset_of_snapshot};
use serde::{Deserialize, Serialize};

/// After so many entries of the log it is time for another.
const EVERY_ENTRIES: u64 = 512;
/// Length and digest come first.
const HEAD_BYTES: usize = 16;

/// Where the controls stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// How many entries of the log have been applied.
    pub position: u64,
    /// The number of the last edit among them, and how many entries the log had with it.
    pub edit: (u32, u64),
    /// Frames per second.
    pub rate_hz: u32,
    /// The controls, encoded.
    pub controls: Vec<u8>,
}

impl Snapshot {
    fn write(&self, ledger: &Memfd, which: usize) -> io::Result<()> {
        let body = postcard::to_allocvec(self).map_err(io::Error::other)?;
        if body.len() > SNAPSHOT_BYTES - HEAD_BYTES {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(digest(&body).to_le_bytes());
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
        if digest(&body) != expected {
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
    edit: u32,
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
        Ok(Self { next: first, positions: [snapshot.position; 2], edit: snapshot.edit.0 })
    }

    /// No entry from here on may be overwritten in the log: it would be missing after a snapshot.
    pub fn needed_from(&self) -> u64 {
        self.positions[0]
    }

    /// Writes a snapshot if it is time, which `take` makes: of this position, after this edit.
    ///
    /// # Errors
    /// If there is no room.
    pub fn keep(
        &mut self,
        ledger: &Memfd,
        (position, edit): (u64, (u32, u64)),
        rate_hz: u32,
        controls: &Controls,
    ) -> io::Result<()> {
        let edited = edit.0 != self.edit;
        if !edited && position < self.positions[1] + EVERY_ENTRIES {
            return Ok(());
        }
        let snapshot = Snapshot { position, edit, rate_hz, controls: controls.encode() };
        // After an edit both are renewed, so that the edition before it is not needed any more.
        for _ in 0..if edited { 2 } else { 1 } {
            snapshot.write(ledger, self.next)?;
            self.next = 1 - self.next;
            self.positions = [self.positions[1], position];
        }
        self.edit = edit.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chronus_engine::Patch;
    use chronus_shm::ledger::LedgerRegion;
    use chronus_shm::region::Whole;

    use super::*;

    fn snapshot(position: u64) -> Snapshot {
        let controls = Controls::of(&Patch::first()).encode();
        Snapshot { position, edit: (0, 0), rate_hz: 48_000, controls }
    }

    #[test]
    fn the_older_one_is_there_when_the_newer_one_is_damaged() {
        let ledger = LedgerRegion::create().expect("memory");
        assert_eq!(find(&ledger), (vec![], 0));
        let mut snapshots = Snapshots::begin(&ledger, &snapshot(0)).expect("room");
        let controls = Controls::of(&Patch::first());
        let mut keep = |position, edit| {
            snapshots.keep(&ledger, (position, edit), 48_000, &controls).expect("room");
            snapshots.needed_from()
        };
        assert_eq!(keep(EVERY_ENTRIES - 1, (0, 0)), 0);
        assert_eq!(find(&ledger).0.len(), 2);
        assert_eq!(keep(EVERY_ENTRIES, (0, 0)), 0, "the older one is still needed");
        let (whole, damaged) = find(&ledger);
        assert_eq!((whole[0].position, whole[1].position, damaged), (EVERY_ENTRIES, 0, 0));
        ledger.write_at(offset_of_snapshot(0) + 40, &[0xff]).expect("written");
        let (whole, damaged) = find(&ledger);
        assert_eq!((whole.len(), whole[0].position, damaged), (1, 0, 1));
        assert_eq!(keep(EVERY_ENTRIES + 1, (1, EVERY_ENTRIES + 1)), EVERY_ENTRIES + 1);
        assert!(find(&ledger).0.iter().all(|snapshot| snapshot.edit.0 == 1), "both are renewed");
        let word = u64::MAX.to_le_bytes();
        ledger.write_at(offset_of_snapshot(1), &word).expect("written");
        assert_eq!(find(&ledger).1, 1, "a length beyond all bounds");
    }
}
