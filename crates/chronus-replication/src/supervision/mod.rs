//! The supervision of replicas: one pure state machine that decides who leads, who is fenced, who
//! forks whom, and when to start afresh. The real supervisor and the simulation drive the same code.
//!
//! Invariants: at most one fork is under way at a time; a slot is given away only after the process
//! that held it was reaped; every process that ever gets a slot has a number of its own; the primary
//! is a worker known to live, or there is none.

mod canary;
mod protocol;
mod restore;
mod suspects;
#[cfg(test)]
mod tests;

use crate::fault_detector::FaultDetector;
use crate::restart::{BackOff, Death, Intensity};
use crate::selector::VOTERS;
use crate::{BlockIndex, PLACES, SLOTS, Slot};
use canary::Canary;
pub use protocol::{Action, Event, Left, Notice, Reason, Settings, View};
use restore::Frozen;
use suspects::Grief;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No process, and the last one is reaped.
    Empty,
    /// A fork into this slot was ordered.
    Ordered { forker: Slot, number: u32, since_ns: u64 },
    /// The process is known; it has not claimed the slot yet.
    Joining { number: u32, until_ns: u64 },
    /// At work; late since it had finished so many blocks, if it is.
    Live { joined: Joined, late: Option<BlockIndex>, thrived: bool },
    /// A checkpoint, which waits to be thawed.
    Frozen(Frozen),
    /// Killed; not reaped yet.
    Fenced,
}

/// By which number, where and when a worker began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Joined {
    number: u32,
    block: BlockIndex,
    at_ns: u64,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Supervision {
    settings: Settings,
    detector: FaultDetector,
    /// Of the slots, and after them of the checkpoints' places.
    states: [State; PLACES],
    primary: Option<Slot>,
    /// Who went first under the supervisor before, until somebody does under this one.
    went_first: Option<Slot>,
    last_number: u32,
    forks: BackOff,
    fresh: Intensity,
    /// When the next fresh start may be tried; spoken of once per wait.
    fresh_not_before_ns: u64,
    redundant: bool,
    complete: bool,
    begun: bool,
    now_ns: u64,
    rendered: [BlockIndex; PLACES],
    proven: [bool; SLOTS],
    /// How many blocks anybody has finished who was ever at work, be it dead by now: they can be survived.
    survived: BlockIndex,
    grief: Grief,
    /// Who was sent ahead into a block that holds up the primary.
    canary: Option<Canary>,
    /// Checkpoints with numbers up to this one may hold what is wrong.
    distrusted: u32,
    /// When the next checkpoint may be ordered: one that comes too late to be of use is dropped at once.
    checkpoint_not_before_ns: u64,
    /// What was due to a standby at the look before, so that it has had the time to do it.
    was_due: BlockIndex,
    /// What was sealed at the look before.
    was_sealed: BlockIndex,
}

/// A worker that has finished this many blocks since it joined did not die young.
const CHILDHOOD_BLOCKS: u64 = 1;
/// So many blocks are not much to catch up with: the device may have taken a whole period at once.
const FEW_BLOCKS: u64 = 16;
/// Checkpoints are ordered at most this often, whatever becomes of them.
const CHECKPOINTS_APART_NS: u64 = 10_000_000;
/// While somebody may come to no end, it is looked for this often; for one that is late otherwise, so often.
const URGENT_LOOK_NS: u64 = 200_000;
const OVERDUE_LOOK_NS: u64 = 1_000_000;
/// Who has much to catch up with, as one that was thawed has, is not bothered with a fork for so long.
const CATCH_UP_NS: u64 = 20_000_000;

impl Supervision {
    /// Supervision of slots that are all empty.
    pub fn new(settings: Settings) -> Self {
        Self {
            detector: FaultDetector::new(settings.limits),
            states: [State::Empty; PLACES],
            primary: None,
            went_first: None,
            last_number: 0,
            forks: BackOff::default(),
            fresh: Intensity::new(settings.fresh_most, settings.fresh_window_ns),
            fresh_not_before_ns: 0,
            redundant: false,
            complete: false,
            begun: false,
            now_ns: 0,
            rendered: [0; PLACES],
            proven: [false; SLOTS],
            survived: 0,
            grief: Grief::default(),
            canary: None,
            distrusted: 0,
            checkpoint_not_before_ns: 0,
            was_due: 0,
            was_sealed: 0,
            settings,
        }
    }

