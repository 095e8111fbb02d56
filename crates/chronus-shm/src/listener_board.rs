//! Who listens to events, in the ledger: whoever was told that they do shall be told by the next supervisor, too.

use crate::checksum::of_bytes;
use crate::sync::{AtomicU64, Ordering};

/// Who listens, as words that mean something to the control core alone.
pub type Words = [u64; WORDS];

const WORDS: usize = 16;

/// As many may listen.
pub const LISTENERS_MOST: usize = 32;

/// Who listens, in the order in which they asked. Only one supervisor at a time writes.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct ListenerBoard {
    places: [Place; LISTENERS_MOST],
}

#[derive(Debug)]
struct Place {
    checksum: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl ListenerBoard {
    /// Notes who listens now. Whoever stays is found at any moment meanwhile: all others move up one after the other, so that
    /// each is written at the new place before the old one is written over.
    pub fn note(&self, listeners: impl ExactSizeIterator<Item = Words>) {
        let left = self.places.iter().skip(listeners.len());
        for (place, listener) in self.places.iter().zip(listeners) {
            place.write(&listener);
        }
        for place in left {
            place.checksum.store(0, Ordering::Release);
        }
    }

    /// Who listens; what is damaged is left out.
    pub fn read(&self) -> impl Iterator<Item = Words> + '_ {
        self.places.iter().filter_map(Place::read)
    }
}

impl Place {
    fn write(&self, words: &Words) {
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

    fn read(&self) -> Option<Words> {
        let checksum = self.checksum.load(Ordering::Acquire);
        let words = std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed));
        let is_whole = checksum != 0 && checksum_of(&words) == checksum;
        is_whole.then_some(words)
    }
}

fn checksum_of(words: &Words) -> u64 {
    of_bytes(words.map(u64::to_le_bytes).as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u64) -> Words {
        [number; WORDS]
    }

    fn board() -> ListenerBoard {
        let place = || Place {
            checksum: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        ListenerBoard { places: std::array::from_fn(|_| place()) }
    }

    #[test]
    fn who_listens_is_found_again_and_what_is_damaged_is_nobody() {
        let board = board();
        board.note([1, 2, 3].map(peer).into_iter());
        assert_eq!(board.read().collect::<Vec<_>>(), [1, 2, 3].map(peer));
        board.note([2, 3].map(peer).into_iter());
        assert_eq!(board.read().collect::<Vec<_>>(), [2, 3].map(peer));
        board.places[0].words[1].fetch_add(1, Ordering::Relaxed);
        assert_eq!(board.read().collect::<Vec<_>>(), [peer(3)]);
        board.note(std::iter::empty());
        assert_eq!(board.read().count(), 0);
    }

    #[test]
    fn as_many_as_there_is_room_for_are_noted() {
        let board = board();
        board.note((0..40).map(peer).collect::<Vec<_>>().into_iter());
        assert_eq!(board.read().count(), LISTENERS_MOST);
    }
}
