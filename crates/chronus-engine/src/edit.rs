//! How one patch gives way to the next. Everything that takes time is prepared beside the sound, module by
//! module; the change itself moves what is there, allocates nothing, and takes effect at one frame.

use chronus_dsp::math::frames_of_ms;

use crate::controls::Controls;
use crate::output::OutputStage;
use crate::patch::{Patch, Recordings};
use crate::schedule::{Cell, Schedule};
use crate::wiring::Wiring;

/// How long it takes until what goes is silent and what comes is there.
const FADE_MS: f32 = 10.0;

/// How many frames a change of patches takes: whole blocks.
pub(crate) fn fade_frames(rate_hz: u32) -> usize {
    (frames_of_ms(FADE_MS, rate_hz) as usize).next_multiple_of(chronus_dsp::BLOCK_FRAMES)
}

/// The next patch of an engine, on its way. Once it was taken, it holds what the engine has no more use for.
pub struct Preparation {
    pub(crate) patch: Patch,
    pub(crate) controls: Controls,
    rate_hz: u32,
    /// For each module of the patch its position in the patch before, if it plays on.
    pub(crate) kept: Vec<Option<usize>>,
    /// The cells of the patch; empty where the module plays on.
    pub(crate) cells: Vec<Cell>,
    /// The wiring on the way, and in the end the one before it. It is there when all modules are made.
    pub(crate) between: Option<Wiring>,
    pub(crate) settled: Option<Wiring>,
    /// The modules of the patch before, until the wiring is made.
    old: Option<Patch>,
    /// The output stage, if it is another.
    pub(crate) output: Option<OutputStage>,
    /// Cells that have faded out.
    pub(crate) gone: Vec<Cell>,
}

impl Preparation {
    /// Begins to prepare `patch` for an engine that plays `old`.
    pub(crate) fn begin(old: &Patch, patch: Patch, rate_hz: u32) -> Self {
        let kept = patch.kept_from(old);
        let stays = kept.iter().flatten().count();
        let gone = old.modules().len() - stays;
        let output =
            (patch.safety() != old.safety()).then(|| OutputStage::new(patch.safety(), rate_hz));
        Self {
            controls: Controls::of(&patch),
            between: None,
            settled: None,
            old: Some(old.clone()),
            cells: Vec::with_capacity(kept.len() + gone),
            gone: Vec::with_capacity(gone),
            output,
            kept,
            patch,
            rate_hz,
        }
    }

    /// Does one more small part: makes a module or a wiring. Returns whether all is made.
    pub fn step(&mut self, recordings: &dyn Recordings) -> bool {
        let made = self.cells.len();
        if let Some(old) = self.old.as_ref().filter(|_| self.settled.is_some()) {
            self.between = Some(Wiring::between(old, &self.patch, &self.kept));
            self.old = None;
        } else if self.settled.is_none() {
            self.settled = Some(Wiring::of(&self.patch));
        } else if let Some(module) = self.patch.modules().get(made) {
            self.cells.push(match self.kept[made] {
                Some(_) => Cell::default(),
                None => Cell::new(module, self.rate_hz, recordings),
            });
        }
        self.is_complete()
    }

    /// Whether all is made.
    pub fn is_complete(&self) -> bool {
        self.between.is_some() && self.cells.len() >= self.kept.len()
    }

    /// Puts the cells of this patch into the schedule, and those that play on or fade out with them, with what
    /// is in their signals.
    pub(crate) fn exchange_cells(&mut self, schedule: &mut Schedule) {
        let Some(wiring) = &mut self.between else { return };
        for (at, kept) in self.kept.iter().enumerate() {
            if let Some(before) = *kept {
                self.cells[at] = std::mem::take(&mut schedule.cells[before]);
                wiring.take_over(at, &mut schedule.wiring, before);
            }
        }
        for (before, cell) in schedule.cells.iter_mut().enumerate() {
            if !cell.is_empty() {
                wiring.take_over(self.cells.len(), &mut schedule.wiring, before);
                self.cells.push(std::mem::take(cell));
            }
        }
        std::mem::swap(&mut self.cells, &mut schedule.cells);
        std::mem::swap(wiring, &mut schedule.wiring);
    }

    /// Takes the cells that have faded out, and leaves the wiring that is to stay.
    pub(crate) fn settle(&mut self, schedule: &mut Schedule) {
        if let Some(settled) = &mut self.settled {
            for cell in 0..self.kept.len() {
                settled.take_over(cell, &mut schedule.wiring, cell);
            }
            std::mem::swap(settled, &mut schedule.wiring);
        }
        self.gone.extend(schedule.cells.drain(self.kept.len()..));
    }
}
