//! Edges and corners without aliases: what an oscillator that jumps or bends must add to its samples
//! to be band-limited.
//!
//! A jump between two frames is replaced by the step response of a low-pass of linear phase
//! ("band-limited step", Eli Brandt, "Hard sync without aliasing", 2001), and a bend by the integral
//! of that. A table holds what these differ by from the plain jump or bend, at many positions
//! between two frames. The low-pass looks [`DELAY_FRAMES`] ahead, so all is heard that much later.

use core::f64::consts::PI;

use crate::lanes::{Floats, Ints, Lanes, Mask, base};
use crate::module::BLOCK_FRAMES;
use crate::tables::Table;

/// How much later an oscillator with edges is heard: a third of a millisecond at 48 kHz.
pub const DELAY_FRAMES: usize = 16;

/// As many frames differ from the plain jump.
const TAPS: usize = 2 * DELAY_FRAMES;
const _: () = assert!(BLOCK_FRAMES.is_multiple_of(TAPS));

/// Positions between two frames that the table has; between these it is read in straight lines.
const POSITIONS: usize = 256;
/// Steps of integration from one position to the next.
const FINE: usize = 4;
/// Of the Kaiser window: side lobes at about -85 dB, and a transition of a sixth of the rate.
const KAISER_BETA: f64 = 8.3;
/// Half the phase: where a ramp jumps.
const HALF_TURN: u32 = 1 << 31;

/// What to add to the `TAPS` frames around an event, by its position between two frames: first the rows
/// for a jump by 1, then those for a bend of the slope by 1 per frame.
pub static EDGES: Table = Table::new("edges", || {
    const PER_FRAME: usize = POSITIONS * FINE;
    let step_response = step_response(PER_FRAME);
    let width = 1.0 / PER_FRAME as f64;
    // The integral of the step response up to the middle. Beyond it, the difference from the plain
    // bend mirrors it, because the low-pass is symmetric.
    let mut ramp_response = vec![0.0; DELAY_FRAMES * PER_FRAME + 1];
    for i in 1..ramp_response.len() {
        let area = f64::midpoint(step_response[i - 1], step_response[i]) * width;
        ramp_response[i] = ramp_response[i - 1] + area;
    }
    let (mut jump, mut bend) = (Vec::new(), Vec::new());
    for position in 0..=POSITIONS {
        for tap in 0..TAPS {
            let index = tap * PER_FRAME + position * FINE;
            let plain = if tap < DELAY_FRAMES { 0.0 } else { 1.0 };
            jump.push((step_response[index] - plain) as f32);
            bend.push(ramp_response[index.min(TAPS * PER_FRAME - index)] as f32);
        }
    }
    [jump, bend].concat()
});

type Rows = &'static [[f32; TAPS]];

/// The integral of a sinc under a Kaiser window, from 0 to 1, so many values per frame.
fn step_response(per_frame: usize) -> Vec<f64> {
    let count = TAPS * per_frame + 1;
    let impulse = |i: usize| {
        let frames = i as f64 / per_frame as f64 - DELAY_FRAMES as f64;
        let sinc = if frames == 0.0 { 1.0 } else { libm::sin(PI * frames) / (PI * frames) };
        let x = frames / DELAY_FRAMES as f64;
        sinc * bessel_i0_of_square(KAISER_BETA * KAISER_BETA * (1.0 - x * x))
    };
    let mut sums = vec![0.0; count];
    let mut last = impulse(0);
    for i in 1..count {
        let next = impulse(i);
        sums[i] = sums[i - 1] + last + next;
        last = next;
    }
    let total = sums[count - 1];
    sums.iter().map(|sum| sum / total).collect()
}

/// The modified Bessel function of order 0 at the square root of `square`, by its series.
pub(super) fn bessel_i0_of_square(square: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..30 {
        term *= square / 4.0 / f64::from(k * k);
        sum += term;
    }
    sum
}

/// The samples of an oscillator on their way through the delay, with what its edges add to them.
#[repr(C, align(64))]
pub struct Trail<const C: usize> {
    /// By the frame at which they are heard, in a ring.
    frames: [[f32; C]; TAPS],
    jump: Rows,
    bend: Rows,
}

