//! How long a thread may keep a real-time priority while others have none: what comes from outside decides how
//! busy it is, and a flood must starve nobody.

/// It may use one part in so many of a core for ever.
const SHARE: u64 = 10;
/// Beyond that, so much at once.
const MOST_NS: i64 = 5_000_000;

/// What a thread may still use at its priority, in CPU time. It gains a tenth of the time that passes; with nothing
/// left it loses its priority, and has it again when it has long used less than it gained.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    left_ns: i64,
    /// Time and CPU time when it was last looked at.
    looked: Option<(u64, u64)>,
    is_granted: bool,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left_ns: MOST_NS, looked: None, is_granted: true }
    }
}

impl Allowance {
    /// Whether the thread may have its priority at `now_ns`, when it has used `cpu_ns` of CPU time in all.
    pub fn is_granted(&mut self, now_ns: u64, cpu_ns: u64) -> bool {
        let (then_ns, used_ns) = self.looked.replace((now_ns, cpu_ns)).unwrap_or((now_ns, cpu_ns));
        let gained_ns = now_ns.saturating_sub(then_ns) / SHARE;
        let used_ns = cpu_ns.saturating_sub(used_ns);
        let change_ns = i64::try_from(gained_ns).unwrap_or(MOST_NS)
            - i64::try_from(used_ns).unwrap_or(2 * MOST_NS);
        self.left_ns = self.left_ns.saturating_add(change_ns).clamp(-MOST_NS, MOST_NS);
        self.is_granted =
            if self.is_granted { self.left_ns > 0 } else { self.left_ns > MOST_NS / 2 };
        self.is_granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Uses `per_cent` of a core for `ms`, looked at each millisecond; for how many of them it had its priority.
    fn run(allowance: &mut Allowance, from: &mut (u64, u64), ms: u64, per_cent: u64) -> u64 {
        let mut granted_ms = 0;
        for _ in 0..ms {
            *from = (from.0 + MS, from.1 + per_cent * MS / 100);
            granted_ms += u64::from(allowance.is_granted(from.0, from.1));
        }
        granted_ms
    }

    #[test]
    fn who_uses_little_keeps_the_priority_for_ever() {
        let (mut allowance, mut at) = (Allowance::default(), (0, 0));
        assert_eq!(run(&mut allowance, &mut at, 100_000, 9), 100_000);
        assert_eq!(run(&mut allowance, &mut at, 4, 100), 4, "a burst is borne");
    }

    #[test]
    fn a_flood_costs_the_priority_within_milliseconds_and_for_as_long_as_it_lasts() {
        let (mut allowance, mut at) = (Allowance::default(), (0, 0));
        let granted_ms = run(&mut allowance, &mut at, 10_000, 80);
        assert!((1..=8).contains(&granted_ms), "{granted_ms}");
    }

    #[test]
    fn after_the_flood_the_priority_comes_back_within_a_tenth_of_a_second() {
        let (mut allowance, mut at) = (Allowance::default(), (0, 0));
        run(&mut allowance, &mut at, 1000, 100);
        let granted_ms = run(&mut allowance, &mut at, 1000, 1);
        assert!((900..980).contains(&granted_ms), "{granted_ms}");
    }

    #[test]
    fn a_flood_never_has_more_than_its_share_however_it_comes_and_goes() {
        let (mut allowance, mut at) = (Allowance::default(), (0, 0));
        let mut used_ms = 0;
        for _ in 0..1000 {
            used_ms += run(&mut allowance, &mut at, 10, 100);
            run(&mut allowance, &mut at, 30, 0);
        }
        // 40 s in all.
        assert!(used_ms <= 4000 + 100, "{used_ms} ms at the priority");
    }
}
