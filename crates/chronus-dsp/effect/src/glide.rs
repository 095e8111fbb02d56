//! Values that are computed once per cell and move there in straight lines, and choices that change
//! by crossfade.

use super::CELL_FRAMES;
use crate::lanes::Lanes;

/// A value per channel that follows what it was told a cell ago.
#[derive(Clone, Copy)]
pub(super) struct Glide<const C: usize> {
    now: [f32; C],
    end: [f32; C],
    step: [f32; C],
    /// Whether it has been told nothing yet.
    is_fresh: bool,
}

impl<const C: usize> Glide<C> {
    pub const REST: Self = Self { now: [0.0; C], end: [0.0; C], step: [0.0; C], is_fresh: true };

    /// Where to be at the end of the cell that begins; the first time it is there at once.
    #[inline(always)]
    pub fn aim<L: Lanes<C>>(&mut self, lanes: L, end: L::Floats) {
        if self.is_fresh {
            lanes.store(end, &mut self.end);
            self.is_fresh = false;
        }
        let now = lanes.load(&self.end);
        lanes.store(now, &mut self.now);
        lanes.store((end - now) * (1.0 / CELL_FRAMES as f32), &mut self.step);
        lanes.store(end, &mut self.end);
    }

    /// Whether nothing was told since it was new.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// The value in the next frame.
    #[inline(always)]
    pub fn step<L: Lanes<C>>(&mut self, lanes: L) -> L::Floats {
        let now = lanes.load(&self.now) + lanes.load(&self.step);
        lanes.store(now, &mut self.now);
        now
    }
}

/// Which of several things is heard, the same in all channels.
#[derive(Clone, Copy)]
pub(super) struct Choice {
    /// What is heard, or comes.
    pub to: usize,
    /// What goes.
    pub from: usize,
    left: u32,
    frames: u32,
    is_fresh: bool,
}

impl Choice {
    /// A choice that changes within so many frames.
    pub fn new(frames: u32) -> Self {
        Self { to: 0, from: 0, left: 0, frames, is_fresh: true }
    }

    /// As new.
    pub fn reset(&mut self) {
        *self = Self::new(self.frames);
    }

    /// What to hear from now on. While a change is under way it waits, so that no more than two
    /// things sound at once; so ask at each cell.
    pub fn aim(&mut self, to: usize) {
        if self.is_fresh {
            (self.from, self.to, self.is_fresh) = (to, to, false);
        }
        if self.left == 0 && to != self.to {
            (self.from, self.to, self.left) = (self.to, to, self.frames);
        }
    }

    /// How much of what goes is heard in the next frame.
    #[inline(always)]
    pub fn step(&mut self) -> f32 {
        self.left = self.left.saturating_sub(1);
        self.left as f32 / self.frames as f32
    }
}
