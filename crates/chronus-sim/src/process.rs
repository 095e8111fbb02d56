//! A worker process of the world: claims its slot, decides, forks, waits, and dies.

use chronus_replication::amendment::version;
use chronus_replication::blame::{Cause, Crumb, Place};
use chronus_replication::lockstep::{Board, Order, Position, Step};
use chronus_replication::restart::Death;
use chronus_replication::{BlockIndex, SLOTS, Slot};

use crate::boards::{Answer, Boards};
use crate::oracle::{lockstep::Lockstep, one_process};
use crate::rack::Rack;
use crate::rendering::Work;
use crate::world::World;
use crate::{Mutation, Spacing};

/// Out of memory for processes, as the kernel says it.
pub(crate) const EAGAIN: i32 = 11;

/// A divergence is found within this time, even by a supervisor that is not run for a while.
pub(crate) const DOOMED_NS: u64 = 30_000_000;

#[allow(clippy::struct_excessive_bools)] // Independent facts, not one state.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u64,
    pub(crate) position: Position,
    pub(crate) rack: Rack,
    pub(crate) doing: Doing,
    /// The block that it is rendering.
    pub(crate) work: Option<Box<Work>>,
    /// When it does what comes next.
    pub(crate) ready_ns: u64,
    pub(crate) kill_at_ns: Option<u64>,
    /// How it comes to its end then.
    pub(crate) kill_death: Death,
    pub(crate) alive: bool,
    /// How it came to its end.
    pub(crate) death: Death,
    /// It sleeps over so many rings.
    pub(crate) deaf_to: u32,
    pub(crate) stopped_until_ns: u64,
    /// Not run by the machine before.
    pub(crate) held_until_ns: u64,
    pub(crate) runaway_since_ns: Option<u64>,
    pub(crate) cpu_ns: u64,
    pub(crate) born_ns: u64,
    /// The first block that it rendered under its own number.
    pub(crate) first_block: BlockIndex,
    /// From this block on it has all that it has rendered.
    pub(crate) whole_from: BlockIndex,
    pub(crate) claimed: bool,
    /// Since when its state has been wrong, by injection.
    pub(crate) tainted_since_ns: Option<u64>,
    /// The block rendered next gets wrong bits, its state stays right.
    pub(crate) slip: bool,
    /// Bits that differ were rendered, so until then it may be fenced, as soon as they are compared.
    pub(crate) doomed_until_ns: u64,
    /// When it will be able to work again after an injected delay.
    pub(crate) hindered_until_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Starting up; claims its slot next.
    Starting,
    /// Decides next.
    Deciding,
    /// Finishes this block next.
    Rendering(BlockIndex),
    /// The fork takes effect next.
    Forking { into: Slot, number: u32, order: Order },
    /// Sleeps until the supervisor rings.
    Sleeping,
}

/// What a standby sees that does not wait for the primary (a planted bug).
struct Hasty<'a>(&'a Boards);

impl Board for Hasty<'_> {
    fn primary(&self) -> Slot {
        self.0.primary
    }
    fn sealed(&self) -> BlockIndex {
        self.0.sealed
    }
    #[expect(clippy::misnamed_getters, reason = "that is the bug")]
    fn released(&self) -> BlockIndex {
        self.0.sealed
    }
    fn order(&self, slot: Slot) -> Order {
        self.0.order(slot)
    }
}

impl Process {
    /// A process that is starting up and claims its slot at `ready_ns`.
    pub(crate) fn new(pid: u64, position: Position, rack: Rack, now: u64, ready_ns: u64) -> Self {
        Self {
            pid,
            position,
            rack,
            doing: Doing::Starting,
            work: None,
            ready_ns,
            kill_at_ns: None,
            kill_death: Death::Killed,
            alive: true,
            death: Death::Killed,
            deaf_to: 0,
            stopped_until_ns: 0,
            held_until_ns: 0,
            runaway_since_ns: None,
            cpu_ns: 0,
            born_ns: now,
            first_block: position.next_block,
            whole_from: position.next_block,
            claimed: false,
            tainted_since_ns: None,
            slip: false,
            doomed_until_ns: 0,
            hindered_until_ns: 0,
        }
    }

    /// It renders under its own number from this block on.
    fn begin_at(&mut self, block: BlockIndex) {
        (self.first_block, self.whole_from) = (block, block);
    }

    /// When something happens to it next.
    pub(crate) fn next_ns(&self) -> u64 {
        if !self.alive {
            return u64::MAX;
        }
        let works = if self.runaway_since_ns.is_some() || self.doing == Doing::Sleeping {
            u64::MAX
        } else {
            self.ready_ns.max(self.stopped_until_ns).max(self.held_until_ns)
        };
        works.min(self.kill_at_ns.unwrap_or(u64::MAX))
    }

    /// What its CPU clock says.
    pub(crate) fn cpu_ns(&self, now: u64) -> u64 {
        self.cpu_ns + self.runaway_since_ns.map_or(0, |since| now - since)
    }

    /// Whether it has wrong bits, or bits that differ from those of one that has.
    pub(crate) fn is_corrupt(&self, now: u64) -> bool {
        self.alive && (self.tainted_since_ns.is_some() || self.slip || self.doomed_until_ns > now)
    }

