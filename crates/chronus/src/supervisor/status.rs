//! How the engine is: counts and times, as the player and the tests ask for them.

use std::io;
use std::sync::atomic::Ordering;

use chronus_os::clock;
use chronus_osc::Value;
use chronus_replication::supervision::{Event, Notice};
use chronus_replication::{PLACES, SLOTS, Slot};
use chronus_shm::ledger::Tally;
use serde::Serialize;

use super::Supervisor;
use super::device::DeviceStatus;
use super::recording::RecordStatus;
use crate::journal_writer::{JournalStatus, JournalWriter};

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
    fn add(&mut self, from_ns: u64, to_ns: u64) {
        let us = to_ns.saturating_sub(from_ns) as f64 / 1000.0;
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
    /// When the fault was caused, if the engine itself caused it.
    caused_ns: Option<u64>,
    /// When the present fault was caused or, if that is not known, noticed.
    fault_ns: Option<u64>,
    noticed_ns: u64,
    last_fault_ns: u64,
    promotion_due: bool,
    /// From the cause of a fault to its notice.
    detection: Durations,
    /// From the notice to the promotion.
    promotion: Durations,
    /// From the cause to all replicas level again.
    redundancy: Durations,
    /// How long after the death of its supervisor the sound went on.
    pub resumed_after_ms: f64,
    gaps_told: (u64, u64),
}

impl Figures {
    /// Nothing has happened yet.
    pub fn new(now_ns: u64) -> Self {
        Self {
            started_ns: now_ns,
            caused_ns: None,
            fault_ns: None,
            noticed_ns: 0,
            last_fault_ns: 0,
            promotion_due: false,
            detection: Durations::default(),
            promotion: Durations::default(),
            redundancy: Durations::default(),
            resumed_after_ms: 0.0,
            gaps_told: (0, 0),
        }
    }

    /// The engine itself causes a fault now.
    pub fn fault_caused(&mut self, now_ns: u64) {
        self.caused_ns = Some(now_ns);
    }

    /// Notes what happened to a process.
    pub fn note_event(&mut self, event: &Event, tally: &Tally, now_ns: u64) {
        match event {
            Event::Exited { slot, .. } if *slot < SLOTS => self.noticed(now_ns),
            Event::ForkFailed { .. } | Event::SpawnFailed { .. } => tally.forks_failed.add_one(),
            // Checkpoints come and go, and no replica is missing meanwhile.
            Event::Exited { .. }
            | Event::Forked { .. }
            | Event::NoChild { .. }
            | Event::Diverged { .. }
            | Event::Discredited { .. } => {}
        }
    }

    fn noticed(&mut self, now_ns: u64) {
        let caused_ns = self.caused_ns.take();
        if let Some(caused_ns) = caused_ns {
            self.detection.add(caused_ns, now_ns);
        }
        // A fence after an overdue notice belongs to the same fault.
        if self.fault_ns.is_none() {
            self.fault_ns = Some(caused_ns.unwrap_or(now_ns));
            self.promotion_due = true;
        }
        self.noticed_ns = now_ns;
        self.last_fault_ns = now_ns;
    }

    /// A worker was promoted.
    pub fn promoted(&mut self, now_ns: u64) {
        if std::mem::take(&mut self.promotion_due) {
            self.promotion.add(self.noticed_ns, now_ns);
        }
    }

