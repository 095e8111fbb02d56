//! What follows when supervision has found a culprit: its block is amended, people are told, and players may
//! give it another try.

use std::collections::BTreeMap;

use chronus_control::Event;
use chronus_engine::{Command, Handle};
use chronus_os::child::signal_name;
use chronus_replication::amendment::{Amendment, Change};
use chronus_replication::blame::{Cause, Culprit};
use chronus_replication::restart::Probation;
use chronus_replication::{BLOCK_FRAMES, BlockIndex};

use super::Supervisor;
use crate::control::outbox::Respond;
use crate::control::port::Incoming;
use crate::processes::worker::status;

/// What was decided about culprits, and when they may try again.
#[derive(Debug, Default)]
pub struct Blame {
    probations: BTreeMap<Handle, Probation>,
}

impl Supervisor {
    /// From `block` on, the culprit is left out, in everything that is played and replayed.
    pub(super) fn amend(&mut self, block: BlockIndex, culprit: Culprit, cause: Cause, now_ns: u64) {
        if !self.is_there(block, culprit) {
            let what = match culprit {
                Culprit::Module(module) => format!("module with the handle {module}"),
                Culprit::Command { sequence } => format!("command {sequence}"),
                Culprit::Edit(number) => format!("edit {number}"),
            };
            tracing::warn!("nobody is blamed: block {block} has no {what}");
            return;
        }
        let Some(change) = change_for(culprit) else { return };
        let amendment = Amendment { number: 0, block, change };
        let made = match self.regions.log.commit_point.amend(amendment) {
            Ok(made) => made,
            Err(played) => {
                tracing::warn!("nobody is blamed: {played}");
                return;
            }
        };
        self.regions.ledger.tally.amendments.add_one();
        if let Some(journal) = &mut self.journal {
            journal.amendment(&made);
        }
        match culprit {
            Culprit::Module(module) => self.put_aside(Handle(module), block, cause, now_ns),
            Culprit::Command { sequence } => self.withhold(sequence, cause),
            Culprit::Edit(_) => {}
        }
    }

    /// Whether a block has this module or this command. The worker that has said so may have said anything.
    fn is_there(&self, block: BlockIndex, culprit: Culprit) -> bool {
        match culprit {
            Culprit::Module(module) => {
                let module = Handle(module);
                self.performance.controls.position(module).is_some()
                    || self.control_history.knows(module)
            }
            Culprit::Command { sequence } => self.regions.log.holds(block, sequence),
            Culprit::Edit(_) => true,
        }
    }

    fn put_aside(&mut self, module: Handle, block: BlockIndex, cause: Cause, now_ns: u64) {
        let (command, frame) = (Command::Bypass { module }, block * BLOCK_FRAMES as u64);
        self.performance.controls.apply(&command, frame, self.rate_hz);
        self.control_history.amend(&command, frame, self.rate_hz);
        self.blame.probations.entry(module).or_default().offend(now_ns);
        let (name, reason) = (self.name_of(module), describe(cause));
        tracing::error!("module `{name}` {reason}: bypassed from block {block} on");
        self.tell(&Event::Bypass { module: name, reason });
    }

    fn withhold(&mut self, sequence: u64, cause: Cause) {
        self.regions.ledger.tally.withheld.add_one();
        let rate_hz = self.rate_hz;
        let edit = self.control_history.withhold(sequence, &mut self.performance, rate_hz);
        let reason = describe(cause);
        tracing::error!("command {sequence} {reason}: withheld");
        self.tell(&Event::Withheld { sequence, reason: reason.clone() });
        if let Some(edit) = edit {
            self.edits.withheld(edit, &reason);
        }
    }

    /// A packed patch did harm to a worker that prepared it: nobody is to prepare it any more.
    pub(super) fn withdraw(&mut self, edit: u32, cause: Cause) {
        let reason = describe(cause);
        if self.edits.withdraw(edit, &reason) {
            self.regions.log.board.make_offer(0, 0, 0);
            tracing::error!("edit {edit} {reason} while it was prepared: withdrawn");
            self.tell(&Event::Withdrawn { edit, reason });
        }
    }

    /// A player has a module try again, as new. That is permitted ever more rarely.
    pub(super) fn enable(&mut self, incoming: &Incoming, module: Handle, now_ns: u64) {
        let wait_ns = self.blame.probations.get(&module).map_or(0, |it| it.wait_ns(now_ns));
        let refusal = if !self.performance.controls.is_bypassed(module) {
            Some("it is not bypassed".to_owned())
        } else if wait_ns > 0 {
            let wait_s = wait_ns as f64 / 1e9;
            Some(format!("it did harm too often; it may be enabled in {wait_s:.1} s"))
        } else {
            None
        };
        if let Some(reason) = refusal {
            self.inputs.post.fail(&incoming.about, &reason, incoming.from);
            return;
        }
        self.order(incoming, &[Command::Enable { module }]);
        let name = self.name_of(module);
        tracing::info!("module `{name}` is enabled again");
        self.tell(&Event::Enable { module: name });
    }

    /// The id of a module, or its handle if the patch has it no more.
    pub(super) fn name_of(&self, module: Handle) -> String {
        let mut modules = self.performance.edition.patch.modules().iter();
        let found = modules.find(|found| found.handle() == module);
        found.map_or_else(|| format!("#{}", module.0), |module| module.id().to_owned())
    }
}

/// What puts a culprit aside.
fn change_for(culprit: Culprit) -> Option<Change> {
    match culprit {
        Culprit::Module(module) => {
            Some(Change::Insert(Command::Bypass { module: Handle(module) }.encode()))
        }
        Culprit::Command { sequence } => Some(Change::Withhold { sequence }),
        Culprit::Edit(_) => None,
    }
}

/// Reads [`change_for`] back.
pub(super) fn culprit_of(change: Change) -> Option<Culprit> {
    match change {
        Change::Withhold { sequence } => Some(Culprit::Command { sequence }),
        Change::Insert(payload) => match Command::decode(payload) {
            Ok(Command::Bypass { module }) => Some(Culprit::Module(module.0)),
            _ => None,
        },
    }
}

/// What a culprit did, to go on after its name.
fn describe(cause: Cause) -> String {
    match cause {
        Cause::Signal(signal) => format!("crashed ({})", signal_name(signal)),
        Cause::Status(status::NOT_FINITE) => "yielded NaN or infinity".into(),
        Cause::Status(status::TOO_LOUD) => "ran away in level".into(),
        Cause::Status(status) => format!("ended its worker with status {status}"),
        Cause::RanAway => "came to no end".into(),
        Cause::Stuck => "held up every worker".into(),
    }
}
