//! The commit point: which blocks are committed for good because they were played, and how many amendments hold.
//! Both stand in one word, so that a block is either played or amended first, never both at once.

use chronus_replication::amendment::Amendment;
use chronus_replication::{BlockIndex, Entry};

use crate::command_log::{LogEntry, from_words, to_words};
use crate::sync::{AtomicU64, Ordering};

/// Amendments that are kept. A worker that is further behind can't go on.
pub const AMENDMENTS: usize = 256;

/// The word, written by the audio callback and by the supervisor, and the amendments.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct CommitPoint {
    /// The next block to be played, whether it follows a gap, and the number of amendments.
    word: AtomicU64,
    /// The first block of the gap, if the word speaks of one. Written by the audio callback alone, before it
    /// has the word say so; an attempt that was in vain leaves nothing that anybody looks at.
    gap_since: AtomicU64,
    entries: [LogEntry; ENTRIES],
}

const ENTRIES: usize = if cfg!(loom) { 2 } else { AMENDMENTS };

/// 2^40 blocks are 46 years.
const BLOCK_SHIFT: u32 = 24;
const GAP: u64 = 1 << (BLOCK_SHIFT - 1);
const COUNT: u64 = GAP - 1;

/// What was committed when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The block that is played next.
    pub next_block: BlockIndex,
    /// The first block that may still be amended: the next, or the first of the gap before it.
    pub open_from: BlockIndex,
    /// How many amendments there are.
    pub amendments: u64,
}

impl Standing {
    fn pack(self) -> u64 {
        let gap = if self.open_from < self.next_block { GAP } else { 0 };
        self.next_block << BLOCK_SHIFT | gap | self.amendments & COUNT
    }
}

/// The block was played, so nothing can be changed about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {0} was played already")]
pub struct Played(pub BlockIndex);

/// An amendment is not there any more, or not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("amendment {0} is damaged or gone")]
pub struct Gone(pub u64);

impl Default for CommitPoint {
    fn default() -> Self {
        let entries = std::array::from_fn(|_| LogEntry::default());
        Self { word: AtomicU64::new(0), gap_since: AtomicU64::new(0), entries }
    }
}

impl CommitPoint {
    /// What is committed now. If another gap begins in between, that one is spoken of.
    pub fn standing(&self) -> Standing {
        // Pairs with the releasing exchanges: who sees the word sees the amendments and the gap.
        let word = self.word.load(Ordering::Acquire);
        let next_block = word >> BLOCK_SHIFT;
        let is_after_gap = word & GAP != 0;
        let open_from =
            if is_after_gap { self.gap_since.load(Ordering::Relaxed) } else { next_block };
        Standing { next_block, open_from, amendments: word & COUNT }
    }

    /// Commits the next block as it was found under `standing`: as played, or as one that nobody had. Only
    /// the audio callback may. `false` if there is an amendment since, and the block must be looked for again.
    pub fn commit(&self, standing: Standing, is_gap: bool) -> bool {
        let next_block = standing.next_block + 1;
        let open_from = if is_gap { standing.open_from } else { next_block };
        if is_gap && open_from == standing.next_block {
            self.gap_since.store(open_from, Ordering::Relaxed);
        }
        self.replace(standing, Standing { next_block, open_from, ..standing })
    }

    /// Adds an amendment, which gets its number here. Only the supervisor may, with blocks ascending.
    ///
    /// # Errors
    /// [`Played`] if its block was played: whoever rendered that survived it.
    pub fn amend(&self, amendment: Amendment) -> Result<Amendment, Played> {
        loop {
            let standing = self.standing();
            if amendment.block < standing.open_from {
                return Err(Played(amendment.block));
            }
            let amendment = Amendment { number: standing.amendments, ..amendment };
            let place = &self.entries[(amendment.number % self.entries.len() as u64) as usize];
            place.store(&to_words(&amendment.to_entry()));
            let amendments = standing.amendments + 1;
            if self.replace(standing, Standing { amendments, ..standing }) {
                return Ok(amendment);
            }
        }
    }

    /// One step, unless something else came first.
    fn replace(&self, from: Standing, to: Standing) -> bool {
        let (from, to) = (from.pack(), to.pack());
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The amendment with this number.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn amendment(&self, number: u64) -> Result<Amendment, Gone> {
        let place = &self.entries[(number % self.entries.len() as u64) as usize];
        let entry: Option<Entry> = from_words(&place.load());
        let entry = entry.filter(|entry| entry.sequence == number).ok_or(Gone(number))?;
        Ok(Amendment::from_entry(&entry))
    }

    /// How many of the first `count` amendments a block must have been rendered with.
    pub fn amendments_of(&self, block: BlockIndex, mut count: u64) -> u64 {
        while count > 0 && self.amendment(count - 1).is_ok_and(|last| last.block > block) {
            count -= 1;
        }
        count
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use chronus_replication::amendment::Change;

    use super::*;

    fn amendment(block: BlockIndex) -> Amendment {
        Amendment { number: 0, block, change: Change::Withhold { sequence: block } }
    }

    #[test]
    fn a_block_is_played_or_amended_and_never_both() {
        let commit_point = CommitPoint::default();
        let before = commit_point.standing();
        assert_eq!(commit_point.amend(amendment(0)).map(|made| made.number), Ok(0));
        assert!(!commit_point.commit(before, false), "it must be looked for again");
        assert!(commit_point.commit(commit_point.standing(), false));
        assert_eq!(commit_point.amend(amendment(0)), Err(Played(0)));
        assert_eq!(commit_point.amend(amendment(1)).map(|made| made.number), Ok(1));
    }

    #[test]
    fn a_block_that_nobody_had_may_be_amended_until_sound_is_there_again() {
        let commit_point = CommitPoint::default();
        assert!(commit_point.commit(commit_point.standing(), false));
        for _ in 1..4 {
            assert!(commit_point.commit(commit_point.standing(), true));
        }
        assert_eq!(commit_point.amend(amendment(0)), Err(Played(0)));
        assert!(commit_point.amend(amendment(1)).is_ok());
        assert_eq!(commit_point.standing().open_from, 1);
        assert!(commit_point.commit(commit_point.standing(), false));
        assert_eq!(commit_point.amend(amendment(2)), Err(Played(2)), "the gap is over");
        assert_eq!(commit_point.standing().open_from, 5);
    }

    /// Block 1 is there as it was sealed when block 0, which nobody had, finds its first culprit, and not any
    /// more when it finds its second.
    #[test]
    fn an_attempt_in_vain_does_not_end_a_gap() {
        let commit_point = CommitPoint::default();
        assert!(commit_point.commit(commit_point.standing(), true));
        let found = commit_point.standing();
        assert!(commit_point.amend(amendment(0)).is_ok());
        assert!(!commit_point.commit(found, false));
        assert!(commit_point.commit(commit_point.standing(), true));
        assert_eq!(commit_point.amend(amendment(0)).map(|made| made.number), Ok(1));
    }

    #[test]
    fn a_block_wants_the_amendments_up_to_it() {
        let commit_point = CommitPoint::default();
        for block in [3, 3, 7] {
            commit_point.amend(amendment(block)).expect("not played");
        }
        let wanted = |block| commit_point.amendments_of(block, 3);
        assert_eq!([2, 3, 6, 7, 8].map(wanted), [0, 2, 2, 3, 3]);
        assert_eq!(commit_point.amendments_of(7, 1), 1, "only those that were there");
        assert_eq!(commit_point.amendment(2).map(|last| last.block), Ok(7));
        assert_eq!(commit_point.amendment(3), Err(Gone(3)));
    }
}
