//! Questions how the engine is. The thread that seals blocks answers them, so it answers only so many in a turn, and all of
//! those with one answer: a flood of questions costs the sound nothing, and whoever floods waits.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use chronus_os::peer::Peer;

use super::Supervisor;
use crate::osc::server::Replies;

/// So many are answered in a turn.
const IN_A_TURN: usize = 16;
/// So many may wait.
const MOST: usize = 1024;

/// Who waits to be told how the engine is.
#[derive(Debug)]
pub struct Questions(VecDeque<Peer>);

impl Default for Questions {
    /// Nobody; with room for all who may.
    fn default() -> Self {
        Self(VecDeque::with_capacity(MOST))
    }
}

impl Questions {
    /// Takes a question; `false` if too many wait.
    pub fn ask(&mut self, who: Peer) -> bool {
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
    pub(super) fn take_question(&mut self, who: Peer) {
        if !self.inputs.questions.ask(who) {
            self.inputs.replies.counts.busy.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells those who have waited longest how the engine is.
    pub(super) fn answer_questions(&mut self, now_ns: u64) {
        if !self.inputs.questions.are_open() {
            return;
        }
        let answer = Replies::how_it_is(&self.status(now_ns));
        let Questions(waiting) = &mut self.inputs.questions;
        for who in waiting.drain(..waiting.len().min(IN_A_TURN)) {
            self.inputs.replies.send(&answer, who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut questions = Questions::default();
        let who = Peer::Ip(([127, 0, 0, 1], 9).into());
        assert!(!questions.are_open());
        let taken = (0..MOST + 10).filter(|_| questions.ask(who)).count();
        assert_eq!((taken, questions.are_open()), (MOST, true));
    }
}
