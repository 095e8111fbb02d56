//! The replication code in a seeded world: the production sequencer, supervision, lockstep rule,
//! selector and divergence detector, driven in virtual time with random faults, watched by oracles.
//!
//! Everything random comes from the seed, so a seed that fails once fails again, block for block.

#![forbid(unsafe_code)]

mod boards;
mod faults;
pub mod oracle;
mod process;
mod rng;
mod supervisor;
mod world;

use chronus_replication::BlockIndex;

/// What a run is made of. Equal scenarios run equally.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Decides everything that is random.
    pub seed: u64,
    /// How many blocks the device plays; faults end at six sevenths of them.
    pub blocks: BlockIndex,
    /// Which faults there are.
    pub mix: Mix,
    /// A bug planted in the world, to see whether the oracles would notice.
    pub mutation: Option<Mutation>,
}

/// Which faults there are, and how close together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// How many replicas are kept up, 1 to 4.
    pub replicas: usize,
    /// Mean time between faults, in nanoseconds.
    pub mean_interval_ns: u64,
    /// When a fault may strike.
    pub spacing: Spacing,
    /// Whether all may run away at once, as they do when an input loops whoever takes it.
    pub all_hang: bool,
}

/// When a fault may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// At any time, on anybody, on all at once: gaps are legitimate only then.
    Wild,
    /// Only while another healthy replica is level and holds every block that is not played yet.
    Survivable,
    /// Only kills, and only while supervision says that it is redundant.
    WhenRedundant,
}

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The selector takes entries of any incarnation.
    AnyIncarnation,
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
    /// Restart intensity is measured by a clock that runs a hundred times too fast.
    IntensityClockFast,
    /// A failed fork is told as if there just were no child, so there is no back-off.
    ForkFailureUntold,
    /// A forker that died is believed to have had no child.
    OrphanForgotten,
    /// A fresh worker begins at the first block of all.
    FreshFromTheBeginning,
}

/// All planted bugs.
pub const MUTATIONS: [Mutation; 17] = [
    Mutation::AnyIncarnation,
    Mutation::FreeBeforeReaped,
    Mutation::PromoteTwice,
    Mutation::PromoteOnlyOnce,
    Mutation::StandbyDoesNotWait,
    Mutation::LogOverwrites,
    Mutation::LogLosesEntries,
    Mutation::WorkerSkipsCommand,
    Mutation::ChildForgetsState,
    Mutation::ChildSkipsBlock,
    Mutation::DeathsUntold,
    Mutation::FenceIgnored,
    Mutation::DivergenceUntold,
    Mutation::IntensityClockFast,
    Mutation::ForkFailureUntold,
    Mutation::OrphanForgotten,
    Mutation::FreshFromTheBeginning,
];

/// What a run that no oracle objected to came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Blocks the device went through, gaps included.
    pub blocks: u64,
    /// Blocks played from a replica.
    pub played: u64,
    /// Blocks that no replica had.
    pub gap_blocks: u64,
    /// Faults injected.
    pub faults: u64,
    /// Faults injected, by [`FAULT_NAMES`].
    pub faults_by_kind: [u64; FAULT_NAMES.len()],
    /// Processes born by fork.
    pub forks: u64,
    /// Fresh workers started.
    pub fresh: u64,
    /// Commands that entered the log.
    pub commands: u64,
    /// Times that commands were put off because the log was full.
    pub put_off: u64,
    /// Divergences found.
    pub divergences: u64,
    /// Pairs of blocks compared by the divergence detector.
    pub compared: u64,
    /// Hash of everything that happened, in order.
    pub trace: u64,
}

/// The words for [`Report::faults_by_kind`].
pub const FAULT_NAMES: [&str; 17] = [
    "kill primary",
    "kill standby",
    "kill any",
    "stop",
    "stall",
    "runaway",
    "fork fails",
    "fork slow",
    "forker dies",
    "child dies",
    "supervisor not run",
    "late wake",
    "wrong bits",
    "command burst",
    "kill all",
    "spawn fails",
    "all run away",
];

/// An oracle objected. The scenario replays it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed of the scenario.
    pub seed: u64,
    /// The block that the device was to play next.
    pub block: BlockIndex,
    /// The oracle.
    pub oracle: &'static str,
    /// What it saw.
    pub what: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, block, oracle, what } = self;
        write!(f, "seed {seed}, block {block}, {oracle}: {what} (CHRONUS_SIM_SEED={seed})")
    }
}

impl std::error::Error for Failure {}

/// Runs a scenario to its end, or to the first objection of an oracle.
///
/// # Errors
/// The [`Failure`] that the first oracle to object describes.
pub fn run(scenario: &Scenario) -> Result<Report, Failure> {
    world::World::new(*scenario).run()
}
