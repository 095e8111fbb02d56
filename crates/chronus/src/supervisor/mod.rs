//! The supervisor: owns the device, the command sequencer and the workers, and does what the state
//! machine of `chronus-replication` decides. It runs on the main thread, because workers tie their
//! lives to the thread that started them, and the main thread lives as long as the program.

mod blame;
mod edits;
mod events;
mod hindsight;
mod orders;
mod processes;
mod recording;
pub mod status;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chronus_engine::{Command, Controls};
use chronus_os::memfd::Memfd;
use chronus_os::wake::{Kick, Ticker, poll_readable, wake_all};
use chronus_os::{clock, sched};
use chronus_output::{Device, WavFormat};
use chronus_replication::command_sequencer::CommandSequencer;
use chronus_replication::device_clock::DeviceClock;
use chronus_replication::divergence::DivergenceDetector;
use chronus_replication::supervision::{self, Action, Event, Supervision};
use chronus_replication::{BLOCK_FRAMES, PLACES, SLOTS, Slot};
use chronus_shm::block_ring::{RING_BLOCKS, hash_of};
use chronus_shm::command_log::{LOG_ENTRIES, LogWriter};
use chronus_shm::control_board::SEALS;
use chronus_shm::region;

use crate::journal::{JournalWriter, Score};
use crate::osc_server::{Incoming, Replies};
use crate::patcher::Line;
use crate::playback::{Playback, Regions, Shared};
use crate::shelf::Plan;
use blame::Blame;
use edits::{Edits, Sealed};
use events::Listeners;
use hindsight::Hindsight;
use processes::{Processes, Seen};
use recording::Recorder;
use status::Figures;

/// Commands that may wait for their frame.
const WAITING_COMMANDS: usize = 8192;
/// While something may be owed, a look at the workers is due at least this often.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);
/// Everybody looks around this often, whether or not there seems to be anything to do.
const TICK: Duration = Duration::from_millis(100);
/// A callback is looked for this long after it is expected.
const CALLBACK_SLACK_NS: u64 = 50_000;

/// How an engine is set up.
pub struct Setup {
    /// What is played first.
    pub plan: Plan,
    /// What the journal keeps of it.
    pub score: Score,
    /// Plans and recordings, for workers.
    pub shelf: Arc<Memfd>,
    /// Where edits of the patch come from.
    pub line: Line,
    /// How many blocks the workers are ahead of the device.
    pub lead_blocks: u64,
    /// How many replicas there are.
    pub replicas: usize,
    /// Where the journal goes.
    pub journal: Option<PathBuf>,
    /// Where recordings go.
    pub recordings: PathBuf,
    /// How their samples are written.
    pub record_format: WavFormat,
    /// Whether workers may be killed over OSC.
    pub allow_chaos: bool,
    /// Whether the device pulls without a clock.
    pub free_run: bool,
    /// End by itself after this many frames.
    pub end_frame: Option<u64>,
}

/// What stays as it was set up.
struct Settings {
    lead_blocks: u64,
    allow_chaos: bool,
    free_run: bool,
    end_frame: Option<u64>,
}

/// What the supervisor listens to.
pub struct Ears {
    /// What came in over OSC.
    pub incoming: rtrb::Consumer<Incoming>,
    /// Raised by whoever has something for the supervisor.
    pub kick: Kick,
    /// Readable once SIGTERM or SIGINT has come.
    pub end: UnixStream,
    /// Replies to OSC senders.
    pub replies: Replies,
}

/// The supervisor's state.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a state")]
pub struct Supervisor {
    setup: Settings,
    /// What workers play that start afresh.
    plan: Plan,
    edits: Edits,
    ears: Ears,
    device: Box<dyn Device>,
    rate_hz: u32,
    realtime: bool,
    regions: Regions,
    shared: Arc<Shared>,
    gaps: rtrb::Consumer<u64>,
    sequencer: CommandSequencer,
    controls: Controls,
    hindsight: Hindsight,
    blame: Blame,
    listeners: Listeners,
    supervision: Supervision,
    divergence: DivergenceDetector,
    processes: Processes,
    device_clock: DeviceClock,
    journal: Option<JournalWriter>,
    recorder: Recorder,
    figures: Figures,
    ticker: Ticker,
    journal_mark_ns: u64,
    device_lost: bool,
    /// SIGTERM or SIGINT has come.
    end_asked: bool,
    /// The last sleep ended with the death of a worker.
    someone_died: bool,
    source: Option<Playback>,
}

