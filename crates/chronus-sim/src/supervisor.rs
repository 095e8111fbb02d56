//! The supervisor of the world: in each turn it does what the real one does, in the same order.

use chronus_replication::amendment::version;
use chronus_replication::blame::{Cause, Crumb, Place};
use chronus_replication::restart::Death;
use chronus_replication::supervision::{Action, Event, View};
use chronus_replication::{BLOCK_FRAMES, BlockIndex, Entry, PLACES, SLOTS, Slot};

use crate::Mutation;
use crate::boards::{Answer, LOG_ENTRIES, RING_BLOCKS, SEALS};
use crate::oracle::divergence::{self, Bits};
use crate::oracle::{liveness::Liveness, one_process, single_primary};
use crate::process::Process;
use crate::rack::Deed;
use crate::world::{BLOCK_NS, World};

/// Blocks the workers are ahead of the device.
pub(crate) const LEAD_BLOCKS: u64 = 4;
/// Everybody looks around this often, whether or not there seems to be anything to do.
const TICK_NS: u64 = 100_000_000;

impl World {
    /// One turn of the supervisor.
    pub(crate) fn turn(&mut self) {
        if self.is_orphaned {
            self.take_over();
        }
        self.supervisor_ns = self.now + BLOCK_NS;
        if self.now >= self.tick_ns {
            self.tick_ns = self.now + TICK_NS;
            self.ring();
        }
        self.take_commands();
        self.seal_due();
        for action in std::mem::take(&mut self.put_off) {
            self.act(action);
        }
        let (mut actions, mut late) = (Vec::new(), Vec::new());
        let mut events = std::mem::take(&mut self.events);
        self.collect_events(&mut events);
        events.extend(self.compare());
        for event in &events {
            self.note(event);
        }
        let died: Vec<Crumb> = events.iter().filter_map(died_of_itself).collect();
        self.look(events, &mut actions);
        if self.is_mutant(Mutation::SurvivedIsBlamed) {
            self.blame_survived(&died, &mut actions);
        }
        let dies_before = self.dies_before(&actions);
        for (number, action) in actions.into_iter().enumerate() {
            if Some(number) == dies_before && self.supervisor_dies() {
                self.note(&("dies acting", action));
                return;
            }
            self.note(&action);
            let is_amended = matches!(action, Action::Amend { .. });
            if is_amended && self.is_mutant(Mutation::AmendLate) {
                late.push(action);
                continue;
            }
            if is_amended && self.is_mutant(Mutation::BlamedAgain) {
                late.push(action);
            }
            self.act(action);
        }
        self.put_off = late;
        self.note_told();
        self.boards.voters = std::array::from_fn(|slot| {
            let is_proven =
                self.divergence.has_vote(slot) || self.is_mutant(Mutation::VoteOfUnproven);
            self.supervision.is_live(slot) && is_proven
        });
        self.check_turn();
        let next_ns = match self.supervision.look_again_in_ns() {
            _ if self.is_mutant(Mutation::LooksOnlyWhenKicked) => self.tick_ns,
            Some(in_ns) => self.supervisor_ns.min(self.now + in_ns),
            None => self.supervisor_ns,
        };
        self.supervisor_ns = next_ns.max(self.supervisor_not_before_ns);
    }

    /// Before which of its actions the supervisor dies, if it does.
    fn dies_before(&mut self, actions: &[Action]) -> Option<usize> {
        let only_decisive = self.armed.dies_deciding.filter(|_| !self.is_undisturbed())?;
        let is_decisive = |it: &Action| matches!(it, Action::Amend { .. } | Action::Distrust(_));
        let is_occasion = actions.iter().any(|it| match it {
            Action::Report(_) => false,
            action => !only_decisive || is_decisive(action),
        });
        if !is_occasion {
            return None;
        }
        self.armed.dies_deciding = None;
        Some(self.rng.between(0, actions.len() as u64) as usize)
    }

