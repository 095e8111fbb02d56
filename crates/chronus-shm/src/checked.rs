//! Words with a checksum: whoever reads them while they are written, or after they were damaged, finds nothing.

use crate::checksum::of_bytes;
use crate::sync::{AtomicU64, Ordering};

/// So many words. One process at a time writes.
#[derive(Debug)]
pub(crate) struct Checked<const N: usize> {
    checksum: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Checked<N> {
    /// Writes them, unless they stand there already.
    pub fn write(&self, words: &[u64; N]) {
        let checksum = checksum_of(words);
        if self.checksum.load(Ordering::Relaxed) == checksum {
            return;
        }
        self.checksum.store(0, Ordering::Release);
        for (place, word) in self.words.iter().zip(*words) {
            place.store(word, Ordering::Relaxed);
        }
        self.checksum.store(checksum, Ordering::Release);
    }

    /// Reads them; `None` if there are none, or if they are damaged.
    pub fn read(&self) -> Option<[u64; N]> {
        let checksum = self.checksum.load(Ordering::Acquire);
        let words = std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed));
        (checksum != 0 && checksum_of(&words) == checksum).then_some(words)
    }

    /// From here on there are none.
    pub fn clear(&self) {
        self.checksum.store(0, Ordering::Release);
    }
}

fn checksum_of<const N: usize>(words: &[u64; N]) -> u64 {
    of_bytes(words.map(u64::to_le_bytes).as_flattened())
}

#[cfg(all(test, not(loom)))]
impl<const N: usize> Checked<N> {
    /// None.
    pub fn empty() -> Self {
        Self { checksum: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Damages a word, as a wild write would.
    pub fn damage(&self, word: usize) {
        self.words[word].fetch_add(1, Ordering::Relaxed);
    }
}
