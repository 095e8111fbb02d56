//! Where the two towers meet: an [`Engine`] is the machine that is replicated.

use chronus_engine::{Command, Engine};
use chronus_replication::machine::Machine;
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, Block, CHANNELS, Payload};

// Both towers speak of the same block, though neither knows the other.
const _: () = assert!(BLOCK_FRAMES == chronus_engine::BLOCK_FRAMES);
const _: () = assert!(CHANNELS == chronus_engine::CHANNELS);
const _: () = assert!(BLOCK_SAMPLES == BLOCK_FRAMES * CHANNELS);

/// An engine, as the replication sees it.
pub struct Instrument(pub Engine);

impl Machine for Instrument {
    fn apply(&mut self, offset: usize, payload: &Payload) {
        // What the log holds was checked before it was ordered; anything else changes nothing, and in
        // every replica alike.
        if let Ok(command) = Command::decode(*payload) {
            self.0.apply(offset, &command);
        }
    }

    fn render(&mut self, out: &mut Block) {
        self.0.render(out);
    }
}
