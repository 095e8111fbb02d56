//! The turns of the wavetable that all play: those of Chronus, read from its own tables.

use chronus_dsp::oscillator::cycles::Level;
use chronus_dsp::oscillator::shapes;

use super::voice::wavetable::{TABLE, TURNS};

/// All turns in so many samples each, as they are played where the phase advances by `step` a frame, without aliases.
pub fn at(step: i32, samples: usize) -> Vec<Vec<f32>> {
    let table = shapes::NAMES.iter().position(|name| *name == TABLE).expect("a table of this name");
    let cycles = shapes::tables()[table];
    let level = Level::of(step);
    let sample = |turn: usize, i: usize| {
        let phase = ((i as u64) << 32) / samples as u64;
        cycles.read(phase as u32, level, turn as f32 / (TURNS - 1) as f32)
    };
    (0..TURNS).map(|turn| (0..samples).map(|i| sample(turn, i)).collect()).collect()
}
