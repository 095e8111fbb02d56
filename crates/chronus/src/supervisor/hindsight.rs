//! Hindsight: where the controls stood before the blocks that may still be amended, and what was sealed since.
//! When a command of those blocks is withheld, the controls are worked out anew as if it had never come.

use std::collections::VecDeque;

use chronus_engine::{Command, Controls};
use chronus_replication::{BlockIndex, Entry};

use crate::patcher::Edit;
use crate::shelf::Plan;

/// See the file's head.
pub struct Hindsight {
    /// As of the first block that may still be amended.
    settled: Controls,
    /// What was sealed since, in order.
    pending: VecDeque<Entry>,
    /// The edit among it, with what was played before. Edits come one at a time.
    edit: Option<Box<Edit>>,
}

impl Hindsight {
    /// Nothing is sealed yet.
    pub fn new(controls: &Controls) -> Self {
        Self {
            settled: controls.clone(),
            pending: VecDeque::with_capacity(chronus_shm::command_log::LOG_ENTRIES),
            edit: None,
        }
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
    pub fn settle(&mut self, before: BlockIndex, rate_hz: u32) -> Option<Box<Edit>> {
        let mut over = None;
        while let Some(entry) = self.pending.front().filter(|entry| entry.block() < before) {
            match Command::decode(entry.payload) {
                Ok(Command::Edit { .. }) => {
                    over = self.edit.take();
                    if let Some(edit) = &mut over {
                        edit.twin.succeed(&self.settled, entry.frame, rate_hz);
                        std::mem::swap(&mut self.settled, &mut edit.twin);
                    }
                }
                Ok(command) => drop(self.settled.apply(&command, entry.frame, rate_hz)),
                Err(_) => {}
            }
            self.pending.pop_front();
        }
        over
    }

    /// A module is put aside from a block on that may still be amended.
    pub fn amend(&mut self, command: &Command, frame: u64, rate_hz: u32) {
        self.settled.apply(command, frame, rate_hz);
    }

    /// Forgets a command: the controls are as if it had never come. If it was an edit, `plan` is the one
    /// before it again, and the edit is returned.
    pub fn withhold(
        &mut self,
        sequence: u64,
        controls: &mut Controls,
        plan: &mut Plan,
        rate_hz: u32,
    ) -> Option<Box<Edit>> {
        let at = self.pending.iter().position(|entry| entry.sequence == sequence)?;
        let entry = self.pending.remove(at)?;
        let is_edit = matches!(Command::decode(entry.payload), Ok(Command::Edit { .. }));
        let mut withheld = self.edit.take_if(|_| is_edit);
        if let Some(edit) = &mut withheld {
            std::mem::swap(plan, &mut edit.plan);
        }
        let mut anew = self.settled.clone();
        for entry in &self.pending {
            match Command::decode(entry.payload) {
                Ok(Command::Edit { .. }) => {
                    let mut next = Controls::of(&plan.patch);
                    next.succeed(&anew, entry.frame, rate_hz);
                    anew = next;
                }
                Ok(command) => drop(anew.apply(&command, entry.frame, rate_hz)),
                Err(_) => {}
            }
        }
        *controls = anew;
        withheld
    }
}
