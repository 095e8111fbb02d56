//! The control core in the process: what clients ask comes in by a [`port`], whatever adapter they use, and what they
//! are told leaves by an [`outbox`].

pub mod adapters;
pub mod complaints;
pub mod outbox;
pub mod patch_port;
pub mod port;
pub mod refusals;