impl Supervisor {
    /// Sets an engine up; nothing runs yet.
    ///
    /// # Errors
    /// If shared memory or the journal can't be created.
    pub fn new(setup: Setup, ears: Ears, mut device: Box<dyn Device>) -> io::Result<Self> {
        let rate_hz = device.rate_hz();
        let (log_memory, log) = region::create_log()?;
        let (slots_memory, slots) = region::create_slots()?;
        let regions = Regions { log: Arc::new(log), slots: Arc::new(slots) };
        let shared = Arc::new(Shared::default());
        let (gaps_in, gaps) = rtrb::RingBuffer::new(4096);
        let kick = ears.kick.try_clone()?;
        let source = Playback::new(regions.clone(), shared.clone(), gaps_in, kick);
        let journal = match &setup.journal {
            Some(path) => Some(JournalWriter::create(path, &setup.score, rate_hz)?),
            None => None,
        };
        // Without a clock there is no deadline, and a real-time class would only starve others.
        let realtime = !setup.free_run && raise_priority();
        let mut limits = supervision::Settings::for_replicas(setup.replicas);
        if setup.free_run {
            // Nor is there a hurry to give up on a worker that other programs keep from running.
            limits.limits.hard_ns *= 5;
        }
        let folder = setup.recordings.clone();
        let recorder = Recorder::new(device.deck(), folder, setup.record_format);
        Ok(Self {
            controls: Controls::of(&setup.plan.patch),
            hindsight: Hindsight::new(&Controls::of(&setup.plan.patch)),
            blame: Blame::default(),
            listeners: Listeners::default(),
            supervision: Supervision::new(limits),
            sequencer: CommandSequencer::new(WAITING_COMMANDS),
            divergence: DivergenceDetector::default(),
            processes: Processes::new(log_memory, slots_memory, setup.shelf.read_only()?),
            device_clock: DeviceClock::new(rate_hz),
            figures: Figures::new(clock::monotonic_ns()),
            ticker: Ticker::new(TICK)?,
            journal_mark_ns: 0,
            device_lost: false,
            end_asked: false,
            someone_died: false,
            source: Some(source),
            setup: Settings {
                lead_blocks: setup.lead_blocks,
                allow_chaos: setup.allow_chaos,
                free_run: setup.free_run,
                end_frame: setup.end_frame,
            },
            plan: setup.plan,
            edits: Edits::new(setup.line),
            ears,
            device,
            rate_hz,
            realtime,
            regions,
            shared,
            gaps,
            journal,
            recorder,
        })
    }

    /// Plays until SIGTERM, SIGINT or the end that was set; then ends everything in order.
    ///
    /// # Errors
    /// If the device can't be started or stopped.
    pub fn run(&mut self) -> io::Result<()> {
        self.start_device_when_ready()?;
        while !self.asked_to_end() {
            self.sleep();
            self.turn();
        }
        self.fade_out();
        self.shut_down()
    }

    /// One turn: everything that is due now.
    fn turn(&mut self) {
        let now_ns = clock::monotonic_ns();
        let (callback_ns, callback_frame) = self.shared.last_callback();
        if callback_ns != 0 {
            self.device_clock.observe(callback_ns, callback_frame);
        }
        self.take_orders(now_ns);
        self.settle();
        self.tend_edits(now_ns);
        self.seal_due();
        self.watch(now_ns);
        self.keep_journal(now_ns);
        self.watch_device();
    }

    /// The device starts when all replicas are there, or after two seconds with what there is.
    fn start_device_when_ready(&mut self) -> io::Result<()> {
        let give_up_ns = clock::monotonic_ns() + 2_000_000_000;
        while !self.supervision.is_redundant() && clock::monotonic_ns() < give_up_ns {
            self.turn();
            self.sleep();
            if self.end_asked {
                return Ok(());
            }
        }
        if let Some(source) = self.source.take() {
            self.device.start(Box::new(source)).map_err(io::Error::other)?;
        }
        tracing::info!("playing to {}", self.device.describe());
        Ok(())
    }

