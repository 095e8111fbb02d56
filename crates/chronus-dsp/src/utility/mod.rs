//! Small parts that join the others.

pub mod mix;
pub mod vca;
