//! What drums are made of: strokes, fading envelopes, a filter, saturation, and metal.

use crate::gate::Orders;
use crate::math::tan_of_turns;
use crate::math::{scramble, unit_of};

/// What is below this is silence.
const SILENCE: f32 = 1e-20;

/// 0 for what is too small to matter, so that nothing fades for ever.
#[inline(always)]
pub fn silent_below(value: f32) -> f32 {
    if value.abs() < SILENCE { 0.0 } else { value }
}

/// Finds the frames in which channels are struck.
#[derive(Clone, Copy, Debug)]
pub struct Strokes<const C: usize> {
    /// All are to be struck in the next frame.
    asked: bool,
    /// Whether the input was open in the frame before.
    open: [bool; C],
}

impl<const C: usize> Strokes<C> {
    /// None yet.
    pub const NONE: Self = Self { asked: false, open: [false; C] };

    /// As [`Module::set_gate`](crate::module::Module::set_gate).
    pub fn set_gate(&mut self, open: bool) {
        self.asked |= open;
    }

    /// Which channels are struck in this frame, and whether any is.
    #[inline(always)]
    pub fn next(&mut self, gate: &[f32; C]) -> ([bool; C], bool) {
        let asked = core::mem::take(&mut self.asked);
        let (mut struck, mut any) = ([false; C], false);
        for c in 0..C {
            let open = gate[c] > 0.5;
            struck[c] = asked || open && !self.open[c];
            any |= struck[c];
            self.open[c] = open;
        }
        (struck, any)
    }
}

/// Follows gates that stay open: what [`Strokes`] finds, and how long each lasts.
#[derive(Clone, Copy, Debug)]
pub struct Gates<const C: usize> {
    orders: Orders,
    input: [bool; C],
    open: [bool; C],
}

impl<const C: usize> Gates<C> {
    /// All closed.
    pub const CLOSED: Self = Self { orders: Orders::NONE, input: [false; C], open: [false; C] };

    /// As [`Module::set_gate`](crate::module::Module::set_gate).
    pub fn set_gate(&mut self, open: bool) {
        self.orders.set(open);
    }

    /// Which channels are struck in this frame, whether any is, and which are open.
    #[inline(always)]
    pub fn next(&mut self, gate: &[f32; C]) -> ([bool; C], bool, [bool; C]) {
        let order = self.orders.take();
        let (mut struck, mut any) = ([false; C], false);
        for c in 0..C {
            let input = gate[c] > 0.5;
            let rises = input && !self.input[c];
            let falls = order == Some(false) || self.input[c] && !input;
            struck[c] = order == Some(true) || rises;
            any |= struck[c];
            self.open[c] = struck[c] || self.open[c] && !falls;
            self.input[c] = input;
        }
        (struck, any, self.open)
    }
}

/// What a level loses per frame, as a part of itself, to be 60 dB down after so many ms (at least
/// 1).
///
/// It is `1 - 10^(-3 / frames)`, by its Taylor series; within 0.01 percent from 20 frames on.
#[inline(always)]
pub fn loss_of_ms(fade_ms: f32, frames_per_ms: f32) -> f32 {
    let x = 6.907_755_4 / (fade_ms.max(1.0) * frames_per_ms);
    x * (1.0 - x * (0.5 - x * (1.0 / 6.0 - x * (1.0 / 24.0 - x * (1.0 / 120.0)))))
}

/// The filter of `svf`, bare: what is below, above and around its cutoff.
#[derive(Clone, Copy, Debug)]
pub struct Filter<const C: usize> {
    state: [[f32; C]; 2],
}

impl<const C: usize> Filter<C> {
    /// At rest.
    pub const REST: Self = Self { state: [[0.0; C]; 2] };

