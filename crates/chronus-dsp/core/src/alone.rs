//! A module played alone, from slices to slices.

use core::ops::Range;

use crate::instance::Instance;
use crate::io::{Drive, Ports, Span};
use crate::transport::Transport;
use crate::wire::{Buffer, Wire, Wires, silent_buffer};

impl Instance {
    /// Renders these frames as [`render`](Self::render) does. Of `inputs` and `outputs` there is one per port, the
    /// size of a buffer; inputs without a cable (`None`) rest. `drives` are parameter, depth and signal of
    /// cables that end at parameters.
    ///
    /// All that is read is copied first: within a patch, [`render`](Self::render) does without.
    pub fn process(
        &mut self,
        inputs: &[Option<&[f32]>],
        drives: &[(usize, f32, &[f32])],
        outputs: &mut [Buffer],
        frames: Range<usize>,
        transport: Transport,
    ) {
        let (spec, channels) = (self.spec(), self.channels());
        let mut wires = Vec::from(Wire::resting());
        let mut ports = Ports::default();
        for (index, (input, port)) in inputs.iter().zip(spec.inputs).enumerate() {
            ports.connected |= u32::from(input.is_some()) << index;
            ports.inputs.push(input.map_or(Wire::at_rest(port), |_| wires.len()) as u32);
            wires.extend(input.map(|signal| wire(signal, channels)));
        }
        for &(param, depth, signal) in drives {
            ports.drives.push(Drive { param, depth, wire: wires.len() });
            wires.push(wire(signal, channels));
        }
        let mut rendered: Vec<_> = outputs.iter_mut().map(own).collect();
        self.render(&Span::new(frames, &transport), &Wires::all(&wires), &ports, &mut rendered);
        for (output, rendered) in outputs.iter_mut().zip(rendered) {
            *output = rendered.samples;
        }
    }
}

/// A wire of one channel or of so many.
fn wire(signal: &[f32], channels: usize) -> Wire {
    let mut samples = silent_buffer(if signal.len() == crate::BLOCK_FRAMES { 1 } else { channels });
    samples.copy_from_slice(signal);
    Wire { samples, silent: 0, held: 0 }
}

/// A buffer as a wire of which nothing is known.
fn own(buffer: &mut Buffer) -> Wire {
    Wire { samples: core::mem::take(buffer), silent: 0, held: 0 }
}
