//! The status board of a slot: where its worker stands and what it says of itself. Written by the
//! worker, read by everybody; the supervisor believes only numbers that it can check.

use chronus_replication::blame::{Crumb, Place};
use chronus_replication::{BlockIndex, PLACES};

use crate::block_ring::{BlockEntry, RING_BLOCKS};
use crate::crash_note::CrashNote;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The region of all slots; a worker can write only its own.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct SlotsRegion {
    /// Those of the replicas, and after them those of the checkpoints, whose rings stay empty.
    pub slots: [SlotRegion; PLACES],
}

/// One slot.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct SlotRegion {
    /// Where its worker stands.
    pub board: StatusBoard,
    /// What it has rendered.
    pub ring: [BlockEntry; RING_BLOCKS],
}

/// Where a worker stands.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct StatusBoard {
    /// Rung by the worker after each block, and by the supervisor when roles change; a device without a
    /// clock sleeps on the bell of the primary.
    pub bell: AtomicU32,
    incarnation: AtomicU32,
    rendered: AtomicU64,
    fork_answer: AtomicU64,
    /// The number of the edit that the worker has prepared or taken.
    pub prepared: AtomicU32,
    /// What the worker is at.
    pub breadcrumb: Breadcrumb,
    /// When the worker claimed the slot, in nanoseconds of the monotonic clock.
    pub claimed_at_ns: AtomicU64,
    /// How long the worker's last fork took it, in nanoseconds; 0 if it has made none.
    pub fork_ns: AtomicU64,
    /// Time spent rendering, in nanoseconds, since the worker claimed the slot.
    pub busy_ns: AtomicU64,
    /// How the worker crashed.
    pub crash: CrashNote,
    meters: [Meter; METERS],
}

/// What a worker is at, told before it begins, so that it can be read when the worker is no more.
#[repr(C, align(32))]
#[derive(Debug, Default)]
pub struct Breadcrumb {
    block: AtomicU64,
    /// The entry of the log that is being taken, plus one.
    command: AtomicU64,
    /// The module that is being rendered, plus one; 0 for none. The machine writes it itself.
    pub module: AtomicU32,
    /// The edit that is being prepared.
    edit: AtomicU32,
}

impl Breadcrumb {
    /// The worker begins with a block.
    pub fn begin_block(&self, block: BlockIndex) {
        self.block.store(block, Ordering::Relaxed);
        self.command.store(0, Ordering::Relaxed);
        self.module.store(0, Ordering::Relaxed);
        self.edit.store(0, Ordering::Relaxed);
    }

    /// It takes this entry of the log; `None`: it has taken them all.
    pub fn take_command(&self, sequence: Option<u64>) {
        self.command.store(sequence.map_or(0, |sequence| sequence + 1), Ordering::Relaxed);
    }

    /// It prepares the patch of this edit; 0: it has done so.
    pub fn prepare(&self, edit: u32) {
        self.edit.store(edit, Ordering::Relaxed);
    }

    /// It is between two blocks, and at nothing that could be blamed.
    pub fn end_block(&self) {
        self.module.store(0, Ordering::Relaxed);
    }

    /// What the worker is at, or was when it died.
    pub fn read(&self) -> Crumb {
        let block = self.block.load(Ordering::Relaxed);
        let module = self.module.load(Ordering::Relaxed);
        let (command, edit) = (&self.command, &self.edit);
        // A command has the modules render up to its frame before it is taken.
        let place = match (module, command.load(Ordering::Relaxed), edit.load(Ordering::Relaxed)) {
            (0, 0, 0) => Place::Elsewhere,
            (0, 0, edit) => Place::Preparing(edit),
            (0, command, _) => Place::Command { sequence: command - 1 },
            (module, ..) => Place::Module(module - 1),
        };
        Crumb { block, place }
    }
}

/// As many modules can tell values.
pub const METERS: usize = 64;

/// Two values of a module, each with the module's handle, so that what belongs to another is not believed.
#[repr(C, align(16))]
#[derive(Debug, Default)]
struct Meter([AtomicU64; 2]);

/// What came of the order to fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkAnswer {
    /// The child has this pid.
    Child(u32),
    /// The call failed with this errno.
    Failed(i32),
}

impl Default for StatusBoard {
    fn default() -> Self {
        Self {
            bell: AtomicU32::default(),
            incarnation: AtomicU32::default(),
            rendered: AtomicU64::default(),
            fork_answer: AtomicU64::default(),
            prepared: AtomicU32::default(),
            breadcrumb: Breadcrumb::default(),
            claimed_at_ns: AtomicU64::default(),
            fork_ns: AtomicU64::default(),
            busy_ns: AtomicU64::default(),
            crash: CrashNote::default(),
            meters: std::array::from_fn(|_| Meter::default()),
        }
    }
}

impl StatusBoard {
    /// The incarnation that has claimed the slot.
    pub fn incarnation(&self) -> u32 {
        // Pairs with the releasing store in `claim`.
        self.incarnation.load(Ordering::Acquire)
    }

    /// How many blocks the worker has finished.
    pub fn rendered(&self) -> BlockIndex {
        self.rendered.load(Ordering::Acquire)
    }

