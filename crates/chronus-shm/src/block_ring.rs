//! The block ring: what one worker has rendered, entry by entry, tagged and hashed.
//!
//! One writer, the worker that owns the slot; any number of readers, who never wait. An entry is
//! withdrawn before it is overwritten and tagged last, so a reader that finds the tag unchanged after
//! copying has the whole block (a seqlock whose payload is atomic, so a torn copy is never undefined);
//! the hash then tells whether the bits are those that were rendered.

use std::ops::RangeInclusive;

use chronus_replication::machine::block_hash;
use chronus_replication::selector::Read;
use chronus_replication::{BLOCK_SAMPLES, Block, BlockIndex};

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// Blocks that a slot keeps. The lead must stay well below.
pub const RING_BLOCKS: usize = 128;

/// Samples that an entry stores. The model checker can follow the first two, not a whole block.
const STORED_SAMPLES: usize = if cfg!(loom) { 2 } else { BLOCK_SAMPLES };

/// One rendered block.
#[repr(C, align(32))]
#[derive(Debug)]
pub struct BlockEntry {
    /// Block number plus one; 0 while nothing or something unfinished is here.
    tag: AtomicU64,
    incarnation: AtomicU64,
    version: AtomicU64,
    hash: AtomicU64,
    samples: [AtomicU32; STORED_SAMPLES],
}

impl Default for BlockEntry {
    fn default() -> Self {
        Self {
            tag: AtomicU64::new(0),
            incarnation: AtomicU64::new(0),
            version: AtomicU64::new(0),
            hash: AtomicU64::new(0),
            samples: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

/// Publishes a rendered block: its number, the [`version`](chronus_replication::amendment::version) that was
/// rendered, and who rendered it.
pub fn publish(
    ring: &[BlockEntry],
    block: BlockIndex,
    version: u64,
    incarnation: u32,
    samples: &Block,
) {
    let entry = &ring[(block % ring.len() as u64) as usize];
    entry.tag.store(0, Ordering::Relaxed);
    // Pairs with the acquiring fence in `read`: who sees a new sample sees the tag withdrawn.
    fence(Ordering::Release);
    entry.incarnation.store(u64::from(incarnation), Ordering::Relaxed);
    entry.version.store(version, Ordering::Relaxed);
    entry.hash.store(block_hash(block, samples), Ordering::Relaxed);
    for (place, sample) in entry.samples.iter().zip(samples) {
        place.store(sample.to_bits(), Ordering::Relaxed);
    }
    // Pairs with the acquiring load in `read`: who sees the tag sees the block.
    entry.tag.store(block + 1, Ordering::Release);
}

/// Copies block `block` into `out` if it is there, is of version `version`, was rendered by a worker whose
/// incarnation is among the `trusted` ones, is whole and finite.
///
/// More than one incarnation may be trusted: what a worker had finished before it died is still there to
/// be played when its slot has a new worker, and that one begins with later blocks.
pub fn read(
    ring: &[BlockEntry],
    block: BlockIndex,
    version: u64,
    trusted: RangeInclusive<u32>,
    out: &mut Block,
) -> Read {
    let entry = &ring[(block % ring.len() as u64) as usize];
    if entry.tag.load(Ordering::Acquire) != block + 1 {
        return Read::Absent;
    }
    let by = entry.incarnation.load(Ordering::Relaxed);
    let at = entry.version.load(Ordering::Relaxed);
    let hash = entry.hash.load(Ordering::Relaxed);
    for (sample, place) in out.iter_mut().zip(&entry.samples) {
        *sample = f32::from_bits(place.load(Ordering::Relaxed));
    }
    fence(Ordering::Acquire);
    if entry.tag.load(Ordering::Relaxed) != block + 1 {
        return Read::Absent;
    }
    let sound = u32::try_from(by).is_ok_and(|by| trusted.contains(&by))
        && at == version
        && hash == block_hash(block, out)
        && out.iter().all(|sample| sample.is_finite());
    if sound { Read::Taken(hash) } else { Read::Refused }
}

/// The hash of block `block` as rendered by `incarnation`, if it is there.
pub fn hash_of(ring: &[BlockEntry], block: BlockIndex, incarnation: u32) -> Option<u64> {
    let entry = &ring[(block % ring.len() as u64) as usize];
    let is_here = || entry.tag.load(Ordering::Acquire) == block + 1;
    if !is_here() || entry.incarnation.load(Ordering::Relaxed) != u64::from(incarnation) {
        return None;
    }
    let hash = entry.hash.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    is_here().then_some(hash)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn ring() -> Vec<BlockEntry> {
        (0..4).map(|_| BlockEntry::default()).collect()
    }

    #[test]
    fn only_the_right_version_of_the_right_block_by_the_right_worker_is_taken() {
        let (ring, mut out) = (ring(), [0.0; BLOCK_SAMPLES]);
        publish(&ring, 9, 5, 2, &[0.5; BLOCK_SAMPLES]);
        assert!(read(&ring, 9, 5, 2..=3, &mut out).is_taken());
        assert_eq!(out, [0.5; BLOCK_SAMPLES]);
        assert_eq!(read(&ring, 5, 5, 2..=2, &mut out), Read::Absent, "same place, other block");
        assert_eq!(read(&ring, 9, 5, 3..=4, &mut out), Read::Refused, "an old incarnation");
        assert_eq!(read(&ring, 9, 6, 2..=2, &mut out), Read::Refused, "another version");
        assert_eq!(hash_of(&ring, 9, 2), Some(block_hash(9, &[0.5; BLOCK_SAMPLES])));
        assert_eq!(hash_of(&ring, 9, 1), None);
    }

    #[test]
    fn garbage_is_refused() {
        let (ring, mut out) = (ring(), [0.0; BLOCK_SAMPLES]);
        publish(&ring, 1, 0, 1, &[f32::NAN; BLOCK_SAMPLES]);
        assert_eq!(read(&ring, 1, 0, 1..=1, &mut out), Read::Refused, "not finite");
        publish(&ring, 1, 0, 1, &[0.5; BLOCK_SAMPLES]);
        ring[1].samples[77].store(0, Ordering::Relaxed);
        assert_eq!(read(&ring, 1, 0, 1..=1, &mut out), Read::Refused, "a wild write");
    }
}
