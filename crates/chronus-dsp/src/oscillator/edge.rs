//! Edges and corners without aliases: what an oscillator that jumps or bends must add to its samples
//! to be band-limited.
//!
//! A jump between two frames is replaced by the step response of a low-pass of linear phase
//! ("band-limited step", Eli Brandt, "Hard sync without aliasing", 2001), and a bend by the integral
//! of that. A table holds what these differ by from the plain jump or bend, at many positions
//! between two frames. The low-pass looks [`DELAY_FRAMES`] ahead, so all is heard that much later.

use core::f64::consts::PI;

use crate::module::BLOCK_FRAMES;
use crate::tables::Table;

/// How much later an oscillator with edges is heard: a third of a millisecond at 48 kHz.
pub const DELAY_FRAMES: usize = 16;

/// As many frames differ from the plain jump.
const TAPS: usize = 2 * DELAY_FRAMES;
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
pub struct Trail<const C: usize> {
    jump: Rows,
    bend: Rows,
    /// By the frame of the block at which they are heard.
    frames: [[f32; C]; BLOCK_FRAMES + TAPS],
}

impl<const C: usize> Trail<C> {
    /// Silence.
    pub fn new() -> Self {
        let (jump, bend) = EDGES.get().as_chunks::<TAPS>().0.split_at(POSITIONS + 1);
        Self { jump, bend, frames: [[0.0; C]; BLOCK_FRAMES + TAPS] }
    }

    /// Silence again.
    pub fn reset(&mut self) {
        self.frames = [[0.0; C]; BLOCK_FRAMES + TAPS];
    }

    /// Takes the plain samples at `frame` of the block and returns what is heard there. Before that,
    /// all jumps and bends since the frame before must have been told.
    #[inline(always)]
    pub fn pass(&mut self, frame: usize, plain: [f32; C]) -> [f32; C] {
        for c in 0..C {
            self.frames[frame + DELAY_FRAMES][c] += plain[c];
        }
        self.frames[frame]
    }

    /// Goes on to the next block. To be called after the last frame of a block.
    pub fn end_block(&mut self) {
        self.frames.copy_within(BLOCK_FRAMES.., 0);
        self.frames[TAPS..].fill([0.0; C]);
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
        let row = (position as usize).min(POSITIONS - 1);
        let rest = position - row as f32;
        let heard = &mut self.frames[frame..frame + TAPS];
        for ((heard, here), next) in heard.iter_mut().zip(&rows[row]).zip(&rows[row + 1]) {
            heard[c] += size * (here + rest * (next - here));
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

/// Whether a [`ramp`] that moved by `step` jumped on its way.
#[inline(always)]
pub fn jumped(from: u32, to: u32, step: i32) -> bool {
    ((to as i32) < from as i32) != (step < 0)
}

/// The plain ramp: from 0 at phase 0 up to 1 at half a turn, where it jumps to -1.
#[inline(always)]
pub fn ramp(phase: u32) -> f32 {
    phase as i32 as f32 * (1.0 / 2147483648.0)
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

    /// How many frames ago each channel rose from 0 or below to above, on a straight line from the
    /// frame before, and 0 if it did not; and whether any did.
    #[inline(always)]
    pub fn rises(&mut self, now: &[f32; C]) -> ([f32; C], bool) {
        let (mut ago, mut any) = ([0.0; C], false);
        for c in 0..C {
            let rises = self.last[c] <= 0.0 && now[c] > 0.0;
            let share = (now[c] / (now[c] - self.last[c])).min(1.0);
            ago[c] = if rises { share } else { 0.0 };
            any |= ago[c] > 0.0;
        }
        self.last = *now;
        (ago, any)
    }
}

impl<const C: usize> Default for Sync<C> {
    fn default() -> Self {
        Self::new()
    }
}
