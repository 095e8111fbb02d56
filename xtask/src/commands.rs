//! `cargo xtask check commands`: the command lines that documents show are run as they are written.
//!
//! A block is run if its fence says so, by `sh run` where others say `sh`. It needs no sound device, no root, and no
//! engine but those it starts. Each of its lines is a command for `sh`; one that ends with a backslash goes on in the next
//! line. The blocks of a document are run from top to bottom in one folder, which holds a copy of `patches/` and the
//! program, as `target/release/chronus` and first in PATH. A command fails by its status, or by taking a minute.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use rustix::process::{Pid, Signal, kill_process_group};

/// What the fence of a block that is run says.
const RUN: &str = "sh run";
/// No command takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where output of the command goes, beside the folder that it runs in.
const OUTPUT: &str = "output";

/// A command line of a document.
#[derive(Debug, PartialEq)]
struct Shown {
    /// The line of the document, counted from 1.
    line: usize,
    text: String,
}

/// Runs them all, even if some fail; whether all went well.
pub fn run() -> Result<bool, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let program = env::current_exe()?.with_file_name("chronus");
    let (mut count, mut failed) = (0, 0);
    for document in documents(&root)? {
        let shown = shown_in(&fs::read_to_string(root.join(&document))?);
        if shown.is_empty() {
            continue;
        }
        let place = Place::new(&root, &program)?;
        for Shown { line, text } in shown {
            count += 1;
            if let Some(mistake) = place.mistake_of(&text)? {
                failed += 1;
                println!("{}:{line}: {mistake}: {text}\n{}", document.display(), place.output()?);
            }
        }
    }
    println!("{count} commands of documents, {failed} failed");
    Ok(count > 0 && failed == 0)
}

/// The documents, from the root on.
fn documents(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md"].map(PathBuf::from).into();
    for entry in fs::read_dir(root.join("docs"))? {
        let name = entry?.file_name();
        if Path::new(&name).extension().is_some_and(|it| it == "md") {
            found.push(Path::new("docs").join(name));
        }
    }
    found.sort();
    Ok(found)
}

/// The command lines in blocks that are run.
fn shown_in(document: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    // What the fence of the block says, and whether the next line goes on with the last.
    let (mut block, mut goes_on) = (None, false);
    for (index, text) in document.lines().enumerate() {
        let text = text.trim();
        if let Some(info) = text.strip_prefix("```") {
            block = if block.is_none() { Some(info.trim()) } else { None };
            goes_on = false;
            continue;
        }
        if block != Some(RUN) {
            continue;
        }
        let part = text.strip_suffix('\\');
        let ends = part.is_none();
        let part = part.unwrap_or(text);
        match shown.last_mut().filter(|_| goes_on) {
            Some(before) => before.text.push_str(part),
            None if part.is_empty() || part.starts_with('#') => {}
            None => shown.push(Shown { line: index + 1, text: part.to_owned() }),
        }
        goes_on = !ends;
    }
    shown
}

/// A folder in which the commands of a document are run.
struct Place {
    folder: tempfile::TempDir,
    path: OsString,
}

impl Place {
    fn new(root: &Path, program: &Path) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let here = folder.path().join("here");
        let built = here.join("target/release");
        fs::create_dir_all(&built)?;
        symlink(program, built.join("chronus"))?;
        copy(&root.join("patches"), &here.join("patches"))?;
        let others = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([built].into_iter().chain(env::split_paths(&others)))?;
        Ok(Self { folder, path })
    }

    /// Runs a command; what is wrong with it, if anything is.
    fn mistake_of(&self, line: &str) -> io::Result<Option<String>> {
        let output = File::create(self.folder.path().join(OUTPUT))?;
        let mut child = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.folder.path().join("here"))
            .env("PATH", &self.path)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()?;
        Ok(match end_of(&mut child)? {
            Some(status) if status.success() => None,
            Some(status) => Some(status.to_string()),
            None => Some(format!("no end within {} s", PATIENCE.as_secs())),
        })
    }

    /// What the last command said.
    fn output(&self) -> io::Result<String> {
        fs::read(self.folder.path().join(OUTPUT))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// How a command ends; `None` if it does not, and is ended with all that it has started.
fn end_of(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(10));
    }
    kill_process_group(Pid::from_child(child), Signal::KILL)?;
    child.wait()?;
    Ok(None)
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_that_say_so_are_run_line_by_line() {
        let document = "text\n```sh\nnot this\n```\n```sh run\n# a remark\none  # this\n\ntwo \\\n  three\n```\n\
                        ```text\nsh run\n```\n```sh run\nfour\n```\nfive\n";
        let found = shown_in(document);
        let expected = [(7, "one  # this"), (9, "two three"), (16, "four")];
        let expected = expected.map(|(line, text)| Shown { line, text: text.to_owned() });
        assert_eq!(found, expected);
    }
}
