//! The two regions in shared memory, as each side may see them.
//!
//! The supervisor maps both for writing. A worker maps the log for reading and its own slot for writing; a
//! fork lays its own slot over the old one, at the same address.

use std::io;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use chronus_os::confine::Belongings;
use chronus_os::memfd::{Access, Mapping, Memfd};
use chronus_replication::Slot;

use crate::control_board::LogRegion;
use crate::ledger::LedgerRegion;
use crate::status_board::{SlotRegion, SlotsRegion};

/// A type that may lie in memory shared with processes that write what they like.
///
/// # Safety
/// Every bit pattern must be a valid value, and every byte that is ever written while shared must lie
/// in an atomic.
pub unsafe trait Shared: Sized {}

// SAFETY: made of atomic integers only, all bit patterns of which are valid.
unsafe impl Shared for LogRegion {}
// SAFETY: made of atomic integers only, all bit patterns of which are valid.
unsafe impl Shared for LedgerRegion {}
// SAFETY: made of atomic integers only, all bit patterns of which are valid.
unsafe impl Shared for SlotsRegion {}
// SAFETY: made of atomic integers only, all bit patterns of which are valid.
unsafe impl Shared for SlotRegion {}

/// A mapped value. A view mapped for reading must only be read: a write through it is a SIGSEGV.
#[derive(Debug)]
pub struct View<T: Shared> {
    mapping: Mapping,
    shared: PhantomData<T>,
}

impl<T: Shared> View<T> {
    fn map(memory: &Memfd, access: Access, offset: usize) -> io::Result<Self> {
        let mapping = memory.map(access, offset, size_of::<T>())?;
        assert!(align_of::<T>() <= 4096, "mappings are aligned to pages");
        Ok(Self { mapping, shared: PhantomData })
    }
}

impl<T: Shared> Deref for View<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mapping is as large as T, aligned to a page, and lives as long as self; T is
        // valid for any bytes, and what others change concurrently lies in atomics (`Shared`).
        unsafe { &*self.mapping.start().cast::<T>() }
    }
}

/// A region that has shared memory of its own.
pub trait Whole: Shared {
    /// The name of the memory, as `/proc` shows it.
    const NAME: &str;
    /// How much memory there is behind the region, in bytes, for what is not mapped.
    const ROOM: usize = 0;

    /// Creates the memory, all zero.
    ///
    /// # Errors
    /// As the kernel says.
    fn create() -> io::Result<Memfd> {
        Memfd::create(Self::NAME, size_of::<Self>() + Self::ROOM)
    }

    /// Maps the region for reading only.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    fn map_read_only(memory: &Memfd) -> io::Result<View<Self>> {
        if memory.bytes() != size_of::<Self>() + Self::ROOM {
            return Err(io::ErrorKind::InvalidData.into());
        }
        View::map(memory, Access::Read, 0)
    }

    /// Maps the region for writing.
    ///
    /// # Errors
    /// If the memory is not of the size of this program's region, or as the kernel says.
    fn map(memory: &Memfd) -> io::Result<View<Self>> {
        if memory.bytes() != size_of::<Self>() + Self::ROOM {
            return Err(io::ErrorKind::InvalidData.into());
        }
        View::map(memory, Access::Write, 0)
    }
}

impl Whole for LogRegion {
    const NAME: &str = "chronus-log";
}

impl Whole for SlotsRegion {
    const NAME: &str = "chronus-slots";
}

impl Whole for LedgerRegion {
    const NAME: &str = "chronus-ledger";
    const ROOM: usize = 2 * SNAPSHOT_BYTES;
}

/// As much room as there is for each of two snapshots, which are not mapped. Memory that nothing was written to
/// takes none.
pub const SNAPSHOT_BYTES: usize = 16 << 20;

/// Where in the ledger's memory a snapshot lies, 0 or 1.
pub const fn offset_of_snapshot(which: usize) -> usize {
    size_of::<LedgerRegion>() + which % 2 * SNAPSHOT_BYTES
}

/// As much as the shared assets can hold. Memory that nothing was written to takes none.
const SHARED_ASSETS_BYTES: usize = 1 << 36;

/// Creates the shared assets: memory for packed patches and for recordings, which workers may only read.
///
/// # Errors
/// As the kernel says.
pub fn create_shared_assets() -> io::Result<Memfd> {
    Memfd::create("chronus-assets", SHARED_ASSETS_BYTES)
}

