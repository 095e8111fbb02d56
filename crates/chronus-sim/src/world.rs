//! The world: virtual time, the device, and who is due next.

use chronus_replication::blame::Crumb;
use chronus_replication::command_sequencer::CommandSequencer;
use chronus_replication::divergence::DivergenceDetector;
use chronus_replication::machine::block_hash;
use chronus_replication::selector::{Selected, Selector};
use chronus_replication::supervision::{Action, Event, Settings, Supervision};
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, Block, BlockIndex, CHANNELS, PLACES, Slot};

use crate::boards::Boards;
use crate::clock::Clock;
use crate::control_history::ControlHistory;
use crate::faults::Armed;
use crate::oracle::{self, Oracles, Verdict, restart_bounds::RestartBounds};
use crate::process::Process;
use crate::rng::Rng;
use crate::{Failure, Mutation, Report, Scenario};

/// A block lasts so long at 48 kHz.
pub(crate) const BLOCK_NS: u64 = 64_000_000 / 48;
/// After the last fault all recovers within this time: restart intensity may let three windows pass.
const RECOVERY_NS: u64 = 35_000_000_000;
const WAITING_COMMANDS: usize = 256;

#[allow(clippy::struct_excessive_bools)] // Independent facts, not one state.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) boards: Boards,
    pub(crate) processes: Vec<Process>,
    pub(crate) sequencer: CommandSequencer,
    pub(crate) supervision: Supervision,
    pub(crate) divergence: DivergenceDetector,
    pub(crate) selector: Selector,
    pub(crate) oracles: Oracles,
    pub(crate) report: Report,
    pub(crate) armed: Armed,
    pub(crate) clock: Clock,
    /// What a dead worker left in its slot may be wrong, and may be played.
    pub(crate) wrong_bits_until_ns: u64,
    /// The supervisor's own memory.
    pub(crate) children: [Option<u64>; PLACES],
    pub(crate) pending: Option<(Slot, Slot, u32)>,
    /// A fork whose forker died, and whose child could not be looked for yet.
    pub(crate) sought: Option<(u32, Slot)>,
    pub(crate) floors: [(u64, u64); PLACES],
    pub(crate) events: Vec<Event>,
    /// What those were at who died of their own doing and were reaped in this turn.
    pub(crate) told: Vec<Crumb>,
    /// The number of whoever is in a place, or is to be.
    pub(crate) numbers: [u32; PLACES],
    /// Whether the supervisor is dead; time stands still until the next has taken over.
    pub(crate) is_orphaned: bool,
    /// The last number that supervision has given.
    pub(crate) last_number: u32,
    /// Up to which number checkpoints may hold what is wrong.
    pub(crate) distrusted: u32,
    pub(crate) taken_over_ns: u64,
    /// What its clock said when it looked last.
    pub(crate) looked_ns: u64,
    /// A checkpoint that should have been dropped (a planted bug).
    pub(crate) kept_checkpoint: Option<u64>,
    /// What is done in the next turn (a planted bug).
    pub(crate) put_off: Vec<Action>,
    pub(crate) tick_ns: u64,
    pub(crate) promotions: u64,
    pub(crate) control_history: ControlHistory,
    /// When the supervisor, the device and chance do something next.
    pub(crate) supervisor_ns: u64,
    pub(crate) supervisor_not_before_ns: u64,
    pub(crate) fault_ns: u64,
    pub(crate) faults_end: BlockIndex,
    faults_end_ns: u64,
    pub(crate) period_frames: usize,
    pub(crate) device_ns: u64,
    pub(crate) device_started: bool,
    pub(crate) frames_played: u64,
    /// The block being played, as far as it was.
    playing: Block,
    /// Whether the block being played must be exact.
    exact: bool,
    pub(crate) after_gap: bool,
    /// Tells what happens; set by the variable `CHRONUS_SIM_TRACE`.
    verbose: bool,
    last_pid: u64,
    failure: Option<Failure>,
}

