//! Taking over from a supervisor that died, and leaving word for the one that may come.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chronus_os::child::Child;
use chronus_os::clock;
use chronus_os::wake::wake_all;
use chronus_replication::blame::Culprit;
use chronus_replication::lockstep::Order;
use chronus_replication::supervision::Left;
use chronus_replication::{BlockIndex, PLACES, Slot};
use chronus_shm::claim_check::ClaimCheck;
use chronus_shm::commit_point::CommitPoint;
use chronus_shm::ledger::{ForkUnderWay, Member};
use chronus_shm::playback_board::Callback;

use super::Supervisor;
use super::blame::culprit_of;
use super::processes::Processes;
use crate::persistence::regions::Regions;

impl Supervisor {
    /// Takes in the workers that another supervisor has left, and gives again the orders whose outcome it did
    /// not live to see.
    ///
    /// # Errors
    /// If it can't be seen who is there. Nobody is harmed then; the next supervisor tries again.
    pub(super) fn take_in_workers(&mut self) -> io::Result<()> {
        let left = self.processes.take_over(&self.regions, &mut self.claims)?;
        self.supervision.take_over(&left);
        let board = &self.regions.log.board;
        if let Some((forker, into, number)) = left.fork {
            // Whoever has obeyed it already knows its number.
            board.give_order(forker, Order::Fork { into, number });
        }
        // A checkpoint may have been about to be thawed.
        board.thaw_bell.fetch_add(1, Ordering::Release);
        wake_all(&board.thaw_bell);
        if let Some(edition) = self.edits.offered() {
            board.make_offer(edition.number, edition.patch.offset, edition.patch.bytes);
        }
        self.turn();
        Ok(())
    }

    /// Tells once how long nothing was played, when the sound is back.
    pub(super) fn tell_resumption(&mut self, callback: Callback) {
        let Some(frame) = self.goes_on_at.filter(|_| callback.began_ns != 0) else { return };
        self.goes_on_at = None;
        let died_ns = self.regions.ledger.keeper.died_at_ns.load(Ordering::Acquire);
        // Some callbacks may have been before this one.
        let before_ns = if self.runs_free() {
            0
        } else {
            let frames = u128::from(callback.frame.saturating_sub(frame));
            (frames * 1_000_000_000 / u128::from(self.rate_hz)) as u64
        };
        let first_ns = callback.began_ns.saturating_sub(before_ns);
        self.figures.resumed_after_ms = first_ns.saturating_sub(died_ns) as f64 / 1e6;
        tracing::warn!(
            "the supervisor had died; the sound goes on at frame {frame}, {:.1} ms after that was noticed",
            self.figures.resumed_after_ms
        );
    }

    /// Leaves word of how far everything has come.
    pub(super) fn keep_ledger(&mut self) {
        let roster = &self.regions.ledger.roster;
        roster.edit_under_way.store(self.edits.number_under_way(), Ordering::Release);
        let amendments = self.regions.log.commit_point.standing().amendments;
        let committed = self.control_history.committed();
        let kept = self.snapshots.keep(&self.ledger, committed, amendments, self.rate_hz);
        if let Err(error) = kept
            && !std::mem::replace(&mut self.snapshot_failed, true)
        {
            tracing::error!("no snapshot can be kept: {error}; give the machine more memory");
        }
        self.recorder.note(&self.regions.ledger);
        roster.turned_at_ns.store(clock::monotonic_ns(), Ordering::Release);
    }
}