    /// Filters a frame at gains that [`gain_of`] made, with damping `1 / q`. What is around the
    /// cutoff peaks at 0 dB.
    #[inline(always)]
    pub fn next(&mut self, input: [f32; C], gain: [f32; C], damping: [f32; C]) -> [[f32; C]; 3] {
        let [mut low, mut high, mut band] = [[0.0; C]; 3];
        for c in 0..C {
            let [s1, s2] = [self.state[0][c], self.state[1][c]];
            let a1 = 1.0 / (1.0 + gain[c] * (gain[c] + damping[c]));
            let v3 = input[c] - s2;
            let v1 = a1 * (s1 + gain[c] * v3);
            let v2 = s2 + gain[c] * v1;
            self.state[0][c] = silent_below(2.0 * v1 - s1);
            self.state[1][c] = silent_below(2.0 * v2 - s2);
            low[c] = v2;
            band[c] = damping[c] * v1;
            high[c] = input[c] - band[c] - v2;
        }
        [low, high, band]
    }
}

/// What a [`Filter`] needs of its cutoff.
#[inline(always)]
pub fn gain_of(cutoff_hz: f32, per_hz: f32) -> f32 {
    tan_of_turns(cutoff_hz * per_hz * 0.5)
}

/// A curve that is straight around 0 and ends at -1 and 1: the Padé approximation of the hyperbolic
/// tangent, held where it arrives.
#[inline(always)]
pub fn saturate(x: f32) -> f32 {
    let x = x.clamp(-3.0, 3.0);
    let x2 = x * x;
    x * (27.0 + x2) / (27.0 + 9.0 * x2)
}

/// Saturation that leaves a peak of 1 where it is; at `drive` 0 nearly straight.
#[inline(always)]
pub fn driven(x: f32, drive: f32) -> f32 {
    let gain = 0.1 + 8.0 * drive * drive;
    saturate(gain * x) / saturate(gain)
}

/// White noise, the same in all channels and all processes: the chance of a frame follows from its
/// number. It has the same power per Hz at every rate, as far up as is heard.
#[derive(Clone, Copy, Debug)]
pub struct Hiss {
    key: u32,
    level: f32,
    /// At high rates a value lasts for so many frames.
    hold: u32,
    /// For how many more the present one does.
    left: u32,
    number: u32,
    value: f32,
}

impl Hiss {
    const FULL_HZ: f32 = 48_000.0;

    /// From its beginning. Another key is other noise.
    pub fn new(rate_hz: u32, key: u32) -> Self {
        let hold = ((rate_hz as f32 / Self::FULL_HZ + 0.5) as u32).max(1);
        let level = (rate_hz as f32 / (hold as f32 * Self::FULL_HZ)).sqrt();
        Self { key, level, hold, left: 0, number: 0, value: 0.0 }
    }

    /// The next frame, evenly within -1..1 at a rate of 48 kHz.
    #[inline(always)]
    pub fn sample(&mut self) -> f32 {
        if self.left == 0 {
            let bits = scramble(scramble(self.number ^ self.key).wrapping_add(self.key));
            self.value = self.level * unit_of(bits);
            self.number = self.number.wrapping_add(1);
            self.left = self.hold;
        }
        self.left -= 1;
        self.value
    }
}

/// What a sound leaves behind as it is struck again: the place where it was, which fades at once,
/// so that the new stroke begins without a step.
#[derive(Clone, Copy, Debug)]
pub struct Rest<const C: usize> {
    level: [f32; C],
    last: [f32; C],
}

impl<const C: usize> Rest<C> {
    const FADE_MS: f32 = 8.0;

    /// Silence.
    pub const SILENT: Self = Self { level: [0.0; C], last: [0.0; C] };

    /// The loss of a rest, for [`join`](Self::join).
    #[inline(always)]
    pub fn loss(frames_per_ms: f32) -> f32 {
        loss_of_ms(Self::FADE_MS, frames_per_ms)
    }

    /// Channel `c` is struck, and its sound begins at 0.
    #[inline(always)]
    pub fn keep(&mut self, c: usize) {
        self.level[c] = self.last[c];
    }

    /// The sound with what is left of the one before.
    #[inline(always)]
    pub fn join(&mut self, sound: [f32; C], loss: f32) -> [f32; C] {
        for c in 0..C {
            self.last[c] = sound[c] + self.level[c];
            self.level[c] = silent_below(self.level[c] - loss * self.level[c]);
        }
        self.last
    }
}
