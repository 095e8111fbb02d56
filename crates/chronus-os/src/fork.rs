//! The fork that makes a standby: `clone(CLONE_PARENT)`, whose flags a filter of system calls can see.
//!
//! The child is a sibling of the caller, so the process that started the caller also owns the child:
//! it may watch it by pidfd and must reap it. The child of a process with several threads may do nothing
//! but execute another program; a worker has one thread, and its child plays on.

use std::io;

/// The flags of the call.
pub(crate) const FLAGS: u64 =
    FLAGS_WITHOUT_TID | (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
/// The same where the kernel can't tell where the thread's id is kept.
pub(crate) const FLAGS_WITHOUT_TID: u64 = libc::CLONE_PARENT as u64;

/// Which side of the fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The caller; `child_pid` is the new process.
    Survivor {
        /// The pid of the new process.
        child_pid: u32,
    },
    /// The new process.
    Child,
}

/// Forks a sibling. Nothing that the C library runs around `fork(2)` is run: no handlers, no locks.
///
/// The C library keeps the thread's id at an address that the kernel knows (`set_tid_address`); the
/// kernel is asked to write the child's id there, so that nothing in the child holds a stale one.
///
/// # Errors
/// `EAGAIN` (limit of processes), `ENOMEM`, or another errno of `clone(2)`.
pub fn fork_sibling() -> io::Result<Side> {
    let tid_address = tid_address();
    let flags = if tid_address == 0 { FLAGS_WITHOUT_TID } else { FLAGS };
    // No stack, no parent's word, no thread storage, and no signal: CLONE_PARENT takes the caller's own.
    #[cfg(not(target_arch = "aarch64"))]
    let arguments = [0, 0, tid_address, 0];
    #[cfg(target_arch = "aarch64")]
    let arguments = [0, 0, 0, tid_address];
    let [stack, parent_tid, third, fourth] = arguments;
    // SAFETY: without CLONE_VM the child runs on a copy of the caller's memory and stack; `tid_address` is
    // the address that the C library itself registered with the kernel for this thread.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, stack, parent_tid, third, fourth) };
    match result {
        0 => Ok(Side::Child),
        pid if pid > 0 => Ok(Side::Survivor { child_pid: pid as u32 }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Where the C library caches this thread's id, or 0 if the kernel can't tell.
fn tid_address() -> u64 {
    let mut address: u64 = 0;
    // SAFETY: PR_GET_TID_ADDRESS stores one pointer-sized value through the pointer given.
    let result = unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut address, 0, 0, 0) };
    if result == 0 { address } else { 0 }
}

/// How many threads the calling process has; a worker checks once, at its start, that it is one.
///
/// # Errors
/// If `/proc` can't be read.
pub fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}
