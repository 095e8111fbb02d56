//! Which session clients have named, in the ledger: what a client makes after a takeover is still its own.

use crate::checked::Checked;

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
    places: [Checked<{ WORDS + NAME_WORDS }>; CLIENTS_MOST],
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
            let mut words = [0; WORDS + NAME_WORDS];
            words[..WORDS].copy_from_slice(&client);
            for (word, bytes) in words[WORDS..].iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            place.write(&words);
        }
        places.for_each(Checked::clear);
    }

    /// All that are noted; what is damaged is left out.
    pub fn read(&self) -> impl Iterator<Item = (Words, String)> + '_ {
        self.places.iter().filter_map(|place| {
            let words = place.read()?;
            let (client, name) = words.split_first_chunk::<WORDS>()?;
            let name: Vec<u8> = name.iter().flat_map(|word| word.to_le_bytes()).collect();
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            Some((*client, std::str::from_utf8(&name[..end]).ok()?.to_owned()))
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn board() -> SessionBoard {
        SessionBoard { places: std::array::from_fn(|_| Checked::empty()) }
    }

    #[test]
    fn sessions_are_found_again_and_what_is_damaged_is_nobodys() {
        let board = board();
        let long = "ä".repeat(NAME_BYTES / 2);
        let longer = "x".repeat(NAME_BYTES + 1);
        board.note([([1; 16], "ada"), ([2; 16], &longer), ([3; 16], &long)].into_iter());
        let found: Vec<_> = board.read().collect();
        assert_eq!(found, [([1; 16], "ada".to_owned()), ([3; 16], long)]);
        board.places[0].damage(20);
        assert_eq!(board.read().count(), 1);
        board.note(std::iter::empty());
        assert_eq!(board.read().count(), 0);
        let many = (0..300).map(|number| ([number; 16], "x"));
        board.note(many);
        assert_eq!(board.read().count(), CLIENTS_MOST);
    }
}
