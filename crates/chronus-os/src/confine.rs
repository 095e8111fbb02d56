//! The fence around a worker: limits of what it may use up, and a filter of its system calls.
//!
//! After its start a worker sleeps, wakes, forks, and prepares patches in memory of its own. Whatever else
//! it asks the kernel for is a mistake, and ends it by SIGSYS before the kernel does it. All of this is
//! inherited over a fork and can't be taken back. Where arguments decide, they are filtered, too: a
//! descriptor must be the one meant, memory must not become executable, and other memory of the slots than
//! a worker's own can't be mapped but in its place, as a fork does.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use libc::c_long;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, Ge, Lt, MaskedEq};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::memfd::Mapping;
use crate::{clock, fork};

/// As much memory of its own may a process take.
const DATA_BYTES_MAX: u64 = 1 << 30;
/// So much may its stack still grow: plenty, and soon used up by what calls itself for ever. Each page of it takes
/// the kernel microseconds, for which nobody is blamed yet.
const STACK_GROWTH_BYTES: u64 = 256 << 10;
/// A stack that has not grown yet: what the kernel gives to begin with.
const STACK_BYTES: u64 = 132 << 10;

static CONFINED: AtomicBool = AtomicBool::new(false);

/// What a worker goes on using.
#[derive(Clone, Copy, Debug)]
pub struct Belongings<'a> {
    /// It may be raised.
    pub notifier: BorrowedFd<'a>,
    /// It may be read and mapped for reading.
    pub assets: BorrowedFd<'a>,
    /// Another part of this memory may be laid over the mapping.
    pub slots: BorrowedFd<'a>,
    /// The worker's own slot.
    pub own_slot: &'a Mapping,
}

/// Whether this kernel filters system calls.
pub fn is_available() -> bool {
    let action: u32 = libc::SECCOMP_RET_TRAP;
    // SAFETY: asks whether an action is known, by a pointer to its number that is valid for the call.
    let known = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    };
    known == 0 && seccompiler::TargetArch::try_from(std::env::consts::ARCH).is_ok()
}

/// Limits what the calling process may use up from here on: it opens nothing any more, leaves no core
/// behind, and takes no more memory than a patch may.
///
/// # Errors
/// As the kernel says; lowering limits is always permitted.
pub fn limit_resources() -> io::Result<()> {
    let lower = |resource, most: u64| {
        let Rlimit { current, maximum } = getrlimit(resource);
        let least = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
        setrlimit(resource, Rlimit { current: least(current), maximum: least(maximum) })
    };
    lower(Resource::Stack, stack_bytes().unwrap_or(STACK_BYTES) + STACK_GROWTH_BYTES)?;
    lower(Resource::Nofile, 0)?;
    lower(Resource::Core, 0)?;
    lower(Resource::Data, DATA_BYTES_MAX)?;
    // A panic may be reported into a file; there is nothing else that it could write.
    if !writes_errors_to_a_file() {
        lower(Resource::Fsize, 0)?;
    }
    // A core would also be piped to whoever collects them, whatever the limit, and the process would take
    // as long to die.
    control(libc::PR_SET_DUMPABLE, 0)
}

/// How large the stack of the first thread is by now, the environment of the process included.
fn stack_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmStk:"))?;
    let kib: u64 = kib.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib << 10)
}

