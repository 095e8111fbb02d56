//! When a packet arrived, by the monotonic clock. The kernel notes it by the wall clock, which may be set at
//! any moment, and it is read later; what can't be true is replaced by the time of the reading.

/// Reading both clocks took longer only for who was interrupted meanwhile; then they are read again.
const READ_WITHIN_NS: u64 = 5_000;
/// As often at most.
const READINGS: usize = 4;
/// The kernel notes the arrival before it puts the packet where it is read. Whoever sends may be halted in between.
const NOTED_BEFORE_NS: u64 = 100_000_000;
/// Nobody looks back further when it is not known how long nothing had come.
const LONGEST_NS: u64 = 10_000_000_000;
/// So far apart are two readings of clocks that were not set in between...
const SET_BY_NS: u64 = 200_000;
/// ... and so much further for each nanosecond between them, because the wall clock may be slewed.
const SLEWED: u64 = 500;

/// Both clocks, read one after the other: monotonic, wall, monotonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The monotonic clock before, in nanoseconds.
    pub before_ns: u64,
    /// The wall clock, in nanoseconds.
    pub wall_ns: u64,
    /// The monotonic clock after, in nanoseconds.
    pub after_ns: u64,
}

impl Reading {
    /// Reads until nobody interrupts, but not for ever; the shortest of all readings.
    pub fn take(mut read: impl FnMut() -> Self) -> Self {
        let mut best = read();
        for _ in 1..READINGS {
            if best.width_ns() <= READ_WITHIN_NS {
                break;
            }
            let next = read();
            if next.width_ns() < best.width_ns() {
                best = next;
            }
        }
        best
    }

    fn width_ns(&self) -> u64 {
        self.after_ns.saturating_sub(self.before_ns)
    }

    /// The wall clock minus the monotonic clock.
    fn offset_ns(&self) -> i128 {
        i128::from(self.wall_ns) - i128::from(self.before_ns) - i128::from(self.width_ns() / 2)
    }
}

/// The arrivals at one socket, in the order in which they are read from it.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// The socket was empty at this time: what is read now came later.
    empty_ns: u64,
    /// The last arrival.
    last_ns: u64,
    last_reading: Option<Reading>,
    /// The wall clock was set, and what is in the socket may have been noted before.
    is_doubtful: bool,
}

impl Arrivals {
    /// Nothing was read yet; it is `now_ns` by the monotonic clock.
    pub fn new(now_ns: u64) -> Self {
        let empty_ns = now_ns.saturating_sub(LONGEST_NS);
        Self { empty_ns, last_ns: 0, last_reading: None, is_doubtful: false }
    }

    /// The socket was empty at `now_ns` by the monotonic clock, or later.
    pub fn found_empty(&mut self, now_ns: u64) {
        (self.empty_ns, self.is_doubtful) = (now_ns, false);
    }

    /// When the packet arrived that was just read, in nanoseconds of the monotonic clock. `noted_wall_ns` is
    /// what the kernel noted, and `reading` was made right after the packet was read. Never earlier than the
    /// packet before.
    pub fn arrival(&mut self, noted_wall_ns: Option<u64>, reading: &Reading) -> u64 {
        self.is_doubtful |= self.was_set(reading);
        self.last_reading = Some(*reading);
        let now_ns = reading.before_ns;
        let earliest_ns = self.empty_ns.saturating_sub(NOTED_BEFORE_NS);
        let noted_ns = noted_wall_ns
            .filter(|_| !self.is_doubtful)
            .and_then(|wall_ns| u64::try_from(i128::from(wall_ns) - reading.offset_ns()).ok())
            .map(|ns| if ns <= reading.after_ns { ns.min(now_ns) } else { ns })
            .filter(|ns| (earliest_ns..=now_ns).contains(ns));
        self.last_ns = noted_ns.unwrap_or(now_ns).max(self.last_ns);
        self.last_ns
    }

