//! A module with a signal of its own at each input: what the bench, which plays one signal to all,
//! cannot.
#![allow(dead_code)] // Not every test file needs all of it.

use chronus_dsp::{BLOCK_FRAMES, Buffer, Instance, Recording, Transport, catalog, silent_buffer};

/// A module of one channel whose parameters rest at these values.
pub fn module(kind: &str, rate_hz: u32, params: &[(&str, f32)]) -> Instance {
    let entry = catalog::find(kind).expect("a kind of the catalog");
    let mut module = Instance::new(entry, rate_hz, 1);
    for (name, value) in params {
        let at = entry.spec.params.iter().position(|param| param.name == *name);
        module.set_param(at.expect("a parameter of the module"), *value);
    }
    module.reset();
    module
}

/// A module that plays this recording.
pub fn player(
    kind: &str,
    rate_hz: u32,
    params: &[(&str, f32)],
    (samples, channels, recorded_hz): (Vec<f32>, usize, u32),
) -> Instance {
    let mut module = module(kind, rate_hz, params);
    let recording = Recording::new(std::sync::Arc::new(samples), channels, recorded_hz);
    let spec = module.spec().recording.expect("a module that plays recordings");
    module.set_recording((spec.prepare)(recording));
    module
}

/// Plays so many frames (whole blocks) with these signals at the named inputs; returns all outputs.
pub fn play(
    module: &mut Instance,
    frames: usize,
    signals: &[(&str, &dyn Fn(usize) -> f32)],
) -> Vec<Vec<f32>> {
    let frames = frames.next_multiple_of(BLOCK_FRAMES);
    let spec = module.spec();
    let signal_of = |name| signals.iter().find(|signal| signal.0 == name).map(|signal| signal.1);
    let mut outputs: Vec<Buffer> = spec.outputs.iter().map(|_| silent_buffer(1)).collect();
    let mut played = vec![Vec::with_capacity(frames); outputs.len()];
    for start in (0..frames).step_by(BLOCK_FRAMES) {
        let block = |signal: &dyn Fn(usize) -> f32| -> Buffer {
            let mut buffer = chronus_dsp::silent_buffer(1);
            for (sample, frame) in buffer.iter_mut().zip(start..) {
                *sample = signal(frame);
            }
            buffer
        };
        let buffers: Vec<Option<Buffer>> =
            spec.inputs.iter().map(|port| signal_of(port.name).map(block)).collect();
        let inputs: Vec<Option<&[f32]>> = buffers.iter().map(Option::as_deref).collect();
        let transport = Transport::stopped(48_000);
        module.process(&inputs, &[], &mut outputs, 0..BLOCK_FRAMES, transport);
        for (all, block) in played.iter_mut().zip(&outputs) {
            all.extend_from_slice(block);
        }
    }
    played
}
