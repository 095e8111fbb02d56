//! The supervisor of the world, turn by turn, as the real one, and what must hold.

use std::collections::HashMap;
use std::sync::Arc;

use chronus::persistence::regions::Regions;
use chronus::processes::playback::Accepted;
use chronus_engine::{Command, Handle};
use chronus_os::memfd::Memfd;
use chronus_replication::amendment::{Amendment, Change};
use chronus_replication::blame::Culprit;
use chronus_replication::command_sequencer::CommandSequencer;
use chronus_replication::divergence::DivergenceDetector;
use chronus_replication::lockstep::{Order, Position};
use chronus_replication::machine::{Ramp, block_hash};
use chronus_replication::restart::Death;
use chronus_replication::selector::{Read, Selected, Selector};
use chronus_replication::supervision::{self, Action, Event, Settings, Supervision};
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, BlockIndex, PLACES, SLOTS, Slot};
use chronus_shm::block_ring::{self, RING_BLOCKS};
use chronus_shm::claim_check::ClaimCheck;
use chronus_shm::command_log::{LOG_ENTRIES, LogWriter};
use chronus_shm::control_board::{LogRegion, SEALS};
use chronus_shm::ledger::LedgerRegion;
use chronus_shm::region::{View, Whole};
use chronus_shm::status_board::{ForkAnswer, SlotsRegion};
use chronus_shm::sync::Ordering;

use super::process::{Did, Process};

/// How long a turn takes: a block at 48 kHz.
const TURN_NS: u64 = 1_333_333;
/// Blocks the workers are ahead of the device.
const LEAD_BLOCKS: u64 = 4;
/// Modules of the patch that the world pretends to play.
const MODULES: u32 = 4;
/// Commands that may wait.
const WAITING: usize = 8192;
/// In one turn an honest worker catches up with as many blocks.
const STEPS_MOST: usize = 64;
/// Sealing may stand still for so many turns: a worker may be late for 20 ms.
const STANDSTILL_MOST: u64 = 40;
/// Everything is well again after so many turns: a back-off may last ten seconds.
const CALM_MOST: u64 = 12_000;

type Published = HashMap<(Slot, BlockIndex), Vec<(u32, u64, u64)>>;

pub struct World {
    pub log: Arc<View<LogRegion>>,
    pub slots: Arc<View<SlotsRegion>>,
    pub slots_memory: Memfd,
    regions: Regions,
    processes: Vec<Process>,
    selector: Selector,
    sequencer: CommandSequencer,
    claims: ClaimCheck,
    supervision: Supervision,
    divergence: DivergenceDetector,
    pending: Option<(Slot, Slot, u32)>,
    events: Vec<Event>,
    now_ns: u64,
    next_pid: u32,
    standstill: u64,
    replicas: usize,
    /// Who was accepted, and not disowned since.
    accepted: [Vec<u32>; SLOTS],
    published: Published,
}

impl World {
    pub fn new(replicas: usize) -> Self {
        let [log, slots_memory, ledger] =
            [LogRegion::create(), SlotsRegion::create(), LedgerRegion::create()]
                .map(|memory| memory.expect("memory"));
        let regions = Regions::map(&log, &slots_memory, &ledger).expect("memory");
        Self {
            log: regions.log.clone(),
            slots: regions.slots.clone(),
            slots_memory,
            regions,
            processes: Vec::new(),
            selector: Selector::default(),
            sequencer: CommandSequencer::new(WAITING),
            claims: ClaimCheck::default(),
            supervision: Supervision::new(Settings::for_replicas(replicas)),
            divergence: DivergenceDetector::default(),
            pending: None,
            events: Vec::new(),
            now_ns: 1_000_000,
            next_pid: 100,
            standstill: 0,
            replicas,
            accepted: Default::default(),
            published: HashMap::new(),
        }
    }

    /// Until all replicas are there.
    pub fn begin(&mut self) {
        for _ in 0..40 {
            self.turn();
        }
        assert!(self.supervision.is_redundant(), "the world does not begin");
    }

    /// The wild are left to themselves: everything must be well again.
    pub fn calm_down(&mut self) {
        let mut well = 0;
        for _ in 0..CALM_MOST {
            let gaps = self.selector.counts().gap_blocks;
            self.turn();
            let is_well = self.supervision.is_redundant()
                && self.selector.counts().gap_blocks == gaps
                && self.processes.iter().filter(|it| it.position.slot < SLOTS).count()
                    == self.replicas;
            well = if is_well { well + 1 } else { 0 };
            if well == 60 {
                return;
            }
        }
        panic!(
            "nothing is well again: {:?}",
            (0..PLACES).map(|place| self.supervision.role(place)).collect::<Vec<_>>()
        );
    }

