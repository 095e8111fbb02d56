//! A worker: one process, one thread, pure rendering. It reads the log and its boards, writes its own
//! slot, and after its start neither allocates nor opens anything.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use chronus_engine::{Controls, Engine, Finding, Patch, Recordings, Unsound};
use chronus_os::alloc_guard::{self, AllocationPermit};
use chronus_os::memfd::Memfd;
use chronus_os::sched::priority;
use chronus_os::wake::{Notifier, wait_on, wake_all};
use chronus_os::{child, clock, confine, crash, float, fork, process_title, sched, spawn};
use chronus_replication::amendment::{Change, version};
use chronus_replication::lockstep::{Board, Order, Position, Step};
use chronus_replication::machine::Machine;
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, Block, BlockIndex, PLACES, Slot};
use chronus_shm::control_board::{LogRegion, Offer};
use chronus_shm::region::{View, WorkerView};
use chronus_shm::status_board::ForkAnswer;
use chronus_shm::sync::Ordering;
use chronus_shm::{block_ring, command_log, control_board};

use crate::instrument::{Editions, Instrument};
use crate::performance::Performance;
use crate::persistence::shared_assets::PackedPatch;
use crate::processes::deeds;

/// What a fresh worker is told on its command line; its descriptors are the log, the slots, the
/// supervisor's notifier, its [`WorkerInit`], and the shared assets.
#[derive(Clone, Debug, clap::Args)]
pub struct WorkerArgs {
    #[arg(long)]
    slot: Slot,
    #[arg(long)]
    incarnation: u32,
    #[arg(long)]
    start_block: BlockIndex,
    #[arg(long)]
    log_position: u64,
    #[arg(long)]
    amendments: u64,
    #[arg(long)]
    rate: u32,
    #[arg(long)]
    parent: u32,
    #[arg(long)]
    realtime: bool,
}

impl WorkerArgs {
    /// The command line for a fresh worker of the keeper `parent`. Its length leaves room for the titles of
    /// its forks.
    pub fn command_line(
        parent: u32,
        (slot, incarnation): (Slot, u32),
        start: (BlockIndex, u64, u64),
        (rate_hz, realtime): (u32, bool),
    ) -> Vec<OsString> {
        let (start_block, log_position, amendments) = start;
        let mut line = vec![
            "worker".to_owned(),
            format!("--slot={slot}"),
            format!("--incarnation={incarnation}"),
            format!("--start-block={start_block}"),
            format!("--log-position={log_position}"),
            format!("--amendments={amendments}"),
            format!("--rate={rate_hz}"),
            format!("--parent={parent}"),
        ];
        if realtime {
            line.push("--realtime".to_owned());
        }
        line.into_iter().map(OsString::from).collect()
    }
}

/// The sound that a fresh worker begins with: a packed patch, where its controls stand, and the number of the last
/// edit.
pub struct WorkerInit {
    packed: PackedPatch,
    controls: Controls,
    edit: u32,
}

impl WorkerInit {
    /// As a file to hand over.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn to_file(performance: &Performance<PackedPatch>, edit: u32) -> io::Result<File> {
        let Performance { edition: packed, controls } = performance;
        let packed = packed.to_bytes();
        let mut bytes = (packed.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&packed);
        bytes.extend_from_slice(&edit.to_le_bytes());
        bytes.extend_from_slice(&controls.encode());
        chronus_os::memfd::file_holding("chronus-worker-init", &bytes)
    }

    fn read(mut file: File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(invalid)?;
        let length = u64::from_le_bytes(*length) as usize;
        let (packed, rest) = rest.split_at_checked(length).ok_or_else(invalid)?;
        let packed = PackedPatch::from_bytes(packed)?;
        let (edit, controls) = rest.split_first_chunk::<4>().ok_or_else(invalid)?;
        let controls = Controls::decode(controls, &packed.patch).map_err(io::Error::other)?;
        Ok(Self { packed, controls, edit: u32::from_le_bytes(*edit) })
    }
}

/// The packed patches that the supervisor offers.
struct Offered {
    log: Arc<View<LogRegion>>,
    assets: Arc<Memfd>,
}

impl Editions for Offered {
    fn patch_of(&self, number: u32) -> Option<(Patch, Box<dyn Recordings>)> {
        let offer = self.log.board.offer().filter(|offer| offer.number == number)?;
        let bytes = self.assets.read_at(offer.offset as usize, offer.bytes as usize).ok()?;
        Some(PackedPatch::from_bytes(&bytes).ok()?.open(&self.assets))
    }
}

