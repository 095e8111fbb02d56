//! Children seen from both sides: how a parent watches, signals and reaps one by pidfd, and how a
//! child ties its life to its parent and dies when it must.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getppid, kill_process, pidfd_open,
    pidfd_send_signal, set_parent_process_death_signal, waitid,
};

use crate::crash;
use crate::wake::poll_readable;

/// A child process, held by pidfd: it can't be mistaken for another that got its number later.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    pidfd: OwnedFd,
}

/// Why a process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this status.
    Status(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Child {
    /// Opens a child that has not been reaped yet, running or dead.
    ///
    /// # Errors
    /// `ESRCH` if no such process exists.
    pub fn open(pid: u32) -> io::Result<Self> {
        let pidfd = pidfd_open(to_pid(pid)?, PidfdFlags::empty())?;
        Ok(Self { pid, pidfd })
    }

    /// Whether it has ended, reaped or not; a process of one thread does nothing from then on.
    pub fn has_ended(&self) -> bool {
        let mut ready = [false];
        poll_readable(&[self.as_fd()], &mut ready, Some(Duration::ZERO));
        ready[0]
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends signal number `signal`.
    ///
    /// # Errors
    /// `InvalidInput` for a number that is no signal; `ESRCH` if the process is gone.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(signal)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(pidfd_send_signal(&self.pidfd, signal)?)
    }

    /// SIGKILL. Ends stopped processes too; a dead one is left alone.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Reaps it if it has ended; `None` while it runs.
    ///
    /// # Errors
    /// `ECHILD` if it is not a child of this process or was reaped elsewhere.
    pub fn try_reap(&self) -> io::Result<Option<Exit>> {
        self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    /// Waits until it has ended and reaps it.
    ///
    /// # Errors
    /// `ECHILD` if it is not a child of this process or was reaped elsewhere.
    pub fn reap(&self) -> io::Result<Exit> {
        loop {
            match self.wait(WaitIdOptions::EXITED) {
                Ok(Some(exit)) => return Ok(exit),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    fn wait(&self, options: WaitIdOptions) -> io::Result<Option<Exit>> {
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options)?;
        Ok(status.map(|status| Exit::of(status.exit_status(), status.terminating_signal())))
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Exit {
    fn of(status: Option<i32>, signal: Option<i32>) -> Self {
        status.map_or_else(|| Self::Signal(signal.unwrap_or(0)), Self::Status)
    }

    /// Whether the process brought it about: it ended by itself, or did what the kernel punishes by a signal. All
    /// other signals come from people, timers and limits, and blame nobody.
    pub fn is_own_doing(self) -> bool {
        match self {
            Self::Status(_) => true,
            Self::Signal(signal) => crash::SIGNALS.contains(&signal),
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(code) => write!(f, "ended by itself with status {code}"),
            Self::Signal(signal) => write!(f, "ended by {}", signal_name(*signal)),
        }
    }
}

/// The name of a signal, as `SIGKILL`, or its number where it has none here.
pub fn signal_name(signal: i32) -> String {
    let known = SIGNALS.iter().find(|(number, _)| *number == signal);
    known.map_or_else(|| format!("signal {signal}"), |(_, name)| format!("SIG{name}"))
}

/// The number of a signal given by name (`KILL`, `SIGKILL`, any case) or by number.
pub fn signal_number(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let by_name = SIGNALS.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
    by_name.or_else(|| name.parse().ok().filter(|number| (1..=31).contains(number)))
}

const SIGNALS: [(i32, &str); 24] = [
    (libc::SIGKILL, "KILL"),
    (libc::SIGSTOP, "STOP"),
    (libc::SIGCONT, "CONT"),
    (libc::SIGTERM, "TERM"),
    (libc::SIGSEGV, "SEGV"),
    (libc::SIGBUS, "BUS"),
    (libc::SIGILL, "ILL"),
    (libc::SIGFPE, "FPE"),
    (libc::SIGABRT, "ABRT"),
    (libc::SIGINT, "INT"),
    (libc::SIGHUP, "HUP"),
    (libc::SIGXCPU, "XCPU"),
    (libc::SIGSYS, "SYS"),
    (libc::SIGTRAP, "TRAP"),
    (libc::SIGQUIT, "QUIT"),
    (libc::SIGPIPE, "PIPE"),
    (libc::SIGUSR1, "USR1"),
    (libc::SIGUSR2, "USR2"),
    (libc::SIGALRM, "ALRM"),
    (libc::SIGVTALRM, "VTALRM"),
    (libc::SIGPROF, "PROF"),
    (libc::SIGXFSZ, "XFSZ"),
    (libc::SIGIO, "IO"),
    (libc::SIGPWR, "PWR"),
];

/// Reaps a child that the calling thread has started and that has ended, whichever; `None` if there is none.
pub fn reap_any() -> Option<(u32, Exit)> {
    let mut status = 0;
    // SAFETY: writes the status of a child to a local; the children of other threads are left to them.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WNOTHREAD) };
    let pid = u32::try_from(pid).ok().filter(|pid| *pid != 0)?;
    let exited = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    let signaled = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
    Some((pid, Exit::of(exited, signaled)))
}

/// The children of a process, asked for again and again through one descriptor that stays open. So they can be told of by
/// who has no descriptor left, or may not look at other processes in `/proc` (`hidepid`, programs with capabilities).
#[derive(Debug)]
pub struct Children(File);

impl Children {
    /// Those that this thread has started.
    ///
    /// # Errors
    /// If `/proc` can't be read.
    pub fn of_this_thread() -> io::Result<Self> {
        Self::of(std::process::id(), rustix::thread::gettid().as_raw_nonzero().get() as u32)
    }

    fn of(process: u32, thread: u32) -> io::Result<Self> {
        Ok(Self(File::open(format!("/proc/{process}/task/{thread}/children"))?))
    }

    /// Those that a descriptor tells of, as another process has opened it.
    pub fn adopt(fd: OwnedFd) -> Self {
        Self(File::from(fd))
    }

    /// Their pids; dead ones that are not reaped yet included.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn list(&self) -> io::Result<Vec<u32>> {
        let mut text = Vec::new();
        loop {
            let read = text.len();
            text.resize(read + 4096, 0);
            let more = self.0.read_at(&mut text[read..], read as u64)?;
            text.truncate(read + more);
            if more == 0 {
                let text = String::from_utf8_lossy(&text);
                return Ok(text
                    .split_ascii_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect());
            }
        }
    }
}

impl AsFd for Children {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Kills a child of the calling process, known by its number, which is nobody else's until it is reaped here. Any other
/// process is left alone.
pub fn kill_own(pid: u32) {
    let Ok(pid) = to_pid(pid) else { return };
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    if waitid(WaitId::Pid(pid), look).is_ok() {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Tells the parent of this process that a child wants to be looked after, as the kernel does.
pub fn nudge_parent() {
    if let Some(parent) = getppid() {
        let _ = kill_process(parent, Signal::CHILD);
    }
}

/// All children of the process `parent`, which has one thread; dead ones that are not reaped yet
/// included. One that is not known by number is a fork whose parent died before it could tell.
///
/// # Errors
/// If `/proc` can't be read.
pub fn children_of(parent: u32) -> io::Result<Vec<u32>> {
    Children::of(parent, parent)?.list()
}

/// Whether a process sleeps because it wanted to: neither runs, nor waits for its turn or for the kernel, nor
/// was stopped by a signal.
pub fn is_asleep(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything; the state comes after it.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_ascii_whitespace().next() == Some("S")
}

/// In a child: be killed when the thread that started this family of processes ends. Not inherited
/// over a fork, so each child asks anew. If the parent is gone already, ends the process.
pub fn die_with_parent(parent_pid: u32) {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if getppid().map(|pid| pid.as_raw_nonzero().get() as u32) != Some(parent_pid) {
        exit_now(1);
    }
}

/// The parent's process id, or 0 if it lives in another namespace.
pub fn parent_pid() -> u32 {
    getppid().map_or(0, |pid| pid.as_raw_nonzero().get() as u32)
}

/// Signals that ask for the end: those of a terminal, a service manager and a shell. Who is asked decides.
pub const ENDS: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];
/// Those of a terminal.
pub const ENDS_OF_A_TERMINAL: [i32; 3] = [libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

/// Signals that end a process by default and mean nothing to any of ours: timers that it did not set, limits that
/// cost a file and not the sound, whatever people send.
const MEANINGLESS: [i32; 13] = [
    libc::SIGPIPE,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    // Who is in the background may not ask a terminal, which nobody does here.
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// Whether a signal from outside ends or stops a worker.
pub fn is_harmful(signal: i32) -> bool {
    signal == libc::SIGKILL || signal == libc::SIGSTOP || crash::SIGNALS.contains(&signal)
}

/// Has no signal end this process but those that ask for its [end](ENDS), a crash, and SIGKILL; nor what it starts,
/// which inherits that. Signals that were blocked when it was started are not any more: SIGTERM could be one of them.
pub fn mind_no_meaningless_signals() {
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    for signal in MEANINGLESS.into_iter().chain(real_time) {
        ignore(signal);
    }
    // SAFETY: an empty set is a valid one, and both are valid for the calls. Nothing in this program relies on a
    // signal that is blocked.
    unsafe {
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// In a child: leave it to the parent what these signals mean, also where the whole family is sent one at once.
pub fn leave_to_parent(signals: &[i32]) {
    for signal in signals {
        ignore(*signal);
    }
}

/// Has this process end quietly when it writes to a pipe that nobody reads any more, as shells expect it.
pub fn end_with_a_broken_pipe() {
    // SAFETY: the default action is to end the process; no handler is installed.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

fn ignore(signal: i32) {
    // SAFETY: ignoring a signal installs no handler and can't break any code that runs.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Whether a signal was ignored when this process was started, as `nohup` does with SIGHUP: then it stays so.
pub fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is changed, and `action` is valid for the kernel to fill; zeros are a valid action.
    let action = unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// Dies by SIGABRT, sent to the process's real id: after a raw clone the C library's `abort` may hold
/// the id of another. A process that notes its crashes notes it and ends with the status that shells use
/// for it, since it may have no right to send signals.
pub fn die_by_abort() -> ! {
    if crash::note_abort() {
        exit_now(128 + libc::SIGABRT);
    }
    // SAFETY: plain system calls on the calling process; `_exit` is reached only if SIGABRT is blocked.
    unsafe {
        libc::signal(libc::SIGABRT, libc::SIG_DFL);
        libc::syscall(libc::SYS_kill, libc::syscall(libc::SYS_getpid), libc::SIGABRT);
        libc::_exit(128 + libc::SIGABRT)
    }
}

/// Gives back the default action of the signals that a crash raises, which the runtime has taken: also one that
/// another process sends then ends this one.
pub fn crash_by_default_action() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the default action is to end the process; no handler is installed.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Dies by a write to an address that is never mapped: a real SIGSEGV, for chaos tests.
pub fn die_by_segfault() -> ! {
    // SAFETY: none is claimed: the write is meant to be refused by the kernel, which ends the process.
    unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
    exit_now(139)
}

/// Ends the process at once, without running anything that was registered for its end.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(status) }
}

fn to_pid(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::zombie_processes, reason = "it is reaped by its pidfd")]
    fn a_killed_child_is_reaped_with_its_signal() {
        let started = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let child = Child::open(started.id()).expect("pidfd");
        assert_eq!(child.try_reap().expect("wait"), None);
        let children = || Children::of_this_thread().and_then(|it| it.list()).expect("it is there");
        assert!(children().contains(&started.id()), "this is its parent");
        kill_own(1);
        kill_own(std::process::id());
        kill_own(started.id());
        assert_eq!(child.reap().expect("wait"), Exit::Signal(libc::SIGKILL));
        assert!(child.try_reap().is_err(), "a child is reaped once");
        assert!(!children().contains(&1), "nor is it that of all");
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "it is reaped by its pidfd")]
    fn children_are_told_of_again_and_again() {
        // The other tests start processes of their own.
        let children = Children::of_this_thread().expect("it can be read");
        assert_eq!(children.list().expect("none"), []);
        let started = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let child = Child::open(started.id()).expect("pidfd");
        assert_eq!(children.list().expect("one"), [child.pid()]);
        assert!(!child.has_ended());
        child.kill();
        while !child.has_ended() {
            std::thread::yield_now();
        }
        assert_eq!(children.list().expect("it is dead"), [child.pid()]);
        child.reap().expect("it is reaped");
        assert_eq!(children.list().expect("none"), []);
    }

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!(signal_number("kill"), Some(9));
        assert_eq!(signal_number("SIGSTOP"), Some(libc::SIGSTOP));
        assert_eq!(signal_number("11"), Some(11));
        assert_eq!(signal_number("99"), None);
        assert_eq!(signal_number("nonsense"), None);
        assert_eq!(Exit::Signal(9).to_string(), "ended by SIGKILL");
        let number = |name| signal_number(name).expect(name);
        assert!(["KILL", "STOP", "SEGV"].into_iter().all(|name| is_harmful(number(name))));
        assert!(!["CONT", "INT", "HUP"].into_iter().any(|name| is_harmful(number(name))));
    }
}
