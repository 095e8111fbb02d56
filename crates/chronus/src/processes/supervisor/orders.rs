//! What players ask for: commands get their frame here, questions their answer.

use chronus_control::{Chaos, Crash, Order, Reply, Target};
use chronus_engine::{Command, TextPiece};
use chronus_os::child::{Child, is_harmful, signal_name};
use chronus_os::clock;
use chronus_replication::command_delay::{Ahead, CommandDelay, LastGiven};
use chronus_replication::hearing::Hearing;
use chronus_replication::{BLOCK_FRAMES, PLACES, SLOTS, Slot, lead};
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::Supervisor;
use super::events::{CHANGES, EVENTS};
use crate::control::outbox::Respond;
use crate::control::port::Incoming;
use crate::persistence::regions::Regions;
use crate::processes::worker::crashes;

/// At most this many messages are taken in one turn, so that a flood can't hold up sealing.
const MOST_IN_A_TURN: usize = 512;

/// When messages take effect.
#[derive(Debug)]
pub(super) struct Timing {
    delay: CommandDelay,
    /// The last packet of which a message was ordered, and its frame.
    ordered: Option<(u64, u64)>,
    pub hearing: Hearing,
}

impl Timing {
    /// Goes on where another supervisor was, if there was one.
    pub fn resume(regions: &Regions, rate_hz: u32) -> Self {
        let board = &regions.ledger.playback;
        let [frame, delay_hundredths] =
            board.last_given.each_ref().map(|word| word.load(Ordering::Relaxed));
        let now = board.frames.load(Ordering::Acquire);
        Self {
            delay: CommandDelay::new(rate_hz, LastGiven { frame, delay_hundredths }, now),
            ordered: None,
            hearing: Hearing::default(),
        }
    }
}

impl Supervisor {
    /// Takes what clients ask.
    pub(super) fn take_orders(&mut self, now_ns: u64) {
        for _ in 0..MOST_IN_A_TURN {
            let Some((queue, incoming)) = self.inputs.inbox.next() else { break };
            match &incoming.order {
                Order::Command(Command::Enable { module }) => {
                    self.enable(&incoming, *module, now_ns);
                }
                Order::Events(on) => self.take_listener(&incoming, EVENTS, *on),
                Order::Changes(on) => self.take_listener(&incoming, CHANGES, *on),
                Order::Command(command) => {
                    self.order(&incoming, &[*command]);
                }
                Order::Text { module, text, value } => {
                    let pieces = TextPiece::all_of(*text, value);
                    let commands: Vec<_> =
                        pieces.map(|piece| Command::Text { module: *module, piece }).collect();
                    if self.order(&incoming, &commands) && self.listeners.any(CHANGES) {
                        self.tell_text(&incoming, *module, *text, value);
                    }
                }
                Order::Meter { module, id, names } => {
                    let slot = self.supervision.primary();
                    let told =
                        slot.and_then(|slot| self.regions.slots.slots[slot].board.meters(module.0));
                    let names = names.iter().map(|name| (*name).to_owned());
                    let values = names.zip(told.unwrap_or_default()).collect();
                    let reply = Reply::Meter { module: id.clone(), values };
                    self.inputs.post.reply(&incoming.about, reply, incoming.from);
                }
                Order::Status => self.take_question(incoming.from),
                Order::Chaos(chaos) => self.take_chaos(&incoming, *chaos),
                Order::Record(record) => self.take_record(&incoming, record),
                // The intake hands these to the patcher.
                Order::Patch(_) | Order::Tree => {}
            }
            self.inputs.inbox.give_back((queue, incoming));
        }
    }

    /// Orders commands that belong together, for one frame: all of them, or none if too many wait. Returns whether they are.
    pub(super) fn order(&mut self, incoming: &Incoming, commands: &[Command]) -> bool {
        let frame = self.frame_of(incoming);
        let is_timed = incoming.time_wall_ns.is_some();
        let ordered = self.sequencer.permit(commands.len()).and_then(|()| {
            commands.iter().map(Command::encode).try_for_each(|command| {
                if is_timed {
                    self.sequencer.submit(frame, command)
                } else {
                    self.sequencer.submit_soon(frame, command)
                }
            })
        });
        if ordered.is_ok() {
            if self.inputs.post.outbox().wants_receipts(&incoming.from) {
                self.inputs.post.reply(&incoming.about, Reply::Ordered(frame), incoming.from);
            }
            if self.listeners.any(CHANGES) {
                for command in commands {
                    self.tell_change(incoming, command, frame);
                }
            }
            return true;
        }
        if let Err(busy) = ordered {
            self.inputs.post.outbox().counts.busy.fetch_add(1, Ordering::Relaxed);
            if self.refusals.is_due(incoming.from, clock::monotonic_ns()) {
                self.inputs.post.fail(&incoming.about, &busy.to_string(), incoming.from);
            }
        }
        false
    }

    /// The frame for a message: that of its timetag, or a constant delay after its arrival. All messages of a packet
    /// without a timetag have one frame.
    pub(super) fn frame_of(&mut self, incoming: &Incoming) -> u64 {
        let open = self.sequencer.first_open_frame();
        if self.runs_free() {
            return open;
        }
        if let Some(wall_ns) = incoming.time_wall_ns {
            return self.frame_at_wall(wall_ns).unwrap_or(open);
        }
        let of_packet = self.timing.ordered.filter(|(packet, _)| *packet == incoming.packet);
        if let Some((_, frame)) = of_packet {
            return frame;
        }
        let Some(arrived) = self.device_clock.frame_at(incoming.arrived_ns) else { return open };
        let board = &self.regions.ledger.playback;
        let ahead = self.ahead();
        // A device that stands still has not come further than this, whatever its clock says.
        let slowest = 2 * ahead.period_frames + u64::from(self.rate_hz) / 50;
        let most = board.frames.load(Ordering::Acquire) + slowest;
        let frame = self.timing.delay.frame(arrived.min(most), open, ahead);
        self.timing.ordered = Some((incoming.packet, frame));
        let LastGiven { frame: last, delay_hundredths } = self.timing.delay.last();
        board.last_given[0].store(last, Ordering::Relaxed);
        board.last_given[1].store(delay_hundredths, Ordering::Relaxed);
        frame
    }

    /// Whether to seal a moment later, because a packet has arrived that is about to be here.
    pub(super) fn hears_first(&mut self) -> bool {
        let is_expecting = self.inputs.inbox.is_expecting();
        let lead_ns = lead::length_ns(self.setup.lead_blocks, self.rate_hz);
        self.timing.hearing.waits(is_expecting, clock::monotonic_ns(), lead_ns)
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

    /// The constant delay from arrival to effect at the moment: the lead, the device's period, and some slack for the
    /// receiver and the supervisor.
    pub(super) fn delay_frames(&self) -> u64 {
        let now = self.device_clock.frame_at(clock::monotonic_ns());
        self.timing.delay.frames(now.unwrap_or(0), self.ahead())
    }

    fn ahead(&self) -> Ahead {
        Ahead {
            lead_frames: self.setup.lead_blocks * BLOCK_FRAMES as u64,
            period_frames: self.regions.ledger.playback.periods.longest(),
        }
    }

    fn take_chaos(&mut self, incoming: &Incoming, chaos: Chaos) {
        match self.cause_chaos(chaos) {
            Ok(()) => {
                if self.inputs.post.outbox().wants_receipts(&incoming.from) {
                    self.inputs.post.done(&incoming.about, "", incoming.from);
                }
            }
            Err(reason) => self.inputs.post.fail(&incoming.about, &reason, incoming.from),
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
