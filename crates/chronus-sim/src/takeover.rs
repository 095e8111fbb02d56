//! A supervisor dies, and another takes over what it has left: as the real one does, it believes the roster as
//! far as it finds processes for it.

use chronus_replication::blame::{Crumb, Culprit};
use chronus_replication::divergence::DivergenceDetector;
use chronus_replication::lockstep::Order;
use chronus_replication::selector::Selector;
use chronus_replication::supervision::{Left, Settings, Supervision};
use chronus_replication::{BLOCK_FRAMES, BlockIndex, PLACES, SLOTS, Slot};

use crate::Mutation;
use crate::Spacing;
use crate::process::Doing;
use crate::world::{BLOCK_NS, World};

impl World {
    /// With the supervisor dies the audio callback: time stands still until another has taken over.
    pub(crate) fn supervisor_dies(&mut self) -> bool {
        let has_begun = self.device_started && self.selector.next_block() > 0;
        if !has_begun || self.is_orphaned || !self.may_strike(None, false) {
            return false;
        }
        let until_ns = self.now + self.rng.between(2_000_000, 30_000_000);
        self.is_orphaned = true;
        // Another looks anew; it does not begin before it can.
        self.armed.blind_until_ns = 0;
        self.sought = None;
        self.device_ns = u64::MAX;
        self.supervisor_ns = until_ns;
        self.supervisor_not_before_ns = until_ns;
        self.oracles.liveness.excuse_until(until_ns);
        self.wrong_bits_stay(until_ns - self.now);
        if self.scenario.mix.spacing == Spacing::Wild {
            self.oracles.no_gap.risk("the supervisor is dead");
        } else {
            // Where all must be survived, nothing else goes wrong until all are known again, and what waits for its
            // frame waits for so much longer.
            let undisturbed_ns = self.armed.undisturbed_until_ns.max(self.now);
            self.armed.undisturbed_until_ns = undisturbed_ns + (until_ns - self.now) + 5_000_000;
        }
        if self.rng.one_in(4) {
            self.corrupt_standby();
        }
        true
    }

    /// Nothing is played or compared for so long, so what is wrong now is there for so much longer.
    fn wrong_bits_stay(&mut self, standstill_ns: u64) {
        let now = self.now;
        let ends = self.processes.iter_mut().map(|process| &mut process.doomed_until_ns);
        for end in ends.chain([&mut self.wrong_bits_until_ns]).filter(|end| **end > now) {
            *end += standstill_ns;
        }
    }

    /// Takes in who is there, and gives again the order whose outcome the one before did not live to see.
    pub(crate) fn take_over(&mut self) {
        self.is_orphaned = false;
        self.taken_over_ns = self.now;
        self.events.clear();
        self.put_off.clear();
        // Who it had heard about when it died, it had not told of yet.
        for Crumb { block, place } in std::mem::take(&mut self.told) {
            self.oracles.blame.interrupted(block, place);
        }
        let left = self.left();
        self.supervision = Supervision::new(Settings::for_replicas(self.scenario.mix.replicas));
        self.divergence = DivergenceDetector::default();
        self.oracles.restart_bounds.forget();
        self.supervision.take_over(&left);
        if let Some((forker, into, number)) = left.fork {
            self.boards.give_order(forker, Order::Fork { into, number });
        }
        self.note(&("taken over", &left));
        self.ring();
        // What the device had begun is lost, and what comes next is faded in.
        let next_block = self.selector.next_block();
        self.selector = Selector::resuming(next_block, *self.selector.counts());
        self.frames_played = next_block * BLOCK_FRAMES as u64;
        self.after_gap = true;
        self.device_ns = self.now + BLOCK_NS;
    }

