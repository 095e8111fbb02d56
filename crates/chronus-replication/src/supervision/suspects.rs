//! Who is late, who is stuck, who is to blame, and what becomes of them.

use super::{Action, CHILDHOOD_BLOCKS, Notice, Reason, State, Supervision, View};
use crate::blame::{Cause, Crumb, Culprit, Place};
use crate::fault_detector::Suspicion;
use crate::{BlockIndex, SLOTS, Slot};

/// What was decided last about culprits, and who was last given up for being stuck.
#[derive(Clone, Debug, Default)]
pub(super) struct Grief {
    /// The last block that was amended, and all that was put aside for it. A worker that had begun it before
    /// may still come to grief by one of them.
    block: BlockIndex,
    culprits: Vec<Culprit>,
    gave_up_at: Option<Crumb>,
    /// Whether somebody may come to no end, so that time counts.
    pub(super) is_urgent: bool,
    /// Where each was seen last that was late.
    seen_at: [Option<Crumb>; SLOTS],
}

impl Grief {
    /// Takes over what is known of the last amended block.
    pub(super) fn remember(&mut self, amended: &(BlockIndex, Vec<Culprit>)) {
        (self.block, self.culprits) = amended.clone();
    }
}

impl Supervision {
    pub(super) fn judge_all(&mut self, view: &View<'_>, actions: &mut Vec<Action>) {
        self.grief.is_urgent = false;
        for slot in 0..SLOTS {
            if !self.is_live(slot) {
                continue;
            }
            let is_primary = self.primary == Some(slot);
            let due = if is_primary { view.sealed } else { self.due_to_standby(view) };
            let rendered = view.rendered[slot];
            let is_last = self.live().count() == 1 && self.checkpoint().is_none();
            let (cpu, cpu_now) = (|| (view.cpu_ns)(slot), || (view.cpu_now_ns)(slot));
            let suspicion = self.detector.judge(slot, (rendered, due), is_last, (&cpu, &cpu_now));
            match suspicion {
                Suspicion::None => self.note_progress(slot, rendered, actions),
                Suspicion::Overdue { .. } if went_to_sleep(slot, view) => {
                    self.blame(slot, (view.crumb)(slot), Cause::Stuck, view, actions);
                    self.fence(slot, Reason::Hopeless, actions);
                }
                Suspicion::Overdue { is_busy } => {
                    self.grief.seen_at[slot] = Some((view.crumb)(slot));
                    self.grief.is_urgent |= is_busy;
                    if !is_primary {
                        if self.mark_late(slot) {
                            actions.push(Action::Report(Notice::Late(slot)));
                        }
                    } else if !(is_busy && self.sends_canary(slot, view, actions)) {
                        self.overtake(slot, actions);
                    }
                }
                Suspicion::RanAway => self.run_down(slot, view, actions),
                Suspicion::Hopeless => self.give_up(slot, Reason::Hopeless, view, actions),
            }
        }
        if self.states.iter().any(|state| matches!(state, State::Live { late: Some(_), .. })) {
            self.judge_witnesses(view, actions);
        }
    }

    /// Who came to this block only since the last look has spent its time elsewhere, in a fork perhaps, and gets
    /// one more look; only where it is seen twice is to blame.
    fn run_down(&mut self, slot: Slot, view: &View<'_>, actions: &mut Vec<Action>) {
        let crumb = (view.crumb)(slot);
        let seen_at = self.grief.seen_at[slot].replace(crumb);
        if seen_at.is_none_or(|seen| seen.block != crumb.block) {
            return;
        }
        if seen_at == Some(crumb) {
            self.blame(slot, crumb, Cause::RanAway, view, actions);
        }
        self.fence(slot, Reason::RanAway, actions);
    }

    /// A worker that stands still for too long may have been stopped. Two that did so at the same module of
    /// the same block, or at the same command, were not; nor was one that began anew, and came no further than
    /// the last.
    pub(super) fn give_up(
        &mut self,
        slot: Slot,
        reason: Reason,
        view: &View<'_>,
        actions: &mut Vec<Action>,
    ) {
        let crumb = (view.crumb)(slot);
        let has_done_nothing = matches!(
            self.states[slot],
            State::Live { joined, .. } if joined.block == view.rendered[slot]
        );
        let is_same = |before: Crumb| {
            before.place == crumb.place && (before.block == crumb.block || has_done_nothing)
        };
        // One that was at nothing says nothing, and what is known from others stays.
        if matches!(crumb.place, Place::Module(_) | Place::Command { .. })
            && self.grief.gave_up_at.replace(crumb).is_some_and(is_same)
        {
            self.blame(slot, crumb, Cause::Stuck, view, actions);
        }
        self.fence(slot, reason, actions);
    }

