//! `chronus doctor`: what this machine grants, and what to type where it does not.

use std::process::ExitCode;

use chronus_os::confine;
use chronus_os::sched::{self, priority};

/// Examines the machine and prints what it finds. Fails if something keeps Chronus from playing at
/// its best.
pub fn run() -> ExitCode {
    let mut all_well = true;
    let mut tell = |name: &str, well: bool, detail: &str, mend: &str| {
        println!("{} {name}: {detail}", if well { "ok  " } else { "lack" });
        if !well && !mend.is_empty() {
            println!("       {mend}");
        }
        all_well &= well;
    };
    match sched::set_fifo(priority::WORKER) {
        Ok(()) => {
            let _ = sched::set_ordinary();
            tell("real-time scheduling", true, "permitted", "");
        }
        Err(error) => tell(
            "real-time scheduling",
            false,
            &error.to_string(),
            "echo '@audio - rtprio 95' | sudo tee /etc/security/limits.d/audio.conf; \
             sudo usermod -aG audio $USER; then log in again",
        ),
    }
    match sched::lock_memory() {
        Ok(()) => tell("memory locking", true, "permitted", ""),
        Err(error) => tell(
            "memory locking",
            false,
            &error.to_string(),
            "echo '@audio - memlock unlimited' | sudo tee -a /etc/security/limits.d/audio.conf; \
             sudo usermod -aG audio $USER; then log in again",
        ),
    }
    let confined = confine::is_available();
    tell(
        "confinement of workers",
        confined,
        if confined { "system calls can be filtered" } else { "system calls can't be filtered" },
        "use a kernel that is built with CONFIG_SECCOMP_FILTER, on x86-64 or AArch64; without it \
         Chronus plays, but a module that goes wild may reach beyond its own process",
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tell(
        "processor cores",
        cores >= 2,
        &cores.to_string(),
        "with a single core a hung worker takes time from the others; use two or more",
    );
    let probes = chronus_output::probe();
    let audible = probes.iter().any(|probe| probe.available && probe.name != "null");
    for probe in &probes {
        // One output that can be heard is enough; the others are told of, not missed.
        println!(
            "{} output {}: {}",
            if probe.available { "ok  " } else { "--  " },
            probe.name,
            probe.detail
        );
        if !probe.available && !audible && !probe.mend.is_empty() {
            println!("       {}", probe.mend);
        }
    }
    if !audible {
        println!("     nothing here can be heard; `--output null` and `--output wav:FILE` work");
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
