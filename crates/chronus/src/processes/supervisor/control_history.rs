//! Control history: where the controls stood before the blocks that may still be amended, and what was sealed since.
//! When a command of those blocks is withheld, the controls are worked out anew as if it had never come.

use std::collections::VecDeque;

use chronus_engine::{Command, Controls, Handle};
use chronus_replication::{BlockIndex, Entry};

use crate::patcher::Edit;
use crate::performance::{CommittedControls, Performance};
use crate::persistence::shared_assets::PackedPatch;

/// See the file's head.
pub struct ControlHistory {
    committed: CommittedControls,
    /// What was sealed since, in order.
    pending: VecDeque<Entry>,
    /// The edit among it, with what was played before. Edits come one at a time.
    edit: Option<Box<Edit>>,
}

impl ControlHistory {
    /// This is committed, and this was sealed since; `edit` is among it.
    pub fn new(committed: CommittedControls, sealed: Vec<Entry>, edit: Option<Box<Edit>>) -> Self {
        let mut pending = VecDeque::with_capacity(chronus_shm::command_log::LOG_ENTRIES);
        pending.extend(sealed);
        Self { committed, pending, edit }
    }

    /// What is committed.
    pub fn committed(&self) -> &CommittedControls {
        &self.committed
    }

    /// Whether a module played before the blocks that may still be amended.
    pub fn knows(&self, module: Handle) -> bool {
        self.committed.performance.controls.position(module).is_some()
    }

    /// Notes a command that was sealed.
    pub fn sealed(&mut self, entry: &Entry) {
        self.pending.push_back(*entry);
    }

    /// Notes the edit whose command was sealed; it holds what was played before.
    pub fn sealed_edit(&mut self, edit: Box<Edit>) {
        self.edit = Some(edit);
    }

    /// Blocks before this one can't be amended any more. Returns the edit that is among them, which has taken
    /// effect for good. Allocates and frees nothing.
    pub fn commit(&mut self, before: BlockIndex, rate_hz: u32) -> Option<Box<Edit>> {
        let mut over = None;
        while let Some(entry) = self.pending.front().filter(|entry| entry.block() < before) {
            // What can't be applied was told when it was sealed.
            let _ = self.committed.performance.apply(entry, rate_hz, |_| {
                over = self.edit.take();
                over.as_mut().map(|edit| &mut edit.twin).ok_or(())
            });
            self.committed.position = entry.sequence + 1;
            self.pending.pop_front();
        }
        over
    }

    /// A module is put aside from a block on that may still be amended.
    pub fn amend(&mut self, command: &Command, frame: u64, rate_hz: u32) {
        self.committed.performance.controls.apply(command, frame, rate_hz);
    }

    /// Forgets a command: what plays is as if it had never come. If it was an edit, what played before it plays
    /// again, and the edit is returned.
    pub fn withhold(
        &mut self,
        sequence: u64,
        sealed: &mut Performance<PackedPatch>,
        rate_hz: u32,
    ) -> Option<Box<Edit>> {
        let at = self.pending.iter().position(|entry| entry.sequence == sequence)?;
        let entry = self.pending.remove(at)?;
        let is_edit = matches!(Command::decode(entry.payload), Ok(Command::Edit { .. }));
        let mut withheld = self.edit.take_if(|_| is_edit);
        if let Some(edit) = &mut withheld {
            std::mem::swap(&mut sealed.edition, &mut edit.next.edition);
        }
        let mut anew = self.committed.performance.clone();
        let controls = Controls::of(&sealed.edition.patch);
        let mut next = Performance { edition: anew.edition, controls };
        for entry in &self.pending {
            let _ = anew.apply(entry, rate_hz, |_| Ok::<_, ()>(&mut next));
        }
        sealed.controls = anew.controls;
        withheld
    }
}
