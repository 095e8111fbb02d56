//! How the engine is: counts and times, as the player and the tests ask for them.

use std::io;
use std::sync::atomic::Ordering;

use chronus_control::{Reply, Value};
use chronus_os::clock;
use chronus_replication::fault_times::{FaultTimes, Span};
use chronus_replication::supervision::{Action, Event, Notice};
use chronus_replication::{PLACES, SLOTS, Slot, lead};
use chronus_shm::ledger::Tally;
use chronus_shm::playback_board::PlaybackBoard;
use chronus_shm::sync::AtomicU64;
use serde::Serialize;

use super::Supervisor;
use super::device::DeviceStatus;
use super::recording::RecordStatus;
use super::stalls::StallStatus;
use crate::control::outbox::{Report, Respond};
use chronus_journal::{JournalStatus, JournalWriter};

/// Durations in microseconds: how many, the last, the median and the largest of the recent ones.
#[derive(Clone, Debug, Default)]
pub struct Durations {
    recent_us: Vec<f64>,
    count: u64,
    last_us: f64,
    max_us: f64,
}

/// Durations of which the median is taken.
const RECENT: usize = 4096;

impl Durations {
    fn add(&mut self, took_ns: u64) {
        let us = took_ns as f64 / 1000.0;
        if self.recent_us.len() < RECENT {
            self.recent_us.push(us);
        } else {
            self.recent_us[(self.count % RECENT as u64) as usize] = us;
        }
        self.count += 1;
        self.last_us = us;
        self.max_us = self.max_us.max(us);
    }

    fn summary(&self) -> Summary {
        let mut recent_us = self.recent_us.clone();
        let middle = recent_us.len() / 2;
        let median_us = if recent_us.is_empty() {
            0.0
        } else {
            // The supervisor answers on its own thread, so it partitions and does not sort.
            *recent_us.select_nth_unstable_by(middle, f64::total_cmp).1
        };
        Summary { count: self.count, last_us: self.last_us, median_us, max_us: self.max_us }
    }
}

/// Durations, summed up.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// The last, in microseconds.
    pub last_us: f64,
    /// The median of the recent ones, in microseconds.
    pub median_us: f64,
    /// The largest, in microseconds.
    pub max_us: f64,
}

/// What this supervisor measures; what it counts is in the ledger.
#[derive(Debug)]
pub struct Figures {
    started_ns: u64,
    /// Which fault is which, and since when.
    pub faults: FaultTimes,
    detection: Durations,
    promotion: Durations,
    redundancy: Durations,
    /// How long after the death of its supervisor the sound went on.
    pub resumed_after_ms: f64,
    /// What was counted of each slot when its worker was accepted.
    accepted: [Slips; SLOTS],
}

/// What is counted of a slot, whoever is in it.
#[derive(Clone, Copy, Debug, Default)]
struct Slips {
    misses: u64,
    refused: u64,
    outvoted: u64,
}

impl Slips {
    fn of(board: &PlaybackBoard, slot: Slot) -> Self {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            misses: get(&board.misses[slot]),
            refused: get(&board.refused[slot]),
            outvoted: get(&board.outvoted[slot]),
        }
    }
}

impl Figures {
    /// Nothing has happened yet.
    pub fn new(started_ns: u64) -> Self {
        Self {
            started_ns,
            faults: FaultTimes::default(),
            detection: Durations::default(),
            promotion: Durations::default(),
            redundancy: Durations::default(),
            resumed_after_ms: 0.0,
            accepted: Default::default(),
        }
    }

    /// Another worker is in a slot; what was counted of it before is not that one's.
    pub fn accepted(&mut self, slot: Slot, board: &PlaybackBoard) {
        self.accepted[slot] = Slips::of(board, slot);
    }

    /// Notes what happened to a process.
    pub fn note_event(event: &Event, tally: &Tally) {
        if matches!(event, Event::ForkFailed { .. } | Event::SpawnFailed { .. }) {
            tally.forks_failed.add_one();
        }
    }

    /// Notes what was done just now. The time is read anew for each: the turn began before what it found.
    pub fn note_done(&mut self, action: &Action) {
        let Some((span, took_ns)) = self.faults.take(action, clock::monotonic_ns()) else { return };
        let durations = match span {
            Span::Detection => &mut self.detection,
            Span::Promotion => &mut self.promotion,
            Span::Redundancy => &mut self.redundancy,
        };
        durations.add(took_ns);
    }