/// Runs a fresh worker until it is killed.
///
/// # Errors
/// If it can't begin. Once it renders, it never returns.
pub fn run(args: &WorkerArgs) -> io::Result<()> {
    child::die_with_parent(args.parent);
    child::mind_no_meaningless_signals();
    child::leave_to_parent(&child::ENDS);
    process_title::locate();
    let missing = || io::Error::other("workers are started by `chronus run`, not by hand");
    let take = |position| spawn::take_handed_over(position).ok_or_else(missing);
    let log_memory = Memfd::adopt(take(0)?)?;
    let slots_memory = Memfd::adopt(take(1)?)?;
    let notifier = Notifier::adopt(take(2)?);
    let WorkerInit { packed, controls, edit } = WorkerInit::read(File::from(take(3)?))?;
    let assets = Arc::new(Memfd::adopt(take(4)?)?);
    let view = WorkerView::attach(log_memory, slots_memory, args.slot)?;
    let (patch, recordings) = packed.open(&assets);
    let first_frame = args.start_block * BLOCK_FRAMES as u64;
    let engine = Engine::new(patch, args.rate, controls, first_frame, &*recordings)
        .map_err(io::Error::other)?;
    drop(recordings);
    let packed = Offered { log: view.log.clone(), assets: assets.clone() };
    if fork::thread_count()? != 1 {
        return Err(io::Error::other("a worker must have a single thread"));
    }
    let position = Position {
        slot: args.slot,
        incarnation: args.incarnation,
        next_block: args.start_block,
        log_position: args.log_position,
        amended: args.amendments,
        obeyed: view.log.board.order(args.slot).number(),
        blocks_since_order: 0,
    };
    // It lives as long as the process; a fork finds its own slot at the same address.
    let view: &'static WorkerView = Box::leak(Box::new(view));
    let mut instrument = Instrument::new(engine, packed, edit);
    instrument.leave_crumbs(&view.own().board.breadcrumb.module);
    let mut worker = Worker {
        instrument,
        block: [0.0; BLOCK_SAMPLES],
        position,
        view,
        notifier,
        parent: args.parent,
        level: false,
        unbroken: 0,
        harmed: 0,
    };
    if args.realtime {
        // Whether it is permitted was found out and said by the supervisor.
        let _ = sched::set_fifo(priority::WORKER);
        let _ = sched::limit_unbroken_cpu(500_000);
    }
    std::panic::set_hook(Box::new(|panic| {
        alloc_guard::permit_allocation();
        eprintln!("chronus worker: {panic}");
        child::die_by_abort();
    }));
    crash::note_in(&worker.view.own().board.crash.words)?;
    float::flush_denormals();
    deeds::arm(view);
    worker.confine(assets.as_fd())?;
    alloc_guard::forbid_allocation();
    worker.take_slot();
    worker.work()
}

/// As many entries of one block may be withheld.
const WITHHELD_MOST: usize = 64;
/// Without a pause a worker prepares a patch after so many blocks.
const UNBROKEN_MOST: u32 = 64;
/// A worker looks at its boards at least this often while it prepares a patch.
const PREPARE_AT_ONCE: Duration = Duration::from_micros(200);

struct Worker {
    instrument: Instrument<Offered>,
    block: Block,
    position: Position,
    view: &'static WorkerView,
    notifier: Notifier,
    parent: u32,
    /// Whether it has caught up since it took its slot.
    level: bool,
    /// Blocks rendered since it last had nothing to do.
    unbroken: u32,
    /// The number of the harm that it did last.
    harmed: u32,
}

/// What the boards say, read from shared memory.
struct Boards<'a> {
    log: &'a LogRegion,
}

impl Board for Boards<'_> {
    fn primary(&self) -> Slot {
        self.log.board.primary().min(PLACES - 1)
    }

    fn sealed(&self) -> BlockIndex {
        self.log.board.sealed()
    }

    fn released(&self) -> BlockIndex {
        self.log.board.released()
    }

    fn order(&self, slot: Slot) -> Order {
        self.log.board.order(slot)
    }
}