    fn take_commands(&mut self) {
        let ordinary = u64::from(self.rng.one_in(4));
        for _ in 0..ordinary + std::mem::take(&mut self.armed.burst) {
            let open = self.sequencer.first_open_frame();
            let frame = (open + self.rng.between(0, 8 * BLOCK_FRAMES as u64)).saturating_sub(128);
            let value = self.rng.between(1, 1000);
            self.submit(frame, Deed::Add(value));
        }
    }

    fn seal_due(&mut self) {
        let ahead = self.blocks_ahead();
        let (slowest_entry, slowest_block) = self.slowest_reader();
        let mut target = self.selector.next_block() + ahead;
        if !self.is_mutant(Mutation::SealsOverwritten) {
            target = target.min(slowest_block + SEALS as u64 - 16);
        }
        let before = self.sequencer.next_block();
        while self.sequencer.next_block() < target {
            self.boards.log.slowest_reader = slowest_entry;
            let mut entries: Vec<Entry> = Vec::new();
            let seal = self.sequencer.seal_next(&mut self.boards.log, |entry| entries.push(*entry));
            self.control_history.sealed(&entries);
            let waiting = self.sequencer.waiting();
            let verdict = self.oracles.total_order.sealed(seal, &entries, waiting);
            self.object("total order", verdict);
            self.oracles.journal.sealed(&entries);
            self.oracles.lockstep.sealed(seal.block, &entries);
            self.boards.seal(seal);
            self.trace(seal.log_position);
        }
        let finished = self.boards.slots[self.boards.primary].rendered;
        if self.sequencer.next_block() != before || finished > self.boards.released {
            self.ring();
        }
    }

    /// Blocks the workers shall be ahead of the device, which takes a whole period at once.
    pub(crate) fn blocks_ahead(&self) -> u64 {
        let extra = (self.period_frames.div_ceil(BLOCK_FRAMES) - 1) as u64;
        (LEAD_BLOCKS + extra).min(RING_BLOCKS as u64 - 16)
    }

    fn slowest_reader(&self) -> (u64, u64) {
        let mut slowest = (self.sequencer.log_position(), self.sequencer.next_block());
        for slot in (0..PLACES).filter(|slot| self.supervision.is_occupied(*slot)) {
            let board = &self.boards.slots[slot];
            let reader = if self.supervision.is_live(slot) {
                (board.log_position, board.rendered)
            } else {
                self.floors[slot]
            };
            slowest = (slowest.0.min(reader.0), slowest.1.min(reader.1));
        }
        slowest
    }

    /// Answers come before deaths: a forker may have answered and died.
    fn collect_events(&mut self, events: &mut Vec<Event>) {
        if let Some((number, into)) = self.sought
            && !self.is_blind()
        {
            self.sought = None;
            self.find_child(number, into);
            events.append(&mut self.events);
        }
        if let Some((forker, into, number)) = self.pending
            && !self.is_blind()
            && let Some((answered, answer)) = self.boards.slots[forker].answer
            && answered == number
        {
            self.pending = None;
            events.push(match answer {
                Answer::Child(pid) => {
                    self.children[into] = Some(pid);
                    Event::Forked { number }
                }
                Answer::Failed(_) if self.is_mutant(Mutation::ForkFailureUntold) => {
                    Event::NoChild { number }
                }
                Answer::Failed(errno) => Event::ForkFailed { number, errno },
            });
            if matches!(answer, Answer::Failed(_)) {
                let verdict = self.oracles.restart_bounds.failed(self.told_ns());
                self.object("restart bounds", verdict);
            }
        }
        for slot in 0..PLACES {
            let Some(pid) = self.children[slot] else { continue };
            let found = self.processes.iter().position(|it| it.pid == pid && !it.alive);
            let Some(index) = found else { continue };
            let process = self.processes.swap_remove(index);
            self.children[slot] = None;
            let crumb = self.boards.slots[slot].crumb;
            if process.death != Death::Killed && process.claimed && process.kill_at_ns.is_none() {
                self.told.push(crumb);
            }
            if process.death != Death::Killed && !process.claimed {
                let verdict = self.oracles.restart_bounds.crashed_young(self.told_ns());
                self.object("restart bounds", verdict);
            }
            let death = match process.death {
                Death::Killed if self.is_mutant(Mutation::KilledAreBlamed) => {
                    Death::OfItself(Cause::Signal(9))
                }
                Death::OfItself(_)
                    if !process.claimed && self.is_mutant(Mutation::YoungCrashesForgiven) =>
                {
                    Death::Killed
                }
                death => death,
            };
            if !self.is_mutant(Mutation::DeathsUntold) {
                events.push(Event::Exited { slot, death, crumb: self.told_crumb(crumb) });
            }
        }
    }

