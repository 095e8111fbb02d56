//! What an envelope listens to: the gate of all channels, and the cable that opens each.

use crate::lanes::{Floats, Lanes, Mask};

/// The gates of `C` channels.
#[derive(Clone, Copy, Debug)]
pub struct Gates<const C: usize> {
    /// What the gate of all was told since the last frame. It waits for that frame, because only
    /// then are the parameters known that were set at the same time.
    opened: bool,
    /// Closed, after any opening.
    closed: bool,
    /// What each cable was in the last frame, from 0 to 1.
    cables: [f32; C],
}

impl<const C: usize> Gates<C> {
    /// All closed.
    pub const CLOSED: Self = Self { opened: false, closed: false, cables: [0.0; C] };

    /// Opens or closes all channels in the next frame: see
    /// [`Module::set_gate`](crate::module::Module::set_gate).
    pub fn set(&mut self, open: bool) {
        self.opened |= open;
        self.closed = !open;
    }

    /// Whether anything opens or closes in this frame, which [`answer`](Self::answer) then tells.
    #[inline(always)]
    pub fn are_due<L: Lanes<C>>(&self, lanes: L, cables: &[f32; C]) -> bool {
        let half = lanes.all(0.5);
        let (are, were) = (lanes.load(cables).gt(half), lanes.load(&self.cables).gt(half));
        self.opened | self.closed | ((are & !were) | (were & !are)).any()
    }

    /// Tells `change` which channels open (true) or close (false) in this frame, in order.
    pub fn answer(&mut self, cables: &[f32; C], mut change: impl FnMut(usize, bool)) {
        for c in 0..C {
            if self.opened {
                change(c, true);
            }
            if self.closed {
                change(c, false);
            }
            let is_open = cables[c] > 0.5;
            if is_open != (self.cables[c] > 0.5) {
                change(c, is_open);
            }
        }
        (self.opened, self.closed, self.cables) = (false, false, *cables);
    }
}
