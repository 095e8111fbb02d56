//! The instrument: commands applied to the frame, blocks rendered.

use core::ops::RangeInclusive;

use chronus_dsp::Transport;
use thiserror::Error;

use crate::command::{Command, ModuleIndex};
use crate::controls::Controls;
use crate::master::Master;
use crate::patch::Patch;
use crate::safety::{DcBlocker, Limiter};
use crate::schedule::Schedule;
use crate::{BLOCK_FRAMES, Block, CHANNELS};

/// The rates that an engine renders at, in frames per second.
pub const RATES_HZ: RangeInclusive<u32> = 8_000..=384_000;

/// Why an engine can't be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// The rate is out of [`RATES_HZ`].
    #[error("a rate of {0} Hz can't be rendered; from 8000 to 384000 Hz can")]
    Rate(u32),
    /// The controls don't fit the patch.
    #[error("these controls are of another patch")]
    Controls,
}

/// A patch that sounds: a deterministic function of patch, rate, controls and commands.
///
/// Each block is rendered by any number of [`apply`](Self::apply) and then one
/// [`render`](Self::render). There is no queue: a command makes the engine render the block up to
/// its frame and takes effect there at once, so none is ever too many.
pub struct Engine {
    schedule: Schedule,
    master: Master,
    dc_blocker: Option<DcBlocker>,
    limiter: Option<Limiter>,
    controls: Controls,
    rate_hz: u32,
    /// The block under way, rendered up to `frames_done`.
    block: Block,
    frames_done: usize,
}

impl Engine {
    /// An engine at the first frame of a block, its parameters where `controls` has them, the
    /// gates that are open there just triggered, and the output at full level unless muted.
    ///
    /// # Errors
    /// If the rate is out of [`RATES_HZ`] or the controls are of another patch.
    pub fn new(patch: &Patch, rate_hz: u32, controls: &Controls) -> Result<Self, EngineError> {
        if !RATES_HZ.contains(&rate_hz) {
            return Err(EngineError::Rate(rate_hz));
        }
        if !controls.fits(patch) {
            return Err(EngineError::Controls);
        }
        let mut schedule = Schedule::new(patch, rate_hz);
        for (module, param, value) in controls.param_values() {
            schedule.module(module).set_param(param, value);
        }
        let mut engine = Self {
            schedule,
            master: Master::new(rate_hz, controls.muted()),
            dc_blocker: patch.safety().dc_blocker.then(|| DcBlocker::new(rate_hz)),
            limiter: patch.safety().limiter.then(|| Limiter::new(rate_hz)),
            controls: controls.clone(),
            rate_hz,
            block: [0.0; BLOCK_FRAMES * CHANNELS],
            frames_done: 0,
        };
        engine.reset_modules();
        Ok(engine)
    }

    /// Applies a command at a frame of the next block, counted from its start.
    ///
    /// Offsets ascend within a block: a command for a frame that is already rendered applies at
    /// the first frame that is not, and one past the block's end applies at the end, before the
    /// next block. A command for a module, parameter or gate that is not there, or with a value
    /// that is not finite, changes nothing.
    pub fn apply(&mut self, offset_in_block: usize, command: &Command) {
        self.render_to(offset_in_block.min(BLOCK_FRAMES));
        match self.controls.apply(command) {
            Some(Command::SetParam { module, param, value }) => {
                self.schedule.module(module.0.into()).set_param(param.0.into(), value);
            }
            Some(Command::Gate { module, on }) => {
                self.schedule.module(module.0.into()).set_gate(on);
            }
            Some(Command::Note { module, note }) => {
                self.schedule.module(module.0.into()).note(note);
            }
            Some(Command::Mute(muted)) => self.master.mute(muted),
            Some(Command::Restart) => {
                self.reset_modules();
                self.master.restart(self.controls.muted());
                if let Some(blocker) = &mut self.dc_blocker {
                    blocker.reset();
                }
                if let Some(limiter) = &mut self.limiter {
                    limiter.reset();
                }
            }
            None => (),
        }
    }

    /// Renders the rest of the block under way and begins the next.
    pub fn render(&mut self, block: &mut Block) {
        self.render_to(BLOCK_FRAMES);
        *block = self.block;
        self.frames_done = 0;
    }

    /// How many frames the limiter delays the sound; 0 without one.
    pub fn delay_frames(&self) -> usize {
        self.limiter.as_ref().map_or(0, Limiter::delay_frames)
    }

    /// Where the controls stand after all commands applied so far.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    fn render_to(&mut self, end: usize) {
        if end <= self.frames_done {
            return;
        }
        let frames = self.frames_done..end;
        self.schedule.process(frames.clone(), Transport::stopped(self.rate_hz));
        let (left, right) = self.schedule.heard();
        for frame in frames {
            let gain = self.master.step();
            let mut heard = [left[frame] * gain, right[frame] * gain];
            if let Some(blocker) = &mut self.dc_blocker {
                heard = blocker.process(heard);
            }
            if let Some(limiter) = &mut self.limiter {
                heard = limiter.process(heard);
            }
            self.block[CHANNELS * frame..][..CHANNELS].copy_from_slice(&heard);
        }
        self.frames_done = end;
    }

    /// All modules as new; the gates that are open trigger.
    fn reset_modules(&mut self) {
        self.schedule.reset();
        for index in 0..self.controls.module_count() {
            if self.controls.gate(ModuleIndex(index as u16)) {
                self.schedule.module(index).set_gate(true);
            }
            for note in self.controls.notes(ModuleIndex(index as u16)) {
                self.schedule.module(index).note(*note);
            }
        }
    }
}
