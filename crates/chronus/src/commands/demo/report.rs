//! What the demonstration tells: the machine, a table, a sentence, and the picture.

use std::path::Path;

use chronus_os::sched::{self, priority};
use comfy_table::{Table, presets};

use super::picture::{self, Lane, Mark, Picture};
use super::{Fault, KINDS, Outcome};
use crate::commands::doctor::machine::is_virtual;
use crate::log::counted;

/// The machine, in a line.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let model = field("model name").unwrap_or_else(|| "a processor that tells no name".into());
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let is_virtual = is_virtual(&info);
    let realtime = sched::set_fifo(priority::WORKER).is_ok();
    let _ = sched::set_ordinary();
    format!(
        "{}{}, {model}; {}",
        counted(cores, "core"),
        if is_virtual { " of a virtual machine" } else { "" },
        if realtime {
            "real-time scheduling is permitted"
        } else {
            "real-time scheduling is NOT permitted, so that other programs may cause gaps; `chronus doctor` says \
             what to type"
        }
    )
}

/// Both parts side by side.
pub fn table(free: &Outcome, real: &Outcome) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    table.set_header(["", "running free", "in real time"]);
    let mut row = |name: &str, figure: &dyn Fn(&Outcome) -> String| {
        table.add_row([name.to_owned(), figure(free), figure(real)]);
    };
    let told = |outcome: &Outcome, name: &str| outcome.status[name].as_u64().unwrap_or(0);
    row("output", &|it| {
        let output = it.status["output"].as_str().unwrap_or_default();
        output.split(',').next().unwrap_or_default().to_owned()
    });
    row("seconds of sound", &|it| {
        format!("{:.1}", it.verdict.compared as f64 / it.status["rate_hz"].as_f64().unwrap_or(1.0))
    });
    for (index, kind) in KINDS.iter().enumerate() {
        row(kind.name, &|it| {
            it.faults.iter().filter(|fault| fault.kind == index).count().to_string()
        });
    }
    row("edits of the patch", &|it| told(it, "edits").to_string());
    row("frames compared", &|it| it.verdict.compared.to_string());
    row("frames different", &|it| it.verdict.different.to_string());
    row("frames lost", &|it| it.verdict.lost.to_string());
    row("- while the machine stood still", &|it| {
        (it.verdict.lost - it.lost_unexplained()).to_string()
    });
    row("longest stall of the machine", &|it| {
        let ms = it.status["stalls"]["longest_ms"].as_f64().unwrap_or(0.0);
        if ms > 0.0 { format!("{ms:.1} ms") } else { String::new() }
    });
    row("the device stood still for", &|it| {
        if it.is_standing() { format!("{:.0} ms", it.unplayed_ms) } else { String::new() }
    });
    row("lead", &|it| format!("{:.1} ms", it.status["lead_ms"].as_f64().unwrap_or(0.0)));
    row("from a message to its sound", &|it| {
        let rate_hz = it.status["rate_hz"].as_f64().unwrap_or(1.0);
        let ms = told(it, "delay_frames") as f64 * 1e3 / rate_hz;
        if it.is_free { String::new() } else { format!("{ms:.1} ms") }
    });
    row("fault noticed after", &|it| durations(it, "detection"));
    row("two replicas again after", &|it| durations(it, "redundancy"));
    table
}

fn durations(outcome: &Outcome, name: &str) -> String {
    let ms = |figure: &str| outcome.status[name][figure].as_f64().unwrap_or(0.0) / 1000.0;
    format!("median {:.2} ms, max {:.2} ms", ms("median_us"), ms("max_us"))
}

/// What came of it, and what to do where that is not all well.
pub fn conclusion(free: &Outcome, real: &Outcome, logs: [&Path; 2]) -> String {
    let faults = counted((free.faults.len() + real.faults.len()) as u64, "fault");
    for (outcome, log) in [(free, logs[0]), (real, logs[1])] {
        let log = log.display();
        if outcome.verdict.different > 0 {
            let frames = counted(outcome.verdict.different, "frame");
            return format!(
                "The sound was NOT what an undisturbed run gives: {frames} differ. That is a fault of Chronus; \
                 please report it with {log} and the journal beside it."
            );
        }
        if !outcome.is_well() {
            let frames = counted(outcome.lost_unexplained(), "frame");
            return format!(
                "{frames} were lost, and the machine was not seen to stand still; {log} tells when. `chronus \
                 doctor` says what the machine lacks."
            );
        }
    }
    if real.verdict.lost > 0 {
        let ms = real.status["stalls"]["longest_ms"].as_f64().unwrap_or(0.0);
        let frames = counted(real.verdict.lost, "frame");
        return format!(
            "{faults}, and not one frame differs from a run in which nothing happened; {frames} were lost in real \
             time, because the machine stood still for up to {ms:.1} ms. `--lead {:.0}ms` would bear that.",
            (ms * 1.5).ceil().min(64.0)
        );
    }
    if real.is_standing() {
        return format!(
            "{faults}, and not one frame differs from a run in which nothing happened. But the machine stood still for \
             so long that the device itself asked for nothing, {:.0} ms in all; a sound card would have been silent.",
            real.unplayed_ms
        );
    }
    format!("{faults}, and not one frame differs from a run in which nothing happened.")
}

/// The part in real time: its sound, its faults, and what the machine did.
pub fn picture(real: &Outcome) -> String {
    let rate_hz = real.status["rate_hz"].as_f64().unwrap_or(1.0);
    let verdict = &real.verdict;
    // Silence before the beginning is played, and is no part of the performance.
    let lead_in = (verdict.played.len() as u64 / 2).saturating_sub(verdict.compared);
    let fault = |fault: &Fault| Mark {
        from: lead_in + fault.frame,
        frames: 0,
        colour: KINDS[fault.kind].colour,
    };
    let stall = |stall: &super::Stall| {
        let frames = (stall.ms * rate_hz / 1e3) as u64;
        Mark { from: (lead_in + stall.frame).saturating_sub(frames), frames, colour: MACHINE }
    };
    let gap = |frame: &u64| Mark { from: lead_in + frame, frames: 64, colour: LOST };
    let title = format!(
        "{} in {:.0} s: {} different, {} lost",
        counted(real.faults.len() as u64, "fault"),
        verdict.compared as f64 / rate_hz,
        counted(verdict.different, "frame"),
        verdict.lost
    );
    let legend: Vec<_> = KINDS
        .iter()
        .filter(|kind| kind.in_real_time)
        .map(|kind| (kind.name, kind.colour))
        .chain([("the machine stood still", MACHINE), ("lost", LOST)])
        .collect();
    picture::draw(&Picture {
        title: &title,
        samples: &verdict.played,
        rate_hz,
        legend: &legend,
        lanes: &[
            Lane { name: "faults", marks: real.faults.iter().map(fault).collect() },
            Lane { name: "machine", marks: real.stalls.iter().map(stall).collect() },
            Lane { name: "lost", marks: verdict.gaps.iter().map(gap).collect() },
        ],
    })
}

const MACHINE: &str = "#8a93a6";
const LOST: &str = "#ff2e88";
