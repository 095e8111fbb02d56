//! What brings back what is missing: a fork of a survivor, a checkpoint that is thawed, a fresh worker. And
//! what provides for the worst: checkpoints, which are forks that do not run.

use super::{Action, CATCH_UP_NS, CHECKPOINTS_APART_NS, Notice, Reason, State, Supervision, View};
use crate::{BlockIndex, PLACES, SLOTS, Slot};

impl Supervision {
    /// Brings back what is missing, one thing at a time.
    pub(super) fn restore(&mut self, view: &View<'_>, actions: &mut Vec<Action>) {
        self.drop_useless(view, actions);
        self.dismiss_surplus(actions);
        if let Some((forker, since_ns)) = self.states.iter().find_map(|state| match state {
            State::Ordered { forker, since_ns, .. } => Some((*forker, *since_ns)),
            _ => None,
        }) {
            let waited_ns = self.detector.patience_ns() - since_ns;
            if waited_ns >= self.settings.join_ns && self.is_live(forker) && !view.blind {
                self.give_up(forker, Reason::NeverJoined, view, actions);
            }
            return;
        }
        if self.states.iter().any(|state| matches!(state, State::Joining { .. })) {
            return;
        }
        let here = |slot: &Slot| !matches!(self.states[*slot], State::Empty | State::Fenced);
        let is_complete = (0..SLOTS).filter(here).count() >= self.settings.replicas;
        let free = (0..SLOTS).find(|slot| self.states[*slot] == State::Empty);
        match free {
            _ if is_complete => self.renew_checkpoint(view, actions),
            None => {}
            Some(free) if self.live().next().is_some() => {
                if let Some(forker) = self.forker(false) {
                    let _ = self.order_fork(forker, free, actions);
                }
            }
            Some(free) => self.revive(free, actions),
        }
    }

    /// Who is to fork: a standby before the primary, which has enough to do, but none whose bits nobody has
    /// compared yet. Or a mistake could be handed on from child to child, ahead of all comparisons, until it has
    /// the majority.
    fn forker(&self, only_standbys: bool) -> Option<Slot> {
        let in_time = |slot: &Slot| match self.states[*slot] {
            State::Live { late: None, joined, .. } => {
                let has_had_time = self.now_ns.saturating_sub(joined.at_ns) >= CATCH_UP_NS;
                has_had_time || !self.is_behind(*slot)
            }
            _ => false,
        };
        let is_primary = |slot: &Slot| self.primary == Some(*slot);
        let candidates = self.live().filter(in_time);
        let is_permitted = |slot: &Slot| {
            if only_standbys { !is_primary(slot) && self.proven[*slot] } else { true }
        };
        let is_trusted = |slot: &Slot| is_primary(slot) || self.proven[*slot];
        candidates.filter(is_permitted).max_by_key(|slot| (is_trusted(slot), !is_primary(slot)))
    }

    /// Orders a fork if it is permitted now; returns the child's number.
    pub(super) fn order_fork(
        &mut self,
        forker: Slot,
        into: Slot,
        actions: &mut Vec<Action>,
    ) -> Option<u32> {
        if !self.forks.permits(self.now_ns) {
            return None;
        }
        let number = self.take_number();
        let since_ns = self.detector.patience_ns();
        self.states[into] = State::Ordered { forker, number, since_ns };
        actions.push(Action::Fork { forker, into, number });
        Some(number)
    }

    /// Nobody lives: the newest checkpoint catches up, or a fresh worker begins.
    fn revive(&mut self, free: Slot, actions: &mut Vec<Action>) {
        let Some((from, frozen)) = self.newest_checkpoint() else {
            if !self.begun || (0..SLOTS).all(|slot| self.states[slot] == State::Empty) {
                self.start_afresh(free, actions);
            }
            return;
        };
        // Who catches up renders over what the last worker of its slot has left, which may be yet to be played:
        // so it gets the slot of the one that had come least far.
        let empty = (0..SLOTS).filter(|slot| self.states[*slot] == State::Empty);
        let free = empty.min_by_key(|slot| self.rendered[*slot]).unwrap_or(free);
        let number = self.take_number();
        let until_ns = self.detector.patience_ns() + self.settings.thaw_ns;
        self.states[from] = State::Empty;
        self.states[free] = State::Joining { number, until_ns };
        actions.push(Action::Thaw { from, into: free, number });
        actions.push(Action::Report(Notice::Thawed(frozen.block)));
    }

