//! `chronus check`: whether patch files are right, without playing them.

use std::path::Path;
use std::process::ExitCode;

use chronus_engine::Patch;

use crate::cli::CheckArgs;
use crate::run::read_patch_file;
use crate::shelf::find_recordings;

/// Prints a line for each file: what is in it, or its first mistake and where that is. Fails if any
/// has one.
pub fn run(args: &CheckArgs) -> ExitCode {
    let mut all_fine = true;
    for path in &args.files {
        let folder = path.parent().unwrap_or(Path::new(""));
        let patch = read_patch_file(path).and_then(|patch| {
            find_recordings(&patch, folder)
                .map_err(|reason| format!("{}: {reason}", path.display()))?;
            Ok(patch)
        });
        match patch {
            Ok(patch) => println!("{}: fine, {}", path.display(), contents(&patch)),
            Err(error) => {
                println!("{error}");
                all_fine = false;
            }
        }
    }
    if all_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How much a patch holds, as a phrase: "3 modules, 1 cable".
pub fn contents(patch: &Patch) -> String {
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (modules, cables) = (patch.modules().len(), patch.cables().len());
    let parts = format!("{}, {}", count(modules, "module"), count(cables, "cable"));
    match patch.trial() {
        None => parts,
        Some(trial) => {
            let (id, kind) = (trial.id(), trial.spec().kind);
            format!("{parts}; `{id}`, a `{kind}`, is played only with --allow-chaos")
        }
    }
}
