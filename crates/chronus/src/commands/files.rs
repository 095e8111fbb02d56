//! The files that a command line names: which of them may be written, and what becomes of those that are
//! there already. A slip of the finger must not cost a patch or an evening.

use std::fs;
use std::io;
use std::path::Path;

use chronus_files::{check as check_regular, folder_of, is_same};
use chronus_os::peer::UnixName;
use chronus_output::{Options, OutputSpec};
use rustix::fs::Access;

use crate::commands::cli::RunArgs;
use crate::osc::address::Places;
use crate::osc::socket_file::why_no_socket;
use crate::patch_file::unreadable;
use chronus_control::ADAPTERS_MOST;

/// A command line that can't be meant, as a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

/// A use of a file, such as `--journal` or `--output wav:`, and its name.
pub type Use<'a> = (&'a str, &'a Path);

/// A use as it is typed.
fn typed((usage, path): Use) -> String {
    let space = if usage.ends_with(':') { "" } else { " " };
    format!("{usage}{space}{}", path.display())
}

/// Refuses what would be written over one of the `sources`, or twice.
///
/// # Errors
/// A [`Refusal`].
pub fn keep_apart(sources: &[Use], written: &[Use]) -> Result<(), Refusal> {
    for (index, (usage, path)) in written.iter().enumerate() {
        let typed = typed((usage, path));
        if let Some((what, _)) = sources.iter().find(|(_, source)| is_same(source, path)) {
            return Err(Refusal(format!("{typed} would overwrite {what}; give it another name")));
        }
        if let Some((twin, _)) = written[..index].iter().find(|(_, twin)| is_same(twin, path)) {
            return Err(Refusal(format!(
                "{typed} is written by {twin} already; give one of them another name"
            )));
        }
    }
    Ok(())
}

/// Refuses, before anything is touched, to play to an output or with files that can't be as they are named.
///
/// # Errors
/// A [`Refusal`].
pub fn check(args: &RunArgs) -> Result<(), Refusal> {
    let options = Options {
        rate_hz: args.rate,
        period_frames: args.period,
        free_run: args.free_run,
        ..Options::default()
    };
    chronus_output::check(&args.output, &options).map_err(|why| Refusal(why.to_string()))?;
    // What is not there is told by who reads it, with the rest.
    if let Some(path) = &args.patch
        && let Ok(found) = path.metadata()
        && let Err(why) = check_regular(&found)
    {
        return Err(Refusal(unreadable(path, &why)));
    }
    if args.adapter.len() > ADAPTERS_MOST {
        return Err(Refusal(format!("there may be {ADAPTERS_MOST} adapters; leave some out")));
    }
    let patch = args.patch.as_deref().map(|path| ("the patch that is played", path));
    let output = match &args.output {
        OutputSpec::Wav(path) => Some(("--output wav:", path.as_path())),
        _ => None,
    };
    let journal = args.journal.as_deref().map(|path| ("--journal", path));
    let capture = args.capture.as_deref().map(|path| ("--capture", path));
    let places = Places::of(&args.osc).map_err(Refusal)?;
    let socket = places.unix.as_ref().and_then(UnixName::path);
    let socket = socket.map(|path| ("--osc unix:", path));
    let written: Vec<Use> = [output, journal, capture, socket].into_iter().flatten().collect();
    keep_apart(&patch.into_iter().collect::<Vec<_>>(), &written)?;
    for (usage, path) in written {
        let (typed, folder) = (typed((usage, path)), folder_of(path));
        if path.is_dir() {
            return Err(Refusal(format!("{typed} is a folder; give the name of a file")));
        }
        if !folder.is_dir() {
            return Err(Refusal(format!(
                "{typed} can't be written, for there is no folder {folder}; make it with \
                 `mkdir -p {folder}`, or give a file in another",
                folder = folder.display()
            )));
        }
    }
    if let Some((usage, path)) = socket
        && let Some(why) = fs::symlink_metadata(path).ok().and_then(|found| why_no_socket(&found))
    {
        return Err(Refusal(format!("{}: {why}", typed((usage, path)))));
    }
    if let Some(folder) = args.patches.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(Refusal(format!(
            "--patches {} is no folder; make it, or give the folder where your patches are",
            folder.display()
        )));
    }
    check_recordings(&args.recordings)
}