    /// Notes and says what supervision reports.
    pub fn note(notice: &Notice, tally: &Tally) {
        match notice {
            Notice::Overtaken(slot) => {
                tally.overtaken.add_one();
                tracing::info!("slot {slot} is overdue and has lost its place");
            }
            Notice::Late(slot) => tracing::info!("slot {slot} is overdue"),
            Notice::CaughtUp(slot) => tracing::info!("slot {slot} has caught up"),
            Notice::Fenced(slot, reason) => {
                tally.fences.add_one();
                tracing::warn!("slot {slot} is fenced: {reason}");
            }
            Notice::Died(slot) => {
                tally.deaths.add_one();
                tracing::info!("the worker in slot {slot} is gone");
            }
            Notice::RoleChange { from, to } => {
                if from.is_some() {
                    tally.role_changes.add_one();
                }
                tracing::info!("slot {to} goes first");
            }
            Notice::Redundant => tracing::info!("all replicas are level"),
            Notice::Degraded => tracing::info!("a replica is missing or late"),
            Notice::ForkFailed { errno, retry_ns } => tracing::error!(
                "a fork failed ({}); running without a standby, next attempt in {} ms",
                io::Error::from_raw_os_error(*errno),
                retry_ns / 1_000_000
            ),
            Notice::Slowed { retry_ns } => tracing::error!(
                "workers die young; the next is made in {} ms",
                retry_ns / 1_000_000
            ),
            Notice::Thawed(block) => {
                tally.thaws.add_one();
                tracing::warn!("no worker is left; the checkpoint of block {block} catches up");
            }
            Notice::StartedAfresh => {
                tally.fresh_starts.add_one();
                tracing::error!("no worker is left; a fresh one takes over, faded in");
            }
            Notice::Intensity { retry_ns } => tracing::error!(
                "too many fresh starts; the next comes in {} s",
                retry_ns / 1_000_000_000
            ),
        }
    }
}

/// One replica.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replica {
    /// Its slot.
    pub slot: Slot,
    /// primary, standby, late, joining, fenced or empty.
    pub role: &'static str,
    /// Its process.
    pub pid: u32,
    /// Its incarnation.
    pub incarnation: u32,
    /// The block that it renders next.
    pub block: u64,
    /// Render time over block time, since it joined.
    pub load: f64,
    /// Blocks that it lacked when they were needed, since it joined; inaudible.
    pub misses: u64,
    /// Entries that could not be trusted, since it joined.
    pub refused: u64,
    /// Blocks that were not those that most replicas had, since it joined.
    pub outvoted: u64,
    /// How long its last fork took, in microseconds; 0 if it has made none.
    pub fork_us: f64,
}

/// How the engine is. The first ten fields are those of the prototype; times end in their unit. What each
/// means is in docs/status.md.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    pub buffers_processed: u64,
    pub underruns: u64,
    pub failover_count: u64,
    pub failover_time_ms: f64,
    /// Seconds since the last fault; -1 if there was none.
    pub last_failure_time: f64,
    pub heartbeat_misses: u64,
    pub commands_sent: u64,
    pub active_worker: u64,
    pub detection_time_ms: f64,
    pub switch_time_ms: f64,
    pub redundant: bool,
    pub frames: u64,
    pub rate_hz: u32,
    pub patch: String,
    pub modules: u64,
    pub edits: u64,
    pub hasty_edits: u64,
    /// Entries of the log that changed nothing, because they could not be applied: there should be none.
    pub unapplied_entries: u64,
    pub playing: bool,
    pub tempo_bpm: f64,
    pub beat: f64,
    pub bar: u64,
    pub lead_blocks: u64,
    pub lead_ms: f64,
    pub delay_frames: u64,
    pub uptime_s: f64,
    pub output: String,
    /// Whether it plays.
    pub device: DeviceStatus,
    pub realtime: bool,
    pub gaps: u64,
    pub gap_blocks: u64,
    /// What the machine did.
    pub stalls: StallStatus,
    pub xruns: u64,
    pub misses: u64,
    pub role_changes: u64,
    pub fences: u64,
    pub respawns: u64,
    /// Supervisors that have died.
    pub supervisor_deaths: u64,
    /// How long after the last of these deaths the sound went on.
    pub resumed_after_ms: f64,
    /// The process of this supervisor.
    pub supervisor_pid: u32,
    /// What is the matter with the processes, in sentences.
    pub alarms: Vec<String>,
    pub forks_failed: u64,
    pub fresh_starts: u64,
    pub overtaken: u64,
    pub thaws: u64,
    /// Blocks between the newest checkpoint and what is sealed; -1 without one.
    pub checkpoint_age_blocks: f64,
    pub amendments: u64,
    pub withheld_commands: u64,
    /// The modules that are bypassed.
    pub bypassed: Vec<String>,
    pub divergences: u64,
    pub blocks_compared: u64,
    pub late_commands: u64,
    pub refused_commands: u64,
    pub put_off_commands: u64,
    /// Commands that wait for their frame.
    pub waiting_commands: u64,
    pub osc_packets: u64,
    pub osc_failed: u64,
    pub osc_clamped: u64,
    pub osc_busy: u64,
    /// Packets that the kernel had no room for.
    pub osc_lost: u64,
    pub journal: JournalStatus,
    /// Lines of the log that found no room.
    pub log_lost: u64,
    pub detection: Summary,
    pub promotion: Summary,
    pub redundancy: Summary,
    /// The recording on demand.
    pub recording: RecordStatus,
    /// What `wav:FILE` and `--capture` write.
    pub captures: Vec<RecordStatus>,
    pub replicas: Vec<Replica>,
    /// The processes of the checkpoints.
    pub checkpoints: Vec<u32>,
}

