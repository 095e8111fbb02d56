//! `chronus demo`: plays the groove over OSC on an engine started as a player would start it, changes it while it
//! plays, kills its workers meanwhile, and compares what was played with an undisturbed rendering of the journal.
//!
//! First the engine runs free, where the device waits for a replica, so that nothing but Chronus can be to blame
//! for a difference; then in real time, where a machine that stands still for too long can cost a block. Each
//! gap is told with its cause.

mod engine;
mod picture;
mod report;
mod score;
mod verdict;

use std::error::Error;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use chronus_osc::OscType;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::commands::cli::DemoArgs;
use crate::log::counted;
use crate::processes::lead::{self, LeadSpec};
use engine::{Engine, Stall};
use score::Score;
use verdict::Verdict;

/// The running free lasts so much of the time in real time, and no longer than this.
const FREE_SHARE: f64 = 0.2;
const FREE_S_MOST: f64 = 3.0;
/// A machine where no fault could be caused in time gets so much more.
const MORE_S: f64 = 30.0;
/// The device's usual rate, by which the machine is measured before there is a device.
const USUAL_RATE_HZ: u32 = 48_000;
const REPLICAS: usize = 2;

/// Runs the demonstration. Fails if one frame differs, or if one was lost and the machine does not explain it.
///
/// # Errors
/// Whatever keeps it from running, as a sentence.
pub fn run(args: &DemoArgs) -> Result<ExitCode, Box<dyn Error>> {
    fs::create_dir_all(&args.out)
        .map_err(|error| format!("can't create the folder {}: {error}", args.out.display()))?;
    let _alone = take_alone(&args.out)?;
    let files = Files::in_folder(&args.out);
    fs::write(&files.patch, score::PATCH)
        .map_err(|error| format!("can't write {}: {error}", files.patch.display()))?;
    let lead = choose_lead(args.lead);
    let free_s = (args.seconds * FREE_SHARE).min(FREE_S_MOST);
    println!(
        "Running free for {free_s:.1} s: nothing but Chronus can be to blame for a difference"
    );
    let free = part(&Part { args, lead, seconds: free_s, is_free: true }, &files)?;
    println!("In real time for {:.1} s, to {}", args.seconds, args.output);
    let real = part(&Part { args, lead, seconds: args.seconds, is_free: false }, &files)?;
    fs::write(&files.picture, report::picture(&real))?;
    println!("{}", report::table(&free, &real));
    // Running free yields minutes of sound in seconds; it is kept only if somebody has to look into it.
    if free.is_well() {
        let _ = fs::remove_file(&files.free.wav);
    }
    for path in [&files.real.wav, &files.real.journal, &files.picture] {
        println!("{}", path.display());
    }
    let logs = [files.free.log.as_path(), &files.real.log];
    println!("\n{}", report::conclusion(&free, &real, logs));
    Ok(if free.is_well() && real.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes the folder, so that no other demonstration writes over what this one compares, until the file is dropped.
fn take_alone(folder: &Path) -> Result<File, String> {
    let opened = File::open(folder)
        .map_err(|error| format!("can't open the folder {}: {error}", folder.display()))?;
    match opened.try_lock() {
        Err(TryLockError::WouldBlock) => Err(format!(
            "another demonstration writes into {}; wait for its end, or give another folder: --out FOLDER",
            folder.display()
        )),
        // A file system without locks is no reason not to play.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(opened),
    }
}

/// Says what was found of the machine and which lead is taken.
fn choose_lead(asked: LeadSpec) -> LeadSpec {
    println!("{}", report::machine());
    if asked != LeadSpec::Auto {
        println!("lead {asked}, as asked for");
        return asked;
    }
    let (blocks, said) = lead::choose(REPLICAS, USUAL_RATE_HZ);
    println!("{said}\n");
    LeadSpec::Blocks(blocks)
}

/// Where everything goes.
struct Files {
    patch: PathBuf,
    picture: PathBuf,
    free: PartFiles,
    real: PartFiles,
}

/// What one engine writes.
struct PartFiles {
    wav: PathBuf,
    journal: PathBuf,
    log: PathBuf,
}

impl Files {
    fn in_folder(folder: &Path) -> Self {
        let part = |name: &str| PartFiles {
            wav: folder.join(format!("{name}.wav")),
            journal: folder.join(format!("{name}.journal")),
            log: folder.join(format!("{name}.log")),
        };
        Self {
            patch: folder.join("demo.toml"),
            picture: folder.join("demo.svg"),
            free: part("free"),
            real: part("demo"),
        }
    }
}

/// A part of the demonstration.
struct Part<'a> {
    args: &'a DemoArgs,
    lead: LeadSpec,
    seconds: f64,
    is_free: bool,
}

/// What came of a part.
struct Outcome {
    is_free: bool,
    faults: Vec<Fault>,
    stalls: Vec<Stall>,
    /// For how long the device asked for nothing that it should have, in milliseconds.
    unplayed_ms: f64,
    /// The status before the end.
    status: Value,
    verdict: Verdict,
}

impl Outcome {
    /// Frames that were lost and that stalls of the machine do not explain.
    fn lost_unexplained(&self) -> u64 {
        let stalled = self.status["stalls"]["gap_blocks"].as_u64().unwrap_or(0);
        let block_frames = chronus_replication::BLOCK_FRAMES as u64;
        self.verdict.lost.saturating_sub(stalled * block_frames)
    }

    /// Whether the device stood still for longer than asking for the time can be off.
    fn is_standing(&self) -> bool {
        self.unplayed_ms > 60.0
    }

    fn is_well(&self) -> bool {
        self.verdict.different == 0 && self.lost_unexplained() == 0
    }
}

/// A kind of fault: what it is called, its colour in the picture, and what is sent for it.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    colour: &'static str,
    targets: &'static [&'static str],
    signal: &'static str,
    /// Whether it is caused in real time, too.
    in_real_time: bool,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "primary killed",
        colour: "#ff5c5c",
        targets: &["primary"],
        signal: "KILL",
        in_real_time: true,
    },
    Kind {
        name: "standby killed",
        colour: "#ffb347",
        targets: &["standby"],
        signal: "KILL",
        in_real_time: true,
    },
    Kind {
        name: "hung (SIGSTOP)",
        colour: "#6ca8ff",
        targets: &["primary", "standby"],
        signal: "STOP",
        in_real_time: true,
    },
    // A checkpoint catches up, which takes longer than the lead on a slow machine.
    Kind {
        name: "all workers killed",
        colour: "#d08cff",
        targets: &["workers"],
        signal: "KILL",
        in_real_time: false,
    },
];

