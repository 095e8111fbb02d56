//! Edits of the patch on their way into the log: offered to all workers, who prepare them beside the
//! sound, and ordered once they have, or after a while: a worker that is not ready then makes itself ready
//! when the command comes, late but with the same bits.

use std::sync::atomic::Ordering;

use chronus_control::Event;
use chronus_engine::Command;
use chronus_os::clock;
use chronus_replication::{BlockIndex, Entry, SLOTS, Slot};
use chronus_shm::ledger::Edition;

use super::Supervisor;
use super::control_history::ControlHistory;
use crate::patcher::{Answer, Ask, Edit, Line};
use crate::performance::Performance;
use crate::persistence::shared_assets::PackedPatch;
use chronus_journal::JournalWriter;
use chronus_journal::Origin;

/// Workers may take this long to prepare an edit.
const PREPARE_WITHIN_NS: u64 = 1_000_000_000;
/// Standbys may take this long before the primary goes on without them.
const STANDBYS_WITHIN_NS: u64 = 400_000_000;

/// The edit under way, and where edits come from.
pub struct Edits {
    line: Line,
    under_way: Option<UnderWay>,
    /// An edit that has taken effect, to be sent back.
    over: Option<Box<Edit>>,
    /// An edit that did harm, to be sent back.
    refused: Option<(Box<Edit>, String)>,
    /// The number of the last edit that is in the log, and how many entries the log had with it.
    pub last: (u32, u64),
    /// The block in which it took effect.
    pub last_block: BlockIndex,
    /// Edits that were ordered before all workers had prepared them.
    pub hasty: u64,
    /// Entries of the log that changed nothing, because they could not be applied.
    pub unapplied: u64,
}

struct UnderWay {
    edit: Box<Edit>,
    since_ns: u64,
    stage: Stage,
    /// Whether the patcher waits for an answer.
    is_asked: bool,
}

/// How far an edit is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The standbys prepare it.
    OfferedToStandbys,
    /// The primary prepares it too.
    OfferedToAll,
    /// Its command waits for its frame.
    Ordered,
}

/// Everything that changes as commands are sealed.
pub(super) struct Sealed<'a> {
    pub performance: &'a mut Performance<PackedPatch>,
    pub edits: &'a mut Edits,
    pub control_history: &'a mut ControlHistory,
    pub journal: &'a mut Option<JournalWriter>,
    pub rate_hz: u32,
}

impl Edits {
    /// No edit yet, or as another supervisor has left them: number, log position and block of the last edit in
    /// the log, and the one under way, if it was ordered already.
    pub fn new(
        line: Line,
        (number, position, block): (u32, u64, BlockIndex),
        under_way: Option<(Box<Edit>, bool)>,
    ) -> Self {
        let under_way = under_way.map(|(edit, is_ordered)| {
            // What was offered is offered again.
            let stage = if is_ordered { Stage::Ordered } else { Stage::OfferedToStandbys };
            UnderWay { edit, since_ns: clock::monotonic_ns(), stage, is_asked: false }
        });
        Self {
            line,
            under_way,
            over: None,
            refused: None,
            last: (number, position),
            last_block: block,
            hasty: 0,
            unapplied: 0,
        }
    }

    /// The edition that is to be ordered.
    pub fn offered(&self) -> Option<Edition> {
        let is_it = |edit: &&UnderWay| edit.stage != Stage::Ordered;
        self.under_way.as_ref().filter(is_it).map(|edit| edit.edit.edition)
    }

    /// The number of the edit that is not in the log yet; 0 for none.
    pub fn number_under_way(&self) -> u32 {
        self.under_way.as_ref().map_or(0, |edit| edit.edit.edition.number)
    }

    /// An edit has taken effect for good.
    pub fn over(&mut self, edit: Box<Edit>) {
        self.over = Some(edit);
    }

    /// An edit that was sealed did harm and was withheld.
    pub fn withheld(&mut self, edit: Box<Edit>, reason: &str) {
        self.refused = Some((edit, format!("the new patch {reason} when it was to play")));
    }

    /// An edit that is offered did harm; returns whether it was still to be ordered.
    pub fn withdraw(&mut self, number: u32, reason: &str) -> bool {
        let is_it =
            |it: &mut UnderWay| it.edit.edition.number == number && it.stage != Stage::Ordered;
        let Some(UnderWay { edit, .. }) = self.under_way.take_if(is_it) else { return false };
        self.refused = Some((edit, format!("the new patch {reason} while it was prepared")));
        true
    }

    /// Whether something is to be looked at often.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }
}

impl Sealed<'_> {
    /// A command is in the log.
    pub fn take(&mut self, entry: &Entry) {
        let Edits { under_way, last, last_block, unapplied, .. } = &mut *self.edits;
        let mut edit = None;
        let applied = self.performance.apply(entry, self.rate_hz, |number| {
            let taken = under_way.take().ok_or("it is an edit of which nobody knows")?;
            (*last, *last_block) = ((number, entry.sequence + 1), entry.block() + 1);
            Ok::<_, &str>(&mut edit.insert(taken.edit).next)
        });
        if let Err(error) = applied {
            *unapplied += 1;
            tracing::error!("entry {} of the log changes nothing: {error}", entry.sequence);
        }
        if let Some(edit) = edit {
            if let Some(journal) = self.journal {
                journal.score(&edit.score);
            }
            self.control_history.sealed_edit(edit);
        }
        self.control_history.sealed(entry);
        if let Some(journal) = self.journal {
            journal.command(entry);
        }
    }
}

