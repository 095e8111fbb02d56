//! The supervisor: owns the device, the command sequencer and the workers, and does what the state
//! machine of `chronus-replication` decides. Should it die, the keeper starts another, which takes over.

mod begin;
mod blame;
mod clocks;
mod control_history;
mod device;
mod edits;
mod ending;
mod events;
mod family;
mod orders;
mod processes;
mod questions;
mod recording;
mod sight;
mod stalls;
pub mod start;
pub mod status;
mod takeover;
mod watch;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chronus_control::Event;
use chronus_os::child::Children;
use chronus_os::memfd::Memfd;
use chronus_os::wake::{Notifier, Ticker, poll_readable, wake_all};
use chronus_os::{clock, confine, sched};
use chronus_output::{Device, WavFormat};
use chronus_replication::command_sequencer::CommandSequencer;
use chronus_replication::device_clock::DeviceClock;
use chronus_replication::divergence::DivergenceDetector;
use chronus_replication::supervision::{self, Supervision};
use chronus_replication::{BLOCK_FRAMES, BlockIndex, PLACES, SLOTS, Slot};
use chronus_shm::block_ring::{RING_BLOCKS, SPARE_BLOCKS};
use chronus_shm::claim_check::ClaimCheck;
use chronus_shm::command_log::LogWriter;
use chronus_shm::control_board::SEALS;
use chronus_shm::playback_board::Callback;

use crate::control::outbox::{Post, Respond};
use crate::control::port::Inbox;
use crate::control::refusals::Refusals;
use crate::log::counted;
use crate::patcher::Line;
use crate::performance::Performance;
use crate::persistence::regions::Regions;
use crate::persistence::service::Output;
use crate::persistence::shared_assets::PackedPatch;
use crate::persistence::snapshot::Snapshots;
use crate::processes::playback::{Gap, Playback};
use crate::processes::stall_monitor::StallMonitor;
pub use begin::Beginning;
use begin::Noted;
use blame::Blame;
use chronus_journal::JournalWriter;
use clocks::ClockWatch;
use control_history::ControlHistory;
use device::DeviceWatch;
use edits::{Edits, Sealed};
use events::Listeners;
use family::FamilyWatch;
use orders::Timing;
use processes::Processes;
pub use questions::Questions;
use recording::RecordingControl;
pub use recording::Unfinished;
use stalls::StallWatch;
use status::Figures;

/// While something may be owed, a look at the workers is due at least this often.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);
/// Everybody looks around this often, whether or not there seems to be anything to do.
const TICK: Duration = Duration::from_millis(100);
/// A callback is looked for this long after it is expected.
const CALLBACK_SLACK_NS: u64 = 50_000;

/// How an engine is set up.
pub struct Setup {
    /// What is played.
    pub beginning: Beginning,
    /// Packed patches and recordings, for workers.
    pub assets: Arc<Memfd>,
    /// What is shared with workers.
    pub memory: Memory,
    /// What is left to a successor.
    pub ledger: Memfd,
    /// The same memory, mapped.
    pub regions: Regions,
    /// The keeper's process id.
    pub keeper: u32,
    /// Whom it has for children: this process and the workers.
    pub children: Children,
    /// Where edits of the patch come from.
    pub line: Line,
    /// How many blocks the workers are ahead of the device.
    pub lead_blocks: u64,
    /// How many replicas there are.
    pub replicas: usize,
    /// Where the journal goes, and the file that the keeper has made for it.
    pub journal: Option<(PathBuf, Option<File>)>,
    /// Where recordings go.
    pub recordings: PathBuf,
    /// How their samples are written.
    pub record_format: WavFormat,
    /// The recording that another supervisor was making.
    pub unfinished: Option<Unfinished>,
    /// Whether workers may be killed over OSC.
    pub allow_chaos: bool,
    /// Whether the device pulls without a clock.
    pub free_run: bool,
    /// End by itself after this many frames.
    pub end_frame: Option<u64>,
    /// Who is told what the output is.
    pub told: Output,
}

/// What is shared with workers.
#[derive(Debug)]
pub struct Memory {
    /// The command log and the control board.
    pub log: Memfd,
    /// What the workers have rendered.
    pub slots: Memfd,
}

/// What stays as it was set up.
struct Settings {
    lead_blocks: u64,
    allow_chaos: bool,
    free_run: bool,
    end_frame: Option<u64>,
}

