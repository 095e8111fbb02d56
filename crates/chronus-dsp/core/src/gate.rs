//! Onsets that no level tells: a gate that was open, and is struck again or closed in the very frame in which it
//! opens.
//!
//! A level can't say what happened within a frame, so an onset is kept until somebody has seen it. A cable parts two
//! notes by a frame at 0, as a keyboard does that lifts a key before it strikes again; a command opens a gate for a
//! frame at least.

/// What the gate of a module was told since the last frame: see
/// [`Module::set_gate`](crate::Module::set_gate). It waits for that frame, because only then are the parameters
/// known that were set at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    opens: bool,
    /// After any opening.
    closes: bool,
}

impl Orders {
    /// Nothing.
    pub const NONE: Self = Self { opens: false, closes: false };

    /// Opens (or strikes again) or closes it in the next frame.
    pub fn set(&mut self, open: bool) {
        self.opens |= open;
        self.closes = !open;
    }

    /// Whether there is anything to do in the next frame.
    #[inline(always)]
    pub fn are_due(&self) -> bool {
        self.opens | self.closes
    }

    /// What is to be done in this frame: to open, to close or nothing. What opened and closed at once is open for
    /// this frame, and closes in the next.
    #[inline(always)]
    pub fn take(&mut self) -> Option<bool> {
        if core::mem::take(&mut self.opens) {
            return Some(true);
        }
        core::mem::take(&mut self.closes).then_some(false)
    }
}

/// A gate as a cable carries it, in which each onset is a rise: one that meets an open gate closes it for a frame
/// and opens it in the next, and one that is over at once is open for a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Onsets {
    was_open: bool,
    /// There was an onset, and no rise yet.
    is_owed: bool,
}

impl Onsets {
    /// Closed, and nothing owed.
    pub const CLOSED: Self = Self { was_open: false, is_owed: false };

    /// An onset in the next frame.
    pub fn strike(&mut self) {
        self.is_owed = true;
    }

    /// Whether there was an onset that is no rise yet.
    #[inline(always)]
    pub fn is_owed(&self) -> bool {
        self.is_owed
    }

    /// Whether it stays as it is, as long as it is to be `open` and nothing strikes.
    #[inline(always)]
    pub fn rests(&self, open: bool) -> bool {
        !self.is_owed && self.was_open == open
    }

    /// The next frame of a gate that is to be `open` but for its onsets.
    #[inline(always)]
    pub fn next(&mut self, open: bool) -> bool {
        let is_open = if self.is_owed { !self.was_open } else { open };
        self.is_owed &= !is_open;
        self.was_open = is_open;
        is_open
    }
}

#[cfg(test)]
mod tests {
    use super::{Onsets, Orders};

    #[test]
    fn what_opens_and_closes_at_once_is_open_for_a_frame() {
        let mut orders = Orders::NONE;
        orders.set(true);
        orders.set(false);
        assert!(orders.are_due());
        assert_eq!([orders.take(), orders.take(), orders.take()], [Some(true), Some(false), None]);
    }

    #[test]
    fn the_last_word_of_a_frame_is_what_remains() {
        for (told, remains) in [
            (&[false, true][..], &[Some(true), None][..]),
            (&[true, false, true], &[Some(true), None]),
            (&[false, true, false], &[Some(true), Some(false)]),
            (&[false, false], &[Some(false), None]),
        ] {
            let mut orders = Orders::NONE;
            for open in told {
                orders.set(*open);
            }
            assert_eq!([orders.take(), orders.take()], remains, "{told:?}");
        }
        // What opens again before the close was due stays open.
        let mut orders = Orders::NONE;
        orders.set(true);
        orders.set(false);
        assert_eq!(orders.take(), Some(true));
        orders.set(true);
        assert_eq!([orders.take(), orders.take()], [Some(true), None]);
    }

    #[test]
    fn each_onset_is_a_rise() {
        let mut onsets = Onsets::CLOSED;
        let mut frames = |strikes: &[(bool, bool)]| -> Vec<u8> {
            let each = strikes.iter().map(|(strikes, open)| {
                if *strikes {
                    onsets.strike();
                }
                u8::from(onsets.next(*open))
            });
            each.collect()
        };
        let (on, again, off, nothing) = ((true, true), (true, true), (false, false), (false, true));
        assert_eq!(frames(&[on, nothing, again, nothing, nothing]), [1, 1, 0, 1, 1]);
        assert_eq!(frames(&[off, off]), [0, 0]);
        // Begun and over in one frame, at rest and while it is open; and over before the rise.
        assert_eq!(frames(&[(true, false), off]), [1, 0]);
        assert_eq!(frames(&[on, (true, false), off, off]), [1, 0, 1, 0]);
        // One onset right behind another, before that has risen, rises with it.
        assert_eq!(frames(&[on, again, again, nothing, off]), [1, 0, 1, 1, 0]);
    }
}
