//! The lead as a player asks for it (`--lead`), and as it is chosen for the machine: measured before the first
//! block, while as much is rendered as an engine renders.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use chronus_engine::{BLOCK_FRAMES, CHANNELS, Controls, Engine, NoRecordings, Patch};
use chronus_os::sched::{self, priority};
use chronus_os::{clock, cores, float};
use chronus_replication::lead::{self, MOST_BLOCKS, MOST_NS};
use chronus_shm::playback_board::PlaybackBoard;

/// What is played while the machine is measured: as heavy as a performance is, and free of anybody's mistakes.
const LOAD: &str = include_str!("../../../../patches/groove.toml");
/// How long the machine is measured before the first block.
const MEASURED_FOR: Duration = Duration::from_millis(900);
/// How often each core is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// How far the workers shall be ahead of the device.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum LeadSpec {
    /// As far as the machine needs.
    #[default]
    Auto,
    /// So many blocks.
    Blocks(u64),
    /// So many nanoseconds.
    Nanoseconds(u64),
}

impl FromStr for LeadSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let most_ms = MOST_NS / 1_000_000;
        let right = format!(
            "give auto, a number of blocks of {BLOCK_FRAMES} frames from 1 to {MOST_BLOCKS}, or a time up to \
             {most_ms}ms, such as 12ms"
        );
        if text == "auto" {
            return Ok(Self::Auto);
        }
        if let Some(ms) = text.strip_suffix("ms") {
            let ms: f64 = ms.trim_end().parse().map_err(|_| right.clone())?;
            let is_right = ms > 0.0 && ms * 1e6 <= MOST_NS as f64;
            return if is_right { Ok(Self::Nanoseconds((ms * 1e6) as u64)) } else { Err(right) };
        }
        match text.parse() {
            Ok(blocks @ 1..=MOST_BLOCKS) => Ok(Self::Blocks(blocks)),
            _ => Err(right),
        }
    }
}

impl std::fmt::Display for LeadSpec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Blocks(blocks) => write!(formatter, "{blocks}"),
            Self::Nanoseconds(ns) => write!(formatter, "{}ms", *ns as f64 / 1e6),
        }
    }
}

/// How late real-time threads were woken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// At worst, in nanoseconds.
    pub worst_ns: u64,
    /// How often somebody was woken.
    pub wakings: u64,
    /// How often of these later than a millisecond.
    pub late: u64,
    /// How many cores were looked at.
    pub cores: usize,
    /// Whether the threads had a real-time priority.
    pub realtime: bool,
}

impl Lateness {
    fn and(self, other: Self) -> Self {
        Self {
            worst_ns: self.worst_ns.max(other.worst_ns),
            wakings: self.wakings + other.wakings,
            late: self.late + other.late,
            cores: self.cores + other.cores,
            realtime: self.realtime && other.realtime,
        }
    }
}

/// Wakes a thread on each core again and again for so long, at the priority of a worker, while so many others render
/// in real time what a performance would.
pub fn measure(length: Duration, replicas: usize, rate_hz: u32) -> Lateness {
    let is_over = Arc::new(AtomicBool::new(false));
    let named = |name: &str| thread::Builder::new().name(name.into());
    let loads: Vec<_> = (0..replicas)
        .filter_map(|_| {
            let is_over = is_over.clone();
            named("chronus-load").spawn(move || render_until(&is_over, rate_hz)).ok()
        })
        .collect();
    let end_ns = clock::monotonic_ns() + length.as_nanos() as u64;
    let looks: Vec<_> = cores::allowed()
        .into_iter()
        .filter_map(|core| named("chronus-look").spawn(move || look_until(end_ns, core)).ok())
        .collect();
    let nothing = Lateness { realtime: true, ..Lateness::default() };
    let found = looks.into_iter().filter_map(|look| look.join().ok()).fold(nothing, Lateness::and);
    is_over.store(true, Ordering::Relaxed);
    for load in loads {
        let _ = load.join();
    }
    found
}

fn look_until(end_ns: u64, core: usize) -> Lateness {
    sched::set_least_timer_slack();
    let _ = cores::pin_to(core);
    let realtime = sched::set_fifo(priority::WORKER).is_ok();
    let mut found = Lateness { cores: 1, realtime, ..Lateness::default() };
    cores::wake_again_and_again(LOOK_EVERY, |waking| {
        found.wakings += 1;
        found.late += u64::from(waking.late_ns() > 1_000_000);
        found.worst_ns = found.worst_ns.max(waking.late_ns());
        waking.woken_ns < end_ns
    });
    found
}

/// Renders a block each time that one is due, as a worker does.
fn render_until(is_over: &AtomicBool, rate_hz: u32) {
    float::flush_denormals();
    sched::set_least_timer_slack();
    let Ok(patch) = Patch::parse(LOAD, "groove.toml") else { return };
    let controls = Controls::of(&patch);
    let Ok(mut engine) = Engine::new(patch, rate_hz, controls, 0, &NoRecordings) else { return };
    let _ = sched::set_fifo(priority::WORKER);
    let mut block = [0.0; BLOCK_FRAMES * CHANNELS];
    let block_ns = lead::length_ns(1, rate_hz);
    cores::wake_again_and_again(Duration::from_nanos(block_ns), |_| {
        engine.render(&mut block);
        !is_over.load(Ordering::Relaxed)
    });
}

