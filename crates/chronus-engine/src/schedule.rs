//! The modules of a patch as cells, rendered in the order of their wiring.

#![expect(clippy::inline_always, reason = "a module and block must take few instructions")]

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use chronus_dsp::{
    BLOCK_FRAMES, CHANNELS_MAX, FrameSet, Instance, PortSet, Signal, Signals, Span, Transport,
};
use smallvec::{SmallVec, smallvec};

use crate::bypass::{self, Bypass, Finding, are_unsound, examine};
use crate::command::Handle;
use crate::mixing::{Mixer, Shares};
use crate::patch::{Patch, PatchModule, Recordings};
use crate::wiring::{WiredCell, Wiring};

/// The modules of a patch, ready to render.
pub(crate) struct Schedule {
    pub cells: Vec<Cell>,
    pub wiring: Wiring,
    /// Whether the buses are listened to.
    pub with_buses: bool,
    /// The first module that yielded what nobody should hear, and what.
    pub unsound: Option<Finding>,
    /// Told which module is run, plus one, before it is.
    pub crumb: &'static AtomicU32,
    mixer: Mixer,
}

/// Where the crumbs of an engine go that nobody watches.
static UNWATCHED: AtomicU32 = AtomicU32::new(0);

/// A module in its place. One that was moved elsewhere is empty.
#[derive(Default)]
pub(crate) struct Cell {
    instance: Option<Instance>,
    handle: Handle,
    bypass: Bypass,
    /// The last frame that was rendered, of all outputs. Within the cell, and not behind a pointer: in a large
    /// patch, each is far from the processor.
    last: SmallVec<[f32; CHANNELS_MAX]>,
}

impl Schedule {
    /// All modules new, at the parameters of the patch.
    pub fn new(patch: &Patch, rate_hz: u32, recordings: &dyn Recordings) -> Self {
        let cell = |module| Cell::new(module, rate_hz, recordings);
        let cells = patch.modules().iter().map(cell).collect();
        Self {
            cells,
            wiring: Wiring::of(patch),
            with_buses: false,
            unsound: None,
            crumb: &UNWATCHED,
            mixer: Mixer::new(),
        }
    }

    /// The module at a position of the patch, unless it is put aside.
    pub fn module(&mut self, position: usize) -> Option<&mut Instance> {
        let cell = self.cells.get_mut(position)?;
        cell.instance.as_mut().filter(|_| !cell.bypass.is_on())
    }

    /// The position of a module that is here, be it to stay or to go.
    pub fn position(&self, module: Handle) -> Option<usize> {
        self.cells.iter().position(|cell| !cell.is_empty() && cell.handle == module)
    }

    /// Puts the module at a position aside or takes it back, in so many frames.
    pub fn bypass(&mut self, position: usize, on: bool, frames: usize) {
        if let Some(cell) = self.cells.get_mut(position) {
            cell.bypass.turn(on, frames, &cell.last);
        }
    }

    /// The first module, in the order in which they are rendered, of whose frames of this block some should
    /// not be heard. Those that share their signals have been examined before.
    pub fn examine(&self, frames: &Range<usize>) -> Option<Finding> {
        self.examine_those(frames, |wired| wired.until.is_none())
    }

    fn examine_those(
        &self,
        frames: &Range<usize>,
        those: impl Fn(&WiredCell) -> bool,
    ) -> Option<Finding> {
        let Wiring { order, cells, signals, .. } = &self.wiring;
        let those = order.iter().filter(|&&cell| those(&cells[cell]));
        those.copied().find_map(|cell| {
            let mut outputs = signals[cells[cell].outputs.clone()].iter();
            let unsound = outputs.find_map(|signal| examine(signal.frames(frames)));
            unsound.map(|unsound| (self.cells[cell].handle, unsound))
        })
    }

    /// Makes every module as new, with its parameters where they were last set, and silences what
    /// cables that run in a circle would bring from before.
    pub fn reset(&mut self) {
        self.cells.iter_mut().for_each(Cell::reset);
        for signal in &mut self.wiring.signals[Signal::FIRST..] {
            signal.silence(&(0..BLOCK_FRAMES));
        }
    }

