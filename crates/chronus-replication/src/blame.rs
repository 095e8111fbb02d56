//! Blame: whether a worker came to grief by its input, and by which part of it. A worker leaves a breadcrumb
//! before each command and each module; what it says counts only if the worker died of its own doing, or
//! used CPU time without end.

use crate::BlockIndex;

/// What a worker was at when it was last heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crumb {
    /// The block that it was rendering, or would have rendered next.
    pub block: BlockIndex,
    /// What it was at.
    pub place: Place,
}

/// What a worker is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing that could be blamed.
    Elsewhere,
    /// Taking a command.
    Command {
        /// Its place in the log.
        sequence: u64,
    },
    /// Rendering a module; what names it belongs to the machine.
    Module(u32),
    /// Preparing the patch of the edit with this number, between two blocks.
    Preparing(u32),
}

/// The part of the input that is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// A module: it is bypassed.
    Module(u32),
    /// A command: it is withheld.
    Command {
        /// Its place in the log.
        sequence: u64,
    },
    /// The patch of an edit that nobody plays yet: it is withdrawn.
    Edit(u32),
}

/// How a culprit brought a worker to grief.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This signal ended the worker.
    Signal(i32),
    /// The worker ended itself with this status.
    Status(i32),
    /// It used CPU time and came to no end.
    RanAway,
    /// More than one worker got stuck in it.
    Stuck,
}

impl Crumb {
    /// A crumb that blames nobody.
    pub const NONE: Self = Self { block: 0, place: Place::Elsewhere };

    /// Who is to blame if the worker came to grief here.
    pub fn culprit(self) -> Option<Culprit> {
        match self.place {
            Place::Elsewhere => None,
            Place::Command { sequence } => Some(Culprit::Command { sequence }),
            Place::Module(module) => Some(Culprit::Module(module)),
            Place::Preparing(edit) => Some(Culprit::Edit(edit)),
        }
    }
}
