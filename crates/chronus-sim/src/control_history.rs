//! Where the knobs stand as of all that is sealed, with all amendments: what a fresh worker begins with.

use chronus_replication::amendment::{Amendment, Change};
use chronus_replication::{BlockIndex, Entry, Payload};

use crate::rack::Rack;

/// Everything that was sealed and amended; the world is short.
#[derive(Debug, Default)]
pub(crate) struct ControlHistory {
    entries: Vec<Entry>,
    amendments: Vec<Amendment>,
}

impl ControlHistory {
    pub(crate) fn sealed(&mut self, entries: &[Entry]) {
        self.entries.extend(entries);
    }

    pub(crate) fn amended(&mut self, amendment: Amendment) {
        self.amendments.push(amendment);
    }

    /// The machine that begins with `block`, the first that is not sealed.
    pub(crate) fn rack(&self, block: BlockIndex) -> Rack {
        let mut rack = Rack::default();
        let is_withheld = |entry: &&Entry| {
            let withheld = Change::Withhold { sequence: entry.sequence };
            self.amendments.iter().any(|amendment| amendment.change == withheld)
        };
        let of_entries = self.entries.iter().map(Entry::block);
        let mut blocks: Vec<BlockIndex> =
            of_entries.chain(self.amendments.iter().map(|it| it.block)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let (mut entries, mut amendments) = (&self.entries[..], &self.amendments[..]);
        let mut next_block = 0;
        for block in blocks {
            rack.skip(block - next_block);
            next_block = block + 1;
            let (now, later) =
                entries.split_at(entries.partition_point(|entry| entry.block() <= block));
            let (amended, rest) =
                amendments.split_at(amendments.partition_point(|it| it.block <= block));
            (entries, amendments) = (later, rest);
            let inserted: Vec<Payload> = amended.iter().filter_map(inserts).collect();
            rack.begin_block(&inserted);
            for entry in now.iter().filter(|entry| !is_withheld(entry)) {
                rack.take(&entry.payload);
            }
            rack.end_block();
        }
        rack.skip(block - next_block);
        rack
    }
}

/// The command that an amendment inserts.
pub(crate) fn inserts(amendment: &Amendment) -> Option<Payload> {
    match amendment.change {
        Change::Insert(payload) => Some(payload),
        Change::Withhold { .. } => None,
    }
}