    /// Renders these frames of all modules, in order. A cable from a cell to itself or to an earlier
    /// one brings the same frames of the block before, which are still there.
    pub fn process(&mut self, frames: Range<usize>, transport: &Transport, shares: &Shares) {
        let span = Span::new(frames, transport);
        for at in 0..self.wiring.order.len() {
            self.process_cell(self.wiring.order[at], &span, shares);
        }
        self.crumb.store(0, Ordering::Relaxed);
        let Wiring { sums, heard_sums, bus_sums, signals, .. } = &mut self.wiring;
        let end = if self.with_buses { bus_sums.end } else { heard_sums.end };
        for sum in &mut sums[heard_sums.start..end] {
            self.mixer.mix(sum, signals, &span, shares);
        }
    }

    #[inline(always)]
    fn process_cell(&mut self, index: usize, span: &Span<'_>, shares: &Shares) {
        let is_ignored = is_ignored(&self.cells, &self.wiring, index, span.set);
        let Wiring { cells, signals, sums, .. } = &mut self.wiring;
        let (cell, wired) = (&mut self.cells[index], &cells[index]);
        self.crumb.store(cell.handle.0 + 1, Ordering::Relaxed);
        for sum in &mut sums[wired.sums.clone()] {
            self.mixer.mix(sum, signals, span, shares);
        }
        let (others, outputs) = Signals::apart(signals, &wired.outputs);
        let unsound = cell.process(wired, &others, outputs, span, is_ignored);
        if unsound.is_some() {
            self.unsound = self.unsound.or(unsound);
        }
        if !wired.then.is_empty() {
            self.add_parts(index, span);
        }
    }

    /// Adds up what is to be once a cell is rendered. Where signals end that are shared, the sum tells whether there was
    /// anything in them that nobody should hear: afterwards, nobody could tell where it came from.
    fn add_parts(&mut self, index: usize, span: &Span<'_>) {
        for part in 0..self.wiring.cells[index].then.len() {
            let Wiring { cells, signals, sums, .. } = &mut self.wiring;
            let part = &cells[index].then[part];
            let mix = &mut sums[part.sum];
            self.mixer.add_part(mix, part.sources.clone(), signals, span);
            if part.ends
                && self.unsound.is_none()
                && examine(signals[mix.signal].frames(&span.frames)).is_some()
            {
                let here = cells[index].place;
                let is_there = |it: &WiredCell| {
                    it.place <= here && it.until.is_some_and(|until| until >= here)
                };
                self.unsound = self.examine_those(&span.frames, is_there);
            }
        }
    }

    /// The values that modules tell at the end of the block.
    pub fn meters(&self) -> impl Iterator<Item = (Handle, [f32; 2])> {
        self.wiring.meters.iter().map(|&(handle, cell)| (handle, self.cells[cell].meters()))
    }

    /// The signals that are heard left and right, one channel each.
    pub fn heard(&self) -> [&[f32]; 2] {
        let Wiring { heard: [left, right], signals, .. } = &self.wiring;
        [&signals[*left].samples, &signals[*right].samples]
    }
}

impl Cell {
    /// A new module with the parameters of the patch.
    pub fn new(module: &PatchModule, rate_hz: u32, recordings: &dyn Recordings) -> Self {
        let mut instance = module.construct(rate_hz, recordings);
        for (param, value) in module.params().iter().enumerate() {
            instance.set_param(param, *value);
        }
        instance.reset();
        let outputs = module.spec().outputs;
        Self {
            instance: Some(instance),
            handle: module.handle(),
            bypass: Bypass::for_channels(outputs.len() * module.channels()),
            last: smallvec![0.0; outputs.len() * module.channels()],
        }
    }

    /// Whether its module was moved elsewhere.
    pub fn is_empty(&self) -> bool {
        self.instance.is_none()
    }

