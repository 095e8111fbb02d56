//! Fresh starts are bounded in any window, and forks that fail do not storm.

use std::collections::VecDeque;

use super::Verdict;

/// Counts starts.
#[derive(Debug)]
pub struct RestartBounds {
    most: usize,
    window_ns: u64,
    fresh_ns: VecDeque<u64>,
    failed_ns: VecDeque<u64>,
}

/// Back-off doubles from a millisecond, so no more can fail within [`FAILED_WINDOW_NS`].
const MOST_FAILED: usize = 9;
const FAILED_WINDOW_NS: u64 = 200_000_000;

impl RestartBounds {
    /// At most `most` fresh starts in any window of `window_ns`.
    pub fn new(most: usize, window_ns: u64) -> Self {
        Self { most, window_ns, fresh_ns: VecDeque::new(), failed_ns: VecDeque::new() }
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

    /// A worker joined, so the next failures are others' and may come quickly.
    pub fn joined(&mut self) {
        self.failed_ns.clear();
    }
}
