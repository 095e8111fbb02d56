//! The oracles: each watches one promise and objects when it is broken. They believe only what
//! they are told by the world, never the code that they watch.

pub mod accepted;
pub mod blame;
pub mod checkpoints;
pub mod divergence;
pub mod journal;
pub mod liveness;
pub mod lockstep;
pub mod no_gap;
pub mod one_process;
pub mod restart_bounds;
pub mod single_primary;
pub mod total_order;

/// An objection, in words.
pub type Verdict = Result<(), String>;

/// All of them.
#[derive(Debug)]
pub(crate) struct Oracles {
    pub(crate) accepted: accepted::Accepted,
    pub(crate) blame: blame::Blame,
    pub(crate) checkpoints: checkpoints::Checkpoints,
    pub(crate) journal: journal::Journal,
    pub(crate) liveness: liveness::Liveness,
    pub(crate) lockstep: lockstep::Lockstep,
    pub(crate) no_gap: no_gap::NoGap,
    pub(crate) restart_bounds: restart_bounds::RestartBounds,
    pub(crate) total_order: total_order::TotalOrder,
}