impl Supervisor {
    /// Takes what the patcher asks, and leads the edit under way on.
    pub(super) fn tend_edits(&mut self, now_ns: u64) {
        if let Some(edit) = self.edits.over.take() {
            let _ = self.edits.line.answers.push(Answer::Over(edit));
        }
        if let Some((edit, reason)) = self.edits.refused.take() {
            let _ = self.edits.line.answers.push(Answer::Refused(edit, reason));
        }
        match &self.edits.under_way {
            None => self.take_ask(now_ns),
            Some(edit) => match edit.stage {
                Stage::OfferedToStandbys => self.offer_to_primary(now_ns),
                Stage::OfferedToAll => self.order_when_prepared(now_ns),
                // Another edit has to wait for its frame, which may be far; what sounds can be told.
                Stage::Ordered if !matches!(self.edits.line.asks.peek(), Ok(Ask::Edit(_))) => {
                    self.take_ask(now_ns);
                }
                Stage::Ordered => {}
            },
        }
    }

    fn take_ask(&mut self, now_ns: u64) {
        // A worker that has not taken the last edit yet may still ask for its packed patch.
        if self.slowest_reader().0 < self.edits.last.1 {
            return;
        }
        match self.edits.line.asks.pop() {
            Ok(Ask::Controls) => {
                let controls = Box::new(self.performance.controls.clone());
                let _ = self.edits.line.answers.push(Answer::Controls(controls, self.edits.last.0));
            }
            Ok(Ask::TakeBack(controls)) => drop(controls),
            Ok(Ask::Edit(edit)) => {
                let Edition { number, patch, .. } = edit.edition;
                let ledger = &self.regions.ledger;
                ledger.note_edition(&edit.edition);
                ledger.roster.edit_under_way.store(number, Ordering::Release);
                self.regions.log.board.make_offer(number, patch.offset, patch.bytes);
                let stage = Stage::OfferedToStandbys;
                let under_way = UnderWay { edit, since_ns: now_ns, stage, is_asked: true };
                self.edits.under_way = Some(under_way);
                self.ring();
            }
            Err(_) => {}
        }
    }

    /// Once the standbys are ready, one of them can go first should the primary be held up.
    fn offer_to_primary(&mut self, now_ns: u64) {
        let Some(UnderWay { edit, since_ns, .. }) = &self.edits.under_way else { return };
        let (number, waited_ns) = (edit.edition.number, now_ns.saturating_sub(*since_ns));
        if !self.are_ready(number, self.supervision.primary()) && waited_ns < STANDBYS_WITHIN_NS {
            return;
        }
        self.regions.log.board.offer_to_primary(number);
        if let Some(edit) = &mut self.edits.under_way {
            edit.stage = Stage::OfferedToAll;
        }
        self.ring();
    }

    /// Whether all workers have prepared an edit, but for one.
    fn are_ready(&self, number: u32, except: Option<Slot>) -> bool {
        let slots = &self.regions.slots.slots;
        let prepared = |slot: Slot| slots[slot].board.prepared.load(Ordering::Acquire);
        (0..SLOTS)
            .filter(|slot| self.supervision.is_occupied(*slot) && Some(*slot) != except)
            .all(|slot| self.supervision.is_live(slot) && prepared(slot) == number)
    }

    fn order_when_prepared(&mut self, now_ns: u64) {
        let Some(UnderWay { edit, since_ns, .. }) = &self.edits.under_way else { return };
        let Edition { number, time_wall_ns, .. } = edit.edition;
        let all = self.are_ready(number, None);
        let waited_ns = now_ns.saturating_sub(*since_ns);
        if !all && waited_ns < PREPARE_WITHIN_NS {
            return;
        }
        let command = Command::Edit { number }.encode();
        let frame = (time_wall_ns > 0).then(|| self.frame_at_wall(time_wall_ns)).flatten();
        self.edits.hasty += u64::from(!all);
        match frame {
            Some(frame) if frame > self.sequencer.first_open_frame() => {
                // With the queue full it comes at once: it must not be lost.
                if self.sequencer.submit(frame, command).is_err() {
                    self.sequencer.submit_urgent(command);
                }
            }
            _ => self.sequencer.submit_urgent(command),
        }
        let Some(under_way) = &mut self.edits.under_way else { return };
        under_way.stage = Stage::Ordered;
        let (is_asked, score) = (under_way.is_asked, under_way.edit.score.clone());
        if is_asked {
            let _ = self.edits.line.answers.push(Answer::Ordered);
        }
        let Origin { author, reason } = score.origin.clone();
        self.tell(&Event::Edit { number, author, reason });
    }
}
