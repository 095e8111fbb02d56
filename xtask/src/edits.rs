//! A patch of 200 modules, edited a thousand times while its workers are killed and the machine is busy,
//! beside the same patch left alone; and what workers and forks cost by their size.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use comfy_table::{Table, presets};
use serde_json::Value;

use crate::engine::{Engine, Outcome};
use crate::faults::longest_stall;
use crate::noise::Beside;
use crate::soak;

/// Voices of five modules each.
const VOICES: usize = 38;
/// Where engines play whose every frame is compared.
const RECORDED: &str = "wav:a.wav";
/// Kinds that an edit may put into a voice: each has `in`, `out` and `cutoff`.
const FILTERS: [&str; 4] = ["biquad", "ladder", "onepole", "svf"];

/// What is done to the patch.
#[derive(clap::Args)]
#[expect(clippy::struct_field_names, reason = "the fields are named as the options")]
pub struct Edits {
    /// How many edits
    #[arg(long, default_value_t = 1_000)]
    edits: u64,
    /// The seed of edits and kills
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    beside: Beside,
}

/// Runs all of it; whether everything was as promised.
pub fn bench(edits: &Edits) -> Result<bool, Box<dyn Error>> {
    let Edits { edits, seed, ref beside } = *edits;
    crate::build()?;
    let noise = beside.start()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("large.toml");
    std::fs::write(&path, large_patch())?;
    let free = campaign(&["--free-run"], &path, edits, seed)?;
    let load = Load::start();
    let real = campaign(&[], &path, edits, seed)?;
    let calm = undisturbed(&path, real.outcome.took)?;
    drop((load, noise));
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "200 modules",
        "edited, free-running",
        "edited, real time, busy machine",
        "left alone, as long, as busy",
    ]);
    let runs = [&free, &real, &calm];
    let mut row = |name: &str, figure: &dyn Fn(&Edited) -> String| {
        let [a, b, c] = runs.map(figure);
        table.add_row([name.to_owned(), a, b, c]);
    };
    let count = |name: &'static str| move |run: &Edited| run.outcome.status[name].to_string();
    row("edits", &count("edits"));
    row("edits that a worker was not ready for", &count("hasty_edits"));
    row("kills", &|run| run.outcome.faults.to_string());
    row("frames compared", &|run| run.outcome.compared.to_string());
    row("frames different", &|run| run.outcome.different.to_string());
    row("gaps", &count("gaps"));
    row("blocks in gaps", &count("gap_blocks"));
    row("- while the machine stood still", &|run| {
        run.outcome.status["stalls"]["gap_blocks"].to_string()
    });
    row("longest stall of the machine", &|run| longest_stall(&run.outcome.status));
    row("device xruns", &count("xruns"));
    row("commit to sound, median", &|run| format!("{:.1} ms", run.median_ms));
    row("commit to sound, max", &|run| format!("{:.1} ms", run.max_ms));
    println!("{table}\n");
    sizes(&path)?;
    let gaps = |run: &Edited| run.outcome.status["gaps"].as_u64().unwrap_or(u64::MAX);
    let only_gaps_differ = |run: &Edited| run.outcome.different == 0 || gaps(run) > 0;
    Ok(free.outcome.different == 0 && gaps(&real) <= gaps(&calm) && only_gaps_differ(&real))
}

struct Edited {
    outcome: Outcome,
    median_ms: f64,
    max_ms: f64,
}

/// Keeps all cores busy for as long as it lives, as other programs might: so the machine does as much while nothing
/// is edited, and what its host takes away then it takes away in both runs.
struct Load(Arc<AtomicBool>);

