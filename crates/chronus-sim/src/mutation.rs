//! Bugs that are planted in the world, to see whether the oracles would notice.

/// Writes the enumeration and the list of all, so that none is forgotten.
macro_rules! mutations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutation { $($(#[$doc])* $name,)* }

        /// All planted bugs.
        pub const MUTATIONS: &[Mutation] = &[$(Mutation::$name,)*];
    };
}

mutations! {
    /// The selector takes entries of any incarnation.
    AnyIncarnation,
    /// The selector takes entries whatever amendments they were rendered with.
    AnyVersion,
    /// The selector plays what comes first, whatever most have.
    VoteIgnored,
    /// A fenced slot counts as empty before its process is reaped.
    FreeBeforeReaped,
    /// A promotion is followed by another, of the next slot.
    PromoteTwice,
    /// No promotion but the first reaches the board.
    PromoteOnlyOnce,
    /// A standby renders what is sealed, without waiting for the primary.
    StandbyDoesNotWait,
    /// The log's writer does not wait for its slowest reader.
    LogOverwrites,
    /// The log loses an entry now and then.
    LogLosesEntries,
    /// A worker skips a command now and then.
    WorkerSkipsCommand,
    /// A child begins with an empty state.
    ChildForgetsState,
    /// A child begins at the block after the one that is next.
    ChildSkipsBlock,
    /// Deaths are not told to supervision.
    DeathsUntold,
    /// Nobody carries out a fence.
    FenceIgnored,
    /// Divergences are not told to supervision.
    DivergenceUntold,
    /// Of two that differ the one that is right is named.
    DivergenceMistaken,
    /// Restart intensity is measured by a clock that runs a hundred times too fast.
    IntensityClockFast,
    /// A failed fork is told as if there just were no child, so there is no back-off.
    ForkFailureUntold,
    /// A forker that died is believed to have had no child.
    OrphanForgotten,
    /// A fresh worker begins at the first block of all.
    FreshFromTheBeginning,
    /// A fresh worker knows nothing of amendments.
    FreshWithoutHindsight,
    /// Amendments are made though their block was played.
    AmendPlayed,
    /// Amendments are made after the promotion that follows them.
    AmendLate,
    /// Amendments are counted and not made.
    AmendNothing,
    /// Killed workers are told to have crashed.
    KilledAreBlamed,
    /// What a worker was at is told of the block after.
    CrumbsOfAnotherBlock,
    /// Readers that come late find no amendment.
    AmendmentsForgotten,
    /// A worker that rendered on before it knew of an amendment goes on.
    OutdatedGoesOn,
    /// A checkpoint is thawed into the slot of a worker.
    ThawIntoOccupied,
    /// A thawed checkpoint keeps its number.
    ThawKeepsNumber,
    /// Nobody rings when a checkpoint is thawed.
    ThawUnheard,
    /// The primary is asked for checkpoints.
    CheckpointOfPrimary,
    /// An old checkpoint passes for a new one.
    CheckpointLooksFresh,
}