impl Status {
    /// Names and values, flat, for the OSC reply.
    pub fn fields(&self) -> Vec<(String, Value)> {
        let mut fields = Vec::new();
        if let Ok(serde_json::Value::Object(object)) = serde_json::to_value(self) {
            flatten("", &object, &mut fields);
        }
        fields
    }
}

fn flatten(
    prefix: &str,
    object: &serde_json::Map<String, serde_json::Value>,
    fields: &mut Vec<(String, Value)>,
) {
    for (name, value) in object {
        let name = format!("{prefix}{name}");
        match value {
            serde_json::Value::Object(inner) => flatten(&format!("{name}."), inner, fields),
            serde_json::Value::Number(number) => fields.push(match number.as_u64() {
                Some(count) => (name, Value::Count(count)),
                None => (name, Value::Figure(number.as_f64().unwrap_or(0.0))),
            }),
            serde_json::Value::Bool(truth) => fields.push((name, Value::Count(u64::from(*truth)))),
            serde_json::Value::String(text) => fields.push((name, Value::Text(text.clone()))),
            serde_json::Value::Array(names) if names.iter().all(serde_json::Value::is_string) => {
                let names: Vec<_> = names.iter().filter_map(|name| name.as_str()).collect();
                fields.push((name, Value::Text(names.join(" "))));
            }
            // The replicas are in the JSON.
            _ => {}
        }
    }
}

impl Report for Status {
    fn reply(&self) -> Reply {
        let json = serde_json::to_string(self).unwrap_or_default();
        Reply::Status { fields: self.fields(), json }
    }
}

