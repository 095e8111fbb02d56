//! Everything that speaks C: processes, shared memory, scheduling, clocks and the JACK library.
//!
//! One of the two crates that may hold `unsafe`. Each file wraps one idea of the operating system in
//! an interface that cannot be misused; nothing in here decides anything.

pub mod alloc_guard;
pub mod child;
pub mod clock;
pub mod confine;
pub mod cores;
pub mod crash;
pub mod deeds;
pub mod float;
pub mod fork;
pub mod jack;
pub mod memfd;
pub mod outside;
pub mod packets;
pub mod peer;
pub mod process_title;
pub mod sched;
pub mod socket;
pub mod spare;
pub mod spawn;
pub mod wake;
