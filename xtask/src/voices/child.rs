//! Other programs: how much CPU time they take, and what they write.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

use chronus_os::clock::process_cpu_ns;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Runs a program to its end: the CPU seconds of all its threads.
pub fn cpu_seconds(command: &mut Command) -> Result<f64, Box<dyn Error>> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let pid = child.id();
    // Its clock can be read as long as nobody has waited for it to the end.
    let id = Pid::from_raw(pid as i32).ok_or("a process without a number")?;
    waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let used = process_cpu_ns(pid);
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok(used.ok_or("no clock of a process that has ended")? as f64 / 1e9)
}

/// The samples in a file that holds nothing else, as they lie in memory.
pub fn raw_samples(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect())
}

/// Whether a program is installed.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
