//! `chronus graph`: a patch as a picture.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::cli::GraphArgs;
use chronus_files::is_same;

use crate::patch_file::{contents, read_patch_file};

/// Draws a patch file.
///
/// # Errors
/// If the patch can't be read or is wrong, or if the picture can't be written: as a sentence.
pub fn run(args: &GraphArgs) -> Result<ExitCode, Box<dyn Error>> {
    let patch = read_patch_file(&args.input)?;
    let name = args.input.with_extension("svg");
    let beside = name.file_name().map_or(name.as_path(), Path::new);
    let output = args.output.as_deref().unwrap_or(beside);
    let shown = output.display();
    // A slip of the finger must not cost a patch.
    if is_same(output, &args.input) {
        return Err(format!("{shown} is the patch itself; give another name with -o").into());
    }
    let svg = chronus_graph::svg(&patch);
    fs::write(output, svg).map_err(|error| format!("can't write the picture {shown}: {error}"))?;
    println!("{shown}: {}", contents(&patch));
    Ok(ExitCode::SUCCESS)
}
