//! The supervision of replicas: one pure state machine that decides who leads, who is fenced, who
//! forks whom, and when to start afresh. The real supervisor and the simulation drive the same code.
//!
//! Invariants: at most one fork is under way at a time; a slot is given away only after the process
//! that held it was reaped; every process that ever gets a slot has a number of its own; the primary
//! is a worker known to live, or there is none.

use crate::fault_detector::{FaultDetector, Limits, Suspicion};
use crate::restart::{BackOff, Death, Intensity};
use crate::{BlockIndex, SLOTS, Slot};

/// What supervision is told to keep up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many replicas there shall be, 1 to [`SLOTS`].
    pub replicas: usize,
    /// When patience ends.
    pub limits: Limits,
    /// How long a child may take to claim its slot, and a survivor to fork, in patience.
    pub join_ns: u64,
    /// How long a fresh worker may take to claim its slot, in patience.
    pub spawn_ns: u64,
    /// At most this many fresh workers …
    pub fresh_most: usize,
    /// … in any window of this length.
    pub fresh_window_ns: u64,
}

impl Settings {
    /// The usual settings for this many replicas.
    pub fn for_replicas(replicas: usize) -> Self {
        Self {
            replicas: replicas.clamp(1, SLOTS),
            limits: Limits::default(),
            join_ns: 100_000_000,
            spawn_ns: 5_000_000_000,
            fresh_most: 5,
            fresh_window_ns: 10_000_000_000,
        }
    }
}

/// What is seen at one look.
pub struct View<'a> {
    /// How many blocks are sealed.
    pub sealed: BlockIndex,
    /// How many are released to the standbys.
    pub released: BlockIndex,
    /// The incarnation that has claimed each slot.
    pub claimed: [u32; SLOTS],
    /// How many blocks the worker of each slot has finished.
    pub rendered: [BlockIndex; SLOTS],
    /// CPU time used by the worker of a slot; asked only about suspects.
    pub cpu_ns: &'a dyn Fn(Slot) -> Option<u64>,
}

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The fork with this number was made; its process is known now.
    Forked {
        /// The order's number.
        number: u32,
    },
    /// The fork with this number could not be made.
    ForkFailed {
        /// The order's number.
        number: u32,
        /// The errno of the call.
        errno: i32,
    },
    /// The parent of this fork died before it could tell, and there is no child.
    NoChild {
        /// The order's number.
        number: u32,
    },
    /// The fresh worker with this number could not be started.
    SpawnFailed {
        /// Its number.
        number: u32,
        /// The errno of the call.
        errno: i32,
    },
    /// The process of this slot is gone and reaped.
    Exited {
        /// Its slot.
        slot: Slot,
        /// How it came to its end.
        death: Death,
    },
    /// The replica in this slot rendered other bits than the primary.
    Diverged {
        /// Its slot.
        slot: Slot,
    },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// This slot goes first from now on.
    Promote(Slot),
    /// What this slot holds may be played if it bears this number.
    Admit {
        /// The slot.
        slot: Slot,
        /// The number of the worker in it.
        number: u32,
    },
    /// What this slot holds must not be played any more.
    Disown(Slot),
    /// Kill the process of this slot.
    Fence(Slot),
    /// Order a fork.
    Fork {
        /// The worker that is asked.
        forker: Slot,
        /// The free slot for the child.
        into: Slot,
        /// The order's number, and the child's incarnation.
        number: u32,
    },
    /// The forker is dead: look for a child that nobody knows.
    FindChild {
        /// The order's number.
        number: u32,
        /// The slot that it was for.
        into: Slot,
    },
    /// Start a worker afresh.
    Spawn {
        /// The free slot.
        slot: Slot,
        /// Its incarnation.
        number: u32,
        /// Whether the sound is interrupted, so that the machine must restart from its parameters.
        restart: bool,
    },
    /// Something to tell people.
    Report(Notice),
}

