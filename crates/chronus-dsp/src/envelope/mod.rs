//! Shapes over time that follow a gate.

pub mod ad;
pub mod adsr;
pub mod adsr_exp;
pub mod contour;
pub mod follower;
pub mod gates;
pub mod stages;
pub mod way;

use crate::module::PortSpec;

/// What the amplifier of an envelope shapes.
const IN: PortSpec = PortSpec::audio("in", "the signal to be shaped");

/// The gate of each channel.
const GATE: PortSpec =
    PortSpec::gate("gate", "opens each channel while above 0.5, as the gate does for all");
