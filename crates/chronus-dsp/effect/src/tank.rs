//! The room of a reverb: sixteen delay lines that feed one another, and lose so much on each way round
//! that the sound dies away in the time that it is told.
//!
//! A feedback delay network with filters that absorb by the length of each line: Jean-Marc Jot and
//! Antoine Chaigne, "Digital Delay Networks for Designing Artificial Reverberators", AES 90th
//! Convention, 1991.

use super::diffuser::{Frames, LANES, mix};
use super::line::Line;
use super::{CELL_FRAMES, silent_below};
use crate::lanes::{Floats, Ints, Lanes};
use crate::math::{exp2, sine_of_phase, tan_of_turns, to_unsigned};

/// The lines at size 1, in ms; no two have a simple ratio.
const LENGTHS_MS: [f32; LANES] = [
    27.31, 29.83, 32.11, 34.97, 37.03, 40.27, 43.13, 45.89, 49.37, 52.61, 56.39, 60.17, 64.51,
    69.07, 74.23, 79.81,
];
/// The greatest size.
pub(super) const SIZE_MAX: f32 = 2.0;
/// How far a line sways at most, so that no tone rings for long.
const SWAY_MS: f32 = 0.5;
/// How fast the first line sways; each further one a little faster.
const SWAY_HZ: f32 = 0.31;
const SWAY_STEP: f32 = 0.061;
/// What lies far above the corner of the damping dies away so many times as fast.
const FASTER: f32 = 4.0;
/// As much as a line takes from the highs beyond that, in octaves (15 dB): a filter of first order with a
/// deeper shelf would reach far below its corner.
const SHELF_OCTAVES: f32 = 2.5;
/// A line changes its length by at most this share of the time that passes.
const SLOPE_MAX: f32 = 0.1;
/// Places in a line are counted in 2^-16 frames.
const FRAME: f32 = 65_536.0;

/// What the room is to be.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Design<const C: usize> {
    /// How large, up to [`SIZE_MAX`].
    pub size: [f32; C],
    /// The time in which it dies away by 60 dB.
    pub decay_s: [f32; C],
    /// The middle of the range above which it dies away faster.
    pub damping_hz: [f32; C],
}

/// See the file's head.
pub(super) struct Tank<const C: usize> {
    rate_hz: f32,
    lines: [Line<C>; LANES],
    sways: [u32; LANES],
    /// The size as far as the lines have followed.
    size: [f32; C],
    designed: Option<Design<C>>,
    /// Where each line is read, and what that moves by in a frame.
    place: [[u32; C]; LANES],
    slope: [[u32; C]; LANES],
    /// What passes of the highs, what of the lows beyond that, and the coefficient that parts them.
    highs: Frames<C>,
    lows: Frames<C>,
    parting: Frames<C>,
    low: Frames<C>,
}

impl<const C: usize> Tank<C> {
    pub fn new(rate_hz: u32) -> Self {
        let rate = rate_hz as f32;
        let frames = |length_ms| ((length_ms * SIZE_MAX + SWAY_MS) * rate / 1000.0) as usize + 8;
        Self {
            rate_hz: rate,
            lines: LENGTHS_MS.map(|length_ms| Line::new(frames(length_ms).min(65_500))),
            sways: Self::first_sways(),
            size: [1.0; C],
            designed: None,
            place: [[0; C]; LANES],
            slope: [[0; C]; LANES],
            highs: [[0.0; C]; LANES],
            lows: [[0.0; C]; LANES],
            parting: [[0.0; C]; LANES],
            low: [[0.0; C]; LANES],
        }
    }

    fn first_sways() -> [u32; LANES] {
        // The golden section scatters them over the turn.
        core::array::from_fn(|lane| (lane as u32).wrapping_mul(0x9e37_79b9))
    }

    pub fn reset(&mut self) {
        self.lines.iter_mut().for_each(Line::reset);
        (self.sways, self.designed) = (Self::first_sways(), None);
        self.low = [[0.0; C]; LANES];
    }

    /// Whether no cell has begun yet.
    pub fn is_fresh(&self) -> bool {
        self.designed.is_none()
    }

