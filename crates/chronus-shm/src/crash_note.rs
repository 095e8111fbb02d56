//! The last words of a slot's worker: see [`chronus_os::crash`]. Kept by process, so that what one noted
//! is not held against the next in its slot.

use chronus_os::crash::Crash;

use crate::sync::{AtomicU64, Ordering};

/// Where a worker notes its crash.
#[repr(C)]
#[derive(Debug, Default)]
pub struct CrashNote {
    /// What its crash handler writes.
    pub words: [AtomicU64; 2],
}

impl CrashNote {
    /// What process `pid` has noted, if it has. Read it once the process is gone.
    pub fn of(&self, pid: u32) -> Option<Crash> {
        // Pairs with the releasing store of the note's first word, which is written last.
        let first = self.words[0].load(Ordering::Acquire);
        let note = Crash::decode([first, self.words[1].load(Ordering::Relaxed)]);
        note.filter(|crash| crash.pid == pid)
    }

    /// Nothing has been noted.
    pub fn clear(&self) {
        self.words[0].store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use chronus_os::crash::Cause;

    use super::*;

    #[test]
    fn a_note_belongs_to_one_process() {
        let note = CrashNote::default();
        assert_eq!(note.of(0), None);
        let crash = Crash { pid: 7, signal: 11, cause: Cause::Fault(1, 8) };
        for (word, value) in note.words.iter().zip(crash.encode()) {
            word.store(value, Ordering::Relaxed);
        }
        assert_eq!((note.of(7), note.of(8)), (Some(crash), None));
        note.clear();
        assert_eq!(note.of(7), None);
    }
}