/// What the supervisor listens to.
pub struct Inputs {
    /// What clients ask.
    pub inbox: Inbox,
    /// Raised by whoever has something for the supervisor.
    pub notifier: Notifier,
    /// Readable once SIGTERM has come.
    pub end: UnixStream,
    /// What they are told.
    pub post: Post,
    /// Who waits to be told how the engine is.
    pub questions: Questions,
}

/// The supervisor's state.
pub struct Supervisor {
    setup: Settings,
    /// What workers play that start afresh, with all that is sealed.
    performance: Performance<PackedPatch>,
    edits: Edits,
    inputs: Inputs,
    device: Box<dyn Device>,
    rate_hz: u32,
    realtime: bool,
    regions: Regions,
    gaps: rtrb::Consumer<Gap>,
    sequencer: CommandSequencer<Noted>,
    ledger: Memfd,
    snapshots: Snapshots,
    snapshot_failed: bool,
    /// The frame at which the sound of another supervisor goes on, until it does.
    goes_on_at: Option<u64>,
    control_history: ControlHistory,
    blame: Blame,
    listeners: Listeners,
    supervision: Supervision,
    divergence: DivergenceDetector,
    processes: Processes,
    claims: ClaimCheck,
    device_clock: DeviceClock,
    /// How often the device's clock had slipped when it was last looked at.
    slips_seen: u64,
    timing: Timing,
    journal: Option<JournalWriter>,
    recorder: RecordingControl,
    figures: Figures,
    refusals: Refusals,
    ticker: Ticker,
    journal_mark_ns: u64,
    device_watch: DeviceWatch,
    clock_watch: ClockWatch,
    family_watch: FamilyWatch,
    stall_watch: StallWatch,
    /// SIGTERM has come.
    end_asked: bool,
    source: Option<Playback>,
}

impl Supervisor {
    /// Sets an engine up; nothing runs yet.
    ///
    /// # Errors
    /// If shared memory or the journal can't be created.
    pub fn new(setup: Setup, inputs: Inputs, mut device: Box<dyn Device>) -> io::Result<Self> {
        let rate_hz = device.rate_hz();
        let regions = setup.regions;
        let is_taken_over = setup.beginning.is_taken_over();
        let (journal, line) = (setup.journal, setup.line);
        let begins = setup.beginning.begin(&regions, &setup.ledger, (journal, line), rate_hz)?;
        let (gaps_in, gaps) = rtrb::RingBuffer::new(4096);
        let notifier = inputs.notifier.try_clone()?;
        let source = Playback::new(regions.clone(), gaps_in, notifier);
        // Without deadlines a stall costs nothing but time.
        let monitor = if setup.free_run {
            StallMonitor::default()
        } else {
            StallMonitor::start(&inputs.notifier)?
        };
        let has_played = regions.ledger.roster.playing.load(Ordering::Acquire) != 0;
        let goes_on_at = regions.ledger.playback.frames.load(Ordering::Acquire);
        tell_of_confinement();
        // Without a clock there is no deadline, and a real-time class would only starve others.
        let realtime = !setup.free_run && raise_priority();
        let mut limits = supervision::Settings::for_replicas(setup.replicas);
        if setup.free_run {
            limits = limits.without_a_clock();
        }
        let folder = setup.recordings.clone();
        let recorder = RecordingControl::new(device.recorder(), folder, setup.record_format);
        device.bear((setup.lead_blocks * BLOCK_FRAMES as u64) as u32);
        let (assets, ledger) = (setup.assets.read_only()?, regions.ledger.clone());
        let family = (setup.keeper, setup.children);
        let mut supervisor = Self {
            control_history: begins.control_history,
            blame: Blame::default(),
            listeners: Listeners::handed_down(&regions.ledger.listeners, clock::monotonic_ns()),
            supervision: Supervision::new(limits),
            sequencer: begins.sequencer,
            snapshots: begins.snapshots,
            ledger: setup.ledger,
            snapshot_failed: false,
            goes_on_at: (is_taken_over && has_played).then_some(goes_on_at),
            divergence: DivergenceDetector::default(),
            processes: Processes::new(setup.memory, ledger, family, assets),
            claims: ClaimCheck::default(),
            device_clock: DeviceClock::new(rate_hz),
            slips_seen: 0,
            timing: Timing::resume(&regions, rate_hz),
            figures: Figures::new(regions.ledger.keeper.began_at_ns.load(Ordering::Acquire)),
            refusals: Refusals::default(),
            ticker: Ticker::new(TICK)?,
            journal_mark_ns: 0,
            device_watch: DeviceWatch::new(&*device, setup.told),
            clock_watch: ClockWatch::default(),
            family_watch: FamilyWatch::default(),
            stall_watch: StallWatch::new(monitor),
            end_asked: false,
            source: Some(source),
            setup: Settings {
                lead_blocks: setup.lead_blocks,
                allow_chaos: setup.allow_chaos,
                free_run: setup.free_run,
                end_frame: setup.end_frame,
            },
            performance: begins.performance,
            edits: begins.edits,
            journal: begins.journal,
            inputs,
            device,
            rate_hz,
            realtime,
            regions,
            gaps,
            recorder,
        };
        if is_taken_over {
            if let Some(unfinished) = setup.unfinished {
                let replies = supervisor.inputs.post.outbox().clone();
                supervisor.recorder.go_on(unfinished, goes_on_at, replies, rate_hz);
            }
            supervisor.take_in_workers()?;
        }
        Ok(supervisor)
    }

