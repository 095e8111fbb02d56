//! The command log: a broadcast ring of 64-byte entries. One writer, any number of readers, each of
//! which keeps its position in private memory.
//!
//! The writer never overwrites an entry that a reader may still read: it is told the position of the
//! slowest. An entry carries its sequence number and a checksum, so a reader can tell an entry that it
//! may obey from anything else.

use chronus_replication::command_sequencer::{Log, LogFull};
use chronus_replication::{Entry, Payload};

use crate::checksum::of_entry;
use crate::sync::{AtomicU64, Ordering};

/// Entries that the log of the program holds.
pub const LOG_ENTRIES: usize = 4096;

/// One entry: sequence, frame, checksum, five words of payload. 64 bytes.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct LogEntry([AtomicU64; 8]);

impl LogEntry {
    pub(crate) fn store(&self, words: &[u64; 8]) {
        for (word, value) in self.0.iter().zip(words) {
            word.store(*value, Ordering::Relaxed);
        }
    }

    pub(crate) fn load(&self) -> [u64; 8] {
        std::array::from_fn(|word| self.0[word].load(Ordering::Relaxed))
    }
}

/// An entry of the log is not what it must be; a reader that finds this must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {sequence} of the command log is damaged")]
pub struct Damaged {
    /// The sequence number that was asked for.
    pub sequence: u64,
}

/// The log as its only writer sees it.
#[derive(Debug)]
pub struct LogWriter<'a> {
    /// How many entries have been written; readers look at it through the seals.
    pub head: &'a AtomicU64,
    /// The ring.
    pub entries: &'a [LogEntry],
    /// No reader will ask for an entry before this one.
    pub slowest_reader: u64,
}

impl Log for LogWriter<'_> {
    fn append(&mut self, entry: &Entry) -> Result<(), LogFull> {
        let capacity = self.entries.len() as u64;
        if entry.sequence >= self.slowest_reader + capacity {
            return Err(LogFull);
        }
        let words = to_words(entry);
        let place = &self.entries[(entry.sequence % capacity) as usize];
        place.store(&words);
        // Pairs with the acquiring load in `read`: who sees the head sees the entry.
        self.head.store(entry.sequence + 1, Ordering::Release);
        Ok(())
    }
}

/// Reads entry `sequence`. Asking for one that is not written, or overwritten, is damage too.
///
/// # Errors
/// [`Damaged`].
pub fn read(head: &AtomicU64, entries: &[LogEntry], sequence: u64) -> Result<Entry, Damaged> {
    // Pairs with the releasing store in `append`.
    if head.load(Ordering::Acquire) <= sequence {
        return Err(Damaged { sequence });
    }
    let place = &entries[(sequence % entries.len() as u64) as usize];
    from_words(&place.load()).filter(|entry| entry.sequence == sequence).ok_or(Damaged { sequence })
}

/// An entry as its 64 bytes, in the log and in the journal.
pub fn to_words(entry: &Entry) -> [u64; 8] {
    let [a, b, c, d, e] = entry.payload;
    let mut words = [entry.sequence, entry.frame, 0, a, b, c, d, e];
    words[2] = of_entry(&words);
    words
}

/// Reads [`to_words`] back; `None` if the checksum does not match.
pub fn from_words(words: &[u64; 8]) -> Option<Entry> {
    let payload: Payload = [words[3], words[4], words[5], words[6], words[7]];
    let entry = Entry { sequence: words[0], frame: words[1], payload };
    (of_entry(words) == words[2]).then_some(entry)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn entry(sequence: u64) -> Entry {
        Entry { sequence, frame: sequence * 10, payload: [sequence, 1, 2, 3, 4] }
    }

    #[test]
    fn the_writer_waits_for_the_slowest_reader() {
        let head = AtomicU64::new(0);
        let entries: Vec<LogEntry> = (0..4).map(|_| LogEntry::default()).collect();
        let mut log = LogWriter { head: &head, entries: &entries, slowest_reader: 0 };
        for sequence in 0..4 {
            assert_eq!(log.append(&entry(sequence)), Ok(()));
        }
        assert_eq!(log.append(&entry(4)), Err(LogFull));
        assert_eq!(read(&head, &entries, 0), Ok(entry(0)));
        log.slowest_reader = 1;
        assert_eq!(log.append(&entry(4)), Ok(()));
        assert_eq!(read(&head, &entries, 0), Err(Damaged { sequence: 0 }), "overwritten");
        assert_eq!(read(&head, &entries, 5), Err(Damaged { sequence: 5 }), "not written");
    }

    #[test]
    fn any_changed_bit_is_damage() {
        let good = to_words(&entry(3));
        assert_eq!(from_words(&good), Some(entry(3)));
        for word in 0..8 {
            for bit in 0..64 {
                let mut words = good;
                words[word] ^= 1 << bit;
                assert_eq!(from_words(&words), None, "word {word}, bit {bit}");
            }
        }
        assert_eq!(from_words(&[0; 8]), None, "empty memory is no entry");
    }
}
