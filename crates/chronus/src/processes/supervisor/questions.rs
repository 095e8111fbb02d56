//! Questions how the engine is. The thread that seals blocks answers them, so it answers only so many in a turn, and all of
//! those with one answer, which another thread puts into words: a flood of questions costs the sound nothing, and whoever
//! floods waits.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use chronus_control::ClientId;

use super::Supervisor;
use crate::control::outbox::{READERS, Respond};

/// So many may wait.
const MOST: usize = 1024;

/// Who waits to be told how the engine is.
#[derive(Debug)]
pub struct Questions(VecDeque<ClientId>);

impl Default for Questions {
    /// Nobody; with room for all who may.
    fn default() -> Self {
        Self(VecDeque::with_capacity(MOST))
    }
}

impl Questions {
    /// Takes a question; `false` if too many wait.
    pub fn ask(&mut self, who: ClientId) -> bool {
        let has_room = self.0.len() < MOST;
        if has_room {
            self.0.push_back(who);
        }
        has_room
    }

    /// Whether anybody waits.
    pub fn are_open(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Supervisor {
    /// Takes a question how the engine is.
    pub(super) fn take_question(&mut self, who: ClientId) {
        if !self.inputs.questions.ask(who) {
            self.inputs.post.outbox().counts.busy.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells those who have waited longest how the engine is.
    pub(super) fn answer_questions(&mut self, now_ns: u64) {
        if !self.inputs.questions.are_open() {
            return;
        }
        let status = Box::new(self.status(now_ns));
        let Questions(waiting) = &mut self.inputs.questions;
        let readers = waiting.drain(..waiting.len().min(READERS)).collect();
        self.inputs.post.report(status, readers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut questions = Questions::default();
        let who = ClientId { adapter: 0, address: [9; chronus_control::CLIENT_WORDS - 1] };
        assert!(!questions.are_open());
        let taken = (0..MOST + 10).filter(|_| questions.ask(who)).count();
        assert_eq!((taken, questions.are_open()), (MOST, true));
    }
}
