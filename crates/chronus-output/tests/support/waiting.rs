//! Waiting for what must come, however slow the machine is.

use std::time::{Duration, Instant};

/// So long nothing at all must have happened before a test gives up. It is a bound for a test that would hang, and no
/// figure: whatever comes sooner, comes in time.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until `condition` holds; panics with `what` only when it would wait for ever.
#[track_caller]
#[allow(dead_code, reason = "each test file uses its part")]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
