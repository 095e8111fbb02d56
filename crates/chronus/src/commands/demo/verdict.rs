//! What was played beside what the journal gives: frame by frame, bit by bit.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

use chronus_replication::selector::fade_in;
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, CHANNELS};

use crate::content::{self, Limit};
use crate::rendering;
use chronus_journal::Journal;

/// What comparing found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What was played, interleaved.
    pub played: Vec<f32>,
    /// Frames that were compared.
    pub compared: u64,
    /// Frames in blocks that no replica had in time, by the journal: lost.
    pub lost: u64,
    /// The first frame of each of those blocks.
    pub gaps: Vec<u64>,
    /// Frames that differ elsewhere. The block after a gap is to be as it is rendered, faded in.
    pub different: u64,
}

/// Compares a recording of a device with the rendering of its journal.
///
/// # Errors
/// If one can't be read, or if there is nothing but silence, which would prove nothing.
pub fn compare(wav: &Path, journal: &Path) -> Result<Verdict, Box<dyn Error>> {
    let played = content::read(wav, Limit::of(u64::MAX))?.content.samples.to_vec();
    let journal = Journal::read(journal)?;
    let gaps: BTreeSet<u64> = journal.gaps.iter().copied().collect();
    let is_whole = journal.complete;
    let rendered = rendering::render_journal(journal)?;
    if !rendered.iter().any(|sample| sample.abs() > 0.01) {
        return Err("nothing but silence was played; that proves nothing".into());
    }
    let mut verdict = judge(&played, &rendered, &gaps);
    verdict.different += u64::from(!is_whole);
    verdict.played = played;
    Ok(verdict)
}

/// Judges samples: everything but blocks of a gap is to be the same, and the block behind one the same faded in.
fn judge(played: &[f32], rendered: &[f32], gaps: &BTreeSet<u64>) -> Verdict {
    // A device may be silent for a moment before the performance begins; nothing has sounded then.
    let lead_in = played.len().saturating_sub(rendered.len());
    let mut verdict =
        Verdict { compared: (rendered.len() / CHANNELS) as u64, ..Verdict::default() };
    let blocks = played[lead_in..].chunks(BLOCK_SAMPLES).zip(rendered.chunks(BLOCK_SAMPLES));
    for (block, (played, rendered)) in (0_u64..).zip(blocks) {
        if gaps.contains(&block) {
            verdict.lost += (rendered.len() / CHANNELS) as u64;
            continue;
        }
        let mut expected = [0.0; BLOCK_SAMPLES];
        expected[..rendered.len()].copy_from_slice(rendered);
        if block > 0 && gaps.contains(&(block - 1)) {
            fade_in(&mut expected);
        }
        let frames = played.chunks(CHANNELS).zip(expected.chunks(CHANNELS));
        let differs =
            |(a, b): (&[f32], &[f32])| a.iter().zip(b).any(|(a, b)| a.to_bits() != b.to_bits());
        verdict.different += frames.filter(|pair| differs(*pair)).count() as u64;
    }
    let is_silent = played[..lead_in].iter().all(|sample| *sample == 0.0);
    if !is_silent || played.len() < rendered.len() {
        verdict.different += played.len().abs_diff(rendered.len()) as u64 / CHANNELS as u64 + 1;
    }
    verdict.gaps = gaps.iter().map(|block| block * BLOCK_FRAMES as u64).collect();
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = BLOCK_FRAMES * CHANNELS;

    fn ramp(blocks: usize) -> Vec<f32> {
        (0..blocks * BLOCK).map(|sample| sample as f32 + 1.0).collect()
    }

    #[test]
    fn one_bit_of_one_sample_is_a_difference() {
        let rendered = ramp(4);
        let mut played = rendered.clone();
        assert_eq!(judge(&played, &rendered, &BTreeSet::new()).different, 0);
        played[3] = f32::from_bits(played[3].to_bits() ^ 1);
        assert_eq!(judge(&played, &rendered, &BTreeSet::new()).different, 1);
    }

    #[test]
    fn blocks_of_a_gap_are_lost_and_the_fade_behind_it_is_no_difference() {
        let rendered = ramp(5);
        let mut played = rendered.clone();
        played[BLOCK..2 * BLOCK].fill(0.0);
        let verdict = judge(&played, &rendered, &BTreeSet::from([1]));
        assert_eq!((verdict.lost, verdict.different), (64, 63), "it is not faded in");
        let mut behind = [0.0; BLOCK];
        behind.copy_from_slice(&rendered[2 * BLOCK..3 * BLOCK]);
        fade_in(&mut behind);
        played[2 * BLOCK..3 * BLOCK].copy_from_slice(&behind);
        let verdict = judge(&played, &rendered, &BTreeSet::from([1]));
        assert_eq!((verdict.lost, verdict.different), (64, 0));
        let verdict = judge(&played, &rendered, &BTreeSet::new());
        assert_eq!((verdict.lost, verdict.different), (0, 127), "no gap explains it");
    }

    #[test]
    fn silence_before_the_beginning_is_no_difference_and_sound_there_is() {
        let rendered = ramp(2);
        let mut played = [vec![0.0; BLOCK], rendered.clone()].concat();
        assert_eq!(judge(&played, &rendered, &BTreeSet::new()).different, 0);
        played[0] = 0.5;
        assert!(judge(&played, &rendered, &BTreeSet::new()).different > 0);
        assert!(judge(&rendered[..BLOCK], &rendered, &BTreeSet::new()).different > 0, "cut short");
    }
}
