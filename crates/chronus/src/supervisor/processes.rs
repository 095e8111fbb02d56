//! The workers as processes: who is in which slot, started, watched by pidfd, fenced and reaped.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use chronus_engine::Controls;
use chronus_os::child::{Child, Exit, children_of_this_thread};
use chronus_os::memfd::Memfd;
use chronus_os::wake::Kick;
use chronus_os::{clock, spawn};
use chronus_replication::blame::{Cause, Crumb};
use chronus_replication::restart::Death;
use chronus_replication::supervision::{Event, View};
use chronus_replication::{BlockIndex, PLACES, Slot};
use chronus_shm::status_board::{ForkAnswer, SlotsRegion};

use crate::playback::Regions;
use crate::shelf::Plan;
use crate::worker::{Genesis, WorkerArgs};

/// The processes of all slots.
#[derive(Debug)]
pub struct Processes {
    log_memory: Memfd,
    slots_memory: Memfd,
    /// Through this descriptor it can only be read.
    shelf: OwnedFd,
    children: [Option<Child>; PLACES],
    /// The fork under way: who was asked, for which slot, by which number.
    pending: Option<(Slot, Slot, u32)>,
    /// Where the reader of a slot begins, until it has claimed the slot.
    floors: [(u64, u64); PLACES],
    events: VecDeque<Event>,
}

/// Numbers read from the boards, to be looked at by supervision.
pub struct Seen {
    sealed: u64,
    released: u64,
    claimed: [u32; PLACES],
    rendered: [u64; PLACES],
    /// See [`View`].
    pub renew_before: BlockIndex,
    /// See [`View`].
    pub useless_before: BlockIndex,
}

impl Seen {
    /// As supervision wants it.
    pub fn with<'a>(
        &self,
        cpu_ns: &'a dyn Fn(Slot) -> Option<u64>,
        crumb: &'a dyn Fn(Slot) -> Crumb,
    ) -> View<'a> {
        let Self { sealed, released, claimed, rendered, renew_before, useless_before } = *self;
        View { sealed, released, claimed, rendered, renew_before, useless_before, cpu_ns, crumb }
    }

    /// What the boards say.
    pub fn of(regions: &Regions) -> Self {
        let boards = |slot: Slot| &regions.slots.slots[slot].board;
        Self {
            sealed: regions.log.board.sealed(),
            released: regions.log.board.released(),
            claimed: std::array::from_fn(|slot| boards(slot).incarnation()),
            rendered: std::array::from_fn(|slot| boards(slot).rendered()),
            renew_before: 0,
            useless_before: 0,
        }
    }
}

impl Processes {
    /// No process yet.
    pub fn new(log_memory: Memfd, slots_memory: Memfd, shelf: OwnedFd) -> Self {
        Self {
            log_memory,
            slots_memory,
            shelf,
            children: Default::default(),
            pending: None,
            floors: [(0, 0); PLACES],
            events: VecDeque::new(),
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

    /// Remembers an order to fork, so that its answer is understood.
    pub fn expect_fork(&mut self, forker: Slot, into: Slot, number: u32, floor: (u64, u64)) {
        self.pending = Some((forker, into, number));
        self.floors[into] = floor;
    }

    /// What has happened since the last call. Replies come before deaths: a forker may have answered
    /// and died.
    pub fn events(&mut self, slots: &SlotsRegion, someone_died: bool) -> Vec<Event> {
        let mut events: Vec<Event> = self.events.drain(..).collect();
        if let Some((forker, into, number)) = self.pending
            && let Some(answer) = slots.slots[forker].board.fork_answer(number)
        {
            self.pending = None;
            events.push(self.take_answer(into, number, answer));
        }
        for slot in 0..PLACES {
            if someone_died
                && let Some(child) = &self.children[slot]
                && let Ok(Some(exit)) = child.try_reap()
            {
                tracing::debug!("worker {} in slot {slot} {exit}", child.pid());
                self.children[slot] = None;
                let death = match exit {
                    _ if !exit.is_own_doing() => Death::Killed,
                    Exit::Signal(signal) => Death::OfItself(Cause::Signal(signal)),
                    Exit::Status(status) => Death::OfItself(Cause::Status(status)),
                };
                let crumb = slots.slots[slot].board.breadcrumb.read();
                events.push(Event::Exited { slot, death, crumb });
            }
        }
        events
    }

    fn take_answer(&mut self, into: Slot, number: u32, answer: ForkAnswer) -> Event {
        match answer {
            ForkAnswer::Failed(errno) => Event::ForkFailed { number, errno },
            // A child that died already is still there to be opened: nobody has reaped it.
            ForkAnswer::Child(pid) => match Child::open(pid) {
                Ok(child) => {
                    self.children[into] = Some(child);
                    Event::Forked { number }
                }
                Err(error) => {
                    Event::ForkFailed { number, errno: error.raw_os_error().unwrap_or(0) }
                }
            },
        }
    }

    /// The forker died before it could answer: takes in the child that nobody knows, if there is one.
    pub fn find_child(&mut self, number: u32, into: Slot) {
        self.pending = None;
        let known: Vec<u32> = self.running().map(Child::pid).collect();
        let unknown = children_of_this_thread()
            .unwrap_or_default()
            .into_iter()
            .filter(|pid| !known.contains(pid))
            .find_map(|pid| Child::open(pid).ok());
        let event =
            if unknown.is_some() { Event::Forked { number } } else { Event::NoChild { number } };
        self.children[into] = unknown;
        self.events.push_back(event);
    }

    /// A checkpoint becomes the worker of a slot; it reads the log from where it was taken.
    pub fn move_to(&mut self, from: Slot, into: Slot) {
        self.children[into] = self.children[from].take();
        self.floors[into] = self.floors[from];
    }

    /// Starts a worker afresh.
    pub fn spawn(
        &mut self,
        slot: Slot,
        number: u32,
        start: (u64, u64, u64),
        genesis: (&Plan, &Controls, u32),
        rate: (u32, bool),
        kick: &Kick,
    ) {
        self.floors[slot] = (start.1, start.0);
        let line = WorkerArgs::command_line(slot, number, start, rate.0, rate.1);
        let started = Genesis::to_file(genesis.0, genesis.1, genesis.2).and_then(|genesis| {
            let hand_over = [
                self.log_memory.as_fd(),
                self.slots_memory.as_fd(),
                kick.as_fd(),
                genesis.as_fd(),
                self.shelf.as_fd(),
            ];
            spawn::spawn_self(&line, &hand_over)
        });
        match started {
            Ok(child) => self.children[slot] = Some(child),
            Err(error) => {
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

    /// Kills and reaps all, and any child that nobody knows yet, until there is none.
    pub fn end_all(&mut self) {
        for child in self.running() {
            child.kill();
        }
        for child in &mut self.children {
            if let Some(child) = child.take() {
                let _ = child.reap();
            }
        }
        while let Some(child) = children_of_this_thread()
            .unwrap_or_default()
            .into_iter()
            .find_map(|pid| Child::open(pid).ok())
        {
            child.kill();
            let _ = child.reap();
        }
    }
}
