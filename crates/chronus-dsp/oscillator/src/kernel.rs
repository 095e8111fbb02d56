//! What lies between the frames of a recording, and what must go when it is played faster: a sinc
//! under a Kaiser window, read at any place.
//!
//! Played at its speed, a recording comes out as it is. Played faster, the sinc is drawn out so
//! that nothing above half the rate is left (Julius O. Smith and Phil Gossett, "A Flexible
//! Sampling-Rate Conversion Method", 1984); to be fast it is held ready at steps of an eighth of an
//! octave.

use super::edge::bessel_i0_of_square;
use crate::tables::Table;
use core::f64::consts::PI;

/// Frames to each side of the place that is read, at the speed of the recording.
const REACH: usize = 16;
/// Side lobes at -80 dB; at 48 kHz all is heard up to 20 kHz, and nothing that comes from beyond 28
/// kHz.
const KAISER_BETA: f64 = 8.0;
/// From a speed of 1 to 16; faster ones let aliases in.
const LEVELS: usize = 33;
/// Places between two frames, at the speed of the recording; between these it is read in straight
/// lines.
const POSITIONS: f64 = 256.0;
/// Weights are a multiple of this.
const LANES: usize = 8;
/// As many frames as are read at most.
pub const TAPS_MAX: usize = 2 * REACH * 16;

/// The weights for a range of speeds.
#[derive(Clone, Copy)]
pub struct Kernel {
    /// How many frames are weighed.
    taps: usize,
    positions: usize,
    rows: &'static [f32],
}

/// The weights for all speeds, one level after the other.
pub static WEIGHTS: Table = Table::new("sample weights", || {
    let sinc = windowed_sinc();
    (0..LEVELS).flat_map(|level| weights(&sinc, level)).collect()
});

/// All levels.
#[derive(Clone, Copy)]
pub struct Kernels([Kernel; LEVELS]);

const FINE: usize = 1024;

/// One half of it, so many values per frame.
fn windowed_sinc() -> Vec<f64> {
    let value = |i: usize| {
        let frames = i as f64 / FINE as f64;
        let x = frames / REACH as f64;
        let window = bessel_i0_of_square(KAISER_BETA * KAISER_BETA * (1.0 - x * x));
        match i {
            0 => window,
            _ if i.is_multiple_of(FINE) => 0.0,
            _ => window * libm::sin(PI * frames) / (PI * frames),
        }
    };
    (0..=REACH * FINE).map(value).collect()
}

/// The speed, the frames that are weighed and the places between two frames of a level.
fn extent(level: usize) -> (f64, usize, usize) {
    let speed = libm::exp2(level as f64 / 8.0);
    let taps = ((2 * REACH) as f64 * speed).ceil() as usize;
    let taps = taps.next_multiple_of(LANES).min(TAPS_MAX);
    (speed, taps, (POSITIONS / speed).ceil() as usize)
}

fn weights(sinc: &[f64], level: usize) -> Vec<f32> {
    let (speed, taps, positions) = extent(level);
    let mut rows = Vec::with_capacity((positions + 1) * taps);
    for position in 0..=positions {
        let place = (taps / 2 - 1) as f64 + position as f64 / positions as f64;
        let weight = |tap: usize| {
            let x = (tap as f64 - place).abs() / speed * FINE as f64;
            let at = (x as usize).min(sinc.len() - 1);
            let next = sinc.get(at + 1).copied().unwrap_or(0.0);
            sinc[at] + (x - at as f64).min(1.0) * (next - sinc[at])
        };
        let sum: f64 = (0..taps).map(weight).sum();
        rows.extend((0..taps).map(|tap| (weight(tap) / sum) as f32));
    }
    rows
}

impl Kernels {
    /// From the table.
    pub fn of_table() -> Self {
        let mut rest = WEIGHTS.get();
        Self(core::array::from_fn(|level| {
            let (_, taps, positions) = extent(level);
            let (rows, others) = rest.split_at((positions + 1) * taps);
            rest = others;
            Kernel { taps, positions, rows }
        }))
    }

    /// The one for a speed, in frames of the recording per frame that is heard.
    #[inline(always)]
    pub fn of(&self, speed: f64) -> Kernel {
        /// Eighths of an octave above 1.
        const EIGHTHS: [f32; 8] = [
            1.0,
            1.0905077,
            1.1892071,
            1.2968396,
            core::f32::consts::SQRT_2,
            1.5422108,
            1.6817929,
            1.8340081,
        ];
        let speed = (speed as f32).clamp(1.0, 16.0);
        let (octave, part) = ((speed.to_bits() >> 23) as usize - 127, speed.to_bits() & 0x7f_ffff);
        let part = f32::from_bits(part | 0x3f80_0000);
        let eighths = EIGHTHS.iter().filter(|eighth| **eighth < part).count();
        self.0[8 * octave + eighths]
    }
}

impl Kernel {
    /// How many frames are weighed.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// The first of the frames that are weighed around the frame at or before the place.
    pub fn first(&self, frame: i64) -> i64 {
        frame - (self.taps / 2 - 1) as i64
    }

    /// The sum of these frames for a place that is so much (0 to 1) behind the middle.
    #[inline(always)]
    pub fn weigh<const N: usize>(&self, behind: f32, frames: &[[f32; N]]) -> [f32; N] {
        let place = behind * self.positions as f32;
        let row = (place as usize).min(self.positions - 1);
        let share = place - row as f32;
        let (this, next) = self.rows[row * self.taps..][..2 * self.taps].split_at(self.taps);
        // As many sums as a wide vector has, added up in a fixed order.
        let mut sums = [[0.0; N]; LANES];
        let rows = this.as_chunks::<LANES>().0.iter().zip(next.as_chunks::<LANES>().0);
        for (frames, (this, next)) in frames.as_chunks::<LANES>().0.iter().zip(rows) {
            let mut weights = [0.0; LANES];
            for i in 0..LANES {
                weights[i] = this[i] + share * (next[i] - this[i]);
            }
            for i in 0..LANES {
                for channel in 0..N {
                    sums[i][channel] += weights[i] * frames[i][channel];
                }
            }
        }
        core::array::from_fn(|channel| {
            let pair = |i: usize| sums[i][channel] + sums[i + 4][channel];
            (pair(0) + pair(2)) + (pair(1) + pair(3))
        })
    }
}
