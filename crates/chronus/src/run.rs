//! `chronus run` and `chronus render`: from the command line to an engine that plays.

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chronus_engine::Patch;
use chronus_os::process_title;
use chronus_os::sched::{self, priority};
use chronus_os::wake::Kick;
use chronus_output::Options;
use chronus_shm::region;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

use crate::cli::{RenderArgs, RunArgs};
use crate::client::osc_address;
use crate::journal::Journal;
use crate::patcher::{self, Patcher};
use crate::render::Performance;
use crate::supervisor::{Ears, Setup, Supervisor};
use crate::{osc_server, render};

/// Runs an engine until it is told to end.
///
/// # Errors
/// Whatever keeps it from starting, as a sentence.
pub fn run(args: &RunArgs) -> Result<ExitCode, Box<dyn Error>> {
    process_title::name_thread("chronus");
    let patch = read_patch(args.patch.as_deref())?;
    if args.watch && args.patch.is_none() {
        return Err("there is no file to watch; give one with --patch FILE".into());
    }
    let device = chronus_output::connect(&args.output, &device_options(args))?;
    if let Some(note) = device.note() {
        tracing::warn!("{note}");
    }
    let kick = Kick::new()?;
    let (end, end_writer) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, end_writer.try_clone()?)?;
    }
    // A file that may grow no further costs a recording or the journal, never the sound.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let address = osc_address(args.osc)?;
    let port = osc_server::Port::open(address).map_err(|error| {
        format!("can't listen on {address} ({error}); is another engine running? try --osc 127.0.0.1:5006")
    })?;
    let rate_hz = device.rate_hz();
    let shelf = Arc::new(region::create_shelf()?);
    let (patcher, plan, score, line) = Patcher::new(
        patcher::Start {
            patch,
            file: args.patch.clone(),
            folder: patches_folder(args),
            in_real_time: !args.free_run,
            allow_chaos: args.allow_chaos,
            rate_hz,
            shelf: shelf.clone(),
        },
        kick.try_clone()?,
    )?;
    let replies = port.replies()?;
    let directory = patcher.directory();
    let patches = patcher.serve(replies.clone())?;
    if let Some(path) = args.patch.as_ref().filter(|_| args.watch) {
        patcher::watch::watch(path.clone(), patches.clone())?;
    }
    let incoming = port.serve(directory, patches, kick.try_clone()?)?;
    tracing::info!("listening for OSC on udp://{address}");
    let setup = Setup {
        lead_blocks: args.lead,
        replicas: usize::from(args.replicas),
        allow_chaos: args.allow_chaos,
        free_run: args.free_run,
        end_frame: args.seconds.map(|seconds| (seconds.max(0.0) * f64::from(rate_hz)) as u64),
        journal: args.journal.clone(),
        plan,
        score,
        shelf,
        line,
        // Absolute, so that players elsewhere can tell where their files are.
        recordings: std::path::absolute(&args.recordings)?,
        record_format: args.record_format,
    };
    let ears = Ears { incoming, kick, end, replies };
    let mut supervisor = Supervisor::new(setup, ears, device).map_err(|error| {
        format!("can't set the engine up: {error}; is the journal's folder writable?")
    })?;
    supervisor.run()?;
    Ok(ExitCode::SUCCESS)
}

fn device_options(args: &RunArgs) -> Options {
    let free_run = args.free_run;
    Options {
        rate_hz: args.rate,
        period_frames: args.period,
        free_run,
        capture: args.capture.clone(),
        client_name: "chronus".into(),
        on_audio_thread: Some(Arc::new(move || {
            sched::set_least_timer_slack();
            // A device without a clock would starve everything else of the same class.
            if !free_run {
                let _ = sched::set_fifo(priority::AUDIO);
            }
        })),
        ..Options::default()
    }
}

/// Where patches are loaded from and saved to: as given, or where the patch lies.
fn patches_folder(args: &RunArgs) -> PathBuf {
    let of_patch = || args.patch.as_deref().and_then(Path::parent).map(Path::to_owned);
    let folder = args.patches.clone().or_else(of_patch).unwrap_or_default();
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}

/// Reads a patch file, or takes the built-in patch.
fn read_patch(path: Option<&Path>) -> Result<Patch, Box<dyn Error>> {
    path.map_or_else(|| Ok(Patch::first()), read_patch_file)
}

/// Reads a patch file.
///
/// # Errors
/// If it can't be read, or is not a patch: as a sentence with the place of the mistake.
pub fn read_patch_file(path: &Path) -> Result<Patch, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("can't read the patch {}: {error}", path.display()))?;
    Ok(Patch::parse(&text, &path.display().to_string())?)
}

/// Renders a journal or a patch to a file.
///
/// # Errors
/// Whatever keeps it from being rendered, as a sentence.
pub fn render(args: &RenderArgs) -> Result<ExitCode, Box<dyn Error>> {
    let mut performance = if Journal::is_one(&args.input) {
        let journal = Journal::read(&args.input)?;
        if !journal.complete {
            eprintln!("chronus: the journal was not closed in order; rendering what it holds");
        }
        Performance::of_journal(journal)?
    } else {
        let rate_hz = args.rate.unwrap_or(48_000);
        let folder = args.input.parent().map(Path::to_owned).unwrap_or_default();
        Performance::of_patch(read_patch_file(&args.input)?, folder, rate_hz)?
    };
    if let Some(rate_hz) = args.rate.filter(|rate_hz| *rate_hz != performance.rate_hz) {
        let played_hz = performance.rate_hz;
        performance.move_to_rate(rate_hz);
        eprintln!(
            "chronus: this was played at {played_hz} Hz; at {rate_hz} Hz it sounds alike, but not bit for bit"
        );
    }
    if let Some(seconds) = args.seconds {
        performance.frames = (seconds.max(0.0) * f64::from(performance.rate_hz)).round() as u64;
    }
    let (frames, rate_hz) = (performance.frames, performance.rate_hz);
    if let Some(folder) = &args.stems {
        for path in render::render_stems(performance.clone(), folder)? {
            println!("{}: {frames} frames at {rate_hz} Hz", path.display());
        }
    }
    if let Some(path) = &args.output {
        render::render_to_wav(performance, path)?;
        println!("{}: {frames} frames at {rate_hz} Hz", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