impl Processes {
    /// Takes in who is there, as the supervisor before has noted it.
    ///
    /// # Errors
    /// If it can't be seen who is there.
    pub fn take_over(&mut self, regions: &Regions, claims: &mut ClaimCheck) -> io::Result<Left> {
        let (ledger, board) = (self.ledger.clone(), &regions.log.board);
        let roster = &ledger.roster;
        let alive = self.family.list()?;
        // How far those are that have begun.
        let mut begun: [Option<BlockIndex>; PLACES] = [None; PLACES];
        for (place, begun) in begun.iter_mut().enumerate() {
            let Some(Member { pid, number }) = roster.member(place) else { continue };
            let child = if alive.contains(&pid) { self.open(pid)? } else { None };
            let Some(child) = child else {
                // Dead and reaped already, or never born.
                roster.enrol(place, None);
                continue;
            };
            let status = &regions.slots.slots[place].board;
            if status.incarnation() == number {
                *begun = Some(status.rendered());
            }
            if let Some(into) = self.place_of(pid) {
                // A checkpoint that is to be the worker of a slot stands in both places; slots come first.
                let number = roster.member(into).map_or(0, |member| member.number);
                board.give_order(place, Order::Thaw { into, number });
                roster.enrol(place, None);
            } else {
                self.children[place] = Some(child);
            }
        }
        let last_number = roster.last_number.load(Ordering::Acquire);
        let mut left = Left {
            last_number,
            primary: board.primary(),
            amended: amended_last(&regions.log.commit_point),
            distrusted: roster.distrusted.load(Ordering::Acquire),
            ..Left::default()
        };
        let can_be = |block: &BlockIndex| {
            *block <= board.sealed() && regions.log.position_after(*block).is_some()
        };
        let lowest = begun.into_iter().flatten().filter(can_be).min();
        for (place, begun) in begun.into_iter().enumerate() {
            let (Some(child), Some(member)) = (&self.children[place], roster.member(place)) else {
                continue;
            };
            left.members[place] = Some(member.number);
            left.last_number = left.last_number.max(member.number);
            // One that has not begun can only be waited for if there is another for it to follow.
            if let Some(block) = begun.or(lowest).filter(can_be) {
                claims.expect(place, member.number, block);
            } else {
                child.kill();
                left.unfit[place] = true;
            }
        }
        left.fork = self.take_over_fork(&left);
        if let Some((forker, into, number)) = left.fork {
            claims.expect(into, number, claims.rendered()[forker]);
        }
        Ok(left)
    }

    /// The place of a process that is known already.
    fn place_of(&self, pid: u32) -> Option<Slot> {
        let is_it = |child: &Option<Child>| child.as_ref().is_some_and(|child| child.pid() == pid);
        self.children.iter().position(is_it)
    }

    /// The fork that was under way goes on, unless its forker is gone.
    fn take_over_fork(&mut self, left: &Left) -> Option<(Slot, Slot, u32)> {
        let is_under_way = |fork: &ForkUnderWay| {
            left.members[fork.into] != Some(fork.number) && self.children[fork.forker].is_some()
        };
        let fork = self.ledger.roster.fork().filter(is_under_way);
        self.ledger.roster.note_fork(fork);
        self.pending = fork.map(|fork| (fork.forker, fork.into, fork.number));
        if fork.is_none() {
            self.end_strangers();
        }
        self.pending
    }

    /// Ends children that are in no slot: they were being started when the supervisor died.
    fn end_strangers(&mut self) {
        for _ in 0..100 {
            if let Ok(strangers) = self.unknown_children() {
                if strangers.is_empty() {
                    return;
                }
                for stranger in strangers {
                    if let Ok(Some(stranger)) = self.open(stranger) {
                        stranger.kill();
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The last block that was amended, and all that was put aside for it.
fn amended_last(commit_point: &CommitPoint) -> (BlockIndex, Vec<Culprit>) {
    let count = commit_point.standing().amendments;
    let mut amendments = (0..count).rev().map_while(|number| commit_point.amendment(number).ok());
    let Some(last) = amendments.next() else { return (0, Vec::new()) };
    let of_block = amendments.take_while(|before| before.block == last.block);
    let culprits = std::iter::once(last).chain(of_block).filter_map(|it| culprit_of(it.change));
    (last.block, culprits.collect())
}
