//! Checkpoints are never taken by the primary, and a new one is there as long as all is well.

use chronus_replication::Slot;

use super::Verdict;

/// Watches how old the newest checkpoint is.
#[derive(Debug, Default)]
pub struct Checkpoints {
    /// When the newest was young, or nobody could have taken a newer one.
    good_ns: u64,
    /// When replicas were found to differ.
    distrusted_ns: Option<u64>,
    /// The last number that had been given then.
    distrusted: u32,
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

    /// Replicas were found to differ, and one of them was fenced for it.
    pub fn distrust(&mut self, now_ns: u64, last_number: u32) {
        (self.distrusted_ns, self.distrusted) = (Some(now_ns), last_number);
    }

    /// The checkpoint with this number is dropped; `another` is there.
    ///
    /// # Errors
    /// If there is none, and nothing but its age speaks against it.
    pub fn dropped(
        &self,
        place: Slot,
        number: u32,
        another: Option<Slot>,
        is_excused: bool,
    ) -> Verdict {
        if another.is_some() || is_excused || number <= self.distrusted {
            return Ok(());
        }
        Err(format!("checkpoint {number} of place {place} is dropped, and there is no other"))
    }

    /// The checkpoint with this number is to be thawed if need be.
    ///
    /// # Errors
    /// If it may hold what replicas were found to differ in since.
    pub fn kept(&self, place: Slot, number: u32) -> Verdict {
        if number > self.distrusted {
            return Ok(());
        }
        Err(format!("checkpoint {number} of place {place} is kept, it may hold what is wrong"))
    }

    /// Whether that was found at this moment.
    pub fn is_distrusted_at(&self, now_ns: u64) -> bool {
        self.distrusted_ns == Some(now_ns)
    }

    /// A checkpoint is thawed that was taken at `born_ns`.
    ///
    /// # Errors
    /// If it may hold what replicas were found to differ in since.
    pub fn thawed(&self, born_ns: u64) -> Verdict {
        match self.distrusted_ns {
            Some(distrusted_ns) if born_ns < distrusted_ns => Err(format!(
                "a checkpoint of {born_ns} ns is thawed, and replicas differed at {distrusted_ns}"
            )),
            _ => Ok(()),
        }
    }

    /// A worker is started afresh, and `there` is a checkpoint that could go on.
    ///
    /// # Errors
    /// If there is one.
    pub fn overlooked(there: Option<Slot>) -> Verdict {
        match there {
            None => Ok(()),
            Some(place) => Err(format!("sound is started afresh, and place {place} could go on")),
        }
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
