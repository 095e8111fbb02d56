//! Jumps of the machine's clocks, seen from how they move against each other: the machine was suspended
//! when the clock that counts suspended time gains on the one that does not, and the wall clock was set
//! when it moves against both. Decides nothing; time goes on by the clock that neither touches.

/// What the clocks show at one moment, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Stands still while the machine is suspended, and is never set.
    pub monotonic_ns: u64,
    /// The same with the time suspended.
    pub boot_ns: u64,
    /// What people call the time.
    pub wall_ns: u64,
}

/// What has happened between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jump {
    /// For how long the machine was suspended; 0 if it was not.
    pub suspended_ns: u64,
    /// By how much the wall clock was set forward, or back if that is negative; 0 if it was not.
    pub wall_set_ns: i64,
}

/// Smaller differences are the time between reading two clocks, or a wall clock that is led to the right
/// time little by little.
const LEAST_NS: i64 = 100_000_000;

/// Looks for jumps.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockJumps {
    last: Option<Clocks>,
}

impl ClockJumps {
    /// What has happened since the last look, if anything has.
    pub fn look(&mut self, now: Clocks) -> Option<Jump> {
        let last = self.last.replace(now)?;
        let gain = |fast: (u64, u64), slow: (u64, u64)| {
            let passed = |(before, now): (u64, u64)| now.wrapping_sub(before) as i64;
            let gain = passed(fast).wrapping_sub(passed(slow));
            if gain.unsigned_abs() < LEAST_NS.unsigned_abs() { 0 } else { gain }
        };
        let boot = (last.boot_ns, now.boot_ns);
        let jump = Jump {
            suspended_ns: gain(boot, (last.monotonic_ns, now.monotonic_ns)).max(0) as u64,
            wall_set_ns: gain((last.wall_ns, now.wall_ns), boot),
        };
        (jump != Jump::default()).then_some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn clocks(monotonic_ns: u64, boot_ns: u64, wall_ns: u64) -> Clocks {
        Clocks { monotonic_ns, boot_ns, wall_ns }
    }

    fn jump(before: Clocks, after: Clocks) -> Option<Jump> {
        let mut jumps = ClockJumps::default();
        assert_eq!(jumps.look(before), None, "nothing is known at the first look");
        jumps.look(after)
    }

    #[test]
    fn clocks_that_go_on_together_do_not_jump_however_late_the_look() {
        assert_eq!(
            jump(clocks(0, 7 * S, 900 * S), clocks(S / 4, 29 * S / 4, 900 * S + S / 4)),
            None
        );
        assert_eq!(jump(clocks(0, 7 * S, 900 * S), clocks(2 * S, 9 * S, 902 * S + 1000)), None);
    }

    #[test]
    fn a_suspended_machine_is_told_from_a_clock_that_was_set() {
        let suspended = Jump { suspended_ns: 3600 * S, wall_set_ns: 0 };
        assert_eq!(jump(clocks(S, S, 900 * S), clocks(2 * S, 3602 * S, 4501 * S)), Some(suspended));
        let back = Jump { suspended_ns: 0, wall_set_ns: -3 * 3600 * S as i64 };
        assert_eq!(jump(clocks(S, S, 90_000 * S), clocks(2 * S, 2 * S, 79_201 * S)), Some(back));
        let both = Jump { suspended_ns: 10 * S, wall_set_ns: 5 * S as i64 };
        assert_eq!(jump(clocks(S, S, 900 * S), clocks(2 * S, 12 * S, 916 * S)), Some(both));
    }
}