    /// One turn of the supervisor, between two of which everybody does what is due.
    pub fn turn(&mut self) {
        self.now_ns += TURN_NS;
        self.seal_due();
        self.work();
        self.watch();
        self.work();
        self.play();
    }

    pub fn processes_in(&mut self, place: Slot) -> impl Iterator<Item = &mut Process> {
        self.processes.iter_mut().filter(move |process| process.position.slot == place)
    }

    pub fn die(&mut self, place: Slot, death: Death) {
        self.processes_in(place).for_each(|process| process.death = Some(death));
    }

    /// Many commands at once.
    pub fn flood(&mut self, count: u8) {
        let frame = self.sequencer.first_open_frame();
        for number in 0..u64::from(count) * 8 {
            let payload = Command::Gate { module: Handle(1), on: true }.encode();
            let _ = self.sequencer.submit(frame + number % 200, payload);
        }
    }

    /// A wild worker does for once what it should.
    pub fn behave(&mut self, place: Slot) {
        let Some(index) = self.processes.iter().position(|it| it.position.slot == place) else {
            return;
        };
        self.step(index);
    }

    /// The number of the order that a worker has.
    pub fn order_number(&self, place: Slot) -> u32 {
        self.log.board.order(place).number()
    }

    /// The pid of somebody, or of nobody.
    pub fn some_pid(&self, choice: u8) -> u32 {
        let somebody = self.processes.get(usize::from(choice) % (self.processes.len() + 2));
        somebody.map_or(u32::from(choice), |process| process.pid)
    }

    /// Notes a block that was published whole.
    pub fn note_published(&mut self, slot: Slot, block: BlockIndex, label: (u32, u64, u64)) {
        self.published.entry((slot, block)).or_default().push(label);
    }

    fn work(&mut self) {
        for _ in 0..STEPS_MOST {
            let mut any = false;
            for index in (0..self.processes.len()).rev() {
                let process = &self.processes[index];
                any |= process.death.is_none() && !process.is_wild && self.step(index);
            }
            if !any {
                break;
            }
        }
    }

    fn step(&mut self, index: usize) -> bool {
        let (log, slots) = (self.log.clone(), self.slots.clone());
        let process = &mut self.processes[index];
        let (slot, number) = (process.position.slot, process.position.incarnation);
        match process.step(&log, &slots, self.next_pid, self.now_ns) {
            Did::Nothing => return false,
            Did::Other => {}
            Did::Published(block, version, hash) => {
                self.note_published(slot, block, (number, version, hash));
            }
            Did::Forked(child) => {
                self.next_pid += 1;
                self.processes.push(*child);
            }
        }
        true
    }

    fn rendered(&self, place: Slot) -> BlockIndex {
        self.claims.rendered_now(place, &self.log, &self.slots)
    }

    fn seal_due(&mut self) {
        if !self.supervision.has_begun() {
            return;
        }
        let readers = (0..PLACES).filter(|place| self.supervision.is_reader(*place));
        let slowest = readers.map(|place| self.rendered(place)).min().unwrap_or(BlockIndex::MAX);
        let slowest = slowest.min(self.sequencer.next_block());
        let at_work = (0..SLOTS).filter(|slot| self.supervision.is_live(*slot));
        let worker = at_work.map(|slot| self.rendered(slot)).min().unwrap_or(u64::MAX / 2);
        let target = (self.selector.next_block() + LEAD_BLOCKS)
            .min(slowest + SEALS as u64 - 16)
            .min(worker + RING_BLOCKS as u64 - 16);
        let before = self.sequencer.next_block();
        while self.sequencer.next_block() < target {
            let mut log = LogWriter {
                head: &self.log.board.head,
                entries: &self.log.entries,
                slowest_reader: self.log.position_after(slowest).unwrap_or(0),
            };
            let seal = self.sequencer.seal_next(&mut log, |_| {});
            self.log.board.seal(&self.log.seals, seal);
        }
        let stands = self.sequencer.next_block() == before;
        self.standstill = if stands { self.standstill + 1 } else { 0 };
        self.ring();
    }

    fn ring(&self) {
        self.log.board.release(self.rendered(self.log.board.primary()));
    }

