//! Who is told that there is too much to do, and how often: a flood must not be answered by a flood.

use chronus_control::ClientId;

/// A sender is told ten times a second, not once for each message.
const PAUSE_NS: u64 = 100_000_000;
/// So many senders are remembered; one that was forgotten is told once more.
const SENDERS: usize = 16;

/// Whom it was told, and when.
#[derive(Debug, Default)]
pub struct Refusals {
    told: [Option<(ClientId, u64)>; SENDERS],
    next: usize,
}

impl Refusals {
    /// Whether this sender is to be told now.
    pub fn is_due(&mut self, to: ClientId, now_ns: u64) -> bool {
        let known = self.told.iter_mut().flatten().find(|(sender, _)| *sender == to);
        if let Some((_, told_ns)) = known {
            let is_due = now_ns >= *told_ns + PAUSE_NS;
            if is_due {
                *told_ns = now_ns;
            }
            return is_due;
        }
        self.told[self.next] = Some((to, now_ns));
        self.next = (self.next + 1) % SENDERS;
        true
    }
}

#[cfg(test)]
mod tests {
    use chronus_control::CLIENT_WORDS;

    use super::*;

    #[test]
    fn each_sender_is_told_at_once_and_then_now_and_then() {
        let sender = |number| ClientId { adapter: 0, address: [number; CLIENT_WORDS - 1] };
        let mut refusals = Refusals::default();
        let told = (0..1000).filter(|ms| refusals.is_due(sender(1), ms * 1_000_000)).count();
        assert_eq!(told, 10);
        assert!(refusals.is_due(sender(2), 999_000_000), "another waits for nobody");
        assert!(!refusals.is_due(sender(2), 999_000_001));
    }
}
