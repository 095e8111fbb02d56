//! Never two processes in a slot that are not reaped.

use chronus_replication::Slot;

use super::Verdict;

/// A process is born into `slot`, where `others` are not reaped.
///
/// # Errors
/// If there are any.
pub fn born(slot: Slot, others: usize) -> Verdict {
    if others == 0 {
        return Ok(());
    }
    Err(format!("a process is born into slot {slot} beside {others} that were not reaped"))
}

/// A process exists that the supervisor has not known for `unknown_ns`.
///
/// # Errors
/// If that is longer than any answer or search takes.
pub fn known(slot: Slot, unknown_ns: u64) -> Verdict {
    if unknown_ns < 300_000_000 {
        return Ok(());
    }
    Err(format!("the process in slot {slot} is known to nobody for {unknown_ns} ns"))
}