impl<const C: usize> Trail<C> {
    /// Silence.
    pub fn new() -> Self {
        let (jump, bend) = EDGES.get().as_chunks::<TAPS>().0.split_at(POSITIONS + 1);
        Self { frames: [[0.0; C]; TAPS], jump, bend }
    }

    /// Silence again.
    pub fn reset(&mut self) {
        self.frames = [[0.0; C]; TAPS];
    }

    /// Takes the plain samples at `frame` of the block and returns what is heard there. Before that,
    /// all jumps and bends since the frame before must have been told.
    #[inline(always)]
    pub fn pass<L: Lanes<C>>(&mut self, lanes: L, frame: usize, plain: L::Floats) -> L::Floats {
        let later = &mut self.frames[(frame + DELAY_FRAMES) % TAPS];
        lanes.store(lanes.load(later) + plain, later);
        let now = &mut self.frames[frame % TAPS];
        let heard = lanes.load(now);
        lanes.store(lanes.all(0.0), now);
        heard
    }

    /// As [`pass`](Self::pass), of frames that are no vectors.
    #[inline(always)]
    pub fn pass_each(&mut self, frame: usize, plain: [f32; C]) -> [f32; C] {
        for (later, plain) in self.frames[(frame + DELAY_FRAMES) % TAPS].iter_mut().zip(plain) {
            *later += plain;
        }
        core::mem::replace(&mut self.frames[frame % TAPS], [0.0; C])
    }

    /// Channel `c` jumped by `height`, `ago` frames (0 to 1) before `frame`.
    pub fn jump(&mut self, frame: usize, c: usize, ago: f32, height: f32) {
        self.add(self.jump, frame, c, ago, height);
    }

    /// The slope of channel `c` changed by `per_frame`, `ago` frames (0 to 1) before `frame`.
    pub fn bend(&mut self, frame: usize, c: usize, ago: f32, per_frame: f32) {
        self.add(self.bend, frame, c, ago, per_frame);
    }

    fn add(&mut self, rows: &[[f32; TAPS]], frame: usize, c: usize, ago: f32, size: f32) {
        let position = ago.clamp(0.0, 1.0) * POSITIONS as f32;
        let row = (position as i32 as usize).min(POSITIONS - 1);
        let rest = position - row as f32;
        // As vectors of taps, for frames of several channels lie too far apart to be added to as such.
        let (lanes, mut added) = (base(), [[0.0; 4]; TAPS / 4]);
        let [here, next] = [&rows[row], &rows[row + 1]].map(|row| row.as_chunks::<4>().0);
        for ((added, here), next) in added.iter_mut().zip(here).zip(next) {
            let (here, next) = (lanes.load(here), lanes.load(next));
            lanes.store((here + (next - here) * rest) * size, added);
        }
        // As often whatever the frame, so that no processor guesses wrong.
        for (tap, added) in added.as_flattened().iter().enumerate() {
            self.frames[(frame + tap) % TAPS][c] += added;
        }
    }

    /// Tells the jumps of a [`ramp`] of channel `c` that advances from phase `from` by `step`,
    /// arrives at `frame`, and is heard `gain` times as loud. With a `restart` it goes only part
    /// of that way and then starts from another phase.
    pub fn ramp_edges(
        &mut self,
        (frame, c): (usize, usize),
        (from, step): (u32, i32),
        restart: Option<Restart>,
        gain: f32,
    ) {
        let part = restart.map_or(step, |restart| restart.step_before(step));
        let to = from.wrapping_add(part as u32);
        let since = restart.map_or(0.0, |restart| restart.ago);
        let steps = step.unsigned_abs() as f32;
        if step > 0 && (to as i32) < from as i32 {
            let ago = since + to.wrapping_sub(HALF_TURN) as f32 / steps;
            self.jump(frame, c, ago, -2.0 * gain);
        }
        if step < 0 && to as i32 > from as i32 {
            let ago = since + HALF_TURN.wrapping_sub(to) as f32 / steps;
            self.jump(frame, c, ago, 2.0 * gain);
        }
        if let Some(restart) = restart {
            let (Restart { ago, phase, rest }, arrival) = (restart, restart.arrival());
            self.jump(frame, c, ago, (ramp(phase) - ramp(to)) * gain);
            if rest > 0 && (arrival as i32) < phase as i32 {
                let ago = ago * (arrival.wrapping_sub(HALF_TURN) as f32 / rest as f32);
                self.jump(frame, c, ago, -2.0 * gain);
            }
            if rest < 0 && arrival as i32 > phase as i32 {
                let ago = ago * (HALF_TURN.wrapping_sub(arrival) as f32 / -rest as f32);
                self.jump(frame, c, ago, 2.0 * gain);
            }
        }
    }
}

