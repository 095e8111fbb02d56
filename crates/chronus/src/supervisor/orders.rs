//! What players ask for: commands get their frame here, questions their answer.

use chronus_engine::{Command, TextPiece};
use chronus_os::child::{Child, is_harmful, signal_name};
use chronus_os::clock;
use chronus_osc::{Chaos, Crash, Request, Target};
use chronus_replication::{BLOCK_FRAMES, PLACES, SLOTS, Slot};
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::Supervisor;
use crate::osc_server::Incoming;
use crate::worker::crashes;

/// At most this many messages are taken in one turn, so that a flood can't hold up sealing.
const MOST_IN_A_TURN: usize = 512;

impl Supervisor {
    /// Takes what has come in over OSC.
    pub(super) fn take_orders(&mut self, now_ns: u64) {
        for _ in 0..MOST_IN_A_TURN {
            let Some(incoming) = self.ears.inbox.next() else { break };
            match &incoming.request {
                Request::Command(Command::Enable { module }) => {
                    self.enable(&incoming, *module, now_ns);
                }
                Request::Events(on) => self.take_listener(&incoming, *on),
                Request::Command(command) => self.order(&incoming, &[*command]),
                Request::Text { module, text, value } => {
                    let pieces = TextPiece::all_of(*text, value);
                    let commands: Vec<_> =
                        pieces.map(|piece| Command::Text { module: *module, piece }).collect();
                    self.order(&incoming, &commands);
                }
                Request::Meter { module, id, names } => {
                    let slot = self.supervision.primary();
                    let told =
                        slot.and_then(|slot| self.regions.slots.slots[slot].board.told(module.0));
                    let values = told.unwrap_or_default();
                    self.ears.replies.meter(id, names, values, incoming.from);
                }
                Request::Status => {
                    let status = self.status(now_ns);
                    self.ears.replies.status(&status, incoming.from);
                }
                Request::Chaos(chaos) => self.take_chaos(&incoming, *chaos),
                Request::Record(record) => self.take_record(&incoming, record),
                _ => {}
            }
            self.ears.inbox.give_back(incoming);
        }
    }

    /// Orders commands that belong together, for one frame: all of them, or none if too many wait.
    pub(super) fn order(&mut self, incoming: &Incoming, commands: &[Command]) {
        let frame = self.frame_of(incoming);
        let ordered = self.sequencer.permit(commands.len()).and_then(|()| {
            let mut commands = commands.iter();
            commands.try_for_each(|command| self.sequencer.submit(frame, command.encode()))
        });
        if let Err(busy) = ordered {
            self.ears.replies.counts.busy.fetch_add(1, Ordering::Relaxed);
            if self.refusals.is_due(incoming.from, clock::monotonic_ns()) {
                self.ears.replies.fail(&incoming.address, &busy.to_string(), incoming.from);
            }
        }
    }

    /// The frame for a message: that of its timetag, or a constant delay after its arrival.
    pub(super) fn frame_of(&self, incoming: &Incoming) -> u64 {
        let open = self.sequencer.first_open_frame();
        if self.setup.free_run {
            return open;
        }
        if let Some(wall_ns) = incoming.time_wall_ns {
            return self.frame_at_wall(wall_ns).unwrap_or(open);
        }
        let arrived = self.device_clock.frame_at(incoming.arrived_ns);
        arrived.map_or(open, |frame| frame + self.delay_frames())
    }

    /// The frame that is heard at a time of the wall clock.
    pub(super) fn frame_at_wall(&self, wall_ns: u64) -> Option<u64> {
        let ahead_ns = i128::from(wall_ns) - i128::from(clock::wall_ns());
        let time_ns = i128::from(clock::monotonic_ns()) + ahead_ns;
        let frame = self.device_clock.frame_at(time_ns.clamp(0, i128::from(u64::MAX / 2)) as u64);
        frame.or_else(|| {
            // Before the device has begun, or while another is being opened.
            let ahead = ahead_ns * i128::from(self.rate_hz) / 1_000_000_000;
            let now = self.regions.ledger.playback.frames.load(Ordering::Acquire);
            u64::try_from(i128::from(now) + ahead).ok()
        })
    }

    /// The constant delay from arrival to effect: the lead, the device's period, and one block of
    /// slack for the supervisor itself.
    pub(super) fn delay_frames(&self) -> u64 {
        let period = self
            .regions
            .ledger
            .playback
            .longest_period
            .load(Ordering::Relaxed)
            .max(BLOCK_FRAMES as u64);
        (self.setup.lead_blocks + 1) * BLOCK_FRAMES as u64 + 2 * period - BLOCK_FRAMES as u64
    }

    fn take_chaos(&mut self, incoming: &Incoming, chaos: Chaos) {
        if let Err(reason) = self.cause_chaos(chaos) {
            self.ears.replies.fail(&incoming.address, &reason, incoming.from);
        }
    }

    fn cause_chaos(&mut self, chaos: Chaos) -> Result<(), String> {
        if !self.setup.allow_chaos {
            return Err("this engine was not started with --allow-chaos".into());
        }
        match chaos {
            Chaos::Kill { target, signal } => {
                let places = match target {
                    Target::Workers => 0..SLOTS,
                    Target::Checkpoints => SLOTS..PLACES,
                    Target::Everybody => 0..PLACES,
                    Target::Supervisor => {
                        let this = Child::open(std::process::id());
                        return this
                            .and_then(|this| this.signal(signal))
                            .map_err(|e| e.to_string());
                    }
                    target => {
                        let slot = self.target(target)?;
                        slot..slot + 1
                    }
                };
                self.note_signal(places.clone(), signal);
                self.processes.signal(places, signal).map_err(|error| error.to_string())
            }
            Chaos::Crash { target, how } => {
                let slot = self.target(target)?;
                let how = match how {
                    Crash::Segfault => crashes::SEGFAULT,
                    Crash::Panic => crashes::PANIC,
                    Crash::Abort => crashes::ABORT,
                    Crash::Loop => crashes::LOOP,
                    Crash::Sleep => crashes::SLEEP,
                    Crash::Flip => crashes::FLIP,
                };
                let number = self.supervision.take_number();
                self.regions.ledger.roster.last_number.store(number, Ordering::Release);
                let (faults, now_ns) = (&mut self.figures.faults, clock::monotonic_ns());
                if how == crashes::FLIP {
                    faults.falsify(slot, now_ns);
                } else {
                    faults.cause([slot], now_ns);
                }
                self.regions.log.board.order_harm(slot, how, number);
                self.ring();
                Ok(())
            }
        }
    }

    /// Notes whom a signal that is about to be sent does harm.
    fn note_signal(&mut self, places: Range<Slot>, signal: i32) {
        let is_there = |slot: &Slot| *slot < SLOTS && self.processes.child(*slot).is_some();
        let there = places.filter(is_there);
        if is_harmful(signal) {
            self.figures.faults.cause(there, clock::monotonic_ns());
        } else if signal_name(signal) == "SIGCONT" {
            self.figures.faults.spare(there);
        }
    }

    fn target(&self, target: Target) -> Result<Slot, String> {
        let primary = self.supervision.primary();
        let slot = match target {
            Target::Primary => primary,
            Target::Standby => {
                (0..SLOTS).find(|slot| self.supervision.is_live(*slot) && primary != Some(*slot))
            }
            Target::Slot(slot) => Some(usize::from(slot)),
            Target::Workers | Target::Checkpoints | Target::Everybody | Target::Supervisor => None,
        };
        slot.filter(|slot| *slot < SLOTS && self.processes.child(*slot).is_some())
            .ok_or_else(|| "no worker is there at the moment".into())
    }
}
