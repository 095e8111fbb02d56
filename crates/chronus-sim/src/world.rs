//! The world: virtual time, the device, and who is due next.

use chronus_replication::command_sequencer::CommandSequencer;
use chronus_replication::divergence::DivergenceDetector;
use chronus_replication::selector::{Selected, Selector};
use chronus_replication::supervision::{Event, Settings, Supervision};
use chronus_replication::{BLOCK_FRAMES, BlockIndex, CHANNELS, PLACES, Slot};

use crate::boards::Boards;
use crate::faults::Armed;
use crate::oracle::{self, Oracles, Verdict, restart_bounds::RestartBounds};
use crate::process::Process;
use crate::rng::Rng;
use crate::{Failure, Mutation, Report, Scenario};

/// A block lasts so long at 48 kHz.
pub(crate) const BLOCK_NS: u64 = 64_000_000 / 48;
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
    /// The supervisor's own memory.
    pub(crate) children: [Option<u64>; PLACES],
    pub(crate) pending: Option<(Slot, Slot, u32)>,
    pub(crate) floors: [(u64, u64); PLACES],
    pub(crate) events: Vec<Event>,
    pub(crate) promotions: u64,
    /// Sum of the payloads of all entries in the log.
    pub(crate) log_sum: u64,
    /// When the supervisor, the device and chance do something next.
    pub(crate) supervisor_ns: u64,
    pub(crate) supervisor_not_before_ns: u64,
    pub(crate) fault_ns: u64,
    pub(crate) faults_end: BlockIndex,
    pub(crate) period_frames: usize,
    device_ns: u64,
    device_started: bool,
    frames_played: u64,
    /// Whether the block being played must be exact.
    exact: bool,
    after_gap: bool,
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
        boards.any_incarnation = scenario.mutation == Some(Mutation::AnyIncarnation);
        boards.log.overwrites = scenario.mutation == Some(Mutation::LogOverwrites);
        boards.log.loses = scenario.mutation == Some(Mutation::LogLosesEntries);
        let period_frames = [64, 64, 100, 256][rng.between(0, 4) as usize];
        let oracles = Oracles {
            admitted: oracle::admitted::Admitted::default(),
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
            children: [None; PLACES],
            pending: None,
            floors: [(0, 0); PLACES],
            events: Vec::new(),
            promotions: 0,
            log_sum: 0,
            supervisor_ns: 0,
            supervisor_not_before_ns: 0,
            fault_ns: u64::MAX,
            faults_end: scenario.blocks / 7 * 6,
            period_frames,
            device_ns: u64::MAX,
            device_started: false,
            frames_played: 0,
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
        }
        let counts = self.selector.counts();
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
            if !self.device_started && self.supervision.is_redundant() {
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
        self.kick();
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
            self.frames_played += 1;
        }
    }

    fn heard(&mut self, selected: Selected) {
        match selected {
            Selected::Played(block, slot) => {
                let entry = self.boards.slots[slot].entry(block);
                let incarnation = entry.map(|entry| entry.incarnation);
                let tainted = entry.is_some_and(|entry| entry.tainted);
                let verdict = self.oracles.admitted.played(block, slot, incarnation);
                self.object("admitted", verdict);
                self.oracles.liveness.played(self.now);
                // The block after a gap is faded in.
                self.exact = !tainted && !self.after_gap;
                self.after_gap = false;
                self.trace(block << 2 | slot as u64);
            }
            Selected::Gap(block) => {
                self.exact = false;
                self.after_gap = true;
                let verdict = self.oracles.no_gap.gap(block);
                self.object("no gap", verdict);
                self.note(&("gap", block));
            }
        }
    }

    /// Wakes the supervisor, if it is allowed to run.
    pub(crate) fn kick(&mut self) {
        let wakes = self.now + self.rng.between(20_000, 120_000);
        self.supervisor_ns = self.supervisor_ns.min(wakes.max(self.supervisor_not_before_ns));
    }

    /// Takes an oracle's verdict; the first objection counts.
    pub(crate) fn object(&mut self, oracle: &'static str, verdict: Verdict) {
        if let Err(what) = verdict
            && self.failure.is_none()
        {
            let block = self.selector.next_block();
            self.failure = Some(Failure { seed: self.scenario.seed, block, oracle, what });
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

    pub(crate) fn take_pid(&mut self) -> u64 {
        self.last_pid += 1;
        self.last_pid
    }
}
