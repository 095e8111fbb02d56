//! The jumps of ramps without aliases: what Chronus adds to the 32 frames around each, from its own table. When the
//! next jump comes is known from phase and step, so no frame is asked whether there was one.

use chronus_dsp::oscillator::edge::{DELAY_FRAMES, EDGES};

use super::lanes::Lanes;
use crate::voices::voice::BLOCK;

/// As many frames differ from the plain jump.
const TAPS: usize = 2 * DELAY_FRAMES;
/// Positions between two frames that the table has.
const POSITIONS: usize = 256;
/// Half the phase: where a ramp jumps.
const HALF_TURN: u32 = 1 << 31;

/// What is heard in this block and what was added beyond it, of a vector of voices.
pub struct Trail {
    table: &'static [[f32; TAPS]],
    /// A frame after the other, so many lanes each.
    frames: Vec<f32>,
}

impl Trail {
    pub fn new<L: Lanes>() -> Self {
        let table = &EDGES.get().as_chunks::<TAPS>().0[..=POSITIONS];
        Self { table, frames: vec![0.0; (BLOCK + TAPS) * L::COUNT] }
    }

    /// Adds the jumps by `height` of a ramp in this block, which was at phase `before` in the last frame of the
    /// one before.
    #[inline(always)]
    pub fn jump<L: Lanes>(&mut self, lane: usize, before: u32, step: u32, height: f32) {
        // All in phases, so that it is the very frame in which the ramp is beyond its jump.
        let step = u64::from(step.max(1));
        let mut way = u64::from(HALF_TURN.wrapping_sub(before).wrapping_sub(1)) + 1;
        while way <= step * BLOCK as u64 {
            let steps = way.div_ceil(step);
            let ago = (steps * step - way) as f32 / step as f32;
            self.add::<L>(steps as usize - 1, lane, ago, height);
            way += 1 << 32;
        }
    }

    #[inline(always)]
    fn add<L: Lanes>(&mut self, frame: usize, lane: usize, ago: f32, height: f32) {
        let position = ago * POSITIONS as f32;
        let row = (position as usize).min(POSITIONS - 1);
        let rest = position - row as f32;
        let rows = self.table[row].iter().zip(&self.table[row + 1]);
        let heard = &mut self.frames[frame * L::COUNT..(frame + TAPS) * L::COUNT];
        let mut weights = [0.0; TAPS];
        for (weight, (here, next)) in weights.iter_mut().zip(rows) {
            *weight = height * (here + rest * (next - here));
        }
        for (heard, weight) in heard.chunks_exact_mut(L::COUNT).zip(weights) {
            heard[lane] += weight;
        }
    }

    /// What is heard in a frame.
    #[inline(always)]
    pub fn heard<L: Lanes>(&self, l: L, frame: usize) -> L::F {
        l.load(&self.frames[frame * L::COUNT..])
    }

    /// Adds plain samples, which are heard as much later as the edges.
    #[inline(always)]
    pub fn add_plain<L: Lanes>(&mut self, l: L, frame: usize, plain: L::F) {
        let heard = &mut self.frames[(frame + DELAY_FRAMES) * L::COUNT..];
        let sum = l.add(l.load(heard), plain);
        l.store(heard, sum);
    }

    /// Goes on to the next block.
    #[inline(always)]
    pub fn end_block<L: Lanes>(&mut self) {
        self.frames.copy_within(BLOCK * L::COUNT.., 0);
        self.frames[TAPS * L::COUNT..].fill(0.0);
    }
}
