//! Checksums of 64 bits: whether what is read is what was written. They find damage, not intent, and name nothing: what a
//! recording holds is named by its BLAKE3 digest.
//!
//! The two are different functions, and stay so: that of an entry is part of the journal's format.

/// The checksum of bytes in shared memory: pieces of the shared assets, snapshots, listeners. Each step is a bijection,
/// so one changed word always changes it.
pub fn of_bytes(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
    words.chain([bytes.len() as u64]).fold(0x243f_6a88_85a3_08d3, |sum: u64, word| {
        let sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum ^ sum >> 29
    })
}

/// The checksum of an entry, in the command log and in the journal: of all words but the third, where it stands. Each
/// step is a bijection, so one changed bit always changes it; it is never zero for an entry of zeros, so empty memory is
/// no entry.
pub(crate) fn of_entry(words: &[u64; 8]) -> u64 {
    let mut sum = 0x243f_6a88_85a3_08d3_u64;
    for (index, word) in words.iter().enumerate() {
        if index != 2 {
            sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        }
    }
    sum ^ sum >> 29
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_the_length_count() {
        let mut bytes = vec![0; 21];
        let zero = of_bytes(&bytes);
        assert_ne!(zero, of_bytes(&bytes[..20]));
        for at in 0..21 {
            bytes[at] = 1;
            assert_ne!(of_bytes(&bytes), zero);
            bytes[at] = 0;
        }
    }
}