    /// Notes and says what supervision reports.
    pub fn note(&mut self, notice: &Notice, tally: &Tally, now_ns: u64) {
        match notice {
            Notice::Overtaken(slot) => {
                tally.overtaken.add_one();
                self.noticed(now_ns);
                tracing::info!("slot {slot} is overdue and has lost its place");
            }
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
            Notice::Redundant => {
                self.promotion_due = false;
                self.caused_ns = None;
                if let Some(fault_ns) = self.fault_ns.take() {
                    self.redundancy.add(fault_ns, clock::monotonic_ns());
                }
                tracing::info!("all replicas are level");
            }
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

    /// Whether there are gaps to tell of: at once, then at most once a second.
    pub fn time_to_tell_gaps(&mut self, gap_blocks: u64, now_ns: u64) -> bool {
        let (told, at_ns) = self.gaps_told;
        let due = gap_blocks > told && (at_ns == 0 || now_ns >= at_ns + 1_000_000_000);
        if due {
            self.gaps_told = (gap_blocks, now_ns);
        }
        due
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
    /// Blocks that it lacked when they were needed; inaudible.
    pub misses: u64,
    /// Entries that could not be trusted.
    pub refused: u64,
    /// Blocks that were not those that most replicas had.
    pub outvoted: u64,
    /// How long its last fork took, in microseconds.
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
    pub playing: bool,
    pub tempo_bpm: f64,
    pub beat: f64,
    pub bar: u64,
    pub lead_blocks: u64,
    pub delay_frames: u64,
    pub uptime_s: f64,
    pub output: String,
    /// Whether it plays.
    pub device: DeviceStatus,
    pub realtime: bool,
    pub gaps: u64,
    pub gap_blocks: u64,
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

impl Supervisor {
    /// How the engine is now.
    pub(super) fn status(&self, now_ns: u64) -> Status {
        let (figures, shared) = (&self.figures, &self.regions.ledger.playback);
        let tally = &self.regions.ledger.tally;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let lives = &self.regions.ledger.keeper.lives;
        let port = &self.ears.replies.counts;
        let (commands, device) = (self.sequencer.counts(), self.device.stats());
        let captures = device.recordings.iter();
        let captures = captures.map(|capture| RecordStatus::of(capture, self.rate_hz)).collect();
        let redundancy = figures.redundancy.summary();
        let detection = figures.detection.summary();
        let promotion = figures.promotion.summary();
        let misses: u64 = shared.misses.iter().map(load).sum();
        let since_fault_s = now_ns.saturating_sub(figures.last_fault_ns) as f64 / 1e9;
        let frame = load(&shared.frames);
        let time = self.controls.timeline().at(frame, self.rate_hz);
        let beat = time.beat_at(0);
        Status {
            buffers_processed: load(&shared.next_block),
            underruns: load(&shared.gaps),
            failover_count: tally.role_changes.get(),
            failover_time_ms: redundancy.last_us / 1e3,
            last_failure_time: if figures.last_fault_ns == 0 { -1.0 } else { since_fault_s },
            heartbeat_misses: tally.overtaken.get(),
            commands_sent: self.sequencer.log_position(),
            active_worker: self.supervision.primary().unwrap_or(0) as u64,
            detection_time_ms: detection.last_us / 1e3,
            switch_time_ms: promotion.last_us / 1e3,
            redundant: self.supervision.is_redundant(),
            frames: load(&shared.frames),
            rate_hz: self.rate_hz,
            patch: self.plan.patch.name().to_owned(),
            modules: self.plan.patch.modules().len() as u64,
            edits: u64::from(self.edits.last.0),
            hasty_edits: self.edits.hasty,
            playing: time.playing,
            tempo_bpm: time.tempo_bpm,
            beat,
            bar: (beat / f64::from(time.beats_per_bar)) as u64 + 1,
            lead_blocks: self.setup.lead_blocks,
            delay_frames: self.delay_frames(),
            uptime_s: now_ns.saturating_sub(figures.started_ns) as f64 / 1e9,
            output: self.device.describe(),
            device: self.device_watch.status(now_ns, self.runs_free()),
            realtime: self.realtime,
            gaps: load(&shared.gaps),
            gap_blocks: load(&shared.gap_blocks),
            xruns: device.xruns,
            misses,
            role_changes: tally.role_changes.get(),
            fences: tally.fences.get(),
            respawns: tally.deaths.get(),
            supervisor_deaths: u64::from(lives.load(Ordering::Relaxed).saturating_sub(1)),
            resumed_after_ms: figures.resumed_after_ms,
            supervisor_pid: std::process::id(),
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
            bypassed: self.controls.bypassed().map(|module| self.name_of(module)).collect(),
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
            osc_lost: self.ears.replies.lost(),
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
        Some(Replica {
            slot,
            role: self.supervision.role(slot),
            pid: child.pid(),
            incarnation: self.testimony.claimed()[slot],
            block: self.testimony.rendered()[slot],
            load: (get(&board.busy_ns) as f64 / lived_ns as f64).min(1.0),
            misses: get(&self.regions.ledger.playback.misses[slot]),
            refused: get(&self.regions.ledger.playback.refused[slot]),
            outvoted: get(&self.regions.ledger.playback.outvoted[slot]),
            fork_us: get(&board.fork_ns) as f64 / 1e3,
        })
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
