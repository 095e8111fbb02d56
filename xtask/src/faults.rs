//! `cargo xtask bench faults`: kills real engines by the thousand, compares every sample with the journal's
//! offline rendering, and prints what it measured beside an undisturbed run of the same minute.
//! Correctness is asserted; times are only reported.

use std::error::Error;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::engine::{Engine, Outcome};
use crate::noise::Beside;

/// What is done to the engines.
#[derive(Args)]
pub struct Faults {
    /// Faults while the device pulls without a clock
    #[arg(long, default_value_t = 10_000)]
    free_running: u64,
    /// Faults in real time
    #[arg(long, default_value_t = 1_000)]
    real_time: u64,
    /// How far the workers are ahead of the device, as for `chronus run`; not auto, so that all runs have the same
    #[arg(long, default_value = "8")]
    lead: String,
    /// The seed of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    beside: Beside,
}

/// Runs all campaigns; whether all that must be the same was.
pub fn bench(faults: &Faults) -> Result<bool, Box<dyn Error>> {
    let Faults { free_running, real_time, ref lead, seed, ref beside } = *faults;
    crate::build()?;
    let noise = beside.start()?;
    let free = campaign(&["--free-run", "--lead", lead], free_running, seed)?;
    let real = campaign(&["--lead", lead], real_time, seed)?;
    let calm = undisturbed(lead, real.took)?;
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["", "free-running", "real time", "undisturbed, as long"]);
    let runs = [&free, &real, &calm];
    let mut row = |name: &str, figure: &dyn Fn(&Outcome) -> String| {
        let [a, b, c] = runs.map(figure);
        table.add_row([name.to_owned(), a, b, c]);
    };
    row("faults", &|run| run.faults.to_string());
    row("frames compared", &|run| run.compared.to_string());
    row("frames different", &|run| run.different.to_string());
    row("deaths beyond one a fault", &|run| run.extra_deaths.to_string());
    row("gaps", &|run| run.status["gaps"].to_string());
    row("blocks lost", &|run| run.status["gap_blocks"].to_string());
    row("- while the machine stood still", &|run| run.status["stalls"]["gap_blocks"].to_string());
    row("longest stall of the machine", &|run| longest_stall(&run.status));
    row("device xruns", &|run| run.status["xruns"].to_string());
    row("noticed after, median", &|run| ms(&run.status, "detection", "median_us"));
    row("promoted after that, median", &|run| ms(&run.status, "promotion", "median_us"));
    row("SIGKILL to two replicas level, median", &|run| {
        format!("{:.2} ms", run.kill_median_us / 1e3)
    });
    row("any fault to two replicas level, median", &|run| {
        ms(&run.status, "redundancy", "median_us")
    });
    row("any fault to two replicas level, max", &|run| ms(&run.status, "redundancy", "max_us"));
    println!("{table}\n");
    recoveries(lead)?;
    drop(noise);
    cpu()?;
    // Without a clock nothing may differ. In real time only a gap may, and no more of them than an
    // undisturbed run has.
    let gaps = |run: &Outcome| run.status["gaps"].as_u64().unwrap_or(u64::MAX);
    let only_gaps_differ = |run: &Outcome| run.different == 0 || gaps(run) > 0;
    let real_is_well = gaps(&real) <= gaps(&calm) && only_gaps_differ(&real);
    Ok(free.different == 0 && only_gaps_differ(&calm) && real_is_well)
}

/// What faults cost, in real time, that leave no worker: to all workers, and to the checkpoints with them.
fn recoveries(lead: &str) -> Result<(), Box<dyn Error>> {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "killed at once, in real time",
        "times",
        "times with a gap",
        "longest gap",
        "to two replicas level, median",
        "max",
    ]);
    for (whom, counter, times, pause_ms) in
        [("workers", "thaws", 200, 20), ("everybody", "fresh_starts", 20, 2500)]
    {
        let engine = Engine::start("null", &["--lead", lead])?;
        engine.send("/gate/adsr", &["on"])?;
        let (mut gaps_ms, mut took_ms) = (Vec::new(), Vec::new());
        for _ in 0..times {
            // Fresh starts are bounded to five in ten seconds.
            std::thread::sleep(Duration::from_millis(pause_ms));
            let count = |status: &Value, name: &str| status[name].as_u64().unwrap_or(0);
            let before = engine.wait_for(|status| {
                status["redundant"] == true && status["checkpoint_age_blocks"].as_f64() >= Some(0.0)
            })?;
            let struck = Instant::now();
            engine.send("/chaos/kill", &[whom])?;
            let after = engine.wait_for(|now| {
                now["redundant"] == true && count(now, counter) > count(&before, counter)
            })?;
            took_ms.push(struck.elapsed().as_secs_f64() * 1e3);
            let blocks = count(&after, "gap_blocks") - count(&before, "gap_blocks");
            gaps_ms.push(blocks as f64 * 64.0 / 48.0);
        }
        took_ms.sort_by(f64::total_cmp);
        let heard = gaps_ms.iter().filter(|ms| **ms > 0.0).count();
        table.add_row([
            whom.to_owned(),
            times.to_string(),
            heard.to_string(),
            format!("{:.1} ms", gaps_ms.iter().copied().fold(0.0, f64::max)),
            format!("{:.2} ms", took_ms[took_ms.len() / 2]),
            format!("{:.2} ms", took_ms[took_ms.len() - 1]),
        ]);
    }
    println!("{table}\n");
    Ok(())
}

