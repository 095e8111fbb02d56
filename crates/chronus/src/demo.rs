//! stub
use crate::cli::DemoArgs;
use std::{error::Error, process::ExitCode};
pub fn run(_: &DemoArgs) -> Result<ExitCode, Box<dyn Error>> {
    Ok(ExitCode::SUCCESS)
}