impl Load {
    fn start() -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let flag = goes_on.clone();
            std::thread::spawn(move || {
                while flag.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(goes_on)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Where a filter lets low tones out.
fn output_of(filter: &str) -> &'static str {
    if filter == "onepole" || filter == "svf" { "low" } else { "out" }
}

fn large_patch() -> String {
    let mut text = "format = 1\nname = \"large\"\n[transport]\ntempo = 132\n".to_owned();
    let mut module = |id: &str, kind: &str, lines: &str| {
        let _ = writeln!(text, "[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n{lines}");
    };
    for voice in 0..VOICES {
        let pattern = ["x..x", "X.x.x", "x......", "x-x.", "..x"][voice % 5];
        let notes = ["0 3 7", "0 7 10 12", "-12 0", "12 15 19 7 3"][voice % 4];
        module(
            &format!("steps{voice}"),
            "steps",
            &format!("pattern = \"{pattern}\"\nnotes = \"{notes}\"\nseed = {voice}"),
        );
        let kind = ["saw", "pulse", "triangle", "sine"][voice % 4];
        module(&format!("osc{voice}"), kind, "freq = 130.81\ngain = 0.1");
        module(&format!("filter{voice}"), FILTERS[voice % 4], "cutoff = 1500");
        module(&format!("env{voice}"), "adsr", "attack = 2\ndecay = 90\nsustain = 0.2");
        module(&format!("pan{voice}"), "pan", &format!("pan = {:.2}", (voice as f32 / 20.0) - 0.9));
    }
    for (id, kind) in [
        ("chorus", "chorus"),
        ("delay", "delay"),
        ("reverb", "reverb"),
        ("eq", "eq"),
        ("phaser", "phaser"),
        ("comp", "compressor"),
        ("lfo", "lfo"),
        ("kick", "kick"),
        ("beat", "steps"),
        ("mix", "mixer"),
    ] {
        module(id, kind, "");
    }
    let mut cable = |from: &str, to: &str| {
        let _ = writeln!(text, "[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"");
    };
    for voice in 0..VOICES {
        cable(&format!("steps{voice}.pitch"), &format!("osc{voice}.freq"));
        cable(&format!("steps{voice}.gate"), &format!("env{voice}.gate"));
        cable(&format!("osc{voice}.out"), &format!("filter{voice}.in"));
        let output = output_of(FILTERS[voice % 4]);
        cable(&format!("filter{voice}.{output}"), &format!("env{voice}.in"));
        cable(&format!("env{voice}.out"), &format!("pan{voice}.in"));
        let strip = voice % 8 + 1;
        cable(&format!("pan{voice}.left"), &format!("mix.left_{strip}"));
        cable(&format!("pan{voice}.right"), &format!("mix.right_{strip}"));
    }
    cable("beat.gate", "kick.gate");
    cable("kick.out", "mix.left_8");
    let chain = ["mix", "eq", "phaser", "chorus", "delay", "reverb", "comp"];
    for pair in chain.windows(2) {
        for side in ["left", "right"] {
            cable(&format!("{}.{side}", pair[0]), &format!("{}.{side}", pair[1]));
        }
    }
    let _ = writeln!(text, "[output]\nleft = \"comp.left\"\nright = \"comp.right\"");
    text
}

/// Edits one voice: another filter takes the place of its filter, or its envelope is played otherwise.
fn edit(engine: &Engine, number: u64, random: &mut fastrand::Rng) -> Result<f64, Box<dyn Error>> {
    let voice = random.usize(..VOICES);
    if random.u64(..4) == 0 {
        let pattern = ["x.", "X.x.x.xx", "x...x.", "[5/8]"][random.usize(..4)];
        engine.ask("/patch/set", &[&format!("steps{voice}"), "pattern", pattern])?;
    } else {
        let (filter, id) = (FILTERS[random.usize(..4)], format!("filter{voice}"));
        let output = output_of(filter);
        engine.ask("/patch/delete", &[&id])?;
        let cutoff = (300 + random.u64(..4000)).to_string();
        engine.ask("/patch/create", &[&id, filter, "cutoff", &cutoff])?;
        engine.ask("/patch/connect", &[&format!("osc{voice}.out"), &format!("{id}.in")])?;
        engine.ask("/patch/connect", &[&format!("{id}.{output}"), &format!("env{voice}.in")])?;
        if number.is_multiple_of(3) {
            let depth = (random.u64(..200) as f64 / 100.0).to_string();
            engine.ask("/patch/connect", &["lfo.out", &format!("{id}.cutoff"), &depth])?;
        }
    }
    let start = Instant::now();
    engine.ask("/patch/commit", &[])?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

fn campaign(
    arguments: &[&str],
    patch: &Path,
    edits: u64,
    seed: u64,
) -> Result<Edited, Box<dyn Error>> {
    let patch = patch.display().to_string();
    let mut engine = Engine::start(RECORDED, &[&["--patch", &patch], arguments].concat())?;
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut took_ms, mut faults) = (Vec::new(), 0);
    let started = Instant::now();
    for number in 0..edits {
        took_ms.push(edit(&engine, number, &mut random)?);
        if number % 5 == 4 {
            let target = ["primary", "standby"][random.usize(..2)];
            engine.cause("/chaos/kill", target, "KILL")?;
            faults += 1;
        }
    }
    let status = engine.status()?;
    took_ms.sort_by(f64::total_cmp);
    let median_ms = took_ms.get(took_ms.len() / 2).copied().unwrap_or(0.0);
    let max_ms = took_ms.last().copied().unwrap_or(0.0);
    let outcome = engine.end(faults, status, 0.0, started.elapsed())?;
    Ok(Edited { outcome, median_ms, max_ms })
}

fn undisturbed(patch: &Path, length: Duration) -> Result<Edited, Box<dyn Error>> {
    let mut engine = Engine::start(RECORDED, &["--patch", &patch.display().to_string()])?;
    std::thread::sleep(length);
    let status = engine.status()?;
    let outcome = engine.end(0, status, 0.0, length)?;
    Ok(Edited { outcome, median_ms: 0.0, max_ms: 0.0 })
}

/// How large workers are, and how long it takes to fork them.
fn sizes(large: &Path) -> Result<(), Box<dyn Error>> {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "patch",
        "modules",
        "worker resident",
        "of it private",
        "fork, median",
        "fork, max",
    ]);
    let large = large.display().to_string();
    for (name, arguments) in [("first", vec![]), ("200 modules", vec!["--patch", large.as_str()])] {
        let mut engine = Engine::start("null", &arguments)?;
        engine.send("/gate/adsr", &["on"])?;
        std::thread::sleep(Duration::from_secs(2));
        let mut forks_us = Vec::new();
        for _ in 0..50 {
            let status = engine.cause("/chaos/kill", "standby", "KILL")?;
            // The standby may have forked a checkpoint since.
            let forkers = replicas(&status).filter(|replica| replica["role"] == "primary");
            forks_us.extend(forkers.filter_map(|it| it["fork_us"].as_f64()));
        }
        forks_us.retain(|fork_us| *fork_us > 0.0);
        forks_us.sort_by(f64::total_cmp);
        let status = engine.status()?;
        let pids = replicas(&status).filter_map(|replica| replica["pid"].as_u64());
        let memory: Vec<_> = pids.filter_map(|pid| memory_kib(pid as u32)).collect();
        let most = |part: fn(&(u64, u64)) -> u64| memory.iter().map(part).max().unwrap_or(0);
        let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
        let ms = |us: Option<&f64>| format!("{:.2} ms", us.copied().unwrap_or(0.0) / 1e3);
        table.add_row([
            name.to_owned(),
            status["modules"].to_string(),
            mib(most(|it| it.0)),
            mib(most(|it| it.1)),
            ms(forks_us.get(forks_us.len() / 2)),
            ms(forks_us.last()),
        ]);
    }
    println!("{table}\n");
    Ok(())
}

fn replicas(status: &Value) -> impl Iterator<Item = &Value> {
    status["replicas"].as_array().into_iter().flatten()
}

/// Resident memory of a process, and how much of it is anonymous, in KiB.
fn memory_kib(pid: u32) -> Option<(u64, u64)> {
    let field = |name: &str| soak::field(pid, name)?.parse().ok();
    Some((field("VmRSS:")?, field("RssAnon:")?))
}
