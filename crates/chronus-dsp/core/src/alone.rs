//! A module played alone, from slices to slices.

use core::ops::Range;

use crate::instance::Instance;
use crate::io::{Drive, Ports, Span};
use crate::signal::{Buffer, Signal, Signals, silent_buffer};
use crate::transport::Transport;

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
        let mut signals = Vec::from(Signal::resting());
        let mut ports = Ports::default();
        for (index, (input, port)) in inputs.iter().zip(spec.inputs).enumerate() {
            ports.connected |= u32::from(input.is_some()) << index;
            ports.inputs.push(input.map_or(Signal::at_rest(port), |_| signals.len()) as u32);
            signals.extend(input.map(|signal| signal_of(signal, channels)));
        }
        for &(param, depth, signal) in drives {
            ports.drives.push(Drive { param, depth, signal: signals.len() });
            signals.push(signal_of(signal, channels));
        }
        let mut rendered: Vec<_> = outputs.iter_mut().map(own).collect();
        self.render(&Span::new(frames, &transport), &Signals::all(&signals), &ports, &mut rendered);
        for (output, rendered) in outputs.iter_mut().zip(rendered) {
            *output = rendered.samples;
        }
    }
}

/// A signal of one channel or of so many.
fn signal_of(signal: &[f32], channels: usize) -> Signal {
    let mut samples = silent_buffer(if signal.len() == crate::BLOCK_FRAMES { 1 } else { channels });
    samples.copy_from_slice(signal);
    Signal { samples, silent: 0, held: 0 }
}

/// A buffer as a signal of which nothing is known.
fn own(buffer: &mut Buffer) -> Signal {
    Signal { samples: core::mem::take(buffer), silent: 0, held: 0 }
}