/// The lead in blocks: as asked for, or as another supervisor has had it, or as the machine needs. It is noted for
/// those that come, and said.
pub fn settle(spec: LeadSpec, board: &PlaybackBoard, played: &Played) -> u64 {
    let before = board.lead_blocks.load(Ordering::Acquire);
    let blocks = match spec {
        _ if before != 0 && played.goes_on => return before,
        LeadSpec::Blocks(blocks) => blocks,
        LeadSpec::Nanoseconds(ns) => lead::blocks_in(ns, played.rate_hz).clamp(1, MOST_BLOCKS),
        LeadSpec::Auto if played.free_run => lead::LEAST_BLOCKS,
        LeadSpec::Auto => {
            let (blocks, said) = choose(played.replicas, played.rate_hz);
            tracing::info!("{said}");
            blocks
        }
    };
    board.lead_blocks.store(blocks, Ordering::Release);
    blocks
}

/// Measures the machine; returns the lead in blocks that it needs, and what the player is told of it.
pub fn choose(replicas: usize, rate_hz: u32) -> (u64, String) {
    let lateness = measure(MEASURED_FOR, replicas, rate_hz);
    let blocks = lead::for_lateness(lateness.worst_ns, rate_hz);
    (blocks, sentence(blocks, &lateness, rate_hz))
}

/// For what a lead is chosen.
#[derive(Clone, Copy, Debug)]
pub struct Played {
    /// Frames per second.
    pub rate_hz: u32,
    /// How many replicas render.
    pub replicas: usize,
    /// Whether there are no deadlines.
    pub free_run: bool,
    /// Whether the performance is that of another supervisor.
    pub goes_on: bool,
}

/// What the player is told of a lead that was chosen.
fn sentence(blocks: u64, lateness: &Lateness, rate_hz: u32) -> String {
    let lead_ms = lead::length_ns(blocks, rate_hz) as f64 / 1e6;
    let heard_ms = lead::length_ns(blocks + 2, rate_hz) as f64 / 1e6;
    let late_ms = lateness.worst_ns as f64 / 1e6;
    let who =
        if lateness.realtime { "real-time threads" } else { "threads without real-time priority" };
    format!(
        "lead {lead_ms:.1} ms ({blocks} blocks): this machine woke {who} up to {late_ms:.1} ms late. Stalls up to the \
         lead are not heard; what you play is heard {heard_ms:.1} ms later, and the device's period after that"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_is_automatic_or_so_many_blocks_or_so_long() {
        assert_eq!("auto".parse(), Ok(LeadSpec::Auto));
        assert_eq!("4".parse(), Ok(LeadSpec::Blocks(4)));
        assert_eq!("192".parse(), Ok(LeadSpec::Blocks(192)));
        assert_eq!("12ms".parse(), Ok(LeadSpec::Nanoseconds(12_000_000)));
        assert_eq!("2.5 ms".parse(), Ok(LeadSpec::Nanoseconds(2_500_000)));
        for text in ["auto", "4", "12ms", "2.5ms"] {
            assert_eq!(text.parse::<LeadSpec>().expect("a lead").to_string(), text);
        }
    }

    #[test]
    fn a_lead_that_is_none_is_refused_with_what_would_be_one() {
        for wrong in [
            "0", "193", "5000", "-4", "soon", "", "4.5", "ms", "0ms", "65ms", "nanms", "1s",
            "inf ms",
        ] {
            let error = wrong.parse::<LeadSpec>().expect_err(wrong);
            assert!(error.contains("auto") && error.contains("12ms"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_lead_is_kept_by_who_takes_over_and_chosen_anew_by_who_begins() {
        let board = PlaybackBoard::default();
        let begun = Played { rate_hz: 48_000, replicas: 2, free_run: false, goes_on: false };
        let taken_over = Played { goes_on: true, ..begun };
        assert_eq!(settle(LeadSpec::Nanoseconds(12_000_000), &board, &begun), 9);
        assert_eq!(settle(LeadSpec::Auto, &board, &taken_over), 9);
        assert_eq!(settle(LeadSpec::Blocks(4), &board, &begun), 4);
        assert_eq!(settle(LeadSpec::Auto, &board, &Played { free_run: true, ..begun }), 8);
    }

    #[test]
    fn the_machine_is_measured_on_every_core_while_something_is_rendered() {
        let found = measure(Duration::from_millis(30), 2, 48_000);
        assert_eq!(found.cores, cores::allowed().len());
        assert!(found.wakings >= found.cores as u64, "{found:?}");
        let said = sentence(9, &Lateness { worst_ns: 7_500_000, ..found }, 48_000);
        assert!(said.contains("12.0 ms (9 blocks)") && said.contains("7.5 ms late"), "{said}");
    }
}
