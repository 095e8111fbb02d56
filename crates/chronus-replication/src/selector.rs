//! The hitless selector: runs in the audio callback and plays each block from whichever replica has
//! it. No allocation, no lock, no system call, no waiting.
//!
//! Only if no replica has the block is it a gap: the selector fades out from the last frame it played,
//! counts, and fades in with the first block that is there again.

use crate::{BLOCK_FRAMES, BLOCK_SAMPLES, Block, BlockIndex, CHANNELS, SLOTS, Slot};

/// Where rendered blocks are found.
pub trait Slots {
    /// The slot to look into first.
    fn primary(&self) -> Slot;
    /// Whether the word of the worker in this slot counts. If that of three or more does, the block that most
    /// of them have is played.
    fn has_vote(&self, slot: Slot) -> bool;
    /// How many amendments there are; what is read afterwards is looked for as of then.
    fn amendments(&self) -> u64;
    /// Blocks before this one that nobody has will never come.
    fn lost_before(&self) -> BlockIndex;
    /// Copies block `block` of `slot` into `out` if it is there, sound, and rendered with those of the first
    /// `amendments` amendments that belong to it.
    fn read(&self, slot: Slot, block: BlockIndex, amendments: u64, out: &mut Block) -> Read;
    /// Settles a block as found: to be played, or as one that nobody had. `false` if there is another
    /// amendment by now: then the block must be looked for again.
    fn commit(&self, block: BlockIndex, amendments: u64, is_gap: bool) -> bool;
}

/// What was found in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The block, whole, from the worker that owns the slot, with finite samples, and its hash.
    Taken(u64),
    /// Not this block.
    Absent,
    /// An entry that claims to be this block and is not to be trusted; `out` may hold anything.
    Refused,
}

impl Read {
    /// Whether the block is there.
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Taken(_))
    }
}

/// So many can outvote one.
pub const VOTERS: usize = 3;

/// Plays blocks in pieces of any size.
#[derive(Clone, Debug)]
pub struct Selector {
    current: Block,
    /// Frames of `current` that have been handed out.
    used: usize,
    next_block: BlockIndex,
    begun: bool,
    in_gap: bool,
    last_frame: [f32; CHANNELS],
    counts: Counts,
}

/// What the selector has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Blocks played from a replica.
    pub played: u64,
    /// Blocks that no replica had.
    pub gap_blocks: u64,
    /// Runs of such blocks.
    pub gaps: u64,
    /// For each slot: blocks that it did not have when they were needed. Inaudible.
    pub misses: [u64; SLOTS],
    /// For each slot: entries that could not be trusted.
    pub refused: [u64; SLOTS],
    /// For each slot: blocks that were not those that most had.
    pub outvoted: [u64; SLOTS],
}

/// What happened to one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// Played from this slot.
    Played(BlockIndex, Slot),
    /// No replica had it.
    Gap(BlockIndex),
}

impl Default for Selector {
    fn default() -> Self {
        Self {
            current: [0.0; BLOCK_SAMPLES],
            used: BLOCK_FRAMES,
            next_block: 0,
            begun: false,
            in_gap: false,
            last_frame: [0.0; CHANNELS],
            counts: Counts::default(),
        }
    }
}

impl Selector {
    /// A selector that goes on with this block where another has stopped, with a fade-in: what was heard last
    /// is silence.
    pub fn resuming(next_block: BlockIndex, counts: Counts) -> Self {
        Self { next_block, counts, begun: true, in_gap: true, ..Self::default() }
    }

