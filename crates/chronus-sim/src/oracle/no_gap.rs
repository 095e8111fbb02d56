//! No gap, unless faults came so close together that no healthy replica was left.

use chronus_replication::BlockIndex;

use super::Verdict;

/// Knows whether a gap would be legitimate.
#[derive(Debug, Default)]
pub struct NoGap {
    at_risk: Option<&'static str>,
}

impl NoGap {
    /// A fault struck the last healthy replica, or the supervisor: a gap may follow.
    pub fn risk(&mut self, why: &'static str) {
        self.at_risk = Some(why);
    }

    /// A healthy replica is level and has all that is not played yet.
    pub fn safe(&mut self) {
        self.at_risk = None;
    }

    /// Whether a gap would be legitimate.
    pub fn is_at_risk(&self) -> bool {
        self.at_risk.is_some()
    }

    /// No replica had a block.
    ///
    /// # Errors
    /// If nothing excuses that.
    pub fn gap(&self, block: BlockIndex) -> Verdict {
        if self.at_risk.is_some() {
            return Ok(());
        }
        Err(format!("no replica had block {block}, though one was healthy at every fault"))
    }
}