    /// Plays until SIGTERM or the end that was set; then ends everything in order.
    ///
    /// # Errors
    /// If the device can't be started or stopped.
    pub fn run(&mut self) -> io::Result<()> {
        self.fade_out_at_the_end();
        self.start_device_when_ready()?;
        while !self.asked_to_end() {
            self.tell_of_the_end();
            self.sleep();
            self.turn();
        }
        if !self.is_over() {
            self.fade_out();
        }
        self.shut_down()
    }

    /// One turn: everything that is due now.
    fn turn(&mut self) {
        let now_ns = clock::monotonic_ns();
        self.follow_device(now_ns);
        self.take_orders(now_ns);
        self.answer_questions(now_ns);
        self.commit();
        self.tend_edits(now_ns);
        self.seal_due();
        self.watch(now_ns);
        self.watch_stalls(now_ns);
        self.watch_gaps(now_ns, false);
        self.keep_journal(now_ns);
        self.keep_ledger();
        self.watch_device();
        self.watch_clocks(now_ns);
        self.watch_family(now_ns);
        self.inputs.post.outbox().counts.complaints.tell_rest(now_ns);
        self.inputs.post.turn();
    }

    /// What time it is for the device, and how much it asks for at once.
    fn follow_device(&mut self, now_ns: u64) {
        let board = &self.regions.ledger.playback;
        board.periods.pass(now_ns);
        // One that is just being noted is seen the next time.
        let Some(callback) = board.last_callback() else { return };
        let Callback { began_ns, frame, slips } = callback;
        if began_ns != 0 && !self.runs_free() {
            if slips == std::mem::replace(&mut self.slips_seen, slips) {
                self.device_clock.observe(began_ns, frame);
            } else {
                self.device_clock.slip(began_ns, frame);
            }
        }
        self.tell_resumption(callback);
    }

    /// Whether the device waits for the replicas at the moment.
    fn runs_free(&self) -> bool {
        self.setup.free_run || self.regions.ledger.playback.runs_free.load(Ordering::Relaxed) != 0
    }

    /// The device starts when all replicas are there, or after two seconds with what there is; at once if it
    /// has played before.
    fn start_device_when_ready(&mut self) -> io::Result<()> {
        let give_up_ns = clock::monotonic_ns() + 2_000_000_000;
        let waits = self.goes_on_at.is_none();
        while waits && !self.supervision.is_complete() && clock::monotonic_ns() < give_up_ns {
            self.turn();
            self.sleep();
            if self.end_asked {
                return Ok(());
            }
        }
        if let Some(source) = self.source.take() {
            self.device.start(Box::new(source)).map_err(io::Error::other)?;
        }
        self.regions.ledger.playback.open();
        self.regions.ledger.roster.playing.store(1, Ordering::Release);
        if self.device_watch.is_playing() {
            tracing::info!("playing to {}", self.device.describe());
        } else {
            tracing::info!("playing without a sound: {}", self.device.describe());
        }
        if let Some(gesture) =
            chronus_engine::hints::first_message(&self.performance.edition.patch).filter(|_| waits)
        {
            tracing::info!("this patch waits to be played: chronus send {gesture}");
        }
        Ok(())
    }

