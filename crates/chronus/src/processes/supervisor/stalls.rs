//! What the machine did, told apart from what Chronus did: stalls are noted and told, and each gap gets its cause.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use chronus_control::Event;
use chronus_replication::lead;
use chronus_replication::stalls::{SHORTEST_NS, Stall, Stalls};
use serde::Serialize;

use super::Supervisor;
use crate::log::counted;
use crate::processes::playback::Gap;
use crate::processes::stall_monitor::StallMonitor;

/// A stall is over, and its watcher has told of it, so long after a gap that it has caused.
const SETTLED_AFTER_NS: u64 = 100_000_000;
/// Gaps, and stalls that could cause one, are told at once and then at most this often.
const TELL_EVERY_NS: u64 = 1_000_000_000;

/// What is known of stalls, and gaps whose cause is not settled yet.
#[derive(Default)]
pub struct StallWatch {
    monitor: StallMonitor,
    /// The last time that the supervisor itself was run late.
    own: Option<Stall>,
    stalls: Stalls,
    last_ns: u64,
    last_ms: f64,
    told_ns: u64,
    gaps: VecDeque<Gap>,
    /// Blocks in gaps that have not been told, and the longest stall that explains any of them.
    untold: Untold,
    gaps_told_ns: u64,
}

/// Blocks in gaps of which nobody was told yet.
#[derive(Clone, Copy, Debug, Default)]
struct Untold {
    /// Those that nothing explains.
    unexplained: u64,
    /// Those that stalls do.
    stalled: u64,
    longest_ns: u64,
}

impl StallWatch {
    /// Hears what this monitor notes.
    pub fn new(monitor: StallMonitor) -> Self {
        Self { monitor, ..Self::default() }
    }

    /// The supervisor went to sleep at `seen_ns`, to be run again at `due_ns` at the latest, and was at `until_ns`.
    pub fn was_run(&mut self, seen_ns: u64, due_ns: u64, until_ns: u64) {
        let stall = Stall { core: None, seen_ns, due_ns, until_ns };
        if stall.length_ns() >= SHORTEST_NS {
            self.own = Some(stall);
        }
    }

    fn next(&mut self) -> Option<Stall> {
        self.own.take().or_else(|| self.monitor.next())
    }

    /// Finds the causes of all gaps that had time to be explained.
    fn explain(&mut self, now_ns: u64, lead_ns: u64) -> Untold {
        let mut explained = Untold::default();
        while let Some(gap) = self.gaps.front() {
            if now_ns < gap.at_ns + SETTLED_AFTER_NS {
                break;
            }
            match self.stalls.explain(gap.at_ns, lead_ns) {
                Some(longest_ns) => {
                    explained.stalled += 1;
                    explained.longest_ns = explained.longest_ns.max(longest_ns);
                }
                None => explained.unexplained += 1,
            }
            self.gaps.pop_front();
        }
        self.untold.stalled += explained.stalled;
        self.untold.unexplained += explained.unexplained;
        self.untold.longest_ns = self.untold.longest_ns.max(explained.longest_ns);
        explained
    }

    /// What is to be told now, if anything.
    fn take_untold(&mut self, now_ns: u64, at_once: bool) -> Option<Untold> {
        let is_due = self.gaps_told_ns == 0 || now_ns >= self.gaps_told_ns + TELL_EVERY_NS;
        let is_any = self.untold.stalled + self.untold.unexplained > 0;
        if !is_any || !is_due && !at_once {
            return None;
        }
        self.gaps_told_ns = now_ns;
        Some(std::mem::take(&mut self.untold))
    }
}

/// Stalls of the machine, as the player sees them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StallStatus {
    /// How often nobody was run on a core for longer than a millisecond.
    pub count: u64,
    /// The longest of these times, in milliseconds.
    pub longest_ms: f64,
    /// The last of them, in milliseconds.
    pub last_ms: f64,
    /// Seconds since the last; -1 if there was none.
    pub last_ago_s: f64,
    /// Blocks in gaps that such times explain.
    pub gap_blocks: u64,
}

