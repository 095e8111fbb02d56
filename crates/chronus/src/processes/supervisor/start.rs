//! `chronus supervisor`: from what the keeper hands over to an engine that plays.

use std::error::Error;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chronus_engine::Patch;
use chronus_os::memfd::Memfd;
use chronus_os::sched::{self, priority};
use chronus_os::wake::Notifier;
use chronus_os::{child, process_title};
use chronus_output::Options;
use signal_hook::consts::SIGTERM;

use crate::commands::cli::{RunArgs, SupervisorArgs};
use crate::content::allowed::Allowed;
use crate::content::kept::{self, Keeping};
use crate::control::adapters::{Adapters, Window};
use crate::control::outbox::{Outbox, Post};
use crate::control::port::Inbox;
use crate::osc::adapter::Osc;
use crate::osc::sockets::Sockets;
use crate::patch_file::read_patch;
use crate::patcher::{self, Line, Patcher};
use crate::persistence::handover::Handover;
use crate::persistence::recovery::{self, Found, Recovery, Remains};
use crate::persistence::regions::Regions;
use crate::persistence::service;
use crate::persistence::shared_assets::{PackedPatch, Stock};
use crate::processes::adapters::AdapterSpec;
use crate::processes::lead;
use crate::processes::supervisor::{
    Beginning, Inputs, Memory, Questions, Setup, Supervisor, Unfinished,
};
use chronus_journal::Score;

/// Runs an engine until it is told to end, as the supervisor that a keeper has started.
///
/// # Errors
/// Whatever keeps it from starting, as a sentence.
pub fn run(args: &SupervisorArgs) -> Result<ExitCode, Box<dyn Error>> {
    let (args, keeper) = (&args.run, args.keeper);
    child::die_with_parent(keeper);
    child::mind_no_meaningless_signals();
    child::leave_to_parent(&child::ENDS_OF_A_TERMINAL);
    child::crash_by_default_action();
    process_title::name_thread("chronus");
    if args.watch && args.patch.is_none() {
        return Err("there is no file to watch; give one with --patch FILE".into());
    }
    let handover = Handover::take_over()?;
    let (end, end_writer) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, end_writer)?;
    let Handover { log, slots, ledger, notifier, sockets, children, journal, adapters, .. } =
        handover;
    let assets = Arc::new(handover.assets);
    let regions = Regions::map(&log, &slots, &ledger)?;
    let found = recovery::find(&regions, &ledger, &assets);
    found.say();
    let device = chronus_output::connect(
        &args.output,
        &device_options(args, &found, notifier.try_clone()?),
    )?;
    if let Some(note) = device.note() {
        tracing::warn!("{note}");
    }
    let patch = read_patch(args.patch.as_deref());
    let start = patcher::Start {
        file: args.patch.clone(),
        folder: patches_folder(args),
        in_real_time: !args.free_run,
        allow_chaos: args.allow_chaos,
        rate_hz: device.rate_hz(),
        assets: assets.clone(),
        stock: stock(args, patch.as_ref().ok(), &assets)?,
        ledger: regions.ledger.clone(),
        ports: if args.adapter.is_empty() { 1 } else { 2 },
    };
    let keeping = start.stock.kept.clone();
    let (patcher, beginning, line) = match found {
        Found::Nothing => begin(patch, start, None, &notifier)?,
        Found::Recovery(recovery) => take_over(*recovery, start, &regions, &notifier)?,
        Found::Ruin(ruin) => {
            recovery::clear(&children, [&log, &slots], &ledger, &regions)?;
            begin(patch, start, ruin.remains, &notifier)?
        }
    };
    let shown = ([&log, &slots, &ledger], device.rate_hz());
    let (inbox, post) = open_ports(args, patcher, (sockets, adapters), shown, &notifier)?;
    let told = service::Output::default();
    told.tell(&device.describe());
    service::accompany(regions.ledger.clone(), told.clone())?;
    let rate_hz = f64::from(device.rate_hz());
    // Absolute, so that players elsewhere can tell where their files are.
    let recordings = std::path::absolute(&args.recordings).map_err(|error| {
        format!(
            "can't tell where --recordings {} is: {error}; give a folder that begins with /",
            args.recordings.display()
        )
    })?;
    let unfinished = Unfinished::find(&regions.ledger, &recordings);
    let played = lead::Played {
        rate_hz: device.rate_hz(),
        replicas: usize::from(args.replicas),
        free_run: args.free_run,
        goes_on: beginning.is_taken_over(),
    };
    let setup = Setup {
        lead_blocks: lead::settle(args.lead, &regions.ledger.playback, &played),
        replicas: usize::from(args.replicas),
        allow_chaos: args.allow_chaos,
        free_run: args.free_run,
        end_frame: args.seconds.map(|seconds| ((seconds * rate_hz).round() as u64).max(1)),
        journal: args.journal.clone().map(|path| (path, journal)),
        beginning,
        assets,
        // Workers can't even ask for writing into the log.
        memory: Memory { log: Memfd::adopt(log.read_only()?)?, slots },
        ledger,
        regions,
        keeper,
        children,
        line,
        unfinished,
        recordings,
        record_format: args.record_format,
        told,
    };
    let inputs = Inputs { inbox, notifier, end, post, questions: Questions::default() };
    let mut supervisor = Supervisor::new(setup, inputs, device)
        .map_err(|error| format!("can't set the engine up: {error}"))?;
    supervisor.run()?;
    if let Some((keeping, _)) = keeping {
        keeping.finish();
    }
    Ok(ExitCode::SUCCESS)
}