    fn watch(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        self.collect(&mut events);
        let said = self.claims.hear(&self.log, &self.slots);
        for (slot, impossible) in said.iter().enumerate() {
            if impossible.is_some() {
                let is_honest = |it: &&Process| it.position.slot == slot && !it.is_wild;
                let honest = self.processes.iter().find(is_honest);
                let wild = self.processes.iter().any(|it| it.position.slot == slot && it.is_wild);
                assert!(
                    wild || honest.is_none(),
                    "an honest worker is not believed: {impossible:?}"
                );
                events.push(Event::Discredited { slot });
            }
        }
        if let Some(slot) = self.compare() {
            events.push(Event::Diverged { slot });
        }
        let slots = self.slots.clone();
        let view = supervision::View {
            sealed: self.log.board.sealed(),
            released: self.log.board.released(),
            claimed: self.claims.claimed(),
            rendered: self.claims.rendered(),
            proven: std::array::from_fn(|slot| self.divergence.has_vote(slot)),
            renew_before: 0,
            useless_before: self.useless_before(),
            cpu_ns: &|_| Some(0),
            cpu_now_ns: &|_| Some(0),
            asleep: &|_| false,
            crumb: &|slot| slots.slots[slot].board.breadcrumb.read(),
            blind: false,
        };
        let mut actions = Vec::new();
        for event in events {
            self.supervision.handle(event, &view, &mut actions);
        }
        self.supervision.look(self.now_ns, &view, &mut actions);
        for action in actions {
            self.act(action);
        }
        let has_vote =
            |slot: &Slot| self.supervision.is_live(*slot) && self.divergence.has_vote(*slot);
        let voters = (0..SLOTS).filter(has_vote).fold(0_u32, |voters, slot| voters | 1 << slot);
        self.regions.ledger.playback.voters.store(voters, Ordering::Relaxed);
    }

    fn collect(&mut self, events: &mut Vec<Event>) {
        if let Some((forker, _, number)) = self.pending
            && let Some(answer) = self.slots.slots[forker].board.fork_answer(number)
        {
            self.pending = None;
            let mut unknown = self.processes.iter_mut().filter(|process| !process.is_known);
            events.push(match answer {
                ForkAnswer::Child(pid) => match unknown.find(|process| process.pid == pid) {
                    Some(child) => {
                        child.is_known = true;
                        Event::Forked { number }
                    }
                    None => Event::Discredited { slot: forker },
                },
                ForkAnswer::Failed(errno) if unknown.next().is_none() => {
                    Event::ForkFailed { number, errno }
                }
                ForkAnswer::Failed(_) => Event::Discredited { slot: forker },
            });
        }
        let slots = self.slots.clone();
        self.processes.retain(|process| {
            let Some(death) = process.death.filter(|_| process.is_known) else {
                return process.death.is_none();
            };
            let slot = process.position.slot;
            let crumb = slots.slots[slot].board.breadcrumb.read();
            events.push(Event::Exited { slot, death, crumb });
            false
        });
    }

    fn compare(&mut self) -> Option<Slot> {
        let reference = self.supervision.primary()?;
        let (finished, numbers) = (self.claims.rendered(), self.claims.claimed());
        let rendered =
            std::array::from_fn(|slot| self.supervision.is_live(slot).then_some(finished[slot]));
        let amendments = self.log.commit_point.standing().amendments;
        let (log, slots) = (&self.log, &self.slots);
        let mut samples = [0.0; BLOCK_SAMPLES];
        let found = self.divergence.compare(reference, &rendered, |slot, block| {
            let version = log.version_of(block, amendments)?;
            let is_its_own = |number| number == numbers[slot];
            let ring = &slots.slots[slot].ring;
            match block_ring::read(ring, block, version, is_its_own, &mut samples) {
                Read::Taken(hash) => Some(hash),
                Read::Absent | Read::Refused => None,
            }
        });
        Some(found?.differs)
    }