    fn sleep(&mut self) {
        let late = self.supervision.look_again_in_ns().map(Duration::from_nanos);
        let other = self.time_to_sleep();
        match late {
            Some(late) if other.is_none_or(|other| late < other) => {
                // Mostly nobody is late after all, and a turn for nothing would cost more than this look.
                if !self.sleep_for(Some(late)) && !self.is_anything_owed() {
                    self.sleep_for(other.map(|other| other.saturating_sub(late)));
                }
            }
            _ => {
                self.sleep_for(other);
            }
        }
    }

    /// Sleeps until something happens, but no longer; whether anything did.
    fn sleep_for(&mut self, longest: Option<Duration>) -> bool {
        let fds = [self.inputs.notifier.as_fd(), self.inputs.end.as_fd(), self.ticker.as_fd()];
        let mut ready = [false; 3];
        let seen_ns = clock::monotonic_ns();
        poll_readable(&fds, &mut ready, longest);
        if let Some(longest) = longest.filter(|_| !self.setup.free_run) {
            let due_ns = seen_ns + longest.as_nanos() as u64;
            self.stall_watch.was_run(seen_ns, due_ns, clock::monotonic_ns());
        }
        if ready[1] {
            self.end_asked = true;
            // Left unread it would be ready for ever, and sleep would be none.
            let _ = (&self.inputs.end).read(&mut [0; 16]);
        }
        if ready[0] {
            self.inputs.notifier.clear();
        }
        if ready[2] {
            self.ticker.clear();
            self.ring();
        }
        ready.contains(&true)
    }

    /// Whether any worker has not finished what it could have.
    fn is_anything_owed(&self) -> bool {
        let board = &self.regions.log.board;
        let primary = board.primary();
        let is_owed = |slot: Slot| {
            let due = if slot == primary { board.sealed() } else { board.released() };
            self.supervision.is_live(slot) && self.rendered(slot) < due
        };
        (0..SLOTS).any(is_owed)
    }

    /// How long to sleep if nothing happens and nobody is late; `None` for until something does, which saves a timer.
    fn time_to_sleep(&self) -> Option<Duration> {
        let is_any_due = self.processes.any_pending()
            || self.edits.is_under_way()
            || self.inputs.questions.are_open();
        let frame_ns = 1_000_000_000 / u64::from(self.rate_hz);
        let answer = is_any_due.then(|| Duration::from_nanos(BLOCK_FRAMES as u64 * frame_ns));
        let reader = self.timing.hearing.sleeps_ns().map(Duration::from_nanos);
        [answer, reader, self.time_to_callback()].into_iter().flatten().min()
    }

    /// A device that does not say when it has played is looked for when its next callback is expected.
    fn time_to_callback(&self) -> Option<Duration> {
        let frame_ns = 1_000_000_000 / u64::from(self.rate_hz);
        if self.device.self_paced() {
            let period_ns = self.regions.ledger.playback.periods.longest() * frame_ns;
            let often = !self.setup.free_run && period_ns <= 3_000_000;
            return (!often).then_some(LONGEST_SLEEP);
        }
        let next =
            self.device_clock.time_of(self.regions.ledger.playback.frames.load(Ordering::Acquire));
        let ahead_ns = next.map_or(0, |next_ns| next_ns.saturating_sub(clock::monotonic_ns()));
        Some(Duration::from_nanos(ahead_ns + CALLBACK_SLACK_NS).min(LONGEST_SLEEP))
    }