    /// Whether the wall clock was set since the last reading.
    fn was_set(&self, reading: &Reading) -> bool {
        let Some(last) = &self.last_reading else { return false };
        let apart_ns = (reading.offset_ns() - last.offset_ns()).unsigned_abs();
        let between_ns = reading.after_ns.saturating_sub(last.before_ns);
        let borne_ns = SET_BY_NS + between_ns / SLEWED + reading.width_ns() + last.width_ns();
        apart_ns > u128::from(borne_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    /// The wall clock is ahead of the monotonic one by so much.
    const WALL: u64 = 1_800_000_000_000 * MS;

    /// Clocks that are read at `now_ns`, when the wall clock is ahead by `wall_ns`.
    fn at(now_ns: u64, wall_ns: u64) -> Reading {
        Reading { before_ns: now_ns, wall_ns: now_ns + 50 + wall_ns, after_ns: now_ns + 100 }
    }

    /// A socket that was empty at 1 s.
    fn socket() -> Arrivals {
        let mut arrivals = Arrivals::new(0);
        arrivals.arrival(None, &at(1000 * MS, WALL));
        arrivals.found_empty(1000 * MS);
        arrivals
    }

    #[test]
    fn a_packet_arrived_when_the_kernel_had_it_however_late_it_is_read() {
        for late_ns in [0, 20_000, 8 * MS, 240 * MS] {
            let arrived_ns = 1500 * MS;
            let reading = at(arrived_ns + late_ns, WALL);
            assert_eq!(socket().arrival(Some(arrived_ns + WALL), &reading), arrived_ns);
        }
    }

    #[test]
    fn who_is_interrupted_between_the_clocks_reads_them_again() {
        let mut readings = [9 * MS, 7 * MS, 80, 5].into_iter();
        let take = || {
            let width_ns = readings.next().expect("not so often");
            Reading { before_ns: 1000, wall_ns: 0, after_ns: 1000 + width_ns }
        };
        assert_eq!(Reading::take(take).width_ns(), 80);
        let mut always = [9 * MS, 7 * MS, 8 * MS, 7 * MS].into_iter();
        let take = || Reading { before_ns: 0, wall_ns: 0, after_ns: always.next().expect("four") };
        assert_eq!(Reading::take(take).width_ns(), 7 * MS);
    }

    #[test]
    fn an_interruption_that_remains_moves_an_arrival_by_half_of_it_at_most() {
        let arrived_ns = 1500 * MS;
        for wall_read_ns in [0, 4 * MS, 8 * MS] {
            let reading = Reading {
                before_ns: arrived_ns + 20 * MS,
                wall_ns: arrived_ns + 20 * MS + wall_read_ns + WALL,
                after_ns: arrived_ns + 28 * MS,
            };
            let found_ns = socket().arrival(Some(arrived_ns + WALL), &reading);
            assert!(found_ns.abs_diff(arrived_ns) <= 4 * MS, "{found_ns}");
        }
    }

    #[test]
    fn a_wall_clock_that_was_set_between_arrival_and_receipt_is_not_believed() {
        let (arrived_ns, read_ns) = (1500 * MS, 1502 * MS);
        for set_to in [WALL - 3000 * MS, WALL - 5 * MS, WALL + 5 * MS, WALL + 3000 * MS] {
            let mut arrivals = socket();
            let found_ns = arrivals.arrival(Some(arrived_ns + WALL), &at(read_ns, set_to));
            assert_eq!(found_ns, read_ns);
            // The next in the socket was noted before as well.
            let next_ns =
                arrivals.arrival(Some(arrived_ns + 100 + WALL), &at(read_ns + 5000, set_to));
            assert_eq!(next_ns, read_ns + 5000);
            // What comes later is noted by the new time.
            arrivals.found_empty(read_ns + 6000);
            let later_ns = 1600 * MS;
            let found_ns = arrivals.arrival(Some(later_ns + set_to), &at(later_ns + 7000, set_to));
            assert_eq!(found_ns, later_ns);
        }
    }

    #[test]
    fn before_anything_was_read_the_bounds_alone_tell_what_can_be() {
        let now_ns = 60_000 * MS;
        let arrival =
            |noted_ns: u64| Arrivals::new(now_ns).arrival(Some(noted_ns + WALL), &at(now_ns, WALL));
        assert_eq!(arrival(now_ns - 300 * MS), now_ns - 300 * MS, "it waited for its reader");
        assert_eq!(arrival(now_ns + MS), now_ns, "from the future");
        assert_eq!(arrival(MS), now_ns, "a minute ago");
    }

    #[test]
    fn a_wall_clock_that_is_slewed_for_an_hour_is_believed() {
        let mut arrivals = socket();
        let hour_ns = 3_600_000 * MS;
        let wall = WALL + hour_ns / 2000;
        let found_ns = arrivals.arrival(Some(hour_ns + wall), &at(hour_ns + MS, wall));
        assert_eq!(found_ns, hour_ns);
    }

    #[test]
    fn arrivals_ascend_and_without_a_note_it_is_when_it_is_read() {
        let mut arrivals = socket();
        assert_eq!(arrivals.arrival(None, &at(1500 * MS, WALL)), 1500 * MS);
        // It was in the socket meanwhile, but behind the other.
        assert_eq!(arrivals.arrival(Some(1499 * MS + WALL), &at(1501 * MS, WALL)), 1500 * MS);
        assert_eq!(arrivals.arrival(Some(1502 * MS + WALL), &at(1503 * MS, WALL)), 1502 * MS);
    }
}
