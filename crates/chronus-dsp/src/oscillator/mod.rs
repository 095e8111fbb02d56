//! Sources of pitch and timbre.

pub mod sine;
