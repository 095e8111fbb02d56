//! What bytes from outside, or from a worker gone wild, must never bring about.
//!
//! Each target is a function of bytes that panics if something is wrong. `cargo fuzz` looks for such bytes
//! (see `fuzz/`), and the ordinary tests run each target on its seeds, on what was once found, and on some
//! thousands of mutations.

#![forbid(unsafe_code)]

mod audio_file;
mod command;
mod controls;
mod instruments;
mod journal_file;
pub mod mutate;
mod osc_packet;
mod packed_patch;
mod patch_file;
mod shared_regions;

/// A function of bytes that must never panic.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folders.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
    /// Bytes to begin with: good ones, made by the program itself.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target { name: "osc_packet", run: osc_packet::run, seeds: osc_packet::seeds },
    Target { name: "patch_file", run: patch_file::run, seeds: patch_file::seeds },
    Target { name: "journal_file", run: journal_file::run, seeds: journal_file::seeds },
    Target { name: "audio_file", run: audio_file::run, seeds: audio_file::seeds },
    Target { name: "command", run: command::run, seeds: command::seeds },
    Target { name: "controls", run: controls::run, seeds: controls::seeds },
    Target { name: "packed_patch", run: packed_patch::run, seeds: packed_patch::seeds },
    Target { name: "shared_regions", run: shared_regions::run, seeds: shared_regions::seeds },
];

/// The target with this name.
///
/// # Panics
/// If there is none.
pub fn target(name: &str) -> Target {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("there is no target `{name}`"))
}
