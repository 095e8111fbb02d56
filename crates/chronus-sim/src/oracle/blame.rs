//! Blame falls on who is to blame, and each culprit costs few workers: who begins a block after its culprit was
//! told of does not come to grief by it.

use chronus_replication::blame::{Cause, Place};
use chronus_replication::{BlockIndex, Slot};

use super::Verdict;

/// Knows who came to grief where.
#[derive(Debug, Default)]
pub struct Blame {
    cases: Vec<Case>,
    /// Where injected faults left innocent places under suspicion.
    suspects: Vec<(BlockIndex, Place, Look)>,
    /// Innocent places that were blamed, as the rules admit.
    pub innocents: u64,
    /// The most workers that one culprit cost in one block.
    pub most_workers: u64,
}

/// How a worker looks that an injected fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It stands still, and uses no CPU time.
    Still,
    /// It uses CPU time and comes to no end.
    Busy,
    /// It crashes by itself.
    Crashed,
}

/// A culprit in a block.
#[derive(Debug)]
struct Case {
    block: BlockIndex,
    place: Place,
    workers: u64,
    told_ns: Option<u64>,
}

impl Blame {
    fn case(&mut self, block: BlockIndex, place: Place) -> &mut Case {
        let found = self.cases.iter().rposition(|it| it.block == block && it.place == place);
        let index = found.unwrap_or_else(|| {
            self.cases.push(Case { block, place, workers: 0, told_ns: None });
            self.cases.len() - 1
        });
        &mut self.cases[index]
    }

    /// An injected fault stops, loops or crashes a worker here, as if this were to blame.
    pub fn suspect(&mut self, block: BlockIndex, place: Place, look: Look) {
        self.suspects.push((block, place, look));
    }

    /// A worker that began this block at `begun_ns` came to grief in it, as was planted.
    ///
    /// # Errors
    /// If the culprit had been told of before, or cost as many workers as there can be at all.
    pub fn grieved(&mut self, block: BlockIndex, place: Place, begun_ns: u64) -> Verdict {
        let case = self.case(block, place);
        case.workers += 1;
        let (workers, told_ns) = (case.workers, case.told_ns);
        self.most_workers = self.most_workers.max(workers);
        if told_ns.is_some_and(|told_ns| begun_ns > told_ns) || workers > WORKERS_MOST {
            return Err(format!(
                "{place:?} of block {block}, told of at {told_ns:?}, brings to grief who began it \
                 at {begun_ns}, the {workers}th"
            ));
        }
        Ok(())
    }

    /// An injected fault killed a worker that was stuck here, so that nobody could tell by it.
    pub fn interrupted(&mut self, block: BlockIndex, place: Place) {
        self.case(block, place).workers = 0;
    }

    /// Supervision was told of a worker that died here of its own doing.
    pub fn told(&mut self, block: BlockIndex, place: Place, now_ns: u64) {
        self.case(block, place).told_ns.get_or_insert(now_ns);
    }

    /// A place was blamed, for this cause; `is_harmful` as planted.
    ///
    /// # Errors
    /// If it is innocent and no fault made it look guilty of that.
    pub fn amended(
        &mut self,
        block: BlockIndex,
        place: Place,
        cause: Cause,
        is_harmful: bool,
    ) -> Verdict {
        if is_harmful {
            return Ok(());
        }
        self.innocents += 1;
        let fits = |look: Look| match cause {
            Cause::Signal(_) | Cause::Status(_) => look == Look::Crashed,
            Cause::RanAway => look == Look::Busy,
            Cause::Stuck => look != Look::Crashed,
        };
        if self.suspects.iter().any(|it| (it.0, it.1) == (block, place) && fits(it.2)) {
            return Ok(());
        }
        Err(format!("{place:?} is blamed in block {block} ({cause:?}), and did no harm"))
    }
}

/// A place is blamed in a block; `survivor` is at work and has finished it, as supervision knows.
///
/// # Errors
/// If there is one: it would have to render what was played with it otherwise.
pub fn not_survived(block: BlockIndex, place: Place, survivor: Option<Slot>) -> Verdict {
    match survivor {
        None => Ok(()),
        Some(slot) => {
            Err(format!("{place:?} is blamed in block {block}, which slot {slot} survived"))
        }
    }
}

/// All workers at once, and one that had begun the block before.
const WORKERS_MOST: u64 = chronus_replication::SLOTS as u64 + 1;
