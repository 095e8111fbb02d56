//! Waiting and waking: futex words in shared memory, and an event counter that can be polled.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::thread::futex;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Sleeps while `*word == expected`, until woken or `timeout` has passed. May return early; the caller
/// looks at the world again. Works on a mapping that is readable only.
pub fn wait_on(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(to_timespec);
    let _ = futex::wait(word, futex::Flags::empty(), expected, timeout.as_ref());
}

/// Wakes every process that sleeps on `word`.
pub fn wake_all(word: &AtomicU32) {
    let _ = futex::wake(word, futex::Flags::empty(), i32::MAX as u32);
}

/// A counter that any process holding it can raise, and one can poll for.
#[derive(Debug)]
pub struct Notifier(OwnedFd);

impl Notifier {
    /// A new counter at rest.
    ///
    /// # Errors
    /// Out of file descriptors or memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Takes over a descriptor inherited from the process that created the counter.
    pub fn adopt(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Another handle on the same counter.
    ///
    /// # Errors
    /// Out of file descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Raises the counter. Never blocks; a counter that is full is raised already.
    pub fn raise(&self) {
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Puts the counter at rest.
    pub fn clear(&self) {
        let mut count = [0_u8; 8];
        let _ = rustix::io::read(&self.0, &mut count);
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A clock that can be polled for and costs nothing between two ticks, unlike a timeout, which is set up
/// and taken down with every sleep.
#[derive(Debug)]
pub struct Ticker(OwnedFd);

impl Ticker {
    /// Ticks every `period` from now on.
    ///
    /// # Errors
    /// Out of file descriptors or memory.
    pub fn new(period: Duration) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let period = to_timespec(period);
        let times = Itimerspec { it_interval: period, it_value: period };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        Ok(Self(timer))
    }

    /// Forgets the ticks so far.
    pub fn clear(&self) {
        let mut count = [0_u8; 8];
        let _ = rustix::io::read(&self.0, &mut count);
    }
}

impl AsFd for Ticker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sleeps until one of `fds` is readable or `timeout`, if there is one, has passed. `ready[i]` says whether `fds[i]` is
/// readable (or in error, which a read will tell). An interrupted sleep returns with nothing ready.
///
/// # Panics
/// If there are more than 16 descriptors or `ready` is shorter than `fds`.
pub fn poll_readable(fds: &[BorrowedFd<'_>], ready: &mut [bool], timeout: Option<Duration>) {
    const MOST: usize = 16;
    assert!(fds.len() <= MOST && ready.len() >= fds.len());
    let Some(first) = fds.first() else { return };
    let mut polled: [PollFd<'_>; MOST] = std::array::from_fn(|i| {
        PollFd::from_borrowed_fd(*fds.get(i).unwrap_or(first), PollFlags::IN)
    });
    let polled = &mut polled[..fds.len()];
    ready.fill(false);
    if poll(polled, timeout.map(to_timespec).as_ref()).is_ok() {
        for (ready, polled) in ready.iter_mut().zip(polled) {
            *ready = !polled.revents().is_empty();
        }
    }
}

fn to_timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_kick_is_readable_until_cleared() {
        let notifier = Notifier::new().expect("eventfd");
        let readable = |notifier: &Notifier| {
            let mut ready = [false];
            poll_readable(&[notifier.as_fd()], &mut ready, Some(Duration::ZERO));
            ready[0]
        };
        assert!(!readable(&notifier));
        notifier.raise();
        notifier.raise();
        assert!(readable(&notifier));
        notifier.clear();
        assert!(!readable(&notifier));
    }

    #[test]
    fn a_ticker_wakes_a_sleep_without_a_timeout() {
        let ticker = Ticker::new(Duration::from_millis(5)).expect("timerfd");
        for _ in 0..2 {
            let mut ready = [false];
            poll_readable(&[ticker.as_fd()], &mut ready, None);
            assert!(ready[0]);
            ticker.clear();
        }
    }

    #[test]
    fn a_wait_on_a_changed_word_returns_at_once() {
        let word = AtomicU32::new(1);
        wait_on(&word, 0, None);
    }
}
