//! Blame falls on who is to blame, and each culprit costs few workers: who begins a block after its culprit was
//! told of does not come to grief by it.

use chronus_replication::BlockIndex;
use chronus_replication::blame::Place;

use super::Verdict;

/// Knows who came to grief where.
#[derive(Debug, Default)]
pub struct Blame {
    cases: Vec<Case>,
    /// Where injected faults left innocent places under suspicion.
    suspects: Vec<(BlockIndex, Place)>,
    /// Innocent places that were blamed, as the rules admit.
    pub innocents: u64,
    /// The most workers that one culprit cost in one block.
    pub most_workers: u64,
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
    pub fn suspect(&mut self, block: BlockIndex, place: Place) {
        self.suspects.push((block, place));
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

    /// A place was blamed; `is_harmful` as planted.
    ///
    /// # Errors
    /// If it is innocent and no fault made it look guilty.
    pub fn amended(&mut self, block: BlockIndex, place: Place, is_harmful: bool) -> Verdict {
        if is_harmful {
            return Ok(());
        }
        self.innocents += 1;
        if self.suspects.contains(&(block, place)) {
            return Ok(());
        }
        Err(format!("{place:?} is blamed in block {block}, and did no harm"))
    }
}

/// All workers at once, and one that had begun the block before.
const WORKERS_MOST: u64 = chronus_replication::SLOTS as u64 + 1;
