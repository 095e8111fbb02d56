//! How a worker of the world renders a block: with its amendments and its commands, to its end or to grief.

use chronus_replication::amendment::{Change, version};
use chronus_replication::blame::{Cause, Crumb, Place};
use chronus_replication::restart::Death;
use chronus_replication::{BLOCK_SAMPLES, Block, BlockIndex, Entry, Payload};

use crate::oracle::blame::Look;
use crate::oracle::total_order::TotalOrder;
use crate::process::{DOOMED_NS, Doing};
use crate::rack::{Grief, Harm, MODULES};
use crate::world::World;
use crate::{Mutation, Spacing};

/// With what a worker ends itself that rendered on before it knew of an amendment, as the real one does.
const OUTDATED: i32 = 40;

/// A block in the making.
#[derive(Debug)]
pub(crate) struct Work {
    seal: u64,
    samples: Block,
    outcome: Result<(), Grief>,
    begun_ns: u64,
    /// It crashes by itself in a module, which is innocent.
    crashes: bool,
}

/// Who begins this block as the primary, except the one who was in it, is held up for so long and then
/// crashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ambush {
    pub(crate) block: BlockIndex,
    pub(crate) except: u64,
    pub(crate) delay_ns: u64,
}

impl World {
    pub(crate) fn begin_block(&mut self, index: usize, block: BlockIndex) {
        let Some(seal) = self.boards.seal_of(block) else {
            self.object("total order", Err(format!("the seal of block {block} is gone")));
            return;
        };
        let Some((inserted, withheld)) = self.take_amendments(index, block) else { return };
        let mut entries: Vec<Entry> = Vec::new();
        for sequence in self.processes[index].position.log_position..seal {
            let entry = self.boards.log.read(sequence);
            self.object("total order", TotalOrder::read(sequence, block, entry.as_ref()));
            let Some(entry) = entry else { return };
            let skips = self.is_mutant(Mutation::WorkerSkipsCommand) && self.rng.one_in(200);
            if !skips && !withheld.contains(&sequence) {
                entries.push(entry);
            }
        }
        let place = self.somewhere(index, &entries);
        let mut takes_ns = self.rendering_ns();
        let mut samples = [0.0; BLOCK_SAMPLES];
        let process = &mut self.processes[index];
        let outcome = process.rack.render(&inserted, &entries, &mut samples, |_| false);
        self.boards.slots[process.position.slot].crumb = Crumb { block, place };
        let leads = process.position.slot == self.boards.primary;
        if leads {
            // Who was to be met has got away.
            self.armed.ambush.take_if(|ambush| ambush.block < block);
        }
        let ambush = self.armed.ambush.take_if(|ambush| {
            leads && ambush.block == block && ambush.except != process.pid && outcome.is_ok()
        });
        let begun_ns = self.now;
        let crashes = ambush.is_some();
        process.work = Some(Box::new(Work { seal, samples, outcome, begun_ns, crashes }));
        process.doing = Doing::Rendering(block);
        // Who is held up uses no time.
        process.cpu_ns += takes_ns;
        takes_ns += ambush.map_or(0, |ambush| ambush.delay_ns);
        process.ready_ns = begun_ns + takes_ns;
    }

    /// What the amendments of a block insert and withhold; `None` if the worker ends itself, because it has
    /// rendered an amended block as it was.
    fn take_amendments(
        &mut self,
        index: usize,
        block: BlockIndex,
    ) -> Option<(Vec<Payload>, Vec<u64>)> {
        let (mut inserted, mut withheld) = (Vec::new(), Vec::new());
        let known = self.boards.amendments.len() as u64;
        let is_late = self.processes[index].position.amended + 1 < known
            || self.boards.sealed > block + crate::supervisor::LEAD_BLOCKS + 4;
        if self.is_mutant(Mutation::AmendmentsForgotten) && is_late {
            self.processes[index].position.amended = known;
        }
        while self.processes[index].position.amended < known {
            let number = self.processes[index].position.amended;
            let amendment = self.boards.amendments[number as usize];
            if amendment.block > block {
                break;
            }
            if amendment.block < block && !self.is_mutant(Mutation::OutdatedGoesOn) {
                self.report.outdated += 1;
                self.oracles.liveness.excuse_until(self.now);
                self.risk_of_losing(index, "the last healthy replica is outdated");
                self.die(index, Death::OfItself(Cause::Status(OUTDATED)));
                return None;
            }
            match amendment.change {
                Change::Insert(payload) => inserted.push(payload),
                Change::Withhold { sequence } => withheld.push(sequence),
            }
            self.processes[index].position.amended += 1;
        }
        Some((inserted, withheld))
    }

    /// Where a worker may be seen while it renders.
    fn somewhere(&mut self, index: usize, entries: &[Entry]) -> Place {
        let module = self.rng.between(0, u64::from(MODULES)) as u32;
        let rack = &self.processes[index].rack;
        match self.rng.between(0, 8) {
            0 => Place::Elsewhere,
            1 if !entries.is_empty() => Place::Command { sequence: entries[0].sequence },
            _ if rack.is_bypassed(module) => Place::Elsewhere,
            _ => Place::Module(module),
        }
    }