impl Supervisor {
    /// Hears of stalls, and tells of those that could cause a gap.
    pub(super) fn watch_stalls(&mut self, now_ns: u64) {
        let lead_ns = lead::length_ns(self.setup.lead_blocks, self.rate_hz);
        let (mut longest, mut is_alarm) = (None, false);
        while let Some(stall) = self.stall_watch.next() {
            let length_ns = stall.length_ns();
            let tally = &self.regions.ledger.tally;
            tally.stalls.add_one();
            tally.longest_stall_ns.fetch_max(length_ns, Ordering::Relaxed);
            let told = self.stall_watch.stalls.note(stall, lead_ns);
            self.stall_watch.last_ns = stall.until_ns;
            self.stall_watch.last_ms = length_ns as f64 / 1e6;
            is_alarm |= told.is_alarm;
            if told.is_threat && longest.is_none_or(|longest| length_ns > longest) {
                longest = Some(length_ns);
            }
            if length_ns >= lead_ns / 4 {
                let frame = self.device_clock.frame_at(stall.until_ns).unwrap_or(0);
                let ms = length_ns as f64 / 1e6;
                let core = stall.core.map_or(-1.0, |core| core as f64);
                self.tell(&Event::Stall { ms, core, frame });
            }
        }
        if let Some(longest_ns) = longest
            && now_ns >= self.stall_watch.told_ns + TELL_EVERY_NS
        {
            self.stall_watch.told_ns = now_ns;
            let (ms, lead_ms) = (longest_ns as f64 / 1e6, lead_ns as f64 / 1e6);
            tracing::info!("the machine stood still for {ms:.1} ms; the lead is {lead_ms:.1} ms");
        }
        if is_alarm {
            let longest_ns = self.regions.ledger.tally.longest_stall_ns.load(Ordering::Relaxed);
            let enough = lead::for_lateness(longest_ns, self.rate_hz).max(self.setup.lead_blocks);
            tracing::warn!(
                "the machine stands still again and again for more than half of the lead: `chronus doctor` says \
                 what can be done about it; `--lead {:.0}ms` bears what was seen so far",
                (lead::length_ns(enough, self.rate_hz) as f64 / 1e6).ceil()
            );
        }
    }

    /// Hears of gaps: the journal notes them, and each is told with its cause once that is settled.
    pub(super) fn watch_gaps(&mut self, now_ns: u64, is_end: bool) {
        while let Ok(gap) = self.gaps.pop() {
            if let Some(journal) = &mut self.journal {
                journal.gap(gap.block);
            }
            self.stall_watch.gaps.push_back(gap);
        }
        let lead_ns = lead::length_ns(self.setup.lead_blocks, self.rate_hz);
        let by_ns = if is_end { u64::MAX } else { now_ns };
        let explained = self.stall_watch.explain(by_ns, lead_ns);
        let tally = &self.regions.ledger.tally;
        tally.stalled_blocks.fetch_add(explained.stalled, Ordering::Relaxed);
        let Some(told) = self.stall_watch.take_untold(now_ns, is_end) else { return };
        let in_all = self.regions.ledger.playback.gap_blocks.load(Ordering::Relaxed);
        let in_all = counted(in_all, "block");
        let ms = told.longest_ns as f64 / 1e6;
        if told.stalled > 0 {
            let blocks = counted(told.stalled, "block");
            tracing::warn!(
                "gap: {blocks} came too late, because the machine stood still for up to {ms:.1} ms; {in_all} so far"
            );
        }
        if told.unexplained > 0 {
            let blocks = counted(told.unexplained, "block");
            tracing::warn!(
                "gap: no replica had {blocks} in time, and the machine was not seen to stand still; {in_all} so \
                 far. `chronus doctor` says what may be wrong"
            );
        }
        let blocks = told.stalled + told.unexplained;
        self.tell(&Event::Gap { blocks, stalled: told.stalled, ms });
    }

    /// Stalls of the machine, as the player sees them.
    pub(super) fn stall_status(&self, now_ns: u64) -> StallStatus {
        let (watch, tally) = (&self.stall_watch, &self.regions.ledger.tally);
        let ago_s = now_ns.saturating_sub(watch.last_ns) as f64 / 1e9;
        StallStatus {
            count: tally.stalls.get(),
            longest_ms: tally.longest_stall_ns.load(Ordering::Relaxed) as f64 / 1e6,
            last_ms: watch.last_ms,
            last_ago_s: if watch.last_ns == 0 { -1.0 } else { ago_s },
            gap_blocks: tally.stalled_blocks.load(Ordering::Relaxed),
        }
    }
}