/// The folder of recordings is made when it is needed, which must not be the moment when it turns out that it
/// can't be.
fn check_recordings(folder: &Path) -> Result<(), Refusal> {
    let shown = folder.display();
    let mut there = folder;
    while fs::symlink_metadata(there).is_err() {
        there = folder_of(there);
    }
    if !there.is_dir() {
        let why = if there == folder { "" } else { "can't be made, for " };
        let there = if there == folder { String::new() } else { format!("{} ", there.display()) };
        return Err(Refusal(format!(
            "--recordings {shown} {why}{there}is no folder; give another"
        )));
    }
    if let Err(error) = rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK) {
        tracing::warn!(
            "nothing can be recorded to {shown}: {}: {}; give a folder that you may write to with \
             --recordings DIR",
            there.display(),
            io::Error::from(error)
        );
    }
    Ok(())
}

/// Refuses to go on where nothing tells of processes: workers are started and watched by it.
///
/// # Errors
/// A sentence.
pub fn need_proc() -> Result<(), String> {
    need_proc_at(Path::new("/proc"))
}

fn need_proc_at(proc: &Path) -> Result<(), String> {
    fs::metadata(proc.join("self/exe")).map(drop).map_err(|error| {
        let shown = proc.display();
        format!(
            "{shown} is not there or tells nothing of this process ({shown}/self/exe: {error}); mount it \
             with `mount -t proc proc {shown}`, or let the container have it"
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::commands::cli::{Action, Cli};

    fn run(arguments: &[&str]) -> RunArgs {
        let words = ["chronus", "run"].iter().chain(arguments);
        match Cli::try_parse_from(words).map(|cli| cli.command) {
            Ok(Action::Run(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_that_would_cost_each_other_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (patch, other, wav) = (at("p.toml"), at("o"), at("a.wav"));
        fs::write(&patch, "x").expect("written");
        fs::write(&other, "x").expect("written");
        let (to_wav, to_patch) = (format!("wav:{wav}"), format!("wav:{patch}"));
        let here = at("");
        for (arguments, sentence) in [
            (vec!["--patch", &patch, "--journal", &patch], "overwrite the patch"),
            (vec!["--patch", &patch, "--capture", &patch], "overwrite the patch"),
            (vec!["--patch", &patch, "--output", &to_patch], "overwrite the patch"),
            (vec!["--journal", &other, "--capture", &other], "by --journal already"),
            (vec!["--output", &to_wav, "--journal", &wav], "by --output wav: already"),
            (vec!["--journal", "/nonexist/x"], "there is no folder /nonexist"),
            (vec!["--journal", &here], "is a folder"),
            (vec!["--patches", &other], "is no folder"),
            (vec!["--recordings", &other], "is no folder"),
            (vec!["--recordings", &format!("{other}/takes")], "o is no folder"),
        ] {
            let refused = check(&run(&arguments)).expect_err(sentence).to_string();
            assert!(refused.contains(sentence), "{arguments:?}: {refused}");
        }
        let takes = at("takes");
        let good =
            ["--patch", &patch, "--journal", &other, "--output", &to_wav, "--patches", &here];
        check(&run(&[&good[..], &["--recordings", &takes]].concat())).expect("nothing is amiss");
    }

    #[test]
    fn a_system_without_proc_is_told() {
        need_proc().expect("tests need it, too");
        let why = need_proc_at(Path::new("/nowhere")).expect_err("it is not there");
        assert!(
            why.contains("/nowhere/self/exe: No such file") && why.contains("mount -t proc"),
            "{why}"
        );
    }
}
