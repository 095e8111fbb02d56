//! Who listens to events, in the ledger: whoever was told that they do shall be told by the next supervisor, too.

use crate::checked::Checked;

/// Who listens, as words that mean something to the control core alone.
pub type Words = [u64; WORDS];

const WORDS: usize = 16;

/// As many may listen.
pub const LISTENERS_MOST: usize = 32;

/// Who listens, in the order in which they asked. Only one supervisor at a time writes.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct ListenerBoard {
    places: [Checked<WORDS>; LISTENERS_MOST],
}

impl ListenerBoard {
    /// Notes who listens now. Whoever stays is found at any moment meanwhile: all others move up one after the other, so that
    /// each is written at the new place before the old one is written over.
    pub fn note(&self, listeners: impl ExactSizeIterator<Item = Words>) {
        let left = self.places.iter().skip(listeners.len());
        for (place, listener) in self.places.iter().zip(listeners) {
            place.write(&listener);
        }
        left.for_each(Checked::clear);
    }

    /// Who listens; what is damaged is left out.
    pub fn read(&self) -> impl Iterator<Item = Words> + '_ {
        self.places.iter().filter_map(Checked::read)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn listener(number: u64) -> Words {
        [number; WORDS]
    }

    fn board() -> ListenerBoard {
        ListenerBoard { places: std::array::from_fn(|_| Checked::empty()) }
    }

    #[test]
    fn who_listens_is_found_again_and_what_is_damaged_is_nobody() {
        let board = board();
        board.note([1, 2, 3].map(listener).into_iter());
        assert_eq!(board.read().collect::<Vec<_>>(), [1, 2, 3].map(listener));
        board.note([2, 3].map(listener).into_iter());
        assert_eq!(board.read().collect::<Vec<_>>(), [2, 3].map(listener));
        board.places[0].damage(1);
        assert_eq!(board.read().collect::<Vec<_>>(), [listener(3)]);
        board.note(std::iter::empty());
        assert_eq!(board.read().count(), 0);
    }

    #[test]
    fn as_many_as_there_is_room_for_are_noted() {
        let board = board();
        board.note((0..40).map(listener).collect::<Vec<_>>().into_iter());
        assert_eq!(board.read().count(), LISTENERS_MOST);
    }
}
