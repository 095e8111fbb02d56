//! `chronus check`: whether patch files are right, without playing them.

use std::path::Path;
use std::process::ExitCode;

use chronus_engine::Patch;
use chronus_engine::hints::hints;

use crate::commands::cli::CheckArgs;
use crate::content::{self, allowed::Allowed};
use crate::patch_file::{contents, read_patch_file};
use crate::persistence::shared_assets::Sources;

/// Prints a line for each file: what is in it, and what can hardly be meant; or its mistakes and where they are.
/// Fails if any has one.
pub fn run(args: &CheckArgs) -> ExitCode {
    let allowed = Allowed::all();
    let mut all_fine = true;
    for path in &args.files {
        let mut remarks = Vec::new();
        let patch = read_patch_file(path)
            .map_err(|error| error.to_string())
            .and_then(|patch| with_recordings(patch, path, &allowed, &mut remarks));
        match patch {
            Ok(patch) => {
                println!("{}: fine, {}", path.display(), contents(&patch));
                patch.remarks().iter().for_each(|remark| println!("{remark}"));
                for hint in hints(&patch).iter().map(ToString::to_string).chain(remarks) {
                    println!("{}: {hint}", path.display());
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

/// A patch whose recordings can be had. What else is to be said of them is added to `remarks`.
///
/// # Errors
/// A sentence for each recording that can't, with the place where the patch names it.
fn with_recordings(
    patch: Patch,
    path: &Path,
    allowed: &Allowed,
    remarks: &mut Vec<String>,
) -> Result<Patch, String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let named = recordings_of(&patch, path);
    let read = Sources::of_patch(patch, folder, allowed, remarks);
    read.map(|(patch, _)| patch).map_err(|reason| {
        let why = |(file, place): &(String, String)| {
            let why = content::why_not(folder, file, allowed)?;
            Some(format!("{place}: {why}"))
        };
        let told: Vec<String> = named.iter().filter_map(why).collect();
        if told.is_empty() { format!("{}: {reason}", path.display()) } else { told.join("\n") }
    })
}

/// The recordings that a patch names: each as it is named, and the place of its name.
fn recordings_of(patch: &Patch, path: &Path) -> Vec<(String, String)> {
    let place = |module: usize| match patch.place_of(module, "file") {
        Some((line, column)) => format!("{}:{line}:{column}", path.display()),
        None => path.display().to_string(),
    };
    let named = patch.modules().iter().enumerate();
    let named = named.filter_map(|(at, module)| Some((at, module.file()?)));
    named
        .filter(|(_, file)| !file.is_empty())
        .map(|(at, file)| (file.to_owned(), place(at)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_that_are_missing_are_told_with_their_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        let module = |id: &str, file: &str| {
            format!("[[module]]\nid = \"{id}\"\nkind = \"sample\"\nfile = \"{file}\"\n")
        };
        let output = "[output]\nleft = \"a.left\"\nright = \"a.right\"\n";
        let parse = |modules: String| {
            Patch::parse(&format!("format = 1\n{modules}{output}"), "a.toml").expect("a patch")
        };
        let patch = parse(module("a", "x.wav") + &module("b", "") + &module("c", "y.wav"));
        assert_eq!(contents(&patch), "3 modules, 0 cables");
        let check = |patch| {
            let read = with_recordings(patch, &path, &Allowed::new(None), &mut Vec::new());
            let told = read.expect_err("it can't be had");
            told.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let found = check(patch);
        let at = path.display();
        let start = |line: u32, name: &str| {
            format!("{at}:{line}:8: there is no recording {}", folder.path().join(name).display())
        };
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with(&start(5, "x.wav")), "{found:?}");
        assert!(found[1].starts_with(&start(13, "y.wav")), "{found:?}");
        // One that is missing and one that can't be read are told alike, also beside other mistakes.
        std::fs::write(folder.path().join("x.wav"), "no sound").expect("written");
        let found = check(parse(module("a", "x.wav") + &module("b", "y.wav")));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("read are WAV") && found[1].starts_with(&start(9, "y.wav")));
        let wrong = module("a", "x.wav") + "gian = 1\n" + &module("b", "y.wav");
        let kind = module("c", "y.wav").replace("\"sample\"", "\"sampel\"");
        std::fs::write(&path, format!("format = 1\n{wrong}{kind}{output}")).expect("written");
        let found = read_patch_file(&path).expect_err("five mistakes").to_string();
        let lines: Vec<_> = found.lines().collect();
        assert_eq!(lines.len(), 5, "{found}");
        assert!(lines[0].starts_with(&format!("{at}:5:8: can't read the recording")), "{found}");
        assert!(lines[0].ends_with("save or convert it as one of them"), "{found}");
        assert!(
            lines[1].contains(":6:1: module `a` of the kind `sample` has no `gian`"),
            "{found}"
        );
        assert!(lines[2].starts_with(&start(10, "y.wav")), "{found}");
        assert!(lines[3].contains("`sampel`; did you mean `sample`?"), "{found}");
        assert!(lines[4].starts_with(&start(14, "y.wav")), "{found}");
        let found = check(parse(module("a", "x.wav")));
        assert!(found.len() == 1 && found[0].starts_with(&format!("{at}:5:8: ")), "{found:?}");
    }
}
