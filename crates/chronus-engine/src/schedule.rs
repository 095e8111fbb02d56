//! The compiled order: modules as steps, each after those it hears, with the buffers between them.

use core::ops::Range;

use chronus_dsp::{BLOCK_FRAMES, Io, Module, PortBuffer};

use crate::patch::{OutputPort, Patch};

/// The modules of a patch, ready to render.
pub(crate) struct Schedule {
    steps: Vec<Step>,
    /// The step of each module, by its index in the patch.
    step_of_module: Vec<usize>,
    /// One buffer per output of all modules; those of a step are neighbours.
    outputs: Vec<PortBuffer>,
    /// The inputs of the step under way, as many as the module with the most inputs has.
    inputs: Vec<PortBuffer>,
    left: usize,
    right: usize,
}

struct Step {
    module: Box<dyn Module>,
    /// For each input the buffers of the cables that end there, in the order of the patch. Several
    /// cables are summed in that order.
    sources: Vec<Vec<usize>>,
    outputs: Range<usize>,
}

impl Schedule {
    /// All modules new, at the default parameters of their kinds.
    pub fn new(patch: &Patch, rate_hz: u32) -> Self {
        let mut first_output = Vec::new();
        let mut output_count = 0;
        for module in patch.modules() {
            first_output.push(output_count);
            output_count += module.spec().outputs.len();
        }
        let buffer_of = |port: OutputPort| first_output[port.module] + port.output;
        let mut step_of_module = vec![0; patch.modules().len()];
        let mut steps = Vec::new();
        for &index in patch.order() {
            let module = &patch.modules()[index];
            let mut sources = vec![Vec::new(); module.spec().inputs.len()];
            for cable in patch.cables().iter().filter(|cable| cable.to.module == index) {
                sources[cable.to.input].push(buffer_of(cable.from));
            }
            let outputs = first_output[index]..first_output[index] + module.spec().outputs.len();
            step_of_module[index] = steps.len();
            steps.push(Step { module: module.construct(rate_hz), sources, outputs });
        }
        let input_count = steps.iter().map(|step| step.sources.len()).max().unwrap_or(0);
        Self {
            steps,
            step_of_module,
            outputs: vec![[0.0; BLOCK_FRAMES]; output_count],
            inputs: vec![[0.0; BLOCK_FRAMES]; input_count],
            left: buffer_of(patch.left()),
            right: buffer_of(patch.right()),
        }
    }

    /// The module at an index of the patch.
    pub fn module(&mut self, index: usize) -> &mut dyn Module {
        &mut *self.steps[self.step_of_module[index]].module
    }

    /// Makes every module as new, with its parameters where they were last set.
    pub fn reset(&mut self) {
        for step in &mut self.steps {
            step.module.reset();
        }
    }

    /// Renders these frames of all modules, in order.
    pub fn process(&mut self, frames: Range<usize>) {
        for step in &mut self.steps {
            let inputs = &mut self.inputs[..step.sources.len()];
            for (input, sources) in inputs.iter_mut().zip(&step.sources) {
                sum(&mut input[frames.clone()], sources, &self.outputs, frames.clone());
            }
            let outputs = &mut self.outputs[step.outputs.clone()];
            step.module.process(Io { inputs, outputs, frames: frames.clone() });
        }
    }

    /// The signals that are heard left and right.
    pub fn heard(&self) -> (&PortBuffer, &PortBuffer) {
        (&self.outputs[self.left], &self.outputs[self.right])
    }
}

fn sum(input: &mut [f32], sources: &[usize], outputs: &[PortBuffer], frames: Range<usize>) {
    let Some((first, others)) = sources.split_first() else {
        input.fill(0.0);
        return;
    };
    input.copy_from_slice(&outputs[*first][frames.clone()]);
    for source in others {
        for (sum, sample) in input.iter_mut().zip(&outputs[*source][frames.clone()]) {
            *sum += sample;
        }
    }
}