    /// Fills `out` (interleaved frames) with what comes next and tells `seen` of each block begun.
    ///
    /// Until the replicas have all that the first call asks for, the performance has not begun: that
    /// is silence, and no gap. It begins with a gap if the first blocks are lost. Returns whether it has begun.
    pub fn fill(
        &mut self,
        out: &mut [f32],
        slots: &impl Slots,
        mut seen: impl FnMut(Selected),
    ) -> bool {
        if !self.begun {
            self.begun = self.can_begin(out.len() / CHANNELS, slots);
            if !self.begun {
                out.fill(0.0);
                return false;
            }
        }
        let mut rest = out;
        while !rest.is_empty() {
            if self.used == BLOCK_FRAMES {
                seen(self.take_block(slots));
            }
            let frames = (BLOCK_FRAMES - self.used).min(rest.len().div_ceil(CHANNELS));
            let samples = (frames * CHANNELS).min(rest.len());
            let (now, later) = rest.split_at_mut(samples);
            let start = self.used * CHANNELS;
            now.copy_from_slice(&self.current[start..start + samples]);
            self.used += frames;
            rest = later;
        }
        true
    }

    /// The block that is taken next; all before it have been taken or were gaps.
    pub fn next_block(&self) -> BlockIndex {
        self.next_block
    }

    /// Frames handed out since the performance began.
    pub fn frames(&self) -> u64 {
        if self.begun {
            self.next_block * BLOCK_FRAMES as u64 - (BLOCK_FRAMES - self.used) as u64
        } else {
            0
        }
    }

    /// What it has seen so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether some slot has everything up to the last block that `frames` frames need, as far as it is not lost.
    fn can_begin(&mut self, frames: usize, slots: &impl Slots) -> bool {
        let last = (frames.max(1).div_ceil(BLOCK_FRAMES) - 1) as BlockIndex;
        let first = slots.lost_before();
        if first > last {
            // What comes after them may wait for time to go on.
            return true;
        }
        let amendments = slots.amendments();
        let mut has = |block| {
            (0..SLOTS).any(|slot| slots.read(slot, block, amendments, &mut self.current).is_taken())
        };
        has(last) && has(first)
    }

    fn take_block(&mut self, slots: &impl Slots) -> Selected {
        let block = self.next_block;
        self.next_block += 1;
        self.used = 0;
        let found = loop {
            let amendments = slots.amendments();
            let found = self.find(block, amendments, slots);
            // Each turn but the last is due to another amendment, for each of which a worker had to die.
            if slots.commit(block, amendments, found.is_none()) {
                break found;
            }
        };
        if let Some(slot) = found {
            if self.in_gap {
                fade_in(&mut self.current);
                self.in_gap = false;
            }
            self.counts.played += 1;
            self.last_frame.copy_from_slice(&self.current[BLOCK_SAMPLES - CHANNELS..]);
            Selected::Played(block, slot)
        } else {
            self.conceal();
            Selected::Gap(block)
        }
    }

    /// The primary is asked first, then the others in the order of their slots; the first that has the
    /// block is played. Where there are enough to vote all are asked, and the first of the most is played; one
    /// that has no vote, only if no other has the block.
    fn find(&mut self, block: BlockIndex, amendments: u64, slots: &impl Slots) -> Option<Slot> {
        let primary = slots.primary().min(SLOTS - 1);
        let is_vote = (0..SLOTS).filter(|slot| slots.has_vote(*slot)).count() >= VOTERS;
        let mut votes = [None; SLOTS];
        // The slot whose block `current` holds; whatever is read after it, also in vain, spoils that.
        let mut held = None;
        for (turn, vote) in votes.iter_mut().enumerate() {
            let slot = in_turn(turn, primary);
            let read = slots.read(slot, block, amendments, &mut self.current);
            held = read.is_taken().then_some(slot);
            match read {
                Read::Taken(_) if !is_vote => return Some(slot),
                Read::Taken(hash) => *vote = Some(hash),
                Read::Absent => self.counts.misses[slot] += 1,
                Read::Refused => self.counts.refused[slot] += 1,
            }
        }
        let agree = |hash: u64| {
            let counts = |turn: &usize| slots.has_vote(in_turn(*turn, primary));
            (0..SLOTS).filter(counts).filter(|turn| votes[*turn] == Some(hash)).count()
        };
        // The last of equal maxima is found, so the turns are gone through backwards.
        let hash = votes.iter().rev().flatten().copied().max_by_key(|hash| agree(*hash))?;
        for (turn, vote) in votes.iter().enumerate() {
            let differs = vote.is_some_and(|vote| vote != hash);
            self.counts.outvoted[in_turn(turn, primary)] += u64::from(differs);
        }
        // A worker that goes wild may have spoilt its entry since it was counted; others have the same.
        let winners = (0..SLOTS).filter(|turn| votes[*turn] == Some(hash));
        winners.map(|turn| in_turn(turn, primary)).find(|slot| {
            held == Some(*slot) || {
                held = None;
                slots.read(*slot, block, amendments, &mut self.current) == Read::Taken(hash)
            }
        })
    }

