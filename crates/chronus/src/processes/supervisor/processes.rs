//! The workers as processes: who is in which slot, started, watched by pidfd, fenced and reaped.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chronus_os::child::{self, Child, Children, Exit};
use chronus_os::spare::Spare;
use chronus_os::wake::Notifier;
use chronus_os::{clock, crash, sched, spawn};
use chronus_replication::blame::{Cause, Crumb};
use chronus_replication::restart::Death;
use chronus_replication::supervision::{Event, View};
use chronus_replication::{BlockIndex, PLACES, SLOTS, Slot};
use chronus_shm::claim_check::ClaimCheck;
use chronus_shm::control_board::ControlBoard;
use chronus_shm::ledger::{ExitRecord, ForkUnderWay, LedgerRegion, Member};
use chronus_shm::region;
use chronus_shm::status_board::ForkAnswer;

use super::Memory;
use super::sight::Blind;
use crate::performance::Performance;
use crate::persistence::regions::Regions;
use crate::persistence::shared_assets::PackedPatch;
use crate::processes::worker::{WorkerArgs, WorkerInit, status};

/// The processes of all slots.
#[derive(Debug)]
pub struct Processes {
    memory: Memory,
    pub(super) ledger: Arc<region::View<LedgerRegion>>,
    /// Their parent, who alone can reap them, and whom it has.
    keeper: u32,
    pub(super) family: Children,
    /// For the descriptors of children, should others use up all that there are.
    spare: Spare,
    /// Why it can't be seen what has become of an order, while it can't.
    pub(super) blind: Option<Blind>,
    /// Who had ended at the last look.
    pub(super) ended: [Option<u32>; PLACES],
    /// Dead processes that the keeper has not buried, and that are known to be dead without it.
    pub(super) unburied: Vec<u32>,
    /// A fork whose forker died, and whose child could not be looked for yet.
    sought: Option<(u32, Slot)>,
    /// Exit records of processes that are not known yet.
    strangers: Vec<ExitRecord>,
    /// Through this descriptor it can only be read.
    assets: OwnedFd,
    pub(super) children: [Option<Child>; PLACES],
    /// The fork under way: who was asked, for which slot, by which number.
    pub(super) pending: Option<(Slot, Slot, u32)>,
    pub(super) events: VecDeque<Event>,
}

/// Numbers to be looked at by supervision.
pub struct Seen {
    sealed: u64,
    released: u64,
    claimed: [u32; PLACES],
    /// See [`View`].
    pub rendered: [u64; PLACES],
    /// See [`View`].
    pub proven: [bool; SLOTS],
    /// See [`View`].
    pub renew_before: BlockIndex,
    /// See [`View`].
    pub useless_before: BlockIndex,
}

impl Seen {
    /// As supervision wants it.
    pub fn with<'a>(
        &self,
        [cpu_ns, cpu_now_ns]: [&'a dyn Fn(Slot) -> Option<u64>; 2],
        asleep: &'a dyn Fn(Slot) -> bool,
        crumb: &'a dyn Fn(Slot) -> Crumb,
        blind: bool,
    ) -> View<'a> {
        View {
            sealed: self.sealed,
            released: self.released,
            claimed: self.claimed,
            rendered: self.rendered,
            proven: self.proven,
            renew_before: self.renew_before,
            useless_before: self.useless_before,
            cpu_ns,
            cpu_now_ns,
            asleep,
            crumb,
            blind,
        }
    }

    /// What was ordered, and what is believed of the workers.
    pub fn of(board: &ControlBoard, claims: &ClaimCheck) -> Self {
        Self {
            sealed: board.sealed(),
            released: board.released(),
            claimed: claims.claimed(),
            rendered: claims.rendered(),
            proven: [false; SLOTS],
            renew_before: 0,
            useless_before: 0,
        }
    }
}

/// So many descriptors are open at once while a worker is started: what it begins with, nothing, both ends of a pipe, and
/// the worker itself.
const SPAWN_DESCRIPTORS: usize = 5;

