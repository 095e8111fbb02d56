//! Which outputs there are, and how many frames a sound server asks for at once.

use std::process::{Command, Stdio};

use super::Finding;

/// A server that asks for more frames at once than this has the player wait.
const QUANTUM_LONG: u32 = 1024;

/// The outputs, and the quantum of the sound server.
pub fn findings() -> Vec<Finding> {
    let probes = chronus_output::probe();
    let audible = probes.iter().any(|probe| probe.available && probe.name != "null");
    let mut findings = Vec::new();
    for probe in &probes {
        let what = format!("{}: {}", probe.name, probe.detail);
        findings.push(if probe.available {
            Finding::ok("output", what)
        } else {
            // One output that can be heard is enough; the others are told of, not missed.
            Finding::note("output", what, if audible { "" } else { probe.mend.as_str() })
        });
    }
    if !audible {
        findings.push(Finding::lack(
            "sound",
            "no output here can be heard",
            "start a sound server as said above; `--output null` plays to nobody, `--output wav:FILE` to a file",
        ));
    }
    findings.extend(pipewire_settings().map(|settings| quantum(&settings)));
    findings
}

/// What PipeWire says of its settings, if its tool is there and answers.
fn pipewire_settings() -> Option<String> {
    let told = Command::new("timeout")
        .args(["2", "pw-metadata", "-n", "settings"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    told.status.success().then(|| String::from_utf8_lossy(&told.stdout).into_owned())
}

/// Judges lines such as `update: id:0 key:'clock.quantum' value:'1024' type:''`.
fn quantum(settings: &str) -> Finding {
    const NAME: &str = "PipeWire's quantum";
    let value = |key: &str| {
        let line = settings.lines().find(|line| line.contains(&format!("key:'{key}'")))?;
        line.split_once("value:'")?.1.split_once('\'')?.0.parse::<u32>().ok()
    };
    let forced = value("clock.force-quantum").filter(|frames| *frames > 0);
    let Some(frames) = forced.or(value("clock.quantum")) else {
        return Finding::note(NAME, "PipeWire does not tell", "");
    };
    let range = match (value("clock.min-quantum"), value("clock.max-quantum")) {
        (Some(least), Some(most)) => format!(", from {least} to {most} as clients ask"),
        _ => String::new(),
    };
    let detail = format!("{frames} frames{range}");
    if frames <= QUANTUM_LONG {
        return Finding::ok(NAME, detail);
    }
    let mend = "commands wait for twice as long: pw-metadata -n settings 0 clock.force-quantum 256";
    Finding::note(NAME, detail, mend)
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;

    #[test]
    fn the_quantum_that_counts_is_the_forced_one_if_there_is_one() {
        let line =
            |key: &str, value: u32| format!("update: id:0 key:'{key}' value:'{value}' type:''\n");
        let usual = line("clock.quantum", 1024) + &line("clock.min-quantum", 32);
        let found = quantum(&(usual.clone() + &line("clock.max-quantum", 2048)));
        assert_eq!(found.mark, Mark::Ok);
        assert_eq!(found.detail, "1024 frames, from 32 to 2048 as clients ask");
        assert_eq!(quantum(&(usual.clone() + &line("clock.force-quantum", 0))).mark, Mark::Ok);
        let forced = quantum(&(usual + &line("clock.force-quantum", 4096)));
        assert_eq!((forced.mark, forced.detail.as_str()), (Mark::Note, "4096 frames"));
        assert_eq!(quantum("nothing of use").mark, Mark::Note);
    }
}
