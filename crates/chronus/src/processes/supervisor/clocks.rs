//! Jumps of the machine's clocks, noticed and said. Nothing needs to be done about them: the performance
//! goes by the device, and the supervisor by a clock that is never set and stands still while the machine
//! is suspended, so that there is nothing to catch up with.

use chronus_control::{ClockChange, Event};
use chronus_os::clock;
use chronus_replication::clock_jumps::{ClockJumps, Clocks, Jump};

use super::Supervisor;

/// How often the clocks are compared.
const LOOK_EVERY_NS: u64 = 250_000_000;
/// Reading three clocks takes longer only for who was interrupted meanwhile; then nothing can be said.
const READ_WITHIN_NS: u64 = 10_000_000;

/// Compares the clocks now and then.
#[derive(Debug, Default)]
pub struct ClockWatch {
    jumps: ClockJumps,
    looked_ns: u64,
}

impl ClockWatch {
    fn look(&mut self, now_ns: u64) -> Option<Jump> {
        if now_ns < self.looked_ns + LOOK_EVERY_NS {
            return None;
        }
        let clocks = Clocks {
            monotonic_ns: clock::monotonic_ns(),
            boot_ns: clock::boot_ns(),
            wall_ns: clock::wall_ns(),
        };
        if clock::monotonic_ns() > clocks.monotonic_ns + READ_WITHIN_NS {
            return None;
        }
        self.looked_ns = now_ns;
        self.jumps.look(clocks)
    }
}

impl Supervisor {
    /// Says when the machine was suspended or its wall clock was set.
    pub(super) fn watch_clocks(&mut self, now_ns: u64) {
        let Some(jump) = self.clock_watch.look(now_ns) else { return };
        let waiting = self.sequencer.waiting();
        if jump.suspended_ns > 0 {
            let seconds = jump.suspended_ns as f64 / 1e9;
            tracing::warn!(
                "the machine was suspended for {seconds:.1} s; the performance goes on where it was, \
                 {waiting} commands that wait for their time come later by as much"
            );
            self.tell(&Event::Clock { change: ClockChange::Suspended, seconds });
        }
        if jump.wall_set_ns != 0 {
            let seconds = jump.wall_set_ns as f64 / 1e9;
            let way = if seconds < 0.0 { "back" } else { "forward" };
            tracing::warn!(
                "the wall clock was set {way} by {:.1} s; timetags count by it from now on, {waiting} \
                 commands wait for times that were told before",
                seconds.abs()
            );
            self.tell(&Event::Clock { change: ClockChange::Set, seconds });
        }
    }
}
