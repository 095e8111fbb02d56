//! The files that a command line names: which of them may be written, and what becomes of those that are
//! there already. A slip of the finger must not cost a patch or an evening.

use std::fmt::Display;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chronus_os::peer::UnixName;
use chronus_output::{Options, OutputSpec, numbering};
use rustix::fs::Access;

use crate::cli::RunArgs;
use crate::content::open;
use crate::osc_address::Places;
use crate::socket_file::why_no_socket;

/// A command line that can't be meant, as a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

/// Whether two names lead to one file, however they are spelled. Files that are not there yet are told by
/// their folder and name; what is no file, such as /dev/null, may be given twice.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |found: Metadata| found.is_file().then(|| (found.dev(), found.ino()));
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => identity(one).is_some_and(|one| identity(other) == Some(one)),
        (Err(_), Err(_)) => is_same_place(one, other),
        _ => false,
    }
}

fn is_same_place(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let folder = fs::canonicalize(folder_of(path)).ok()?;
        Some(folder.join(path.file_name()?))
    };
    one == other || place(one).is_some_and(|one| place(other) == Some(one))
}

/// The folder in which a file lies, or would.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

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
        && let Err(why) = open::check(&found)
    {
        return Err(Refusal(unreadable(path, &why)));
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

/// Reads as many bytes as there are, and returns how many.
///
/// # Errors
/// As the system says.
pub fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// A patch file that is longer, in bytes, is none.
const LONGEST_PATCH: u64 = 8 << 20;

/// What a patch file says. Whoever would write into a pipe is not waited for.
///
/// # Errors
/// A sentence with the name of the file, and the place if a byte of it is no text.
pub fn read_patch(path: &Path) -> Result<String, String> {
    match open::regular(path) {
        Ok(opened) => read_opened_patch(opened.file, path),
        Err(why) => Err(unreadable(path, &why)),
    }
}

/// The same of a regular file that was opened; `path` is only named.
///
/// # Errors
/// As [`read_patch`].
pub fn read_opened_patch(file: File, path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = file.take(LONGEST_PATCH + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > LONGEST_PATCH {
        let why = format!("it is longer than {LONGEST_PATCH} bytes, as no patch is");
        return Err(unreadable(path, &why));
    }
    text_of(bytes, &path.display().to_string())
}

/// What is told of a patch file that can't be read.
pub fn unreadable(path: &Path, why: &dyn Display) -> String {
    format!("can't read the patch {}: {why}", path.display())
}

fn text_of(bytes: Vec<u8>, name: &str) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = String::from_utf8_lossy(&bytes[..at]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let byte = bytes.get(at).copied().unwrap_or_default();
        format!("{name}:{line}:{column}: the byte {byte:#04x} is no UTF-8; save the file as UTF-8")
    })
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

/// Renames a file that is to be written anew to the next name beside it that is free, and returns that. Whoever
/// is still writing it goes on writing it. One that is empty, or no file, stays.
///
/// # Errors
/// If it can't be renamed.
pub fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    if !fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0) {
        return Ok(None);
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let beside = |mut name: String| {
        if let Some(extension) = path.extension() {
            name.push('.');
            name.push_str(&extension.to_string_lossy());
        }
        path.with_file_name(name)
    };
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    let mut names = numbering::following(&stem, 1).map(beside);
    let Some(aside) = names.find(is_free) else { return Ok(None) };
    fs::rename(path, &aside)?;
    Ok(Some(aside))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use clap::Parser;

    use super::*;
    use crate::cli::{Action, Cli};

    fn run(arguments: &[&str]) -> RunArgs {
        let words = ["chronus", "run"].iter().chain(arguments);
        match Cli::try_parse_from(words).map(|cli| cli.command) {
            Ok(Action::Run(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_known_by_whatever_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).expect("a folder");
        fs::write(at("a"), "a").expect("written");
        fs::write(at("b"), "a").expect("written");
        symlink(at("a"), at("link")).expect("linked");
        fs::hard_link(at("a"), at("twin")).expect("linked");
        for other in ["a", "./a", "sub/../a", "link", "twin"] {
            assert!(is_same(&at("a"), &at(other)), "{other}");
        }
        assert!(!is_same(&at("a"), &at("b")));
        assert!(!is_same(&at("a"), &at("new")));
        assert!(is_same(&at("new"), &at("sub/../new")));
        assert!(!is_same(&at("new"), &at("sub/new")));
        assert!(!is_same(Path::new("/dev/null"), Path::new("/dev/null")));
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
    fn what_is_no_text_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        fs::write(&path, b"format = 1\nname = \"\xc3\xa4 \xe4\"\n").expect("written");
        let found = read_patch(&path).expect_err("no text");
        assert!(
            found.ends_with("a.toml:2:11: the byte 0xe4 is no UTF-8; save the file as UTF-8"),
            "{found}"
        );
        let found = read_patch(Path::new("/nowhere/a.toml")).expect_err("no file");
        assert!(found.starts_with("can't read the patch /nowhere/a.toml: No such file"), "{found}");
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

    #[test]
    fn what_is_there_is_set_aside_under_the_next_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("night.journal");
        assert_eq!(set_aside(&path).expect("nothing to do"), None);
        fs::write(&path, "").expect("written");
        assert_eq!(set_aside(&path).expect("nothing to do"), None);
        for count in 1..=2 {
            fs::write(&path, format!("{count}")).expect("written");
            let aside = folder.path().join(format!("night-{count}.journal"));
            assert_eq!(set_aside(&path).expect("renamed"), Some(aside.clone()));
            assert_eq!(fs::read_to_string(aside).expect("kept"), format!("{count}"));
        }
        assert!(!path.exists());
        let numbered = folder.path().join("night-1.journal");
        let next = folder.path().join("night-3.journal");
        assert_eq!(set_aside(&numbered).expect("renamed"), Some(next), "no night-1-1");
        assert_eq!(set_aside(Path::new("/dev/full")).expect("no file"), None);
    }
}