fn control(what: i32, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the two that are asked for take a plain number.
    let done = unsafe { libc::prctl(what, value, 0, 0, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn writes_errors_to_a_file() -> bool {
    rustix::fs::fstat(io::stderr().as_fd())
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file())
}

/// From here on the calling process, which has a single thread, may make only the system calls of a worker.
/// Any other ends it, as does the attempt to get the filter off.
///
/// # Errors
/// As the kernel says, or `Unsupported` on processors that are not known here.
pub fn filter_calls(belongings: &Belongings<'_>) -> io::Result<()> {
    // Where the clock can be read without a call is found out at the first use, while that is permitted.
    let _ = clock::monotonic_ns();
    let program = program(belongings)?;
    let program = libc::sock_fprog {
        len: program.len() as u16,
        // The same structure by another name.
        filter: program.as_ptr().cast_mut().cast::<libc::sock_filter>(),
    };
    control(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    // A filter must not make the processor careful, as for a stranger's program: that costs time.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: the program is valid for the call, which copies it.
    let set = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    if set != 0 {
        return Err(io::Error::last_os_error());
    }
    CONFINED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Whether the calls of this process are filtered.
pub(crate) fn is_in_force() -> bool {
    CONFINED.load(Ordering::Relaxed)
}

/// The filter. What is not permitted is trapped rather than killed, so that the process can note what it
/// was; if it can't, it dies all the same.
fn program(belongings: &Belongings<'_>) -> io::Result<BpfProgram> {
    let arch = std::env::consts::ARCH.try_into().map_err(|_| io::ErrorKind::Unsupported)?;
    let filter =
        SeccompFilter::new(calls(belongings), SeccompAction::Trap, SeccompAction::Allow, arch);
    filter.and_then(TryInto::try_into).map_err(io::Error::other)
}

/// The calls of a worker, with what their arguments must be; none is any.
fn calls(belongings: &Belongings<'_>) -> BTreeMap<c_long, Vec<SeccompRule>> {
    let freely = [
        // Sleeping, waking, and going on after a stop.
        libc::SYS_futex,
        libc::SYS_clock_nanosleep,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigreturn,
        // Where the clock can't be read without the kernel.
        libc::SYS_clock_gettime,
        // The life of a fork.
        libc::SYS_getpid,
        libc::SYS_getppid,
        libc::SYS_mlockall,
        libc::SYS_exit,
        libc::SYS_exit_group,
        // Memory of its own.
        libc::SYS_brk,
        libc::SYS_munmap,
    ];
    let mut calls: BTreeMap<_, _> = freely.map(|call| (call, Vec::new())).into();
    calls.insert(libc::SYS_clone, forks());
    calls.insert(
        libc::SYS_prctl,
        any_of(0, &[libc::PR_SET_PDEATHSIG, libc::PR_SET_NAME, libc::PR_GET_TID_ADDRESS]),
    );
    let notifier = belongings.notifier.as_raw_fd();
    calls.insert(libc::SYS_write, any_of(0, &[libc::STDERR_FILENO, notifier]));
    calls.insert(libc::SYS_pread64, any_of(0, &[belongings.assets.as_raw_fd()]));
    calls.insert(libc::SYS_mmap, mappings(belongings));
    calls.insert(libc::SYS_mremap, moves(belongings.own_slot));
    calls.insert(libc::SYS_mprotect, vec![rule(&[masked(2, libc::PROT_EXEC, 0)])]);
    calls.insert(libc::SYS_madvise, any_of(2, &[libc::MADV_DONTNEED, libc::MADV_HUGEPAGE]));
    calls
}

/// Only a sibling that shares no memory: neither a thread nor a child of one's own.
fn forks() -> Vec<SeccompRule> {
    [fork::FLAGS, fork::FLAGS_WITHOUT_TID].map(|flags| rule(&[(0, Qword, Eq, flags)])).into()
}

/// Memory of its own that grows, but not the worker's slot: behind that lie others.
fn moves(own_slot: &Mapping) -> Vec<SeccompRule> {
    let start = own_slot.start() as u64;
    let elsewhere = [(0, Qword, Lt, start), (0, Qword, Ge, start + own_slot.bytes() as u64)];
    elsewhere.map(|place| rule(&[place, masked(3, !libc::MREMAP_MAYMOVE, 0)])).into()
}

/// Memory of its own, the shared assets for reading, and another slot in the place of the worker's own.
fn mappings(belongings: &Belongings<'_>) -> Vec<SeccompRule> {
    let kind = libc::MAP_TYPE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    let own_memory = rule(&[
        masked(2, libc::PROT_EXEC, 0),
        masked(3, kind, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
    ]);
    let assets = rule(&[
        equal(2, libc::PROT_READ),
        masked(3, kind, libc::MAP_SHARED),
        equal(4, belongings.assets.as_raw_fd()),
    ]);
    let own_slot = belongings.own_slot;
    let in_place = rule(&[
        (0, Qword, Eq, own_slot.start() as u64),
        (1, Qword, Eq, own_slot.bytes() as u64),
        equal(2, libc::PROT_READ | libc::PROT_WRITE),
        masked(3, kind, libc::MAP_SHARED | libc::MAP_FIXED),
        equal(4, belongings.slots.as_raw_fd()),
    ]);
    vec![own_memory, assets, in_place]
}

/// What a system call is called, of those that a module gone astray is most likely to make.
pub fn name_of_call(number: u64) -> Option<&'static str> {
    let names = [
        (libc::SYS_clone, "clone"),
        (libc::SYS_clone3, "clone3"),
        (libc::SYS_connect, "connect"),
        (libc::SYS_execve, "execve"),
        (libc::SYS_getrandom, "getrandom"),
        (libc::SYS_kill, "kill"),
        (libc::SYS_mmap, "mmap"),
        (libc::SYS_mremap, "mremap"),
        (libc::SYS_openat, "openat"),
        (libc::SYS_prctl, "prctl"),
        (libc::SYS_pread64, "pread64"),
        (libc::SYS_read, "read"),
        (libc::SYS_rt_sigaction, "rt_sigaction"),
        (libc::SYS_sendto, "sendto"),
        (libc::SYS_socket, "socket"),
        (libc::SYS_tgkill, "tgkill"),
        (libc::SYS_write, "write"),
    ];
    names.iter().find(|(known, _)| known.cast_unsigned() == number).map(|(_, name)| *name)
}

/// The number of an argument, how much of it counts, and what it must be.
type Condition = (u8, SeccompCmpArgLen, SeccompCmpOp, u64);

fn equal(argument: u8, value: i32) -> Condition {
    (argument, Dword, Eq, u64::from(value.cast_unsigned()))
}

fn masked(argument: u8, mask: i32, value: i32) -> Condition {
    let mask = MaskedEq(u64::from(mask.cast_unsigned()));
    (argument, Dword, mask, u64::from(value.cast_unsigned()))
}

fn any_of(argument: u8, values: &[i32]) -> Vec<SeccompRule> {
    values.iter().map(|value| rule(&[equal(argument, *value)])).collect()
}

fn rule(conditions: &[Condition]) -> SeccompRule {
    let conditions = conditions.iter().map(|(argument, length, operator, value)| {
        SeccompCondition::new(*argument, length.clone(), operator.clone(), *value)
    });
    let rule = conditions.collect::<Result<_, _>>().and_then(SeccompRule::new);
    rule.expect("there are six arguments, and each rule has a condition")
}