impl World {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let mut rng = Rng::new(scenario.seed);
        let settings = Settings::for_replicas(scenario.mix.replicas);
        let mut boards = Boards::new();
        let is_mutant = |mutation| scenario.mutation == Some(mutation);
        boards.any_incarnation = is_mutant(Mutation::AnyIncarnation);
        boards.any_version = is_mutant(Mutation::AnyVersion);
        boards.any_bits = is_mutant(Mutation::AnyBits);
        boards.amends_played = is_mutant(Mutation::AmendPlayed);
        boards.ignores_votes = is_mutant(Mutation::VoteIgnored);
        boards.log.overwrites = is_mutant(Mutation::LogOverwrites);
        boards.log.loses = is_mutant(Mutation::LogLosesEntries);
        let period_frames = [64, 64, 100, 256][rng.between(0, 4) as usize];
        let oracles = Oracles {
            accepted: oracle::accepted::Accepted::default(),
            blame: oracle::blame::Blame::default(),
            checkpoints: oracle::checkpoints::Checkpoints::default(),
            journal: oracle::journal::Journal::default(),
            liveness: oracle::liveness::Liveness::default(),
            lockstep: oracle::lockstep::Lockstep::default(),
            no_gap: oracle::no_gap::NoGap::default(),
            restart_bounds: RestartBounds::new(settings.fresh_most, settings.fresh_window_ns),
            total_order: oracle::total_order::TotalOrder::default(),
        };
        Self {
            scenario,
            rng,
            now: 0,
            boards,
            processes: Vec::new(),
            sequencer: CommandSequencer::new(WAITING_COMMANDS),
            supervision: Supervision::new(settings),
            divergence: DivergenceDetector::default(),
            selector: Selector::default(),
            oracles,
            report: Report::default(),
            armed: Armed::default(),
            clock: Clock::default(),
            wrong_bits_until_ns: 0,
            children: [None; PLACES],
            pending: None,
            sought: None,
            floors: [(0, 0); PLACES],
            events: Vec::new(),
            told: Vec::new(),
            numbers: [0; PLACES],
            is_orphaned: false,
            last_number: 0,
            distrusted: 0,
            taken_over_ns: 0,
            looked_ns: 0,
            kept_checkpoint: None,
            put_off: Vec::new(),
            tick_ns: 0,
            promotions: 0,
            control_history: ControlHistory::default(),
            supervisor_ns: 0,
            supervisor_not_before_ns: 0,
            fault_ns: u64::MAX,
            faults_end: scenario.blocks / 7 * 6,
            faults_end_ns: 0,
            period_frames,
            device_ns: u64::MAX,
            device_started: false,
            frames_played: 0,
            playing: [0.0; BLOCK_SAMPLES],
            exact: false,
            after_gap: false,
            verbose: std::env::var_os("CHRONUS_SIM_TRACE").is_some(),
            last_pid: 0,
            failure: None,
        }
    }

    pub(crate) fn run(mut self) -> Result<Report, Failure> {
        loop {
            self.step();
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let end = self.selector.next_block() >= self.scenario.blocks;
            if end && self.fault_ns == u64::MAX && self.supervision.is_redundant() {
                break;
            }
            if self.selector.next_block() < self.faults_end {
                self.faults_end_ns = self.now;
            } else if self.now > self.faults_end_ns + RECOVERY_NS {
                self.object("liveness", Err("all is quiet, and it never recovers".into()));
            }
        }
        let verdict = self.oracles.journal.replay();
        self.object("journal", verdict);
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let counts = self.selector.counts();
        self.report.outvoted = counts.outvoted.iter().sum();
        self.report.innocents = self.oracles.blame.innocents;
        self.report.most_workers = self.oracles.blame.most_workers;
        self.report.blocks = self.selector.next_block();
        self.report.played = counts.played;
        self.report.gap_blocks = counts.gap_blocks;
        self.report.commands = self.sequencer.log_position();
        self.report.put_off = self.sequencer.counts().put_off;
        self.report.compared = self.divergence.blocks_compared();
        Ok(self.report)
    }

    /// Goes to the next moment at which anybody does anything, and lets them.
    fn step(&mut self) {
        let process = self.processes.iter().map(Process::next_ns).enumerate();
        let (index, process_ns) = process.min_by_key(|(_, at)| *at).unwrap_or((0, u64::MAX));
        let next = process_ns.min(self.supervisor_ns).min(self.device_ns).min(self.fault_ns);
        self.now = self.now.max(next);
        if next == self.device_ns {
            self.callback();
        } else if next == self.fault_ns {
            self.strike();
        } else if next == self.supervisor_ns {
            self.turn();
            if !self.device_started && self.supervision.is_complete() {
                self.device_started = true;
                self.device_ns = self.now + BLOCK_NS;
                self.fault_ns = self.now + 20_000_000;
            }
        } else {
            self.step_process(index);
        }
    }

    /// The audio callback.
    fn callback(&mut self) {
        self.device_ns = self.now + BLOCK_NS * self.period_frames as u64 / BLOCK_FRAMES as u64;
        let mut out = [0.0; 256 * CHANNELS];
        let out = &mut out[..self.period_frames * CHANNELS];
        let mut seen = Vec::new();
        let mut selector = self.selector.clone();
        let begun = selector.fill(out, &self.boards, |selected| seen.push(selected));
        self.selector = selector;
        self.notify();
        if !begun {
            return;
        }
        let mut seen = seen.into_iter();
        for frame in out.chunks_exact(CHANNELS) {
            let block = self.frames_played / BLOCK_FRAMES as u64;
            let offset = (self.frames_played % BLOCK_FRAMES as u64) as usize;
            if offset == 0 {
                match seen.next() {
                    Some(selected) => self.heard(selected),
                    None => self.object("no gap", Err(format!("block {block} was never begun"))),
                }
            }
            if self.exact {
                let verdict = self.oracles.lockstep.played(block, offset, frame);
                self.object("lockstep", verdict);
            }
            self.playing[offset * CHANNELS..][..CHANNELS].copy_from_slice(frame);
            if self.exact && offset == BLOCK_FRAMES - 1 {
                self.oracles.journal.heard(block_hash(block, &self.playing));
            }
            self.frames_played += 1;
        }
    }

    fn heard(&mut self, selected: Selected) {
        match selected {
            Selected::Played(block, slot) => {
                let entry = self.boards.slots[slot].entry(block);
                let incarnation = entry.map(|entry| entry.incarnation);
                let tainted = entry.is_some_and(|entry| entry.tainted);
                let verdict = self.oracles.accepted.played(block, slot, incarnation);
                self.object("accepted", verdict);
                self.oracles.liveness.played(self.now);
                self.oracles.journal.played();
                if tainted && !self.oracles.no_gap.is_at_risk() {
                    let what = format!("block {block} of slot {slot} is heard with wrong bits");
                    self.object("wrong bits", Err(what));
                }
                // The block after a gap is faded in.
                self.exact = !tainted && !self.after_gap;
                self.after_gap = false;
                self.trace(block << 2 | slot as u64);
            }
            Selected::Gap(block) => {
                self.exact = false;
                self.after_gap = true;
                self.oracles.journal.gap();
                let verdict = self.oracles.no_gap.gap(block);
                self.object("no gap", verdict);
                self.note(&("gap", block));
            }
        }
    }

    /// Wakes the supervisor, if it is allowed to run.
    pub(crate) fn notify(&mut self) {
        let wakes = self.now + self.rng.between(20_000, 120_000);
        self.supervisor_ns = self.supervisor_ns.min(wakes.max(self.supervisor_not_before_ns));
    }

    /// Takes an oracle's verdict; the first objection counts.
    pub(crate) fn object(&mut self, oracle: &'static str, verdict: Verdict) {
        if let Err(what) = verdict
            && self.failure.is_none()
        {
            let block = self.selector.next_block();
            if self.verbose {
                self.describe();
            }
            self.failure = Some(Failure { seed: self.scenario.seed, block, oracle, what });
        }
    }

    /// Tells where everybody is.
    fn describe(&self) {
        let Boards { primary, sealed, released, .. } = self.boards;
        eprintln!(
            "{:>10} us: primary {primary}, sealed {sealed}, released {released}",
            self.now / 1000
        );
        for process in &self.processes {
            eprintln!("{process:?}");
        }
    }

    /// Adds a number to the hash of all that happened.
    pub(crate) fn trace(&mut self, word: u64) {
        let mixed = (self.report.trace ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.report.trace = mixed.rotate_left(29);
    }

    /// Adds something that happened to the hash of all that happened, with its time.
    pub(crate) fn note(&mut self, what: &impl std::fmt::Debug) {
        let text = format!("{what:?}");
        if self.verbose {
            eprintln!("{:>10} us, block {}: {text}", self.now / 1000, self.selector.next_block());
        }
        self.trace(self.now);
        for byte in text.bytes() {
            self.trace(u64::from(byte));
        }
    }

    pub(crate) fn is_mutant(&self, mutation: Mutation) -> bool {
        self.scenario.mutation == Some(mutation)
    }

    /// What the supervisor's clock says.
    pub(crate) fn told_ns(&self) -> u64 {
        self.clock.told_ns(self.now)
    }

    pub(crate) fn take_pid(&mut self) -> u64 {
        self.last_pid += 1;
        self.last_pid
    }
}
