//! What supervision is told and what it answers.

use std::fmt;

use crate::blame::{Cause, Crumb, Culprit};
use crate::fault_detector::Limits;
use crate::restart::Death;
use crate::{BlockIndex, PLACES, SLOTS, Slot};

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
    /// How long a checkpoint may take to claim its slot once it is thawed, in patience.
    pub thaw_ns: u64,
    /// A checkpoint is renewed when it is older than this …
    pub checkpoint_ns: u64,
    /// … or so many blocks behind.
    pub checkpoint_blocks: u64,
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
            // It is the last that has the whole state, so it is waited for as long as a fresh worker would take.
            thaw_ns: 100_000_000,
            checkpoint_ns: 100_000_000,
            checkpoint_blocks: 512,
            fresh_most: 5,
            fresh_window_ns: 10_000_000_000,
        }
    }

    /// The same for a device that waits for what it plays. Nothing is due at a time, so there is no hurry to overtake a
    /// worker, nor to give one up, that other programs keep from running; and nobody has a real-time priority.
    #[must_use]
    pub fn without_a_clock(mut self) -> Self {
        self.limits.overdue_ns *= 20;
        self.limits.hard_ns *= 10;
        self.limits.last_hope_ns *= 20;
        // Time that the host of a virtual machine takes away counts as time used, and there is no hurry here.
        self.limits.runaway_cpu_ns *= 5;
        self.limits.witness_cpu_ns *= 10;
        self.join_ns *= 10;
        self.spawn_ns *= 10;
        self.thaw_ns *= 10;
        self
    }
}

/// What a supervisor leaves to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The last number that was given; 0 if nobody was ever asked for.
    pub last_number: u32,
    /// The numbers of the processes that are there.
    pub members: [Option<u32>; PLACES],
    /// Those of them that were found unfit, and killed.
    pub unfit: [bool; PLACES],
    /// The fork under way: who was asked, for which place, by which number.
    pub fork: Option<(Slot, Slot, u32)>,
    /// The slot that went first.
    pub primary: Slot,
    /// The last block that was amended, and all that was put aside for it.
    pub amended: (BlockIndex, Vec<Culprit>),
    /// Checkpoints with numbers up to this one may hold what is wrong.
    pub distrusted: u32,
}

/// What is seen at one look.
pub struct View<'a> {
    /// How many blocks are sealed.
    pub sealed: BlockIndex,
    /// How many are released to the standbys.
    pub released: BlockIndex,
    /// The incarnation that has claimed each place.
    pub claimed: [u32; PLACES],
    /// How many blocks the worker of each place has finished.
    pub rendered: [BlockIndex; PLACES],
    /// Whether another agreed with a block that the worker of a slot has rendered since it joined.
    pub proven: [bool; SLOTS],
    /// A checkpoint from before this block is to be renewed: since then something came that takes long to
    /// catch up with, or that waits for all to have passed it.
    pub renew_before: BlockIndex,
    /// A checkpoint from before this block holds up the log.
    pub useless_before: BlockIndex,
    /// CPU time used by the worker of a slot, which may lag behind while it runs; asked about all who owe a block.
    pub cpu_ns: &'a dyn Fn(Slot) -> Option<u64>,
    /// The same until now; asked only about suspects.
    pub cpu_now_ns: &'a dyn Fn(Slot) -> Option<u64>,
    /// Whether the worker of a slot sleeps of its own will, neither stopped nor kept from running; asked only about
    /// suspects.
    pub asleep: &'a dyn Fn(Slot) -> bool,
    /// What the worker of a slot is at; asked only about suspects.
    pub crumb: &'a dyn Fn(Slot) -> Crumb,
    /// Whether it can't be seen at the moment what has become of the fork under way: nobody is given up for it.
    pub blind: bool,
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
    /// The process of this place is gone and reaped.
    Exited {
        /// Its place.
        slot: Slot,
        /// How it came to its end.
        death: Death,
        /// What it was at.
        crumb: Crumb,
    },
    /// The replica in this slot rendered other bits than those that are trusted.
    Diverged {
        /// Its slot.
        slot: Slot,
    },
    /// The process of this place says of itself what can't be.
    Discredited {
        /// Its place.
        slot: Slot,
    },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// This slot goes first from now on.
    Promote(Slot),
    /// What this slot holds may be played if it bears this number.
    Accept {
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
    /// Note for a successor that checkpoints with numbers up to this one may hold what is wrong.
    Distrust(u32),
    /// Turn a checkpoint into the worker of a slot; it catches up from where it was taken.
    Thaw {
        /// The place of the checkpoint.
        from: Slot,
        /// The free slot.
        into: Slot,
        /// The number that it bears from now on.
        number: u32,
    },
    /// From this block on, render without the culprit.
    Amend {
        /// The block, which nobody survived.
        block: BlockIndex,
        /// The module or the command.
        culprit: Culprit,
        /// How it did harm.
        cause: Cause,
    },
    /// This edit, which nobody plays yet, is not to be offered any more.
    Withdraw {
        /// Its number.
        edit: u32,
        /// How it did harm.
        cause: Cause,
    },
    /// Something to tell people.
    Report(Notice),
}

/// What people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A worker lost the first place, alive.
    Overtaken(Slot),
    /// A standby owes a block for too long, alive.
    Late(Slot),
    /// A worker that was late, or had lost its place, is level again.
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
    /// Nobody was left; a checkpoint taken at this block catches up.
    Thawed(BlockIndex),
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
    /// It said of itself what can't be.
    Discredited,
    /// It was sent ahead, or it was late, and there are enough without it.
    Surplus,
    /// It did not claim its slot, or did not fork when asked.
    NeverJoined,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hopeless => "it has owed a block for too long",
            Self::RanAway => "it computes without an end",
            Self::Diverged => "it rendered other bits",
            Self::Discredited => "it said of itself what can't be",
            Self::Surplus => "there are enough without it",
            Self::NeverJoined => "it did not come up, or did not fork when it was asked to",
        })
    }
}
