//! After the last fault everything comes back within a bound, unless a wait was announced; and a
//! replica with wrong bits does not stay.

use super::Verdict;

/// Waits for redundancy and for sound.
#[derive(Debug, Default)]
#[allow(clippy::struct_field_names)] // The unit rides in the name.
pub struct Liveness {
    excused_until_ns: u64,
    redundant_ns: u64,
    played_ns: u64,
}

/// After the last fault, or the end of an announced wait: fence (20 ms), start (40 ms), forks.
const BOUND_NS: u64 = 400_000_000;

impl Liveness {
    /// A fault lasts, or a wait was announced, until then.
    pub fn excuse_until(&mut self, until_ns: u64) {
        self.excused_until_ns = self.excused_until_ns.max(until_ns);
    }

    /// Whether a fault, or a wait, lasts.
    pub fn is_excused(&self, now_ns: u64) -> bool {
        now_ns <= self.excused_until_ns
    }

    /// A block was played from a replica.
    pub fn played(&mut self, now_ns: u64) {
        self.played_ns = now_ns;
    }

    /// The supervisor has done its turn.
    ///
    /// # Errors
    /// If there is no redundancy, or no sound, for longer than the bound.
    pub fn check(&mut self, now_ns: u64, redundant: bool) -> Verdict {
        if redundant {
            self.redundant_ns = now_ns;
        }
        for (what, since_ns) in [("redundancy", self.redundant_ns), ("sound", self.played_ns)] {
            if now_ns > since_ns.max(self.excused_until_ns) + BOUND_NS {
                return Err(format!("no {what} since {since_ns} ns, it is {now_ns} ns"));
            }
        }
        Ok(())
    }

    /// A standby has had wrong bits for `tainted_ns` while the primary has right ones.
    ///
    /// # Errors
    /// If it should have been replaced.
    pub fn tainted(slot: usize, tainted_ns: u64) -> Verdict {
        if tainted_ns < 100_000_000 {
            return Ok(());
        }
        Err(format!("slot {slot} renders wrong bits unnoticed for {tainted_ns} ns"))
    }
}
