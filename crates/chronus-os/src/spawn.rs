//! Starting a fresh worker: this same program, executed anew, with a few descriptors handed over.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::child::Child;

/// The first descriptor number that [`spawn_self`] hands over; the others follow it.
const FIRST_HANDED_OVER: RawFd = 3;

/// Runs this program again with `arguments`. The child has standard input from nowhere, standard
/// output to standard error, and `hand_over` as descriptors 3, 4, …; all others are closed. Must be
/// called by a thread that lives as long as the program, because the child may tie its life to it.
///
/// # Errors
/// As `execve(2)` and `fork(2)` say.
pub fn spawn_self(arguments: &[String], hand_over: &[BorrowedFd<'_>]) -> io::Result<Child> {
    let from: Vec<RawFd> = hand_over.iter().map(AsRawFd::as_raw_fd).collect();
    // The copies stand above every number that is written to, so that none is overwritten early.
    let mut copies = vec![0; from.len()];
    let mut command = Command::new("/proc/self/exe");
    command.arg0("chronus").args(arguments).stdin(Stdio::null());
    // SAFETY: the closure runs between fork and exec in a copy of this process; it makes only system
    // calls on descriptor numbers and touches only memory that was allocated before the fork.
    unsafe {
        command.pre_exec(move || place_descriptors(&from, &mut copies));
    }
    // The handle may be dropped: dropping neither kills nor reaps, which the pidfd is for.
    let started = command.stdout(io::stderr()).spawn()?;
    Child::open(started.id())
}

/// Takes over the descriptor handed over at `position`. `None` if there is none.
///
/// May be called once per position, at the start of the program: the descriptor then has one owner.
pub fn take_handed_over(position: usize) -> Option<OwnedFd> {
    let number = FIRST_HANDED_OVER + position as RawFd;
    // SAFETY: F_GETFD only asks whether the number is open.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: the number is open and, by the contract above, nobody else in this program owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    // SAFETY: marks an open descriptor as not to be inherited by a further program.
    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    Some(fd)
}

fn place_descriptors(from: &[RawFd], copies: &mut [RawFd]) -> io::Result<()> {
    let above = FIRST_HANDED_OVER + from.len() as RawFd;
    for (copy, &from) in copies.iter_mut().zip(from) {
        // SAFETY: duplicates an open descriptor to a number that is free.
        *copy = unsafe { libc::fcntl(from, libc::F_DUPFD_CLOEXEC, above) };
        if *copy < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    for (number, &copy) in (FIRST_HANDED_OVER..).zip(copies.iter()) {
        // SAFETY: numbers 3 and up may be replaced: whatever stood there is closed on exec anyway, and
        // the copies stand above them. The duplicate is inherited over exec.
        if unsafe { libc::dup2(copy, number) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // Whatever this program itself was handed without asking must not reach a worker either.
    // SAFETY: marks descriptors as closed on exec; kernels before 5.11 refuse the flag, harmlessly.
    unsafe { libc::syscall(libc::SYS_close_range, above, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Ok(())
}
