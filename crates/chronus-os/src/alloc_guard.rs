//! An allocator that aborts the process when a thread allocates where it has sworn not to.
//!
//! The program installs [`GuardedAllocator`] as its global allocator. A worker calls
//! [`forbid_allocation`] before its first block and never takes it back; the audio callback holds an
//! [`AllocationBan`] while it runs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system allocator, behind a check of the calling thread's ban.
pub struct GuardedAllocator;

thread_local! {
    // `const` initialisation: reading it never allocates, so the allocator itself may read it.
    static BANNED: Cell<bool> = const { Cell::new(false) };
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// From here on the calling thread dies if it allocates or frees. A fork inherits the ban.
pub fn forbid_allocation() {
    BANNED.set(true);
}

/// Bans allocation on the calling thread for as long as it lives.
#[must_use]
pub struct AllocationBan {
    before: bool,
}

impl AllocationBan {
    /// Starts the ban.
    pub fn start() -> Self {
        Self { before: BANNED.replace(true) }
    }
}

impl Drop for AllocationBan {
    fn drop(&mut self) {
        BANNED.set(self.before);
    }
}

/// Lifts the ban of the calling thread for as long as it lives, for work beside the path that must not
/// allocate.
#[must_use]
pub struct AllocationPermit {
    before: bool,
}

impl AllocationPermit {
    /// Lifts the ban.
    pub fn start() -> Self {
        Self { before: BANNED.replace(false) }
    }
}

impl Drop for AllocationPermit {
    fn drop(&mut self) {
        BANNED.set(self.before);
    }
}

/// Lifts the ban for good, for a process that is about to report why it dies.
pub fn permit_allocation() {
    BANNED.set(false);
}

/// The bytes that the calling thread has allocated, less those that it has freed, modulo the size of the
/// address space: the difference of two calls is what was taken between them.
pub fn allocated() -> usize {
    ALLOCATED.get()
}

fn count(more: usize, less: usize) {
    ALLOCATED.set(ALLOCATED.get().wrapping_add(more).wrapping_sub(less));
}

fn check(what: &str) {
    if BANNED.get() {
        BANNED.set(false);
        eprintln!("chronus: {what} on a path that must not allocate");
        crate::child::die_by_abort();
    }
}

// SAFETY: every call is handed to the system allocator unchanged; the check before it touches only a
// thread-local flag and, if the flag is set, ends the process.
unsafe impl GlobalAlloc for GuardedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check("allocation");
        count(layout.size(), 0);
        // SAFETY: the caller's contract is System's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        check("deallocation");
        count(0, layout.size());
        // SAFETY: the caller's contract is System's contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check("allocation");
        count(layout.size(), 0);
        // SAFETY: the caller's contract is System's contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        check("reallocation");
        count(new_size, layout.size());
        // SAFETY: the caller's contract is System's contract.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