    /// One worker that is busy for too long may be the machine's fault, two in the same module of the same
    /// block are not: waiting longer would only cost the time that somebody else has for going on.
    fn judge_witnesses(&mut self, view: &View<'_>, actions: &mut Vec<Action>) {
        let (mut places, mut witnesses) = ([None; SLOTS], [None; SLOTS]);
        for slot in 0..SLOTS {
            let crumb = (view.crumb)(slot);
            let is_in_module = self.is_live(slot) && matches!(crumb.place, Place::Module(_));
            if is_in_module && crumb.block >= self.survived {
                places[slot] = Some(crumb);
                let is_witness = self.detector.is_witness(slot, crumb, (view.cpu_now_ns)(slot));
                witnesses[slot] = places[slot].filter(|_| is_witness);
            }
        }
        self.grief.is_urgent |= places.iter().any(Option::is_some);
        let Some(crumb) = shared(&witnesses) else { return };
        let is_held_up = |slot: &Slot| witnesses[*slot] == Some(crumb);
        let Some(slot) = (0..SLOTS).find(is_held_up) else { return };
        self.blame(slot, crumb, Cause::Stuck, view, actions);
        // The primary last, so that its place does not go to one of them.
        let primary = self.primary;
        let others = (0..SLOTS).filter(|slot| primary != Some(*slot));
        for slot in others.chain(primary).filter(is_held_up) {
            self.fence(slot, Reason::RanAway, actions);
        }
    }

    /// A worker came to grief at `crumb`, of its own doing. If nobody survived that block, and what is to
    /// blame has not been put aside for it before, it is now. So the blocks of amendments ascend.
    pub(super) fn blame(
        &mut self,
        slot: Slot,
        crumb: Crumb,
        cause: Cause,
        view: &View<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(culprit) = crumb.culprit() else { return };
        if let Culprit::Edit(edit) = culprit {
            actions.push(Action::Withdraw { edit, cause });
            return;
        }
        let block = crumb.block;
        // A crumb of another block is one that the worker itself has overwritten; and nobody can come to grief
        // in one that is not sealed.
        let can_be = view.rendered[slot] == block && block < view.sealed;
        if !can_be || self.survived > block {
            return;
        }
        if self.grief.block != block {
            self.grief.block = block;
            self.grief.culprits.clear();
        }
        if self.grief.culprits.contains(&culprit) {
            return;
        }
        self.grief.culprits.push(culprit);
        actions.push(Action::Amend { block, culprit, cause });
    }

    /// Only progress shows that a late worker is well again: one that is stuck may owe nothing for the
    /// moment.
    fn note_progress(&mut self, slot: Slot, rendered: BlockIndex, actions: &mut Vec<Action>) {
        let was_due = self.was_due;
        let State::Live { joined, late, thrived } = &mut self.states[slot] else { return };
        if late.is_some_and(|since| rendered > since && rendered >= was_due) {
            *late = None;
            actions.push(Action::Report(Notice::CaughtUp(slot)));
        }
        if !*thrived && rendered >= joined.block + CHILDHOOD_BLOCKS {
            *thrived = true;
            self.forks.thrived(joined.at_ns);
        }
    }

    /// Whether it was not late before.
    fn mark_late(&mut self, slot: Slot) -> bool {
        let rendered = self.rendered[slot];
        let State::Live { late, .. } = &mut self.states[slot] else { return false };
        late.replace(late.unwrap_or(rendered)).is_none()
    }

    /// An overdue primary loses its place, if there is anybody who is not late to take it.
    fn overtake(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        let in_time = |state: &State| matches!(state, State::Live { late: None, .. });
        if !(0..SLOTS).any(|other| other != slot && in_time(&self.states[other])) {
            return;
        }
        self.mark_late(slot);
        actions.push(Action::Report(Notice::Overtaken(slot)));
        let best = (0..SLOTS)
            .filter(|other| *other != slot && in_time(&self.states[*other]))
            .max_by_key(|other| (self.is_canary(*other), self.merit(*other)));
        if let Some(to) = best {
            self.primary = Some(to);
            actions.push(Action::Promote(to));
            actions.push(Action::Report(Notice::RoleChange { from: Some(slot), to }));
        }
    }

    /// Its memory is damaged: it goes, and so does what it has forked for the worst. What it has rendered is
    /// played only if there is nobody else.
    pub(super) fn discredit(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        match self.states[slot] {
            State::Live { .. } => {
                if self.live().count() > 1 {
                    actions.push(Action::Disown(slot));
                }
                self.distrust_checkpoints(actions);
                self.fence(slot, Reason::Discredited, actions);
            }
            State::Joining { .. } => self.fence(slot, Reason::Discredited, actions),
            State::Frozen(_) => self.drop_checkpoint(slot, actions),
            State::Empty | State::Ordered { .. } | State::Fenced => {}
        }
    }

    pub(super) fn fence(&mut self, slot: Slot, reason: Reason, actions: &mut Vec<Action>) {
        self.states[slot] = State::Fenced;
        actions.push(Action::Fence(slot));
        actions.push(Action::Report(Notice::Fenced(slot, reason)));
        if self.primary == Some(slot) {
            self.promote_best(Some(slot), actions);
        }
    }
}

/// Whether a worker sleeps in the midst of a module or command: no machine is to blame for that, so nobody else needs
/// to fall asleep there first. Its crumb is read again, for it may have slept before it came there.
fn went_to_sleep(slot: Slot, view: &View<'_>) -> bool {
    let crumb = (view.crumb)(slot);
    let is_at_work = matches!(crumb.place, Place::Module(_) | Place::Command { .. });
    is_at_work
        && crumb.block == view.rendered[slot]
        && (view.asleep)(slot)
        && (view.crumb)(slot) == crumb
}

/// Where more than one is.
fn shared(places: &[Option<Crumb>; SLOTS]) -> Option<Crumb> {
    let is_shared = |crumb: &Crumb| places.iter().filter(|it| **it == Some(*crumb)).count() > 1;
    places.iter().flatten().copied().find(is_shared)
}
