//! What a supervisor can't see of its processes: for want of descriptors, or because the keeper does not say.

use std::io;
use std::sync::atomic::Ordering;

use chronus_os::child::{self, Child};
use chronus_os::clock;
use chronus_replication::PLACES;
use chronus_shm::ledger::ExitRecord;

use super::processes::{Processes, exited};
use crate::persistence::regions::Regions;

/// A child that can't be held for so long is ended.
const HELD_WITHIN_NS: u64 = 1_000_000_000;

const SIGKILL: i32 = 9;

/// Why it can't be seen what has become of an order, since when, and when that was last so.
#[derive(Debug)]
pub(super) struct Blind {
    why: String,
    since_ns: u64,
    last_ns: u64,
}

impl Processes {
    /// Tells once that it can't be seen what has become of an order, and once that it can again: when that is settled, or
    /// nothing has been in the way for long.
    pub(super) fn note_sight(&mut self, error: Option<&io::Error>, is_settled: bool) {
        let now_ns = clock::monotonic_ns();
        match (error, &mut self.blind) {
            (Some(_), Some(blind)) => blind.last_ns = now_ns,
            (Some(error), None) => {
                tracing::error!(
                    "it can't be seen whether a worker was forked: {error}; nobody is blamed for that, it is tried \
                     again, and until then there is no other standby"
                );
                let why = error.to_string();
                self.blind = Some(Blind { why, since_ns: now_ns, last_ns: now_ns });
            }
            (None, Some(blind)) if is_settled || now_ns > blind.last_ns + HELD_WITHIN_NS => {
                tracing::info!("it can be seen again what becomes of workers");
                self.blind = None;
            }
            _ => {}
        }
    }

    /// A child that is there and can't be held reads the log, which must not wait for it for long: the keeper ends it, and
    /// another is forked when it can be.
    pub(super) fn dismiss_unheld(&mut self) {
        let Some(blind) = &mut self.blind else { return };
        let now_ns = clock::monotonic_ns();
        if now_ns < blind.since_ns + HELD_WITHIN_NS {
            return;
        }
        blind.since_ns = now_ns;
        if let Some(pid) = self.unknown_children().ok().and_then(|unknown| unknown.first().copied())
        {
            self.ledger.keeper.dismissed.store(pid, Ordering::Release);
            child::nudge_parent();
        }
    }

    /// Why it can't be seen what has become of an order, if it can't.
    pub(super) fn blind(&self) -> Option<&str> {
        self.blind.as_ref().map(|blind| blind.why.as_str())
    }

    /// Looks for processes that have ended and that the keeper does not bury; to be called now and then. Who had ended at
    /// the last look, too, is taken for dead without it, or everything would wait for what it can't say: such a process
    /// writes nothing any more, buried or not. Returns how many there are.
    pub(super) fn find_unburied(&mut self, regions: &Regions) -> usize {
        for place in 0..PLACES {
            let ended = self.children[place].as_ref().filter(|child| child.has_ended());
            let ended = ended.map(Child::pid);
            if let Some(pid) = ended.filter(|pid| self.ended[place] == Some(*pid)) {
                // What it noted itself is all that is known of its end.
                let crash = regions.slots.slots[place].board.crash.of(pid);
                let signal = crash.map_or(SIGKILL, |crash| crash.signal);
                self.settle(place, None, 0);
                self.events.push_back(exited(
                    place,
                    ExitRecord { pid, cause: Err(signal) },
                    regions,
                ));
                self.unburied.push(pid);
            }
            self.ended[place] = ended;
        }
        if !self.unburied.is_empty()
            && let Ok(children) = self.family.list()
        {
            self.unburied.retain(|pid| children.contains(pid));
        }
        self.unburied.len()
    }
}
