//! Which session clients have named, in the ledger: what a client makes after a takeover is still its own.

use crate::checksum::of_bytes;
use crate::sync::{AtomicU64, Ordering};

/// A client as words that mean something to the control core alone.
pub type Words = [u64; WORDS];

const WORDS: usize = 16;
const NAME_WORDS: usize = 8;
/// A name is no longer, in bytes.
pub const NAME_BYTES: usize = 8 * NAME_WORDS;
/// So many clients are noted.
pub const CLIENTS_MOST: usize = 256;

/// Clients and the names of their sessions. Only the patcher of one supervisor at a time writes.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct SessionBoard {
    places: [Place; CLIENTS_MOST],
}

#[derive(Debug)]
struct Place {
    checksum: AtomicU64,
    words: [AtomicU64; WORDS + NAME_WORDS],
}

impl SessionBoard {
    /// Notes all, in their order. Names that are too long are left out.
    pub fn note<'a>(&self, clients: impl Iterator<Item = (Words, &'a str)>) {
        let mut places = self.places.iter();
        for (client, name) in clients {
            let mut bytes = [0; NAME_BYTES];
            let Some(room) = bytes.get_mut(..name.len()) else { continue };
            room.copy_from_slice(name.as_bytes());
            let Some(place) = places.next() else { return };
            place.write(&client, &bytes);
        }
        for left in places {
            left.checksum.store(0, Ordering::Release);
        }
    }

    /// All that are noted; what is damaged is left out.
    pub fn read(&self) -> impl Iterator<Item = (Words, String)> + '_ {
        self.places.iter().filter_map(Place::read)
    }
}

impl Place {
    fn write(&self, client: &Words, name: &[u8; NAME_BYTES]) {
        let name = name.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let words: Vec<u64> = client.iter().copied().chain(name).collect();
        let checksum = checksum_of(&words);
        if self.checksum.load(Ordering::Relaxed) == checksum {
            return;
        }
        self.checksum.store(0, Ordering::Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        self.checksum.store(checksum, Ordering::Release);
    }

    fn read(&self) -> Option<(Words, String)> {
        let checksum = self.checksum.load(Ordering::Acquire);
        let words: Vec<u64> = self.words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        if checksum == 0 || checksum_of(&words) != checksum {
            return None;
        }
        let (client, name) = words.split_at(WORDS);
        let name: Vec<u8> = name.iter().flat_map(|word| word.to_le_bytes()).collect();
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        let name = std::str::from_utf8(&name[..end]).ok()?;
        Some((client.try_into().ok()?, name.to_owned()))
    }
}

fn checksum_of(words: &[u64]) -> u64 {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    of_bytes(&bytes)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn board() -> SessionBoard {
        let place = || Place {
            checksum: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        SessionBoard { places: std::array::from_fn(|_| place()) }
    }

    #[test]
    fn sessions_are_found_again_and_what_is_damaged_is_nobodys() {
        let board = board();
        let long = "ä".repeat(NAME_BYTES / 2);
        let longer = "x".repeat(NAME_BYTES + 1);
        board.note([([1; 16], "ada"), ([2; 16], &longer), ([3; 16], &long)].into_iter());
        let found: Vec<_> = board.read().collect();
        assert_eq!(found, [([1; 16], "ada".to_owned()), ([3; 16], long)]);
        board.places[0].words[20].fetch_add(1, Ordering::Relaxed);
        assert_eq!(board.read().count(), 1);
        board.note(std::iter::empty());
        assert_eq!(board.read().count(), 0);
        let many = (0..300).map(|number| ([number; 16], "x"));
        board.note(many);
        assert_eq!(board.read().count(), CLIENTS_MOST);
    }
}
