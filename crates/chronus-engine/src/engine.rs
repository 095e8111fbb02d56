//! The instrument: commands applied to the frame, blocks rendered.

use core::ops::RangeInclusive;
use core::sync::atomic::AtomicU32;

use arrayvec::ArrayVec;
use thiserror::Error;

use crate::bypass::Finding;
use crate::command::{Command, Handle};
use crate::controls::{Controls, Effect};
use crate::edit::{Preparation, fade_frames};
use crate::master::Master;
use crate::mixing::Shares;
use crate::output::OutputStage;
use crate::patch::{Patch, Recordings};
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
    patch: Patch,
    schedule: Schedule,
    master: Master,
    output: OutputStage,
    controls: Controls,
    rate_hz: u32,
    /// How long a change of patches takes.
    fade_frames: usize,
    /// The change of patches under way.
    change: Option<Change>,
    /// Changes that are over, whose remains wait to be freed: one that came to its end, and one that was cut
    /// short by it.
    remains: ArrayVec<Preparation, 2>,
    /// The first frame of the block under way, since the performance began.
    block_start: u64,
    /// The block under way: what the patch gave, up to `frames_done`.
    heard: [[f32; CHANNELS]; BLOCK_FRAMES],
    frames_done: usize,
    /// How far that is what is played, in place.
    frames_out: usize,
    /// How far the change of patches had come in each frame; 1 while there is none.
    shares: Shares,
}

/// One patch gives way to the next.
struct Change {
    frames_done: usize,
    /// What comes, and in the end what is gone.
    preparation: Preparation,
}

impl Engine {
    /// An engine at the first frame of a block, counted from the beginning of the performance, its
    /// parameters where `controls` has them, the gates that are open there just triggered, and the output
    /// at full level unless muted.
    ///
    /// # Errors
    /// If the rate is out of [`RATES_HZ`] or the controls are of another patch.
    pub fn new(
        patch: Patch,
        rate_hz: u32,
        controls: Controls,
        first_frame: u64,
        recordings: &dyn Recordings,
    ) -> Result<Self, EngineError> {
        if !RATES_HZ.contains(&rate_hz) {
            return Err(EngineError::Rate(rate_hz));
        }
        if !controls.fits(&patch) {
            return Err(EngineError::Controls);
        }
        let mut engine = Self {
            schedule: Schedule::new(&patch, rate_hz, recordings),
            master: Master::new(rate_hz, controls.muted()),
            output: OutputStage::new(patch.safety(), rate_hz),
            controls,
            patch,
            rate_hz,
            fade_frames: fade_frames(rate_hz),
            change: None,
            remains: ArrayVec::new(),
            block_start: first_frame,
            heard: [[0.0; CHANNELS]; BLOCK_FRAMES],
            frames_done: 0,
            frames_out: 0,
            shares: [1.0; BLOCK_FRAMES],
        };
        for at in 0..engine.patch.modules().len() {
            engine.controls.bring(at, &mut engine.schedule, true);
        }
        Ok(engine)
    }

    /// Applies a command at a frame of the next block, counted from its start.
    ///
    /// Offsets ascend within a block: a command for a frame that is already rendered applies at
    /// the first frame that is not, and one past the block's end applies at the end, before the
    /// next block. A command for a module, parameter or gate that is not there, or with a value
    /// that is not finite, changes nothing. [`Command::Edit`] needs more than itself: see
    /// [`edit`](Self::edit).
    pub fn apply(&mut self, offset_in_block: usize, command: &Command) {
        self.render_to(offset_in_block.min(BLOCK_FRAMES));
        let frame = self.frame();
        if let Command::Bypass { module } = command
            && self.controls.position(*module).is_none()
            && let Some(at) = self.schedule.position(*module)
        {
            // A module that an edit has taken away fades out for a while.
            self.bypass(at, true);
        }
        let Self { schedule, controls, .. } = self;
        match controls.apply(command, frame, self.rate_hz) {
            Some(Effect::Param { module, param, value }) => {
                schedule.module(module).into_iter().for_each(|it| it.set_param(param, value));
            }
            Some(Effect::Gate(module, on)) => {
                schedule.module(module).into_iter().for_each(|it| it.set_gate(on));
            }
            Some(Effect::Note(module, note)) => {
                schedule.module(module).into_iter().for_each(|it| it.note(note));
            }
            Some(Effect::Text { module, text, value }) => {
                schedule.module(module).into_iter().for_each(|it| it.set_text(text, value));
            }
            Some(Effect::Bypass(module, on)) => self.bypass(module, on),
            Some(Effect::Mute(muted)) => self.master.mute(muted),
            Some(Effect::Restart) => {
                self.settle();
                self.reset_modules();
                self.master.restart(self.controls.muted());
                self.output.reset();
            }
            Some(Effect::Nothing) | None => (),
        }
    }

