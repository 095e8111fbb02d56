//! Real-time scheduling, memory locking and limits, each with a plain answer whether it was granted.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};

/// Priorities within `SCHED_FIFO`, highest first. Whoever hears is served before whoever renders.
pub mod priority {
    /// The keeper, who reaps the dead: nobody else gets their place before.
    pub const KEEPER: u8 = 73;
    /// The audio callback of our own devices.
    pub const AUDIO: u8 = 72;
    /// The supervisor's command sequencer and monitor: it must be able to interrupt a worker.
    pub const SUPERVISOR: u8 = 71;
    /// A worker.
    pub const WORKER: u8 = 70;
}

/// Puts the calling thread into `SCHED_FIFO` at `priority` (1 to 99). A fork inherits it.
///
/// # Errors
/// `EPERM` without the right: `CAP_SYS_NICE` or a sufficient `RLIMIT_RTPRIO`.
pub fn set_fifo(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: i32::from(priority) };
    // SAFETY: pid 0 is the calling thread and `parameters` is valid for the call.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Puts the calling thread into `SCHED_FIFO` at `priority`, and no process or thread that it starts.
///
/// # Errors
/// As [`set_fifo`].
pub fn set_fifo_for_self(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: i32::from(priority) };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: pid 0 is the calling thread and `parameters` is valid for the call.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Puts the calling thread back into the ordinary scheduling class.
///
/// # Errors
/// As the kernel says; lowering oneself is always permitted.
pub fn set_ordinary() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: as in `set_fifo`.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes the kernel wake the calling thread at the time asked for, not up to 50 us later.
pub fn set_least_timer_slack() {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

/// Locks what is mapped now and later, each page as it is first touched. Locks are not inherited over
/// a fork; the child must ask again.
///
/// # Errors
/// `ENOMEM` or `EPERM` if `RLIMIT_MEMLOCK` is too small.
pub fn lock_memory() -> io::Result<()> {
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
        .map_err(io::Error::from)
}

/// Ends a real-time process that computes for `limit_us` microseconds without ever waiting: SIGXCPU.
///
/// # Errors
/// As the kernel says; lowering a limit is always permitted.
pub fn limit_unbroken_cpu(limit_us: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: limit_us, rlim_max: limit_us };
    // SAFETY: `limit` is valid for the call.
    match unsafe { libc::setrlimit(libc::RLIMIT_RTTIME, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
