//! A bench for one module: its buffers, events at frames, and a seeded source of chance.
#![allow(dead_code)] // Not every test file needs all of it.

use chronus_dsp::{
    BLOCK_FRAMES, Buffer, Instance, ModuleSpec, Note, Recording, Transport, Vectors, catalog,
    silent_buffer,
};
use pulp::Arch;

/// The rates that every guarantee is tested at.
pub const RATES_HZ: [u32; 5] = [22_050, 44_100, 48_000, 96_000, 192_000];

#[derive(Clone, Copy, Debug)]
pub enum Event {
    Set(usize, f32),
    Gate(bool),
    Note(Note),
    Text(usize, &'static str),
    /// Musical time changes: it goes on from this anchor.
    Transport(Transport),
    Reset,
}

pub struct Bench {
    pub module: Instance,
    /// Channels of all ports; what is played and heard is the last one.
    channels: usize,
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
    /// Musical time in the next frame.
    transport: Transport,
    is_connected: bool,
}

impl Bench {
    pub fn new(kind: &str, rate_hz: u32) -> Self {
        Self::poly(kind, rate_hz, 1)
    }

    /// A module of so many channels, which all get the same input.
    pub fn poly(kind: &str, rate_hz: u32, channels: usize) -> Self {
        Self::on(Vectors::chosen().arch(), kind, rate_hz, channels)
    }

    /// The same on a machine that has this.
    pub fn on(arch: Arch, kind: &str, rate_hz: u32, channels: usize) -> Self {
        let entry = catalog::find(kind).expect("a kind of the catalog");
        let mut module = Instance::on(arch, entry, rate_hz, channels);
        if let Some(spec) = entry.spec.recording {
            module.set_recording((spec.prepare)(recording()));
        }
        let spec = module.spec();
        Self {
            inputs: vec![silent_buffer(channels); spec.inputs.len()],
            outputs: vec![silent_buffer(channels); spec.outputs.len()],
            module,
            channels,
            transport: Transport::stopped(rate_hz),
            is_connected: true,
        }
    }

    /// The same while the transport plays, so fast that many steps and some bars pass.
    pub fn playing(mut self) -> Self {
        self.transport = Transport { playing: true, tempo_bpm: 1000.0, ..self.transport };
        self
    }

    /// A module whose parameters rest at these values.
    pub fn with(kind: &str, rate_hz: u32, params: &[(&str, f32)]) -> Self {
        let mut bench = Self::new(kind, rate_hz);
        for (name, value) in params {
            bench.module.set_param(param(bench.module.spec(), name), *value);
        }
        bench.module.reset();
        bench
    }

