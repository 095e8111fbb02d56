//! What is too dear to compute frame by frame: values computed once per cell of 16 frames, which
//! move in straight lines between.

use crate::lanes::Lanes;
use crate::module::BLOCK_FRAMES;

/// Cells begin at multiples of this in the block, wherever commands split it.
pub const CELL_FRAMES: usize = 16;

const _: () = assert!(BLOCK_FRAMES.is_multiple_of(CELL_FRAMES));

/// `N` values per channel, made from a design `D`.
pub struct DesignGlide<D, const C: usize, const N: usize> {
    /// What `end` was made from; `None` before the first frame.
    design: Option<D>,
    now: [[f32; C]; N],
    per_frame: [[f32; C]; N],
    /// Where the values arrive at the end of this cell.
    end: [[f32; C]; N],
    is_moving: bool,
}

impl<D: PartialEq, const C: usize, const N: usize> DesignGlide<D, C, N> {
    /// Values that start wherever the first design says.
    pub fn new() -> Self {
        let zero = [[0.0; C]; N];
        Self { design: None, now: zero, per_frame: zero, end: zero, is_moving: false }
    }

    /// Whether a design is asked for in this frame of the block.
    #[inline(always)]
    pub fn is_due(&self, frame: usize) -> bool {
        frame.is_multiple_of(CELL_FRAMES) || self.design.is_none()
    }

    /// Begins a cell, at whose end the values are those of `design`, which `make` makes.
    pub fn begin_cell(&mut self, design: D, make: impl FnOnce(&D) -> [[f32; C]; N]) {
        self.now = self.end;
        let is_first = self.design.is_none();
        self.is_moving = self.design.as_ref() != Some(&design);
        if self.is_moving {
            self.end = make(&design);
            self.design = Some(design);
        }
        if is_first {
            self.now = self.end;
        }
        for i in 0..N {
            for c in 0..C {
                self.per_frame[i][c] = (self.end[i][c] - self.now[i][c]) / CELL_FRAMES as f32;
            }
        }
    }

    /// Whether the values move in this cell.
    #[inline(always)]
    pub fn is_moving(&self) -> bool {
        self.is_moving
    }

    /// Goes one frame on.
    #[inline(always)]
    pub fn step<L: Lanes<C>>(&mut self, lanes: L) {
        if self.is_moving {
            for (now, per_frame) in self.now.iter_mut().zip(&self.per_frame) {
                lanes.store(lanes.load(now) + lanes.load(per_frame), now);
            }
        }
    }

    /// One of the values.
    #[inline(always)]
    pub fn value<L: Lanes<C>>(&self, lanes: L, which: usize) -> L::Floats {
        lanes.load(&self.now[which])
    }
}

impl<D: PartialEq, const C: usize, const N: usize> Default for DesignGlide<D, C, N> {
    fn default() -> Self {
        Self::new()
    }
}
