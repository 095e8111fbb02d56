//! Which outputs this machine has, for `chronus doctor`.

use crate::{Options, OutputError, OutputSpec, connector::Connector};

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
    let mut connector = Connector::default();
    let mut one = |name, spec| {
        let found = connector.reach(&spec, &Options::default());
        result(name, found.map(|(device, _)| device.describe()))
    };
    vec![
        one("jack", OutputSpec::Jack),
        one("pulse", OutputSpec::Pulse),
        one("alsa", OutputSpec::Alsa(None)),
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
