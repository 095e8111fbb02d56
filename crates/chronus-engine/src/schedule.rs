//! The modules of a patch as cells, rendered in the order of their wiring, with the buffers between them.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use arrayvec::ArrayVec;
use chronus_dsp::{
    BLOCK_FRAMES, Buffer, Drive, FrameSet, INPUTS_MAX, Instance, PortSet, Transport, Turn,
    frame_set, silent_buffer,
};

use smallvec::{SmallVec, smallvec};

use crate::bypass::{Bypass, Finding, examine};
use crate::command::Handle;
use crate::mixing::{Mix, Mixer, Shares, Span};
use crate::patch::{DRIVES_MAX, Patch, PatchModule, Recordings};
use crate::wiring::{Feed, Feeds, Part, Source, Wiring};

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

/// A module and what it has rendered. One that was moved elsewhere is empty.
#[derive(Default)]
pub(crate) struct Cell {
    instance: Option<Instance>,
    // Within the cell, and not behind pointers: in a large patch, each is far from the processor.
    outputs: SmallVec<[Buffer; 2]>,
    /// Where each output is silent.
    silent: SmallVec<[FrameSet; 2]>,
    handle: Handle,
    bypass: Bypass,
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

    /// Puts the module at a position aside or takes it back, in so many frames, the block being rendered up to
    /// `done`.
    pub fn bypass(&mut self, position: usize, on: bool, frames: usize, done: usize) {
        if let Some(cell) = self.cells.get_mut(position) {
            cell.bypass.turn(on, frames, &cell.outputs, done);
        }
    }

    /// The first module, in the order in which they are rendered, of whose frames of this block some should
    /// not be heard.
    pub fn examine(&self, frames: &Range<usize>) -> Option<Finding> {
        self.wiring.order.iter().find_map(|&index| {
            let cell = &self.cells[index];
            let all = cell.outputs.iter().find_map(|output| {
                let channels = output.len() / BLOCK_FRAMES;
                examine(&output[frames.start * channels..frames.end * channels])
            });
            all.map(|unsound| (cell.handle, unsound))
        })
    }

    /// Makes every module as new, with its parameters where they were last set, and silences what
    /// cables that run in a circle would bring from before.
    pub fn reset(&mut self) {
        self.cells.iter_mut().for_each(Cell::reset);
    }

    /// Renders these frames of all modules, in order. A cable from a cell to itself or to an earlier
    /// one brings the same frames of the block before, which are still there.
    pub fn process(&mut self, frames: Range<usize>, transport: &Transport, shares: &Shares) {
        let Wiring { order, feeds, heard, buses, .. } = &mut self.wiring;
        let set = frame_set(&frames);
        let span = Span { frames: frames.clone(), set, shares };
        for &index in order.iter() {
            let is_ignored = is_ignored(&self.cells, feeds, index, set);
            let (before, rest) = self.cells.split_at_mut(index);
            let Some((cell, after)) = rest.split_first_mut() else { continue };
            let around = Around { before, after, mixer: &mut self.mixer };
            self.crumb.store(cell.handle.0 + 1, Ordering::Relaxed);
            cell.process(&mut feeds[index], around, &span, transport, is_ignored);
            let unsound =
                if is_ignored { None } else { cell.examine_end(feeds[index].unheard, &frames) };
            self.unsound = self.unsound.or(unsound);
            for part in 0..feeds[index].then.len() {
                let Part { cell, input, sources } = feeds[index].then[part].clone();
                if let Feed::Mixed(mix) = &mut feeds[cell].inputs[input] {
                    let find = |source: Source| self.cells[source.cell].output(source);
                    self.mixer.add_part(mix, sources, find, &span);
                }
            }
        }
        self.crumb.store(0, Ordering::Relaxed);
        let find = |source: Source| self.cells[source.cell].output(source);
        let [left, right] = heard;
        let right = (left.sources != right.sources).then_some(right);
        for tap in [Some(left), right].into_iter().flatten() {
            if tap.direct().is_none() {
                self.mixer.mix(tap, find, &span);
            }
        }
        if self.with_buses {
            for tap in buses.iter_mut().flatten() {
                self.mixer.mix(tap, find, &span);
            }
        }
    }

