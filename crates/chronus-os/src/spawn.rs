//! Starting a process: this same program, executed anew, with a few descriptors handed over. Its standard
//! input comes from nowhere, its standard output goes to standard error, the descriptors are 3, 4, …, and
//! all others are closed.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::child::{Child, exit_now};
use crate::fork::{Side, fork_sibling};

/// The number of the first descriptor that is handed over; the others follow it.
const FIRST_HANDED_OVER: RawFd = 3;
/// The program that runs; in a child, the same.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Runs this program again, as a child of this process. Must be called by a thread that lives as long as
/// the program, because the child may tie its life to it.
///
/// # Errors
/// As `execve(2)` and `fork(2)` say.
pub fn spawn_child(arguments: &[OsString], hand_over: &[BorrowedFd<'_>]) -> io::Result<Child> {
    let from: Vec<RawFd> = hand_over.iter().map(AsRawFd::as_raw_fd).collect();
    // The copies stand above every number that is written to, so that none is overwritten early.
    let mut copies = vec![0; from.len()];
    let mut command = Command::new(THIS_PROGRAM);
    command.arg0("chronus").args(arguments).stdin(Stdio::null());
    // SAFETY: the closure runs between fork and exec in a copy of this process; it makes only system
    // calls on descriptor numbers and touches only memory that was allocated before the fork.
    unsafe {
        command.pre_exec(move || place_descriptors(&from, &mut copies));
    }
    // The handle may be dropped: dropping neither kills nor reaps, which the pidfd is for.
    let mut started = command.stdout(io::stderr()).spawn()?;
    Child::open(started.id()).inspect_err(|_| {
        // Nobody could watch it.
        let _ = started.kill();
        let _ = started.wait();
    })
}

/// Runs another program, with `stdin` as its standard input; what it prints goes to standard error. It ends when the calling
/// thread does, has no priority, and leads a group of processes of its own, as which it and what it has started can be
/// [ended](kill_group).
///
/// # Errors
/// As `execve(2)` and `fork(2)` say.
pub fn spawn_program(
    program: &OsString,
    arguments: &[OsString],
    stdin: OwnedFd,
) -> io::Result<std::process::Child> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(stdin).stdout(io::stderr()).process_group(0);
    let parent = std::process::id();
    // SAFETY: the closure makes only system calls, on the new process itself.
    unsafe {
        command.pre_exec(move || {
            crate::sched::set_ordinary()?;
            crate::child::die_with_parent(parent);
            Ok(())
        });
    }
    command.spawn()
}

/// Kills the group of processes that a program of [`spawn_program`] leads, whoever is left of it.
pub fn kill_group(program: &std::process::Child) {
    if let Some(group) = rustix::process::Pid::from_raw(program.id() as i32) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Runs this program again, as a child of this process's parent, who alone may reap it.
///
/// # Errors
/// As `execve(2)` and `clone3(2)` say.
pub fn spawn_sibling(arguments: &[OsString], hand_over: &[BorrowedFd<'_>]) -> io::Result<Child> {
    let c_string = |text: OsString| CString::new(text.into_vec()).map_err(io::Error::other);
    let program = c_string(THIS_PROGRAM.into())?;
    let words = std::iter::once("chronus".into()).chain(arguments.iter().cloned());
    let words: Vec<CString> = words.map(c_string).collect::<io::Result<_>>()?;
    let mut line: Vec<*const libc::c_char> = words.iter().map(|word| word.as_ptr()).collect();
    line.push(std::ptr::null());
    let nowhere = File::open("/dev/null")?;
    // Closed by the new program; until then it tells what went wrong.
    let (mut failure, tell) = io::pipe()?;
    let from: Vec<RawFd> = hand_over.iter().map(AsRawFd::as_raw_fd).collect();
    let mut copies = vec![0; from.len()];
    match fork_sibling()? {
        Side::Survivor { child_pid } => {
            // They make room for the descriptor of the child, which nobody could watch without it.
            drop((tell, nowhere));
            // Opened before it can have been reaped, as long as its parent has other things to do.
            let child = Child::open(child_pid);
            let mut errno = [0; 4];
            match failure.read_exact(&mut errno) {
                Ok(()) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
                Err(_) => child,
            }
        }
        Side::Child => {
            // Nothing from here on may allocate: another thread may have held the allocator's lock.
            let told = tell_above(&tell, from.len());
            let failed = match become_program(&program, &line, &nowhere, &from, &mut copies) {
                Ok(never) => match never {},
                Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
            };
            let errno = failed.to_ne_bytes();
            // SAFETY: writes four bytes of the stack to a descriptor.
            unsafe { libc::write(told, errno.as_ptr().cast(), errno.len()) };
            exit_now(127)
        }
    }
}

/// The descriptor that tells, at a number that the descriptors handed over leave alone.
fn tell_above(tell: &io::PipeWriter, handed_over: usize) -> RawFd {
    let above = FIRST_HANDED_OVER + 2 * handed_over as RawFd;
    // SAFETY: duplicates an open descriptor to a number that is free.
    unsafe { libc::fcntl(tell.as_raw_fd(), libc::F_DUPFD_CLOEXEC, above) }
}

/// In a child that shares nothing with its parent: executes a program. Returns only if that fails.
fn become_program(
    program: &CString,
    line: &[*const libc::c_char],
    nowhere: &File,
    from: &[RawFd],
    copies: &mut [RawFd],
) -> io::Result<std::convert::Infallible> {
    // SAFETY: plain system calls on descriptor numbers. Numbers 0 and 1 may be replaced.
    if unsafe { libc::dup2(nowhere.as_raw_fd(), 0) < 0 || libc::dup2(2, 1) < 0 } {
        return Err(io::Error::last_os_error());
    }
    // What stood at the numbers that are handed over, `nowhere` among it, is not needed any more.
    place_descriptors(from, copies)?;
    // SAFETY: plain system calls; signals are let through, as a new program expects it, and the arguments
    // are valid strings, ended by null.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::execv(program.as_ptr(), line.as_ptr());
    }
    Err(io::Error::last_os_error())
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