/// Has clients reach this supervisor, by OSC and by adapters that are processes of their own.
fn open_ports(
    args: &RunArgs,
    patcher: Patcher,
    (sockets, adapters): (Sockets, Vec<OwnedFd>),
    (memory, rate_hz): ([&Memfd; 3], u32),
    notifier: &Notifier,
) -> Result<(Inbox, Post), Box<dyn Error>> {
    let osc = Osc::new(sockets)?;
    let granted = args.adapter.iter().map(AdapterSpec::may);
    let adapters = Adapters::new(adapters.into_iter().zip(granted).collect());
    let outbox = Outbox::new([osc.sink()].into_iter().chain(adapters.sinks()).collect());
    let (mut ports, file_watch) = patcher.serve(outbox.clone())?;
    if args.watch {
        patcher::watch::watch(file_watch)?;
    }
    let mut inbox = Inbox::default();
    if !adapters.is_empty()
        && let Some(port) = ports.pop()
    {
        // They have no priority, so nobody waits for what they are about to hand on.
        let intake = inbox.open(port, notifier.try_clone()?, Box::new(|| false));
        let memory = memory.map(Memfd::read_only).into_iter().collect::<io::Result<Vec<_>>>();
        let served = memory
            .and_then(|memory| adapters.serve(intake, outbox.clone(), Window { memory, rate_hz }));
        // The sound does not depend on them.
        if let Err(error) = served {
            tracing::error!("adapters are not heard until another supervisor begins: {error}");
        }
    }
    let places = osc.describe();
    if let Some(port) = ports.pop() {
        let intake = inbox.open(port, notifier.try_clone()?, osc.has_arrived());
        osc.serve(intake, outbox.clone(), !args.free_run)?;
    }
    tracing::info!("listening for OSC on {places}");
    Ok((inbox, Post::start(outbox)?))
}

