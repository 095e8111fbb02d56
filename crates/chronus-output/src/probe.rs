//! Which outputs this machine has, for `chronus doctor`.

use crate::{Device, Options, OutputError, connect::alsa, jack::Jack, pulse::Pulse};

/// One output and whether it can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// As in [`crate::OutputSpec`].
    pub name: &'static str,
    /// It answers.
    pub available: bool,
    /// What was found, or why not.
    pub detail: String,
    /// What to do to have it; empty if it is there.
    pub mend: String,
}

/// Tries every output for a moment, in the order of `auto`. Nothing sounds.
pub fn probe() -> Vec<Probe> {
    let options = Options::default();
    vec![
        result("jack", Jack::connect(&options).map(|device| device.describe())),
        result("pulse", Pulse::connect(&options).map(|device| device.describe())),
        result("alsa", alsa(None, &options).map(|device| device.describe())),
        result("null", Ok("always there; no sound".into())),
    ]
}

fn result(name: &'static str, found: Result<String, OutputError>) -> Probe {
    match found {
        Ok(detail) => Probe { name, available: true, detail, mend: String::new() },
        Err(OutputError::Absent { reason, mend, .. }) => {
            Probe { name, available: false, detail: reason, mend }
        }
        Err(error @ OutputError::NotBuiltIn { .. }) => {
            Probe { name, available: false, detail: "not built in".into(), mend: error.to_string() }
        }
        Err(error) => {
            Probe { name, available: false, detail: error.to_string(), mend: String::new() }
        }
    }
}