    /// Whether it lives and makes no progress at `now`.
    pub(crate) fn is_stuck(&self, now: u64) -> bool {
        self.alive
            && (self.runaway_since_ns.is_some()
                || self.deaf_to > 0
                || self.stopped_until_ns > now
                || self.hindered_until_ns > now)
    }

    /// Whether it works at `now`, unhindered by any injected fault.
    pub(crate) fn is_healthy(&self, now: u64) -> bool {
        self.alive
            && self.claimed
            && self.kill_at_ns.is_none()
            && !self.is_corrupt(now)
            && !self.is_stuck(now)
    }
}

impl World {
    /// Lets process `index` do what is due at `now`.
    pub(crate) fn step_process(&mut self, index: usize) {
        let now = self.now;
        if self.processes[index].kill_at_ns.is_some_and(|at| at <= now) {
            self.die(index, self.processes[index].kill_death);
            return;
        }
        match self.processes[index].doing {
            Doing::Starting => self.claim(index),
            Doing::Deciding | Doing::Sleeping => self.decide(index),
            Doing::Rendering(block) => self.finish_block(index, block),
            Doing::Forking { into, number, order } => self.finish_fork(index, into, number, order),
        }
    }

    fn claim(&mut self, index: usize) {
        let process = &mut self.processes[index];
        process.claimed = true;
        process.begin_at(process.position.next_block);
        process.doing = Doing::Deciding;
        let Position { slot, incarnation, next_block, log_position, .. } = process.position;
        let board = &mut self.boards.slots[slot];
        board.log_position = log_position;
        board.rendered = next_block;
        board.crumb = Crumb { block: next_block, place: Place::Elsewhere };
        board.claimed = incarnation;
        self.oracles.restart_bounds.joined(slot < SLOTS);
        self.note(&("claim", slot, incarnation, next_block));
        self.notify();
    }

    fn decide(&mut self, index: usize) {
        let hasty = self.is_mutant(Mutation::StandbyDoesNotWait);
        let position = self.processes[index].position;
        let step = if hasty {
            position.next_step(&Hasty(&self.boards))
        } else {
            position.next_step(&self.boards)
        };
        let (doing, takes_ns) = match step {
            Step::Render(block) => {
                let primary = self.boards.primary;
                if primary != position.slot {
                    let end = self.boards.slots[primary].rendered;
                    let verdict = Lockstep::standby_begins(position.slot, block, end);
                    self.object("lockstep", verdict);
                }
                self.begin_block(index, block);
                return;
            }
            Step::Obey(order @ Order::Fork { into, number }) => {
                let mut slow = std::mem::take(&mut self.armed.fork_slow_ns);
                let pid = self.processes[index].pid;
                if slow > 0 && !self.may_strike(Some(pid), true) {
                    slow = 0;
                }
                if slow > 0 {
                    self.hinder(index, slow);
                }
                let takes_ns = slow + self.rng.between(100_000, 400_000);
                (Doing::Forking { into, number, order }, takes_ns)
            }
            Step::Obey(Order::Thaw { into, number }) => {
                let others = self.processes.iter().filter(|it| it.position.slot == into).count();
                self.object("one process", one_process::born(into, others));
                let keeps_number = self.is_mutant(Mutation::ThawKeepsNumber);
                let process = &mut self.processes[index];
                let number = if keeps_number { position.incarnation } else { number };
                process.position = process.position.of_child(into, number, &self.boards);
                process.claimed = false;
                process.begin_at(process.position.next_block);
                (Doing::Starting, 50_000)
            }
            Step::Obey(order) => {
                self.processes[index].position.obeyed(order);
                (Doing::Deciding, 1_000)
            }
            Step::Wait => (Doing::Sleeping, 0),
        };
        let now = self.now;
        let process = &mut self.processes[index];
        process.doing = doing;
        process.ready_ns = now + takes_ns;
        if !matches!(doing, Doing::Deciding | Doing::Sleeping) {
            process.cpu_ns += takes_ns;
        }
    }

    /// Releases what the primary has finished and rings: whoever sleeps looks around, each when the
    /// machine runs it.
    pub(crate) fn ring(&mut self) {
        self.boards.released = match self.scenario.mutation {
            Some(Mutation::ReleasedTooEarly) => self.boards.sealed,
            _ => self.boards.slots[self.boards.primary].rendered,
        };
        self.look_away();
        let missed_until_ns = self.now + self.without_a_ring_ns();
        for index in 0..self.processes.len() {
            let wakes_ns = self.now + self.rng.between(30_000, 150_000);
            let process = &mut self.processes[index];
            let sleeps = process.doing == Doing::Sleeping && !process.position.is_checkpoint();
            if sleeps && process.deaf_to > 0 {
                process.deaf_to -= 1;
                process.hindered_until_ns = process.hindered_until_ns.max(missed_until_ns);
                continue;
            }
            if process.alive && sleeps {
                process.doing = Doing::Deciding;
                process.ready_ns = wakes_ns;
            }
        }
    }

