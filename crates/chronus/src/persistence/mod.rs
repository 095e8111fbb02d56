//! What outlives a process: memory and sockets that are handed over, and what the next supervisor makes of them.

pub(crate) mod handover;
pub(crate) mod recovery;
pub mod regions;
pub(crate) mod service;
pub mod shared_assets;
pub(crate) mod snapshot;
