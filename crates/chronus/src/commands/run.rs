//! `chronus run`: plays until it is told to end. This process becomes the keeper.

use std::error::Error;
use std::process::ExitCode;

use super::cli::RunArgs;
use super::files;
use crate::processes::keeper;

/// Plays.
///
/// # Errors
/// Whatever keeps it from starting, as a sentence.
pub fn run(args: &RunArgs) -> Result<ExitCode, Box<dyn Error>> {
    files::need_proc()?;
    keeper::run(args)
}
