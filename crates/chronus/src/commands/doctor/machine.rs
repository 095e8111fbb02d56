//! What the machine and its kernel grant.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chronus_engine::Vectors;
use chronus_os::confine;
use chronus_os::sched::{self, priority};

use super::Finding;

/// Everything that can be known of the machine without measuring.
pub fn findings() -> Vec<Finding> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    vec![
        real_time(),
        memory(),
        confinement(),
        cores(),
        governor(Path::new("/sys/devices/system/cpu")),
        virtual_machine(&cpuinfo),
        throttling(),
        vectors(),
    ]
}

/// The limit of real-time priorities as `/proc/self/limits` tells it, soft.
fn rtprio_limit() -> Option<u32> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max realtime priority"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

fn real_time() -> Finding {
    const NAME: &str = "real-time scheduling";
    let needed = priority::STALL_MONITOR;
    let granted = sched::set_fifo(needed);
    let _ = sched::set_ordinary();
    let Err(error) = granted else { return Finding::ok(NAME, "permitted") };
    let limit = rtprio_limit().map_or("not known".into(), |limit| limit.to_string());
    let rtkit = if has_rtkit() {
        "; rtkit is there, but it grants no priority that is high enough for long enough"
    } else {
        ""
    };
    Finding::lack(
        NAME,
        format!("{error}; RLIMIT_RTPRIO is {limit}, and {needed} is needed{rtkit}"),
        "echo '@audio - rtprio 95' | sudo tee /etc/security/limits.d/audio.conf; \
         sudo usermod -aG audio $USER; then log in again",
    )
}

fn has_rtkit() -> bool {
    ["/usr/libexec/rtkit-daemon", "/usr/lib/rtkit-daemon", "/usr/lib/rtkit/rtkit-daemon"]
        .iter()
        .any(|path| Path::new(path).exists())
}

fn memory() -> Finding {
    const NAME: &str = "memory locking";
    match sched::lock_memory() {
        Ok(()) => Finding::ok(NAME, "permitted"),
        Err(error) => Finding::lack(
            NAME,
            error.to_string(),
            "echo '@audio - memlock unlimited' | sudo tee -a /etc/security/limits.d/audio.conf; \
             sudo usermod -aG audio $USER; then log in again",
        ),
    }
}

fn confinement() -> Finding {
    const NAME: &str = "confinement of workers";
    if confine::is_available() {
        return Finding::ok(NAME, "system calls can be filtered");
    }
    Finding::note(
        NAME,
        "system calls can't be filtered",
        "use a kernel that is built with CONFIG_SECCOMP_FILTER, on x86-64 or AArch64; without it \
         Chronus plays, but a module that goes wild may reach beyond its own process",
    )
}

fn cores() -> Finding {
    const NAME: &str = "processor cores";
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores >= 2 {
        return Finding::ok(NAME, cores.to_string());
    }
    let mend = "with a single core a hung worker takes time from the others; use two or more";
    Finding::lack(NAME, cores.to_string(), mend)
}

/// A core that saves power is slow to wake, and slow when it is woken.
fn governor(cpus: &Path) -> Finding {
    const NAME: &str = "CPU governor";
    let entries = fs::read_dir(cpus).into_iter().flatten().flatten();
    let governors: BTreeSet<String> = entries
        .filter_map(|cpu| fs::read_to_string(cpu.path().join("cpufreq/scaling_governor")).ok())
        .map(|governor| governor.trim().to_owned())
        .collect();
    let all: Vec<_> = governors.iter().map(String::as_str).collect();
    match all.as_slice() {
        [] => Finding::ok(NAME, "none here: the host or the firmware decides"),
        ["performance"] => Finding::ok(NAME, "performance"),
        others => Finding::note(
            NAME,
            others.join(", "),
            "a core that saves power wakes late: sudo cpupower frequency-set -g performance (package \
             linux-cpupower), or `powerprofilesctl set performance`",
        ),
    }
}

fn virtual_machine(cpuinfo: &str) -> Finding {
    const NAME: &str = "virtual machine";
    if !is_virtual(cpuinfo) {
        return Finding::ok(NAME, "no: the cores are this system's own, as far as it can tell");
    }
    let maker = fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    let maker =
        if maker.trim().is_empty() { String::new() } else { format!(" ({})", maker.trim()) };
    Finding::note(
        NAME,
        format!("yes{maker}: the host may stop a core at any time"),
        "`--lead auto` measures that before it plays; whoever owns the host can dedicate cores to the machine",
    )
}

/// Whether a processor says, in the words of `/proc/cpuinfo`, that it is a virtual one.
pub fn is_virtual(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// The kernel's brake on real-time threads.
fn throttling() -> Finding {
    const NAME: &str = "real-time throttling";
    let runtime = fs::read_to_string("/proc/sys/kernel/sched_rt_runtime_us").unwrap_or_default();
    let period = fs::read_to_string("/proc/sys/kernel/sched_rt_period_us").unwrap_or_default();
    let number = |text: &str| text.trim().parse::<i64>().ok();
    match (number(&runtime), number(&period)) {
        (Some(0), _) => Finding::lack(
            NAME,
            "the kernel runs no real-time thread at all (sched_rt_runtime_us is 0)",
            "sudo sysctl -w kernel.sched_rt_runtime_us=950000",
        ),
        (Some(runtime), Some(period)) if runtime > 0 => Finding::ok(
            NAME,
            format!("real-time threads may take {} % of a core", runtime * 100 / period.max(1)),
        ),
        _ => Finding::ok(NAME, "off"),
    }
}

fn vectors() -> Finding {
    const NAME: &str = "vectors";
    let names = |sets: &[Vectors]| sets.iter().map(|set| set.name()).collect::<Vec<_>>().join(", ");
    let available = names(&Vectors::available());
    match Vectors::of_environment() {
        Ok(set) => Finding::ok(NAME, format!("{} is used, of {available}", set.name())),
        Err(refusal) => Finding::lack(NAME, refusal.to_string(), "unset CHRONUS_VECTORS"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;

    #[test]
    fn a_governor_that_saves_power_is_told_with_what_to_type() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(governor(folder.path()).mark, Mark::Ok, "there is none");
        let set = |core: &str, governor: &str| {
            let of_core = folder.path().join(core).join("cpufreq");
            fs::create_dir_all(&of_core).expect("a folder");
            fs::write(of_core.join("scaling_governor"), format!("{governor}\n")).expect("a file");
        };
        set("cpu0", "performance");
        set("cpu1", "performance");
        assert_eq!(governor(folder.path()).mark, Mark::Ok);
        set("cpu1", "powersave");
        let finding = governor(folder.path());
        assert_eq!((finding.mark, finding.detail.as_str()), (Mark::Note, "performance, powersave"));
        assert!(finding.mend.contains("cpupower"), "{finding:?}");
    }

    #[test]
    fn a_virtual_machine_is_known_by_its_processor() {
        assert_eq!(virtual_machine("flags\t\t: fpu sse hypervisor avx\n").mark, Mark::Note);
        assert_eq!(virtual_machine("flags\t\t: fpu sse avx\n").mark, Mark::Ok);
    }
}
