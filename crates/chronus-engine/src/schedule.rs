//! The modules of a patch as cells, rendered in the order of their wiring, with the buffers between them.

use core::ops::Range;

use chronus_dsp::{BLOCK_FRAMES, Buffer, Drive, INPUTS_MAX, Instance, Transport, silent_buffer};

use crate::command::Handle;
use crate::patch::{DRIVES_MAX, Patch, PatchModule, Recordings};
use crate::wiring::{Feed, Feeds, Gain, Source, Tap, Wiring};

/// The modules of a patch, ready to render.
pub(crate) struct Schedule {
    pub cells: Vec<Cell>,
    pub wiring: Wiring,
    /// Whether the buses are listened to.
    pub with_buses: bool,
}

/// A module and what it has rendered. One that was moved elsewhere is empty.
#[derive(Default)]
pub(crate) struct Cell {
    instance: Option<Instance>,
    outputs: Vec<Buffer>,
}

/// How far a change of patches has come in each frame of the block, from 0 to 1.
pub(crate) type Shares = [f32; BLOCK_FRAMES];

impl Schedule {
    /// All modules new, at the parameters of the patch.
    pub fn new(patch: &Patch, rate_hz: u32, recordings: &dyn Recordings) -> Self {
        let cell = |module| Cell::new(module, rate_hz, recordings);
        let cells = patch.modules().iter().map(cell).collect();
        Self { cells, wiring: Wiring::of(patch), with_buses: false }
    }

    /// The module at a position of the patch.
    pub fn module(&mut self, position: usize) -> Option<&mut Instance> {
        self.cells.get_mut(position)?.instance.as_mut()
    }

    /// Makes every module as new, with its parameters where they were last set, and silences what
    /// cables that run in a circle would bring from before.
    pub fn reset(&mut self) {
        self.cells.iter_mut().for_each(Cell::reset);
    }

    /// Renders these frames of all modules, in order. A cable from a cell to itself or to an earlier
    /// one brings the same frames of the block before, which are still there.
    pub fn process(&mut self, frames: Range<usize>, transport: Transport, shares: &Shares) {
        let Wiring { order, feeds, heard, buses, .. } = &mut self.wiring;
        for &index in order.iter() {
            let (before, rest) = self.cells.split_at_mut(index);
            let Some((cell, after)) = rest.split_first_mut() else { continue };
            let others = Others { before, after };
            cell.process(&mut feeds[index], &others, frames.clone(), transport, shares);
        }
        for tap in heard.iter_mut() {
            tap.listen(&self.cells, frames.clone(), shares);
        }
        if self.with_buses {
            for tap in buses.iter_mut().flatten() {
                tap.listen(&self.cells, frames.clone(), shares);
            }
        }
    }

    /// The values that modules tell at the end of the block.
    pub fn told(&self) -> impl Iterator<Item = (Handle, [f32; 2])> {
        self.wiring.told.iter().map(|&(handle, cell)| (handle, self.cells[cell].told()))
    }

    /// The signals that are heard left and right, one channel each.
    pub fn heard(&self) -> (&[f32], &[f32]) {
        let [left, right] = &self.wiring.heard;
        (&left.mixed, &right.mixed)
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
        let silent = |_| silent_buffer(module.channels());
        Self {
            instance: Some(instance),
            outputs: module.spec().outputs.iter().map(silent).collect(),
        }
    }

    /// Whether its module was moved elsewhere.
    pub fn is_empty(&self) -> bool {
        self.instance.is_none()
    }

    fn told(&self) -> [f32; 2] {
        let mut told = [0.0; 2];
        let Some(instance) = &self.instance else { return told };
        for (value, output) in told.iter_mut().zip(instance.spec().told) {
            let buffer = &self.outputs[*output];
            let last = &buffer[buffer.len() - instance.channels()..];
            *value =
                last.iter().fold(0.0, |most: f32, x| if x.abs() > most.abs() { *x } else { most });
        }
        told
    }

    fn reset(&mut self) {
        if let Some(instance) = &mut self.instance {
            instance.reset();
        }
        for output in &mut self.outputs {
            output.fill(0.0);
        }
    }

