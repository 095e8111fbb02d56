//! Monotonic time and the CPU time of other processes, both in nanoseconds.

use rustix::time::{ClockId, clock_gettime};

/// Now, by `CLOCK_MONOTONIC`, in nanoseconds. Comparable between processes of one machine, and not a
/// system call where the kernel maps its clock page (x86-64, aarch64).
pub fn monotonic_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Monotonic))
}

/// Time since the machine was started, in nanoseconds: as [`monotonic_ns`], with the time for which it was suspended.
pub fn boot_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Boottime))
}

/// Now, by the wall clock, in nanoseconds since 1970. OSC timetags are given in wall-clock time.
pub fn wall_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Realtime))
}

/// CPU time that the calling thread has used, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    to_ns(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU time that process `pid` has used, in nanoseconds; `None` if it is gone.
///
/// The clock id of another process is made of its pid as `clock_getcpuclockid(3)` makes it.
pub fn process_cpu_ns(pid: u32) -> Option<u64> {
    const CPUCLOCK_SCHED: libc::clockid_t = 2;
    let id: libc::clockid_t = (!(pid as libc::clockid_t) << 3) | CPUCLOCK_SCHED;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the kernel to fill; any clock id may be asked for.
    let result = unsafe { libc::clock_gettime(id, &raw mut time) };
    (result == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

fn to_ns(time: rustix::time::Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_clock_of_a_process_advances_with_its_work_only() {
        let pid = std::process::id();
        let before = process_cpu_ns(pid).expect("this process is alive");
        let mut sum = 0_u64;
        while process_cpu_ns(pid).expect("alive") < before + 2_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
        assert_eq!(process_cpu_ns(u32::MAX >> 4), None, "no process has this pid");
    }
}
