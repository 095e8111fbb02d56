//! A bench for effects: each input has a signal of its own, and the transport is at hand.
#![allow(dead_code)] // Not every test file needs all of it.

use chronus_dsp::{BLOCK_FRAMES, Instance, Transport, catalog, silent_buffer};
use core::f64::consts::TAU;

/// A signal: what it is in a frame.
pub type Signal<'a> = &'a dyn Fn(usize) -> f32;

pub struct Effect {
    pub instance: Instance,
    pub transport: Transport,
    frame: usize,
}

impl Effect {
    /// An effect whose parameters rest at these values.
    pub fn new(kind: &str, rate_hz: u32, params: &[(&str, f32)]) -> Self {
        let instance = Instance::new(catalog::find(kind).expect("a kind"), rate_hz, 1);
        let mut effect = Self { instance, transport: Transport::stopped(rate_hz), frame: 0 };
        for (name, value) in params {
            effect.set(name, *value);
        }
        effect.instance.reset();
        effect
    }

    /// Sets a parameter while it plays.
    pub fn set(&mut self, name: &str, value: f32) {
        let mut params = self.instance.spec().params.iter();
        let param = params.position(|param| param.name == name).expect("a parameter");
        self.instance.set_param(param, value);
    }

    /// Plays so many more frames, rounded up to whole blocks; inputs that are not told have no cable.
    /// Returns all outputs.
    pub fn play(&mut self, frames: usize, inputs: &[Signal]) -> Vec<Vec<f32>> {
        let spec = self.instance.spec();
        let mut outputs = vec![silent_buffer(1); spec.outputs.len()];
        let mut played = vec![Vec::with_capacity(frames); outputs.len()];
        for _ in 0..frames.div_ceil(BLOCK_FRAMES) {
            let at = self.frame;
            let block = |signal: &Signal| (0..BLOCK_FRAMES).map(|n| signal(at + n)).collect();
            let blocks: Vec<Vec<f32>> = inputs.iter().map(block).collect();
            let mut cables: Vec<_> = blocks.iter().map(|block| Some(&block[..])).collect();
            cables.resize(spec.inputs.len(), None);
            let whole = 0..BLOCK_FRAMES;
            self.instance.process(&cables, &[], &mut outputs, whole, self.transport);
            if self.transport.playing {
                self.transport.frames_since_anchor += BLOCK_FRAMES as u64;
            }
            for (all, block) in played.iter_mut().zip(&outputs) {
                all.extend_from_slice(block);
            }
            self.frame += BLOCK_FRAMES;
        }
        played
    }
}

pub fn impulse(frame: usize) -> f32 {
    if frame == 0 { 1.0 } else { 0.0 }
}

/// A sine at 48 kHz.
pub fn sine(freq_hz: f64, amplitude: f64) -> impl Fn(usize) -> f32 {
    move |frame| (amplitude * (TAU * (freq_hz * frame as f64 / 48_000.0).fract()).sin()) as f32
}

/// The response in dB at a frequency: the spectrum of an impulse response.
pub fn response_db(impulse_response: &[f32], freq_hz: f64, rate_hz: u32) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in impulse_response.iter().enumerate() {
        let angle = TAU * (freq_hz * i as f64 / f64::from(rate_hz)).fract();
        re += f64::from(sample) * angle.cos();
        im -= f64::from(sample) * angle.sin();
    }
    20.0 * re.hypot(im).log10()
}

/// The root of the mean square.
pub fn rms(samples: &[f32]) -> f64 {
    let squares: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (squares / samples.len() as f64).sqrt()
}

/// The largest second difference: a step of size d shows as d, a tone of amplitude a as a w^2.
pub fn roughness(samples: &[f32]) -> f32 {
    samples.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max)
}

/// Where a signal is not silent.
pub fn heard_at(samples: &[f32], least: f32) -> Vec<usize> {
    (0..samples.len()).filter(|&frame| samples[frame].abs() > least).collect()
}

pub fn ends_in_silence(samples: &[f32]) -> bool {
    let are_normal = samples.iter().all(|sample| *sample == 0.0 || sample.is_normal());
    are_normal && samples.last() == Some(&0.0)
}
