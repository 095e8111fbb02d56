//! Faults on purpose: what `/chaos/kill` and `/chaos/crash` take.

use rosc::OscType;

use crate::arguments::whole;
use chronus_control::{Chaos, Crash, Target};

pub(crate) fn kill(args: &[OscType]) -> Result<Chaos, String> {
    let (target, signal) = match args {
        [target] => (target, SIGNALS[0].1),
        [target, signal] => (target, signal_number(signal)?),
        _ => return Err(format!("give {TARGETS}, then optionally a signal")),
    };
    Ok(Chaos::Kill { target: target_of(target)?, signal })
}

pub(crate) fn crash(args: &[OscType]) -> Result<Chaos, String> {
    let wanted = || {
        "give primary, standby or a slot number, then segfault, panic, abort, loop, sleep or flip"
            .into()
    };
    let [target, OscType::String(how)] = args else { return Err(wanted()) };
    let how = match how.as_str() {
        "segfault" => Crash::Segfault,
        "panic" => Crash::Panic,
        "abort" => Crash::Abort,
        "loop" => Crash::Loop,
        "sleep" => Crash::Sleep,
        "flip" => Crash::Flip,
        _ => return Err(wanted()),
    };
    match target_of(target)? {
        target @ (Target::Primary | Target::Standby | Target::Slot(_)) => {
            Ok(Chaos::Crash { target, how })
        }
        _ => Err(wanted()),
    }
}

const TARGETS: &str = "primary, standby, a slot number from 0 to 3, workers, checkpoints, \
                       everybody or supervisor";

fn target_of(arg: &OscType) -> Result<Target, String> {
    match arg {
        OscType::String(text) if text == "primary" => return Ok(Target::Primary),
        OscType::String(text) if text == "standby" => return Ok(Target::Standby),
        OscType::String(text) if text == "workers" => return Ok(Target::Workers),
        OscType::String(text) if text == "checkpoints" => return Ok(Target::Checkpoints),
        OscType::String(text) if text == "everybody" => return Ok(Target::Everybody),
        OscType::String(text) if text == "supervisor" => return Ok(Target::Supervisor),
        _ => {}
    }
    match whole(arg) {
        Some(slot @ 0..=3) => Ok(Target::Slot(slot as u8)),
        _ => Err(format!("the target must be {TARGETS}")),
    }
}

/// The signals that may be sent, by their Linux numbers.
const SIGNALS: [(&str, i32); 19] = [
    ("KILL", 9),
    ("STOP", 19),
    ("CONT", 18),
    ("TERM", 15),
    ("SEGV", 11),
    ("BUS", 7),
    ("ILL", 4),
    ("FPE", 8),
    ("ABRT", 6),
    ("SYS", 31),
    ("TRAP", 5),
    ("ALRM", 14),
    ("USR1", 10),
    ("USR2", 12),
    ("PROF", 27),
    ("VTALRM", 26),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("HUP", 1),
];

fn signal_number(arg: &OscType) -> Result<i32, String> {
    let known = |number: i32| SIGNALS.iter().any(|(_, known)| *known == number).then_some(number);
    let found = match arg {
        OscType::String(text) => {
            let upper = text.to_ascii_uppercase();
            let name = upper.strip_prefix("SIG").unwrap_or(&upper);
            let by_name = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, n)| *n);
            by_name.or_else(|| name.parse().ok().and_then(known))
        }
        other => whole(other).and_then(|number| known(i32::try_from(number).ok()?)),
    };
    let names = SIGNALS.map(|(name, _)| name).join(", ");
    found.ok_or_else(|| format!("no such signal; the signals are {names}"))
}