    fn sleep(&mut self) {
        let mut fds = [self.ears.kick.as_fd(); PLACES + 3];
        fds[1] = self.ears.end.as_fd();
        fds[2] = self.ticker.as_fd();
        let mut count = 3;
        for child in self.processes.running() {
            fds[count] = child.as_fd();
            count += 1;
        }
        let mut ready = [false; PLACES + 3];
        poll_readable(&fds[..count], &mut ready, self.time_to_sleep());
        self.end_asked |= ready[1];
        self.someone_died = ready[3..].contains(&true);
        if ready[0] {
            self.ears.kick.clear();
        }
        if ready[2] {
            self.ticker.clear();
            self.ring();
        }
    }

    /// How long to sleep if nothing happens; `None` for until something does, which saves a timer. A
    /// device that does not say when it has played is looked for when its next callback is expected.
    fn time_to_sleep(&self) -> Option<Duration> {
        let frame_ns = 1_000_000_000 / u64::from(self.rate_hz);
        if self.processes.any_pending() || self.edits.is_under_way() {
            return Some(Duration::from_nanos(BLOCK_FRAMES as u64 * frame_ns));
        }
        if self.device.self_paced() {
            let period_ns = self.shared.longest_period.load(Ordering::Relaxed) * frame_ns;
            let often = !self.setup.free_run && period_ns <= 3_000_000;
            return (!often).then_some(LONGEST_SLEEP);
        }
        let next = self.device_clock.time_of(self.shared.frames.load(Ordering::Acquire));
        let ahead_ns = next.map_or(0, |next_ns| next_ns.saturating_sub(clock::monotonic_ns()));
        Some(Duration::from_nanos(ahead_ns + CALLBACK_SLACK_NS).min(LONGEST_SLEEP))
    }

    /// What was played can't be amended any more.
    fn settle(&mut self) {
        let next_block = self.regions.log.settlement.standing().next_block;
        if let Some(edit) = self.hindsight.settle(next_block, self.rate_hz) {
            self.edits.over(edit);
        }
    }

    /// Seals as many blocks as the workers shall be ahead of the device, and no more than the slowest
    /// of them can still find.
    fn seal_due(&mut self) {
        // The first worker begins at the first block, so none is sealed before there is one.
        if !self.supervision.has_begun() {
            return;
        }
        let period = self.shared.longest_period.load(Ordering::Relaxed);
        let extra = period.div_ceil(BLOCK_FRAMES as u64).saturating_sub(1);
        let ahead = (self.setup.lead_blocks + extra).min(RING_BLOCKS as u64 - 16);
        let (slowest_entry, slowest_block) = self.slowest_reader();
        let target = (self.shared.next_block.load(Ordering::Acquire) + ahead)
            .min(slowest_block + SEALS as u64 - 16);
        let board = &self.regions.log.board;
        let before = self.sequencer.next_block();
        while self.sequencer.next_block() < target {
            let mut log = LogWriter {
                head: &board.head,
                entries: &self.regions.log.entries,
                slowest_reader: slowest_entry,
            };
            let mut sealed = Sealed {
                controls: &mut self.controls,
                plan: &mut self.plan,
                edits: &mut self.edits,
                hindsight: &mut self.hindsight,
                journal: &mut self.journal,
                rate_hz: self.rate_hz,
            };
            let seal = self.sequencer.seal_next(&mut log, |entry| sealed.take(entry));
            board.seal(&self.regions.log.seals, seal);
        }
        if self.sequencer.next_block() != before {
            self.ring();
        }
    }

    /// The log position and the block before which no worker will ever look back.
    fn slowest_reader(&self) -> (u64, u64) {
        let mut slowest = (self.sequencer.log_position(), self.sequencer.next_block());
        for slot in (0..PLACES).filter(|slot| self.supervision.is_occupied(*slot)) {
            let board = &self.regions.slots.slots[slot].board;
            let reader = if self.supervision.is_live(slot) {
                (board.log_position(), board.rendered())
            } else {
                self.processes.floor(slot)
            };
            slowest = (slowest.0.min(reader.0), slowest.1.min(reader.1));
        }
        slowest
    }