    fn told_crumb(&self, crumb: Crumb) -> Crumb {
        let off = u64::from(self.is_mutant(Mutation::CrumbsOfAnotherBlock));
        Crumb { block: crumb.block + off, ..crumb }
    }

    /// Who begins a block from now on must not come to grief by what supervision knows of.
    fn note_told(&mut self) {
        for Crumb { block, place } in std::mem::take(&mut self.told) {
            if !matches!(place, Place::Elsewhere) {
                self.oracles.blame.told(block, place, self.now);
            }
        }
    }

    fn compare(&mut self) -> Option<Event> {
        let reference = self.supervision.primary()?;
        let boards = &self.boards;
        let rendered = std::array::from_fn(|slot| {
            self.supervision.is_live(slot).then(|| boards.slots[slot].rendered)
        });
        let found = self
            .divergence
            .compare(reference, &rendered, |slot, block| boards.hash_of(slot, block));
        let found = found?;
        let mut slot = found.differs;
        if self.is_mutant(Mutation::DivergenceMistaken) {
            slot = found.reference;
        }
        let bits = |slot: Slot| self.bits_of(slot, found.block);
        let has_vote = |slot: &Slot| self.divergence.has_vote(*slot);
        let voters: Vec<Bits> = (0..SLOTS).filter(has_vote).filter_map(bits).collect();
        let trusted = if slot == found.reference { found.differs } else { found.reference };
        let verdict = divergence::named(found.block, (slot, bits(slot)), bits(trusted), &voters);
        self.object("divergence", verdict);
        self.report.divergences += 1;
        (!self.is_mutant(Mutation::DivergenceUntold)).then_some(Event::Diverged { slot })
    }

    /// What a slot has of a block, as the world knows it.
    fn bits_of(&self, slot: Slot, block: BlockIndex) -> Option<Bits> {
        let board = &self.boards.slots[slot];
        let entry = board.entry(block).filter(|entry| entry.incarnation == board.claimed)?;
        let amended = self.boards.amendments_of(block, self.boards.amendments.len() as u64);
        let seal = self.boards.seal_of(block)?;
        Some(match entry.tainted {
            true => Bits::Wrong,
            false if entry.version != version(seal, amended) => Bits::Outdated,
            false => Bits::Right,
        })
    }