    fn useless_before(&self) -> BlockIndex {
        let (head, sealed) = (self.sequencer.log_position(), self.sequencer.next_block());
        let rendered = self.claims.rendered();
        let holds_up = |block: &BlockIndex| {
            let entry = self.log.position_after(*block).unwrap_or(0);
            head.saturating_sub(entry) > LOG_ENTRIES as u64 / 2
                || sealed.saturating_sub(*block) > SEALS as u64 / 2
        };
        rendered[SLOTS..].iter().copied().filter(holds_up).map(|it| it + 1).max().unwrap_or(0)
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Promote(slot) => {
                self.log.board.release(self.rendered(slot));
                self.log.board.promote(slot);
                self.ring();
            }
            Action::Accept { slot, number } => {
                self.regions.ledger.playback.accepted[slot].accept(number);
                self.divergence.forget(slot);
                self.accepted[slot].push(number);
            }
            Action::Disown(slot) => {
                self.regions.ledger.playback.accepted[slot].disown();
                self.accepted[slot].clear();
            }
            Action::Fence(slot) => self.die(slot, Death::Killed),
            Action::Fork { forker, into, number } => {
                self.claims.expect(into, number, self.claims.rendered()[forker]);
                self.pending = Some((forker, into, number));
                self.log.board.give_order(forker, Order::Fork { into, number });
            }
            Action::FindChild { number, into } => {
                self.pending = None;
                let mut orphans = self.processes.iter_mut().filter(|it| !it.is_known);
                let orphan = orphans.find(|it| it.position.slot == into);
                let event = if orphan.is_some() {
                    Event::Forked { number }
                } else {
                    Event::NoChild { number }
                };
                if let Some(orphan) = orphan {
                    orphan.is_known = true;
                }
                self.events.push(event);
            }
            Action::Spawn { slot, number, .. } => self.spawn(slot, number),
            Action::Thaw { from, into, number } => self.thaw(from, into, number),
            Action::Amend { block, culprit, .. } => self.amend(block, culprit),
            Action::Distrust(_) | Action::Withdraw { .. } | Action::Report(_) => {}
        }
    }

    fn spawn(&mut self, slot: Slot, number: u32) {
        let (block, log_position) = (self.sequencer.next_block(), self.sequencer.log_position());
        self.claims.expect(slot, number, block);
        let position = Position {
            slot,
            incarnation: number,
            next_block: block,
            log_position,
            amended: self.log.commit_point.standing().amendments,
            obeyed: self.log.board.order(slot).number(),
            blocks_since_order: 0,
        };
        self.next_pid += 1;
        self.processes.push(Process {
            pid: self.next_pid - 1,
            position,
            ramp: Ramp::starting_at(block, 0),
            is_wild: false,
            is_known: true,
            has_claimed: false,
            death: None,
        });
    }

    fn thaw(&mut self, from: Slot, into: Slot, number: u32) {
        self.claims.expect(into, number, self.claims.rendered()[from]);
        self.log.board.give_order(from, Order::Thaw { into, number });
        // The supervisor knows it by its new place from here on; one that is wild never goes there.
        let log = self.log.clone();
        for process in self.processes_in(from) {
            process.position =
                process.position.of_child(into, number, &super::process::Boards(&log));
            process.has_claimed = false;
        }
    }

    fn amend(&mut self, block: BlockIndex, culprit: Culprit) {
        let change = match culprit {
            Culprit::Module(module) if module < MODULES => {
                Change::Insert(Command::Bypass { module: Handle(module) }.encode())
            }
            Culprit::Command { sequence } if self.log.holds(block, sequence) => {
                Change::Withhold { sequence }
            }
            _ => return,
        };
        let commit_point = &self.log.commit_point;
        let last = commit_point.standing().amendments.checked_sub(1);
        if let Some(last) = last.map(|last| commit_point.amendment(last).expect("it is kept")) {
            assert!(last.block <= block, "amendments must ascend");
        }
        let _ = commit_point.amend(Amendment { number: 0, block, change });
    }

    /// The device takes a block. What it plays was published whole, by an accepted worker, in the right version.
    fn play(&mut self) {
        assert!(self.standstill <= STANDSTILL_MOST, "sealing stands still");
        let regions = self.regions.clone();
        let accepted = Accepted(&regions);
        let mut out = [f32::NAN; BLOCK_FRAMES * 2];
        let before = self.selector.clone();
        let mut selected = None;
        self.selector.fill(&mut out, &accepted, |it| selected = Some(it));
        assert!(out.iter().all(|sample| sample.is_finite()), "a sample is not finite");
        let Some(Selected::Played(block, slot)) = selected else { return };
        let amendments = self.log.commit_point.standing().amendments;
        let version = self.log.version_of(block, amendments).expect("what is played is sealed");
        let fades_in = before.counts().gap_blocks > 0 && before.counts() != self.selector.counts();
        let known = self.published.get(&(slot, block)).map(Vec::as_slice).unwrap_or_default();
        let is_right = |(number, of, hash): &(u32, u64, u64)| {
            self.accepted[slot].contains(number)
                && *of == version
                && (fades_in || *hash == block_hash(block, &out))
        };
        assert!(known.iter().any(is_right), "block {block} of slot {slot} was not to be played");
        self.published.retain(|(_, other), _| other.saturating_add(2 * RING_BLOCKS as u64) > block);
    }
}
