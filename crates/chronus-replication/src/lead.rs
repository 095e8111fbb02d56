//! How many blocks the workers are ahead of the device: the lead.
//!
//! The lead is what a stall of the machine may take before a block comes too late. Blocks are sealed that much
//! earlier, which nobody hears; commands take effect that much later.

use crate::BLOCK_FRAMES;

/// The lead is never less where it is chosen for the machine.
pub const LEAST_BLOCKS: u64 = 8;
/// The lead is never longer, in nanoseconds, where it is chosen for the machine or asked for in milliseconds.
pub const MOST_NS: u64 = 64_000_000;
/// No lead has more blocks: [`MOST_NS`] at 192 kHz.
pub const MOST_BLOCKS: u64 = blocks_in(MOST_NS, 192_000);
/// No device asks for more frames at once.
pub const PERIOD_FRAMES_MOST: u64 = 8192;

/// The lead for a machine that woke a real-time thread `worst_ns` nanoseconds late at worst: half as much again,
/// within [`LEAST_BLOCKS`] and [`MOST_NS`].
///
/// `rate_hz` is frames per second, at least 1.
pub fn for_lateness(worst_ns: u64, rate_hz: u32) -> u64 {
    let wanted_ns = worst_ns.saturating_add(worst_ns / 2).min(MOST_NS);
    blocks_in(wanted_ns, rate_hz).clamp(LEAST_BLOCKS, MOST_BLOCKS)
}

/// The least number of blocks that last so many nanoseconds.
pub const fn blocks_in(ns: u64, rate_hz: u32) -> u64 {
    let frames = (ns as u128 * rate_hz as u128).div_ceil(1_000_000_000);
    frames.div_ceil(BLOCK_FRAMES as u128) as u64
}

/// How many nanoseconds so many blocks last.
pub const fn length_ns(blocks: u64, rate_hz: u32) -> u64 {
    (blocks as u128 * BLOCK_FRAMES as u128 * 1_000_000_000 / rate_hz as u128) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_is_half_as_much_again_as_the_worst_stall() {
        // 8 ms late: 12 ms are 576 frames, which are 9 blocks.
        assert_eq!(for_lateness(8_000_000, 48_000), 9);
        assert_eq!(for_lateness(14_500_000, 48_000), 17);
        assert_eq!(for_lateness(8_000_000, 192_000), 36);
    }

    #[test]
    fn a_lead_has_a_least_and_a_most() {
        assert_eq!(for_lateness(0, 48_000), LEAST_BLOCKS);
        assert_eq!(for_lateness(1_000_000, 48_000), LEAST_BLOCKS);
        assert_eq!(for_lateness(u64::MAX, 48_000), 48);
        assert_eq!(for_lateness(u64::MAX, 192_000), MOST_BLOCKS);
        assert_eq!(for_lateness(u64::MAX, 384_000), MOST_BLOCKS);
    }

    #[test]
    fn blocks_and_their_length_agree() {
        for rate_hz in [8_000, 44_100, 48_000, 96_000, 192_000, 384_000] {
            for blocks in 1..=MOST_BLOCKS {
                assert_eq!(blocks_in(length_ns(blocks, rate_hz), rate_hz), blocks);
            }
        }
        assert_eq!(length_ns(8, 48_000), 10_666_666);
    }
}
