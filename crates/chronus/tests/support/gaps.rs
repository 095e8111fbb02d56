//! What was played on a machine that may have gaps of its own making, compared with the offline rendering:
//! it may differ where the journal says that there was a gap, and nowhere else.

use std::path::Path;

use chronus_journal::Journal;

use super::BLOCK_FRAMES;

/// The blocks that the journal calls gaps.
pub fn gaps(journal: &Path) -> Vec<u64> {
    Journal::read(journal).expect("a journal").gaps
}

/// Whether a block may differ: a gap, which is concealed, or the block after one, which is faded in.
pub fn is_near(block: u64, gaps: &[u64]) -> bool {
    gaps.contains(&block) || block > 0 && gaps.contains(&(block - 1))
}

/// Asserts that nothing differs but gaps, which are concealed, and the block after each, which is faded in.
#[track_caller]
pub fn assert_only_gaps_differ(played: &[f32], rendered: &[f32], journal: &Path) {
    assert_eq!(played.len(), rendered.len(), "as long as the journal says");
    let gaps = gaps(journal);
    let blocks = played.chunks(2 * BLOCK_FRAMES as usize);
    for (block, (played, rendered)) in
        (0..).zip(blocks.zip(rendered.chunks(2 * BLOCK_FRAMES as usize)))
    {
        let same = played.iter().zip(rendered).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same || is_near(block, &gaps), "block {block} differs, and the gaps are {gaps:?}");
    }
    let loud = played.iter().filter(|sample| sample.abs() > 0.05).count();
    assert!(loud > 1000, "silence proves nothing: {loud} loud samples");
    if !gaps.is_empty() {
        eprintln!("this machine had {} gaps of a block", gaps.len());
    }
}