    /// Has the engine tell, before it runs a module, which it is: its handle plus one, and 0 afterwards.
    pub fn leave_crumbs(&mut self, at: &'static AtomicU32) {
        self.schedule.crumb = at;
    }

    /// What was found in the block that was rendered last: the first module that yielded what nobody should
    /// hear. The block must not be played, nor the engine go on from here.
    pub fn unsound(&self) -> Option<Finding> {
        self.schedule.unsound
    }

    /// Flips one bit of what is on its way to the output, as a fault of the memory could. For tests; where the
    /// patch has neither limiter nor DC blocker, there is nothing that lasts, and nothing happens.
    pub fn flip_a_bit(&mut self) {
        self.output.flip_a_bit();
    }

    fn bypass(&mut self, at: usize, on: bool) {
        self.schedule.bypass(at, on, self.fade_frames);
        if !on {
            self.controls.bring(at, &mut self.schedule, true);
        }
    }

    /// Begins to prepare `patch` as the next one. May take as long as it likes, and frees what earlier
    /// changes have left behind.
    pub fn prepare(&mut self, patch: Patch) -> Preparation {
        self.remains.clear();
        Preparation::begin(&self.patch, patch, self.rate_hz)
    }

    /// Frees what an earlier change has left behind; returns whether there was anything.
    pub fn tidy(&mut self) -> bool {
        let had_any = !self.remains.is_empty();
        self.remains.clear();
        had_any
    }

    /// Whether a change of patches is under way. What is prepared then takes effect all the same, but it ends
    /// the one before at once.
    pub fn is_changing(&self) -> bool {
        self.change.is_some()
    }

    /// Exchanges the patch, at a frame of the next block as in [`apply`](Self::apply). Modules that are in
    /// both patches play on; what goes and what comes is crossfaded. Allocates nothing and frees nothing,
    /// if [`tidy`](Self::tidy) or [`prepare`](Self::prepare) was called since the edit before.
    ///
    /// # Panics
    /// If the preparation is not complete.
    pub fn edit(&mut self, offset_in_block: usize, mut preparation: Preparation) {
        assert!(preparation.is_complete(), "a patch that is not ready can't be played");
        self.render_to(offset_in_block.min(BLOCK_FRAMES));
        self.settle();
        let frame = self.frame();
        preparation.controls.succeed(&self.controls, frame, self.rate_hz);
        preparation.exchange_cells(&mut self.schedule);
        std::mem::swap(&mut self.controls, &mut preparation.controls);
        std::mem::swap(&mut self.patch, &mut preparation.patch);
        let old = &preparation.controls;
        for (at, module) in self.patch.modules().iter().enumerate() {
            let Some(before) = old.position(module.handle()) else {
                if self.controls.is_bypassed(module.handle()) {
                    self.schedule.bypass(at, true, 0);
                }
                continue;
            };
            let is_new = preparation.kept[at].is_none();
            if is_new || self.controls.differs(at, old, before) {
                self.controls.bring(at, &mut self.schedule, is_new);
            }
        }
        if let Some(output) = &mut preparation.output {
            std::mem::swap(&mut self.output, output);
        }
        self.change = Some(Change { frames_done: 0, preparation });
    }

    /// Renders the rest of the block under way and begins the next.
    pub fn render(&mut self, block: &mut Block) {
        self.render_to(BLOCK_FRAMES);
        self.put_out();
        block.copy_from_slice(self.heard.as_flattened());
        (self.frames_done, self.frames_out) = (0, 0);
        self.block_start += BLOCK_FRAMES as u64;
    }

