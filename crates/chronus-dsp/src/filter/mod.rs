//! What takes parts of a spectrum away.

pub mod biquad;
pub mod svf;
