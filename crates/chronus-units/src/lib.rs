//! The units of time and sound in which all of Chronus counts.
//!
//! The engine and the replication do not know each other, and count alike: both import this, which imports nothing.
//! Users find each name where its meaning is, for example at `chronus_engine::BLOCK_FRAMES`.

#![no_std]
#![forbid(unsafe_code)]

/// Frames in a block, the unit of rendering, ordering and selection.
pub const BLOCK_FRAMES: usize = 64;

/// Channels of the output, and samples in a frame of it: left and right.
pub const CHANNELS: usize = 2;

/// Samples in a block of the output: [`BLOCK_FRAMES`] frames of interleaved stereo.
pub const BLOCK_SAMPLES: usize = BLOCK_FRAMES * CHANNELS;

/// A block of the output: [`BLOCK_FRAMES`] frames of left and right, interleaved.
pub type Block = [f32; BLOCK_SAMPLES];

/// Number of a block since the start of the performance.
pub type BlockIndex = u64;