impl Worker {
    fn boards(&self) -> Boards<'_> {
        Boards { log: &self.view.log }
    }

    /// From here on it can harm nobody but itself. Where the kernel can't filter system calls, which the
    /// supervisor has said, it plays all the same.
    fn confine(&self, assets: BorrowedFd<'_>) -> io::Result<()> {
        confine::limit_resources()?;
        if confine::is_available() {
            confine::filter_calls(&self.view.belongings(self.notifier.as_fd(), assets))?;
        }
        Ok(())
    }

    /// Takes possession of its slot, at its start as after a fork.
    fn take_slot(&mut self) {
        let slot = self.position.slot;
        let (name, title) = TITLES[slot];
        process_title::set(name, title);
        if !self.position.is_checkpoint() {
            // Of a checkpoint that would copy every page that it shares with its parent.
            let _ = sched::lock_memory();
        }
        self.level = false;
        let Position { incarnation, next_block, .. } = self.position;
        let now_ns = clock::monotonic_ns();
        self.view.own().board.prepared.store(self.instrument.prepared(), Ordering::Relaxed);
        self.view.own().board.claim(incarnation, next_block, now_ns);
        self.notifier.raise();
    }

    fn work(&mut self) -> ! {
        loop {
            // The bell is read before looking, so that one rung after the look is not slept over.
            let heard = self.view.log.board.bell.load(Ordering::Acquire);
            self.do_harm();
            match self.position.next_step(&self.boards()) {
                Step::Render(block) => {
                    self.unbroken += 1;
                    if self.unbroken >= UNBROKEN_MOST {
                        // A device without a clock leaves no pause, and an edit shall come all the same.
                        self.prepare();
                    }
                    self.render(block);
                }
                Step::Obey(order) => self.obey(order),
                Step::Wait if self.position.is_checkpoint() => self.stand_still(),
                Step::Wait if self.prepare() => {}
                Step::Wait => {
                    self.note_level();
                    // No timeout, which would cost a timer each time: the supervisor rings now and then.
                    wait_on(&self.view.log.board.bell, heard, None);
                }
            }
        }
    }

    fn render(&mut self, block: BlockIndex) {
        let started_ns = clock::monotonic_ns();
        let log = &*self.view.log;
        let own = self.view.own();
        let crumb = &own.board.breadcrumb;
        crumb.begin_block(block);
        let seal = match control_board::seal_of(&log.seals, block) {
            Ok(seal) => seal,
            Err(gone) => panic!("{gone}"),
        };
        let withheld = self.take_amendments(block);
        let mut taken = self.position.log_position;
        while taken < seal {
            crumb.take_command(Some(taken));
            let entry = match command_log::read(&log.board.head, &log.entries, taken) {
                Ok(entry) => entry,
                Err(damaged) => panic!("{damaged}"),
            };
            assert_eq!(entry.block(), block, "entry {taken} is not of the block that seals it");
            if !withheld.contains(&taken) {
                self.instrument.apply(entry.offset(), &entry.payload);
            }
            taken += 1;
        }
        crumb.take_command(None);
        self.instrument.render(&mut self.block);
        if let Some(finding) = self.instrument.engine().unsound() {
            self.die_unsound(finding);
        }
        crumb.end_block();
        let version = version(seal, self.position.amended);
        block_ring::publish(&own.ring, block, version, self.position.incarnation, &self.block);
        for (place, (handle, values)) in self.instrument.engine().meters().enumerate() {
            own.board.tell(place, handle.0, values);
        }
        own.board.finish_block(block + 1);
        let boards = Boards { log };
        self.position.finish_block(seal, &boards);
        if boards.primary() == self.position.slot || log.board.is_voting() {
            wake_all(&own.board.bell);
        }
        let busy_ns = clock::monotonic_ns().saturating_sub(started_ns);
        own.board.busy_ns.fetch_add(busy_ns, Ordering::Relaxed);
    }

    /// Takes the amendments of a block, and returns the entries of the log that it withholds.
    fn take_amendments(&mut self, block: BlockIndex) -> ArrayVec<u64, WITHHELD_MOST> {
        let commit_point = &self.view.log.commit_point;
        let mut withheld = ArrayVec::new();
        let count = commit_point.standing().amendments;
        while self.position.amended < count {
            let amendment = match commit_point.amendment(self.position.amended) {
                Ok(amendment) => amendment,
                Err(gone) => panic!("{gone}"),
            };
            if amendment.block > block {
                break;
            }
            if amendment.block < block {
                // What it has rendered since is not what the others render.
                child::exit_now(status::OUTDATED);
            }
            match amendment.change {
                Change::Insert(payload) => self.instrument.apply(0, &payload),
                Change::Withhold { sequence } => withheld.push(sequence),
            }
            self.position.amended += 1;
        }
        withheld
    }

    /// Nobody shall hear this block, nor shall the state go on that yielded it. A standby is still before it.
    fn die_unsound(&self, (module, unsound): Finding) -> ! {
        self.view.own().board.breadcrumb.module.store(module.0 + 1, Ordering::Relaxed);
        child::exit_now(match unsound {
            Unsound::NotFinite => status::NOT_FINITE,
            Unsound::Runaway => status::TOO_LOUD,
        })
    }

    /// Sleeps until checkpoints are thawed.
    fn stand_still(&self) {
        let bell = &self.view.log.board.thaw_bell;
        let heard = bell.load(Ordering::Acquire);
        if self.position.next_step(&self.boards()) == Step::Wait {
            wait_on(bell, heard, None);
        }
    }

    /// Nothing is due: works at the patch that is offered, for as long as nobody could miss. Returns whether
    /// there was anything to do.
    fn prepare(&mut self) -> bool {
        self.unbroken = 0;
        let board = &self.view.log.board;
        let is_for_me = |offer: &Offer| board.primary() != self.position.slot || offer.for_primary;
        let offered = board.offer().filter(is_for_me).map_or(0, |offer| offer.number);
        let permit = AllocationPermit::start();
        let start = Instant::now();
        let mut any = false;
        let crumb = &self.view.own().board.breadcrumb;
        crumb.prepare(offered);
        while self.instrument.prepare_a_little(offered) {
            any = true;
            if start.elapsed() >= PREPARE_AT_ONCE {
                break;
            }
        }
        drop(permit);
        crumb.prepare(0);
        let prepared = self.instrument.prepared();
        let board = &self.view.own().board.prepared;
        if board.load(Ordering::Relaxed) != prepared {
            board.store(prepared, Ordering::Release);
            self.notifier.raise();
        }
        any
    }

    /// Tells the supervisor, once, when there is nothing left to catch up with.
    fn note_level(&mut self) {
        if !self.level {
            self.level = true;
            self.notifier.raise();
        }
    }

    /// Does the harm that a chaos test has asked of it, once.
    fn do_harm(&mut self) {
        let (how, number) = self.view.log.board.harm(self.position.slot);
        if number > self.position.incarnation.max(self.harmed) {
            self.harmed = number;
            if how == crashes::FLIP {
                self.instrument.flip_a_bit();
            } else {
                crash(how);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::None => {}
            Order::Fork { into, number } => return self.fork(into, number, order),
            Order::Thaw { into, number } => return self.take_place(into, number),
        }
        self.position.obeyed(order);
    }

    fn fork(&mut self, into: Slot, number: u32, order: Order) {
        let started_ns = clock::monotonic_ns();
        let answer = match fork::fork_sibling() {
            Ok(fork::Side::Child) => {
                child::die_with_parent(self.parent);
                return self.take_place(into, number);
            }
            Ok(fork::Side::Survivor { child_pid }) => ForkAnswer::Child(child_pid),
            Err(error) => ForkAnswer::Failed(error.raw_os_error().unwrap_or(0)),
        };
        self.position.obeyed(order);
        let board = &self.view.own().board;
        board.fork_ns.store(clock::monotonic_ns() - started_ns, Ordering::Relaxed);
        board.answer_fork(number, answer);
        self.notifier.raise();
    }

    /// Goes on with the same state, in another slot, under another number.
    fn take_place(&mut self, slot: Slot, incarnation: u32) {
        if slot >= PLACES || self.view.move_to(slot).is_err() {
            child::exit_now(1);
        }
        self.position = self.position.of_child(slot, incarnation, &self.boards());
        self.take_slot();
    }
}