    fn look(&mut self, events: Vec<Event>, actions: &mut Vec<Action>) {
        let (now, processes, children) = (self.now, &self.processes, &self.children);
        let crumbs: [Crumb; PLACES] =
            std::array::from_fn(|slot| self.told_crumb(self.boards.slots[slot].crumb));
        let starved_looks_busy = self.is_mutant(Mutation::StarvedLooksBusy);
        let cpu = |slot: Slot| {
            let pid = children[slot]?;
            if starved_looks_busy {
                return Some(now);
            }
            processes.iter().find(|process| process.pid == pid).map(|found| found.cpu_ns(now))
        };
        let lateness_unseen = self.is_mutant(Mutation::LatenessUnseen);
        let claimed_by_order = self.is_mutant(Mutation::ClaimedByOrder);
        let view = View {
            sealed: self.boards.sealed,
            released: self.boards.released,
            claimed: std::array::from_fn(|slot| match self.boards.slots[slot].claimed {
                _ if claimed_by_order && children[slot].is_some() => self.numbers[slot],
                claimed => claimed,
            }),
            rendered: std::array::from_fn(|slot| match self.boards.slots[slot].rendered {
                _ if lateness_unseen && slot < SLOTS => self.boards.sealed,
                rendered => rendered,
            }),
            proven: std::array::from_fn(|slot| {
                let is_unsaid = self.is_mutant(Mutation::NobodyIsSentAhead) && self.primary_loops();
                let is_proven = self.divergence.has_vote(slot) && !is_unsaid;
                is_proven || self.is_mutant(Mutation::ForkOfUnproven)
            }),
            renew_before: 0,
            useless_before: self.useless_before(),
            cpu_ns: &cpu,
            cpu_now_ns: &cpu,
            asleep: &|_| false,
            crumb: &|slot| crumbs[slot],
            blind: now < self.armed.blind_until_ns && !self.is_mutant(Mutation::BlindnessPunished),
        };
        for event in events {
            self.supervision.handle(event, &view, actions);
        }
        let fast = self.scenario.mutation == Some(Mutation::IntensityClockFast);
        let told_ns = if fast { now * 100 } else { self.clock.told_ns(now) };
        if self.scenario.mutation == Some(Mutation::PatienceByTheClock) {
            // As if it had looked all the while.
            let missed = (self.looked_ns..told_ns).step_by(2_000_000).take(100);
            for told_ns in missed {
                self.supervision.look(told_ns, &view, actions);
            }
        }
        (self.looked_ns, self.clock.has_jumped) = (told_ns, false);
        self.supervision.look(told_ns, &view, actions);
    }

    fn primary_loops(&self) -> bool {
        let leads = |it: &&Process| it.position.slot == self.boards.primary;
        self.processes.iter().filter(leads).any(|it| it.runaway_since_ns.is_some())
    }

    /// A culprit is found in a block that somebody survived (a planted bug).
    fn blame_survived(&self, died: &[Crumb], actions: &mut Vec<Action>) {
        for crumb in died {
            let block = crumb.block;
            let is_survived = (0..SLOTS).any(|slot| {
                self.supervision.is_live(slot) && self.boards.slots[slot].rendered > block
            });
            let known = &self.boards.amendments;
            if let Some(culprit) = crumb.culprit()
                && let Some(change) = Self::change_for(culprit)
                && is_survived
                && !known.iter().any(|it| (it.block, it.change) == (block, change))
            {
                actions.insert(0, Action::Amend { block, culprit, cause: Cause::Signal(11) });
            }
        }
    }

    /// As in the real supervisor: a checkpoint must not hold up the log.
    pub(crate) fn useless_before(&self) -> BlockIndex {
        let (head, sealed) = (self.sequencer.log_position(), self.sequencer.next_block());
        let holds_up = |place: &Slot| {
            let (entry, block) = self.floors[*place];
            head.saturating_sub(entry) > LOG_ENTRIES as u64 / 2
                || sealed.saturating_sub(block) > SEALS as u64 / 2
        };
        let stale = (SLOTS..PLACES).filter(holds_up);
        stale.map(|place| self.boards.slots[place].rendered + 1).max().unwrap_or(0)
    }

    fn check_turn(&mut self) {
        let primary = self.supervision.primary();
        // A death that is not reaped yet is not known to anybody.
        let at_work = |slot| self.supervision.is_live(slot) && self.children[slot].is_some();
        let verdict = single_primary::check(primary, self.boards.primary, at_work);
        self.object("single primary", verdict);
        let redundant = self.supervision.is_redundant() && self.is_really_redundant();
        let verdict = self.oracles.liveness.check(self.now, redundant);
        self.object("liveness", verdict);
        for index in 0..self.processes.len() {
            let process = &self.processes[index];
            let (slot, pid) = (process.position.slot, process.pid);
            if !self.children.contains(&Some(pid)) {
                // As long as it can't be looked, nobody can know it.
                let since_ns = process.born_ns.max(self.armed.blind_until_ns);
                let unknown_ns = self.now.saturating_sub(since_ns);
                self.object("one process", one_process::known(slot, unknown_ns));
            }
        }
        for place in SLOTS..PLACES {
            if self.supervision.role(place) == "checkpoint" {
                let verdict = self.oracles.checkpoints.kept(place, self.numbers[place]);
                self.object("checkpoints", verdict);
            }
        }
        self.check_tainted(primary);
        self.check_checkpoints(redundant);
        self.note_safety();
    }

