//! The workers as processes: who is in which slot, started, watched by pidfd, fenced and reaped.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chronus_engine::Controls;
use chronus_os::child::{self, Child, Exit};
use chronus_os::wake::Kick;
use chronus_os::{clock, spawn};
use chronus_replication::restart::Death;
use chronus_replication::supervision::{Event, Left, View as Looks};
use chronus_replication::{SLOTS, Slot};
use chronus_shm::ledger::{ForkUnderWay, LedgerRegion, Member, Obituary};
use chronus_shm::region::View;
use chronus_shm::status_board::ForkAnswer;

use super::Memory;
use crate::playback::Regions;
use crate::shelf::Plan;
use crate::worker::{Genesis, WorkerArgs};

/// The processes of all slots.
#[derive(Debug)]
pub struct Processes {
    memory: Memory,
    ledger: Arc<View<LedgerRegion>>,
    /// Their parent, who alone can reap them.
    keeper: u32,
    /// Obituaries of processes that are not known yet.
    strangers: Vec<Obituary>,
    /// Through this descriptor it can only be read.
    shelf: OwnedFd,
    children: [Option<Child>; SLOTS],
    /// The fork under way: who was asked, for which slot, by which number.
    pending: Option<(Slot, Slot, u32)>,
    /// Where the reader of a slot begins, until it has claimed the slot.
    floors: [(u64, u64); SLOTS],
    events: VecDeque<Event>,
}

/// Numbers read from the boards, to be looked at by supervision.
pub struct Seen {
    sealed: u64,
    released: u64,
    claimed: [u32; SLOTS],
    rendered: [u64; SLOTS],
}

impl Seen {
    /// As supervision wants it.
    pub fn with<'a>(&self, cpu_ns: &'a dyn Fn(Slot) -> Option<u64>) -> Looks<'a> {
        let Self { sealed, released, claimed, rendered } = *self;
        Looks { sealed, released, claimed, rendered, cpu_ns }
    }
}

impl Processes {
    /// No process yet.
    pub fn new(
        memory: Memory,
        ledger: Arc<View<LedgerRegion>>,
        keeper: u32,
        shelf: OwnedFd,
    ) -> Self {
        Self {
            memory,
            ledger,
            keeper,
            strangers: Vec::new(),
            shelf,
            children: Default::default(),
            pending: None,
            floors: [(0, 0); SLOTS],
            events: VecDeque::new(),
        }
    }

