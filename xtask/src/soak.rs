//! `cargo xtask soak`: an engine in real time for an hour, with faults, edits and commands now and then. Does
//! anything grow: memory, descriptors, processes, threads? Every frame is compared afterwards.

use std::error::Error;
use std::time::{Duration, Instant};

use chronus_os::child::children_of;
use clap::Args;
use comfy_table::{Table, presets};

use crate::chaos::{Fault, Load, Poisons, RECORDED, outlive, patch, ready};
use crate::engine::Engine;
use crate::noise::Beside;

/// How long and how hard.
#[derive(Args)]
pub struct Soak {
    /// How long, in minutes
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// The seed of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds between two faults or edits
    #[arg(long, default_value_t = 2.0)]
    every: f64,
    /// Commands a second that come all the while
    #[arg(long, default_value_t = 200)]
    load: u64,
    #[command(flatten)]
    beside: Beside,
}

/// What is looked at; memory in KiB.
const NAMES: [&str; 10] = [
    "processes",
    "threads of the supervisor",
    "descriptors of the keeper",
    "descriptors of the supervisor",
    "descriptors of a worker, most",
    "keeper, resident",
    "supervisor, private",
    "worker, private, most",
    "all shared memory",
    "unreaped processes",
];

/// How much may be added between the second and the last quarter, in the same order.
const MAY_GROW: [f64; 10] = [0.0, 0.0, 0.0, 0.0, 0.0, 256.0, 1024.0, 512.0, 2048.0, 0.0];

type Sample = [f64; NAMES.len()];

/// Runs it; whether nothing grew and every frame was right.
pub fn run(soak: &Soak) -> Result<bool, Box<dyn Error>> {
    crate::build()?;
    let noise = soak.beside.start()?;
    let mut random = fastrand::Rng::with_seed(soak.seed);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("soak.toml");
    std::fs::write(&path, patch())?;
    let mut engine = Engine::start(RECORDED, &["--patch", &path.display().to_string()])?;
    let load = Load::start(&engine, soak.load)?;
    engine.send("/gate/env", &["on"])?;
    let (started, mut poisons) = (Instant::now(), Poisons::default());
    let (mut samples, mut faults, mut gaps) = (Vec::new(), 0_u64, 0);
    while started.elapsed().as_secs_f64() < soak.minutes * 60.0 {
        let fault = Fault::draw(&mut random, 2);
        let before = ready(fault, &engine, &mut poisons, 2)?;
        let after = outlive(fault, &engine, &before, &mut poisons, &mut random)
            .map_err(|error| format!("{fault:?}: {error}"))?;
        faults += u64::from(fault != Fault::Edit);
        gaps = after["gaps"].as_u64().unwrap_or(0);
        std::thread::sleep(Duration::from_secs_f64(soak.every * (0.5 + random.f64())));
        let whole = engine.wait_for(|status| status["redundant"] == true)?;
        let supervisor = whole["supervisor_pid"].as_u64().ok_or("no supervisor")? as u32;
        // Somebody may have gone in between; then this look is left out.
        samples.extend(look(engine.keeper(), supervisor));
    }
    drop((load, noise));
    let divergences = engine.log().matches("rendered other bits").count();
    let found = engine.end_and_compare()?;
    let is_flat = print(&samples);
    println!(
        "{faults} faults in {:.0} minutes, {gaps} gaps; {} frames compared, {} different; the replicas differed \
         {divergences} times",
        started.elapsed().as_secs_f64() / 60.0,
        found.frames,
        found.different.len(),
    );
    // A gap is played, but the journal does not give it.
    Ok(is_flat && divergences == 0 && (found.different.is_empty() || gaps > 0))
}

/// One look at all processes.
fn look(keeper: u32, supervisor: u32) -> Option<Sample> {
    let children = children_of(keeper).ok()?;
    let workers: Vec<u32> = children.iter().copied().filter(|pid| *pid != supervisor).collect();
    let most = |measure: &dyn Fn(u32) -> Option<f64>| {
        workers.iter().filter_map(|pid| measure(*pid)).fold(0.0, f64::max)
    };
    let dead = workers.iter().filter(|pid| field(**pid, "State:") == Some("Z".into())).count();
    Some([
        children.len() as f64,
        number(supervisor, "Threads:")?,
        descriptors(keeper)?,
        descriptors(supervisor)?,
        most(&descriptors),
        number(keeper, "VmRSS:")?,
        number(supervisor, "RssAnon:")?,
        most(&|pid| number(pid, "RssAnon:")),
        shared_kib(keeper)?,
        dead as f64,
    ])
}

/// A field of what the kernel tells of a process.
pub fn field(pid: u32, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next().map(str::to_owned)
}

fn number(pid: u32, name: &str) -> Option<f64> {
    field(pid, name)?.parse().ok()
}

fn descriptors(pid: u32) -> Option<f64> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as f64)
}

/// What the memory files that a keeper holds take, in KiB: of holes nothing.
fn shared_kib(keeper: u32) -> Option<f64> {
    use std::os::unix::fs::MetadataExt as _;
    let files = std::fs::read_dir(format!("/proc/{keeper}/fd")).ok()?;
    let paths = files.flatten().map(|file| file.path());
    let is_memory = |path: &std::path::PathBuf| {
        std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().contains("memfd:"))
    };
    let metadata = paths.filter(is_memory).filter_map(|path| std::fs::metadata(path).ok());
    Some(metadata.map(|metadata| metadata.blocks() as f64 / 2.0).sum())
}

/// Prints the medians of the quarters; whether nothing grew from the second to the last. In the first much is
/// touched for the first time.
fn print(samples: &[Sample]) -> bool {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["median of", "1st quarter", "2nd", "3rd", "last", "most", "flat"]);
    let mut is_flat = samples.len() >= 4;
    for (index, name) in NAMES.iter().enumerate() {
        let quarter = |number: usize| {
            let part = &samples[samples.len() * number / 4..samples.len() * (number + 1) / 4];
            let mut values: Vec<f64> = part.iter().map(|sample| sample[index]).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0)
        };
        let most = samples.iter().map(|sample| sample[index]).fold(0.0, f64::max);
        let grown = quarter(3) - quarter(1);
        let is_fine = grown <= MAY_GROW[index];
        is_flat &= is_fine;
        let mut row = vec![(*name).to_owned()];
        row.extend([quarter(0), quarter(1), quarter(2), quarter(3), most].map(|it| it.to_string()));
        row.push(if is_fine { "yes".into() } else { format!("NO: {grown:+}") });
        table.add_row(row);
    }
    println!("\n{table}\n{} looks\n", samples.len());
    is_flat
}
