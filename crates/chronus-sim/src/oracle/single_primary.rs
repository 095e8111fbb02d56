//! One primary, the same for everybody, and a worker that lives.

use chronus_replication::Slot;

use super::Verdict;

/// The supervisor has done its turn.
///
/// # Errors
/// If the board names another primary than supervision, or one that is not at work.
pub fn check(decided: Option<Slot>, board: Slot, at_work: impl Fn(Slot) -> bool) -> Verdict {
    let Some(primary) = decided else { return Ok(()) };
    if primary != board {
        return Err(format!("supervision says slot {primary} goes first, the board slot {board}"));
    }
    if at_work(primary) {
        Ok(())
    } else {
        Err(format!("the primary, slot {primary}, is not there"))
    }
}
