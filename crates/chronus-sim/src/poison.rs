//! Inputs that bring whoever takes them to grief, and modules that are given another try.

use chronus_replication::BLOCK_FRAMES;

use crate::Spacing;
use crate::fault::Fault;
use crate::rack::{Deed, Harm, MODULES};
use crate::world::World;

/// Where all must be survived, nothing else goes wrong for so long after a poison: until it has come to its
/// block, and its victim is replaced.
const UNDISTURBED_NS: u64 = 60_000_000;

impl World {
    /// Submits a command for this frame.
    pub(crate) fn submit(&mut self, frame: u64, deed: Deed) -> bool {
        let taken = self.sequencer.submit(frame, deed.encode(self.now)).is_ok();
        if taken {
            self.oracles.total_order.taken();
        }
        taken
    }

    pub(crate) fn poison(&mut self, fault: Fault) -> bool {
        if !self.may_poison() {
            return false;
        }
        self.armed.undisturbed_until_ns = self.now + UNDISTURBED_NS;
        let open = self.sequencer.first_open_frame();
        let frame = open + self.rng.between(0, 6 * BLOCK_FRAMES as u64);
        match fault {
            Fault::PoisonCommand => self.poison_command(frame),
            Fault::TwoPoisons => {
                let last_of_block = frame | (BLOCK_FRAMES as u64 - 1);
                let first = self.sicken(frame, 0);
                let is_module = self.rng.one_in(2);
                first
                    && if is_module {
                        self.sicken(last_of_block, 1)
                    } else {
                        self.poison_command(last_of_block)
                    }
            }
            Fault::PoisonAndKill => {
                self.armed.kill_with_grief = true;
                self.oracles.no_gap.risk("an innocent is killed with the victim of an input");
                self.sicken(frame, 0)
            }
            Fault::PoisonAndStop => {
                let stopped = self.hold_up(Fault::Stop);
                stopped && self.sicken(frame, 0)
            }
            Fault::PoisonAtCheckpoint => {
                self.armed.poison_at_checkpoint = true;
                true
            }
            Fault::Enable => self.enable(frame),
            _ => self.sicken(frame, 0),
        }
    }

    /// Whether its victim would not be missed.
    pub(crate) fn may_poison(&self) -> bool {
        let primary = self.children[self.boards.primary];
        self.scenario.mix.spacing != Spacing::Survivable
            || self.supervision.is_redundant()
                && self.is_survivable(None)
                && self.is_survivable(primary)
    }

    /// Poison for the first block that is open.
    pub(crate) fn poison_now(&mut self) {
        self.armed.undisturbed_until_ns = self.now + UNDISTURBED_NS;
        let open = self.sequencer.first_open_frame();
        self.sicken(open, 0);
    }

    /// Where all must be survived, a module may come to no end, since a canary is sent ahead then; nobody is for a
    /// command.
    fn harm(&mut self, is_module: bool) -> Harm {
        let is_wild = self.scenario.mix.spacing == Spacing::Wild;
        match self.rng.between(0, 12) {
            0 | 1 if is_wild => Harm::Loop,
            0..6 if !is_wild && is_module => Harm::Loop,
            2 if is_wild => Harm::Sleep,
            _ => Harm::Crash,
        }
    }

    fn poison_command(&mut self, frame: u64) -> bool {
        let harm = self.harm(false);
        self.submit(frame, Deed::Poison(harm))
    }

    /// Makes the first module that is neither sick nor bypassed sick, or the one after so many others.
    fn sicken(&mut self, frame: u64, skip: usize) -> bool {
        let rack = self.oracles.lockstep.rack();
        let is_well = |module: &u32| !rack.is_bypassed(*module) && !rack.is_sick(*module);
        let Some(module) = (0..MODULES).filter(is_well).nth(skip) else { return false };
        let harm = self.harm(true);
        self.submit(frame, Deed::Sicken(module, harm))
    }

    /// Has a bypassed module try again, cured or not.
    fn enable(&mut self, frame: u64) -> bool {
        let rack = self.oracles.lockstep.rack();
        let bypassed: Vec<u32> = (0..MODULES).filter(|it| rack.is_bypassed(*it)).collect();
        if bypassed.is_empty() {
            return false;
        }
        let module = bypassed[self.rng.between(0, bypassed.len() as u64) as usize];
        if self.rng.one_in(2) {
            self.submit(frame, Deed::Cure(module));
        }
        self.submit(frame, Deed::Enable(module))
    }
}
