//! The processor's cores that this process may use: threads of their own on each, and how late those are woken.

use std::io;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, Timespec};

use crate::clock;

/// The numbers of the cores that the calling thread may run on, in ascending order; never none.
pub fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return vec![0] };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect();
    if cores.is_empty() { vec![0] } else { cores }
}

/// Has the calling thread run on this core and no other.
///
/// # Errors
/// As the kernel says: the core is gone, or forbidden.
pub fn pin_to(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Sleeps until a moment of [`clock::monotonic_ns`]. Returns early only after a signal.
pub fn sleep_until(time_ns: u64) {
    let time = Timespec {
        tv_sec: (time_ns / 1_000_000_000) as i64,
        tv_nsec: (time_ns % 1_000_000_000) as i64,
    };
    let _ = rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &time);
}

/// A waking of a thread that sleeps again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waking {
    /// When it was seen to run before.
    pub seen_ns: u64,
    /// When it should have been woken.
    pub due_ns: u64,
    /// When it was.
    pub woken_ns: u64,
}

impl Waking {
    /// How late it was, in nanoseconds.
    pub fn late_ns(&self) -> u64 {
        self.woken_ns.saturating_sub(self.due_ns)
    }
}

/// Sleeps `period` again and again, and tells of each waking until `on_waking` returns `false`. The next sleep
/// begins with the waking: what was missed meanwhile is not made up for.
pub fn wake_again_and_again(period: Duration, mut on_waking: impl FnMut(Waking) -> bool) {
    let period_ns = period.as_nanos() as u64;
    let mut seen_ns = clock::monotonic_ns();
    loop {
        let due_ns = seen_ns + period_ns;
        sleep_until(due_ns);
        let woken_ns = clock::monotonic_ns();
        // A signal may have cut the sleep short.
        if woken_ns >= due_ns && !on_waking(Waking { seen_ns, due_ns, woken_ns }) {
            return;
        }
        seen_ns = woken_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_be_held_to_each_allowed_core_and_to_no_other() {
        for core in allowed() {
            let held = std::thread::spawn(move || pin_to(core).map(|()| allowed()));
            assert_eq!(held.join().expect("no panic").expect("it is allowed"), [core]);
        }
        let beyond = CpuSet::MAX_CPU - 1;
        if !allowed().contains(&beyond) {
            assert!(std::thread::spawn(move || pin_to(beyond)).join().expect("no panic").is_err());
        }
    }

    #[test]
    fn wakings_follow_one_another_and_none_is_early() {
        let mut wakings = Vec::new();
        wake_again_and_again(Duration::from_micros(200), |waking| {
            wakings.push(waking);
            wakings.len() < 20
        });
        for waking in &wakings {
            assert_eq!(waking.due_ns, waking.seen_ns + 200_000);
            assert!(waking.woken_ns >= waking.due_ns);
        }
        assert!(wakings.windows(2).all(|pair| pair[1].seen_ns == pair[0].woken_ns));
    }
}
