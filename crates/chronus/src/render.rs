//! Offline rendering: one process, no replication. It is the oracle: a journal rendered here is, bit
//! for bit, what was heard.

use std::io;
use std::path::{Path, PathBuf};

use chronus_engine::{Controls, Engine, Patch};
use chronus_os::float;
use chronus_output::{WavFormat, WavWriter};
use chronus_replication::machine::Machine;
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, CHANNELS, Entry};

use crate::journal::Journal;
use crate::machine::Instrument;

/// Renders `frames` frames of a patch with these commands; `sink` takes them in pieces of whole frames.
///
/// # Errors
/// If the patch can't be played at this rate, or as `sink` says.
pub fn render<E: From<chronus_engine::EngineError>>(
    patch: &Patch,
    rate_hz: u32,
    entries: &[Entry],
    frames: u64,
    mut sink: impl FnMut(&[f32]) -> Result<(), E>,
) -> Result<(), E> {
    // Flushed denormals are part of the sound; this thread keeps flushing them, which harms nothing.
    float::flush_denormals();
    let mut instrument = Instrument(Engine::new(patch, rate_hz, &Controls::of(patch))?);
    let mut entries = entries.iter().peekable();
    let mut block = [0.0; BLOCK_SAMPLES];
    for number in 0..frames.div_ceil(BLOCK_FRAMES as u64) {
        while let Some(entry) = entries.next_if(|entry| entry.block() <= number) {
            instrument.apply(entry.offset(), &entry.payload);
        }
        instrument.render(&mut block);
        let rest = frames - number * BLOCK_FRAMES as u64;
        let samples = rest.min(BLOCK_FRAMES as u64) as usize * CHANNELS;
        sink(&block[..samples])?;
    }
    Ok(())
}

/// Renders a whole journal into memory: interleaved samples.
///
/// # Errors
/// If its patch can't be played at its rate.
pub fn render_journal(journal: &Journal) -> Result<Vec<f32>, chronus_engine::EngineError> {
    let mut samples = Vec::with_capacity(journal.frames as usize * CHANNELS);
    render(&journal.patch, journal.rate_hz, &journal.entries, journal.frames, |piece| {
        samples.extend_from_slice(piece);
        Ok::<(), chronus_engine::EngineError>(())
    })?;
    Ok(samples)
}

/// Why rendering to a file failed.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The patch or the rate.
    #[error(transparent)]
    Engine(#[from] chronus_engine::EngineError),
    /// The WAV file.
    #[error(
        "cannot write {}: {source}; choose a file in a folder that exists and has room",
        path.display()
    )]
    Wav {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Renders into a WAV file of 32-bit floats.
///
/// # Errors
/// [`RenderError`].
pub fn render_to_wav(
    patch: &Patch,
    rate_hz: u32,
    entries: &[Entry],
    frames: u64,
    path: &Path,
) -> Result<(), RenderError> {
    let failed = |source| RenderError::Wav { path: path.into(), source };
    let mut wav = WavWriter::create(path, rate_hz, WavFormat::F32).map_err(failed)?;
    render(patch, rate_hz, entries, frames, |piece| wav.write(piece).map_err(failed))?;
    wav.finish().map_err(failed)
}
