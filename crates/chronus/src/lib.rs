//! Chronus: a headless modular synthesizer that cannot be stopped. This crate is the only one that
//! knows both towers: the instrument, and that it never stops.
//!
//! It is a program. What it shows as a library is for its own tests and for fuzzing, and may change at any
//! time.

#![forbid(unsafe_code)]

mod commands;
pub mod content;
mod control;
mod instrument;
mod log;
mod osc;
mod patch_file;
mod patcher;
mod performance;
pub mod persistence;
pub mod processes;
pub mod rendering;
#[cfg(test)]
#[path = "../../chronus-output/tests/support/waiting.rs"]
mod waiting;

pub use commands::main;

#[global_allocator]
static ALLOCATOR: chronus_os::alloc_guard::GuardedAllocator =
    chronus_os::alloc_guard::GuardedAllocator;
