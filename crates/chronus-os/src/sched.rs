//! Real-time scheduling, memory locking and limits, each with a plain answer whether it was granted.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};

/// Priorities within `SCHED_FIFO`, highest first. Whoever hears is served before whoever renders.
pub mod priority {
    /// Who notes that nobody was run: no thread of ours may hold it up.
    pub const STALL_MONITOR: u8 = 74;
    /// The keeper, who reaps the dead: nobody else gets their place before.
    pub const KEEPER: u8 = 73;
    /// The audio callback of our own devices.
    pub const AUDIO: u8 = 72;
    /// The supervisor's command sequencer and monitor: it must be able to interrupt a worker.
    pub const SUPERVISOR: u8 = 71;
    /// A worker.
    pub const WORKER: u8 = 70;
    /// Who receives OSC: at once, but never before the sound.
    pub const RECEIVER: u8 = 65;
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

/// Has the kernel account for the CPU time that the first thread of this process has used until now. While a thread
/// runs on another processor, its clock goes on only with the ticks there, up to 10 ms apart: far too seldom to tell
/// whether it was busy for one. But it is brought up to date when the thread's class changes; so it changes to the
/// one that differs least, and back with the next call.
pub fn account_for(pid: u32) {
    let pid = pid.cast_signed();
    let mut parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: takes a plain number.
    let policy = unsafe { libc::sched_getscheduler(pid) };
    let (flags, class) = (policy & libc::SCHED_RESET_ON_FORK, policy & !libc::SCHED_RESET_ON_FORK);
    let other = match class {
        libc::SCHED_FIFO => libc::SCHED_RR,
        libc::SCHED_RR => libc::SCHED_FIFO,
        libc::SCHED_OTHER => libc::SCHED_BATCH,
        libc::SCHED_BATCH => libc::SCHED_OTHER,
        _ => return,
    };
    // SAFETY: `parameters` is valid for both calls, which fill and read it; a process that is gone is an error, and so
    // is one of another user, and nothing is lost by either.
    unsafe {
        if libc::sched_getparam(pid, &raw mut parameters) == 0 {
            libc::sched_setscheduler(pid, other | flags, &raw const parameters);
        }
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::clock::process_cpu_ns;

    /// One process computes, the other looks at it until its clock is found to go on in a fraction of a tick. A busy
    /// machine may keep this one from looking that often, for a while.
    #[test]
    fn the_clock_of_a_process_that_runs_elsewhere_is_brought_up_to_date() {
        let mut busy = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .expect("a shell");
        let pid = busy.id();
        let began = Instant::now();
        let mut steps = Vec::new();
        let mut last_ns = 0;
        let is_fine = |steps: &[u64]| {
            let mut last: Vec<u64> = steps.iter().rev().take(20).copied().collect();
            last.sort_unstable();
            last.len() == 20 && last[5] < 900_000
        };
        while !is_fine(&steps) && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_micros(300));
            account_for(pid);
            let now_ns = process_cpu_ns(pid).expect("it runs");
            if now_ns > last_ns {
                steps.push(now_ns - last_ns);
            }
            last_ns = now_ns;
        }
        // SAFETY: takes a plain number.
        let policy = unsafe { libc::sched_getscheduler(pid.cast_signed()) };
        busy.kill().and_then(|()| busy.wait()).expect("it was running");
        assert!([libc::SCHED_OTHER, libc::SCHED_BATCH].contains(&policy), "{policy}");
        assert!(is_fine(&steps), "{steps:?}");
    }
}
