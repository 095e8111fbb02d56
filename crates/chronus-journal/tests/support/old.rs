//! Journals as earlier versions wrote them.

use std::path::Path;

use chronus_engine::Command;
use chronus_replication::Entry;
use chronus_shm::command_log::to_words;

/// A journal of version 4 or 5, which named recordings otherwise: by files in `folder`, with this digest. It has an edit at
/// frame 9 and ends at frame 640.
pub fn old_journal(version: u32, text: &str, folder: &Path, digest: u64) -> Vec<u8> {
    let recordings = vec![("a.wav".to_owned(), digest)];
    let score = (text.to_owned(), folder.to_owned(), recordings);
    let score = postcard::to_allocvec(&score).expect("encoded");
    let mut bytes = b"CHRONUSJ".to_vec();
    for number in [version, 48_000, score.len() as u32] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(&score);
    let record = |entry: Entry| to_words(&entry).into_iter().flat_map(u64::to_le_bytes);
    let mark =
        |frame, kind, value| Entry { sequence: u64::MAX, frame, payload: [kind, value, 0, 0, 0] };
    // The score of an edit, its command, and the end.
    bytes.extend(record(mark(0, 4, score.len() as u64)));
    bytes.extend(&score);
    let payload = Command::Edit { number: 1 }.encode();
    bytes.extend(record(Entry { sequence: 0, frame: 9, payload }));
    bytes.extend(record(mark(640, 1, 0)));
    bytes
}