/// Short name and title of the worker of each slot, as `ps` shows them.
const TITLES: [(&str, &str); PLACES] = [
    ("chronus-w0", "chronus: worker in slot 0"),
    ("chronus-w1", "chronus: worker in slot 1"),
    ("chronus-w2", "chronus: worker in slot 2"),
    ("chronus-w3", "chronus: worker in slot 3"),
    ("chronus-c0", "chronus: checkpoint"),
    ("chronus-c1", "chronus: checkpoint"),
];

/// With what a worker ends itself; the supervisor knows what it means.
pub mod status {
    /// It rendered on before it knew of an amendment.
    pub const OUTDATED: i32 = 40;
    /// A module yielded NaN or infinity.
    pub const NOT_FINITE: i32 = 41;
    /// A module yielded more than anybody could mean.
    pub const TOO_LOUD: i32 = 42;
}

/// The ways to crash that a chaos test may order, by number.
pub mod crashes {
    /// Writes to an address that is not mapped.
    pub const SEGFAULT: u8 = 0;
    /// Panics.
    pub const PANIC: u8 = 1;
    /// Aborts.
    pub const ABORT: u8 = 2;
    /// Computes for ever.
    pub const LOOP: u8 = 3;
    /// Sleeps for ever.
    pub const SLEEP: u8 = 4;
    /// Flips a bit in its state, and renders wrong bits from then on.
    pub const FLIP: u8 = 5;
}

fn crash(how: u8) {
    match how {
        crashes::SEGFAULT => child::die_by_segfault(),
        crashes::PANIC => panic!("ordered to panic"),
        crashes::ABORT => child::die_by_abort(),
        crashes::LOOP => loop {
            std::hint::spin_loop();
        },
        crashes::SLEEP => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        _ => {}
    }
}
