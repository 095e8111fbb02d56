//! A rig for modules that listen to triggers and to the beat: every input gets a signal of its own,
//! and the transport runs if it is told to.
#![allow(dead_code)] // Not every test file needs all of it.

use chronus_dsp::{BLOCK_FRAMES, Instance, Transport, catalog, silent_buffer};

/// The value of an input in a frame.
pub type Signal<'a> = &'a dyn Fn(usize) -> f32;

#[derive(Clone)]
pub struct Rig<'a> {
    pub kind: &'static str,
    pub rate_hz: u32,
    pub params: Vec<(&'static str, f32)>,
    pub text: Option<&'static str>,
    pub inputs: Vec<(&'static str, Signal<'a>)>,
    /// Tempo and first beat, if the transport runs.
    pub plays: Option<(f64, f64)>,
    pub channels: usize,
    /// The lengths that blocks are divided into, again and again; whole blocks if empty.
    pub pieces: Vec<usize>,
}

impl<'a> Rig<'a> {
    pub fn new(kind: &'static str, params: &[(&'static str, f32)]) -> Self {
        Self {
            kind,
            rate_hz: 48_000,
            params: params.to_vec(),
            text: None,
            inputs: Vec::new(),
            plays: None,
            channels: 1,
            pieces: Vec::new(),
        }
    }

    pub fn input(mut self, name: &'static str, signal: Signal<'a>) -> Self {
        self.inputs.push((name, signal));
        self
    }

    pub fn playing(mut self, tempo_bpm: f64, beat: f64) -> Self {
        self.plays = Some((tempo_bpm, beat));
        self
    }

    /// All outputs, with all channels of a frame side by side; the frames are rounded up to whole
    /// blocks.
    pub fn play(&self, frames: usize) -> Vec<Vec<f32>> {
        let entry = catalog::find(self.kind).expect("a kind of the catalog");
        let mut module = Instance::new(entry, self.rate_hz, self.channels);
        let spec = entry.spec;
        for (name, value) in &self.params {
            let at = spec.params.iter().position(|param| param.name == *name);
            module.set_param(at.expect("a parameter"), *value);
        }
        if let Some(text) = self.text {
            (spec.texts[0].check)(text).expect("a text that is right");
            module.set_text(0, text);
        }
        module.reset();
        let mut outputs = vec![silent_buffer(self.channels); spec.outputs.len()];
        let mut played = vec![Vec::new(); outputs.len()];
        let mut pieces = self.pieces.iter().copied().cycle();
        for block in (0..frames).step_by(BLOCK_FRAMES) {
            let render = |port: &chronus_dsp::PortSpec| {
                let (_, signal) = self.inputs.iter().find(|(name, _)| *name == port.name)?;
                let mut buffer = silent_buffer(self.channels);
                for (n, frame) in buffer.chunks_exact_mut(self.channels).enumerate() {
                    frame.fill(signal(block + n));
                }
                Some(buffer)
            };
            let buffers: Vec<_> = spec.inputs.iter().map(render).collect();
            let inputs: Vec<_> = buffers.iter().map(Option::as_deref).collect();
            let mut at = 0;
            while at < BLOCK_FRAMES {
                let end = (at + pieces.next().unwrap_or(BLOCK_FRAMES)).min(BLOCK_FRAMES);
                let transport = self.transport((block + at) as u64);
                module.process(&inputs, &[], &mut outputs, at..end, transport);
                at = end;
            }
            for (played, output) in played.iter_mut().zip(&outputs) {
                played.extend_from_slice(output);
            }
        }
        played
    }

    fn transport(&self, frame: u64) -> Transport {
        let stopped = Transport::stopped(self.rate_hz);
        let Some((tempo_bpm, anchor_beat)) = self.plays else { return stopped };
        let frames_since_anchor = frame;
        Transport { playing: true, tempo_bpm, anchor_beat, frames_since_anchor, ..stopped }
    }
}

/// The frames in which a gate opens.
pub fn openings(gate: &[f32]) -> Vec<usize> {
    let was_closed = |frame: &usize| *frame == 0 || gate[frame - 1] <= 0.5;
    (0..gate.len()).filter(|frame| gate[*frame] > 0.5).filter(was_closed).collect()
}

/// A trigger of 10 frames at each of these frames.
pub fn triggers(frames: &'static [usize]) -> impl Fn(usize) -> f32 {
    move |frame| {
        let is_open = frames.iter().any(|at| (*at..at + 10).contains(&frame));
        if is_open { 1.0 } else { 0.0 }
    }
}