/// Where recordings come from, and where they are kept if there is a journal. What the patch of the command line names
/// is allowed wherever it lies: the player has named it.
fn stock(args: &RunArgs, patch: Option<&Patch>, assets: &Arc<Memfd>) -> std::io::Result<Stock> {
    let own = args.patch.as_deref().and_then(Path::parent).map(Path::to_owned);
    let mut allowed = Allowed::new([patches_folder(args)].into_iter().chain(own.clone()));
    if let (Some(own), Some(patch)) = (own, patch) {
        allowed = allowed.with_files_of(patch, &own);
    }
    let keep = |journal: &PathBuf| {
        let folder = std::path::absolute(kept::folder_of(journal))?;
        Ok::<_, std::io::Error>((Keeping::start(folder.clone(), assets.clone())?, folder))
    };
    let kept = args.journal.as_ref().map(keep).transpose()?;
    Ok(Stock { allowed, memory_bytes: args.sample_memory << 20, kept })
}

/// The patcher, with the patch of the command line or with what remains of another performance.
fn begin(
    patch: Result<Patch, Box<dyn Error>>,
    start: patcher::Start,
    remains: Option<Remains>,
    notifier: &Notifier,
) -> Result<(Patcher, Beginning, Line), Box<dyn Error>> {
    let notifier = notifier.try_clone()?;
    let (patch, left, gestures) = match remains {
        Some(Remains { patch, base, packed, gestures }) => (patch, Some((base, packed)), gestures),
        None => (patch?, None, Vec::new()),
    };
    let (patcher, first, line) = Patcher::new(start, patch, left, notifier)?;
    Ok((patcher, Beginning::Anew(Box::new(first), gestures), line))
}

/// The patcher, with what another supervisor has left.
fn take_over(
    recovery: Recovery,
    start: patcher::Start,
    regions: &Regions,
    notifier: &Notifier,
) -> Result<(Patcher, Beginning, Line), Box<dyn Error>> {
    let (played_hz, rate_hz) = (recovery.journal.rate_hz, start.rate_hz);
    if played_hz != rate_hz {
        return Err(format!(
            "the output runs at {rate_hz} Hz, but what is played at {played_hz} Hz; let it run as before"
        )
        .into());
    }
    let with_text =
        |packed: &PackedPatch, score: &Score| packed.patch.clone().with_text(score.text.clone());
    let under_way = recovery.under_way.as_ref().map(|(revision, _)| revision);
    let playing = &recovery.performance.edition;
    let last = under_way.or(recovery.pending_edit.as_ref());
    let packed = under_way.map_or(playing, |revision| &revision.packed);
    let mut assets =
        recovery::shared_assets_of(regions, &start.assets, start.stock.clone(), playing);
    assets.needs(&recovery.committed.performance.edition, playing);
    if let Some(revision) = last {
        assets.needs(&revision.edition, &revision.packed);
    }
    let left = patcher::Left {
        patch: with_text(packed, &recovery.score),
        assets,
        number: regions.ledger.editions().map(|edition| edition.number).max().unwrap_or(0),
        base: recovery.score.folder.clone(),
        before: last.map(|revision| {
            let (packed, score) = &revision.before;
            (revision.edition.number, with_text(packed, score))
        }),
        base_before: last.map_or(&recovery.score, |revision| &revision.before.1).folder.clone(),
    };
    let (patcher, line) = Patcher::taking_over(start, left, notifier.try_clone()?);
    Ok((patcher, Beginning::TakenOver(Box::new(recovery)), line))
}

fn device_options(args: &RunArgs, found: &Found, notifier: Notifier) -> Options {
    let free_run = args.free_run;
    let played_hz = match found {
        Found::Recovery(recovery) => Some(recovery.journal.rate_hz),
        Found::Nothing | Found::Ruin(_) => args.rate,
    };
    Options {
        rate_hz: played_hz,
        goes_on: !matches!(found, Found::Nothing),
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
        on_news: Some(Arc::new(move || notifier.raise())),
        ..Options::default()
    }
}

/// Where patches are loaded from and saved to: as given, or where the patch lies.
fn patches_folder(args: &RunArgs) -> PathBuf {
    let of_patch = || args.patch.as_deref().and_then(Path::parent).map(Path::to_owned);
    let folder = args.patches.clone().or_else(of_patch).unwrap_or_default();
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}
