//! Fresh starts are bounded in any window, and forks that fail do not storm.

use std::collections::VecDeque;

use super::Verdict;

/// Counts starts.
#[derive(Debug, Default)]
pub struct RestartBounds {
    most: usize,
    window_ns: u64,
    fresh_ns: VecDeque<u64>,
    failed_ns: VecDeque<u64>,
    crashed_ns: VecDeque<u64>,
}

/// Back-off doubles from a millisecond, so no more can fail within [`FAILED_WINDOW_NS`].
const MOST_FAILED: usize = 9;
const FAILED_WINDOW_NS: u64 = 200_000_000;
/// The first four that crash in childhood are forgiven.
const MOST_CRASHED: usize = MOST_FAILED + 4;

impl RestartBounds {
    /// At most `most` fresh starts in any window of `window_ns`.
    pub fn new(most: usize, window_ns: u64) -> Self {
        Self { most, window_ns, ..Self::default() }
    }

    /// A fresh worker is started.
    ///
    /// # Errors
    /// If too many were of late.
    pub fn fresh(&mut self, now_ns: u64) -> Verdict {
        self.fresh_ns.push_back(now_ns);
        self.fresh_ns.retain(|start| now_ns - start < self.window_ns);
        if self.fresh_ns.len() <= self.most {
            return Ok(());
        }
        Err(format!("{} fresh starts within {} ns", self.fresh_ns.len(), self.window_ns))
    }

    /// A fork or a start failed.
    ///
    /// # Errors
    /// If more failed of late than the back-off permits.
    pub fn failed(&mut self, now_ns: u64) -> Verdict {
        self.failed_ns.push_back(now_ns);
        self.failed_ns.retain(|failed| now_ns - failed < FAILED_WINDOW_NS);
        if self.failed_ns.len() <= MOST_FAILED {
            return Ok(());
        }
        Err(format!("{} forks failed within {FAILED_WINDOW_NS} ns", self.failed_ns.len()))
    }

    /// A child crashed by itself before it had claimed its slot.
    ///
    /// # Errors
    /// If more did of late than the back-off permits.
    pub fn crashed_young(&mut self, now_ns: u64) -> Verdict {
        self.crashed_ns.push_back(now_ns);
        self.crashed_ns.retain(|crashed| now_ns - crashed < FAILED_WINDOW_NS);
        if self.crashed_ns.len() <= MOST_CRASHED {
            return Ok(());
        }
        Err(format!("{} children crashed within {FAILED_WINDOW_NS} ns", self.crashed_ns.len()))
    }

    /// A process joined, so the next failures are others' and may come quickly.
    pub fn joined(&mut self, is_worker: bool) {
        self.failed_ns.clear();
        if is_worker {
            self.crashed_ns.clear();
        }
    }

    /// Another supervisor has taken over, and knows nothing of what was.
    pub fn forget(&mut self) {
        *self = Self::new(self.most, self.window_ns);
    }
}