#[derive(Clone, Copy, Debug)]
struct Fault {
    kind: usize,
    frame: u64,
}

fn part(part: &Part<'_>, files: &Files) -> Result<Outcome, Box<dyn Error>> {
    let own = if part.is_free { &files.free } else { &files.real };
    // It would be kept, and there would be one more with each demonstration.
    let _ = fs::remove_file(&own.journal);
    let text = |path: &Path| path.display().to_string();
    let (lead, output) = (part.lead.to_string(), part.args.output.to_string());
    let (wav, journal, patch) = (text(&own.wav), text(&own.journal), text(&files.patch));
    let to_file = format!("wav:{wav}");
    let mut options = vec!["--patch", &patch, "--journal", &journal, "--lead", &lead];
    if part.is_free {
        options.extend(["--free-run", "--output", &to_file]);
    } else {
        options.extend(["--output", &output, "--capture", &wav]);
    }
    let mut engine = Engine::start(&options, &own.log)?;
    let clock = Clock::read(&engine)?;
    let (faults, mut stalls) = perform(&engine, part)?;
    if faults.is_empty() {
        return Err(no_faults(part, &own.log).into());
    }
    // The end of the last stall is told, and its gap with its cause.
    thread::sleep(Duration::from_millis(400));
    let status = engine.status()?;
    let unplayed_ms = if part.is_free { 0.0 } else { clock.unplayed_ms(&Clock::read(&engine)?) };
    stalls.extend(engine.stalls());
    engine.end()?;
    let verdict = verdict::compare(&own.wav, &own.journal)?;
    Ok(Outcome { is_free: part.is_free, faults, stalls, unplayed_ms, status, verdict })
}

