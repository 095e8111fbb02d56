//! A module with its parameters: where they were set, how they move there smoothly, and what cables
//! make of them.

use core::ops::Range;

use crate::catalog::CatalogEntry;
use crate::math::{exp2, frames_of_ms};
use crate::module::{
    BLOCK_FRAMES, Buffer, CHANNELS_MAX, Curve, Io, Module, ModuleSpec, Note, ParamSignal,
    ParamSpec, Recording, silent_buffer,
};
use crate::smooth::Ramp;
use crate::transport::Transport;

/// As many parameters as a module may have.
pub const PARAMS_MAX: usize = 32;

/// As many inputs as a module may have.
pub const INPUTS_MAX: usize = 16;

/// What an input that rests at 1 reads without a cable.
static ONES: [f32; BLOCK_FRAMES * CHANNELS_MAX] = [1.0; BLOCK_FRAMES * CHANNELS_MAX];

/// A cable that ends at a parameter.
#[derive(Clone, Copy, Debug)]
pub struct Drive<'a> {
    /// The position of the parameter.
    pub param: usize,
    /// How much the signal does, in the unit of the parameter or in octaves: see [`Curve`].
    pub depth: f32,
    /// One value per frame and channel; with one channel it drives all.
    pub signal: &'a [f32],
}

/// See the file's head.
pub struct Instance {
    module: Box<dyn Module>,
    channels: usize,
    rate_hz: u32,
    params: Vec<Moving>,
}

/// A parameter on its way.
struct Moving {
    spec: &'static ParamSpec,
    ramp: Ramp,
    /// The values of this block, as far as it moves.
    values: Buffer,
    mode: Mode,
}

/// How a parameter moves in these frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Steady,
    Smoothed,
    Driven,
}

impl Instance {
    /// A new module at the default parameters of its kind.
    ///
    /// # Panics
    /// If `channels` is none of [`CHANNEL_COUNTS`](crate::module::CHANNEL_COUNTS).
    pub fn new(entry: &CatalogEntry, rate_hz: u32, channels: usize) -> Self {
        let param = |spec: &'static ParamSpec| Moving {
            spec,
            ramp: Ramp::at(spec.default),
            values: silent_buffer(channels),
            mode: Mode::Steady,
        };
        let params = entry.spec.params.iter().map(param).collect();
        Self { module: entry.construct(rate_hz, channels), channels, rate_hz, params }
    }

    /// What it is.
    pub fn spec(&self) -> &'static ModuleSpec {
        self.module.spec()
    }

    /// How many channels its ports have.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Sets the target of parameter `param`; it moves there smoothly. `value` is one that
    /// [`ParamSpec::accept`] returned.
    ///
    /// # Panics
    /// If the spec has no such parameter.
    pub fn set_param(&mut self, param: usize, value: f32) {
        let Moving { spec, ramp, .. } = &mut self.params[param];
        if spec.smoothing_ms > 0.0 {
            ramp.follow(value, frames_of_ms(spec.smoothing_ms, self.rate_hz));
        } else {
            ramp.snap_to(value);
        }
    }

    /// Opens or closes the gate: [`Module::set_gate`].
    pub fn set_gate(&mut self, open: bool) {
        self.module.set_gate(open);
    }

    /// Begins or ends a note: [`Module::note`].
    pub fn note(&mut self, note: Note) {
        self.module.note(note);
    }

    /// As new, with the parameters at once where they were last set.
    pub fn reset(&mut self) {
        self.params.iter_mut().for_each(|param| param.ramp.finish());
        self.module.reset();
    }

    /// Sets a text: [`Module::set_text`].
    pub fn set_text(&mut self, text: usize, value: &str) {
        self.module.set_text(text, value);
    }

    /// Gives it its recording: [`Module::set_recording`].
    pub fn set_recording(&mut self, recording: Recording) {
        self.module.set_recording(recording);
    }

    /// Renders these frames; see [`Module::process`]. Inputs without a cable (`None`) rest.
    pub fn process(
        &mut self,
        inputs: &[Option<&[f32]>],
        drives: &[Drive<'_>],
        outputs: &mut [Buffer],
        frames: Range<usize>,
        transport: Transport,
    ) {
        for (index, param) in self.params.iter_mut().enumerate() {
            let driven = drives.iter().any(|drive| drive.param == index);
            param.mode = match param.ramp.is_moving() {
                _ if driven => Mode::Driven,
                true => Mode::Smoothed,
                false => Mode::Steady,
            };
            param.render(self.channels, frames.clone());
        }
        for drive in drives {
            self.params[drive.param].drive(drive, self.channels, frames.clone());
        }
        let count = self.params.len();
        let mut signals = [ParamSignal::Steady(0.0); PARAMS_MAX];
        for (signal, param) in signals.iter_mut().zip(&mut self.params) {
            *signal = param.signal(self.channels, frames.clone());
        }
        let params = &signals[..count];
        let mut rested = [None; INPUTS_MAX];
        let ports = self.module.spec().inputs.iter().zip(inputs);
        for (rested, (port, input)) in rested.iter_mut().zip(ports) {
            let ones = &ONES[..BLOCK_FRAMES * self.channels];
            *rested = input.or((port.rest != 0.0).then_some(ones));
        }
        let inputs = &rested[..inputs.len()];
        self.module.process(Io { inputs, params, outputs, frames, transport });
    }
}

impl Moving {
    /// The values as far as they were set; for a driven exponential parameter silence, to which the
    /// cables add octaves.
    fn render(&mut self, channels: usize, frames: Range<usize>) {
        if self.mode == Mode::Steady {
            return;
        }
        let octaves = self.mode == Mode::Driven && self.spec.curve == Curve::Exponential;
        for frame in self.values.chunks_exact_mut(channels).take(frames.end).skip(frames.start) {
            frame.fill(if octaves { 0.0 } else { self.ramp.step() });
        }
    }

    fn drive(&mut self, drive: &Drive<'_>, channels: usize, frames: Range<usize>) {
        let values = &mut self.values[frames.start * channels..frames.end * channels];
        if drive.signal.len() == BLOCK_FRAMES {
            for (frame, signal) in values.chunks_exact_mut(channels).zip(&drive.signal[frames]) {
                for value in frame {
                    *value += drive.depth * signal;
                }
            }
        } else {
            let signal = &drive.signal[frames.start * channels..frames.end * channels];
            for (value, signal) in values.iter_mut().zip(signal) {
                *value += drive.depth * signal;
            }
        }
    }

    /// What the module gets: within the range of the spec, whatever the cables say.
    fn signal(&mut self, channels: usize, frames: Range<usize>) -> ParamSignal<'_> {
        let spec = self.spec;
        match self.mode {
            Mode::Steady => return ParamSignal::Steady(self.ramp.value()),
            Mode::Smoothed => return ParamSignal::Moving(&self.values),
            Mode::Driven => (),
        }
        for frame in self.values.chunks_exact_mut(channels).take(frames.end).skip(frames.start) {
            if spec.curve == Curve::Exponential {
                let base = self.ramp.step();
                for octaves in &mut *frame {
                    *octaves = base * exp2(*octaves);
                }
            }
            for value in frame {
                // NaN, which a cable may bring, becomes the least value.
                *value = value.max(spec.min).min(spec.max);
                *value = if spec.is_enumeration() { value.round_ties_even() } else { *value };
            }
        }
        ParamSignal::Moving(&self.values)
    }
}
