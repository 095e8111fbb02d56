//! What the journal gives is what was heard: all commands as sealed, with all amendments in their blocks. And no
//! block is both played and amended.

use chronus_replication::amendment::{Amendment, Change};
use chronus_replication::machine::block_hash;
use chronus_replication::{BLOCK_SAMPLES, Entry, Payload};

use super::Verdict;
use crate::control_history::inserts;
use crate::rack::Rack;

/// All that was sealed, amended and heard.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    amendments: Vec<Amendment>,
    heard: Vec<Heard>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Gap,
    /// Faded in, or wrong by an injected fault.
    Unlike,
    Hash(u64),
}

impl Journal {
    /// A block was sealed with these entries.
    pub fn sealed(&mut self, entries: &[Entry]) {
        self.entries.extend(entries);
    }

    /// An amendment was made.
    ///
    /// # Errors
    /// If its block was played, or it is out of order.
    pub fn amended(&mut self, amendment: &Amendment) -> Verdict {
        let Amendment { number, block, .. } = *amendment;
        if self.heard.get(block as usize).is_some_and(|heard| *heard != Heard::Gap) {
            return Err(format!("{amendment:?} of a block that was played"));
        }
        let last = self.amendments.last();
        let is_next =
            number == self.amendments.len() as u64 && last.is_none_or(|last| last.block <= block);
        if !is_next {
            return Err(format!("{amendment:?} after {last:?}"));
        }
        let is_same = |it: &&Amendment| (it.block, it.change) == (block, amendment.change);
        if let Some(before) = self.amendments.iter().find(is_same) {
            return Err(format!("{amendment:?}, which {before:?} has put aside"));
        }
        self.amendments.push(*amendment);
        Ok(())
    }

    /// Nobody had the next block.
    pub fn gap(&mut self) {
        self.heard.push(Heard::Gap);
    }

    /// The next block is played; unlike what was rendered, if it is excused.
    pub fn played(&mut self) {
        self.heard.push(Heard::Unlike);
    }

    /// The block that was played last was heard in full, with this hash.
    pub fn heard(&mut self, hash: u64) {
        if let Some(last) = self.heard.last_mut() {
            *last = Heard::Hash(hash);
        }
    }

    /// Replays everything, as the offline rendering does.
    ///
    /// # Errors
    /// If anything else was heard, or a block that was heard brings the replay to grief.
    pub fn replay(&self) -> Verdict {
        let is_withheld = |entry: &&Entry| {
            let withheld = Change::Withhold { sequence: entry.sequence };
            self.amendments.iter().any(|amendment| amendment.change == withheld)
        };
        let mut entries = &self.entries[..];
        let mut amendments = &self.amendments[..];
        let mut rack = Rack::default();
        let mut samples = [0.0; BLOCK_SAMPLES];
        for (block, heard) in (0..).zip(&self.heard) {
            let inserted = take_while(&mut amendments, |it| it.block <= block);
            let inserted: Vec<Payload> = inserted.iter().filter_map(inserts).collect();
            let due = take_while(&mut entries, |entry| entry.block() <= block);
            let due: Vec<Entry> = due.iter().filter(|entry| !is_withheld(entry)).copied().collect();
            let mut met = None;
            let _ = rack.render(&inserted, &due, &mut samples, |grief| {
                met.get_or_insert(grief);
                true
            });
            if let (Heard::Hash(hash), grief) = (*heard, met)
                && (grief.is_some() || hash != block_hash(block, &samples))
            {
                return Err(format!("block {block} is replayed otherwise than heard; {grief:?}"));
            }
        }
        Ok(())
    }
}

/// Splits off what comes first and fits.
fn take_while<'a, T>(rest: &mut &'a [T], fits: impl Fn(&T) -> bool) -> &'a [T] {
    let count = rest.iter().take_while(|item| fits(item)).count();
    let (first, later) = rest.split_at(count);
    *rest = later;
    first
}