/// What people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A worker lost the first place, alive.
    Overtaken(Slot),
    /// A worker that had lost its place is level again.
    CaughtUp(Slot),
    /// A worker was fenced.
    Fenced(Slot, Reason),
    /// A worker is gone.
    Died(Slot),
    /// Another worker goes first.
    RoleChange {
        /// The slot that went first, if one did.
        from: Option<Slot>,
        /// The slot that does now.
        to: Slot,
    },
    /// All replicas are there and level.
    Redundant,
    /// Some replica is missing or late.
    Degraded,
    /// A fork failed; it is tried again after this long.
    ForkFailed {
        /// The errno.
        errno: i32,
        /// Nanoseconds until the next attempt.
        retry_ns: u64,
    },
    /// Workers die young; the next is made after this long.
    Slowed {
        /// Nanoseconds until the next attempt.
        retry_ns: u64,
    },
    /// Nobody is left; a fresh worker takes over, faded in.
    StartedAfresh,
    /// Too many fresh starts; the next comes after this long.
    Intensity {
        /// Nanoseconds until the next attempt.
        retry_ns: u64,
    },
}

/// Why a worker was fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It owed a block past the hard limit.
    Hopeless,
    /// It used CPU time and finished nothing.
    RanAway,
    /// It rendered other bits.
    Diverged,
    /// It did not claim its slot, or did not fork when asked.
    NeverJoined,
}

/// What a supervisor leaves to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The last number that was given; 0 if nobody was ever asked for.
    pub last_number: u32,
    /// The numbers of the processes that are there.
    pub members: [Option<u32>; SLOTS],
    /// Those of them that were found unfit, and killed.
    pub unfit: [bool; SLOTS],
    /// The fork under way: who was asked, for which slot, by which number.
    pub fork: Option<(Slot, Slot, u32)>,
}

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
    /// Killed; not reaped yet.
    Fenced,
}

/// Where and when a worker began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Joined {
    block: BlockIndex,
    at_ns: u64,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Supervision {
    settings: Settings,
    detector: FaultDetector,
    states: [State; SLOTS],
    primary: Option<Slot>,
    last_number: u32,
    forks: BackOff,
    fresh: Intensity,
    /// When the next fresh start may be tried; spoken of once per wait.
    fresh_not_before_ns: u64,
    redundant: bool,
    begun: bool,
    now_ns: u64,
    rendered: [BlockIndex; SLOTS],
    /// What was due to a standby at the look before, so that it has had the time to do it.
    was_due: BlockIndex,
}

/// A worker that has finished this many blocks since it joined did not die young.
const CHILDHOOD_BLOCKS: u64 = 1;

