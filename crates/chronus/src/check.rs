//! `chronus check`: whether patch files are right, without playing them.

use std::path::Path;
use std::process::ExitCode;

use chronus_engine::Patch;

use crate::cli::CheckArgs;
use crate::content::open::Allowed;
use crate::log::counted;
use crate::run::read_patch_file;
use crate::shelf::Sources;

/// Prints a line for each file: what is in it, or its first mistake and where that is. Fails if any
/// has one.
pub fn run(args: &CheckArgs) -> ExitCode {
    let allowed = Allowed::all();
    let mut all_fine = true;
    for path in &args.files {
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut remarks = Vec::new();
        let patch = read_patch_file(path).and_then(|patch| {
            let read = Sources::of_patch(patch, folder, &allowed, &mut remarks);
            Ok(read.map_err(|reason| format!("{}: {reason}", path.display()))?.0)
        });
        match patch {
            Ok(patch) => {
                println!("{}: fine, {}", path.display(), contents(&patch));
                for warning in warnings(&patch).into_iter().chain(remarks) {
                    println!("{}: {warning}", path.display());
                }
            }
            Err(error) => {
                println!("{error}");
                all_fine = false;
            }
        }
    }
    if all_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is no mistake, and can hardly be meant.
fn warnings(patch: &Patch) -> Vec<String> {
    let mut warnings = Vec::new();
    for module in patch.modules() {
        let (id, spec) = (module.id(), module.spec());
        let is_needed = spec.recording.is_some_and(|recording| recording.is_needed);
        if is_needed && module.file().is_none_or(str::is_empty) {
            let kind = spec.kind;
            warnings.push(format!(
                "mind that `{id}`, a `{kind}`, stays silent; give it a `file = \"NAME.wav\"`"
            ));
        }
    }
    warnings
}

/// How much a patch holds, as a phrase: "3 modules, 1 cable".
pub fn contents(patch: &Patch) -> String {
    let (modules, cables) = (patch.modules().len() as u64, patch.cables().len() as u64);
    let parts = format!("{}, {}", counted(modules, "module"), counted(cables, "cable"));
    match patch.trial() {
        None => parts,
        Some(trial) => {
            let (id, kind) = (trial.id(), trial.spec().kind);
            format!("{parts}; `{id}`, a `{kind}`, is played only with --allow-chaos")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(modules: &str) -> Patch {
        let text =
            format!("format = 1\n{modules}\n[output]\nleft = \"a.OUT\"\nright = \"a.OUT\"\n");
        let text = text.replace("OUT", if modules.contains("sample") { "left" } else { "out" });
        Patch::parse(&text, "a.toml").unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_player_without_a_recording_is_warned_of() {
        let silent = patch("[[module]]\nid = \"a\"\nkind = \"sample\"");
        let expected = "mind that `a`, a `sample`, stays silent; give it a `file = \"NAME.wav\"`";
        assert_eq!(warnings(&silent), [expected]);
        let file = patch("[[module]]\nid = \"a\"\nkind = \"sample\"\nfile = \"a.wav\"");
        assert!(warnings(&file).is_empty());
        let table = patch("[[module]]\nid = \"a\"\nkind = \"wavetable\"");
        assert!(warnings(&table).is_empty(), "it has tables of its own");
        assert_eq!(contents(&table), "1 module, 0 cables");
    }
}