/// Where engines play whose every frame is compared.
const RECORDED: &str = "wav:a.wav";

/// Causes `faults` faults, one at a time, at random moments of an engine that plays a gated tone.
fn campaign(arguments: &[&str], faults: u64, seed: u64) -> Result<Outcome, Box<dyn Error>> {
    let mut engine = Engine::start(RECORDED, arguments)?;
    let started = Instant::now();
    let mut random = fastrand::Rng::with_seed(seed);
    engine.send("/gate/adsr", &["on"])?;
    let mut kills_us = Vec::new();
    for _ in 0..faults {
        std::thread::sleep(Duration::from_micros(random.u64(..3000)));
        let target = ["primary", "standby"][random.usize(..2)];
        match random.u64(..10) {
            0..=5 => engine.cause("/chaos/kill", target, "KILL")?,
            6 => engine.cause("/chaos/kill", target, "STOP")?,
            7 => engine.cause("/chaos/kill", target, "SEGV")?,
            8 => engine.cause("/chaos/crash", target, "panic")?,
            _ => engine.cause("/chaos/crash", target, "loop")?,
        };
        kills_us.extend(engine.kill_took_us());
        if random.u64(..8) == 0 {
            let freq = (100 + random.u64(..2000)).to_string();
            engine.send("/engine/freq", &[&freq])?;
            engine.send("/gate/adsr", &[["on", "off"][random.usize(..2)]])?;
        }
    }
    let status = engine.status()?;
    kills_us.sort_by(f64::total_cmp);
    let kill_median_us = kills_us.get(kills_us.len() / 2).copied().unwrap_or(0.0);
    engine.end(faults, status, kill_median_us, started.elapsed())
}

/// As the stall monitor saw it; running free there is none.
pub fn longest_stall(status: &Value) -> String {
    match status["stalls"]["longest_ms"].as_f64() {
        Some(ms) if ms > 0.0 => format!("{ms:.1} ms"),
        _ => String::new(),
    }
}

fn undisturbed(lead: &str, length: Duration) -> Result<Outcome, Box<dyn Error>> {
    let mut engine = Engine::start(RECORDED, &["--lead", lead])?;
    engine.send("/gate/adsr", &["on"])?;
    std::thread::sleep(length);
    let status = engine.status()?;
    engine.end(0, status, 0.0, length)
}

/// CPU time of the supervisor, its audio thread included, and of its workers, while a gate is held.
fn cpu() -> Result<(), Box<dyn Error>> {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "frames per period",
        "supervisor, 1 replica",
        "supervisor, 2 replicas",
        "1 worker",
        "2 workers",
        "2 workers over 1",
    ]);
    for period in ["64", "128", "256"] {
        let mut shares = Vec::new();
        for replicas in ["1", "2"] {
            let arguments = ["--replicas", replicas, "--period", period];
            let engine = Engine::start("null", &arguments)?;
            engine.send("/gate/adsr", &["on"])?;
            shares.push(engine.cpu_share(Duration::from_secs(10))?);
        }
        let percent = |share: f64| format!("{share:.2} %");
        table.add_row([
            period.to_owned(),
            percent(shares[0].0),
            percent(shares[1].0),
            percent(shares[0].1),
            percent(shares[1].1),
            format!("{:.2}", shares[1].1 / shares[0].1),
        ]);
    }
    println!("CPU time, in per cent of a core\n\n{table}");
    Ok(())
}

fn ms(status: &Value, name: &str, figure: &str) -> String {
    format!("{:.2} ms", status[name][figure].as_f64().unwrap_or(0.0) / 1e3)
}