impl Supervision {
    /// Supervision of slots that are all empty.
    pub fn new(settings: Settings) -> Self {
        Self {
            detector: FaultDetector::new(settings.limits),
            states: [State::Empty; SLOTS],
            primary: None,
            last_number: 0,
            forks: BackOff::default(),
            fresh: Intensity::new(settings.fresh_most, settings.fresh_window_ns),
            fresh_not_before_ns: 0,
            redundant: false,
            begun: false,
            now_ns: 0,
            rendered: [0; SLOTS],
            was_due: 0,
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

    /// Whether a slot has, or may soon have, a process that reads the log.
    pub fn is_occupied(&self, slot: Slot) -> bool {
        self.states[slot] != State::Empty
    }

    /// The word for the state of a slot.
    pub fn role(&self, slot: Slot) -> &'static str {
        match self.states[slot] {
            State::Empty => "empty",
            State::Ordered { .. } | State::Joining { .. } => "joining",
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
        for slot in 0..SLOTS {
            let Some(number) = left.members[slot] else { continue };
            let until_ns = self.settings.join_ns;
            self.states[slot] = match left.unfit[slot] {
                true => State::Fenced,
                false => State::Joining { number, until_ns },
            };
        }
        if let Some((forker, into, number)) = left.fork {
            self.states[into] = State::Ordered { forker, number, since_ns: 0 };
        }
    }

    /// Takes an event; what is to be done is added to `actions`.
    pub fn handle(&mut self, event: Event, actions: &mut Vec<Action>) {
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
            Event::Exited { slot, death } => self.bury(slot, death, actions),
            Event::Diverged { slot } => {
                if self.is_live(slot) && self.primary != Some(slot) {
                    actions.push(Action::Disown(slot));
                    self.fence(slot, Reason::Diverged, actions);
                }
            }
        }
    }

    /// Looks at the workers at `now_ns`; what is to be done is added to `actions`. To be called at
    /// least every few milliseconds, and after every event.
    pub fn look(&mut self, now_ns: u64, view: &View<'_>, actions: &mut Vec<Action>) {
        self.now_ns = now_ns;
        self.rendered = view.rendered;
        self.detector.look(now_ns);
        self.admit_claims(view, actions);
        if self.primary.is_none() {
            self.promote_best(None, actions);
        }
        self.judge_all(view, actions);
        self.judge_redundancy(actions);
        self.was_due = self.due_to_standby(view);
        self.restore(actions);
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
        for slot in 0..SLOTS {
            let State::Joining { number, until_ns } = self.states[slot] else { continue };
            if view.claimed[slot] == number {
                self.detector.forget(slot);
                let joined = Joined { block: view.rendered[slot], at_ns: self.now_ns };
                self.states[slot] = State::Live { joined, late: None, thrived: false };
                actions.push(Action::Admit { slot, number });
            } else if self.detector.patience_ns() >= until_ns {
                self.fence(slot, Reason::NeverJoined, actions);
            }
        }
    }

    /// The live worker that is furthest goes first; ties go to the lowest slot.
    fn promote_best(&mut self, from: Option<Slot>, actions: &mut Vec<Action>) {
        let best = self.live().max_by_key(|slot| (self.rendered[*slot], SLOTS - slot));
        self.primary = best;
        if let Some(to) = best {
            if let State::Live { late, .. } = &mut self.states[to] {
                *late = None;
            }
            actions.push(Action::Promote(to));
            actions.push(Action::Report(Notice::RoleChange { from, to }));
        }
    }

    fn judge_all(&mut self, view: &View<'_>, actions: &mut Vec<Action>) {
        for slot in 0..SLOTS {
            if !self.is_live(slot) {
                continue;
            }
            let is_primary = self.primary == Some(slot);
            let due = if is_primary { view.sealed } else { self.due_to_standby(view) };
            let rendered = view.rendered[slot];
            let suspicion = self.detector.judge(slot, rendered, due, || (view.cpu_ns)(slot));
            match suspicion {
                Suspicion::None => self.note_progress(slot, rendered, actions),
                Suspicion::Overdue if is_primary => self.overtake(slot, actions),
                Suspicion::Overdue => self.mark_late(slot),
                Suspicion::RanAway => self.fence(slot, Reason::RanAway, actions),
                Suspicion::Hopeless => self.fence(slot, Reason::Hopeless, actions),
            }
        }
    }

    /// How many blocks a standby should have finished. A new primary may be behind what was released.
    fn due_to_standby(&self, view: &View<'_>) -> BlockIndex {
        let leads_until = self.primary.map_or(0, |primary| view.rendered[primary]);
        view.released.min(leads_until).min(view.sealed)
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

    fn mark_late(&mut self, slot: Slot) {
        let rendered = self.rendered[slot];
        if let State::Live { late, .. } = &mut self.states[slot] {
            late.get_or_insert(rendered);
        }
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
            .max_by_key(|other| (self.rendered[*other], SLOTS - other));
        if let Some(to) = best {
            self.primary = Some(to);
            actions.push(Action::Promote(to));
            actions.push(Action::Report(Notice::RoleChange { from: Some(slot), to }));
        }
    }

    fn fence(&mut self, slot: Slot, reason: Reason, actions: &mut Vec<Action>) {
        self.states[slot] = State::Fenced;
        actions.push(Action::Fence(slot));
        actions.push(Action::Report(Notice::Fenced(slot, reason)));
        if self.primary == Some(slot) {
            self.promote_best(Some(slot), actions);
        }
    }

    /// The process of `slot` is gone for good.
    fn bury(&mut self, slot: Slot, death: Death, actions: &mut Vec<Action>) {
        let died_young = match self.states[slot] {
            State::Empty | State::Ordered { .. } => return,
            State::Fenced => false,
            State::Joining { .. } => true,
            State::Live { thrived, joined, .. } => {
                !thrived && self.rendered[slot] < joined.block + CHILDHOOD_BLOCKS
            }
        };
        self.states[slot] = State::Empty;
        self.detector.forget(slot);
        actions.push(Action::Report(Notice::Died(slot)));
        if died_young {
            let retry_ns = self.forks.died_young(self.now_ns, death);
            if retry_ns > 0 {
                actions.push(Action::Report(Notice::Slowed { retry_ns }));
            }
        }
        for into in 0..SLOTS {
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

    fn judge_redundancy(&mut self, actions: &mut Vec<Action>) {
        if self.primary.is_none() {
            self.set_redundant(false, actions);
            return;
        }
        let level = (0..SLOTS)
            .filter(|slot| matches!(self.states[*slot], State::Live { late: None, .. }))
            .filter(|slot| self.rendered[*slot] >= self.was_due)
            .count();
        // A standby that is a few blocks behind for a moment does not end redundancy once there.
        let there = self.live().filter(|slot| self.role(*slot) != "late").count();
        let redundant = if self.redundant { there } else { level } >= self.settings.replicas;
        self.set_redundant(redundant, actions);
    }

    fn set_redundant(&mut self, redundant: bool, actions: &mut Vec<Action>) {
        if self.redundant != redundant {
            self.redundant = redundant;
            let notice = if redundant { Notice::Redundant } else { Notice::Degraded };
            actions.push(Action::Report(notice));
        }
    }

    /// Brings back what is missing: by a fork of a survivor, or afresh if there is none.
    fn restore(&mut self, actions: &mut Vec<Action>) {
        if let Some((forker, since_ns)) = self.states.iter().find_map(|state| match state {
            State::Ordered { forker, since_ns, .. } => Some((*forker, *since_ns)),
            _ => None,
        }) {
            let waited_ns = self.detector.patience_ns() - since_ns;
            if waited_ns >= self.settings.join_ns && self.is_live(forker) {
                self.fence(forker, Reason::NeverJoined, actions);
            }
            return;
        }
        let free = (0..self.settings.replicas).find(|slot| self.states[*slot] == State::Empty);
        let Some(free) = free else { return };
        if self.states.iter().any(|state| matches!(state, State::Joining { .. })) {
            return;
        }
        if self.live().next().is_some() {
            self.order_fork(free, actions);
        } else if !self.begun || self.states.iter().all(|state| *state == State::Empty) {
            self.start_afresh(free, actions);
        }
    }

    /// A standby is asked before the primary, which has enough to do.
    fn order_fork(&mut self, into: Slot, actions: &mut Vec<Action>) {
        if !self.forks.permits(self.now_ns) {
            return;
        }
        let in_time = |slot: &Slot| matches!(self.states[*slot], State::Live { late: None, .. });
        let forker = self.live().filter(in_time).max_by_key(|slot| self.primary != Some(*slot));
        let Some(forker) = forker else { return };
        let number = self.take_number();
        let since_ns = self.detector.patience_ns();
        self.states[into] = State::Ordered { forker, number, since_ns };
        actions.push(Action::Fork { forker, into, number });
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
}