impl Supervisor {
    /// How the engine is now.
    pub(super) fn status(&self, now_ns: u64) -> Status {
        let (figures, shared) = (&self.figures, &self.regions.ledger.playback);
        let tally = &self.regions.ledger.tally;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let lives = &self.regions.ledger.keeper.lives;
        let outbox = self.inputs.post.outbox();
        let port = &outbox.counts;
        let (commands, device) = (self.sequencer.counts(), self.device.stats());
        let captures = device.recordings.iter();
        let captures = captures.map(|capture| RecordStatus::of(capture, self.rate_hz)).collect();
        let redundancy = figures.redundancy.summary();
        let detection = figures.detection.summary();
        let promotion = figures.promotion.summary();
        let misses: u64 = shared.misses.iter().map(load).sum();
        let died_ns = self.regions.ledger.keeper.died_at_ns.load(Ordering::Acquire);
        let last_fault_ns = figures.faults.last_noticed_ns().max((died_ns > 0).then_some(died_ns));
        let frame = load(&shared.frames);
        let time = self.performance.controls.timeline().at(frame, self.rate_hz);
        let beat = time.beat_at(0);
        Status {
            buffers_processed: load(&shared.next_block),
            underruns: load(&shared.gaps),
            failover_count: tally.role_changes.get(),
            failover_time_ms: redundancy.last_us / 1e3,
            last_failure_time: last_fault_ns
                .map_or(-1.0, |fault_ns| now_ns.saturating_sub(fault_ns) as f64 / 1e9),
            heartbeat_misses: tally.overtaken.get(),
            commands_sent: self.sequencer.log_position(),
            active_worker: self.supervision.primary().unwrap_or(0) as u64,
            detection_time_ms: detection.last_us / 1e3,
            switch_time_ms: promotion.last_us / 1e3,
            redundant: self.supervision.is_redundant(),
            frames: load(&shared.frames),
            rate_hz: self.rate_hz,
            patch: chronus_control::shortened(self.performance.edition.patch.name()),
            modules: self.performance.edition.patch.modules().len() as u64,
            edits: u64::from(self.edits.last.0),
            hasty_edits: self.edits.hasty,
            unapplied_entries: self.edits.unapplied,
            playing: time.playing,
            tempo_bpm: time.tempo_bpm,
            beat,
            bar: (beat / f64::from(time.beats_per_bar)) as u64 + 1,
            lead_blocks: self.setup.lead_blocks,
            lead_ms: lead::length_ns(self.setup.lead_blocks, self.rate_hz) as f64 / 1e6,
            delay_frames: self.delay_frames(),
            uptime_s: now_ns.saturating_sub(figures.started_ns) as f64 / 1e9,
            output: self.device.describe(),
            device: self.device_watch.status(now_ns, self.runs_free()),
            realtime: self.realtime,
            gaps: load(&shared.gaps),
            gap_blocks: load(&shared.gap_blocks),
            stalls: self.stall_status(now_ns),
            xruns: device.xruns,
            misses,
            role_changes: tally.role_changes.get(),
            fences: tally.fences.get(),
            respawns: tally.deaths.get(),
            supervisor_deaths: u64::from(lives.load(Ordering::Relaxed).saturating_sub(1)),
            resumed_after_ms: figures.resumed_after_ms,
            supervisor_pid: std::process::id(),
            alarms: self.alarms(),
            forks_failed: tally.forks_failed.get(),
            fresh_starts: tally.fresh_starts.get(),
            overtaken: tally.overtaken.get(),
            thaws: tally.thaws.get(),
            checkpoint_age_blocks: self
                .supervision
                .checkpoint()
                .map_or(-1.0, |block| self.sequencer.next_block().saturating_sub(block) as f64),
            amendments: tally.amendments.get(),
            withheld_commands: tally.withheld.get(),
            bypassed: self
                .performance
                .controls
                .bypassed()
                .map(|module| self.name_of(module))
                .collect(),
            divergences: tally.divergences.get(),
            blocks_compared: self.divergence.blocks_compared(),
            late_commands: commands.late,
            refused_commands: commands.refused,
            put_off_commands: commands.put_off,
            waiting_commands: self.sequencer.waiting() as u64,
            osc_packets: load(&port.packets),
            osc_failed: load(&port.failed),
            osc_clamped: load(&port.clamped),
            osc_busy: load(&port.busy),
            osc_lost: outbox.lost(),
            journal: self.journal.as_ref().map_or_else(JournalStatus::none, JournalWriter::status),
            log_lost: crate::log::lost(),
            detection,
            promotion,
            redundancy,
            recording: self.recorder.status(self.rate_hz),
            captures,
            replicas: (0..SLOTS).filter_map(|slot| self.replica(slot, now_ns)).collect(),
            checkpoints: (SLOTS..PLACES)
                .filter_map(|place| Some(self.processes.child(place)?.pid()))
                .collect(),
        }
    }

    fn replica(&self, slot: Slot, now_ns: u64) -> Option<Replica> {
        let child = self.processes.child(slot)?;
        let board = &self.regions.slots.slots[slot].board;
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let lived_ns = now_ns.saturating_sub(get(&board.claimed_at_ns)).max(1);
        let slips = Slips::of(&self.regions.ledger.playback, slot);
        let before = self.figures.accepted[slot];
        Some(Replica {
            slot,
            role: self.supervision.role(slot),
            pid: child.pid(),
            incarnation: self.claims.claimed()[slot],
            block: self.claims.rendered()[slot],
            load: (get(&board.busy_ns) as f64 / lived_ns as f64).min(1.0),
            misses: slips.misses.saturating_sub(before.misses),
            refused: slips.refused.saturating_sub(before.refused),
            outvoted: slips.outvoted.saturating_sub(before.outvoted),
            fork_us: get(&board.fork_ns) as f64 / 1e3,
        })
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