/// Without a fault nothing is proved.
fn no_faults(part: &Part<'_>, log: &Path) -> String {
    format!(
        "in {:.0} s the engine never had two replicas that were level, so no fault could be caused; {} tells why",
        part.seconds + MORE_S,
        log.display()
    )
}

/// How far the sound had come at which time.
struct Clock {
    at: Instant,
    seconds: f64,
}

impl Clock {
    fn read(engine: &Engine) -> Result<Self, Box<dyn Error>> {
        let status = engine.status()?;
        let rate_hz = status["rate_hz"].as_f64().unwrap_or(1.0);
        let seconds = status["frames"].as_f64().unwrap_or(0.0) / rate_hz;
        Ok(Self { at: Instant::now(), seconds })
    }

    /// How much less was played until `later` than time has passed.
    fn unplayed_ms(&self, later: &Self) -> f64 {
        let passed = later.at.duration_since(self.at).as_secs_f64();
        ((passed - (later.seconds - self.seconds)) * 1e3).max(0.0)
    }
}

/// Plays the score and causes faults, one after another, for so long.
fn perform(engine: &Engine, part: &Part<'_>) -> Result<(Vec<Fault>, Vec<Stall>), Box<dyn Error>> {
    let bar = ProgressBar::new((part.seconds * 10.0) as u64);
    let style = ProgressStyle::with_template("{elapsed} [{wide_bar}] {msg}")?;
    bar.set_style(style.progress_chars("=> "));
    let (start, mut score) = (Instant::now(), Score::default());
    let mut random = fastrand::Rng::with_seed(part.args.seed);
    let mut next_fault = Duration::from_millis(300);
    let (mut faults, mut stalls) = (Vec::new(), Vec::new());
    let goes_on = |has_faults: bool| {
        // A machine that is so busy that no replica is ever level gets more time for the first fault.
        let more_s = if has_faults { 0.0 } else { MORE_S };
        start.elapsed().as_secs_f64() < part.seconds + more_s
    };
    while goes_on(!faults.is_empty()) {
        let now = start.elapsed();
        for (address, arguments) in score.due(now.as_secs_f64()) {
            engine.send(&address, arguments)?;
        }
        stalls.extend(engine.stalls());
        if now >= next_fault {
            let status = engine.status()?;
            if may_be_harmed(&status, part.is_free) {
                faults.push(cause(engine, part, &mut random, &status)?);
                let pause_ms = if part.is_free { 20 } else { 60 + random.u64(..180) };
                next_fault = start.elapsed() + Duration::from_millis(pause_ms);
                let gaps = counted(status["gaps"].as_u64().unwrap_or(0), "gap");
                bar.set_message(format!("{}, {gaps}", counted(faults.len() as u64, "fault")));
            }
        }
        bar.set_position((now.as_secs_f64() * 10.0) as u64);
        thread::sleep(Duration::from_millis(5));
    }
    bar.finish_and_clear();
    Ok((faults, stalls))
}

/// Whether one more fault is one that is promised to be inaudible. Running free nobody has to be in time: who has a
/// checkpoint has all that it takes.
fn may_be_harmed(status: &Value, is_free: bool) -> bool {
    let has_checkpoint = status["checkpoint_age_blocks"].as_f64() >= Some(0.0);
    if is_free { has_checkpoint } else { status["redundant"] == Value::Bool(true) }
}

fn cause(
    engine: &Engine,
    part: &Part<'_>,
    random: &mut fastrand::Rng,
    status: &Value,
) -> Result<Fault, Box<dyn Error>> {
    let kinds = KINDS.iter().take_while(|kind| part.is_free || kind.in_real_time).count();
    let kind = random.usize(..kinds);
    let Kind { targets, signal, .. } = &KINDS[kind];
    let target = targets[random.usize(..targets.len())];
    let words = [target, signal].map(|word| OscType::String(word.into()));
    engine.send("/chaos/kill", words.to_vec())?;
    Ok(Fault { kind, frame: status["frames"].as_u64().unwrap_or(0) })
}