    fn meters(&self) -> [f32; 2] {
        let mut told = [0.0; 2];
        let Some(instance) = self.instance.as_ref().filter(|_| !self.bypass.is_on()) else {
            return told;
        };
        for (value, output) in told.iter_mut().zip(instance.spec().meters) {
            let last = &self.last[output * instance.channels()..][..instance.channels()];
            *value =
                last.iter().fold(0.0, |most: f32, x| if x.abs() > most.abs() { *x } else { most });
        }
        told
    }

    fn reset(&mut self) {
        self.bypass.settle();
        if let Some(instance) = self.instance.as_mut().filter(|_| !self.bypass.is_on()) {
            instance.reset();
        }
        self.last.fill(0.0);
    }

    /// Renders its module into `outputs`, or passes over it. Returns what was found that nobody should hear.
    #[inline(always)]
    fn process(
        &mut self,
        wired: &WiredCell,
        signals: &Signals<'_>,
        outputs: &mut [Signal],
        span: &Span<'_>,
        is_ignored: bool,
    ) -> Option<Finding> {
        let instance = self.instance.as_mut()?;
        if self.bypass.is_on() {
            Bypass::route(instance.spec(), span, signals, &wired.ports, outputs);
        } else if is_ignored {
            instance.skip(span, signals, &wired.ports, outputs);
            return None;
        } else {
            instance.render(span, signals, &wired.ports, outputs);
        }
        self.bypass.fade(outputs, span);
        self.keep_last(outputs, wired.ports.unheard_outputs, span.frames.end - 1)
    }

    /// Keeps the last frame that was rendered, and finds out whether it can be heard. It tells of all that lasts,
    /// and costs little; the sum of all is examined whole.
    #[inline(always)]
    fn keep_last(
        &mut self,
        outputs: &[Signal],
        unheard_outputs: PortSet,
        frame: usize,
    ) -> Option<Finding> {
        let mut unheard = unheard_outputs;
        let (mut is_unsound, mut last) = (false, &mut self.last[..]);
        for output in outputs {
            let rendered = output.frames(&(frame..frame + 1));
            let (kept, rest) = last.split_at_mut(rendered.len());
            last = rest;
            if unheard & 1 == 0 {
                // Most have as many channels as there may be; then it takes a few instructions, and no call.
                type Frame = [f32; CHANNELS_MAX];
                is_unsound |= if let (Ok(kept), Ok(rendered)) =
                    (<&mut Frame>::try_from(&mut *kept), <&Frame>::try_from(rendered))
                {
                    *kept = *rendered;
                    are_unsound(rendered)
                } else {
                    kept.copy_from_slice(rendered);
                    rendered.iter().any(|&sample| bypass::is_unsound(sample))
                };
            }
            unheard >>= 1;
        }
        if is_unsound { self.tell_unsound(unheard_outputs) } else { None }
    }

    #[cold]
    fn tell_unsound(&self, unheard: PortSet) -> Option<Finding> {
        let channels = self.instance.as_ref()?.channels();
        let heard = |(output, _): &(usize, _)| unheard & (1 << output) == 0;
        let mut last = self.last.chunks_exact(channels).enumerate().filter(heard);
        last.find_map(|(_, last)| examine(last)).map(|unsound| (self.handle, unsound))
    }
}

/// Whether all who read this cell would take no notice of it in these frames.
#[inline(always)]
fn is_ignored(cells: &[Cell], wiring: &Wiring, index: usize, set: FrameSet) -> bool {
    let Some(readers) = &wiring.cells[index].readers else { return false };
    readers.iter().all(|reader| {
        let cell = &cells[reader.cell];
        let Some(instance) = &cell.instance else { return true };
        if !instance.dozes() || cell.bypass.is_on() {
            return false;
        }
        let ports = &wiring.cells[reader.cell].ports;
        let mut silent = !ports.connected;
        for (input, signal) in ports.inputs.iter().enumerate() {
            let is_silent = wiring.signals[*signal as usize].is_silent(set);
            silent |= reader.known & PortSet::from(is_silent) << input;
        }
        instance.ignored_inputs(silent) & (1 << reader.input) != 0
    })
}
