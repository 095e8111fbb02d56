//! The compiled order: modules as steps, each after those it hears, with the buffers between them.

use core::ops::Range;

use arrayvec::ArrayVec;
use chronus_dsp::{
    Buffer, CHANNEL_COUNTS, Drive, FrameSet, INPUTS_MAX, Instance, PortSet, Transport, Turn,
    frame_set, mix, silent_buffer,
};
use pulp::Arch;

use crate::patch::{Cable, DRIVES_MAX, OutputPort, Patch, TargetPort};

/// The modules of a patch, ready to render.
pub(crate) struct Schedule {
    steps: Vec<Step>,
    /// The step of each module, by its index in the patch.
    step_of_module: Vec<usize>,
    /// What is heard left and right, mixed down to one channel.
    heard: [(Source, Buffer); 2],
    mixer: Mixer,
}

/// Where signals of many channels are added up before they are mixed down, once for all.
struct Mixer {
    arch: Arch,
    wide: [Buffer; CHANNEL_COUNTS.len()],
}

struct Step {
    instance: Instance,
    inputs: Vec<Feed>,
    /// Parameter, depth and signal of the cables that end at parameters.
    drives: Vec<(usize, f32, Feed)>,
    outputs: Vec<Buffer>,
    /// Where each output is silent.
    silent: Vec<FrameSet>,
    /// Outputs without a cable.
    unheard: PortSet,
    /// If all that is heard of it goes to inputs of later steps: step and input of each.
    readers: Option<Vec<(usize, usize)>>,
}

/// An output of a step, and the channels of its buffer.
#[derive(Clone, Copy, PartialEq)]
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
    /// factor; and where it is silent.
    Mixed(Vec<(Source, f32)>, Buffer, FrameSet),
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
            let silent = vec![FrameSet::MAX; spec.outputs.len()];
            let instance = module.construct(rate_hz);
            Step { instance, inputs, drives, outputs, silent, unheard: 0, readers: None }
        });
        let steps = steps.collect();
        let heard = [patch.left(), patch.right()].map(|port| (source(port), silent_buffer(1)));
        let mixer = Mixer { arch: Arch::new(), wide: CHANNEL_COUNTS.map(silent_buffer) };
        let mut schedule = Self { steps, step_of_module, heard, mixer };
        schedule.find_readers();
        schedule
    }

    /// Finds out which outputs nobody reads, and which steps are read by inputs of later ones alone.
    fn find_readers(&mut self) {
        for own in 0..self.steps.len() {
            let (mut readers, mut heard, mut is_simple) = (Vec::new(), 0, true);
            for (index, step) in self.steps.iter().enumerate() {
                for (input, feed) in step.inputs.iter().enumerate() {
                    for source in feed.sources().filter(|source| source.step == own) {
                        readers.push((index, input));
                        heard |= 1 << source.output;
                        is_simple &= index > own;
                    }
                }
                for (.., feed) in &step.drives {
                    for source in feed.sources().filter(|source| source.step == own) {
                        (heard, is_simple) = (heard | 1 << source.output, false);
                    }
                }
            }
            for (source, _) in self.heard.iter().filter(|(source, _)| source.step == own) {
                (heard, is_simple) = (heard | 1 << source.output, false);
            }
            self.steps[own].unheard = !heard;
            self.steps[own].readers = is_simple.then_some(readers);
        }
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
            step.silent.fill(FrameSet::MAX);
        }
    }

    /// Renders these frames of all modules, in order. A cable from a step to itself or to an earlier
    /// one brings the same frames of the block before, which are still there.
    pub fn process(&mut self, frames: Range<usize>, transport: Transport) {
        let set = frame_set(&frames);
        for index in 0..self.steps.len() {
            let is_ignored = self.is_ignored(index, set);
            let (before, rest) = self.steps.split_at_mut(index);
            let Some((step, after)) = rest.split_first_mut() else { return };
            let around = (&*before, &*after);
            step.process(around, &mut self.mixer, frames.clone(), transport, is_ignored);
        }
        let [left, right] = &mut self.heard;
        let mix_down = |(source, mixed): &mut (Source, Buffer)| {
            let signal = &self.steps[source.step].outputs[source.output];
            let cut = |channels: usize| frames.start * channels..frames.end * channels;
            let (mixed, signal) = (&mut mixed[frames.clone()], &signal[cut(source.channels)]);
            if source.channels == 1 {
                mixed.copy_from_slice(signal);
            } else {
                mixed.fill(0.0);
                mix::add_down(self.mixer.arch, mixed, signal, source.channels);
            }
        };
        mix_down(left);
        if right.0 == left.0 {
            right.1[frames.clone()].copy_from_slice(&left.1[frames]);
        } else {
            mix_down(right);
        }
    }

    /// Whether all who read this step would take no notice of it in these frames.
    fn is_ignored(&self, index: usize, set: FrameSet) -> bool {
        let Some(readers) = &self.steps[index].readers else { return false };
        readers.iter().all(|&(reader, input)| {
            let reader = &self.steps[reader];
            let mut silent = 0;
            for (input, feed) in reader.inputs.iter().enumerate() {
                let is_silent = match feed {
                    Feed::Nothing => true,
                    Feed::Direct(source) if source.step < index => {
                        self.steps[source.step].silent[source.output] & set == set
                    }
                    _ => false,
                };
                silent |= PortSet::from(is_silent) << input;
            }
            reader.instance.ignored_inputs(silent) & (1 << input) != 0
        })
    }

    /// The signals that are heard left and right, one channel each.
    pub fn heard(&self) -> (&[f32], &[f32]) {
        (&self.heard[0].1, &self.heard[1].1)
    }
}

