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
    /// The selector takes entries whose samples are not those of their hash, or not finite.
    AnyBits,
    /// The selector plays what comes first, whatever most have.
    VoteIgnored,
    /// The word of a worker counts before another agreed with it.
    VoteOfUnproven,
    /// What a disowned worker wrote is played.
    DisownIgnored,
    /// A fenced slot counts as empty before its process is reaped.
    FreeBeforeReaped,
    /// A promotion is followed by another, of the next slot.
    PromoteTwice,
    /// No promotion but the first reaches the board.
    PromoteOnlyOnce,
    /// A standby renders what is sealed, without waiting for the primary.
    StandbyDoesNotWait,
    /// What is sealed is released, whether or not the primary has finished it.
    ReleasedTooEarly,
    /// Seals are overwritten though a reader needs them.
    SealsOverwritten,
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
    /// A child obeys orders that were given to its slot before.
    ChildObeysOldOrders,
    /// Children are killed at birth, and nobody minds.
    ChildrenDie,
    /// A worker obeys an order each time that it sees it.
    ObeysTwice,
    /// Two forks are under way at once.
    ForksTwice,
    /// Who was asked to fork is given up while nobody can see whether it has.
    BlindnessPunished,
    /// A child that never claims its slot is waited for.
    JoinForEver,
    /// A worker forks before anybody has compared what it renders.
    ForkOfUnproven,
    /// A child counts as a worker before it has claimed its slot.
    ClaimedByOrder,
    /// Deaths are not told to supervision.
    DeathsUntold,
    /// Nobody carries out a fence.
    FenceIgnored,
    /// Nobody is seen to be late.
    LatenessUnseen,
    /// The supervisor looks only when something happens, not when somebody is overdue.
    LooksOnlyWhenKicked,
    /// While the primary comes to no end, no standby is told to be proven, so none sends a canary: the last one goes
    /// itself.
    NobodyIsSentAhead,
    /// Time that the supervisor did not live through counts as others' lateness.
    PatienceByTheClock,
    /// The CPU clock of a worker that stands still is said to go.
    StarvedLooksBusy,
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
    /// Those that crash in childhood are told to have been killed, so there is no back-off.
    YoungCrashesForgiven,
    /// A fresh worker begins at the first block of all.
    FreshFromTheBeginning,
    /// A fresh worker knows nothing of amendments.
    FreshWithoutControlHistory,
    /// A fresh worker knows nothing of withheld commands.
    FreshWithWithheld,
    /// What is withheld in a gap is not forgotten by a fresh worker.
    ControlHistoryCommitsGaps,
    /// A fresh worker begins though a checkpoint is there.
    FreshInsteadOfThaw,
    /// Amendments are made though their block was played.
    AmendPlayed,
    /// Amendments are made after the promotion that follows them.
    AmendLate,
    /// Amendments are counted and not made.
    AmendNothing,
    /// Amendments hold from the block after.
    AmendBlockAfter,
    /// The command after the culprit is withheld.
    WithholdAnother,
    /// What was put aside for a block is put aside again.
    BlamedAgain,
    /// A culprit is found in a block that somebody survived.
    SurvivedIsBlamed,
    /// The journal is not told of amendments.
    AmendedUnjournalled,
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
    /// Checkpoints are killed 10 µs after their birth.
    CheckpointsDie,
    /// A checkpoint is dropped when the next is ordered, not when it is there.
    CheckpointDroppedEarly,
    /// A checkpoint from before a divergence passes for one from after it.
    DistrustedKept,
    /// A successor begins with the first number of all.
    TakeOverForgetsNumbers,
    /// A successor believes in workers that died before it came.
    TakeOverUnchecked,
    /// A successor knows nothing of the fork under way.
    TakeOverForgetsFork,
    /// A successor does not know what was put aside for the last amended block.
    TakeOverForgetsAmended,
    /// A successor does not know which checkpoints may hold what is wrong.
    TakeOverForgetsDistrust,
    /// A successor does not know who went first.
    TakeOverForgetsPrimary,
    /// A successor believes the slots to be empty.
    TakeOverForgetsWorkers,
}
