//! Playing an engine from a list of commands at frames.
#![allow(dead_code)] // Not every test file needs all of it.

use chronus_engine::{
    BLOCK_FRAMES, Block, CHANNELS, Command, Controls, Directory, Engine, EngineError, NoRecordings,
    Patch,
};

pub const RATE_HZ: u32 = 48_000;

pub fn engine(patch: &Patch) -> Engine {
    engine_with(patch, RATE_HZ, &Controls::of(patch)).expect("a rate and controls that fit")
}

pub fn engine_with(
    patch: &Patch,
    rate_hz: u32,
    controls: &Controls,
) -> Result<Engine, EngineError> {
    Engine::new(patch.clone(), rate_hz, controls.clone(), 0, &NoRecordings)
}

pub fn set(patch: &Patch, module: &str, param: &str, value: f32) -> Command {
    let (module, param, _) = Directory::of(patch).param(module, param).expect("a parameter");
    Command::SetParam { module, param, value }
}

pub fn gate(patch: &Patch, module: &str, on: bool) -> Command {
    Command::Gate { module: Directory::of(patch).gate(module).expect("a gate"), on }
}

/// Renders whole blocks, with commands (frame, command) in ascending order of frames. The frames
/// count from `start`, which begins a block. Returns interleaved samples.
pub fn play(
    engine: &mut Engine,
    start: usize,
    frames: usize,
    commands: &[(usize, Command)],
) -> Vec<f32> {
    assert!(start.is_multiple_of(BLOCK_FRAMES) && frames.is_multiple_of(BLOCK_FRAMES));
    let mut samples = Vec::with_capacity(frames * CHANNELS);
    let mut block: Block = [0.0; BLOCK_FRAMES * CHANNELS];
    for block_start in (start..start + frames).step_by(BLOCK_FRAMES) {
        for (frame, command) in commands {
            if (block_start..block_start + BLOCK_FRAMES).contains(frame) {
                engine.apply(frame - block_start, command);
            }
        }
        engine.render(&mut block);
        samples.extend_from_slice(&block);
    }
    samples
}

pub fn bits(samples: &[f32]) -> Vec<u32> {
    samples.iter().map(|sample| sample.to_bits()).collect()
}

/// One second of music on the first patch: four notes, a sweep, every mode of the filter.
pub fn phrase(patch: &Patch) -> Vec<(usize, Command)> {
    let mut commands =
        vec![(0, set(patch, "adsr", "release", 80.0)), (37, set(patch, "filter", "q", 4.0))];
    for (note, freq_hz) in [220.0, 261.63, 329.63, 440.0].into_iter().enumerate() {
        let start = 100 + note * 11_981;
        commands.push((start, set(patch, "sine", "freq", freq_hz)));
        commands.push((start, gate(patch, "adsr", true)));
        commands.push((start + 1, set(patch, "filter", "mode", note as f32)));
        for step in 0..8 {
            let cutoff_hz = 3000.0 - 300.0 * step as f32;
            commands.push((start + 2 + 700 * step, set(patch, "filter", "cutoff", cutoff_hz)));
        }
        commands.push((start + 8003, gate(patch, "adsr", false)));
    }
    commands
}
