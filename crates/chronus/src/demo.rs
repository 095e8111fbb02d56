//! `chronus demo`: plays a phrase over OSC on an engine started as a user would start it, kills its
//! workers meanwhile, and compares what was played with an undisturbed rendering of the journal.

use std::error::Error;
use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chronus_os::child::{Child as Watched, signal_number};
use chronus_osc::OscType;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::cli::DemoArgs;
use crate::client::Client;
use crate::journal::Journal;
use crate::log::counted;
use crate::picture::{self, Mark};
use crate::render;

/// Runs the demonstration. Fails if one frame differs.
///
/// # Errors
/// Whatever keeps it from running, as a sentence.
pub fn run(args: &DemoArgs) -> Result<ExitCode, Box<dyn Error>> {
    fs::create_dir_all(&args.out)
        .map_err(|error| format!("can't create the folder {}: {error}", args.out.display()))?;
    let files = Files::in_folder(&args.out);
    let mut engine = Engine::start(args, &files)?;
    let performance = perform(&engine, args)?;
    engine.end()?;
    let verdict = compare(&files)?;
    let title = format!(
        "{} in {:.0} s, {} different",
        counted(performance.faults.len() as u64, "fault"),
        args.seconds,
        counted(verdict.different, "frame")
    );
    let marks: Vec<Mark> = performance.faults.iter().map(|fault| fault.mark()).collect();
    fs::write(&files.picture, picture::draw(&title, &verdict.played, &marks, &LEGEND))?;
    print_table(&performance, &verdict);
    for path in [&files.wav, &files.journal, &files.picture] {
        println!("{}", path.display());
    }
    let well = verdict.different == 0;
    println!(
        "{}",
        if well {
            "Not one frame differs from a run in which nothing happened."
        } else {
            "The sound was NOT what an undisturbed run gives."
        }
    );
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Files {
    wav: PathBuf,
    journal: PathBuf,
    picture: PathBuf,
    log: PathBuf,
}

impl Files {
    fn in_folder(folder: &Path) -> Self {
        Self {
            wav: folder.join("demo.wav"),
            journal: folder.join("demo.journal"),
            picture: folder.join("demo.svg"),
            log: folder.join("demo.log"),
        }
    }
}

/// An engine in a process of its own; killed if the demonstration ends early.
struct Engine {
    process: Child,
    client: Client,
}

impl Engine {
    fn start(args: &DemoArgs, files: &Files) -> Result<Self, Box<dyn Error>> {
        let address = free_port()?;
        // It would be kept, and there would be one more with each demonstration.
        let _ = fs::remove_file(&files.journal);
        let log = File::create(&files.log)?;
        let process = Command::new("/proc/self/exe")
            .args(["run", "--allow-chaos", "--output", &args.output.to_string()])
            .args(["--osc", &address.to_string()])
            .arg("--capture")
            .arg(&files.wav)
            .arg("--journal")
            .arg(&files.journal)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut engine = Self { process, client: Client::connect(address)? };
        for _ in 0..100 {
            thread::sleep(Duration::from_millis(50));
            if engine.process.try_wait()?.is_some() {
                return Err(fs::read_to_string(&files.log)?.into());
            }
            if engine.client.status().is_ok_and(|status| status["frames"].as_u64() > Some(0)) {
                return Ok(engine);
            }
        }
        Err(format!("the engine did not begin to play; see {}", files.log.display()).into())
    }

    /// Ends it as a user would: SIGTERM, and wait.
    fn end(&mut self) -> Result<(), Box<dyn Error>> {
        let terminate = signal_number("TERM").unwrap_or(15);
        Watched::open(self.process.id())?.signal(terminate)?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // After an orderly end there is nothing left to kill, and this does nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> std::io::Result<SocketAddr> {
    UdpSocket::bind("127.0.0.1:0")?.local_addr()
}

/// The kinds of fault, their colours, and what is sent for each.
const LEGEND: [(&str, &str); 3] =
    [("primary killed", "#ff5c5c"), ("standby killed", "#ffb347"), ("hung (SIGSTOP)", "#6ca8ff")];

#[derive(Clone, Copy)]
struct Fault {
    kind: usize,
    frame: u64,
}

impl Fault {
    fn mark(self) -> Mark {
        Mark { frame: self.frame, colour: LEGEND[self.kind].1 }
    }
}

struct Performance {
    faults: Vec<Fault>,
    status: Value,
    output: String,
}

/// Each note: frequency in Hz, cutoff in Hz, and length in steps of 125 ms. A pentatonic phrase.
const PHRASE: [(f32, f32, u32); 12] = [
    (220.0, 900.0, 2),
    (261.63, 1200.0, 1),
    (329.63, 1800.0, 1),
    (392.0, 2600.0, 2),
    (329.63, 2000.0, 1),
    (440.0, 3600.0, 3),
    (392.0, 2600.0, 1),
    (329.63, 1500.0, 1),
    (293.66, 1200.0, 2),
    (261.63, 1000.0, 1),
    (196.0, 800.0, 1),
    (220.0, 700.0, 4),
];
const STEP: Duration = Duration::from_millis(125);

fn perform(engine: &Engine, args: &DemoArgs) -> Result<Performance, Box<dyn Error>> {
    let bar = ProgressBar::new((args.seconds * 10.0) as u64);
    bar.set_style(
        ProgressStyle::with_template("{elapsed} [{wide_bar}] {msg}")?.progress_chars("=> "),
    );
    let (start, mut note_ends, mut next_note) = (Instant::now(), Duration::ZERO, 0);
    let mut random = fastrand::Rng::with_seed(args.seed);
    let mut next_fault = Duration::from_millis(300);
    let mut faults = Vec::new();
    let mut gate_open = false;
    while start.elapsed().as_secs_f64() < args.seconds {
        let now = start.elapsed();
        if gate_open && now + STEP / 4 >= note_ends {
            engine.client.send("/gate/adsr", vec![OscType::Int(0)])?;
            gate_open = false;
        }
        if now >= note_ends {
            let (freq, cutoff, steps) = PHRASE[next_note % PHRASE.len()];
            engine.client.send("/engine/freq", vec![OscType::Float(freq)])?;
            engine.client.send("/mod/filter/cutoff", vec![OscType::Float(cutoff)])?;
            engine.client.send("/gate/adsr", vec![OscType::String("on".into())])?;
            (gate_open, next_note) = (true, next_note + 1);
            note_ends += STEP * steps;
        }
        if now >= next_fault {
            let status = engine.client.status()?;
            if status["redundant"] == Value::Bool(true) {
                let kind = random.usize(..3);
                cause(engine, kind, &mut random)?;
                faults.push(Fault { kind, frame: status["frames"].as_u64().unwrap_or(0) });
                next_fault = now + Duration::from_millis(60 + random.u64(..180));
                let gaps = counted(status["gaps"].as_u64().unwrap_or(0), "gap");
                bar.set_message(format!("{}, {gaps}", counted(faults.len() as u64, "fault")));
            }
        }
        bar.set_position((now.as_secs_f64() * 10.0) as u64);
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(400));
    let status = engine.client.status()?;
    bar.finish_and_clear();
    let output = status["output"].as_str().unwrap_or_default().to_owned();
    Ok(Performance { faults, status, output })
}

fn cause(engine: &Engine, kind: usize, random: &mut fastrand::Rng) -> Result<(), Box<dyn Error>> {
    let (target, signal) = match kind {
        0 => ("primary", "KILL"),
        1 => ("standby", "KILL"),
        _ => (["primary", "standby"][random.usize(..2)], "STOP"),
    };
    let words = [target, signal].map(|word| OscType::String(word.into()));
    engine.client.send("/chaos/kill", words.to_vec())
}

/// What comparing found.
struct Verdict {
    played: Vec<f32>,
    compared: u64,
    different: u64,
}

fn compare(files: &Files) -> Result<Verdict, Box<dyn Error>> {
    let played: Vec<f32> =
        hound::WavReader::open(&files.wav)?.into_samples().collect::<Result<_, _>>()?;
    let journal = Journal::read(&files.journal)?;
    let rendered = render::render_journal(journal.clone())?;
    // A device may be silent for a moment before the performance begins; nothing has sounded then.
    let lead_in = played.len().saturating_sub(rendered.len());
    let silent = played[..lead_in].iter().all(|sample| *sample == 0.0);
    let differs = |(a, b): (&[f32], &[f32])| {
        a.iter().zip(b).any(|(a, b)| a.to_bits() != b.to_bits()) || a.len() != b.len()
    };
    let frames = played[lead_in..].chunks(2).zip(rendered.chunks(2));
    let mut different = frames.filter(|(a, b)| differs((a, b))).count() as u64;
    if !silent || played.len() < rendered.len() || !journal.complete {
        different += played.len().abs_diff(rendered.len()) as u64 / 2 + 1;
    }
    let sounds = rendered.iter().any(|sample| sample.abs() > 0.01);
    if !sounds {
        return Err("nothing but silence was played; that proves nothing".into());
    }
    Ok(Verdict { compared: rendered.len() as u64 / 2, different, played })
}

fn print_table(performance: &Performance, verdict: &Verdict) {
    let status = &performance.status;
    let kinds = |kind| performance.faults.iter().filter(|fault| fault.kind == kind).count();
    let time = |name: &str| {
        let ms = |figure: &str| status[name][figure].as_f64().unwrap_or(0.0) / 1000.0;
        format!("median {:.2} ms, max {:.2} ms", ms("median_us"), ms("max_us"))
    };
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row("output", performance.output.clone());
    row("primary killed", kinds(0).to_string());
    row("standby killed", kinds(1).to_string());
    row("hung by SIGSTOP", kinds(2).to_string());
    row("gaps", status["gaps"].to_string());
    row("device xruns", status["xruns"].to_string());
    row("fault noticed after", time("detection"));
    row("two replicas again after", time("redundancy"));
    row("frames compared", verdict.compared.to_string());
    row("frames different", verdict.different.to_string());
    println!("{table}");
}
