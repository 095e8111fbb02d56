//! The head that reads a delay line: it changes its place without a click, by a crossfade to the new
//! place or by gliding there as on a tape.

use super::CELL_FRAMES;
use super::line::Line;
use crate::lanes::{Doubles, Floats, Ints, Lanes, Mask};
use crate::math::frames_of_ms;

const FADE_MS: f32 = 30.0;
const GLIDE_MS: f32 = 100.0;
/// While it glides, what is heard is at most so much too fast or slow: an octave down, or a fifth up.
const SLOPE_MAX: f64 = 0.5;
/// How long a glide takes to come up to speed, or the bend in pitch would be a click.
const INERTIA_MS: f32 = 5.0;
/// So near its place, in frames, a glide ends.
const NEAR: f64 = 0.01;

/// See the file's head. Places are frames ago.
pub(super) struct Head<const C: usize> {
    place: [f64; C],
    farthest: f64,
    /// What the place moves by in a frame, what that goes to, and the share of the way it takes in one.
    slope: [f64; C],
    slope_end: [f64; C],
    inertia: f64,
    /// The place that is faded out, and for how many more frames.
    old_place: [f64; C],
    fading: [u32; C],
    fade_frames: u32,
    glide_frames: f64,
    is_fresh: bool,
}

impl<const C: usize> Head<C> {
    /// A head that goes at once to the first place that it is told, at most `farthest`.
    pub fn new(rate_hz: u32, farthest: usize) -> Self {
        Self {
            place: [2.0; C],
            farthest: farthest as f64,
            slope: [0.0; C],
            slope_end: [0.0; C],
            inertia: 1.0 / f64::from(frames_of_ms(INERTIA_MS, rate_hz)),
            old_place: [2.0; C],
            fading: [0; C],
            fade_frames: frames_of_ms(FADE_MS, rate_hz),
            glide_frames: f64::from(frames_of_ms(GLIDE_MS, rate_hz)).max(2.0 * CELL_FRAMES as f64),
            is_fresh: true,
        }
    }

    /// As new.
    pub fn reset(&mut self) {
        (self.slope, self.slope_end) = ([0.0; C], [0.0; C]);
        (self.fading, self.is_fresh) = ([0; C], true);
    }

    /// Whether it has been told no place yet.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Where to be, from the frame at which a cell begins, and whether to glide there. A fade that is under
    /// way ends first; so ask at each cell.
    pub fn aim(&mut self, place: [f64; C], glides: [bool; C]) {
        if self.is_fresh {
            (self.place, self.is_fresh) = (place, false);
        }
        for c in 0..C {
            let way = place[c] - self.place[c];
            if glides[c] && way.abs() > NEAR {
                self.slope_end[c] = (way / self.glide_frames).clamp(-SLOPE_MAX, SLOPE_MAX);
                continue;
            }
            (self.slope[c], self.slope_end[c]) = (0.0, 0.0);
            if glides[c] {
                self.place[c] = place[c];
            } else if way != 0.0 && self.fading[c] == 0 {
                (self.old_place[c], self.place[c]) = (self.place[c], place[c]);
                self.fading[c] = self.fade_frames;
            }
        }
    }

    /// Goes on by a frame.
    #[inline(always)]
    pub fn step<L: Lanes<C>>(&mut self, lanes: L) {
        let (slope, end) = (lanes.load_doubles(&self.slope), lanes.load_doubles(&self.slope_end));
        let slope = slope + (end - slope) * self.inertia;
        let place = (lanes.load_doubles(&self.place) + slope).between(2.0, self.farthest);
        lanes.store_doubles(slope, &mut self.slope);
        lanes.store_doubles(place, &mut self.place);
        let (fading, one) = (lanes.load_ints(&self.fading), lanes.all_ints(1));
        let is_over = fading.lt_signed(one);
        lanes.store_ints(L::Ints::choose(is_over, fading, fading.minus(one)), &mut self.fading);
    }

    /// What is heard of `line` in this frame, before the frame is pushed onto it.
    #[inline(always)]
    pub fn read<L: Lanes<C>>(&self, lanes: L, line: &Line<C>) -> L::Floats {
        let heard = read_at(lanes, line, lanes.load_doubles(&self.place));
        let (fading, none) = (lanes.load_ints(&self.fading), lanes.all_ints(0));
        let is_fading = none.lt_signed(fading);
        if !is_fading.any() {
            return heard;
        }
        let old = read_at(lanes, line, lanes.load_doubles(&self.old_place));
        let share = fading.to_floats() / self.fade_frames as f32;
        L::Floats::choose(is_fading, heard + share * (old - heard), heard)
    }
}

/// A line so many frames ago in each channel, at least 2.
#[inline(always)]
pub(super) fn read_at<const C: usize, L: Lanes<C>>(
    lanes: L,
    line: &Line<C>,
    ago: L::Doubles,
) -> L::Floats {
    let whole = ago.to_ints_within();
    line.between(lanes, whole, (ago - whole.to_doubles()).to_floats())
}

/// How many frames a time lasts, `frames_per_ms` frames each, but no fewer than can be read.
#[inline(always)]
pub(super) fn frames_of<F: Floats>(time_ms: F, frames_per_ms: f64) -> F::Doubles {
    let frames = time_ms.to_doubles() * frames_per_ms;
    let least = frames.like(2.0);
    F::Doubles::choose(least.lt(frames), frames, least)
}
