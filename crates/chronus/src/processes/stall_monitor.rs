//! The stall monitor: a thread on each core that sleeps again and again, and notes when nobody was run there. So
//! what the machine did is told apart from what Chronus did.

use std::io;
use std::thread;
use std::time::Duration;

use chronus_os::clock;
use chronus_os::cores::{self, Waking};
use chronus_os::sched::{self, priority};
use chronus_os::wake::Notifier;
use chronus_replication::stalls::{SHORTEST_NS, Stall};
use rtrb::{Consumer, Producer, RingBuffer};

/// As much of a core may all looking take. What a look costs differs: some 3 us on bare metal, 20 in a virtual
/// machine within another.
const SHARE_OF_A_CORE: f64 = 0.002;
/// A core is looked at this often until the cost of a look is known, and never more often.
const LOOK_OFTEN: Duration = Duration::from_millis(2);
/// A core is never looked at less often.
const LOOK_SELDOM: Duration = Duration::from_millis(50);
/// Looks after which their cost is known.
const LOOKS: u32 = 64;
/// Stalls of a core that nobody has asked for yet.
const KEPT: usize = 64;
/// Each thread calls nothing deep.
const STACK_BYTES: usize = 64 << 10;

/// What the threads have noted and nobody has heard yet.
#[derive(Default)]
pub struct StallMonitor {
    noted: Vec<Consumer<Stall>>,
}

impl StallMonitor {
    /// Starts a thread on each core that this process may use. They raise `notifier` when there is a stall to hear of.
    ///
    /// # Errors
    /// If a thread can't be started.
    pub fn start(notifier: &Notifier) -> io::Result<Self> {
        let cores = cores::allowed();
        let share = SHARE_OF_A_CORE / cores.len() as f64;
        let mut noted = Vec::with_capacity(cores.len());
        for core in cores {
            let (mut notes, heard) = RingBuffer::new(KEPT);
            let notifier = notifier.try_clone()?;
            thread::Builder::new()
                .name(format!("stalls-{core}"))
                .stack_size(STACK_BYTES)
                .spawn(move || look_for_ever(core, share, &mut notes, &notifier))?;
            noted.push(heard);
        }
        Ok(Self { noted })
    }

    /// The next stall that was noted.
    pub fn next(&mut self) -> Option<Stall> {
        self.noted.iter_mut().find_map(|noted| noted.pop().ok())
    }
}

fn look_for_ever(core: usize, share: f64, notes: &mut Producer<Stall>, notifier: &Notifier) {
    sched::set_least_timer_slack();
    // A core that can't be had is not watched; one that was taken away later is nobody's.
    if cores::pin_to(core).is_err() {
        return;
    }
    let _ = sched::set_fifo(priority::STALL_MONITOR);
    let mut every = LOOK_OFTEN;
    while !notes.is_abandoned() {
        let (before_ns, mut looks) = (clock::thread_cpu_ns(), 0);
        cores::wake_again_and_again(every, |Waking { seen_ns, due_ns, woken_ns }| {
            if woken_ns - due_ns >= SHORTEST_NS {
                // If nobody has heard the ones before, one more tells nothing new.
                let _ = notes.push(Stall { core: Some(core), seen_ns, due_ns, until_ns: woken_ns });
                notifier.raise();
            }
            looks += 1;
            looks < LOOKS && !notes.is_abandoned()
        });
        every = interval(clock::thread_cpu_ns() - before_ns, looks, share);
    }
}

/// How often to look if so many looks took so long, and all looking may take this share of a core.
fn interval(took_ns: u64, looks: u32, share: f64) -> Duration {
    let look_s = took_ns as f64 / 1e9 / f64::from(looks.max(1));
    Duration::from_secs_f64(look_s / share).clamp(LOOK_OFTEN, LOOK_SELDOM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::wait_until;

    #[test]
    fn looking_takes_no_more_than_its_share_of_a_core() {
        // 64 looks of 20 us each, at one in a thousand of a core.
        assert_eq!(interval(64 * 20_000, 64, 0.001), Duration::from_millis(20));
        assert_eq!(interval(64 * 500, 64, 0.001), LOOK_OFTEN);
        assert_eq!(interval(64 * 1_000_000, 64, 0.001), LOOK_SELDOM);
    }

    /// Occupies a core for 60 ms with a thread of the highest priority; returns from when until when, or nothing
    /// without permission for that.
    fn occupy(core: usize) -> Option<(u64, u64)> {
        let occupied = thread::spawn(move || {
            cores::pin_to(core).expect("it is allowed");
            sched::set_fifo(99).ok()?;
            let from_ns = clock::monotonic_ns();
            while clock::monotonic_ns() < from_ns + 60_000_000 {}
            Some((from_ns, clock::monotonic_ns()))
        });
        occupied.join().expect("no panic")
    }

    /// The monitor's thread can't run while the core is occupied. It looks at least every 50 ms, so it is due within; but
    /// if that is in the last millisecond, it is not late enough to be told of: then the core is occupied once more.
    #[test]
    fn a_core_on_which_nobody_is_run_is_noted_with_its_number_and_for_how_long() {
        let notifier = Notifier::new().expect("a descriptor");
        let mut monitor = StallMonitor::start(&notifier).expect("threads");
        let core = *cores::allowed().last().expect("a core");
        let mut occupied = Vec::new();
        let mut may = true;
        wait_until("the stall that was made is told", || {
            let Some(span) = occupy(core) else {
                may = false;
                return true;
            };
            occupied.push(span);
            thread::sleep(Duration::from_millis(10));
            let made = |stall: &Stall| {
                let is_it = |(from_ns, to_ns): &(u64, u64)| {
                    stall.seen_ns <= *from_ns && stall.due_ns < *to_ns && stall.until_ns >= *to_ns
                };
                stall.core == Some(core) && occupied.iter().any(is_it)
            };
            std::iter::from_fn(|| monitor.next()).any(|stall| made(&stall))
        });
        if !may {
            eprintln!("skipped: no permission for real-time scheduling");
        }
    }
}