    /// Has the buses rendered too, from now on.
    pub fn listen_to_buses(&mut self) {
        self.schedule.with_buses = true;
    }

    /// Name, left and right of each bus in the block that was rendered last, before mute and limiter.
    pub fn buses(&self) -> impl Iterator<Item = (&str, [&[f32]; 2])> {
        let wiring = &self.schedule.wiring;
        let names = self.patch.buses().iter().map(|bus| bus.name.as_str());
        let sides =
            wiring.buses.iter().map(|sides| sides.map(|it| &wiring.signals[it].samples[..]));
        names.zip(sides)
    }

    /// What meters and their like have told at the end of the block that was rendered last.
    pub fn meters(&self) -> impl Iterator<Item = (Handle, [f32; 2])> {
        self.schedule.meters()
    }

    /// How many frames the limiter delays the sound; 0 without one.
    pub fn delay_frames(&self) -> usize {
        self.output.delay_frames()
    }

    /// Where the controls stand after all commands applied so far.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// What is played.
    pub fn patch(&self) -> &Patch {
        &self.patch
    }

    /// The frame that is rendered next, since the performance began.
    fn frame(&self) -> u64 {
        self.block_start + self.frames_done as u64
    }

    fn render_to(&mut self, end: usize) {
        while self.frames_done < end {
            let Some(change) = &self.change else { return self.render_piece(end) };
            let left = self.fade_frames - change.frames_done;
            self.render_piece(end.min(self.frames_done + left));
            if self.change.as_ref().is_some_and(|it| it.frames_done == self.fade_frames) {
                self.settle();
            }
        }
    }

    /// Renders frames in none of which a change of patches begins or ends.
    fn render_piece(&mut self, end: usize) {
        if self.frames_done == 0 {
            self.schedule.unsound = None;
        }
        let frames = self.frames_done..end;
        if let Some(change) = &mut self.change {
            for share in &mut self.shares[frames.clone()] {
                change.frames_done += 1;
                *share = change.frames_done as f32 / self.fade_frames as f32;
            }
        }
        let transport = self.controls.timeline().at(self.frame(), self.rate_hz);
        self.schedule.process(frames.clone(), &transport, &self.shares);
        let sides = self.schedule.heard().map(|side| &side[frames.clone()]);
        let are_sound = self.output.collect(sides, &mut self.heard[frames.clone()]);
        if !are_sound && self.schedule.unsound.is_none() {
            self.schedule.unsound = self.schedule.examine(&frames);
        }
        self.master.apply(&mut self.heard[frames]);
        self.frames_done = end;
    }

    /// Has what was rendered so far pass the last stage. That is done for a whole block at once, unless
    /// something happens to that stage in the midst of it.
    fn put_out(&mut self) {
        let frames = self.frames_out..self.frames_done;
        let out = &mut self.heard[frames.clone()];
        let before = self.change.as_mut().and_then(|change| change.preparation.output.as_mut());
        if let Some(before) = before {
            let mut all = [[0.0; CHANNELS]; BLOCK_FRAMES];
            let was = &mut all[frames.clone()];
            was.copy_from_slice(out);
            before.process(was);
            self.output.process(out);
            for ((out, was), share) in out.iter_mut().zip(was).zip(&self.shares[frames]) {
                *out = std::array::from_fn(|c| was[c] + (out[c] - was[c]) * share);
            }
        } else {
            self.output.process(out);
        }
        self.frames_out = self.frames_done;
    }

    /// Ends a change of patches.
    fn settle(&mut self) {
        self.put_out();
        if let Some(Change { mut preparation, .. }) = self.change.take() {
            preparation.settle(&mut self.schedule);
            self.shares.fill(1.0);
            if self.remains.is_full() {
                self.remains.remove(0);
            }
            self.remains.push(preparation);
        }
    }

    /// All modules as new; the gates that are open trigger.
    fn reset_modules(&mut self) {
        self.schedule.reset();
        for at in 0..self.patch.modules().len() {
            if let Some(module) = self.schedule.module(at) {
                self.controls.trigger_held(at, module);
            }
        }
    }
}