    /// Looks at the workers and does what supervision decides.
    fn watch(&mut self, now_ns: u64) {
        let mut actions = Vec::new();
        let events = self.processes.events(&self.regions.slots, self.someone_died);
        let divergence = self.compare();
        let seen = self.seen();
        let cpu = |slot: Slot| self.processes.cpu_ns(slot);
        let crumb = |slot: Slot| self.regions.slots.slots[slot].board.breadcrumb.read();
        let view = seen.with(&cpu, &crumb);
        for event in events {
            self.figures.note_event(&event, now_ns);
            self.supervision.handle(event, &view, &mut actions);
        }
        if let Some(divergence) = divergence {
            self.figures.divergences += 1;
            tracing::error!(
                "block {}: slot {} rendered other bits than slot {}",
                divergence.block,
                divergence.differs,
                divergence.reference
            );
            let event = Event::Diverged { slot: divergence.differs };
            self.supervision.handle(event, &view, &mut actions);
        }
        self.supervision.look(now_ns, &view, &mut actions);
        for action in actions {
            self.act(action, now_ns);
        }
    }

    /// What the boards say, and which checkpoints are of use.
    fn seen(&self) -> Seen {
        let mut seen = Seen::of(&self.regions);
        seen.renew_before = self.edits.last_block;
        let (head, sealed) = (self.sequencer.log_position(), self.sequencer.next_block());
        for place in SLOTS..PLACES {
            let (entry, block) = self.processes.floor(place);
            let holds_up = head.saturating_sub(entry) > LOG_ENTRIES as u64 / 2
                || sealed.saturating_sub(block) > SEALS as u64 / 2;
            if holds_up {
                let frozen_at = self.regions.slots.slots[place].board.rendered();
                seen.useless_before = seen.useless_before.max(frozen_at + 1);
            }
        }
        seen
    }

    fn compare(&mut self) -> Option<chronus_replication::divergence::Divergence> {
        let reference = self.supervision.primary()?;
        let slots = &self.regions.slots.slots;
        let rendered = std::array::from_fn(|slot| {
            self.supervision.is_live(slot).then(|| slots[slot].board.rendered())
        });
        self.divergence.compare(reference, &rendered, |slot, block| {
            hash_of(&slots[slot].ring, block, slots[slot].board.incarnation())
        })
    }

    fn act(&mut self, action: Action, now_ns: u64) {
        match action {
            Action::Promote(slot) => {
                let slots = &self.regions.slots.slots;
                // Released first, so that no standby runs ahead of a new primary that is behind.
                self.regions.log.board.release(slots[slot].board.rendered());
                self.regions.log.board.promote(slot);
                self.ring();
                // A device without a clock may sleep on the bell of the slot that went first.
                for slot in slots {
                    slot.board.bell.fetch_add(1, Ordering::Release);
                    wake_all(&slot.board.bell);
                }
                self.figures.promoted(clock::monotonic_ns());
            }
            Action::Admit { slot, number } => self.shared.admit(slot, number),
            Action::Disown(slot) => self.shared.disown(slot),
            Action::Fence(slot) => self.processes.fence(slot),
            Action::Fork { forker, into, number } => {
                let board = &self.regions.slots.slots[forker].board;
                let floor = (board.log_position(), board.rendered());
                self.processes.expect_fork(forker, into, number, floor);
                let order = chronus_replication::lockstep::Order::Fork { into, number };
                self.regions.log.board.give_order(forker, order);
                self.ring();
                self.figures.forks_ordered += 1;
            }
            Action::FindChild { number, into } => self.processes.find_child(number, into),
            Action::Spawn { slot, number, restart } => self.spawn(slot, number, restart),
            Action::Thaw { from, into, number } => self.thaw(from, into, number),
            Action::Amend { block, culprit, cause } => self.amend(block, culprit, cause, now_ns),
            Action::Withdraw { edit, cause } => self.withdraw(edit, cause),
            Action::Report(notice) => self.figures.note(&notice, now_ns),
        }
    }

