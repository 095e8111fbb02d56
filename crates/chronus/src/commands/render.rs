//! `chronus render`: a journal or a patch as a file.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use crate::commands::cli::RenderArgs;
use crate::commands::files::{self, Refusal, Use};
use crate::content::allowed::Allowed;
use crate::patch_file::read_patch_file;
use crate::rendering::{self, Transcript};
use chronus_engine::SOUND_VERSION;
use chronus_journal::Journal;

/// Renders a journal or a patch to a file.
///
/// # Errors
/// Whatever keeps it from being rendered, as a sentence.
pub fn run(args: &RenderArgs) -> Result<ExitCode, Box<dyn Error>> {
    let is_journal = Journal::is_one(&args.input);
    let (mut transcript, is_whole) = read_performance(args, is_journal)?;
    keep_files_apart(args, &transcript)?;
    if let Some(rate_hz) = args.rate.filter(|rate_hz| *rate_hz != transcript.rate_hz) {
        let played_hz = transcript.rate_hz;
        transcript.move_to_rate(rate_hz);
        eprintln!(
            "chronus: this was played at {played_hz} Hz; at {rate_hz} Hz it sounds alike, but not bit for bit"
        );
    }
    if let Some(seconds) = args.seconds {
        transcript.frames = (seconds * f64::from(transcript.rate_hz)).round() as u64;
    }
    let (frames, rate_hz) = (transcript.frames, transcript.rate_hz);
    let mut rendered = Vec::new();
    if let Some(folder) = &args.stems {
        rendered.push(rendering::render_stems(transcript.clone(), folder)?);
    }
    if let Some(path) = &args.output {
        rendered.push(rendering::render_to_wav(transcript, path)?);
    }
    for (path, peak) in rendered.iter().flat_map(|rendered| &rendered.files) {
        println!("{}: {frames} frames at {rate_hz} Hz, {peak}", path.display());
    }
    if let Some(unsound) = rendered.iter().find_map(|rendered| rendered.unsound.as_ref()) {
        eprintln!("chronus: {unsound}; while it is played, a module is bypassed for that");
    }
    if !is_journal && rendered.iter().flat_map(|it| &it.files).all(|(_, peak)| peak.is_silent()) {
        eprintln!(
            "chronus: all of it is silent. Nobody plays a patch that is rendered by itself: no gate opens and no note \
             begins but those of its own sequencers; play it with `chronus run --journal FILE`, and render that"
        );
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads what is to be rendered, and whether nothing of it is damaged.
fn read_performance(
    args: &RenderArgs,
    is_journal: bool,
) -> Result<(Transcript, bool), Box<dyn Error>> {
    if is_journal {
        let journal = Journal::read(&args.input)?;
        tell_what_is_missing(&journal);
        let is_whole = journal.damage.is_none();
        return Ok((Transcript::of_journal(journal)?, is_whole));
    }
    let rate_hz = args.rate.unwrap_or(48_000);
    let folder = args.input.parent().unwrap_or(Path::new(""));
    let allowed = Allowed::all();
    let patch = read_patch_file(&args.input)?;
    let mut remarks = patch.remarks();
    let transcript = Transcript::of_patch(patch, folder, &allowed, rate_hz, &mut remarks)?;
    for remark in remarks {
        eprintln!("chronus: {remark}");
    }
    Ok((transcript, true))
}

fn tell_what_is_missing(journal: &Journal) {
    let (unread, frame) = (journal.unread_bytes, journal.last_frame());
    let known = journal.frames;
    if !journal.is_exact() {
        let (sound, own) = (journal.sound, SOUND_VERSION);
        let which = journal.program.as_ref().map_or_else(
            || "a chronus of the time when it was played".to_owned(),
            |program| format!("chronus {program}"),
        );
        eprintln!(
            "chronus: this was played with sound version {sound}, and this program has {own}: it sounds alike, though not \
             bit for bit (see the changelog); {which} renders it exactly"
        );
    }
    if let Some(what) = journal.damage {
        eprintln!(
            "chronus: {what} in the journal, after frame {frame}; rendering the {known} frames that it says were played \
             before, and {unread} bytes from there on are not read"
        );
    } else if !journal.complete {
        eprintln!("chronus: the journal was not closed in order; rendering what it holds");
    } else if unread > 0 {
        eprintln!(
            "chronus: after the end of the journal there are {unread} bytes that do not belong to it"
        );
    }
}

/// Refuses to write over what is rendered, or one thing over the other.
fn keep_files_apart(args: &RenderArgs, transcript: &Transcript) -> Result<(), Refusal> {
    let recordings = transcript.recordings();
    let recordings = recordings.iter().map(|path| ("a recording that it plays", path.as_path()));
    let input = ("what is to be rendered", args.input.as_path());
    let sources: Vec<Use> = recordings.chain([input]).collect();
    let stems = args.stems.as_deref();
    let stems = stems.map(|folder| transcript.stem_files(folder)).unwrap_or_default();
    let stems = stems.values().map(|path| ("the stem", path.as_path()));
    let output = args.output.as_deref().map(|path| ("--output", path));
    files::keep_apart(&sources, &stems.chain(output).collect::<Vec<_>>())
}