impl<const C: usize> Default for Trail<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a [`ramp`] that moved by `step` jumped on its way: whether the sum overflowed, as signed numbers.
#[inline(always)]
pub fn jumped<I: Ints>(from: I, to: I, step: I) -> I::Mask {
    ((from ^ to) & (step ^ to)).lt_signed(from.like(0))
}

/// The plain ramp: from 0 at phase 0 up to 1 at half a turn, where it jumps to -1.
#[inline(always)]
pub fn ramp<I: Ints>(phase: I) -> I::Floats {
    phase.to_floats() * (1.0 / 2147483648.0)
}

/// Channels that jumped, bent or restarted on the way to a frame.
pub struct Edges<const C: usize> {
    /// A bit for each of these channels.
    bits: u32,
    /// The phases in the frame before.
    pub from: [u32; C],
    /// How many frames ago the channels restarted, 0 where they did not.
    pub ago: [f32; C],
}

impl<const C: usize> Edges<C> {
    /// Of the channels of a mask.
    #[inline(always)]
    pub fn new<L: Lanes<C>>(lanes: L, mask: L::Mask, from: L::Ints, ago: L::Floats) -> Self {
        let bits = mask.channels() & (u32::MAX >> (32 - C));
        Self { bits, from: lanes.array_of_ints(from), ago: lanes.array(ago) }
    }

    /// The channels.
    pub fn channels(&self) -> impl Iterator<Item = usize> + use<C> {
        let mut bits = self.bits;
        core::iter::from_fn(move || {
            let first = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
            Some(first)
        })
    }
}

/// An oscillator starts its turn afresh between two frames.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// So many frames ago, more than 0 and at most 1.
    pub ago: f32,
    /// At this phase.
    pub phase: u32,
    /// How far it went since, less than half a turn; backwards if negative.
    pub rest: i32,
}

impl Restart {
    /// A restart at `phase`, on the way of `step`; `None` if `ago` is 0.
    pub fn new(ago: f32, phase: u32, step: i32) -> Option<Self> {
        let rest = (f64::from(ago) * f64::from(step)) as i32;
        (ago > 0.0).then_some(Self { ago, phase, rest })
    }

    /// How much of a step lay before it.
    fn step_before(&self, step: i32) -> i32 {
        ((1.0 - f64::from(self.ago)) * f64::from(step)) as i32
    }

    /// The phase at which it arrives.
    pub fn arrival(&self) -> u32 {
        self.phase.wrapping_add(self.rest as u32)
    }
}

/// Watches an input for the moments when it rises through 0.
#[derive(Clone, Copy, Debug)]
pub struct Sync<const C: usize> {
    last: [f32; C],
}

impl<const C: usize> Sync<C> {
    /// One that has seen silence.
    pub fn new() -> Self {
        Self { last: [0.0; C] }
    }

    /// Whether it need not be asked in the next frames, as it is if the input is silent in them.
    #[inline(always)]
    pub fn rests(&mut self, is_silent: bool) -> bool {
        if is_silent {
            self.last = [0.0; C];
        }
        is_silent
    }

    /// How many frames ago each channel rose from 0 or below to above, on a straight line from the
    /// frame before, and 0 if it did not; and which did.
    #[inline(always)]
    pub fn rises<L: Lanes<C>>(&mut self, lanes: L, now: &[f32; C]) -> (L::Floats, L::Mask) {
        let (zero, one) = (lanes.all(0.0), lanes.all(1.0));
        let (last, here) = (lanes.load(&self.last), lanes.load(now));
        self.last = *now;
        let share = (here / (here - last)).at_most(one);
        let ago = Floats::choose(last.le(zero) & here.gt(zero), share, zero);
        (ago, ago.gt(zero))
    }
}

impl<const C: usize> Default for Sync<C> {
    fn default() -> Self {
        Self::new()
    }
}
