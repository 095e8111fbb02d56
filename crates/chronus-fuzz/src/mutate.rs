//! Bytes to other bytes, at random: what a fuzzer does without looking at what is covered.

use fastrand::Rng;

/// Numbers at which things break.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7ff0_0000_0000_0000,
    i64::MAX as u64,
    u64::MAX,
];

/// A mutation of one of the seeds, of at most `most` bytes.
pub fn mutate(seeds: &[Vec<u8>], rng: &mut Rng, most: usize) -> Vec<u8> {
    let Some(mut bytes) = rng.choice(seeds).cloned() else { return Vec::new() };
    for _ in 0..1 << rng.u32(0..5) {
        step(&mut bytes, seeds, rng);
    }
    bytes.truncate(most);
    bytes
}

fn step(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(0..=bytes.len());
    let end = (at + rng.usize(0..64)).min(bytes.len());
    match rng.u8(0..8) {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << rng.u8(0..8)),
        1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.u8(..)),
        2 => {
            let word = rng.choice(EDGES).unwrap_or(0).to_le_bytes();
            let width = 1 << rng.u32(0..4);
            bytes.iter_mut().skip(at).zip(&word[..width]).for_each(|(byte, edge)| *byte = *edge);
        }
        3 => drop(bytes.drain(at..end)),
        4 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        5 => {
            let noise: Vec<u8> = (0..rng.usize(1..16)).map(|_| rng.u8(..)).collect();
            bytes.splice(at..at, noise);
        }
        6 => bytes.truncate(at),
        _ => {
            let Some(other) = rng.choice(seeds) else { return };
            let from = rng.usize(0..=other.len());
            let to = (from + rng.usize(0..128)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
    }
}