    /// Nobody sounds any more, so children that died young are no reason to wait.
    fn start_afresh(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        if self.now_ns < self.fresh_not_before_ns {
            return;
        }
        if let Err(retry_ns) = self.fresh.admit(self.now_ns) {
            self.fresh_not_before_ns = self.now_ns + retry_ns;
            actions.push(Action::Report(Notice::Intensity { retry_ns }));
            return;
        }
        let number = self.take_number();
        let until_ns = self.detector.patience_ns() + self.settings.spawn_ns;
        self.states[slot] = State::Joining { number, until_ns };
        let restart = std::mem::replace(&mut self.begun, true);
        actions.push(Action::Spawn { slot, number, restart });
        if restart {
            actions.push(Action::Report(Notice::StartedAfresh));
        }
    }

    fn checkpoints(&self) -> impl Iterator<Item = (Slot, Frozen)> + '_ {
        (SLOTS..PLACES).filter_map(|place| match self.states[place] {
            State::Frozen(frozen) => Some((place, frozen)),
            _ => None,
        })
    }

    fn newest_checkpoint(&self) -> Option<(Slot, Frozen)> {
        self.checkpoints().max_by_key(|(_, frozen)| frozen.block)
    }

    /// The block of the newest checkpoint, if there is one.
    pub fn checkpoint(&self) -> Option<BlockIndex> {
        self.newest_checkpoint().map(|(_, frozen)| frozen.block)
    }

    /// Unless nobody lives: then all hope is on it.
    fn drop_useless(&mut self, view: &View<'_>, actions: &mut Vec<Action>) {
        if self.live().next().is_none() {
            return;
        }
        for place in SLOTS..PLACES {
            if matches!(self.states[place], State::Frozen(it) if it.block < view.useless_before) {
                self.drop_checkpoint(place, actions);
            }
        }
    }

    /// All checkpoints are dropped, those that are on their way as soon as they come: they may hold what is
    /// wrong.
    pub(super) fn distrust_checkpoints(&mut self, actions: &mut Vec<Action>) {
        self.distrusted = self.last_number;
        actions.push(Action::Distrust(self.distrusted));
        for place in SLOTS..PLACES {
            if matches!(self.states[place], State::Frozen(_)) {
                self.drop_checkpoint(place, actions);
            }
        }
    }

    pub(super) fn drop_checkpoint(&mut self, place: Slot, actions: &mut Vec<Action>) {
        self.states[place] = State::Fenced;
        actions.push(Action::Fence(place));
    }

    /// Has a standby take a new checkpoint when the last one is old, and drops the one before once there is
    /// a newer one. The primary has no time for that, so one that is alone is without.
    fn renew_checkpoint(&mut self, view: &View<'_>, actions: &mut Vec<Action>) {
        let newest = self.newest_checkpoint();
        let is_older = |(place, _): &(Slot, Frozen)| newest.is_some_and(|(last, _)| last != *place);
        let older = self.checkpoints().find(is_older);
        if let Some((place, _)) = older {
            self.drop_checkpoint(place, actions);
        }
        let is_due = newest.is_none_or(|(_, frozen)| {
            self.now_ns.saturating_sub(frozen.at_ns) >= self.settings.checkpoint_ns
                || view.sealed.saturating_sub(frozen.block) >= self.settings.checkpoint_blocks
                || frozen.block < view.renew_before
        });
        let free = (SLOTS..PLACES).find(|place| self.states[*place] == State::Empty);
        let is_due = is_due && self.now_ns >= self.checkpoint_not_before_ns;
        if let (true, Some(free), Some(forker)) = (is_due, free, self.forker(true)) {
            self.checkpoint_not_before_ns = self.now_ns + CHECKPOINTS_APART_NS;
            let _ = self.order_fork(forker, free, actions);
        }
    }
}

/// A fork that does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frozen {
    /// The block that it would render next.
    pub block: BlockIndex,
    pub at_ns: u64,
}
