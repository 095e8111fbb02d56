//! Every replica renders, and the device plays, what an undisturbed machine makes of the log and of the
//! amendments.

use chronus_replication::amendment::{Amendment, Change};
use chronus_replication::blame::Place;
use chronus_replication::machine::block_hash;
use chronus_replication::{BLOCK_SAMPLES, Block, BlockIndex, CHANNELS, Entry, Payload, Slot};

use super::Verdict;
use crate::control_history::inserts;
use crate::rack::Rack;

/// An undisturbed machine, and what it rendered lately.
#[derive(Debug)]
pub struct Lockstep {
    /// After all that is sealed.
    rack: Rack,
    sealed: BlockIndex,
    kept: Vec<Kept>,
    amendments: Vec<Amendment>,
}

/// A block, and the state before it, so that it can be rendered anew when it is amended.
#[derive(Clone, Debug)]
struct Kept {
    block: BlockIndex,
    before: Rack,
    entries: Vec<Entry>,
    /// How many amendments hold in it.
    amended: u64,
    /// Where whoever renders it comes to grief.
    griefs: Vec<Place>,
    hash: u64,
    samples: Box<Block>,
}

/// Blocks kept; more than any worker may be behind.
const KEPT: u64 = 512;

impl Default for Lockstep {
    fn default() -> Self {
        let nothing = || Kept {
            block: u64::MAX,
            before: Rack::default(),
            entries: Vec::new(),
            amended: 0,
            griefs: Vec::new(),
            hash: 0,
            samples: Box::new([0.0; BLOCK_SAMPLES]),
        };
        Self {
            rack: Rack::default(),
            sealed: 0,
            kept: (0..KEPT).map(|_| nothing()).collect(),
            amendments: Vec::new(),
        }
    }
}

impl Lockstep {
    /// A block was sealed with these entries.
    pub fn sealed(&mut self, block: BlockIndex, entries: &[Entry]) {
        let kept = &mut self.kept[(block % KEPT) as usize];
        kept.block = block;
        kept.entries.clear();
        kept.entries.extend(entries);
        self.sealed = block + 1;
        self.render_from(block);
    }

    /// An amendment was made: everything from its block on is rendered anew.
    ///
    /// # Errors
    /// If its block is older than any that could be amended.
    pub fn amended(&mut self, amendment: &Amendment) -> Verdict {
        let kept = &self.kept[(amendment.block % KEPT) as usize];
        if kept.block != amendment.block {
            return Err(format!("{amendment:?}, and {} blocks are sealed", self.sealed));
        }
        self.rack = kept.before;
        self.amendments.push(*amendment);
        self.render_from(amendment.block);
        Ok(())
    }

    fn render_from(&mut self, first: BlockIndex) {
        for block in first..self.sealed {
            let kept = &mut self.kept[(block % KEPT) as usize];
            let known = &self.amendments;
            let of_block = known.iter().filter(|it| it.block == block);
            let inserted: Vec<Payload> = of_block.filter_map(inserts).collect();
            let is_withheld = |entry: &Entry| {
                let withheld = Change::Withhold { sequence: entry.sequence };
                known.iter().any(|it| it.change == withheld)
            };
            kept.before = self.rack;
            kept.amended = known.iter().filter(|it| it.block <= block).count() as u64;
            kept.griefs.clear();
            let entries: Vec<Entry> =
                kept.entries.iter().filter(|entry| !is_withheld(entry)).copied().collect();
            let griefs = &mut kept.griefs;
            let _ = self.rack.render(&inserted, &entries, &mut kept.samples, |grief| {
                griefs.push(grief.place);
                true
            });
            kept.hash = block_hash(block, &kept.samples);
        }
    }

    /// Whether whoever renders this block comes to grief there.
    pub fn is_harmful(&self, block: BlockIndex, place: Place) -> bool {
        let kept = &self.kept[(block % KEPT) as usize];
        kept.block == block && kept.griefs.contains(&place)
    }

    /// The knobs of the undisturbed machine, after all that is sealed.
    pub fn rack(&self) -> &Rack {
        &self.rack
    }

    /// A worker begins a block as a standby while the primary has finished `primary_end`.
    ///
    /// # Errors
    /// If the primary has not finished that block.
    pub fn standby_begins(slot: Slot, block: BlockIndex, primary_end: BlockIndex) -> Verdict {
        if block < primary_end {
            return Ok(());
        }
        Err(format!("standby {slot} begins block {block}, the primary has finished {primary_end}"))
    }

    /// A worker without injected wrong bits finished a block with this hash, having taken so many amendments.
    ///
    /// # Errors
    /// If the undisturbed machine has others, unless the block was amended meanwhile.
    pub fn rendered(&self, slot: Slot, block: BlockIndex, amended: u64, hash: u64) -> Verdict {
        let kept = &self.kept[(block % KEPT) as usize];
        if kept.block == block && (kept.amended > amended || kept.hash == hash) {
            return Ok(());
        }
        Err(format!("slot {slot} rendered other bits for block {block}"))
    }

    /// A frame was played that no injected fault excuses.
    ///
    /// # Errors
    /// If it is not the frame of the undisturbed machine.
    pub fn played(&self, block: BlockIndex, offset: usize, frame: &[f32]) -> Verdict {
        let kept = &self.kept[(block % KEPT) as usize];
        let expected = &kept.samples[offset * CHANNELS..(offset + 1) * CHANNELS];
        if kept.block == block && expected == frame && kept.griefs.is_empty() {
            return Ok(());
        }
        Err(format!("frame {offset} of block {block} played as {frame:?}, not {expected:?}"))
    }
}