impl Step {
    fn process(
        &mut self,
        around: (&[Step], &[Step]),
        mixer: &mut Mixer,
        frames: Range<usize>,
        transport: Transport,
        is_ignored: bool,
    ) {
        let (channels, own, set) = (self.instance.channels(), around.0.len(), frame_set(&frames));
        let outputs = (&self.outputs[..], &self.silent[..]);
        let find = |source: Source| {
            if source.step == own {
                (&*outputs.0[source.output], outputs.1[source.output])
            } else {
                output(around, source)
            }
        };
        let feeds = self.inputs.iter_mut().chain(self.drives.iter_mut().map(|drive| &mut drive.2));
        for feed in feeds {
            if let Feed::Mixed(sources, buffer, silent) = feed {
                let is_silent = mixer.mix(sources, buffer, channels, find, frames.clone());
                *silent = if is_silent { *silent | set } else { *silent & !set };
            }
        }
        let signal = |feed| -> Option<(&[f32], bool)> {
            match feed {
                &Feed::Nothing => None,
                Feed::Direct(source) => {
                    let (signal, silent) = output(around, *source);
                    Some((signal, silent & set == set))
                }
                Feed::Mixed(_, buffer, silent) => Some((buffer, silent & set == set)),
            }
        };
        let mut inputs = ArrayVec::<_, INPUTS_MAX>::new();
        let mut silent_inputs = 0;
        for (index, feed) in self.inputs.iter().enumerate() {
            let signal = signal(feed);
            silent_inputs |= PortSet::from(signal.is_some_and(|signal| signal.1)) << index;
            inputs.push(signal.map(|signal| signal.0));
        }
        let mut drives = ArrayVec::<_, DRIVES_MAX>::new();
        for (param, depth, feed) in &self.drives {
            // A silent cable leaves its parameter alone.
            if let Some((signal, false)) = signal(feed) {
                drives.push(Drive { param: *param, depth: *depth, signal });
            }
        }
        let turn = Turn {
            inputs: &inputs,
            silent_inputs,
            drives: &drives,
            outputs: &mut self.outputs,
            silent_frames: &mut self.silent,
            unheard_outputs: self.unheard,
            frames,
            transport,
        };
        if is_ignored {
            self.instance.skip(turn);
        } else {
            self.instance.render(turn);
        }
    }
}

/// The buffer of a source that is not the step between those before and after it.
fn output<'a>((before, after): (&'a [Step], &'a [Step]), source: Source) -> (&'a [f32], FrameSet) {
    let step = before.get(source.step).unwrap_or_else(|| &after[source.step - before.len() - 1]);
    (&step.outputs[source.output], step.silent[source.output])
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
            _ => Self::Mixed(sources, silent_buffer(channels), FrameSet::MAX),
        }
    }

    /// What a cable brings to a parameter, its depth apart.
    fn driving(source: Source, channels: usize, own: usize) -> Self {
        if (source.channels == channels || source.channels == 1) && source.step != own {
            return Self::Direct(source);
        }
        Self::Mixed(vec![(source, 1.0)], silent_buffer(channels), FrameSet::MAX)
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        let (direct, mixed) = match self {
            Self::Nothing => (None, &[][..]),
            Self::Direct(source) => (Some(source), &[][..]),
            Self::Mixed(sources, ..) => (None, &sources[..]),
        };
        direct.into_iter().chain(mixed.iter().map(|(source, _)| source))
    }
}

impl Mixer {
    /// Adds up sources, those of as many channels as `sum` first. One channel goes to all; many are
    /// mixed down to one. Returns whether the sum is silent.
    fn mix<'a>(
        &mut self,
        sources: &[(Source, f32)],
        sum: &mut [f32],
        channels: usize,
        find: impl Fn(Source) -> (&'a [f32], FrameSet),
        frames: Range<usize>,
    ) -> bool {
        let set = frame_set(&frames);
        let cut = |channels: usize| frames.start * channels..frames.end * channels;
        let sum = &mut sum[cut(channels)];
        let mut heard = 0;
        // Those of so many channels that are not silent.
        let mut of = |wanted: usize, into: &mut [f32]| {
            let mut count = 0;
            let sources = sources.iter().filter(|(source, _)| source.channels == wanted);
            let signals = sources.filter_map(|(source, factor)| {
                let (signal, silent) = find(*source);
                (silent & set != set).then(|| {
                    count += 1;
                    (&signal[cut(wanted)], *factor)
                })
            });
            mix::sum(self.arch, into, signals);
            heard += count;
            count > 0
        };
        of(channels, sum);
        for (wide, count) in self.wide.iter_mut().zip(CHANNEL_COUNTS) {
            let wide = &mut wide[cut(count)];
            if count != channels
                && sources.iter().any(|(source, _)| source.channels == count)
                && of(count, wide)
            {
                match (count, channels) {
                    (1, _) => mix::add_to_all(self.arch, sum, channels, wide, 1.0),
                    (_, 1) => mix::add_down(self.arch, sum, wide, count),
                    _ => (),
                }
            }
        }
        heard == 0
    }
}
