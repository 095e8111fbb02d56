//! FNV-1a of 64 bits: a weak hash, for journals of before version 6, and for tests that keep what sounds hashed to once.
//! Tests of other crates take in this very file.

/// The hash of these, one after the other.
pub fn fnv1a<T: Into<u64>>(parts: impl IntoIterator<Item = T>) -> u64 {
    parts.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        (hash ^ part.into()).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
