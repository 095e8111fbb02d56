//! The block ring: what one worker has rendered, entry by entry, tagged and hashed.
//!
//! One writer, the worker that owns the slot; any number of readers, who never wait. An entry is
//! withdrawn before it is overwritten and tagged last, so a reader that finds the tag unchanged after
//! copying has the whole block (a seqlock whose payload is atomic, so a torn copy is never undefined);
//! the hash then tells whether the bits are those that were rendered.

use chronus_replication::machine::block_hash;
use chronus_replication::selector::Read;
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, Block, BlockIndex, lead};

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// Blocks that a slot keeps: the longest lead, the longest period of a device, and some to spare.
pub const RING_BLOCKS: usize = 512;
/// Blocks of the ring that are never ahead of what is played.
pub const SPARE_BLOCKS: usize = 16;

const LONGEST_PERIOD: u64 = lead::PERIOD_FRAMES_MOST.div_ceil(BLOCK_FRAMES as u64);
const _: () =
    assert!(lead::MOST_BLOCKS + LONGEST_PERIOD + SPARE_BLOCKS as u64 <= RING_BLOCKS as u64);

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

/// What an entry says of itself, and whether it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Who rendered it.
    pub incarnation: u64,
    /// The [`version`](chronus_replication::amendment::version) that was rendered.
    pub version: u64,
    /// Its hash.
    pub hash: u64,
    /// Whether the hash is that of the samples, and all samples are finite.
    pub is_sound: bool,
}

/// Copies block `block` into `out` if it is there; `out` may hold anything if it is not.
pub fn find(ring: &[BlockEntry], block: BlockIndex, out: &mut Block) -> Option<Label> {
    let entry = &ring[(block % ring.len() as u64) as usize];
    if entry.tag.load(Ordering::Acquire) != block + 1 {
        return None;
    }
    let incarnation = entry.incarnation.load(Ordering::Relaxed);
    let version = entry.version.load(Ordering::Relaxed);
    let hash = entry.hash.load(Ordering::Relaxed);
    for (sample, place) in out.iter_mut().zip(&entry.samples) {
        *sample = f32::from_bits(place.load(Ordering::Relaxed));
    }
    fence(Ordering::Acquire);
    if entry.tag.load(Ordering::Relaxed) != block + 1 {
        return None;
    }
    let is_sound = hash == block_hash(block, out) && out.iter().all(|sample| sample.is_finite());
    Some(Label { incarnation, version, hash, is_sound })
}

/// Copies block `block` into `out` if it is there, is of version `version`, was rendered by a worker whose
/// incarnation is trusted, is whole and finite.
///
/// More than one incarnation may be trusted: what a worker had finished before it died is still there to
/// be played when its slot has a new worker, and that one begins with later blocks.
pub fn read(
    ring: &[BlockEntry],
    block: BlockIndex,
    version: u64,
    is_trusted: impl FnOnce(u32) -> bool,
    out: &mut Block,
) -> Read {
    let Some(found) = find(ring, block, out) else { return Read::Absent };
    let is_trusted = u32::try_from(found.incarnation).is_ok_and(is_trusted);
    if is_trusted && found.version == version && found.is_sound {
        Read::Taken(found.hash)
    } else {
        Read::Refused
    }
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
        assert!(read(&ring, 9, 5, |by| by == 2, &mut out).is_taken());
        assert_eq!(out, [0.5; BLOCK_SAMPLES]);
        assert_eq!(read(&ring, 5, 5, |_| true, &mut out), Read::Absent, "same place, other block");
        assert_eq!(read(&ring, 9, 5, |by| by != 2, &mut out), Read::Refused, "an old incarnation");
        assert_eq!(read(&ring, 9, 6, |_| true, &mut out), Read::Refused, "another version");
        let hash = block_hash(9, &[0.5; BLOCK_SAMPLES]);
        let label = Label { incarnation: 2, version: 5, hash, is_sound: true };
        assert_eq!(find(&ring, 9, &mut out), Some(label));
    }

    #[test]
    fn garbage_is_refused() {
        let (ring, mut out) = (ring(), [0.0; BLOCK_SAMPLES]);
        publish(&ring, 1, 0, 1, &[f32::NAN; BLOCK_SAMPLES]);
        assert_eq!(read(&ring, 1, 0, |_| true, &mut out), Read::Refused, "not finite");
        publish(&ring, 1, 0, 1, &[0.5; BLOCK_SAMPLES]);
        ring[1].samples[77].store(0, Ordering::Relaxed);
        assert_eq!(read(&ring, 1, 0, |_| true, &mut out), Read::Refused, "a wild write");
    }
}
