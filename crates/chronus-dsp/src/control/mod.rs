//! What tells other modules what to do.

pub mod pattern;
pub mod row;
pub mod score;
pub mod steps;
pub mod voices;
