//! What is refused is said in the log, too: who plays a controller does not hear `/fail`. A flood of mistakes
//! must not become a flood of lines, so there is at most one a second, with the number of those left out.

use std::sync::atomic::{AtomicU64, Ordering};

use chronus_control::shortened;

use crate::log::counted;

/// So long after one line comes the next.
const PAUSE_NS: u64 = 1_000_000_000;
/// After so long without another, those left out are told by themselves.
const BURST_NS: u64 = 2 * PAUSE_NS;
/// So many letters are shown of a sentence: more than of any name in it.
const LETTERS: usize = 400;

/// When it was told last, and how many were not told since. Any thread may complain, and none waits for another.
#[derive(Debug, Default)]
pub struct Complaints {
    told_ns: AtomicU64,
    untold: AtomicU64,
}

impl Complaints {
    /// A request was refused, or not done as it said. `from` is what the client is called.
    pub fn tell(&self, from: impl FnOnce() -> String, about: &str, reason: &str, now_ns: u64) {
        if let Some(untold) = self.due(now_ns) {
            tracing::warn!("{}", line(&from(), about, reason, untold));
        }
    }

    /// After a burst: how many were not told. To be called now and then.
    pub fn tell_rest(&self, now_ns: u64) {
        if let Some(rest) = self.rest(now_ns) {
            tracing::warn!("{} refused or clamped since then", counted(rest, "more message"));
        }
    }

    fn rest(&self, now_ns: u64) -> Option<u64> {
        let any = self.untold.load(Ordering::Relaxed) > 0;
        (any && self.turn(now_ns, BURST_NS)).then(|| self.untold.swap(0, Ordering::Relaxed))
    }

    /// How many were not told since the last that was, if this one is to be.
    fn due(&self, now_ns: u64) -> Option<u64> {
        if self.turn(now_ns, PAUSE_NS) {
            return Some(self.untold.swap(0, Ordering::Relaxed));
        }
        self.untold.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Whether the last line is so old, and it is this thread's turn to write the next.
    fn turn(&self, now_ns: u64, pause_ns: u64) -> bool {
        let relaxed = Ordering::Relaxed;
        let told_ns = self.told_ns.load(relaxed);
        let is_time = told_ns == 0 || now_ns >= told_ns + pause_ns;
        is_time && self.told_ns.compare_exchange(told_ns, now_ns.max(1), relaxed, relaxed).is_ok()
    }
}

fn line(from: &str, address: &str, reason: &str, untold: u64) -> String {
    let [address, reason] = [address, reason].map(shown);
    let address = if address.is_empty() { "a packet".to_owned() } else { address };
    let before = match untold {
        0 => String::new(),
        more => format!(" (and {} before that)", counted(more, "more message")),
    };
    format!("{from}: {address}: {reason}{before}")
}

/// What a terminal can be trusted with.
fn shown(text: &str) -> String {
    let harmless = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let text = shortened(text);
    let mut shown: String = text.chars().take(LETTERS).map(harmless).collect();
    if text.chars().nth(LETTERS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_a_line_a_second_and_none_is_forgotten() {
        let complaints = Complaints::default();
        let due: Vec<_> = (1..=4001).filter_map(|ms| complaints.due(ms * 1_000_000)).collect();
        assert_eq!(due, [0, 999, 999, 999, 999]);
        assert_eq!(complaints.due(9_000_000_000), Some(0));
        assert_eq!(complaints.due(9_000_000_001), None);
        assert_eq!(complaints.due(10_000_000_000), Some(1));
        assert_eq!(complaints.rest(12_000_000_000), None, "all was told");
        assert_eq!(complaints.due(12_000_000_000), Some(0));
        assert_eq!(complaints.due(12_000_000_001), None);
        assert_eq!(complaints.rest(13_900_000_000), None, "another may come and tell it");
        assert_eq!(complaints.rest(14_000_000_000), Some(1));
        assert_eq!(complaints.due(14_500_000_000), None, "a line a second");
    }

    #[test]
    fn a_line_says_who_what_and_why_and_nothing_that_moves_a_terminal() {
        let from = "OSC from 127.0.0.1:9000";
        assert_eq!(
            line(from, "/gate/x", "there is no module `x`", 0),
            "OSC from 127.0.0.1:9000: /gate/x: there is no module `x`"
        );
        let odd = line(from, "", "\u{1b}[2J\nboo", 2);
        assert_eq!(
            odd,
            "OSC from 127.0.0.1:9000: a packet: \u{fffd}[2J\u{fffd}boo (and 2 more messages before that)"
        );
        assert!(line(from, &"/a".repeat(9999), "no", 1).len() < 300);
        let reason = format!("there is no `{}`; give another", "a b ".repeat(9999));
        let odd = line(from, "/patch/load", &reason, 0);
        assert!(odd.len() < 300 && odd.contains('…') && odd.ends_with("`; give another"), "{odd}");
    }
}