    fn conceal(&mut self) {
        self.counts.gap_blocks += 1;
        if self.in_gap {
            self.current.fill(0.0);
            return;
        }
        self.in_gap = true;
        self.counts.gaps += 1;
        for (index, frame) in self.current.chunks_exact_mut(CHANNELS).enumerate() {
            let gain = 1.0 - (index + 1) as f32 / BLOCK_FRAMES as f32;
            for (sample, last) in frame.iter_mut().zip(self.last_frame) {
                *sample = last * gain;
            }
        }
    }
}

/// The slot that is asked in this turn.
fn in_turn(turn: usize, primary: Slot) -> Slot {
    match turn {
        0 => primary,
        turn if turn <= primary => turn - 1,
        turn => turn,
    }
}

/// Fades a block in, frame by frame: what is played of the first block after a gap.
pub fn fade_in(block: &mut Block) {
    for (index, frame) in block.chunks_exact_mut(CHANNELS).enumerate() {
        let gain = (index + 1) as f32 / BLOCK_FRAMES as f32;
        for sample in frame {
            *sample *= gain;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Slots that hold ramps, except the blocks that are listed as absent.
    struct TestSlots {
        primary: Slot,
        absent: Vec<(Slot, BlockIndex)>,
        refused: Vec<(Slot, BlockIndex)>,
        /// The first block with an amendment, which comes between looking for it and committing it.
        amended: BlockIndex,
        amendments: Cell<u64>,
        lost_before: BlockIndex,
        /// Slots that have other bits.
        wrong: Vec<Slot>,
        workers: usize,
        voters: usize,
        /// Slot 0 holds garbage after this many reads.
        spoilt_after: Cell<Option<u32>>,
    }

    impl Slots for TestSlots {
        fn primary(&self) -> Slot {
            self.primary
        }

        fn has_vote(&self, slot: Slot) -> bool {
            slot < self.voters
        }

        fn amendments(&self) -> u64 {
            self.amendments.get()
        }

        fn lost_before(&self) -> BlockIndex {
            self.lost_before
        }

        fn commit(&self, block: BlockIndex, amendments: u64, _: bool) -> bool {
            if block == self.amended && self.amendments.get() == 0 {
                self.amendments.set(1);
            }
            amendments == self.amendments.get()
        }

        fn read(&self, slot: Slot, block: BlockIndex, amendments: u64, out: &mut Block) -> Read {
            if block >= self.amended && amendments == 1 && slot == 0 {
                return Read::Refused;
            }
            let reads_left = self.spoilt_after.get();
            self.spoilt_after.set(reads_left.map(|left| left.saturating_sub(1)));
            if slot == 0 && reads_left == Some(0) {
                out.fill(f32::NAN);
                return Read::Refused;
            }
            if slot >= self.workers || self.absent.contains(&(slot, block)) {
                return Read::Absent;
            }
            for (index, sample) in out.iter_mut().enumerate() {
                *sample = (block * BLOCK_FRAMES as u64) as f32 + (index / CHANNELS) as f32;
            }
            if self.refused.contains(&(slot, block)) {
                out.fill(f32::NAN);
                return Read::Refused;
            }
            if self.wrong.contains(&slot) {
                out[0] = -1.0;
            }
            Read::Taken(crate::machine::block_hash(block, out))
        }
    }

    fn whole() -> TestSlots {
        TestSlots {
            primary: 0,
            absent: Vec::new(),
            refused: Vec::new(),
            amended: BlockIndex::MAX,
            amendments: Cell::new(0),
            lost_before: 0,
            wrong: Vec::new(),
            workers: 2,
            voters: 2,
            spoilt_after: Cell::new(None),
        }
    }

    fn play(slots: &TestSlots, pieces: &[usize]) -> (Vec<f32>, Selector) {
        let mut selector = Selector::default();
        let mut played = Vec::new();
        for frames in pieces {
            let mut out = vec![f32::NAN; frames * CHANNELS];
            assert!(selector.fill(&mut out, slots, |_| {}));
            played.extend(out);
        }
        (played, selector)
    }

    #[test]
    fn blocks_are_handed_out_in_pieces_of_any_size_without_a_seam() {
        let (played, selector) = play(&whole(), &[1, 63, 64, 65, 200, 7]);
        for (index, frame) in played.chunks_exact(CHANNELS).enumerate() {
            assert_eq!(frame, [index as f32; CHANNELS]);
        }
        assert_eq!(selector.frames(), 400);
        assert_eq!(selector.counts().gaps, 0);
    }

    #[test]
    fn a_block_that_only_the_other_replica_has_is_played_and_counted_as_a_miss() {
        let mut slots = whole();
        slots.absent = vec![(0, 1), (0, 2)];
        slots.refused = vec![(0, 3)];
        let (played, selector) = play(&slots, &[256]);
        assert!((0..256).all(|frame| played[frame * CHANNELS] == frame as f32));
        assert_eq!(selector.counts().misses[0], 2);
        assert_eq!(selector.counts().refused[0], 1);
        assert_eq!(selector.counts().gaps, 0);
    }

    #[test]
    fn where_the_first_blocks_are_lost_the_performance_begins_with_a_gap() {
        let mut slots = TestSlots { workers: 1, ..whole() };
        slots.absent = (0..6).map(|block| (0, block)).collect();
        let mut out = [f32::NAN; 2 * BLOCK_SAMPLES];
        assert!(!Selector::default().fill(&mut out, &slots, |_| {}), "they may still come");
        slots.lost_before = 5;
        let (played, selector) = play(&slots, &[128; 4]);
        assert!(played[..6 * BLOCK_SAMPLES].iter().all(|sample| *sample == 0.0));
        assert_eq!(played[8 * BLOCK_SAMPLES - CHANNELS], (8 * BLOCK_FRAMES - 1) as f32);
        assert_eq!((selector.counts().gaps, selector.counts().gap_blocks), (1, 6));
    }

    #[test]
    fn what_was_found_before_an_amendment_is_not_played() {
        let mut slots = whole();
        slots.amended = 2;
        let mut selector = Selector::default();
        let mut from = Vec::new();
        let mut out = [0.0; 4 * BLOCK_SAMPLES];
        selector.fill(&mut out, &slots, |selected| from.push(selected));
        let expected = [(0, 0), (1, 0), (2, 1), (3, 1)];
        assert_eq!(from, expected.map(|(block, slot)| Selected::Played(block, slot)));
    }

    #[test]
    fn of_three_the_one_that_differs_is_not_played_though_it_goes_first() {
        for (primary, wrong) in [(0, 0), (1, 1), (2, 0), (0, 2)] {
            let slots = TestSlots { primary, workers: 3, voters: 3, wrong: vec![wrong], ..whole() };
            let (played, selector) = play(&slots, &[256]);
            assert!((0..256).all(|frame| played[frame * CHANNELS] == frame as f32));
            assert_eq!(selector.counts().outvoted[wrong], 4);
            assert_eq!(selector.counts().outvoted.iter().sum::<u64>(), 4);
        }
        let two = TestSlots { wrong: vec![1], ..whole() };
        assert_eq!(play(&two, &[64]).0[0], 0.0, "two can't outvote each other");
        let copy = TestSlots { workers: 4, voters: 3, wrong: vec![1, 3], ..whole() };
        assert_eq!(play(&copy, &[64]).0[0], 0.0, "one without a vote does not make a majority");
    }

    /// What is read in vain after the winner leaves anything behind, and the winner may be spoilt meanwhile.
    #[test]
    fn of_three_garbage_in_one_slot_is_not_heard_in_place_of_the_winner() {
        for primary in 0..3 {
            for garbage in 0..3 {
                let refused = (0..4).map(|block| (garbage, block)).collect();
                let slots = TestSlots { primary, workers: 3, voters: 3, refused, ..whole() };
                let (played, selector) = play(&slots, &[256]);
                assert!((0..256).all(|frame| played[frame * CHANNELS] == frame as f32));
                assert_eq!((selector.counts().refused[garbage], selector.counts().gaps), (4, 0));
            }
        }
        let slots =
            TestSlots { workers: 3, voters: 3, spoilt_after: Cell::new(Some(3)), ..whole() };
        let (played, selector) = play(&slots, &[64]);
        assert!((0..64).all(|frame| played[frame * CHANNELS] == frame as f32));
        assert_eq!(selector.counts().gaps, 0, "the second has the same");
    }

    #[test]
    fn every_order_of_asking_covers_every_slot() {
        for primary in 0..2 {
            let slots = TestSlots { primary, absent: vec![(primary, 0)], ..whole() };
            let (_, selector) = play(&whole(), &[64]);
            assert_eq!(selector.counts().played, 1);
            let mut selector = Selector::default();
            let mut out = [0.0; BLOCK_SAMPLES];
            let mut from = None;
            selector.fill(&mut out, &slots, |selected| from = Some(selected));
            assert_eq!(from, Some(Selected::Played(0, 1 - primary)));
        }
    }

    #[test]
    fn a_gap_is_faded_counted_and_left_on_time() {
        let mut slots = whole();
        slots.absent = vec![(0, 2), (1, 2), (0, 3), (1, 3)];
        let (played, selector) = play(&slots, &[320]);
        let left: Vec<f32> = played.chunks_exact(CHANNELS).map(|frame| frame[0]).collect();
        let steps = left[127..256].windows(2).map(|pair| (pair[1] - pair[0]).abs());
        assert!(steps.fold(0.0, f32::max) <= 127.0 / 64.0 + 1e-3, "the fade out has no step");
        assert!(left[192..256].iter().all(|sample| *sample == 0.0));
        assert_eq!(left[319], 319.0, "the fade in ends at full level, in time");
        assert_eq!((selector.counts().gaps, selector.counts().gap_blocks), (1, 2));
    }

    #[test]
    fn another_selector_goes_on_where_one_has_stopped() {
        let counts = Counts { gaps: 3, ..Counts::default() };
        let mut selector = Selector::resuming(5, counts);
        assert_eq!(selector.frames(), 320);
        let mut played = [f32::NAN; 2 * BLOCK_SAMPLES];
        assert!(selector.fill(&mut played, &whole(), |_| {}));
        assert_eq!((played[0], played[BLOCK_SAMPLES - CHANNELS]), (320.0 / 64.0, 383.0));
        assert_eq!(played[BLOCK_SAMPLES], 384.0, "bit for bit from the second block on");
        assert_eq!(selector.counts().gaps, 3);
    }

    #[test]
    fn nothing_begins_before_the_whole_first_period_is_there() {
        let mut slots = whole();
        slots.absent = vec![(0, 3), (1, 3)];
        let mut selector = Selector::default();
        let mut out = [1.0; 256 * CHANNELS];
        assert!(!selector.fill(&mut out, &slots, |_| {}));
        assert!(out.iter().all(|sample| *sample == 0.0));
        assert_eq!(selector.counts().gaps, 0);
        slots.absent.clear();
        assert!(selector.fill(&mut out, &slots, |_| {}));
        assert_eq!(out[CHANNELS], 1.0);
    }
}
