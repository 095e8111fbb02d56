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

#![forbid(unsafe_code)]

/// The version of the sound: it rises whenever any module renders other bits than before (`tests/golden.rs` minds that), so
/// that a journal tells whether it is rendered bit for bit as it was played.
pub const SOUND_VERSION: u32 = 2;

pub mod catalog;

pub use chronus_dsp_control as control;
pub use chronus_dsp_core::{
    fused, instance, io, lanes, math, mix, module, names, signal, signal_kind, simd, smooth,
    tables, transport, vectors,
};
pub use chronus_dsp_drum as drum;
pub use chronus_dsp_effect as effect;
pub use chronus_dsp_envelope as envelope;
pub use chronus_dsp_filter as filter;
pub use chronus_dsp_oscillator as oscillator;
pub use chronus_dsp_utility as utility;

pub use chronus_dsp_core::instance::Instance;
pub use chronus_dsp_core::io::{Drive, Io, PortSet, Ports, Span};
pub use chronus_dsp_core::module::{
    ALL_NOTES, BLOCK_FRAMES, CHANNEL_COUNTS, CHANNELS_MAX, Curve, MIDDLE_C_HZ, Module, ModuleSpec,
    Note, ParamSpec, PortSpec, Recording, RecordingSpec, TEXT_MAX, TextSpec,
};
pub use chronus_dsp_core::signal::{Buffer, FrameSet, Signal, Signals, frame_set, silent_buffer};
pub use chronus_dsp_core::signal_kind::SignalKind;
pub use chronus_dsp_core::transport::Transport;
pub use chronus_dsp_core::vectors::Vectors;
