//! `chronus kill`: a fault for a running engine, to see that it plays on.

use std::error::Error;
use std::process::ExitCode;

use chronus_osc::OscType;

use super::cli::KillArgs;
use super::send::deliver;
use crate::osc::address::osc_address;

/// Asks for the fault.
///
/// # Errors
/// If it can't be sent, or the engine refuses.
pub fn run(args: &KillArgs) -> Result<ExitCode, Box<dyn Error>> {
    let arguments =
        vec![OscType::String(args.target.clone()), OscType::String(args.signal.clone())];
    deliver(osc_address(args.osc)?, "/chaos/kill", arguments)
}
