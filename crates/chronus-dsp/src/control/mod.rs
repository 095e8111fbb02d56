//! What tells other modules what to do.

pub mod voices;