    /// Takes in who is there, as the supervisor before has noted it.
    pub fn take_over(&mut self, regions: &Regions) -> Left {
        let ledger = self.ledger.clone();
        let roster = &ledger.roster;
        let children = child::children_of(self.keeper).unwrap_or_default();
        let (mut members, mut unfit) = ([None; SLOTS], [false; SLOTS]);
        let boards = |slot: Slot| &regions.slots.slots[slot].board;
        let claimed = (0..SLOTS).filter_map(|slot| {
            let member = roster.member(slot)?;
            let has_claimed = boards(slot).incarnation() == member.number;
            has_claimed.then(|| (boards(slot).log_position(), boards(slot).rendered()))
        });
        let floor = claimed.reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)));
        for slot in 0..SLOTS {
            let Some(member) = roster.member(slot) else { continue };
            let child = children.contains(&member.pid).then(|| Child::open(member.pid).ok());
            let Some(child) = child.flatten() else {
                // Dead and reaped already.
                roster.enrol(slot, None);
                continue;
            };
            // One that has not begun can only be waited for if there is another for it to follow.
            let fits = floor.is_some()
                && boards(slot).rendered() <= regions.log.board.sealed()
                && boards(slot).log_position() <= regions.log.board.head.load(Ordering::Acquire);
            if !fits {
                child.kill();
                unfit[slot] = true;
            }
            members[slot] = Some(member.number);
            self.children[slot] = Some(child);
        }
        self.floors = [floor.unwrap_or_default(); SLOTS];
        let is_done = |fork: &ForkUnderWay| members[fork.into] == Some(fork.number);
        let fork = roster.fork().filter(|fork| !is_done(fork) && self.children[fork.forker].is_some());
        self.pending = fork.map(|fork| (fork.forker, fork.into, fork.number));
        roster.note_fork(fork);
        if fork.is_none() {
            self.end_strangers();
        }
        let last_number = roster.last_number.load(Ordering::Acquire);
        let last_number = members.iter().flatten().fold(last_number, |last, next| last.max(*next));
        Left { last_number, members, unfit, fork: self.pending }
    }

    /// Ends children that are in no slot: they were being started when the supervisor died.
    fn end_strangers(&self) {
        for _ in 0..100 {
            let strangers = self.unknown_children();
            if strangers.is_empty() {
                return;
            }
            for stranger in strangers.into_iter().filter_map(|pid| Child::open(pid).ok()) {
                stranger.kill();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The process of a slot.
    pub fn child(&self, slot: Slot) -> Option<&Child> {
        self.children[slot].as_ref()
    }

    /// All processes.
    pub fn running(&self) -> impl Iterator<Item = &Child> {
        self.children.iter().flatten()
    }

    /// Whether a fork is under way, whose outcome should be looked for often.
    pub fn any_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Log position and block at which the reader of a slot begins.
    pub fn floor(&self, slot: Slot) -> (u64, u64) {
        self.floors[slot]
    }

    /// CPU time used by the process of a slot.
    pub fn cpu_ns(&self, slot: Slot) -> Option<u64> {
        clock::process_cpu_ns(self.children[slot].as_ref()?.pid())
    }

    /// What the boards say.
    pub fn view(regions: &Regions) -> Seen {
        let boards = |slot: Slot| &regions.slots.slots[slot].board;
        Seen {
            sealed: regions.log.board.sealed(),
            released: regions.log.board.released(),
            claimed: std::array::from_fn(|slot| boards(slot).incarnation()),
            rendered: std::array::from_fn(|slot| boards(slot).rendered()),
        }
    }

    /// Remembers an order to fork, so that its answer is understood.
    pub fn expect_fork(&mut self, forker: Slot, into: Slot, number: u32, floor: (u64, u64)) {
        self.ledger.roster.note_fork(Some(ForkUnderWay { forker, into, number }));
        self.pending = Some((forker, into, number));
        self.floors[into] = floor;
    }

    /// What has happened since the last call. Replies come before deaths: a forker may have answered
    /// and died.
    pub fn events(&mut self, regions: &Regions) -> Vec<Event> {
        let mut events: Vec<Event> = self.events.drain(..).collect();
        if let Some((forker, into, number)) = self.pending
            && let Some(answer) = regions.slots.slots[forker].board.fork_answer(number)
        {
            self.take_answer(into, number, answer, &mut events);
            self.settle_fork();
        }
        let LedgerRegion { keeper, roster, .. } = &**regions.ledger;
        for number in roster.obituaries_read.load(Ordering::Relaxed)..keeper.deaths() {
            if let Some(obituary) = keeper.obituary(number) {
                self.take_obituary(obituary, &mut events);
            }
            roster.obituaries_read.store(number + 1, Ordering::Release);
        }
        events
    }

    fn take_obituary(&mut self, obituary: Obituary, events: &mut Vec<Event>) {
        let is_it = |child: &Option<Child>| {
            child.as_ref().is_some_and(|child| child.pid() == obituary.pid)
        };
        if let Some(slot) = self.children.iter().position(is_it) {
            self.settle(slot, None, 0);
            events.push(exited(slot, obituary));
        } else if self.pending.is_some() {
            // Perhaps the child of a fork whose answer has not come yet.
            self.strangers.push(obituary);
        }
    }

    fn take_answer(
        &mut self,
        into: Slot,
        number: u32,
        answer: ForkAnswer,
        events: &mut Vec<Event>,
    ) {
        let pid = match answer {
            ForkAnswer::Failed(errno) => return events.push(Event::ForkFailed { number, errno }),
            ForkAnswer::Child(pid) => pid,
        };
        if let Some(died) = self.strangers.iter().find(|stranger| stranger.pid == pid) {
            events.extend([Event::Forked { number }, exited(into, *died)]);
            return;
        }
        match Child::open(pid) {
            Ok(child) => {
                self.settle(into, Some(child), number);
                events.push(Event::Forked { number });
            }
            // It died and was reaped a moment ago.
            Err(_) => {
                let death = Death::Killed;
                events.extend([Event::Forked { number }, Event::Exited { slot: into, death }]);
            }
        }
    }

    /// The forker died before it could answer: takes in the child that nobody knows, if there is one.
    pub fn find_child(&mut self, number: u32, into: Slot) {
        let unknown = self.unknown_children().into_iter().find_map(|pid| Child::open(pid).ok());
        let event =
            if unknown.is_some() { Event::Forked { number } } else { Event::NoChild { number } };
        self.settle(into, unknown, number);
        self.settle_fork();
        self.events.push_back(event);
    }

    /// A process is in a slot, or none any more.
    fn settle(&mut self, slot: Slot, child: Option<Child>, number: u32) {
        let member = child.as_ref().map(|child| Member { pid: child.pid(), number });
        self.ledger.roster.enrol(slot, member);
        self.children[slot] = child;
    }

    /// The fork under way has come to its end.
    fn settle_fork(&mut self) {
        self.pending = None;
        self.strangers.clear();
        self.ledger.roster.note_fork(None);
    }

    /// The keeper's children that are in no slot and not this process.
    fn unknown_children(&self) -> Vec<u32> {
        let mut children = child::children_of(self.keeper).unwrap_or_default();
        let this = std::process::id();
        children.retain(|pid| *pid != this && self.running().all(|child| child.pid() != *pid));
        children
    }

    /// Starts a worker afresh.
    pub fn spawn(
        &mut self,
        slot: Slot,
        number: u32,
        start: (u64, u64),
        genesis: (&Plan, &Controls, u32),
        rate: (u32, bool),
        kick: &Kick,
    ) {
        self.floors[slot] = (start.1, start.0);
        self.ledger.roster.enrol(slot, Some(Member { pid: 0, number }));
        let line = WorkerArgs::command_line(self.keeper, slot, number, start, rate);
        let started = Genesis::to_file(genesis.0, genesis.1, genesis.2).and_then(|genesis| {
            let hand_over = [
                self.memory.log.as_fd(),
                self.memory.slots.as_fd(),
                kick.as_fd(),
                genesis.as_fd(),
                self.shelf.as_fd(),
            ];
            spawn::spawn_sibling(&line, &hand_over)
        });
        match started {
            Ok(child) => self.settle(slot, Some(child), number),
            Err(error) => {
                self.settle(slot, None, number);
                let errno = error.raw_os_error().unwrap_or(0);
                self.events.push_back(Event::SpawnFailed { number, errno });
            }
        }
    }

    /// Kills the process of a slot; its end is seen as any other.
    pub fn fence(&self, slot: Slot) {
        if let Some(child) = &self.children[slot] {
            child.kill();
        }
    }

    /// Sends a signal to the process of a slot, for chaos tests.
    ///
    /// # Errors
    /// `NotFound` if the slot is empty, or as the kernel says.
    pub fn signal(&self, slot: Slot, signal: i32) -> io::Result<()> {
        self.children[slot].as_ref().ok_or(io::ErrorKind::NotFound)?.signal(signal)
    }

    /// Kills all. The keeper reaps them, and whoever is still being born.
    pub fn end_all(&self) {
        for child in self.running() {
            child.kill();
        }
    }
}

fn exited(slot: Slot, obituary: Obituary) -> Event {
    let exit = obituary.cause.map_or_else(Exit::Signal, Exit::Status);
    tracing::debug!("worker {} in slot {slot} {exit}", obituary.pid);
    let death = if exit.is_own_doing() { Death::OfItself } else { Death::Killed };
    Event::Exited { slot, death }
}