    /// Who goes first, if anybody lives.
    pub fn primary(&self) -> Option<Slot> {
        self.primary
    }

    /// Whether the worker of a slot is at work, late or not.
    pub fn is_live(&self, slot: Slot) -> bool {
        matches!(self.states[slot], State::Live { .. })
    }

    /// Whether a worker has taken its slot and was not accepted yet: it may have died of its first block before
    /// anybody looked.
    fn has_claimed(&self, slot: Slot, view: &View<'_>) -> bool {
        matches!(self.states[slot], State::Joining { number, .. } if view.claimed[slot] == number)
    }

    /// Whether a slot has, or may soon have, a process.
    pub fn is_occupied(&self, slot: Slot) -> bool {
        self.states[slot] != State::Empty
    }

    /// Whether a slot has, or may soon have, a process that reads the log. One that is fenced may read what it
    /// likes: nothing that comes of it is played.
    pub fn is_reader(&self, slot: Slot) -> bool {
        !matches!(self.states[slot], State::Empty | State::Fenced)
    }

    /// The word for the state of a slot.
    pub fn role(&self, slot: Slot) -> &'static str {
        match self.states[slot] {
            State::Empty => "empty",
            State::Ordered { .. } | State::Joining { .. } => "joining",
            State::Frozen(_) => "checkpoint",
            State::Fenced => "fenced",
            State::Live { .. } if self.primary == Some(slot) => "primary",
            State::Live { late: Some(_), .. } => "late",
            State::Live { .. } => "standby",
        }
    }

    /// Whether all replicas are there and level.
    pub fn is_redundant(&self) -> bool {
        self.redundant
    }

    /// Whether all replicas are there, so that the device may begin. Who has rendered nothing yet, because nothing
    /// is played, has no vote: redundancy may come later.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the first worker has been asked for.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// A number that no process and no order has had.
    pub fn take_number(&mut self) -> u32 {
        self.last_number += 1;
        self.last_number
    }

    /// Takes over from another supervision: those who are there join as if they had come just now.
    pub fn take_over(&mut self, left: &Left) {
        self.last_number = left.last_number;
        self.begun = left.last_number > 0;
        self.went_first = Some(left.primary);
        self.distrusted = left.distrusted;
        self.grief.remember(&left.amended);
        // Nobody comes to grief in a block without having finished those before it.
        self.survived = left.amended.0;
        for place in 0..PLACES {
            let Some(number) = left.members[place] else { continue };
            let until_ns = self.settings.join_ns;
            self.states[place] =
                if left.unfit[place] { State::Fenced } else { State::Joining { number, until_ns } };
        }
        if let Some((forker, into, number)) = left.fork {
            self.states[into] = State::Ordered { forker, number, since_ns: 0 };
        }
    }

    /// Takes an event; what is to be done is added to `actions`.
    pub fn handle(&mut self, event: Event, view: &View<'_>, actions: &mut Vec<Action>) {
        self.note_rendered(view);
        match event {
            Event::Forked { number } => {
                if let Some(slot) = self.ordered(number) {
                    let until_ns = self.detector.patience_ns() + self.settings.join_ns;
                    self.states[slot] = State::Joining { number, until_ns };
                }
            }
            Event::ForkFailed { number, errno } => {
                if let Some(slot) = self.ordered(number) {
                    self.states[slot] = State::Empty;
                    let retry_ns = self.forks.fork_failed(self.now_ns);
                    actions.push(Action::Report(Notice::ForkFailed { errno, retry_ns }));
                }
            }
            Event::NoChild { number } => {
                if let Some(slot) = self.ordered(number) {
                    self.states[slot] = State::Empty;
                }
            }
            Event::SpawnFailed { number, errno } => {
                let failed = |state: &State| matches!(state, State::Joining { number: n, .. } if *n == number);
                if let Some(slot) = self.states.iter().position(failed) {
                    self.states[slot] = State::Empty;
                    let retry_ns = self.forks.fork_failed(self.now_ns);
                    self.fresh_not_before_ns = self.now_ns + retry_ns;
                    actions.push(Action::Report(Notice::ForkFailed { errno, retry_ns }));
                }
            }
            Event::Exited { slot, death, crumb } => {
                let was_at_work = self.is_live(slot) || self.has_claimed(slot, view);
                if let (Death::OfItself(cause), true) = (death, was_at_work) {
                    self.blame(slot, crumb, cause, view, actions);
                }
                self.note_death(slot, death, actions);
            }
            Event::Diverged { slot } => {
                if self.is_live(slot) && self.live().count() > 1 {
                    actions.push(Action::Disown(slot));
                    // Before the only evidence is gone, should this supervisor die over it.
                    self.distrust_checkpoints(actions);
                    self.fence(slot, Reason::Diverged, actions);
                }
            }
            Event::Discredited { slot } => self.discredit(slot, actions),
        }
    }

    /// Looks at the workers at `now_ns`; what is to be done is added to `actions`. To be called at
    /// least every few milliseconds, and after every event.
    pub fn look(&mut self, now_ns: u64, view: &View<'_>, actions: &mut Vec<Action>) {
        self.now_ns = now_ns;
        self.note_rendered(view);
        self.detector.look(now_ns);
        self.recall_canary();
        self.admit_claims(view, actions);
        if self.primary.is_none() {
            self.promote_best(None, actions);
        }
        self.judge_all(view, actions);
        self.judge_redundancy(view, actions);
        self.was_due = self.due_to_standby(view);
        self.restore(view, actions);
        self.was_sealed = view.sealed;
    }

    /// In how many nanoseconds the next look is wanted at the latest, if anybody owes anything: what is late is
    /// to be noticed when it is, not when something else happens.
    pub fn look_again_in_ns(&self) -> Option<u64> {
        if self.grief.is_urgent {
            return Some(URGENT_LOOK_NS);
        }
        let in_time = |slot: &Slot| matches!(self.states[*slot], State::Live { late: None, .. });
        let owing = (0..SLOTS).filter(in_time).filter_map(|slot| self.detector.overdue_in_ns(slot));
        owing.map(|left_ns| if left_ns == 0 { OVERDUE_LOOK_NS } else { left_ns }).min()
    }

    fn note_rendered(&mut self, view: &View<'_>) {
        (self.rendered, self.proven) = (view.rendered, view.proven);
        let most = self.live().map(|slot| view.rendered[slot]).max();
        self.survived = self.survived.max(most.unwrap_or(0));
    }

    fn ordered(&self, number: u32) -> Option<Slot> {
        let is_it =
            |state: &State| matches!(state, State::Ordered { number: n, .. } if *n == number);
        self.states.iter().position(is_it)
    }

    fn live(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..SLOTS).filter(|slot| self.is_live(*slot))
    }

    fn admit_claims(&mut self, view: &View<'_>, actions: &mut Vec<Action>) {
        for slot in 0..PLACES {
            let State::Joining { number, until_ns } = self.states[slot] else { continue };
            if view.claimed[slot] == number && slot >= SLOTS && number <= self.distrusted {
                self.drop_checkpoint(slot, actions);
            } else if view.claimed[slot] == number && slot >= SLOTS {
                let (block, at_ns) = (view.rendered[slot], self.now_ns);
                self.states[slot] = State::Frozen(Frozen { block, at_ns });
            } else if view.claimed[slot] == number {
                self.detector.forget(slot);
                let joined = Joined { number, block: view.rendered[slot], at_ns: self.now_ns };
                self.states[slot] = State::Live { joined, late: None, thrived: false };
                actions.push(Action::Accept { slot, number });
            } else if self.detector.patience_ns() >= until_ns {
                self.fence(slot, Reason::NeverJoined, actions);
            }
        }
    }

    /// The live worker that is furthest goes first; ties go to one that is proven, then to who went first before
    /// (of two that differ, its bits were heard), then to the lowest slot.
    fn promote_best(&mut self, from: Option<Slot>, actions: &mut Vec<Action>) {
        let best = self.live().max_by_key(|slot| self.merit(*slot));
        self.went_first = self.went_first.filter(|_| best.is_none());
        self.primary = best;
        if let Some(to) = best {
            if let State::Live { late, .. } = &mut self.states[to] {
                *late = None;
            }
            actions.push(Action::Promote(to));
            actions.push(Action::Report(Notice::RoleChange { from, to }));
        }
    }

    pub(super) fn merit(&self, slot: Slot) -> impl Ord + use<> {
        (self.rendered[slot], self.proven[slot], self.went_first == Some(slot), SLOTS - slot)
    }

    /// How many blocks a standby should have finished. A new primary may be behind what was released.
    fn due_to_standby(&self, view: &View<'_>) -> BlockIndex {
        let leads_until = self.primary.map_or(0, |primary| view.rendered[primary]);
        view.released.min(leads_until).min(view.sealed)
    }

    /// The process of `slot` is gone for good.
    fn note_death(&mut self, slot: Slot, death: Death, actions: &mut Vec<Action>) {
        let died_young = match self.states[slot] {
            State::Empty | State::Ordered { .. } => return,
            State::Fenced | State::Frozen(_) => false,
            State::Joining { .. } => true,
            State::Live { thrived, joined, .. } => {
                !thrived && self.rendered[slot] < joined.block + CHILDHOOD_BLOCKS
            }
        };
        self.states[slot] = State::Empty;
        if slot < SLOTS {
            self.detector.forget(slot);
            actions.push(Action::Report(Notice::Died(slot)));
        }
        if died_young {
            let retry_ns = self.forks.died_young(self.now_ns, death);
            if retry_ns > 0 {
                actions.push(Action::Report(Notice::Slowed { retry_ns }));
            }
        }
        for into in 0..PLACES {
            if let State::Ordered { forker, number, .. } = self.states[into]
                && forker == slot
            {
                actions.push(Action::FindChild { number, into });
            }
        }
        if self.primary == Some(slot) {
            self.promote_best(Some(slot), actions);
        }
    }

    fn judge_redundancy(&mut self, view: &View<'_>, actions: &mut Vec<Action>) {
        let Some(primary) = self.primary else {
            self.complete = false;
            self.set_redundant(false, actions);
            return;
        };
        let is_level = |slot: &Slot| {
            matches!(self.states[*slot], State::Live { late: None, .. })
                && self.rendered[*slot] >= self.was_due
        };
        // Where one can be outvoted, who has no vote yet is not there yet.
        let counts = |slot: &Slot| self.settings.replicas < VOTERS || view.proven[*slot];
        self.complete = (0..SLOTS).filter(is_level).count() >= self.settings.replicas;
        let level = (0..SLOTS).filter(is_level).filter(counts).count();
        // A standby that is a few blocks behind for a moment does not end redundancy once there.
        let there = self.live().filter(|slot| self.role(*slot) != "late").count();
        // While the primary itself has to catch up, who is level with it is not there yet.
        let level = if self.is_behind(primary) { 0 } else { level };
        let redundant = if self.redundant { there } else { level } >= self.settings.replicas;
        self.set_redundant(redundant, actions);
    }

    /// Whether a worker has much to catch up with.
    fn is_behind(&self, slot: Slot) -> bool {
        self.rendered[slot] + FEW_BLOCKS < self.was_sealed
    }

    fn set_redundant(&mut self, redundant: bool, actions: &mut Vec<Action>) {
        if self.redundant != redundant {
            self.redundant = redundant;
            let notice = if redundant { Notice::Redundant } else { Notice::Degraded };
            actions.push(Action::Report(notice));
        }
    }
}
