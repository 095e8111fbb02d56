//! The workers as processes: who is in which slot, started, watched by pidfd, fenced and reaped.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use chronus_engine::Controls;
use chronus_os::child::{Child, Exit, children_of_this_thread, parent_of};
use chronus_os::memfd::Memfd;
use chronus_os::wake::Kick;
use chronus_os::{clock, crash, spawn};
use chronus_replication::blame::{Cause, Crumb};
use chronus_replication::restart::Death;
use chronus_replication::supervision::{Event, View};
use chronus_replication::{BlockIndex, PLACES, Slot};
use chronus_shm::control_board::ControlBoard;
use chronus_shm::status_board::{ForkAnswer, SlotsRegion};
use chronus_shm::testimony::Testimony;

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
    events: VecDeque<Event>,
}

/// Numbers to be looked at by supervision.
pub struct Seen {
    sealed: u64,
    released: u64,
    claimed: [u32; PLACES],
    /// See [`View`].
    pub rendered: [u64; PLACES],
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

    /// What was ordered, and what is believed of the workers.
    pub fn of(board: &ControlBoard, testimony: &Testimony) -> Self {
        Self {
            sealed: board.sealed(),
            released: board.released(),
            claimed: testimony.claimed(),
            rendered: testimony.rendered(),
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

    /// CPU time used by the process of a slot.
    pub fn cpu_ns(&self, slot: Slot) -> Option<u64> {
        clock::process_cpu_ns(self.children[slot].as_ref()?.pid())
    }

    /// Remembers an order to fork, so that its answer is understood.
    pub fn expect_fork(&mut self, forker: Slot, into: Slot, number: u32) {
        self.pending = Some((forker, into, number));
    }

    /// What has happened since the last call. Replies come before deaths: a forker may have answered
    /// and died.
    pub fn events(&mut self, slots: &SlotsRegion, someone_died: bool) -> Vec<Event> {
        let mut events: Vec<Event> = self.events.drain(..).collect();
        if let Some((forker, into, number)) = self.pending
            && let Some(answer) = slots.slots[forker].board.fork_answer(number)
        {
            self.pending = None;
            events.push(self.take_answer(forker, into, number, answer));
        }
        for slot in 0..PLACES {
            if someone_died
                && let Some(child) = &self.children[slot]
                && let Ok(Some(exit)) = child.try_reap()
            {
                let crash = slots.slots[slot].board.crash.of(child.pid());
                let crash = crash.filter(|crash| crash.agrees_with(exit));
                let why =
                    crash.map_or_else(|| exit.to_string(), |crash| format!("ended by {crash}"));
                let own_doing = crash::is_own_doing(exit, crash);
                let blame = if own_doing { "its own doing" } else { "blames nobody" };
                tracing::debug!("worker {} in slot {slot} {why}; {blame}", child.pid());
                self.children[slot] = None;
                let death = match (crash.map(|crash| crash.signal), exit) {
                    _ if !own_doing => Death::Killed,
                    (Some(signal), _) | (None, Exit::Signal(signal)) => {
                        Death::OfItself(Cause::Signal(signal))
                    }
                    (None, Exit::Status(status)) => Death::OfItself(Cause::Status(status)),
                };
                let crumb = slots.slots[slot].board.breadcrumb.read();
                events.push(Event::Exited { slot, death, crumb });
            }
        }
        events
    }

    /// A pid is believed if it is that of a child that nobody knows yet, so that no other process is ever taken
    /// for a worker, and killed; a failure, if there is no such child. A forker that says anything else is
    /// discredited, and once it is gone, its child is looked for.
    fn take_answer(
        &mut self,
        forker: Slot,
        into: Slot,
        number: u32,
        answer: ForkAnswer,
    ) -> Event {
        let (child, failure) = match answer {
            ForkAnswer::Child(pid) => (self.new_child(pid), None),
            ForkAnswer::Failed(errno) => (None, Some(errno).filter(|_| self.unknown_child().is_none())),
        };
        match (child, failure) {
            (Some(child), _) => {
                self.children[into] = Some(child);
                Event::Forked { number }
            }
            (None, Some(errno)) => Event::ForkFailed { number, errno },
            (None, None) => {
                tracing::error!("the worker in slot {forker} answers an order to fork by {answer:?}");
                Event::Discredited { slot: forker }
            }
        }
    }

    /// The child with this pid, if it is one and nobody knows it yet. One that died already is still there to
    /// be opened: nobody has reaped it.
    fn new_child(&self, pid: u32) -> Option<Child> {
        let is_known = self.running().any(|child| child.pid() == pid);
        let child = Child::open(pid).ok().filter(|_| !is_known)?;
        // Asked once it is open, so that its pid can't be that of another.
        let is_own = parent_of(pid).is_ok_and(|parent| parent == std::process::id());
        is_own.then_some(child)
    }

    /// A child that nobody knows yet.
    fn unknown_child(&self) -> Option<Child> {
        let children = children_of_this_thread().unwrap_or_default();
        children.into_iter().find_map(|pid| self.new_child(pid))
    }

    /// The forker died before it could answer: takes in the child that nobody knows, if there is one.
    pub fn find_child(&mut self, number: u32, into: Slot) {
        self.pending = None;
        let unknown = self.unknown_child();
        let event =
            if unknown.is_some() { Event::Forked { number } } else { Event::NoChild { number } };
        self.children[into] = unknown;
        self.events.push_back(event);
    }

    /// A checkpoint becomes the worker of a slot.
    pub fn move_to(&mut self, from: Slot, into: Slot) {
        self.children[into] = self.children[from].take();
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

    /// Sends a signal to the processes of these places, for chaos tests.
    ///
    /// # Errors
    /// `NotFound` if there is none, or as the kernel says.
    pub fn signal(&self, places: Range<Slot>, signal: i32) -> io::Result<()> {
        let none = Err(io::Error::from(io::ErrorKind::NotFound));
        let children = self.children[places].iter().flatten();
        children.map(|child| child.signal(signal)).fold(none, io::Result::or)
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

#[cfg(test)]
mod tests {
    use chronus_shm::region::{create_log, create_shelf, create_slots};

    use super::*;

    #[expect(clippy::zombie_processes, reason = "it is reaped by its pidfd")]
    fn child() -> u32 {
        std::process::Command::new("sleep").arg("60").spawn().expect("sleep").id()
    }

    #[test]
    fn no_process_but_a_new_child_is_ever_taken_for_one() {
        let (log_memory, _log) = create_log().expect("memory");
        let (slots_memory, slots) = create_slots().expect("memory");
        let shelf = create_shelf().expect("memory").read_only().expect("it can be opened");
        let mut processes = Processes::new(log_memory, slots_memory, shelf);
        let (known, new) = (child(), child());
        processes.children[0] = Some(Child::open(known).expect("it runs"));
        let mut answer = |number: u32, answer| {
            processes.expect_fork(0, 1, number);
            slots.slots[0].board.answer_fork(number, answer);
            let events = processes.events(&slots, false);
            (events, processes.child(1).map(Child::pid))
        };
        let this = std::process::id();
        let its_parent = parent_of(this).expect("it has one");
        let discredited = vec![Event::Discredited { slot: 0 }];
        for (number, pid) in (1..).zip([0, 1, this, its_parent, known, i32::MAX as u32]) {
            let (events, taken) = answer(number, ForkAnswer::Child(pid));
            assert_eq!((events, taken), (discredited.clone(), None), "{pid}");
        }
        let (events, _) = answer(20, ForkAnswer::Failed(11));
        assert_eq!(events, discredited, "there is a child, and nobody knows it");
        let (events, taken) = answer(21, ForkAnswer::Child(new));
        assert_eq!((events, taken), (vec![Event::Forked { number: 21 }], Some(new)));
        let (events, _) = answer(22, ForkAnswer::Failed(11));
        assert_eq!(events, [Event::ForkFailed { number: 22, errno: 11 }]);
        processes.end_all();
        assert!(parent_of(known).is_err() && parent_of(new).is_err(), "both are reaped");
    }
}
