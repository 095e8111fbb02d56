//! How a supervisor begins: with a performance of its own, or with that of another which died.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chronus_engine::{Command, Controls};
use chronus_os::memfd::Memfd;
use chronus_replication::Entry;
use chronus_replication::command_sequencer::{Begun, CommandSequencer, WaitingRoom};
use chronus_shm::ledger::LedgerRegion;
use chronus_shm::region::View;

use super::control_history::ControlHistory;
use super::edits::Edits;
use crate::patcher::{Edit, First, Line};
use crate::performance::CommittedControls;
use crate::performance::Performance;
use crate::persistence::recovery::{Recovery, Revision};
use crate::persistence::regions::Regions;
use crate::persistence::shared_assets::PackedPatch;
use crate::persistence::snapshot::{Snapshot, Snapshots};
use chronus_files::Identity;
use chronus_journal::JournalWriter;
use chronus_journal::file as journal_file;

/// Commands that may wait for their frame.
const WAITING_COMMANDS: usize = 8192;

/// What a supervisor begins with.
pub enum Beginning {
    /// A patch, and what is to be commanded first.
    Anew(Box<First>, Vec<Command>),
    /// Everything that another has left.
    TakenOver(Box<Recovery>),
}

/// Notes in the ledger what waits for its frame.
pub struct Noted(Arc<View<LedgerRegion>>);

impl WaitingRoom for Noted {
    fn enter(&mut self, place: usize, command: &Entry) {
        self.0.waiting.enter(place, command);
    }

    fn leave(&mut self, place: usize, sequence: u64) {
        self.0.waiting.leave(place, sequence);
    }

    fn settle(&mut self, place: usize, has_left: bool) {
        self.0.waiting.settle(place, has_left);
    }
}

/// Everything that differs between the two.
pub(super) struct Begins {
    pub performance: Performance<PackedPatch>,
    pub control_history: ControlHistory,
    pub edits: Edits,
    pub sequencer: CommandSequencer<Noted>,
    pub journal: Option<JournalWriter>,
    pub snapshots: Snapshots,
}

impl Beginning {
    /// Whether it is the performance of another.
    pub fn is_taken_over(&self) -> bool {
        matches!(self, Self::TakenOver(_))
    }

    pub(super) fn begin(
        self,
        regions: &Regions,
        ledger: &Memfd,
        (journal, line): (Option<(PathBuf, Option<File>)>, Line),
        rate_hz: u32,
    ) -> io::Result<Begins> {
        let noted = Noted(regions.ledger.clone());
        match self {
            Self::Anew(first, gestures) => {
                let First { packed, score, edition } = *first;
                let begun = Begun::default();
                let mut sequencer = CommandSequencer::noting(noted, WAITING_COMMANDS, &begun);
                for gesture in gestures {
                    sequencer.submit_urgent(gesture.encode());
                }
                let controls = Controls::of(&packed.patch);
                let performance = Performance { edition, controls: controls.clone() };
                let committed = CommittedControls { performance, position: 0 };
                let create = |(path, made): (PathBuf, _)| {
                    let file = journal_file::begin(&path, made).map_err(io::Error::other)?;
                    note_journal(regions, &file);
                    JournalWriter::create(file, &path, &score, rate_hz).map_err(|error| {
                        let shown = path.display();
                        io::Error::other(format!("the journal {shown} can't be written: {error}"))
                    })
                };
                Ok(Begins {
                    journal: journal.map(create).transpose()?,
                    // From here on a successor finds something to take over.
                    snapshots: Snapshots::begin(ledger, &Snapshot::of(&committed, 0, rate_hz))?,
                    control_history: ControlHistory::new(committed, Vec::new(), None),
                    edits: Edits::new(line, (0, 0, 0), None),
                    sequencer,
                    performance: Performance { edition: packed, controls },
                })
            }
            Self::TakenOver(recovery) => {
                let recovery = *recovery;
                let snapshot = Snapshot::of(&recovery.committed, recovery.amendments, rate_hz);
                let resume = |(path, made): (PathBuf, _)| {
                    let [device, inode] = &regions.ledger.roster.journal;
                    let [device, inode] = [device, inode].map(|it| it.load(Ordering::Acquire));
                    let resumed = journal_file::go_on(&path, made, Identity { device, inode })
                        .and_then(|file| {
                            let resumed = JournalWriter::resume(file, &path, recovery.journal);
                            resumed.map_err(|error| error.to_string())
                        });
                    let say = |error: &String| {
                        tracing::error!(
                            "journal {}: {error}; the sound goes on without a journal",
                            path.display()
                        );
                    };
                    resumed.inspect_err(say).ok()
                };
                let under_way = recovery
                    .under_way
                    .map(|(revision, is_ordered)| (edit_under_way(revision), is_ordered));
                Ok(Begins {
                    journal: journal.and_then(resume),
                    snapshots: Snapshots::begin(ledger, &snapshot)?,
                    control_history: ControlHistory::new(
                        recovery.committed,
                        recovery.pending,
                        recovery.pending_edit.map(sealed_edit),
                    ),
                    performance: recovery.performance,
                    edits: Edits::new(line, recovery.last_edit, under_way),
                    sequencer: CommandSequencer::noting(noted, WAITING_COMMANDS, &recovery.begun),
                })
            }
        }
    }
}

/// Notes which file the journal is.
fn note_journal(regions: &Regions, file: &File) {
    let words = Identity::of(file).map_or([0; 2], |Identity { device, inode }| [device, inode]);
    for (word, value) in regions.ledger.roster.journal.iter().zip(words) {
        word.store(value, Ordering::Release);
    }
}

/// An edit as it is before its command is sealed.
fn edit_under_way(revision: Revision) -> Box<Edit> {
    let Revision { edition, packed, score, .. } = revision;
    Box::new(Edit::new(edition, packed, Arc::new(score)))
}

/// An edit as it is afterwards: with what was played before.
fn sealed_edit(revision: Revision) -> Box<Edit> {
    let Revision { edition, packed, score, before: (before, _) } = revision;
    let controls = Controls::of(&before.patch);
    let mut edit = Edit::new(edition, packed, Arc::new(score));
    edit.next = Performance { edition: before, controls };
    Box::new(edit)
}
