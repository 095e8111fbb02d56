//! Checkpoints are never taken by the primary, and a new one is there as long as all is well.

use chronus_replication::Slot;

use super::Verdict;

/// Watches how old the newest checkpoint is.
#[derive(Debug, Default)]
pub struct Checkpoints {
    /// When the newest was young, or nobody could have taken a newer one.
    good_ns: u64,
}

/// It is renewed every 100 ms.
const YOUNG_NS: u64 = 120_000_000;
/// In which a missing one comes, or all becomes well.
const BOUND_NS: u64 = 60_000_000;

impl Checkpoints {
    /// A worker is asked for a checkpoint.
    ///
    /// # Errors
    /// If it goes first.
    pub fn ordered(forker: Slot, primary: Option<Slot>) -> Verdict {
        if primary == Some(forker) {
            return Err(format!("slot {forker} goes first and is to take a checkpoint"));
        }
        Ok(())
    }

    /// The supervisor has done its turn; the newest checkpoint was taken at `newest_ns`, and nothing keeps it
    /// from being renewed if `is_well`.
    ///
    /// # Errors
    /// If it is too old.
    pub fn check(&mut self, now_ns: u64, newest_ns: Option<u64>, is_well: bool) -> Verdict {
        if !is_well || newest_ns.is_some_and(|taken_ns| now_ns < taken_ns + YOUNG_NS) {
            self.good_ns = now_ns;
        }
        if now_ns < self.good_ns + BOUND_NS {
            return Ok(());
        }
        Err(format!("the newest checkpoint is of {newest_ns:?} ns, it is {now_ns} ns"))
    }
}