    /// What is heard from the frame at which a cell begins; the lines sway by a share of the most.
    #[inline(always)]
    pub fn begin_cell<L: Lanes<C>>(&mut self, set: L, design: Design<C>, sway: &[f32; C]) {
        let is_fresh = self.is_fresh();
        let now = Design { size: self.follow(design.size), ..design };
        if self.designed != Some(now) {
            self.designed = Some(now);
            self.absorb(set, &now);
        }
        let frames_per_ms = self.rate_hz * 1e-3;
        let (size, sway) = (set.load(&now.size), set.load(sway) * SWAY_MS);
        for lane in 0..LANES {
            let sway_hz = SWAY_HZ * (1.0 + SWAY_STEP * lane as f32);
            let turns = sway_hz * CELL_FRAMES as f32 / self.rate_hz;
            self.sways[lane] = self.sways[lane].wrapping_add((turns * 4_294_967_296.0) as u32);
            let length_ms = size * LENGTHS_MS[lane] + sway * sine_of_phase(self.sways[lane]);
            let end = to_unsigned((length_ms * frames_per_ms).between(2.0, 65_490.0) * FRAME);
            if is_fresh {
                set.store_ints(end, &mut self.place[lane]);
            }
            let way = end.minus(set.load_ints(&self.place[lane]));
            // Divided by the frames of a cell, towards 0.
            const { assert!(CELL_FRAMES == 16) };
            let slope = way.plus(way.down_signed(31) & 15).down_signed(4);
            set.store_ints(slope, &mut self.slope[lane]);
        }
    }

    /// The size, as far as the lines follow it within a cell.
    fn follow(&mut self, size: [f32; C]) -> [f32; C] {
        // The longest line sets the pace.
        let most = SLOPE_MAX * CELL_FRAMES as f32 / (LENGTHS_MS[LANES - 1] * 1e-3 * self.rate_hz);
        for c in 0..C {
            let way = size[c] - self.size[c];
            let arrives = self.is_fresh() || way.abs() <= most;
            self.size[c] = if arrives { size[c] } else { self.size[c] + way.clamp(-most, most) };
        }
        self.size
    }

    /// Computes what each line absorbs: a shelf whose decibels, low and high, go by its length.
    #[inline(always)]
    fn absorb<L: Lanes<C>>(&mut self, set: L, design: &Design<C>) {
        let (size, decay_s) = (set.load(&design.size), set.load(&design.decay_s));
        let corner = tan_of_turns(set.load(&design.damping_hz) * 0.5 / self.rate_hz);
        for lane in 0..LANES {
            let length_s = size * (LENGTHS_MS[lane] * 1e-3);
            // 60 dB are a factor of 1000, which is 9.97 octaves.
            let octaves = length_s * -9.965_784 / decay_s;
            let more = (octaves * (FASTER - 1.0)).at_least(set.all(-SHELF_OCTAVES));
            let (low, high) = (exp2(octaves), exp2(octaves + more));
            // At the corner the shelf has half its decibels: the pole lies below it.
            let g = exp2(more * 0.5) * corner;
            set.store(high, &mut self.highs[lane]);
            set.store(low - high, &mut self.lows[lane]);
            set.store(g / (g + 1.0), &mut self.parting[lane]);
        }
    }

    /// What comes back from the room, in which this is let.
    #[inline(always)]
    pub fn process<L: Lanes<C>>(
        &mut self,
        set: L,
        into: &[L::Floats; LANES],
        out: &mut [L::Floats; LANES],
    ) {
        let mut back = [set.all(0.0); LANES];
        for lane in 0..LANES {
            let place = set.load_ints(&self.place[lane]).plus(set.load_ints(&self.slope[lane]));
            set.store_ints(place, &mut self.place[lane]);
            let share = (place & 0xffff).to_floats() * (1.0 / FRAME);
            let heard = self.lines[lane].between(set, place.down(16), share);
            let low = set.load(&self.low[lane]);
            let step = (heard - low) * set.load(&self.parting[lane]);
            set.store(silent_below(low + step * 2.0), &mut self.low[lane]);
            let (highs, lows) = (set.load(&self.highs[lane]), set.load(&self.lows[lane]));
            let heard = highs * heard + lows * (low + step);
            (out[lane], back[lane]) = (heard, heard);
        }
        mix(&mut back);
        for lane in 0..LANES {
            self.lines[lane].push(set, silent_below(back[lane] + into[lane]));
        }
    }
}
