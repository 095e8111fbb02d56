//! `chronus doctor`: what this machine grants and how late it is, measured under the load that Chronus makes; and
//! what to type where something stands in the way of sound or real time.

mod audio;
mod engine;
pub mod machine;
mod timing;

use std::process::ExitCode;

use chronus_os::peer::Peer;

use crate::commands::cli::DoctorArgs;

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing stands in the way.
    Note,
    /// It stands in the way of sound or real time.
    Lack,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is to be taken.
    pub mark: Mark,
    /// What was looked at.
    pub name: &'static str,
    /// What was found.
    pub detail: String,
    /// What to do about it, or empty.
    pub mend: String,
}

impl Finding {
    /// What is as it should be.
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { mark: Mark::Ok, name, detail: detail.into(), mend: String::new() }
    }

    /// What is worth knowing, and what can be done about it.
    pub fn note(name: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { mark: Mark::Note, name, detail: detail.into(), mend: mend.into() }
    }

    /// What stands in the way, and what to do about it.
    pub fn lack(name: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { mark: Mark::Lack, name, detail: detail.into(), mend: mend.into() }
    }

    fn print(&self) {
        let mark = match self.mark {
            Mark::Ok => "ok  ",
            Mark::Note => "note",
            Mark::Lack => "LACK",
        };
        println!("{mark} {}: {}", self.name, self.detail);
        if !self.mend.is_empty() {
            println!("       {}", self.mend);
        }
    }
}

/// Examines the machine and prints what it finds, as it finds it. Fails if something stands in the way of sound or
/// real time. An engine that runs is looked for at `osc`.
pub fn run(args: &DoctorArgs, osc: Peer) -> ExitCode {
    let mut lacks = 0;
    let mut tell = |findings: Vec<Finding>| {
        for finding in findings {
            finding.print();
            lacks += u32::from(finding.mark == Mark::Lack);
        }
    };
    tell(machine::findings());
    tell(audio::findings());
    tell(engine::findings(osc));
    println!("     measuring for {:.0} s under the load of an engine", args.seconds);
    tell(timing::findings(args.seconds));
    if lacks == 0 {
        println!("\nNothing stands in the way.");
        return ExitCode::SUCCESS;
    }
    let (things, stand) = if lacks == 1 { ("thing", "stands") } else { ("things", "stand") };
    println!("\n{lacks} {things} {stand} in the way of sound or real time: see LACK above.");
    ExitCode::FAILURE
}
