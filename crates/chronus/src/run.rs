//! `chronus run` and `chronus render`: from the command line to an engine that plays.

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chronus_engine::{Directory, Patch};
use chronus_os::process_title;
use chronus_os::sched::{self, priority};
use chronus_os::wake::Kick;
use chronus_output::Options;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

use crate::cli::{RenderArgs, RunArgs};
use crate::client::osc_address;
use crate::journal::Journal;
use crate::supervisor::{Ears, Setup, Supervisor};
use crate::{osc_server, render};

/// Runs an engine until it is told to end.
///
/// # Errors
/// Whatever keeps it from starting, as a sentence.
pub fn run(args: &RunArgs) -> Result<ExitCode, Box<dyn Error>> {
    process_title::name_thread("chronus");
    let patch = read_patch(args.patch.as_deref())?;
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
    let (incoming, replies) = osc_server::open(address, Directory::of(&patch), kick.try_clone()?)
        .map_err(|error| {
            format!("can't listen on {address} ({error}); is another engine running? try --osc 127.0.0.1:5006")
        })?;
    tracing::info!("listening for OSC on udp://{address}");
    let rate_hz = device.rate_hz();
    let setup = Setup {
        lead_blocks: args.lead,
        replicas: usize::from(args.replicas),
        allow_chaos: args.allow_chaos,
        free_run: args.free_run,
        end_frame: args.seconds.map(|seconds| (seconds.max(0.0) * f64::from(rate_hz)) as u64),
        journal: args.journal.clone(),
        // Absolute, so that players elsewhere can tell where their files are.
        recordings: std::path::absolute(&args.recordings)?,
        record_format: args.record_format,
        patch,
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
    let frames_of = |rate_hz: u32| {
        args.seconds.map(|seconds| (seconds.max(0.0) * f64::from(rate_hz)).round() as u64)
    };
    let (patch, rate_hz, entries, frames) = if Journal::is_one(&args.input) {
        let journal = Journal::read(&args.input)?;
        if !journal.complete {
            eprintln!("chronus: the journal was not closed in order; rendering what it holds");
        }
        let frames = frames_of(journal.rate_hz).unwrap_or(journal.frames);
        (journal.patch, journal.rate_hz, journal.entries, frames)
    } else {
        let frames = frames_of(args.rate).unwrap_or(u64::from(args.rate) * 10);
        (read_patch(Some(&args.input))?, args.rate, Vec::new(), frames)
    };
    render::render_to_wav(&patch, rate_hz, &entries, frames, &args.output)?;
    println!("{}: {frames} frames at {rate_hz} Hz", args.output.display());
    Ok(ExitCode::SUCCESS)
}