    /// A new worker takes the slot; its number is written last.
    pub fn claim(&self, incarnation: u32, rendered: BlockIndex, now_ns: u64) {
        self.crash.clear();
        self.breadcrumb.begin_block(rendered);
        self.busy_ns.store(0, Ordering::Relaxed);
        self.fork_ns.store(0, Ordering::Relaxed);
        self.claimed_at_ns.store(now_ns, Ordering::Relaxed);
        self.rendered.store(rendered, Ordering::Relaxed);
        self.incarnation.store(incarnation, Ordering::Release);
    }

    /// The worker has finished a block, and taken all entries of the log that belong to it.
    pub fn finish_block(&self, rendered: BlockIndex) {
        self.rendered.store(rendered, Ordering::Release);
        // Acquiring too: a worker that was promoted just now must see it, or it would not wake who waits for it.
        self.bell.fetch_add(1, Ordering::AcqRel);
    }

    /// The worker tells two values of a module at one of [`METERS`] places; more are left out.
    pub fn tell(&self, place: usize, handle: u32, values: [f32; 2]) {
        let Some(meter) = self.meters.get(place) else { return };
        for (word, value) in meter.0.iter().zip(values) {
            let told = u64::from(handle) << 32 | u64::from(value.to_bits());
            word.store(told, Ordering::Relaxed);
        }
    }

    /// What a module has told last, if it has. No module tells anything that is not finite.
    pub fn meters(&self, handle: u32) -> Option<[f32; 2]> {
        self.meters.iter().find_map(|meter| {
            let words = [0, 1].map(|word| meter.0[word].load(Ordering::Relaxed));
            let is_it = words.iter().all(|word| word >> 32 == u64::from(handle));
            let values = words.map(|word| f32::from_bits(word as u32));
            (is_it && values.iter().all(|value| value.is_finite())).then_some(values)
        })
    }

    /// The worker answers fork order `number`.
    pub fn answer_fork(&self, number: u32, answer: ForkAnswer) {
        let (failed, value) = match answer {
            ForkAnswer::Child(pid) => (0, u64::from(pid)),
            ForkAnswer::Failed(errno) => (1, u64::from(errno.unsigned_abs())),
        };
        let word = u64::from(number) << 32 | failed << 31 | value & 0x7fff_ffff;
        self.fork_answer.store(word, Ordering::Release);
    }

    /// The answer to fork order `number`, if it has been given.
    pub fn fork_answer(&self, number: u32) -> Option<ForkAnswer> {
        let word = self.fork_answer.load(Ordering::Acquire);
        if word >> 32 != u64::from(number) {
            return None;
        }
        let value = (word & 0x7fff_ffff) as u32;
        let failed = word >> 31 & 1 == 1;
        Some(if failed { ForkAnswer::Failed(value as i32) } else { ForkAnswer::Child(value) })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_believed_only_what_it_told_itself() {
        let board = StatusBoard::default();
        assert_eq!(board.meters(5), None);
        board.tell(1, 7, [0.5, -0.25]);
        board.tell(METERS, 8, [1.0, 1.0]);
        assert_eq!(board.meters(7), Some([0.5, -0.25]));
        assert_eq!(board.meters(8), None, "there is no place for it");
        board.tell(1, 9, [0.0, 0.0]);
        assert_eq!((board.meters(7), board.meters(9)), (None, Some([0.0, 0.0])));
        board.tell(1, 9, [0.0, f32::NAN]);
        assert_eq!(board.meters(9), None, "a wild write");
    }

    #[test]
    fn a_breadcrumb_says_what_was_begun_last() {
        let crumb = Breadcrumb::default();
        let place = || crumb.read().place;
        crumb.begin_block(7);
        assert_eq!(crumb.read(), Crumb { block: 7, place: Place::Elsewhere });
        crumb.take_command(Some(0));
        assert_eq!(place(), Place::Command { sequence: 0 });
        crumb.module.store(4, Ordering::Relaxed);
        assert_eq!(place(), Place::Module(3), "a command has the frames before it rendered first");
        crumb.take_command(None);
        crumb.end_block();
        crumb.prepare(9);
        assert_eq!(place(), Place::Preparing(9));
        crumb.prepare(0);
        assert_eq!(place(), Place::Elsewhere);
    }

    #[test]
    fn who_takes_a_slot_begins_with_figures_of_its_own() {
        let board = StatusBoard::default();
        board.claim(3, 100, 5);
        board.busy_ns.store(77, Ordering::Relaxed);
        board.fork_ns.store(88, Ordering::Relaxed);
        board.claim(4, 200, 6);
        let figures = [&board.busy_ns, &board.fork_ns, &board.claimed_at_ns];
        assert_eq!(figures.map(|figure| figure.load(Ordering::Relaxed)), [0, 0, 6]);
    }

    #[test]
    fn a_fork_answer_belongs_to_its_order() {
        let board = StatusBoard::default();
        board.answer_fork(7, ForkAnswer::Child(1234));
        assert_eq!(board.fork_answer(7), Some(ForkAnswer::Child(1234)));
        assert_eq!(board.fork_answer(8), None);
        board.answer_fork(8, ForkAnswer::Failed(11));
        assert_eq!(board.fork_answer(8), Some(ForkAnswer::Failed(11)));
    }
}
