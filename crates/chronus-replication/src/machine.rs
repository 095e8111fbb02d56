//! What is replicated: a deterministic function from state and commands to the next block.

use crate::{Block, Payload};

/// A machine that renders blocks. Same state, same commands: same bits.
pub trait Machine {
    /// Takes a command that applies at frame `offset` of the block rendered next. Offsets ascend.
    fn apply(&mut self, offset: usize, payload: &Payload);
    /// Renders the next block.
    fn render(&mut self, out: &mut Block);
}

/// The hash by which replicas are compared and an entry in a slot is checked: of the block's number
/// and of all its bits.
///
/// Four independent multiply-and-rotate lanes over 64-bit words, so that it costs a few tens of
/// nanoseconds; each step is a bijection of its lane, so one changed bit always changes the hash.
pub fn block_hash(block: u64, samples: &Block) -> u64 {
    const MULTIPLIERS: [u64; 4] = [
        0x9e37_79b9_7f4a_7c15,
        0xbf58_476d_1ce4_e5b9,
        0x94d0_49bb_1331_11eb,
        0xd6e8_feb8_6659_fd93,
    ];
    let mut lanes = MULTIPLIERS;
    let (words, _) = samples.as_chunks::<8>();
    for group in words {
        for (lane, pair) in group.as_chunks::<2>().0.iter().enumerate() {
            let word = u64::from(pair[0].to_bits()) | u64::from(pair[1].to_bits()) << 32;
            lanes[lane] = (lanes[lane] ^ word).wrapping_mul(MULTIPLIERS[lane]).rotate_left(29);
        }
    }
    let mut hash = block.wrapping_mul(MULTIPLIERS[0]);
    for lane in lanes {
        hash = (hash.rotate_left(23) ^ lane).wrapping_mul(MULTIPLIERS[1]);
    }
    hash ^ hash >> 32
}

/// The test machine: each sample is its own frame number, plus the sum of all command payloads taken,
/// so a slip of one block, or one command more or less, is a visible jump. Exact in `f32` up to 2^24.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ramp {
    frame: u64,
    sum: u64,
    pending: Vec<(usize, u64)>,
}

impl Ramp {
    /// The sample that frame `frame` must have if the payloads taken so far add up to `sum`.
    pub fn sample(frame: u64, sum: u64) -> f32 {
        ((frame.wrapping_add(sum.wrapping_mul(7919))) % (1 << 24)) as f32
    }

    /// A ramp that begins at `block` with payloads of sum `sum` taken already.
    pub fn starting_at(block: u64, sum: u64) -> Self {
        Self { frame: block * crate::BLOCK_FRAMES as u64, sum, pending: Vec::new() }
    }
}

impl Machine for Ramp {
    fn apply(&mut self, offset: usize, payload: &Payload) {
        self.pending.push((offset, payload[0]));
    }

    fn render(&mut self, out: &mut Block) {
        let mut pending = self.pending.drain(..).peekable();
        for (offset, frame) in out.chunks_exact_mut(crate::CHANNELS).enumerate() {
            while let Some((_, value)) = pending.next_if(|(at, _)| *at <= offset) {
                self.sum = self.sum.wrapping_add(value);
            }
            frame.fill(Self::sample(self.frame, self.sum));
            self.frame += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_bit_changes_the_hash() {
        let mut samples = [0.25; crate::BLOCK_SAMPLES];
        let hash = block_hash(5, &samples);
        assert_ne!(hash, block_hash(6, &samples), "the block's number counts");
        for index in 0..samples.len() {
            for bit in 0..32 {
                let before = samples[index];
                samples[index] = f32::from_bits(before.to_bits() ^ 1 << bit);
                assert_ne!(hash, block_hash(5, &samples), "sample {index}, bit {bit}");
                samples[index] = before;
            }
        }
    }

    #[test]
    fn the_ramp_counts_frames_and_takes_commands_at_their_frame() {
        let mut ramp = Ramp::default();
        let mut out = [0.0; crate::BLOCK_SAMPLES];
        ramp.apply(3, &[1, 0, 0, 0, 0]);
        ramp.render(&mut out);
        assert_eq!((out[4], out[6]), (2.0, 3.0 + 7919.0));
        ramp.render(&mut out);
        assert_eq!(out[0], 64.0 + 7919.0);
    }
}
