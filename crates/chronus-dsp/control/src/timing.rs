//! When things happen: where a gate opens, pulses that say so, and where the beat is.

use crate::module::PortSpec;
use crate::transport::Transport;

/// A gate is open above this, and a trigger is its rising through it.
pub const OPEN: f32 = 0.5;

/// How long the pulse of a trigger is that has no length of its own: long enough to be seen, and
/// for what it starts to take note.
pub const PULSE_MS: f32 = 1.0;

/// The input that starts a module's time or series afresh.
pub const RESET: PortSpec = PortSpec::trigger("reset", "begins anew where it rises through 0.5");

/// Finds where gates open.
#[derive(Clone, Copy, Debug)]
pub struct Openings<const C: usize> {
    was_open: [bool; C],
}

impl<const C: usize> Openings<C> {
    /// Before the first frame all gates are closed.
    pub fn new() -> Self {
        Self { was_open: [false; C] }
    }

    /// The channels whose gate opens in this frame.
    #[inline(always)]
    pub fn of(&mut self, gates: &[f32; C]) -> [bool; C] {
        let is_open = gates.map(|gate| gate > OPEN);
        let was_open = core::mem::replace(&mut self.was_open, is_open);
        core::array::from_fn(|c| is_open[c] && !was_open[c])
    }
}

impl<const C: usize> Default for Openings<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// A pulse that tells of an instant: 1 for some frames. One that follows another at once is parted
/// from it by a frame of 0, so that both are heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pulse {
    left: u32,
    was_high: bool,
}

impl Pulse {
    /// The next frame; `begins` if a pulse of so many frames begins in it.
    pub fn step(&mut self, begins: bool, frames: u32) -> f32 {
        let is_parted = begins && self.was_high;
        if begins {
            self.left = frames;
        }
        self.was_high = self.left > 0 && !is_parted;
        self.left -= u32::from(self.was_high);
        if self.was_high { 1.0 } else { 0.0 }
    }
}

/// Where a phase of 2^64 to the turn begins: a hair beyond 0, so that a turn of a whole number of
/// frames ends with its last, even if rounding would make it one more.
pub const PHASE_START: u64 = 1 << 34;

/// The phases in a turn.
pub const TURN: f64 = 4_294_967_296.0;

/// Whole turns in the upper half, the rest in the lower.
pub fn fixed(turns: f64) -> u64 {
    let scaled = turns * TURN;
    // The conversion rounds towards 0, and this down.
    let whole = scaled as i64;
    whole.wrapping_sub(i64::from(whole as f64 > scaled)) as u64
}

/// The beat in frame `n`, and a hair more (far less than a frame is long): so a beat that falls on
/// a frame begins there, even if rounding would put it just behind.
pub fn beat_in(transport: &Transport, n: usize) -> f64 {
    const HAIR: f64 = 1e-9;
    transport.beat_at(n) + HAIR
}
