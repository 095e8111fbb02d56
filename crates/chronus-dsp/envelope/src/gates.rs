//! What an envelope listens to: the gate of all channels, and the cable that opens each.

use crate::gate::Orders;
use crate::lanes::{Floats, Lanes, Mask};

/// The gates of `C` channels.
#[derive(Clone, Copy, Debug)]
pub struct Gates<const C: usize> {
    /// What the gate of all was told.
    orders: Orders,
    /// What each cable was in the last frame, from 0 to 1.
    cables: [f32; C],
}

impl<const C: usize> Gates<C> {
    /// All closed.
    pub const CLOSED: Self = Self { orders: Orders::NONE, cables: [0.0; C] };

    /// Opens or closes all channels in the next frame: see
    /// [`Module::set_gate`](crate::module::Module::set_gate).
    pub fn set(&mut self, open: bool) {
        self.orders.set(open);
    }

    /// Whether anything opens or closes in this frame, which [`answer`](Self::answer) then tells.
    #[inline(always)]
    pub fn are_due<L: Lanes<C>>(&self, lanes: L, cables: &[f32; C]) -> bool {
        let half = lanes.all(0.5);
        let (are, were) = (lanes.load(cables).gt(half), lanes.load(&self.cables).gt(half));
        self.orders.are_due() | ((are & !were) | (were & !are)).any()
    }

    /// Tells `change` which channels open (true) or close (false) in this frame. What opens comes last: it is not
    /// for the one to undo the onset of the other.
    pub fn answer(&mut self, cables: &[f32; C], mut change: impl FnMut(usize, bool)) {
        let order = self.orders.take();
        for c in 0..C {
            let (is_open, was_open) = (cables[c] > 0.5, self.cables[c] > 0.5);
            if order == Some(false) || was_open && !is_open {
                change(c, false);
            }
            if order == Some(true) || is_open && !was_open {
                change(c, true);
            }
        }
        self.cables = *cables;
    }
}