    /// What was played can't be amended any more; nor what was not, once nobody will render it again.
    fn commit(&mut self) {
        let standing = self.regions.log.commit_point.standing();
        let (_, slowest_block) = self.slowest_reader();
        let committed = standing.open_from.max(slowest_block).min(standing.next_block);
        if let Some(edit) = self.control_history.commit(committed, self.rate_hz) {
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
        let period = self.regions.ledger.playback.periods.longest();
        let extra = period.div_ceil(BLOCK_FRAMES as u64).saturating_sub(1);
        let most = (RING_BLOCKS - SPARE_BLOCKS) as u64;
        let ahead = (self.setup.lead_blocks + extra).min(most);
        let (slowest_entry, slowest_block) = self.slowest_reader();
        let target = (self.regions.ledger.playback.next_block.load(Ordering::Acquire) + ahead)
            .min(slowest_block + SEALS as u64 - 16)
            .min(self.slowest_worker() + most);
        if self.sequencer.next_block() < target && self.hears_first() {
            return;
        }
        let board = &self.regions.log.board;
        let before = self.sequencer.next_block();
        while self.sequencer.next_block() < target {
            let mut log = LogWriter {
                head: &board.head,
                entries: &self.regions.log.entries,
                slowest_reader: slowest_entry.min(self.snapshots.needed_from()),
            };
            let mut sealed = Sealed {
                performance: &mut self.performance,
                edits: &mut self.edits,
                control_history: &mut self.control_history,
                journal: &mut self.journal,
                rate_hz: self.rate_hz,
            };
            let seal = self.sequencer.seal_next(&mut log, |entry| sealed.take(entry));
            board.seal(&self.regions.log.seals, seal);
        }
        // With long periods the primary is done long before the next: the standbys shall not wait for that, or
        // nobody could vote on what it rendered last.
        let finished = self.regions.slots.slots[board.primary()].board.rendered();
        if self.sequencer.next_block() != before || finished > board.released() {
            self.ring();
        }
    }

    /// How far the slowest worker is. Without a clock the others wait for it before they overwrite what it is
    /// to be compared with; with one it is fenced long before.
    fn slowest_worker(&self) -> u64 {
        let at_work = (0..SLOTS).filter(|slot| self.supervision.is_live(*slot));
        at_work.map(|slot| self.rendered(slot)).min().unwrap_or(u64::MAX / 2)
    }

    /// The log position and the block before which no worker will ever look back.
    fn slowest_reader(&self) -> (u64, u64) {
        let readers = (0..PLACES).filter(|place| self.supervision.is_reader(*place));
        let slowest = readers.map(|place| self.rendered(place)).min();
        let block = slowest.unwrap_or(BlockIndex::MAX).min(self.sequencer.next_block());
        (self.regions.log.position_after(block).unwrap_or(0), block)
    }

    /// How many blocks the worker of a place has finished by now.
    fn rendered(&self, place: Slot) -> BlockIndex {
        self.claims.rendered_now(place, &self.regions.log, &self.regions.slots)
    }

    /// Releases to the standbys what the primary has finished, and wakes the workers.
    fn ring(&self) {
        let board = &self.regions.log.board;
        board.release(self.rendered(board.primary()));
        board.bell.fetch_add(1, Ordering::Release);
        wake_all(&board.bell);
    }

    fn keep_journal(&mut self, now_ns: u64) {
        if let Some(news) = self.journal.as_mut().and_then(JournalWriter::news) {
            let reason = news.reason.unwrap_or_default();
            self.tell(&Event::Journal { state: news.state.to_owned(), reason });
        }
        if let Some(journal) = &mut self.journal
            && now_ns >= self.journal_mark_ns + 1_000_000_000
        {
            self.journal_mark_ns = now_ns;
            journal.reached(self.regions.ledger.playback.frames.load(Ordering::Acquire));
        }
    }

    fn shut_down(&mut self) -> io::Result<()> {
        // From here on it may take as long as it does.
        self.regions.ledger.roster.playing.store(0, Ordering::Release);
        let stopped = self.device.stop();
        let taken = self.regions.ledger.playback.frames.load(Ordering::Acquire);
        let frames = taken.min(self.setup.end_frame.unwrap_or(u64::MAX));
        self.processes.end_all();
        self.watch_stalls(clock::monotonic_ns());
        self.watch_gaps(clock::monotonic_ns(), true);
        self.keep_journal(clock::monotonic_ns());
        if let Some(journal) = self.journal.take() {
            journal.finish(frames);
        }
        self.inputs.post.finish();
        let report = stopped.map_err(io::Error::other)?;
        tracing::info!(
            "ended after {}, {}, {}",
            counted(frames, "frame"),
            counted(self.regions.ledger.playback.gaps.load(Ordering::Relaxed), "gap"),
            counted(report.xruns, "xrun")
        );
        Ok(())
    }
}

/// Says once what it means if workers can't be confined.
fn tell_of_confinement() {
    if !confine::is_available() {
        tracing::warn!(
            "this kernel filters no system calls: a module that goes wild may reach beyond its own \
             process; `chronus doctor` tells more"
        );
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
