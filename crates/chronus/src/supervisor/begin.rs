//! How a supervisor begins: with a performance of its own, or with that of another which died.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chronus_engine::Controls;
use chronus_os::clock;
use chronus_os::memfd::Memfd;
use chronus_replication::Entry;
use chronus_replication::command_sequencer::{Begun, CommandSequencer, WaitingRoom};
use chronus_replication::lockstep::Order;
use chronus_shm::ledger::LedgerRegion;
use chronus_shm::region::View;

use super::Supervisor;
use super::edits::Edits;
use crate::journal::{JournalWriter, Left};
use crate::patcher::{Edit, First, Line};
use crate::playback::Regions;
use crate::shelf::Plan;
use crate::snapshot::{Snapshot, Snapshots};
use crate::takeover::Legacy;

/// Commands that may wait for their frame.
const WAITING_COMMANDS: usize = 8192;

/// What a supervisor begins with.
pub enum Beginning {
    /// A patch.
    Anew(First),
    /// Everything that another has left.
    TakenOver(Box<Legacy>),
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
    pub plan: Plan,
    pub controls: Controls,
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
        (journal, line): (Option<&Path>, Line),
        rate_hz: u32,
    ) -> io::Result<Begins> {
        let noted = Noted(regions.ledger.clone());
        match self {
            Self::Anew(first) => {
                regions.ledger.note_edition(&first.edition);
                let controls = Controls::of(&first.plan.patch);
                let snapshot =
                    Snapshot { position: 0, edit: (0, 0), rate_hz, controls: controls.encode() };
                let create = |path| JournalWriter::create(path, &first.score, rate_hz);
                Ok(Begins {
                    journal: journal.map(create).transpose()?,
                    // From here on a successor finds something to take over.
                    snapshots: Snapshots::begin(ledger, &snapshot)?,
                    plan: first.plan,
                    controls,
                    edits: Edits::new(line, (0, 0), None),
                    sequencer: CommandSequencer::noting(noted, WAITING_COMMANDS, Begun::default()),
                })
            }
            Self::TakenOver(legacy) => {
                let Legacy { plan, controls, edit, under_way, begun, .. } = *legacy;
                let position = begun.log_position;
                let snapshot = Snapshot { position, edit, rate_hz, controls: controls.encode() };
                let left = Left {
                    rate_hz,
                    log_position: position,
                    entries: legacy.entries,
                    scores: legacy.scores,
                    stopped_at: legacy.stopped_at,
                    goes_on_at: legacy.goes_on_at,
                };
                let under_way = under_way.map(|(edition, plan, score, is_ordered)| {
                    let controls = Controls::of(&plan.patch);
                    (Box::new(Edit { edition, plan, controls, score: Arc::new(score) }), is_ordered)
                });
                Ok(Begins {
                    journal: journal.map(|path| JournalWriter::resume(path, left)).transpose()?,
                    snapshots: Snapshots::begin(ledger, &snapshot)?,
                    plan,
                    controls,
                    edits: Edits::new(line, edit, under_way),
                    sequencer: CommandSequencer::noting(noted, WAITING_COMMANDS, begun),
                })
            }
        }
    }
}

impl Supervisor {
    /// Takes in the workers that another supervisor has left, and gives again the orders whose outcome it did
    /// not live to see.
    pub(super) fn take_in_workers(&mut self) {
        let left = self.processes.take_over(&self.regions);
        self.supervision.take_over(&left);
        if let Some((forker, into, number)) = left.fork {
            // Whoever has obeyed it already knows its number.
            self.regions.log.board.give_order(forker, Order::Fork { into, number });
        }
        if let Some(edition) = self.edits.offered() {
            let plan = edition.plan;
            self.regions.log.board.make_offer(edition.number, plan.offset, plan.bytes);
        }
        self.turn();
    }

    /// Tells once how long nothing was played, when the sound is back.
    pub(super) fn tell_resumption(&mut self, callback_ns: u64) {
        let Some(frame) = self.goes_on_at.filter(|_| callback_ns != 0) else { return };
        self.goes_on_at = None;
        let died_ns = self.regions.ledger.keeper.died_at_ns.load(Ordering::Acquire);
        self.figures.resumed_after_ms = callback_ns.saturating_sub(died_ns) as f64 / 1e6;
        tracing::warn!(
            "the supervisor had died; the sound goes on at frame {frame}, {:.1} ms later",
            self.figures.resumed_after_ms
        );
    }

    /// Leaves word for a successor of how far everything has come.
    pub(super) fn keep_ledger(&mut self) {
        let position = (self.sequencer.log_position(), self.edits.last);
        let kept = self.snapshots.keep(&self.ledger, position, self.rate_hz, &self.controls);
        if let Err(error) = kept
            && !std::mem::replace(&mut self.snapshot_failed, true)
        {
            tracing::error!("no snapshot can be kept: {error}; give the machine more memory");
        }
        self.regions.ledger.roster.turned_at_ns.store(clock::monotonic_ns(), Ordering::Release);
    }
}