    /// Wrong bits show when two render: a standby's if the primary is right, the primary's if it is outvoted. In
    /// a checkpoint they show only once it is thawed. A vote waits for all who have one; while the clock stands
    /// still nobody who is held up is given up, so it may wait for as long.
    fn check_tainted(&mut self, primary: Option<Slot>) {
        let now = self.now;
        let leads = |it: &&Process| Some(it.position.slot) == primary;
        let is_right = |it: &Process| it.tainted_since_ns.is_none();
        let leader = self.processes.iter().find(leads);
        let can_tell = now >= self.clock.stands_until_ns;
        let shows_standbys = can_tell && leader.is_some_and(|it| is_right(it) && !it.is_stuck(now));
        let shows_primary = can_tell && self.is_outvoted(is_right);
        let (mut unnoticed, children) = (None, self.children);
        for process in self.processes.iter_mut().filter(|it| it.alive) {
            let slot = process.position.slot;
            let shows = if Some(slot) == primary { shows_primary } else { shows_standbys };
            // Nothing is played of one that nobody knows yet.
            let is_known = children.contains(&Some(process.pid));
            let is_compared =
                shows && is_known && !process.is_stuck(now) && !process.position.is_checkpoint();
            match &mut process.tainted_since_ns {
                Some(since) if is_compared => {
                    unnoticed = unnoticed.max(Some((now.saturating_sub(*since), slot)));
                }
                Some(since) => *since = now,
                None => {}
            }
        }
        if let Some((tainted_ns, slot)) = unnoticed {
            self.object("liveness", Liveness::tainted(slot, tainted_ns));
        }
    }

    /// Whether those that are wrong are outvoted: of those who have a vote most are right.
    fn is_outvoted(&self, is_right: impl Fn(&Process) -> bool) -> bool {
        let workers = self.processes.iter().filter(|it| it.alive && !it.position.is_checkpoint());
        let voters = workers.filter(|it| self.boards.voters[it.position.slot]);
        let (right, wrong): (Vec<_>, Vec<_>) = voters.partition(|it| is_right(it));
        right.len() > wrong.len()
    }

    /// With two replicas and more a standby renews checkpoints, unless somebody is in trouble.
    fn check_checkpoints(&mut self, redundant: bool) {
        let is_there = |process: &&Process| {
            let slot = process.position.slot;
            process.alive && process.claimed && self.children[slot] == Some(process.pid)
        };
        let checkpoints = self.processes.iter().filter(|it| it.position.is_checkpoint());
        let newest_ns = checkpoints.filter(is_there).map(|process| process.born_ns).max();
        let newest_ns = newest_ns.map(|born_ns| born_ns.max(self.taken_over_ns));
        let is_well = redundant
            && self.scenario.mix.replicas >= 2
            && !self.oracles.liveness.is_excused(self.now)
            && !self.processes.iter().any(|it| it.is_stuck(self.now) || it.is_corrupt(self.now));
        let verdict = self.oracles.checkpoints.check(self.now, newest_ns, is_well);
        self.object("checkpoints", verdict);
    }

    /// Redundant in fact: enough processes that claimed their slots, live and are known.
    fn is_really_redundant(&self) -> bool {
        let is_known = |p: &&Process| self.children[p.position.slot] == Some(p.pid);
        let workers = self.processes.iter().filter(|p| !p.position.is_checkpoint());
        let live = workers.filter(|p| p.alive && p.claimed).filter(is_known);
        live.count() >= self.scenario.mix.replicas
    }
}

/// What a worker was at that died of its own doing.
fn died_of_itself(event: &Event) -> Option<Crumb> {
    match *event {
        Event::Exited { death: Death::OfItself(_), crumb, .. } => Some(crumb),
        _ => None,
    }
}