    /// The values that modules tell at the end of the block.
    pub fn told(&self) -> impl Iterator<Item = (Handle, [f32; 2])> {
        self.wiring.told.iter().map(|&(handle, cell)| (handle, self.cells[cell].told()))
    }

    /// The signals that are heard left and right, one channel each.
    pub fn heard(&self) -> [&[f32]; 2] {
        let [left, right] = &self.wiring.heard;
        [self.tapped(left), self.tapped(if left.sources == right.sources { left } else { right })]
    }

    fn tapped<'a>(&'a self, tap: &'a Mix) -> &'a [f32] {
        match tap.direct() {
            Some(source) => &self.cells[source.cell].outputs[source.output],
            None => &tap.buffer,
        }
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
            outputs: outputs.iter().map(|_| silent_buffer(module.channels())).collect(),
            silent: smallvec![FrameSet::MAX; outputs.len()],
        }
    }

    /// Whether its module was moved elsewhere.
    pub fn is_empty(&self) -> bool {
        self.instance.is_none()
    }

    fn told(&self) -> [f32; 2] {
        let mut told = [0.0; 2];
        let Some(instance) = self.instance.as_ref().filter(|_| !self.bypass.is_on()) else {
            return told;
        };
        for (value, output) in told.iter_mut().zip(instance.spec().told) {
            let buffer = &self.outputs[*output];
            let last = &buffer[buffer.len() - instance.channels()..];
            *value =
                last.iter().fold(0.0, |most: f32, x| if x.abs() > most.abs() { *x } else { most });
        }
        told
    }

    /// Whether what was rendered last can be heard. One frame tells of all that lasts, and costs little; the
    /// sum of all is examined whole.
    #[inline]
    fn examine_end(&self, mut unheard: PortSet, frames: &Range<usize>) -> Option<Finding> {
        let mut unsound = None;
        for output in &self.outputs {
            if unheard & 1 == 0 && unsound.is_none() {
                let output = &output[..];
                let channels = output.len() / BLOCK_FRAMES;
                unsound = examine(&output[(frames.end - 1) * channels..][..channels]);
            }
            unheard >>= 1;
        }
        unsound.map(|unsound| (self.handle, unsound))
    }

    fn reset(&mut self) {
        self.bypass.settle();
        if let Some(instance) = self.instance.as_mut().filter(|_| !self.bypass.is_on()) {
            instance.reset();
        }
        for output in &mut self.outputs {
            output.fill(0.0);
        }
        self.silent.fill(FrameSet::MAX);
    }

    #[inline]
    fn process(
        &mut self,
        feeds: &mut Feeds,
        around: Around<'_>,
        span: &Span<'_>,
        transport: &Transport,
        is_ignored: bool,
    ) {
        let Some(instance) = &mut self.instance else { return };
        let Around { before, after, mixer } = around;
        if feeds.has_mixes {
            let own = (&self.outputs[..], &self.silent[..]);
            make_mixes(feeds, mixer, before, own, after, span);
        }
        let feed = |feed| signal(feed, before, after, span.set);
        let mut inputs = ArrayVec::<_, INPUTS_MAX>::new();
        let mut silent_inputs = 0;
        for (index, input) in feeds.inputs.iter().enumerate() {
            let signal = feed(input);
            silent_inputs |= PortSet::from(signal.is_some_and(|signal| signal.1)) << index;
            inputs.push(signal.map(|signal| signal.0));
        }
        // While patches change, the cables of both are there.
        let mut drives = ArrayVec::<_, { 2 * DRIVES_MAX }>::new();
        for (param, depth, drive) in &feeds.drives {
            // A silent cable leaves its parameter alone.
            if let Some((signal, false)) = feed(drive) {
                drives.push(Drive { param: *param, depth: *depth, signal });
            }
        }
        let (outputs, silent) = (&mut self.outputs[..], &mut self.silent[..]);
        if self.bypass.is_on() {
            let input = |index: usize| feed(&feeds.inputs[index]);
            Bypass::route(instance.spec(), input, outputs, silent, &span.frames);
            self.bypass.fade(outputs, silent, &span.frames);
            return;
        }
        let mut turn = Turn {
            inputs: &inputs,
            connected: feeds.connected,
            silent_inputs,
            drives: &drives,
            outputs,
            silent_frames: silent,
            unheard_outputs: feeds.unheard,
            frames: span.frames.clone(),
            set: span.set,
            transport,
        };
        if is_ignored {
            instance.skip(&mut turn);
        } else {
            instance.render(&mut turn);
            self.bypass.fade(&mut self.outputs, &mut self.silent, &span.frames);
        }
    }

    fn output(&self, source: Source) -> (&[f32], FrameSet) {
        (&self.outputs[source.output], self.silent[source.output])
    }
}

