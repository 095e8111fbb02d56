//! `cargo xtask chaos`: everything that can go wrong, by chance, with real processes, among edits and a load of
//! commands. Every sample that was played is compared with the journal's offline rendering, and each frame
//! that differs is charged to the fault after which it was played.

mod intrusions;
mod load;
mod poisons;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Table, presets};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;

use crate::engine::{Engine, Worker};
use crate::noise::Beside;

pub use load::Load;
pub use poisons::{Poisons, patch};

/// Where engines play whose every frame is compared.
pub const RECORDED: &str = "wav:a.wav";

/// How the campaign is run.
#[derive(Args)]
pub struct Chaos {
    /// How long, in minutes; the round under way is finished
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// End after so many faults, if that is sooner
    #[arg(long)]
    faults: Option<u64>,
    /// The seed of faults, edits and pauses
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// In real time, beside an undisturbed run of the same length; otherwise the device pulls without a clock
    #[arg(long)]
    real_time: bool,
    /// How many replicas
    #[arg(long, default_value_t = 2)]
    replicas: u64,
    /// Faults of a round, after which the engine ends and what it played is compared
    #[arg(long, default_value_t = 2_000)]
    round: u64,
    /// Commands a second that come all the while
    #[arg(long, default_value_t = 2_000)]
    load: u64,
    /// Only faults whose name, as the table gives it, contains this; may be given more than once
    #[arg(long)]
    only: Vec<String>,
    /// The engine belongs to a user who sees no processes but its own; takes root
    #[arg(long, conflicts_with = "real_time")]
    hide_processes: bool,
    #[command(flatten)]
    beside: Beside,
}

impl Chaos {
    fn draw(&self, random: &mut fastrand::Rng) -> Result<Fault, String> {
        let is_wanted = |fault: &Fault| {
            let name = fault.name();
            // The limits of another user's process are not ours to change.
            let is_ours = !self.hide_processes || *fault != Fault::NoDescriptors;
            is_ours && (self.only.is_empty() || self.only.iter().any(|part| name.contains(part)))
        };
        let mut draws = (0..10_000).map(|_| Fault::draw(random, self.replicas));
        draws.find(is_wanted).ok_or_else(|| {
            format!("no fault is called `{}`; the table of a run has their names", self.only[0])
        })
    }
}

