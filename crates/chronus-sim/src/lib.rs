//! The replication code in a seeded world: the production sequencer, supervision, lockstep rule,
//! selector and divergence detector, driven in virtual time with random faults, watched by oracles.
//!
//! Everything random comes from the seed, so a seed that fails once fails again, block for block.

#![forbid(unsafe_code)]
#![allow(
    clippy::enum_glob_use,
    reason = "tables of all faults are read better by their bare names"
)]
#![allow(
    clippy::struct_excessive_bools,
    reason = "planted bugs and facts of a world are independent"
)]
#![allow(clippy::struct_field_names, reason = "units ride in names")]

mod acts;
mod boards;
mod clock;
mod control_history;
mod fault;
mod faults;
mod mutation;
pub mod oracle;
mod poison;
mod process;
pub mod rack;
mod rendering;
mod rng;
mod supervisor;
mod takeover;
mod world;

use chronus_replication::BlockIndex;

pub use fault::{FAULT_NAMES, FaultCounts};
pub use mutation::{MUTATIONS, Mutation};

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
    /// Kills of one, and of all workers in one moment while a checkpoint is there that catches up in time.
    /// Blocks are rendered as fast as real ones.
    AllAtOnce,
}

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
    /// Faults injected, by kind.
    pub faults_by_kind: FaultCounts,
    /// Processes born by fork.
    pub forks: u64,
    /// Of them, checkpoints.
    pub checkpoints: u64,
    /// Checkpoints thawed.
    pub thaws: u64,
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
    /// Blocks with wrong bits that were in a slot and were outvoted.
    pub outvoted: u64,
    /// Workers that came to grief by a planted culprit.
    pub griefs: u64,
    /// The most workers that one culprit cost.
    pub most_workers: u64,
    /// Amendments made.
    pub amendments: u64,
    /// Amendments refused because the block was played.
    pub refused: u64,
    /// Amendments that put aside a module which only an injected fault made look guilty.
    pub innocents: u64,
    /// Workers that ended themselves because they had rendered on without an amendment.
    pub outdated: u64,
    /// Hash of everything that happened, in order.
    pub trace: u64,
}

impl Report {
    /// Adds what another run came to.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.blocks, other.blocks),
            (&mut self.played, other.played),
            (&mut self.gap_blocks, other.gap_blocks),
            (&mut self.faults, other.faults),
            (&mut self.forks, other.forks),
            (&mut self.checkpoints, other.checkpoints),
            (&mut self.thaws, other.thaws),
            (&mut self.fresh, other.fresh),
            (&mut self.commands, other.commands),
            (&mut self.put_off, other.put_off),
            (&mut self.divergences, other.divergences),
            (&mut self.compared, other.compared),
            (&mut self.outvoted, other.outvoted),
            (&mut self.griefs, other.griefs),
            (&mut self.amendments, other.amendments),
            (&mut self.refused, other.refused),
            (&mut self.innocents, other.innocents),
            (&mut self.outdated, other.outdated),
        ];
        for (sum, count) in pairs {
            *sum += count;
        }
        for (sum, count) in self.faults_by_kind.0.iter_mut().zip(other.faults_by_kind.0) {
            *sum += count;
        }
        self.most_workers = self.most_workers.max(other.most_workers);
        self.trace ^= other.trace;
    }
}

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
