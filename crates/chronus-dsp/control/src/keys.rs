//! The keys of a mono voice: which of those that are held is heard.

use crate::module::{CHANNELS_MAX, Note};
use arrayvec::ArrayVec;

/// As many notes are remembered.
const NOTES_MAX: usize = CHANNELS_MAX;

/// The choices of which note goes before others.
pub(super) const PRIORITIES: &[&str] = &["last", "lowest", "highest"];
const LOWEST: usize = 1;
const HIGHEST: usize = 2;

/// Notes that are held, and those that began since they were asked for. Of more than [`NOTES_MAX`] the first are
/// forgotten.
#[derive(Clone, Default)]
pub struct Keys {
    /// In the order in which they began.
    held: ArrayVec<Note, NOTES_MAX>,
    /// Whatever became of them since.
    begun: ArrayVec<Note, NOTES_MAX>,
    have_changed: bool,
}

/// What a change of keys leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// The note that is struck, if one is.
    pub struck: Option<Note>,
    /// The note that is heard afterwards, if any is held.
    pub held: Option<Note>,
}

impl Keys {
    /// A key is pressed or released.
    pub fn take(&mut self, note: Note) {
        self.have_changed = true;
        remember(&mut self.held, note);
        if note.on {
            remember(&mut self.begun, note);
        }
    }

    /// What becomes of what was pressed and released since this was last asked; `None` if nothing was. A note is
    /// struck if it began since then and goes before all that are held, be it over again. A note that another gives
    /// way to is not.
    pub fn heard(&mut self, priority: usize) -> Option<Heard> {
        if !core::mem::take(&mut self.have_changed) {
            return None;
        }
        let newest_first = self.begun.iter().rev().chain(self.held.iter().rev());
        let struck = first(newest_first, priority)
            .filter(|note| self.begun.iter().any(|begun| begun.is_same(note)));
        self.begun.clear();
        Some(Heard { struck, held: first(self.held.iter().rev(), priority) })
    }
}

/// Puts a note that begins behind all others, and takes out one that ends.
fn remember(notes: &mut ArrayVec<Note, NOTES_MAX>, note: Note) {
    notes.retain(|other| !other.is_same(&note));
    if note.on {
        if notes.is_full() {
            notes.remove(0);
        }
        notes.push(note);
    }
}

/// Which of these, the newest first, goes before all others.
fn first<'a>(mut notes: impl Iterator<Item = &'a Note>, priority: usize) -> Option<Note> {
    let first = match priority {
        LOWEST => notes.min_by(|a, b| a.key.total_cmp(&b.key)),
        HIGHEST => notes.min_by(|a, b| b.key.total_cmp(&a.key)),
        _ => notes.next(),
    };
    first.copied()
}
