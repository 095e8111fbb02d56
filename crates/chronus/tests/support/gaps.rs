//! What was played on a machine that may have gaps of its own making, compared with the offline rendering:
//! it may differ where the journal says that there was a gap, and nowhere else.

use std::path::Path;

use chronus_shm::command_log::from_words;

use super::support::BLOCK_FRAMES;

/// The blocks that the journal calls gaps.
fn gaps(journal: &Path) -> Vec<u64> {
    let bytes = std::fs::read(journal).expect("a journal");
    let length = u32::from_le_bytes(bytes[16..20].try_into().expect("four bytes")) as usize;
    let records = bytes[20 + length..].as_chunks::<64>().0;
    let entries = records.iter().map(|record| {
        let words = record.as_chunks::<8>().0;
        from_words(&std::array::from_fn(|i| u64::from_le_bytes(words[i]))).expect("a whole record")
    });
    let marks = entries.filter(|entry| entry.sequence == u64::MAX && entry.payload[0] == 3);
    marks.map(|mark| mark.payload[1]).collect()
}

/// Asserts that nothing differs but gaps, which are concealed, and the block after each, which is faded in.
pub fn assert_only_gaps_differ(played: &[f32], rendered: &[f32], journal: &Path) {
    assert_eq!(played.len(), rendered.len(), "as long as the journal says");
    let gaps = gaps(journal);
    let blocks = played.chunks(2 * BLOCK_FRAMES as usize);
    for (block, (played, rendered)) in
        (0..).zip(blocks.zip(rendered.chunks(2 * BLOCK_FRAMES as usize)))
    {
        let same = played.iter().zip(rendered).all(|(a, b)| a.to_bits() == b.to_bits());
        let gap = gaps.contains(&block) || block > 0 && gaps.contains(&(block - 1));
        assert!(same || gap, "block {block} differs, and the gaps are {gaps:?}");
    }
    let loud = played.iter().filter(|sample| sample.abs() > 0.05).count();
    assert!(loud > 1000, "silence proves nothing: {loud} loud samples");
    if !gaps.is_empty() {
        eprintln!("this machine had {} gaps of a block", gaps.len());
    }
}
