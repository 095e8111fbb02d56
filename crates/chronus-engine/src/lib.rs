//! Patch and commands in, blocks of samples out.
//!
//! An [`Engine`] is a deterministic function of its patch, its rate, its [`Controls`] and the
//! [`Command`]s applied to it, each at a frame. It knows no clock, no file and no other process;
//! it doesn't allocate after construction. Its state needs no serialiser: a copy is a fork.

#![forbid(unsafe_code)]

mod bypass;
pub mod command;
pub mod controls;
pub mod directory;
pub mod edit;
pub mod engine;
pub mod hints;
mod master;
mod mixing;
mod output;
pub mod patch;
pub mod range;
pub mod reference;
mod routing;
mod safety;
mod schedule;
pub mod timeline;
mod wiring;

pub use bypass::{Finding, LEVEL_MAX, Unsound};
pub use chronus_dsp::utility::fault;
pub use chronus_dsp::{
    ALL_NOTES, ModuleSpec, Note, ParamSpec, PortSpec, Recording, RecordingSpec, SOUND_VERSION,
    SignalKind, TEXT_MAX, TextSpec, Vectors,
};
pub use chronus_dsp::{catalog, names, tables};
pub use chronus_units::{BLOCK_FRAMES, Block, CHANNELS};
pub use command::{Command, DecodeError, Handle, ParamIndex, TextPiece, TransportChange};
pub use controls::{Controls, ControlsError, Effect};
pub use directory::{Directory, LookupError, ModuleEntry};
pub use edit::Preparation;
pub use engine::{Engine, EngineError};
pub use patch::{ContentDigest, NoRecordings, Patch, PatchError, PatchModule, Recordings};
