//! The compiled order: modules as steps, each after those it hears, with the buffers between them.

use core::ops::Range;

use chronus_dsp::{BLOCK_FRAMES, Buffer, Drive, INPUTS_MAX, Instance, Transport, silent_buffer};

use crate::patch::{Cable, DRIVES_MAX, OutputPort, Patch, TargetPort};

/// The modules of a patch, ready to render.
pub(crate) struct Schedule {
    steps: Vec<Step>,
    /// The step of each module, by its index in the patch.
    step_of_module: Vec<usize>,
    /// What is heard left and right, mixed down to one channel.
    heard: [(Source, Buffer); 2],
}

struct Step {
    instance: Instance,
    inputs: Vec<Feed>,
    /// Parameter, depth and signal of the cables that end at parameters.
    drives: Vec<(usize, f32, Feed)>,
    outputs: Vec<Buffer>,
}

/// An output of a step, and the channels of its buffer.
#[derive(Clone, Copy)]
struct Source {
    step: usize,
    output: usize,
    channels: usize,
}

/// What a port gets.
enum Feed {
    /// No cable: silence.
    Nothing,
    /// The very buffer of the only source.
    Direct(Source),
    /// A buffer of its own, into which sources are summed in the order of the patch, each times a
    /// factor.
    Mixed(Vec<(Source, f32)>, Buffer),
}

impl Schedule {
    /// All modules new, at the default parameters of their kinds.
    pub fn new(patch: &Patch, rate_hz: u32) -> Self {
        let mut step_of_module = vec![0; patch.modules().len()];
        for (step, &module) in patch.order().iter().enumerate() {
            step_of_module[module] = step;
        }
        let source = |port: OutputPort| Source {
            step: step_of_module[port.module],
            output: port.output,
            channels: patch.modules()[port.module].channels(),
        };
        let steps = patch.order().iter().map(|&index| {
            let module = &patch.modules()[index];
            let (spec, channels) = (module.spec(), module.channels());
            let own = step_of_module[index];
            let leads_to = |port: TargetPort| {
                patch
                    .cables()
                    .iter()
                    .filter(move |cable| cable.to.module == index && cable.to.port == port)
            };
            let with_factor = |cable: &Cable| (source(cable.from), cable.depth);
            let inputs = (0..spec.inputs.len())
                .map(|input| {
                    let sources = leads_to(TargetPort::Input(input)).map(with_factor).collect();
                    Feed::new(sources, channels, own)
                })
                .collect();
            let drives = (0..spec.params.len()).flat_map(|param| {
                leads_to(TargetPort::Param(param)).map(move |cable| (param, cable))
            });
            let drives = drives
                .map(|(param, cable)| {
                    (param, cable.depth, Feed::driving(source(cable.from), channels, own))
                })
                .collect();
            let outputs = spec.outputs.iter().map(|_| silent_buffer(channels)).collect();
            Step { instance: module.construct(rate_hz), inputs, drives, outputs }
        });
        let steps = steps.collect();
        let heard = [patch.left(), patch.right()].map(|port| (source(port), silent_buffer(1)));
        Self { steps, step_of_module, heard }
    }

    /// The module at an index of the patch.
    pub fn module(&mut self, index: usize) -> &mut Instance {
        &mut self.steps[self.step_of_module[index]].instance
    }

    /// Makes every module as new, with its parameters where they were last set, and silences what
    /// cables that run in a circle would bring from before.
    pub fn reset(&mut self) {
        for step in &mut self.steps {
            step.instance.reset();
            for output in &mut step.outputs {
                output.fill(0.0);
            }
        }
    }

    /// Renders these frames of all modules, in order. A cable from a step to itself or to an earlier
    /// one brings the same frames of the block before, which are still there.
    pub fn process(&mut self, frames: Range<usize>, transport: Transport) {
        for index in 0..self.steps.len() {
            let (before, rest) = self.steps.split_at_mut(index);
            let Some((step, after)) = rest.split_first_mut() else { return };
            step.process(before, after, frames.clone(), transport);
        }
        for (source, mixed) in &mut self.heard {
            let signal = &self.steps[source.step].outputs[source.output];
            mixed[frames.clone()].fill(0.0);
            add(mixed, 1, signal, source.channels, 1.0, frames.clone());
        }
    }

    /// The signals that are heard left and right, one channel each.
    pub fn heard(&self) -> (&[f32], &[f32]) {
        (&self.heard[0].1, &self.heard[1].1)
    }
}

impl Step {
    fn process(
        &mut self,
        before: &[Step],
        after: &[Step],
        frames: Range<usize>,
        transport: Transport,
    ) {
        let channels = self.instance.channels();
        let own = before.len();
        let feeds = self.inputs.iter_mut().chain(self.drives.iter_mut().map(|drive| &mut drive.2));
        for feed in feeds {
            let Feed::Mixed(sources, buffer) = feed else { continue };
            buffer[frames.start * channels..frames.end * channels].fill(0.0);
            for (source, factor) in sources {
                let signal = if source.step == own {
                    &self.outputs[source.output]
                } else {
                    output(before, after, *source)
                };
                add(buffer, channels, signal, source.channels, *factor, frames.clone());
            }
        }
        let signal = |feed| -> Option<&[f32]> {
            match feed {
                &Feed::Nothing => None,
                Feed::Direct(source) => Some(output(before, after, *source)),
                Feed::Mixed(_, buffer) => Some(buffer),
            }
        };
        let mut inputs = [None; INPUTS_MAX];
        for (input, feed) in inputs.iter_mut().zip(&self.inputs) {
            *input = signal(feed);
        }
        let mut drives = [Drive { param: 0, depth: 0.0, signal: &[] }; DRIVES_MAX];
        for (drive, (param, depth, feed)) in drives.iter_mut().zip(&self.drives) {
            let signal = signal(feed).unwrap_or_default();
            *drive = Drive { param: *param, depth: *depth, signal };
        }
        let inputs = &inputs[..self.inputs.len()];
        let drives = &drives[..self.drives.len()];
        self.instance.process(inputs, drives, &mut self.outputs, frames, transport);
    }
}

/// The buffer of a source that is not the step between `before` and `after`.
fn output<'a>(before: &'a [Step], after: &'a [Step], source: Source) -> &'a [f32] {
    let step = before.get(source.step).unwrap_or_else(|| &after[source.step - before.len() - 1]);
    &step.outputs[source.output]
}

impl Feed {
    /// What an input of step `own`, of so many channels, gets from the cables that end there.
    fn new(sources: Vec<(Source, f32)>, channels: usize, own: usize) -> Self {
        match sources[..] {
            [] => Self::Nothing,
            [(source, depth)]
                if depth == 1.0 && source.channels == channels && source.step != own =>
            {
                Self::Direct(source)
            }
            _ => Self::Mixed(sources, silent_buffer(channels)),
        }
    }

    /// What a cable brings to a parameter, its depth apart.
    fn driving(source: Source, channels: usize, own: usize) -> Self {
        if (source.channels == channels || source.channels == 1) && source.step != own {
            return Self::Direct(source);
        }
        Self::Mixed(vec![(source, 1.0)], silent_buffer(channels))
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

/// Adds `signal`, times `factor`, to `sum`. One channel goes to all; many are mixed down to one.
fn add(
    sum: &mut [f32],
    channels: usize,
    signal: &[f32],
    from_channels: usize,
    factor: f32,
    frames: Range<usize>,
) {
    debug_assert!(frames.end <= BLOCK_FRAMES);
    let sum = &mut sum[frames.start * channels..frames.end * channels];
    let signal = &signal[frames.start * from_channels..frames.end * from_channels];
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