    fn left(&mut self) -> Left {
        let is_unchecked = self.is_mutant(Mutation::TakeOverUnchecked);
        let mut left = Left {
            last_number: self.last_number,
            primary: self.boards.primary,
            amended: self.amended_last(),
            distrusted: self.distrusted,
            ..Left::default()
        };
        for place in 0..PLACES {
            let Some(pid) = self.children[place] else { continue };
            if self.bury_unseen(pid) {
                self.children[place] = None;
            }
            if self.children[place].is_some() || is_unchecked {
                left.members[place] = Some(self.numbers[place]);
            }
        }
        self.expect();
        let has_begun = |place: Slot| self.boards.slots[place].claimed == self.numbers[place];
        let is_there = |place: &Slot| self.children[*place].is_some();
        // One that has not begun can only be waited for if there is another for it to follow.
        if !(0..PLACES).filter(is_there).any(has_begun) {
            for place in (0..PLACES).filter(is_there).collect::<Vec<_>>() {
                left.unfit[place] = true;
                self.kill_soon(self.children[place]);
            }
        }
        let is_under_way = |(forker, into, number): &(Slot, Slot, u32)| {
            left.members[*into] != Some(*number) && self.children[*forker].is_some()
        };
        let forgets = self.is_mutant(Mutation::TakeOverForgetsFork);
        self.pending = self.pending.filter(is_under_way).filter(|_| !forgets);
        left.fork = self.pending;
        if left.fork.is_none() && !forgets {
            let children = self.children;
            self.processes.retain(|process| children.contains(&Some(process.pid)));
        }
        if self.is_mutant(Mutation::TakeOverForgetsAmended) {
            left.amended = (0, Vec::new());
        }
        if self.is_mutant(Mutation::TakeOverForgetsDistrust) {
            left.distrusted = 0;
        }
        if self.is_mutant(Mutation::TakeOverForgetsPrimary) {
            left.primary = SLOTS;
        }
        if self.is_mutant(Mutation::TakeOverForgetsNumbers) {
            left.last_number = 1;
        }
        if self.is_mutant(Mutation::TakeOverForgetsWorkers) {
            left.members[..SLOTS].fill(None);
        }
        left
    }

    /// The last block that was amended, and all that was put aside for it.
    fn amended_last(&self) -> (BlockIndex, Vec<Culprit>) {
        let amendments = &self.boards.amendments;
        let block = amendments.last().map_or(0, |last| last.block);
        let of_block = amendments.iter().filter(|amendment| amendment.block == block);
        (block, of_block.filter_map(|it| Self::culprit_of(it.change)).collect())
    }

    /// From where on those who are there read the log: from where they are; those who have not begun, from where
    /// the last of the others is, for it may be the one that they follow.
    fn expect(&mut self) {
        let begun: [Option<(u64, u64)>; PLACES] = std::array::from_fn(|place| {
            let board = &self.boards.slots[place];
            let has_begun = self.children[place].is_some() && board.claimed == self.numbers[place];
            has_begun.then_some((board.log_position, board.rendered))
        });
        let Some(last) = begun.into_iter().flatten().min() else { return };
        self.floors = begun.map(|reader| reader.unwrap_or(last));
    }

    /// Whether this process is dead: then it was reaped, and nobody learns what it was at.
    fn bury_unseen(&mut self, pid: u64) -> bool {
        let found = self.processes.iter().position(|it| it.pid == pid && !it.alive);
        let Some(index) = found else {
            return !self.processes.iter().any(|process| process.pid == pid);
        };
        let process = self.processes.swap_remove(index);
        let crumb = self.boards.slots[process.position.slot].crumb;
        self.oracles.blame.interrupted(crumb.block, crumb.place);
        true
    }

    fn kill_soon(&mut self, pid: Option<u64>) {
        let at_ns = self.now + self.rng.between(10_000, 300_000);
        if let Some(process) = self.processes.iter_mut().find(|it| Some(it.pid) == pid) {
            process.kill_at_ns = Some(at_ns);
        }
    }

    /// A checkpoint that has claimed its place and is not to go.
    pub(crate) fn checkpoint_there(&self) -> Option<Slot> {
        let is_it = |place: &Slot| {
            let is_frozen = |pid| {
                self.processes.iter().any(|it| {
                    let is_well = it.alive && it.claimed && it.kill_at_ns.is_none();
                    it.pid == pid && is_well && it.doing == Doing::Sleeping
                })
            };
            self.children[*place].is_some_and(is_frozen)
        };
        (SLOTS..PLACES).find(is_it)
    }
}