    fn finish_fork(&mut self, index: usize, into: Slot, number: u32, order: Order) {
        let slot = self.processes[index].position.slot;
        let answer = if self.now < self.armed.forks_fail_until_ns {
            Answer::Failed(EAGAIN)
        } else {
            self.corrupt_forker(index, into, number);
            Answer::Child(self.fork(index, into, number))
        };
        self.processes[index].doing = Doing::Deciding;
        if matches!(answer, Answer::Child(_)) && std::mem::take(&mut self.armed.forker_dies) {
            let pid = self.processes[index].pid;
            if self.may_strike(Some(pid), true) {
                self.die(index, Death::Killed);
                return;
            }
        }
        let obeys_twice = self.is_mutant(Mutation::ObeysTwice);
        let process = &mut self.processes[index];
        if !obeys_twice {
            process.position.obeyed(order);
        }
        process.ready_ns = self.now + 1_000;
        self.boards.slots[slot].answer = Some((number, answer));
        self.notify();
    }

    /// A standby has wrong bits, and so has its child, before anybody can compare.
    fn corrupt_forker(&mut self, index: usize, into: Slot, number: u32) {
        let Process { pid, position, .. } = self.processes[index];
        let is_occasion = into < SLOTS && position.slot != self.boards.primary;
        if is_occasion
            && std::mem::take(&mut self.armed.wrong_at_fork)
            && self.may_err(pid)
            && self.may_strike(Some(pid), true)
        {
            let process = &mut self.processes[index];
            process.tainted_since_ns = Some(self.now);
            process.rack.corrupt();
            self.armed.copied = Some((number, pid));
        }
    }

    pub(crate) fn fork(&mut self, index: usize, into: Slot, number: u32) -> u64 {
        let others = self.processes.iter().filter(|other| other.position.slot == into).count();
        self.object("one process", one_process::born(into, others));
        let now = self.now;
        let ready_ns = now + self.rng.between(100_000, 400_000);
        let pid = self.take_pid();
        let parent = &self.processes[index];
        let position = parent.position.of_child(into, number, &self.boards);
        let mut child = Process::new(pid, position, parent.rack, now, ready_ns);
        child.tainted_since_ns = parent.tainted_since_ns.map(|_| now);
        if self.is_mutant(Mutation::ChildForgetsState) {
            child.rack = Rack::default();
        }
        if self.is_mutant(Mutation::ChildSkipsBlock) {
            child.position.next_block += 1;
        }
        if self.is_mutant(Mutation::ChildObeysOldOrders) {
            child.position.obeyed = parent.position.obeyed;
        }
        let is_checkpoint = into >= SLOTS;
        if std::mem::take(&mut self.armed.child_hangs) {
            child.stopped_until_ns = u64::MAX;
        }
        if std::mem::take(&mut self.armed.child_dies) {
            child.kill_at_ns = Some(now + self.rng.between(1_000, 500_000));
        } else if !is_checkpoint && now < self.armed.children_crash_until_ns {
            child.kill_at_ns = Some(now + self.rng.between(1_000, 100_000));
            child.kill_death = Death::OfItself(Cause::Signal(6));
        }
        let bug = if is_checkpoint { Mutation::CheckpointsDie } else { Mutation::ChildrenDie };
        if self.is_mutant(bug) {
            child.kill_at_ns = Some(now + 10_000);
        }
        self.report.forks += 1;
        self.report.checkpoints += u64::from(into >= SLOTS);
        self.note(&("fork", into, number, position.next_block));
        self.processes.push(child);
        pid
    }

    /// The process dies; what it was writing may be left torn, a fork it was in may have happened.
    pub(crate) fn die(&mut self, index: usize, death: Death) {
        let Process { position, doing, .. } = self.processes[index];
        match doing {
            Doing::Rendering(block) if self.rng.one_in(2) => {
                let seal = self.boards.seal_of(block).unwrap_or(0);
                let version = version(seal, position.amended);
                let poison = self.rng.one_in(2);
                let incarnation = position.incarnation;
                self.boards.slots[position.slot].tear(block, incarnation, version, poison);
            }
            Doing::Forking { into, number, .. } if self.rng.one_in(2) => {
                self.fork(index, into, number);
            }
            _ => {}
        }
        if self.processes[index].is_corrupt(self.now) {
            self.wrong_bits_until_ns = self.now + WRONG_BITS_STAY_NS;
        }
        let process = &mut self.processes[index];
        (process.alive, process.death) = (false, death);
        self.armed.untold.take_if(|pid| *pid == process.pid);
        self.note(&("death", position.slot, position.incarnation, death));
        self.notify();
    }

    /// How long a block takes to render.
    pub(crate) fn rendering_ns(&mut self) -> u64 {
        match self.scenario.mix.spacing {
            Spacing::AllAtOnce => self.rng.between(8_000, QUICK_NS),
            _ => self.rng.between(80_000, 250_000),
        }
    }
}

/// Where blocks are rendered as fast as real ones, none takes longer.
pub(crate) const QUICK_NS: u64 = 20_000;
/// What a dead worker left in its slot may still be played for so long.
const WRONG_BITS_STAY_NS: u64 = 12_000_000;