    fn process(
        &mut self,
        feeds: &mut Feeds,
        others: &Others<'_>,
        frames: Range<usize>,
        transport: Transport,
        shares: &Shares,
    ) {
        let Some(instance) = &mut self.instance else { return };
        let channels = instance.channels();
        let inputs = feeds.inputs.iter_mut();
        for feed in inputs.chain(feeds.drives.iter_mut().map(|drive| &mut drive.2)) {
            let Feed::Mixed { sources, rest, buffer } = feed else { continue };
            let piece = &mut buffer[frames.start * channels..frames.end * channels];
            if rest.is_steady() {
                piece.fill(rest.to);
            } else {
                for (frame, share) in piece.chunks_exact_mut(channels).zip(&shares[frames.clone()])
                {
                    frame.fill(rest.from + (rest.to - rest.from) * share);
                }
            }
            for (source, gain) in sources {
                let own = &self.outputs;
                let signal = others.output(*source).unwrap_or_else(|| &own[source.output]);
                let gain = (*gain, shares);
                add(buffer, channels, signal, source.channels, gain, frames.clone());
            }
        }
        let signal = |feed| -> Option<&[f32]> {
            match feed {
                &Feed::Nothing => None,
                Feed::Direct(source) => others.output(*source),
                Feed::Mixed { buffer, .. } => Some(buffer),
            }
        };
        let mut inputs = [None; INPUTS_MAX];
        for (input, feed) in inputs.iter_mut().zip(&feeds.inputs) {
            *input = signal(feed);
        }
        // While patches change, the cables of both are there.
        let mut drives = [Drive { param: 0, depth: 0.0, signal: &[] }; 2 * DRIVES_MAX];
        for (drive, (param, depth, feed)) in drives.iter_mut().zip(&feeds.drives) {
            let signal = signal(feed).unwrap_or_default();
            *drive = Drive { param: *param, depth: *depth, signal };
        }
        let inputs = &inputs[..feeds.inputs.len()];
        let drives = &drives[..feeds.drives.len()];
        instance.process(inputs, drives, &mut self.outputs, frames, transport);
    }
}

/// All cells but one.
struct Others<'a> {
    before: &'a [Cell],
    after: &'a [Cell],
}

impl<'a> Others<'a> {
    /// The buffer of a source; `None` if it is of the cell that is left out.
    fn output(&self, source: Source) -> Option<&'a [f32]> {
        let cell = match source.cell.checked_sub(self.before.len()) {
            None => &self.before[source.cell],
            Some(0) => return None,
            Some(after) => &self.after[after - 1],
        };
        Some(&cell.outputs[source.output])
    }
}

impl Tap {
    fn listen(&mut self, cells: &[Cell], frames: Range<usize>, shares: &Shares) {
        self.mixed[frames.clone()].fill(0.0);
        for (source, gain) in &self.sources {
            let signal = &cells[source.cell].outputs[source.output];
            let gain = (*gain, shares);
            add(&mut self.mixed, 1, signal, source.channels, gain, frames.clone());
        }
    }
}

/// The sum of all channels: halves are added until one is left, which is a vector's way to add itself up.
fn mix_down<const C: usize>(frame: &[f32; C]) -> f32 {
    let mut sums = *frame;
    let mut half = C / 2;
    while half > 0 {
        for c in 0..half {
            sums[c] += sums[c + half];
        }
        half /= 2;
    }
    sums[0]
}

/// Adds all channels of `signal`, times `factor`, to the one of `sum`.
fn add_mixed<const C: usize>(sum: &mut [f32], signal: &[f32], factor: f32) {
    for (sum, frame) in sum.iter_mut().zip(signal.as_chunks::<C>().0) {
        *sum += mix_down(frame) * factor;
    }
}

/// Adds `signal`, times a gain, to `sum`. One channel goes to all; many are mixed down to one.
fn add(
    sum: &mut [f32],
    channels: usize,
    signal: &[f32],
    from_channels: usize,
    (gain, shares): (Gain, &Shares),
    frames: Range<usize>,
) {
    let sum = &mut sum[frames.start * channels..frames.end * channels];
    let signal = &signal[frames.start * from_channels..frames.end * from_channels];
    if gain.is_steady() {
        add_steady(sum, channels, signal, from_channels, gain.to);
        return;
    }
    let signal = signal.chunks_exact(from_channels);
    let shares = &shares[frames];
    for ((sum, signal), share) in sum.chunks_exact_mut(channels).zip(signal).zip(shares) {
        let factor = gain.from + (gain.to - gain.from) * share;
        add_steady(sum, channels, signal, from_channels, factor);
    }
}

fn add_steady(sum: &mut [f32], channels: usize, signal: &[f32], from_channels: usize, factor: f32) {
    if channels == from_channels {
        for (sum, sample) in sum.iter_mut().zip(signal) {
            *sum += sample * factor;
        }
        return;
    }
    match from_channels {
        1 => {
            for (sum, sample) in sum.chunks_exact_mut(channels).zip(signal) {
                for sum in sum {
                    *sum += sample * factor;
                }
            }
        }
        4 => add_mixed::<4>(sum, signal, factor),
        8 => add_mixed::<8>(sum, signal, factor),
        _ => add_mixed::<16>(sum, signal, factor),
    }
}