/// What may be done to an engine, and by what it is told that it was noticed and mended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// A signal to a worker from outside.
    Signal(&'static str),
    /// A worker does harm to itself between two blocks.
    Crash(&'static str),
    /// All workers die in the same moment.
    KillWorkers,
    /// The checkpoints die.
    KillCheckpoints,
    /// A bit of the state of a worker flips.
    Flip,
    /// The same, by one that must do nothing at all.
    Meaningless(&'static str),
    /// A module does harm while it renders.
    Module(&'static str),
    /// A command does harm while it is applied.
    Command(&'static str),
    /// A worker is killed while its supervisor can open nothing.
    NoDescriptors,
    /// The supervisor dies, and the device with it; the workers wait for the next.
    KillSupervisor,
    /// A packet comes that costs as much as one can.
    Packet(&'static str),
    /// An edit names a file that is no recording, or none of ours.
    File(&'static str),
    /// The patch is edited; no fault, but it must cost nothing either.
    Edit,
}

/// Signals that end a worker, sent from outside.
const SIGNALS: [&str; 8] = ["KILL", "SEGV", "BUS", "ILL", "FPE", "ABRT", "SYS", "TRAP"];
/// Signals that mean nothing to a worker.
const MEANINGLESS: [&str; 9] =
    ["TERM", "HUP", "ALRM", "USR1", "USR2", "PROF", "VTALRM", "XCPU", "XFSZ"];
const CRASHES: [&str; 5] = ["segfault", "panic", "abort", "loop", "sleep"];
const DEEDS: [&str; 15] = [
    "segfault",
    "panic",
    "abort",
    "loop",
    "sleep",
    "nan",
    "infinity",
    "runaway",
    "stack-overflow",
    "allocate",
    "write-log",
    "write-slot",
    "system-call",
    "fork-bomb",
    "grow-slot",
];
/// What can be done while a command is applied: not what is only heard, and not what takes long to notice.
const AT_ONCE: [&str; 5] = ["segfault", "panic", "abort", "stack-overflow", "system-call"];

impl Fault {
    pub fn draw(random: &mut fastrand::Rng, replicas: u64) -> Self {
        match random.u32(..100) {
            0 | 1 => Self::KillSupervisor,
            2 => Self::Packet(intrusions::PACKETS[random.usize(..intrusions::PACKETS.len())]),
            3 => Self::File(intrusions::FILES[random.usize(..intrusions::FILES.len())]),
            // Who is stopped is waited for, so this takes long.
            4 => Self::Signal("STOP"),
            5 | 6 => Self::NoDescriptors,
            7..=39 => Self::Signal(SIGNALS[random.usize(..SIGNALS.len())]),
            40..=44 => Self::Meaningless(MEANINGLESS[random.usize(..MEANINGLESS.len())]),
            45..=54 => Self::Crash(CRASHES[random.usize(..CRASHES.len())]),
            55..=64 if replicas > 1 => Self::KillWorkers,
            65..=69 if replicas > 1 => Self::KillCheckpoints,
            // Of two that differ nobody knows which is right: that nothing of it is heard is promised from three on.
            70..=74 if replicas > 2 => Self::Flip,
            75..=89 => Self::Module(DEEDS[random.usize(..DEEDS.len())]),
            90..=92 => Self::Command(AT_ONCE[random.usize(..AT_ONCE.len())]),
            93..=99 => Self::Edit,
            _ => Self::Signal("KILL"),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Signal(signal) | Self::Meaningless(signal) => {
                format!("SIG{signal} from outside")
            }
            Self::Crash(how) => format!("worker: {how}"),
            Self::KillWorkers => "all workers killed at once".into(),
            Self::KillCheckpoints => "all checkpoints killed".into(),
            Self::Flip => "a bit of a worker's state flips".into(),
            Self::Module(deed) => format!("module: {deed}"),
            Self::Command(deed) => format!("command: {deed}"),
            Self::NoDescriptors => "killed while no descriptor is left".into(),
            Self::KillSupervisor => "the supervisor killed".into(),
            Self::Packet(which) => format!("packet: {which}"),
            Self::File(path) => format!("file: {path}"),
            Self::Edit => "(an edit of the patch)".into(),
        }
    }

    /// Whether the engine has noticed and mended it, by what it said before and says now.
    fn is_over(self, before: &Value, now: &Value) -> bool {
        let count = |status: &Value, name: &str| status[name].as_u64().unwrap_or(0);
        let more = |name: &str| count(now, name) > count(before, name);
        let is_whole = now["redundant"] == true;
        is_whole
            && match self {
                // The worker that it was done to is gone, which is seen by its process.
                Self::Signal(_) | Self::Crash(_) | Self::NoDescriptors => more("respawns"),
                Self::Meaningless(_) | Self::Packet(_) | Self::File(_) => true,
                Self::KillWorkers => more("thaws") || more("fresh_starts"),
                Self::KillCheckpoints => has_checkpoint(now),
                Self::Flip => more("divergences"),
                Self::Module(_) => more("amendments"),
                Self::Command(_) => more("withheld_commands"),
                Self::KillSupervisor => {
                    more("supervisor_deaths") && now["resumed_after_ms"].as_f64() > Some(0.0)
                }
                Self::Edit => more("edits"),
            }
    }
}

fn has_checkpoint(status: &Value) -> bool {
    status["checkpoint_age_blocks"].as_f64() >= Some(0.0)
}

/// Whether there is a checkpoint, and none that was there before.
fn has_other_checkpoints(status: &Value, before: [&Value; 2]) -> bool {
    let of = |status: &Value| status["checkpoints"].as_array().cloned().unwrap_or_default();
    let known: Vec<Value> = before.into_iter().flat_map(of).collect();
    let now = of(status);
    !now.is_empty() && now.iter().all(|pid| !known.contains(pid))
}

/// What is known of one kind of fault.
#[derive(Default)]
struct Tally {
    tried: u64,
    lost: u64,
    took_us: Vec<f64>,
}

/// What all rounds came to.
#[derive(Default)]
struct Totals {
    tallies: BTreeMap<Fault, Tally>,
    faults: u64,
    frames: u64,
    gaps: u64,
    /// Blocks in gaps that stalls of the machine explain.
    stalled_blocks: u64,
    fresh_starts: usize,
    unwritten: u64,
    played: Duration,
}

/// Runs the campaign; whether everything was as promised.
pub fn run(chaos: &Chaos) -> Result<bool, Box<dyn Error>> {
    crate::build()?;
    let noise = chaos.beside.start()?;
    let mut totals = Totals::default();
    let started = Instant::now();
    let most = chaos.faults.unwrap_or(u64::MAX);
    let mut seed = chaos.seed;
    while started.elapsed().as_secs_f64() < chaos.minutes * 60.0 && totals.faults < most {
        let until = started + Duration::from_secs_f64(chaos.minutes * 60.0);
        let faults = chaos.round.min(most - totals.faults);
        round(chaos, seed, faults, until, &mut totals)
            .map_err(|error| format!("seed {seed}: {error}"))?;
        println!(
            "seed {seed}: {} faults so far, {} frames compared, {} lost",
            totals.faults,
            totals.frames,
            totals.lost()
        );
        seed += 1;
    }
    let calm = if chaos.real_time { Some(undisturbed(chaos, totals.played)?) } else { None };
    drop(noise);
    totals.print(calm);
    let may_have = calm.unwrap_or(0);
    Ok(totals.gaps <= may_have && (chaos.real_time || totals.lost() == 0))
}

/// One engine: so many faults, then its end and the comparison.
fn round(
    chaos: &Chaos,
    seed: u64,
    faults: u64,
    until: Instant,
    totals: &mut Totals,
) -> Result<(), Box<dyn Error>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("chaos.toml");
    std::fs::write(&path, patch())?;
    let (replicas, path) = (chaos.replicas.to_string(), path.display().to_string());
    let mut arguments = vec!["--replicas", &replicas, "--patch", &path];
    arguments.extend((!chaos.real_time).then_some("--free-run"));
    let start = if chaos.hide_processes { Engine::start_hidden } else { Engine::start };
    let mut engine = start(RECORDED, &arguments)?;
    let started = Instant::now();
    let load = Load::start(&engine, chaos.load)?;
    engine.send("/gate/env", &["on"])?;
    let mut poisons = Poisons::default();
    // From which frame on a difference is charged to which fault.
    let mut charges: Vec<(u64, Fault)> = Vec::new();
    for _ in 0..faults {
        if Instant::now() >= until {
            break;
        }
        std::thread::sleep(Duration::from_micros(random.u64(..3000)));
        let fault = chaos.draw(&mut random)?;
        let before = ready(fault, &engine, &mut poisons, chaos.replicas)?;
        charges.push((before["frames"].as_u64().unwrap_or(0), fault));
        let struck = Instant::now();
        outlive(fault, &engine, &before, &mut poisons, &mut random)
            .map_err(|error| format!("{}: {error}", told(&charges)))?;
        let tally = totals.tallies.entry(fault).or_default();
        tally.tried += 1;
        tally.took_us.push(struck.elapsed().as_micros() as f64);
        totals.faults += u64::from(fault != Fault::Edit);
    }
    drop(load);
    let status = engine.status()?;
    totals.played += started.elapsed();
    totals.gaps += status["gaps"].as_u64().unwrap_or(0);
    totals.stalled_blocks += status["stalls"]["gap_blocks"].as_u64().unwrap_or(0);
    let found = engine.end_and_compare()?;
    totals.fresh_starts += engine.log().matches("a fresh one takes over").count();
    totals.frames += found.frames;
    totals.unwritten += found.unwritten;
    if let Some(first) = found.different.first() {
        let kept = format!("target/chaos-{seed}.log");
        let faults: Vec<_> =
            charges.iter().map(|(frame, fault)| format!("{frame} {}", fault.name())).collect();
        std::fs::write(&kept, format!("{}\n\n{}", engine.log(), faults.join("\n")))?;
        println!("seed {seed}: differs from frame {first} on; what the engine said is in {kept}");
    }
    for frame in found.different {
        let after = charges.partition_point(|(from, _)| *from <= frame);
        if let Some((_, fault)) = after.checked_sub(1).and_then(|at| charges.get(at)) {
            totals.tallies.entry(*fault).or_default().lost += 1;
        }
    }
    Ok(())
}

/// Waits until all is whole that the fault may need; how the engine is then.
pub fn ready(
    fault: Fault,
    engine: &Engine,
    poisons: &mut Poisons,
    replicas: u64,
) -> Result<Value, Box<dyn Error>> {
    if matches!(fault, Fault::Module(_) | Fault::Command(_)) {
        poisons.renew_if_spent(engine)?;
    }
    engine.wait_for(|status| {
        // One poison may end all workers, so what comes back last is waited for, too.
        status["redundant"] == true && (replicas == 1 || has_checkpoint(status))
    })
}

/// Does it, and waits until it is noticed and mended; how the engine is then.
pub fn outlive(
    fault: Fault,
    engine: &Engine,
    before: &Value,
    poisons: &mut Poisons,
    random: &mut fastrand::Rng,
) -> Result<Value, Box<dyn Error>> {
    let struck = strike(fault, engine, before, poisons, random)?;
    // Who was a checkpoint by now may be dead, and that not be known yet.
    let struck_at = if fault == Fault::KillCheckpoints { engine.status()? } else { before.clone() };
    let is_new = |now: &Value| has_other_checkpoints(now, [before, &struck_at]);
    let is_gone = |now: &Value| struck.is_none_or(|worker| !worker.is_in(now));
    engine.wait_for(|now| {
        is_gone(now)
            && fault.is_over(before, now)
            && (fault != Fault::KillCheckpoints || is_new(now))
    })
}

/// The last faults, in order.
fn told(charges: &[(u64, Fault)]) -> String {
    let last = &charges[charges.len().saturating_sub(8)..];
    let names: Vec<_> =
        last.iter().map(|(frame, fault)| format!("{} ({frame})", fault.name())).collect();
    names.join(", ")
}

/// Does it; returns whom it was done to, if to one worker alone.
fn strike(
    fault: Fault,
    engine: &Engine,
    before: &Value,
    poisons: &mut Poisons,
    random: &mut fastrand::Rng,
) -> Result<Option<Worker>, Box<dyn Error>> {
    let target = ["primary", "standby"][random.usize(..2)];
    let worker = Worker::of(before, target).or(Worker::of(before, "primary"));
    let worker = worker.ok_or("there is no worker")?;
    let slot = worker.slot.to_string();
    match fault {
        Fault::Signal(signal) => {
            engine.send("/chaos/kill", &[&slot, signal])?;
            return Ok(Some(worker));
        }
        Fault::Meaningless(signal) => engine.send("/chaos/kill", &[&slot, signal]),
        Fault::Crash(how) => {
            engine.send("/chaos/crash", &[&slot, how])?;
            return Ok(Some(worker));
        }
        Fault::NoDescriptors => {
            let supervisor = before["supervisor_pid"].as_i64().ok_or("no supervisor")?;
            while_nothing_opens(
                supervisor as i32,
                Duration::from_millis(random.u64(..300)),
                || engine.send("/chaos/kill", &[&slot, "KILL"]),
            )?;
            return Ok(Some(worker));
        }
        Fault::KillWorkers => engine.send("/chaos/kill", &["workers"]),
        Fault::KillCheckpoints => engine.send("/chaos/kill", &["checkpoints"]),
        Fault::Flip => engine.send("/chaos/crash", &[target, "flip"]),
        Fault::Module(deed) => {
            let id = poisons.take();
            engine.send(&format!("/mod/{id}/deed"), &[deed])?;
            engine.send(&format!("/gate/{id}"), &["on"])
        }
        Fault::Command(deed) => engine.send(&format!("/seq/{}/at_once", poisons.take()), &[deed]),
        Fault::KillSupervisor => engine.send("/chaos/kill", &["supervisor"]),
        Fault::Packet(which) => intrusions::send(engine, which, random),
        Fault::File(path) => intrusions::name_file(engine, path),
        Fault::Edit => {
            engine.ask("/patch/set", &["osc", "gain", &format!("0.{}", 1 + random.u32(..5))])?;
            engine.ask("/patch/commit", &[])
        }
    }?;
    Ok(None)
}

/// Has a process open nothing any more, does something, and lets it open what it likes again after a while.
fn while_nothing_opens(
    process: i32,
    length: Duration,
    harm: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    /// Fewer than it has open, and as many as it waits for at once.
    const FEW: u64 = 8;
    let process = Pid::from_raw(process);
    let maximum = getrlimit(Resource::Nofile).maximum;
    let usual = prlimit(process, Resource::Nofile, Rlimit { current: Some(FEW), maximum })?;
    let done = harm();
    std::thread::sleep(length);
    prlimit(process, Resource::Nofile, usual)?;
    done
}

/// The gaps of an engine that is left alone for as long.
fn undisturbed(chaos: &Chaos, length: Duration) -> Result<u64, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("chaos.toml");
    std::fs::write(&path, patch())?;
    let engine = Engine::start(RECORDED, &["--patch", &path.display().to_string()])?;
    let load = Load::start(&engine, chaos.load)?;
    engine.send("/gate/env", &["on"])?;
    std::thread::sleep(length);
    drop(load);
    Ok(engine.status()?["gaps"].as_u64().unwrap_or(0))
}

impl Totals {
    fn lost(&self) -> u64 {
        self.tallies.values().map(|tally| tally.lost).sum()
    }

    fn print(&mut self, calm: Option<u64>) {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(["fault", "tried", "frames lost", "mended after, median", "max"]);
        for (fault, tally) in &mut self.tallies {
            tally.took_us.sort_by(f64::total_cmp);
            let ms = |us: f64| format!("{:.2} ms", us / 1e3);
            let median = tally.took_us.get(tally.took_us.len() / 2).copied().unwrap_or(0.0);
            let max = tally.took_us.last().copied().unwrap_or(0.0);
            table.add_row([
                fault.name(),
                tally.tried.to_string(),
                tally.lost.to_string(),
                ms(median),
                ms(max),
            ]);
        }
        println!("\n{table}\n");
        let Self { faults, frames, gaps, stalled_blocks, fresh_starts, unwritten, .. } = &*self;
        println!(
            "{faults} faults, {frames} frames compared, {} lost, {gaps} gaps ({stalled_blocks} blocks while the machine \
             stood still), {fresh_starts} fresh starts; {unwritten} frames not in a file, because the supervisor that was to write them was killed",
            self.lost()
        );
        if let Some(calm) = calm {
            println!("{calm} gaps in an undisturbed run of the same length");
        }
    }
}