    pub(crate) fn finish_block(&mut self, index: usize, block: BlockIndex) {
        let Some(work) = self.processes[index].work.take() else { return };
        if let Err(grief) = work.outcome {
            self.come_to_grief(index, block, grief, work.begun_ns);
            return;
        }
        if work.crashes {
            self.crash(index);
            return;
        }
        let Work { seal, mut samples, .. } = *work;
        let process = &mut self.processes[index];
        let slipped = std::mem::take(&mut process.slip);
        if slipped {
            process.doomed_until_ns = self.now + DOOMED_NS;
            samples[5] += 1.0;
            if let Some((_, unseen)) =
                self.armed.unseen.as_mut().filter(|(by, _)| *by == process.pid)
            {
                *unseen = block;
            }
        }
        let tainted = slipped || process.tainted_since_ns.is_some();
        let (pid, position) = (process.pid, process.position);
        let version = version(seal, position.amended);
        let board = &mut self.boards.slots[position.slot];
        let hash = board.publish(block, version, position.incarnation, &samples, tainted);
        board.crumb = Crumb { block, place: Place::Elsewhere };
        if !tainted {
            let (slot, amended) = (position.slot, position.amended);
            let verdict = self.oracles.lockstep.rendered(slot, block, amended, hash);
            self.object("lockstep", verdict);
        }
        self.trace(hash ^ self.now ^ position.slot as u64);
        if self.armed.untold.take_if(|untold| *untold == pid).is_some() {
            let delay_ns = self.rng.between(4_000_000, 10_000_000);
            self.armed.ambush = Some(Ambush { block, except: pid, delay_ns });
            self.processes[index].doing = Doing::Deciding;
            self.die(index, Death::Killed);
            return;
        }
        let board = &mut self.boards.slots[position.slot];
        board.log_position = seal;
        board.rendered = block + 1;
        let process = &mut self.processes[index];
        process.position.finish_block(seal, &self.boards);
        process.doing = Doing::Deciding;
        process.ready_ns = self.now + 1_000;
    }

    /// The block was planted to do harm, and does.
    fn come_to_grief(&mut self, index: usize, block: BlockIndex, grief: Grief, begun_ns: u64) {
        let Grief { place, harm } = grief;
        let slot = self.processes[index].position.slot;
        self.boards.slots[slot].crumb = Crumb { block, place };
        self.note(&("grief", slot, block, grief));
        self.report.griefs += 1;
        let verdict = self.oracles.blame.grieved(block, place, begun_ns);
        self.object("blame", verdict);
        self.risk_of_losing(index, "an input brought the last healthy replica to grief");
        if harm != Harm::Crash && self.scenario.mix.spacing != Spacing::Survivable {
            self.oracles.no_gap.risk("an input holds up whoever takes it");
        }
        let is_late = self.now >= self.armed.undisturbed_until_ns;
        if std::mem::take(&mut self.armed.kill_with_grief) && !is_late {
            let is_other = |pid: u64| pid != self.processes[index].pid;
            let other = self.processes.iter().position(|it| it.alive && is_other(it.pid));
            if let Some(other) = other {
                self.oracles.no_gap.risk("an innocent is killed with the victim of an input");
                self.die(other, Death::Killed);
            }
        }
        let (now, process) = (self.now, &mut self.processes[index]);
        match harm {
            Harm::Crash => {
                process.doing = Doing::Deciding;
                self.oracles.liveness.excuse_until(now);
                self.die(index, Death::OfItself(Cause::Signal(11)));
            }
            Harm::Loop => process.runaway_since_ns = Some(now),
            Harm::Sleep => process.stopped_until_ns = u64::MAX,
        }
        self.oracles.liveness.excuse_until(now + 50_000_000);
    }

    /// The process crashes by itself; where it is at looks guilty.
    pub(crate) fn crash(&mut self, index: usize) {
        self.suspect(index, Look::Crashed);
        self.processes[index].doing = Doing::Deciding;
        self.die(index, Death::OfItself(Cause::Signal(11)));
    }

    /// Where the process is at looks guilty, though it is not.
    pub(crate) fn suspect(&mut self, index: usize, look: Look) {
        let Crumb { block, place } = self.boards.slots[self.processes[index].position.slot].crumb;
        self.oracles.blame.suspect(block, place, look);
    }

    /// A worker is lost by what it was given. Where all faults can be survived, this can be, too.
    fn risk_of_losing(&mut self, index: usize, why: &'static str) {
        let pid = self.processes[index].pid;
        if self.scenario.mix.spacing != Spacing::Survivable && !self.is_survivable(Some(pid)) {
            self.oracles.no_gap.risk(why);
        }
    }
}
