//! The modules: one sound idea per file, each a deterministic function of its inputs, parameters
//! and gates.
//!
//! What holds for every module, and is tested over the whole [`catalog`]:
//! * rendering a block whole or in pieces gives the same bits, so that commands can split it;
//! * [`Instance::reset`] makes it as new, with the parameters where they are;
//! * the same calls give the same bits on every machine: no clock, no randomness, no transcendental function
//!   but those of [`math`] and of the `libm` crate, and arithmetic that is fused where it says so ([`fused`]) and
//!   nowhere else;
//! * no allocation after construction, and no NaN from finite inputs.

#![allow(
    clippy::needless_range_loop,
    clippy::inline_always,
    reason = "inner loops count channels across several arrays and must be inlined to become SIMD"
)]

mod alone;
pub mod catalog;
pub mod control;
pub mod drum;
pub mod effect;
pub mod envelope;
pub mod filter;
pub mod fused;
pub mod instance;
pub mod io;
pub mod lanes;
pub mod math;
pub mod mix;
pub mod module;
pub mod names;
pub mod oscillator;
pub mod signal;
pub mod simd;
pub mod smooth;
pub mod tables;
pub mod transport;
pub mod utility;
pub mod vectors;
pub mod wire;

pub use instance::Instance;
pub use io::{Drive, Io, PortSet, Ports, Span};
pub use module::{
    ALL_NOTES, BLOCK_FRAMES, CHANNEL_COUNTS, CHANNELS_MAX, Curve, Module, ModuleSpec, Note,
    ParamSpec, PortSpec, Recording, RecordingSpec, TEXT_MAX, TextSpec,
};
pub use signal::Signal;
pub use transport::Transport;
pub use vectors::Vectors;
pub use wire::{Buffer, FrameSet, Wire, Wires, frame_set, silent_buffer};