    fn spawn(&mut self, slot: Slot, number: u32, restart: bool) {
        if restart {
            self.sequencer.submit_urgent(Command::Restart.encode());
        }
        let amendments = self.regions.log.settlement.standing().amendments;
        let start = (self.sequencer.next_block(), self.sequencer.log_position(), amendments);
        self.shared.lost_before.store(start.0, Ordering::Release);
        let genesis = (&self.plan, &self.controls, self.edits.last.0);
        let kick = &self.ears.kick;
        self.processes.spawn(slot, number, start, genesis, (self.rate_hz, self.realtime), kick);
    }

    /// Has a checkpoint go on as the worker of a slot.
    fn thaw(&mut self, from: Slot, into: Slot, number: u32) {
        self.processes.move_to(from, into);
        let board = &self.regions.log.board;
        board.give_order(from, chronus_replication::lockstep::Order::Thaw { into, number });
        board.thaw_bell.fetch_add(1, Ordering::Release);
        wake_all(&board.thaw_bell);
    }

    /// Releases to the standbys what the primary has finished, and wakes the workers.
    fn ring(&self) {
        let board = &self.regions.log.board;
        board.release(self.regions.slots.slots[board.primary()].board.rendered());
        board.bell.fetch_add(1, Ordering::Release);
        wake_all(&board.bell);
    }

    fn keep_journal(&mut self, now_ns: u64) {
        let gap_blocks = self.shared.gap_blocks.load(Ordering::Relaxed);
        if self.figures.time_to_tell_gaps(gap_blocks, now_ns) {
            tracing::warn!("gap: no replica had a block in time; {gap_blocks} blocks so far");
        }
        while let Ok(block) = self.gaps.pop() {
            if let Some(journal) = &mut self.journal {
                journal.gap(block);
            }
        }
        if let Some(journal) = &mut self.journal
            && now_ns >= self.journal_mark_ns + 1_000_000_000
        {
            self.journal_mark_ns = now_ns;
            journal.reached(self.shared.frames.load(Ordering::Acquire));
        }
    }

    fn watch_device(&mut self) {
        if self.device_lost {
            return;
        }
        if self.figures.time_for_device_check(clock::monotonic_ns())
            && let Some(why) = self.device.stats().lost
        {
            self.device_lost = true;
            tracing::error!("the audio device is lost: {why}");
        }
    }

    fn asked_to_end(&self) -> bool {
        let reached = self.shared.frames.load(Ordering::Acquire);
        self.end_asked || self.setup.end_frame.is_some_and(|end| reached >= end)
    }

    /// Fades out by a command like any other, so that a replay fades alike.
    fn fade_out(&mut self) {
        self.sequencer.submit_urgent(Command::Mute(true).encode());
        let fade_frames = u64::from(self.rate_hz) / 50;
        let end = self.sequencer.first_open_frame() + BLOCK_FRAMES as u64 + fade_frames;
        let give_up_ns = clock::monotonic_ns() + 500_000_000;
        while self.shared.frames.load(Ordering::Acquire) < end && clock::monotonic_ns() < give_up_ns
        {
            self.sleep();
            self.turn();
        }
    }

    fn shut_down(&mut self) -> io::Result<()> {
        let stopped = self.device.stop();
        let frames = self.shared.frames.load(Ordering::Acquire);
        self.processes.end_all();
        self.keep_journal(clock::monotonic_ns());
        if let Some(journal) = self.journal.take() {
            journal.finish(frames);
        }
        let report = stopped.map_err(io::Error::other)?;
        tracing::info!(
            "ended after {frames} frames, {} gaps, {} xruns",
            self.shared.gaps.load(Ordering::Relaxed),
            report.xruns
        );
        Ok(())
    }
}

/// Puts the supervisor into the real-time class, and says once what that means if it may not.
fn raise_priority() -> bool {
    sched::set_least_timer_slack();
    let permitted = sched::set_fifo(sched::priority::SUPERVISOR).is_ok();
    if !permitted {
        tracing::warn!(
            "no permission for real-time scheduling: other programs may cause gaps; \
             `chronus doctor` tells what to type"
        );
    }
    permitted
}
