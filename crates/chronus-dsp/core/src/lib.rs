//! What modules are made of: vectors and arithmetic that give the same bits everywhere, signals, parameters,
//! and what a module is. Their kinds are in crates of their own, one for each family, so that they compile side by side.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    clippy::inline_always,
    reason = "inner loops count channels across several arrays and must be inlined to become SIMD"
)]

mod alone;
pub mod entry;
pub mod fused;
pub mod gate;
pub mod instance;
pub mod io;
pub mod lanes;
pub mod math;
pub mod mix;
pub mod module;
mod moving;
pub mod names;
pub mod recording;
pub mod signal;
pub mod signal_kind;
pub mod simd;
pub mod smooth;
pub mod spec;
pub mod tables;
pub mod transport;
pub mod vectors;

pub use instance::Instance;
pub use io::{Drive, Io, PortSet, Ports, Span};
pub use module::{
    ALL_NOTES, BLOCK_FRAMES, CHANNEL_COUNTS, CHANNELS_MAX, Curve, MIDDLE_C_HZ, Module, ModuleSpec,
    Note, ParamSpec, PortSpec, Recording, RecordingSpec, TEXT_MAX, TextSpec,
};
pub use signal::{Buffer, FrameSet, Signal, Signals, frame_set, silent_buffer};
pub use signal_kind::SignalKind;
pub use transport::Transport;
pub use vectors::Vectors;
