//! A canary: what the last standby sends ahead into a block in which the primary comes to no end.
//!
//! It takes two witnesses to blame a module rather than the machine, but a standby that goes into the block itself
//! is lost if the module is to blame, and with it the state before that block. So it forks, and its child goes
//! first. If the child comes to no end either, both are fenced, the block is amended, and the standby renders it,
//! without anything to catch up with. If the child, or the primary after all, gets through, one is too many, and
//! goes.

use super::{Action, Reason, State, Supervision, View};
use crate::blame::Place;
use crate::{BlockIndex, SLOTS, Slot};

/// Who was sent ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canary {
    block: BlockIndex,
    /// Its number, once its fork was ordered.
    number: Option<u32>,
    /// Until then it is waited for, in patience.
    until_ns: u64,
}

/// A fork is made and has claimed its slot in half of that.
const WAIT_NS: u64 = 1_500_000;

impl Supervision {
    /// The primary is overdue and busy. Whether a canary is on its way, or as busy at the same place as the one that it
    /// was sent after, so that the standby shall not go itself.
    pub(super) fn sends_canary(
        &mut self,
        primary: Slot,
        view: &View<'_>,
        actions: &mut Vec<Action>,
    ) -> bool {
        let crumb = (view.crumb)(primary);
        let block = self.rendered[primary];
        if !matches!(crumb.place, Place::Module(_)) || crumb.block != block {
            return false;
        }
        if self.is_canary(primary) {
            let is_there = |slot: Slot| slot != primary && (view.crumb)(slot) == crumb;
            return self.live().any(is_there);
        }
        let now_ns = self.detector.patience_ns();
        let known = self.canary.filter(|canary| canary.block == block);
        let mut canary =
            known.unwrap_or(Canary { block, number: None, until_ns: now_ns + WAIT_NS });
        let is_under_way = |state: &State| match *state {
            State::Ordered { number, .. } | State::Joining { number, .. } => {
                canary.number.is_none_or(|wanted| wanted == number)
            }
            _ => false,
        };
        let waits = self.states.iter().any(is_under_way);
        if canary.number.is_none() && !waits {
            let Some((standby, free)) = self.last_standby(primary) else { return false };
            canary.number = self.order_fork(standby, free, actions);
            self.canary = Some(canary);
            return canary.number.is_some();
        }
        self.canary = Some(canary);
        waits && now_ns < canary.until_ns
    }

    /// The standby after whom nobody is left before the block, and a slot for its child. Where there is another
    /// standby, one can go itself.
    fn last_standby(&self, primary: Slot) -> Option<(Slot, Slot)> {
        let in_time = |slot: &Slot| {
            *slot != primary && matches!(self.states[*slot], State::Live { late: None, .. })
        };
        let mut standbys = (0..SLOTS).filter(in_time);
        let standby = standbys.next().filter(|standby| self.proven[*standby])?;
        let free = (0..SLOTS).find(|slot| self.states[*slot] == State::Empty)?;
        standbys.next().is_none().then_some((standby, free))
    }

    /// Whether the worker of this slot was sent ahead, and nobody has got through that block yet.
    pub(super) fn is_canary(&self, slot: Slot) -> bool {
        let sent = self.canary.and_then(|canary| canary.number);
        matches!(self.states[slot], State::Live { joined, .. } if sent == Some(joined.number))
    }

    /// Once somebody got through, nobody is ahead any more.
    pub(super) fn recall_canary(&mut self) {
        self.canary.take_if(|canary| self.survived > canary.block);
    }

    /// A canary got through, or came in vain: of those who are in time one is too many. The primary stays, and
    /// of the others who is proven.
    pub(super) fn dismiss_surplus(&mut self, actions: &mut Vec<Action>) {
        let in_time = |slot: &Slot| matches!(self.states[*slot], State::Live { late: None, .. });
        if self.canary.is_some() || (0..SLOTS).filter(in_time).count() <= self.settings.replicas {
            return;
        }
        let others = (0..SLOTS).filter(in_time).filter(|slot| self.primary != Some(*slot));
        if let Some(slot) = others.min_by_key(|slot| (self.proven[*slot], self.merit(*slot))) {
            self.fence(slot, Reason::Surplus, actions);
        }
    }
}