    /// Takes away the cables at its inputs.
    pub fn disconnect(&mut self) {
        self.is_connected = false;
    }

    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Set(param, value) => self.module.set_param(param, value),
            Event::Gate(open) => self.module.set_gate(open),
            Event::Note(note) => self.module.note(note),
            Event::Text(text, value) => self.module.set_text(text, value),
            Event::Transport(transport) => self.transport = transport,
            Event::Reset => self.module.reset(),
        }
    }

    /// Plays `frames` (whole blocks), split at each event (frame, event) and at each frame of
    /// `splits`, both ascending. The same input goes to all inputs. Returns all outputs.
    pub fn play(
        &mut self,
        frames: usize,
        input: impl Fn(usize) -> f32,
        events: &[(usize, Event)],
        splits: &[usize],
    ) -> Vec<Vec<f32>> {
        assert!(frames.is_multiple_of(BLOCK_FRAMES));
        let mut played = vec![Vec::with_capacity(frames); self.outputs.len()];
        for block_start in (0..frames).step_by(BLOCK_FRAMES) {
            let block_end = block_start + BLOCK_FRAMES;
            for buffer in &mut self.inputs {
                for (i, frame) in buffer.chunks_exact_mut(self.channels).enumerate() {
                    frame.fill(input(block_start + i));
                }
            }
            let in_block = |frame: &usize| (block_start..block_end).contains(frame);
            let mut cuts: Vec<usize> =
                events.iter().map(|event| event.0).filter(in_block).collect();
            cuts.extend(splits.iter().copied().filter(in_block));
            cuts.sort_unstable();
            cuts.dedup();
            let mut at = block_start;
            for cut in cuts.into_iter().chain([block_end]) {
                self.process(at - block_start..cut - block_start);
                if cut > at || cut == block_start {
                    let due = events.iter().filter(|event| event.0 == cut && cut < block_end);
                    due.for_each(|event| self.apply(event.1));
                }
                at = cut;
            }
            for (all, block) in played.iter_mut().zip(&self.outputs) {
                all.extend(block.chunks_exact(self.channels).map(|frame| frame[self.channels - 1]));
            }
        }
        played
    }

    /// The first output alone, undisturbed.
    pub fn listen(&mut self, frames: usize, input: impl Fn(usize) -> f32) -> Vec<f32> {
        self.play(frames.next_multiple_of(BLOCK_FRAMES), input, &[], &[]).swap_remove(0)
    }

    fn process(&mut self, frames: core::ops::Range<usize>) {
        // A signal at a gate would be another matter; it is left without a cable.
        let ports = self.module.spec().inputs.iter().zip(&self.inputs);
        let has_cable = |name: &str| self.is_connected && name != "gate";
        let inputs: Vec<_> =
            ports.map(|(port, buffer)| has_cable(port.name).then_some(&buffer[..])).collect();
        let passed = frames.len() as u64;
        self.module.process(&inputs, &[], &mut self.outputs, frames, self.transport);
        self.transport.frames_since_anchor += passed;
        if passed > 0 {
            (self.transport.started, self.transport.moved) = (false, false);
        }
    }
}

/// A recording for the modules that play one: two channels of noise, a quarter of a second.
fn recording() -> Recording {
    let samples: Vec<f32> = (0..2 * 11_025).map(Chance::noise).collect();
    Recording::new(std::sync::Arc::new(samples), 2, 44_100)
}

pub fn param(spec: &ModuleSpec, name: &str) -> usize {
    spec.params.iter().position(|param| param.name == name).expect("a parameter of the module")
}

/// Bits, so that -0 differs from 0 and NaN equals itself.
pub fn bits(signals: &[Vec<f32>]) -> Vec<Vec<u32>> {
    signals.iter().map(|signal| signal.iter().map(|sample| sample.to_bits()).collect()).collect()
}

/// A seeded generator (`SplitMix64`): the same chances in every run.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// Noise within -1..1, the same for the same frame.
    pub fn noise(frame: usize) -> f32 {
        Chance(frame as u64).unit() * 2.0 - 1.0
    }

    /// Events for a module at random frames, about one in `every`, ascending.
    pub fn events(
        &mut self,
        spec: &ModuleSpec,
        frames: usize,
        every: usize,
    ) -> Vec<(usize, Event)> {
        let mut events = Vec::new();
        let mut frame = self.below(every);
        while frame < frames {
            events.push((frame, self.event(spec)));
            frame += 1 + self.below(2 * every);
        }
        events
    }

    fn event(&mut self, spec: &ModuleSpec) -> Event {
        let choice = self.below(spec.params.len() + 1);
        let Some(param) = spec.params.get(choice) else {
            if spec.notes {
                let (key, on) = (60.0 + self.below(5) as f32, self.below(3) > 0);
                return Event::Note(Note { on, key, velocity: self.unit(), id: 0 });
            }
            return Event::Gate(self.below(2) == 0);
        };
        let value = match self.below(4) {
            0 => param.min,
            1 => param.max,
            _ => param.min + (param.max - param.min) * self.unit() * self.unit(),
        };
        Event::Set(choice, param.accept(value).expect("a finite value"))
    }
}
