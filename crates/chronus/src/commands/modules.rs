//! `chronus modules`: the reference of all kinds of module.

use std::error::Error;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use chronus_engine::reference;

use crate::commands::cli::ModulesArgs;

/// Prints a line for each kind, all about one kind, or the whole reference.
///
/// # Errors
/// If there is no kind of that name, or if standard output takes nothing.
pub fn run(args: &ModulesArgs) -> Result<ExitCode, Box<dyn Error>> {
    let text = match &args.name {
        Some(kind) => reference::of_kind(kind)?,
        None if args.markdown => reference::markdown(),
        None => reference::overview(),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough, as in `chronus modules --markdown | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => Ok(written.map(|()| ExitCode::SUCCESS)?),
    }
}