impl Processes {
    /// No process yet.
    pub fn new(
        memory: Memory,
        ledger: Arc<region::View<LedgerRegion>>,
        (keeper, family): (u32, Children),
        assets: OwnedFd,
    ) -> Self {
        Self {
            memory,
            ledger,
            keeper,
            family,
            spare: Spare::new(PLACES + SPAWN_DESCRIPTORS),
            blind: None,
            ended: [None; PLACES],
            unburied: Vec::new(),
            sought: None,
            strangers: Vec::new(),
            assets,
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

    /// CPU time used by the process of a slot, as the kernel has accounted for it.
    pub fn cpu_ns(&self, slot: Slot) -> Option<u64> {
        clock::process_cpu_ns(self.children[slot].as_ref()?.pid())
    }

    /// The same until now.
    pub fn cpu_now_ns(&self, slot: Slot) -> Option<u64> {
        sched::account_for(self.children[slot].as_ref()?.pid());
        self.cpu_ns(slot)
    }

    /// Whether the process of a slot sleeps of its own will.
    pub fn is_asleep(&self, slot: Slot) -> bool {
        self.children[slot].as_ref().is_some_and(|child| child::is_asleep(child.pid()))
    }

    /// Remembers an order to fork, so that its answer is understood.
    pub fn expect_fork(&mut self, forker: Slot, into: Slot, number: u32) {
        self.ledger.roster.note_fork(Some(ForkUnderWay { forker, into, number }));
        self.pending = Some((forker, into, number));
    }

    /// What has happened since the last call. Replies come before deaths: a forker may have answered
    /// and died.
    pub fn events(&mut self, regions: &Regions) -> Vec<Event> {
        let mut events: Vec<Event> = self.events.drain(..).collect();
        self.spare.refill();
        self.dismiss_unheld();
        if let Some((number, into)) = self.sought.take() {
            events.extend(self.seek_child(number, into));
        }
        if let Some((forker, into, number)) = self.pending
            && let Some(answer) = regions.slots.slots[forker].board.fork_answer(number)
        {
            let is_clear = self.take_answer((forker, into, number), answer, regions, &mut events);
            if is_clear {
                self.settle_fork();
            }
        }
        let LedgerRegion { keeper, roster, .. } = &**regions.ledger;
        for number in roster.exit_records_read.load(Ordering::Relaxed)..keeper.deaths() {
            if let Some(exit) = keeper.exit_record(number) {
                self.take_exit_record(exit, regions, &mut events);
            }
            roster.exit_records_read.store(number + 1, Ordering::Release);
        }
        events
    }

    fn take_exit_record(&mut self, exit: ExitRecord, regions: &Regions, events: &mut Vec<Event>) {
        let is_it =
            |child: &Option<Child>| child.as_ref().is_some_and(|child| child.pid() == exit.pid);
        if let Some(slot) = self.children.iter().position(is_it) {
            self.settle(slot, None, 0);
            events.push(exited(slot, exit, regions));
        } else if self.pending.is_some() {
            // Perhaps the child of a fork whose answer has not come yet.
            self.strangers.push(exit);
        }
    }

    /// A pid is believed if it is that of a child that nobody knows yet, so that no other process is ever taken
    /// for a worker, and killed; a failure, if there is no such child. A forker that says anything else is
    /// discredited, and once it is gone, its child is looked for. Returns whether it is clear what has become of
    /// the order.
    fn take_answer(
        &mut self,
        (forker, into, number): (Slot, Slot, u32),
        answer: ForkAnswer,
        regions: &Regions,
        events: &mut Vec<Event>,
    ) -> bool {
        let found = match answer {
            ForkAnswer::Failed(_) => self
                .unknown_children()
                .map(|unknown| if unknown.is_empty() { Found::Nothing } else { Found::Another }),
            ForkAnswer::Child(pid) => {
                if let Some(died) = self.strangers.iter().find(|stranger| stranger.pid == pid) {
                    events.extend([Event::Forked { number }, exited(into, *died, regions)]);
                    return true;
                }
                self.new_child(pid)
            }
        };
        let is_settled = match (answer, &found) {
            (_, Err(_)) | (ForkAnswer::Child(_), Ok(Found::Nothing)) => false,
            (_, Ok(_)) => true,
        };
        self.note_sight(found.as_ref().err(), is_settled);
        match (answer, found) {
            (ForkAnswer::Failed(errno), Ok(Found::Nothing)) => {
                events.push(Event::ForkFailed { number, errno });
                return true;
            }
            (_, Ok(Found::Child(child))) => {
                self.settle(into, Some(child), number);
                events.push(Event::Forked { number });
                return true;
            }
            // If it died a moment ago, its exit record is under way. If it never was, the forker is fenced for want of a
            // child. And of what can't be seen nothing is believed, neither good nor bad.
            (ForkAnswer::Child(_), Ok(Found::Nothing)) | (_, Err(_)) => return false,
            (_, Ok(Found::Another)) => {}
        }
        tracing::error!(
            "the worker in slot {forker} says of its fork what can't be ({})",
            claim(answer)
        );
        events.push(Event::Discredited { slot: forker });
        true
    }

    /// The process with this pid, if there is one; `None` if there is none.
    pub(super) fn open(&mut self, pid: u32) -> io::Result<Option<Child>> {
        match self.spare.open(1, || Child::open(pid)) {
            Ok(child) => Ok(Some(child)),
            Err(error) if is_of_nobody(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The child with this pid, if it is one and nobody knows it yet.
    fn new_child(&mut self, pid: u32) -> io::Result<Found> {
        let Some(child) = self.open(pid)? else { return Ok(Found::Nothing) };
        // Asked once it is open, so that its pid can't be that of another.
        let is_child = self.family.list()?.contains(&pid);
        let is_known = pid == std::process::id() || self.running().any(|it| it.pid() == pid);
        Ok(match (is_child, is_known) {
            (true, false) => Found::Child(child),
            // It may have been one, and reaped meanwhile.
            (false, false) if child.has_ended() => Found::Nothing,
            _ => Found::Another,
        })
    }

    /// The forker died before it could answer: takes in the child that nobody knows, if there is one, as soon as that
    /// can be seen.
    pub fn find_child(&mut self, number: u32, into: Slot) {
        let event = self.seek_child(number, into);
        self.events.extend(event);
    }

    fn seek_child(&mut self, number: u32, into: Slot) -> Option<Event> {
        let unknown = self.unknown_children().and_then(|unknown| {
            unknown.into_iter().find_map(|pid| self.open(pid).transpose()).transpose()
        });
        self.note_sight(unknown.as_ref().err(), unknown.is_ok());
        let Ok(unknown) = unknown else {
            self.sought = Some((number, into));
            return None;
        };
        let event =
            if unknown.is_some() { Event::Forked { number } } else { Event::NoChild { number } };
        self.settle(into, unknown, number);
        self.settle_fork();
        Some(event)
    }

    /// The process that buries the dead.
    pub fn keeper(&self) -> u32 {
        self.keeper
    }

    /// A process is in a slot, or none any more.
    pub(super) fn settle(&mut self, slot: Slot, child: Option<Child>, number: u32) {
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
    pub(super) fn unknown_children(&self) -> io::Result<Vec<u32>> {
        let mut children = self.family.list()?;
        let this = std::process::id();
        children.retain(|pid| *pid != this && self.running().all(|child| child.pid() != *pid));
        Ok(children)
    }

    /// A checkpoint becomes the worker of a slot. `order` has it do so: until it was given, a successor shall find it in both places.
    pub fn move_to(&mut self, from: Slot, into: Slot, number: u32, order: impl FnOnce()) {
        let child = self.children[from].take();
        self.settle(into, child, number);
        order();
        self.ledger.roster.enrol(from, None);
    }

    /// Starts a worker afresh.
    pub fn spawn(
        &mut self,
        slot: Slot,
        number: u32,
        start: (u64, u64, u64),
        (performance, last_edit): (&Performance<PackedPatch>, u32),
        rate: (u32, bool),
        notifier: &Notifier,
    ) {
        self.ledger.roster.enrol(slot, Some(Member { pid: 0, number }));
        let line = WorkerArgs::command_line(self.keeper, (slot, number), start, rate);
        let (memory, assets) = (&self.memory, &self.assets);
        let started = self.spare.open(SPAWN_DESCRIPTORS, || {
            let init = WorkerInit::to_file(performance, last_edit)?;
            let hand_over = [
                memory.log.as_fd(),
                memory.slots.as_fd(),
                notifier.as_fd(),
                init.as_fd(),
                assets.as_fd(),
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

    /// Sends a signal to the processes of these places, for chaos tests.
    ///
    /// # Errors
    /// `NotFound` if there is none, or as the kernel says.
    pub fn signal(&self, places: Range<Slot>, signal: i32) -> io::Result<()> {
        let none = Err(io::Error::from(io::ErrorKind::NotFound));
        let children = self.children[places].iter().flatten();
        children.map(|child| child.signal(signal)).fold(none, io::Result::or)
    }

    /// Kills all. The keeper reaps them, and whoever is still being born.
    pub fn end_all(&self) {
        for child in self.running() {
            child.kill();
        }
    }
}

/// What a forker's answer turns out to be.
enum Found {
    /// There is nobody of whom it could speak.
    Nothing,
    /// A child that was not known yet.
    Child(Child),
    /// Somebody else than it says.
    Another,
}

/// Whether an error says that there is no such process, and could be none.
fn is_of_nobody(error: &io::Error) -> bool {
    error.raw_os_error() == Some(NO_SUCH_PROCESS) || error.kind() == io::ErrorKind::InvalidInput
}

/// `ESRCH`.
const NO_SUCH_PROCESS: i32 = 3;

pub(super) fn exited(slot: Slot, record: ExitRecord, regions: &Regions) -> Event {
    let board = &regions.slots.slots[slot].board;
    let exit = record.cause.map_or_else(Exit::Signal, Exit::Status);
    let crash = board.crash.of(record.pid).filter(|crash| crash.agrees_with(exit));
    let why = crash.map_or_else(|| ending(exit), |crash| format!("ended by {crash}"));
    let own_doing = crash::is_own_doing(exit, crash);
    let blame = if own_doing { "its own doing" } else { "blames nobody" };
    if slot < SLOTS {
        tracing::info!("worker {} in slot {slot} {why}; {blame}", record.pid);
    }
    let death = match (crash.map(|crash| crash.signal), exit) {
        _ if !own_doing => Death::Killed,
        (Some(signal), _) | (None, Exit::Signal(signal)) => Death::OfItself(Cause::Signal(signal)),
        (None, Exit::Status(status)) => Death::OfItself(Cause::Status(status)),
    };
    let crumb = board.breadcrumb.read();
    Event::Exited { slot, death, crumb }
}

/// How a worker has ended, to go on after its name.
fn ending(exit: Exit) -> String {
    match exit {
        Exit::Status(status::OUTDATED) => {
            "ended: it had rendered what was decided otherwise".into()
        }
        Exit::Status(status::NOT_FINITE) => "ended: a module yielded NaN or infinity".into(),
        Exit::Status(status::TOO_LOUD) => "ended: a module ran away in level".into(),
        other => other.to_string(),
    }
}

fn claim(answer: ForkAnswer) -> String {
    match answer {
        ForkAnswer::Child(pid) => format!("its child were process {pid}"),
        ForkAnswer::Failed(errno) => {
            format!("it had none: {}", io::Error::from_raw_os_error(errno))
        }
    }
}

#[cfg(test)]
mod tests {
    use chronus_shm::control_board::LogRegion;
    use chronus_shm::region::{Whole, create_shared_assets};
    use chronus_shm::status_board::SlotsRegion;

    use super::*;

    fn child() -> u32 {
        std::process::Command::new("sleep").arg("60").spawn().expect("sleep").id()
    }

    #[test]
    fn no_process_but_a_new_child_is_ever_taken_for_one() {
        let [log, slots, ledger] =
            [LogRegion::create(), SlotsRegion::create(), LedgerRegion::create()]
                .map(|memory| memory.expect("memory"));
        let regions = Regions::map(&log, &slots, &ledger).expect("they can be mapped");
        let assets = create_shared_assets().expect("memory").read_only().expect("it can be opened");
        // This process is its own keeper, who alone is the parent of workers.
        let this = std::process::id();
        let memory = Memory { log, slots };
        let family = Children::of_this_thread().expect("it can be read");
        let mut processes = Processes::new(memory, regions.ledger.clone(), (this, family), assets);
        let (known, new) = (child(), child());
        processes.children[0] = Some(Child::open(known).expect("it runs"));
        let mut answer = |number: u32, answer| {
            processes.expect_fork(0, 1, number);
            regions.slots.slots[0].board.answer_fork(number, answer);
            let events = processes.events(&regions);
            (events, processes.child(1).map(Child::pid), processes.any_pending())
        };
        let discredited = vec![Event::Discredited { slot: 0 }];
        let its_parent = child::parent_pid();
        for (number, pid) in (1..).zip([1, this, its_parent, known]) {
            let found = answer(number, ForkAnswer::Child(pid));
            assert_eq!(found, (discredited.clone(), None, false), "{pid}");
        }
        for (number, pid) in (11..).zip([0, i32::MAX as u32]) {
            let found = answer(number, ForkAnswer::Child(pid));
            assert_eq!(found, (vec![], None, true), "its exit record may be under way");
        }
        let forked = answer(21, ForkAnswer::Child(new));
        assert_eq!(forked, (vec![Event::Forked { number: 21 }], Some(new), false));
        let (failed, ..) = answer(22, ForkAnswer::Failed(11));
        assert_eq!(failed, [Event::ForkFailed { number: 22, errno: 11 }]);
        processes.end_all();
        for child in processes.running() {
            child.reap().expect("it was killed");
        }
    }
}
