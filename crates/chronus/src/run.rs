//! `chronus run` and `chronus render`: from the command line to an engine that plays.

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chronus_engine::Patch;
use chronus_os::memfd::Memfd;
use chronus_os::sched::{self, priority};
use chronus_os::wake::Kick;
use chronus_os::{child, process_title};
use chronus_output::Options;
use signal_hook::consts::{SIGTERM, SIGXFSZ};

use crate::cli::{RenderArgs, RunArgs, SupervisorArgs};
use crate::estate::Estate;
use crate::journal::{Journal, Score};
use crate::legacy::{self, Found, Legacy};
use crate::patcher::{self, Line, Patcher};
use crate::playback::Regions;
use crate::render::Performance;
use crate::shelf::Plan;
use crate::supervisor::{Beginning, Ears, Memory, Setup, Supervisor};
use crate::{osc_server, render};

/// Runs an engine until it is told to end, as the supervisor that a keeper has started.
///
/// # Errors
/// Whatever keeps it from starting, as a sentence.
pub fn supervise(args: &SupervisorArgs) -> Result<ExitCode, Box<dyn Error>> {
    let (args, keeper) = (&args.run, args.keeper);
    child::die_with_parent(keeper);
    child::leave_terminal_signals_to_parent();
    process_title::name_thread("chronus");
    if args.watch && args.patch.is_none() {
        return Err("there is no file to watch; give one with --patch FILE".into());
    }
    let estate = Estate::take_over()?;
    let (end, end_writer) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, end_writer)?;
    // A file that may grow no further costs a recording or the journal, never the sound.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let Estate { log, slots, ledger, kick, port, .. } = estate;
    let shelf = Arc::new(estate.shelf);
    let regions = Regions::map(&log, &slots, &ledger)?;
    let legacy = match legacy::find(&regions, &ledger, &shelf) {
        Found::Nothing => None,
        Found::Legacy(legacy) => Some(legacy),
        Found::Ruin(why) => return Err(why.into()),
    };
    for remark in legacy.iter().flat_map(|legacy| &legacy.remarks) {
        tracing::error!("what the supervisor before has left is damaged: {remark}");
    }
    let rate_hz = legacy.as_ref().map(|legacy| legacy.journal.rate_hz);
    let device = chronus_output::connect(&args.output, &device_options(args, rate_hz))?;
    if let Some(note) = device.note() {
        tracing::warn!("{note}");
    }
    let (patcher, beginning, line) = begin(args, device.rate_hz(), (&regions, &shelf), legacy, &kick)?;
    let port = osc_server::Port::new(port);
    let address = port.address()?;
    let replies = port.replies()?;
    let directory = patcher.directory();
    let patches = patcher.serve(replies.clone())?;
    if let Some(path) = args.patch.as_ref().filter(|_| args.watch) {
        patcher::watch::watch(path.clone(), patches.clone())?;
    }
    let incoming = port.serve(directory, patches, kick.try_clone()?)?;
    tracing::info!("listening for OSC on udp://{address}");
    let rate_hz = f64::from(device.rate_hz());
    let setup = Setup {
        lead_blocks: args.lead,
        replicas: usize::from(args.replicas),
        allow_chaos: args.allow_chaos,
        free_run: args.free_run,
        end_frame: args.seconds.map(|seconds| (seconds.max(0.0) * rate_hz) as u64),
        journal: args.journal.clone(),
        beginning,
        shelf,
        memory: Memory { log, slots },
        ledger,
        regions,
        keeper,
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

/// The patcher, with the patch of the command line or with what another supervisor has left.
fn begin(
    args: &RunArgs,
    rate_hz: u32,
    (regions, shelf): (&Regions, &Arc<Memfd>),
    legacy: Option<Box<Legacy>>,
    kick: &Kick,
) -> Result<(Patcher, Beginning, Line), Box<dyn Error>> {
    let kick = kick.try_clone()?;
    let start = |patch| patcher::Start {
        patch,
        file: args.patch.clone(),
        folder: patches_folder(args),
        in_real_time: !args.free_run,
        rate_hz,
        shelf: shelf.clone(),
    };
    let Some(legacy) = legacy else {
        let patch = read_patch(args.patch.as_deref())?;
        let (patcher, first, line) = Patcher::new(start(patch), kick)?;
        return Ok((patcher, Beginning::Anew(first), line));
    };
    let played_hz = legacy.journal.rate_hz;
    if played_hz != rate_hz {
        return Err(format!(
            "the output runs at {rate_hz} Hz, but what is played at {played_hz} Hz; let it run as before"
        )
        .into());
    }
    let with_text = |plan: &Plan, score: &Score| plan.patch.clone().with_text(score.text.clone());
    let under_way = legacy.under_way.as_ref().map(|(revision, _)| revision);
    let last = under_way.or(legacy.pending_edit.as_ref());
    let plan = under_way.map_or(&legacy.plan, |revision| &revision.plan);
    let left = patcher::Left {
        shelf: legacy::shelf_of(regions, shelf, &legacy.plan),
        number: regions.ledger.editions().map(|edition| edition.number).max().unwrap_or(0),
        base: legacy.score.folder.clone(),
        before: last.map(|revision| {
            let (plan, score) = &revision.before;
            (revision.edition.number, with_text(plan, score))
        }),
    };
    let patch = with_text(plan, &legacy.score);
    let (patcher, line) = Patcher::taking_over(start(patch), left, kick);
    Ok((patcher, Beginning::TakenOver(legacy), line))
}

/// `taken_over_hz`: the rate of what another supervisor has played.
fn device_options(args: &RunArgs, taken_over_hz: Option<u32>) -> Options {
    let free_run = args.free_run;
    Options {
        rate_hz: taken_over_hz.or(args.rate),
        goes_on: taken_over_hz.is_some(),
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