/// Samples among the shared assets. They were written before anybody was told of them, and never change.
#[derive(Debug)]
pub struct SharedSamples {
    mapping: Mapping,
    count: usize,
}

impl SharedSamples {
    /// Maps `count` samples from `offset` (a multiple of the page size).
    ///
    /// # Errors
    /// `InvalidInput` if the range is not inside; otherwise as the kernel says.
    pub fn map(assets: &Memfd, offset: usize, count: usize) -> io::Result<Self> {
        let bytes = count.checked_mul(size_of::<f32>()).ok_or(io::ErrorKind::InvalidInput)?;
        let mapping = assets.map(Access::Read, offset, bytes)?;
        Ok(Self { mapping, count })
    }
}

impl AsRef<[f32]> for SharedSamples {
    fn as_ref(&self) -> &[f32] {
        // SAFETY: the mapping holds `count` values, is aligned to a page, lives as long as self, and is
        // never written once its place is known to anybody; every bit pattern is an f32.
        unsafe { std::slice::from_raw_parts(self.mapping.start().cast::<f32>(), self.count) }
    }
}

/// What a worker sees.
#[derive(Debug)]
pub struct WorkerView {
    /// The control board, the seals and the log; read only. Other slots can't be seen at all.
    pub log: Arc<View<LogRegion>>,
    own: View<SlotRegion>,
    slots_memory: Memfd,
}

impl WorkerView {
    /// Maps what the worker of `slot` may see. The log's descriptor is closed afterwards; hand over one
    /// that can only be read, or the mapping could be made writable.
    ///
    /// # Errors
    /// If the memory does not have the size that this program's regions have, or as the kernel says.
    pub fn attach(log_memory: Memfd, slots_memory: Memfd, slot: Slot) -> io::Result<Self> {
        if log_memory.bytes() != size_of::<LogRegion>()
            || slots_memory.bytes() != size_of::<SlotsRegion>()
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let log = Arc::new(View::map(&log_memory, Access::Read, 0)?);
        drop(log_memory);
        let own = View::map(&slots_memory, Access::Write, offset_of_slot(slot))?;
        Ok(Self { log, own, slots_memory })
    }

    /// What the worker goes on using, once it is confined.
    pub fn belongings<'a>(
        &'a self,
        notifier: BorrowedFd<'a>,
        assets: BorrowedFd<'a>,
    ) -> Belongings<'a> {
        Belongings {
            notifier,
            assets,
            slots: self.slots_memory.as_fd(),
            own_slot: &self.own.mapping,
        }
    }

    /// Where the worker's own slot is mapped.
    pub fn own_slot(&self) -> &Mapping {
        &self.own.mapping
    }

    /// The memory of all slots.
    pub fn slots_memory(&self) -> &Memfd {
        &self.slots_memory
    }

    /// The worker's own slot, for writing.
    pub fn own(&self) -> &SlotRegion {
        &self.own
    }

    /// In a fork: takes `slot` instead of the parent's, which can't be written from here on.
    ///
    /// # Errors
    /// As the kernel says; then the parent's slot is still mapped, and the child must not go on.
    pub fn move_to(&self, slot: Slot) -> io::Result<()> {
        self.slots_memory.remap(&self.own.mapping, offset_of_slot(slot))
    }
}

fn offset_of_slot(slot: Slot) -> usize {
    offset_of!(SlotsRegion, slots) + slot * size_of::<SlotRegion>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_writes_its_own_slot_and_a_fork_its_new_one() {
        let (log_memory, slots_memory) =
            (LogRegion::create().expect("memfd"), SlotsRegion::create().expect("memfd"));
        let log = <LogRegion as Whole>::map(&log_memory).expect("map");
        let slots = <SlotsRegion as Whole>::map(&slots_memory).expect("map");
        let hand_over = |memory: &Memfd| {
            Memfd::adopt(memory.as_fd().try_clone_to_owned().expect("dup")).expect("adopt")
        };
        let worker = WorkerView::attach(hand_over(&log_memory), hand_over(&slots_memory), 1);
        let worker = worker.expect("attach");
        log.board.promote(3);
        assert_eq!(worker.log.board.primary(), 3);
        worker.own().board.claim(7, 10, 0);
        assert_eq!(slots.slots[1].board.incarnation(), 7);
        worker.move_to(2).expect("remap");
        worker.own().board.claim(8, 10, 0);
        assert_eq!(slots.slots[1].board.incarnation(), 7, "the old slot is left as it was");
        assert_eq!(slots.slots[2].board.incarnation(), 8);
    }
}