/// Adds up what goes to the inputs and parameters of a cell. `own` are its outputs, and where they are silent.
fn make_mixes(
    feeds: &mut Feeds,
    mixer: &mut Mixer,
    before: &[Cell],
    own: (&[Buffer], &[FrameSet]),
    after: &[Cell],
    span: &Span<'_>,
) {
    // The buffer of a source and where it is silent.
    let find = |source: Source| match source.cell.checked_sub(before.len()) {
        None => before[source.cell].output(source),
        Some(0) => (&*own.0[source.output], own.1[source.output]),
        Some(behind) => after[behind - 1].output(source),
    };
    for feed in feeds.inputs.iter_mut().chain(feeds.drives.iter_mut().map(|drive| &mut drive.2)) {
        if let Feed::Mixed(mix) = feed {
            mixer.mix(mix, find, span);
        }
    }
}

/// What a feed brings, and whether that is silent in all these frames.
#[inline]
fn signal<'a>(
    feed: &'a Feed,
    before: &'a [Cell],
    after: &'a [Cell],
    set: FrameSet,
) -> Option<(&'a [f32], bool)> {
    let (signal, silent) = match feed {
        Feed::Nothing => return None,
        // The only source of a port is another cell.
        Feed::Direct(source) => match source.cell.checked_sub(before.len()) {
            None => before[source.cell].output(*source),
            Some(behind) => after[behind.max(1) - 1].output(*source),
        },
        Feed::Mixed(mix) => (&mix.buffer[..], mix.silent),
    };
    Some((signal, silent & set == set))
}

/// All cells but one, and where signals are added up.
struct Around<'a> {
    before: &'a [Cell],
    after: &'a [Cell],
    mixer: &'a mut Mixer,
}

/// Whether all who read this cell would take no notice of it in these frames.
fn is_ignored(cells: &[Cell], feeds: &[Feeds], index: usize, set: FrameSet) -> bool {
    let Some(readers) = &feeds[index].readers else { return false };
    readers.iter().all(|&(reader, input)| {
        let Some(instance) = &cells[reader].instance else { return true };
        if !instance.dozes() || cells[reader].bypass.is_on() {
            return false;
        }
        let mut silent = 0;
        for (input, feed) in feeds[reader].inputs.iter().enumerate() {
            let is_silent = match feed {
                Feed::Nothing => true,
                Feed::Direct(source) if feeds[source.cell].place < feeds[index].place => {
                    cells[source.cell].silent[source.output] & set == set
                }
                _ => false,
            };
            silent |= PortSet::from(is_silent) << input;
        }
        instance.ignored_inputs(silent) & (1 << input) != 0
    })
}
