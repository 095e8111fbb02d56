//! Shapes over time that follow a gate.

pub mod adsr;
