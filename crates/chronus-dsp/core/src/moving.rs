//! A parameter on its way: smoothing, and the cables that drive it.

use core::ops::Range;

use crate::math::exp2;
use crate::signal::Buffer;
use crate::smooth::Ramp;
use crate::spec::{Curve, ParamSpec};

/// A parameter on its way.
pub(crate) struct Moving {
    pub(crate) spec: &'static ParamSpec,
    pub(crate) ramp: Ramp,
    /// The values of this block, as far as it moves; of one that is held those of a single frame, at the beginning.
    pub(crate) values: Buffer,
    pub(crate) mode: Mode,
}

/// How a parameter moves in these frames.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Steady,
    Smoothed,
    Driven,
    /// Driven by cables that bring the same in all frames.
    Held,
}

/// What a parameter is in this block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ParamSignal<'a> {
    /// One value in all channels and all frames to be rendered.
    Steady(f32),
    /// One value per channel, in all frames to be rendered.
    Held(&'a [f32]),
    /// A value per frame of the block and channel.
    Moving(&'a [f32]),
}

/// What a cable brings to a parameter in the frames to be rendered.
pub(crate) struct Modulation<'a> {
    pub(crate) depth: f32,
    pub(crate) frames: &'a [f32],
    pub(crate) channels: usize,
}

/// Does something to each value of a parameter, given what a cable of as many channels, or of one, brings there.
#[inline(always)]
fn each_with(
    values: &mut [f32],
    channels: usize,
    signal: &Modulation<'_>,
    mut change: impl FnMut(&mut f32, f32),
) {
    match (signal.channels, channels) {
        (1, 16) => spread_to::<16>(values, signal.frames, change),
        (1, 8) => spread_to::<8>(values, signal.frames, change),
        (1, 4) => spread_to::<4>(values, signal.frames, change),
        _ => {
            for (value, signal) in values.iter_mut().zip(signal.frames) {
                change(value, *signal);
            }
        }
    }
}

#[inline(always)]
fn spread_to<const C: usize>(
    values: &mut [f32],
    signal: &[f32],
    mut change: impl FnMut(&mut f32, f32),
) {
    for (frame, signal) in values.as_chunks_mut::<C>().0.iter_mut().zip(signal) {
        for value in frame {
            change(value, *signal);
        }
    }
}

/// A value within the range of the spec. NaN, which a cable may bring, becomes the least.
#[inline(always)]
fn hold(spec: &ParamSpec, value: f32) -> f32 {
    value.max(spec.min).min(spec.max)
}

/// Of an enumeration, the choice that is nearest.
#[inline(always)]
fn choose(spec: &ParamSpec, values: &mut [f32]) {
    if spec.is_enumeration() {
        for value in values {
            *value = value.round_ties_even();
        }
    }
}

impl Moving {
    fn is_in_octaves(&self) -> bool {
        self.spec.curve == Curve::Exponential
    }

    /// The values as far as they were set; where cables add octaves to them, 0 instead.
    #[inline(always)]
    pub(crate) fn begin(&mut self, channels: usize, frames: Range<usize>) {
        let in_octaves = self.is_in_octaves();
        let values = &mut self.values[frames.start * channels..frames.end * channels];
        if self.mode != Mode::Smoothed && in_octaves {
            values.fill(0.0);
        } else if self.ramp.is_moving() {
            for frame in values.chunks_exact_mut(channels) {
                frame.fill(self.ramp.step());
            }
        } else {
            values.fill(self.ramp.value());
        }
    }

    #[inline(always)]
    pub(crate) fn drive(&mut self, signal: &Modulation<'_>, channels: usize, frames: Range<usize>) {
        let values = &mut self.values[frames.start * channels..frames.end * channels];
        let depth = signal.depth;
        each_with(values, channels, signal, |value, signal| *value += depth * signal);
    }

    /// As all of these together, while nothing else moves it than one cable.
    #[inline(always)]
    pub(crate) fn follow(
        &mut self,
        signal: &Modulation<'_>,
        channels: usize,
        frames: Range<usize>,
    ) {
        let (spec, in_octaves) = (self.spec, self.is_in_octaves());
        let (base, depth) = (self.ramp.value(), signal.depth);
        let values = &mut self.values[frames.start * channels..frames.end * channels];
        if in_octaves {
            each_with(values, channels, signal, |value, signal| {
                *value = hold(spec, base * exp2(depth * signal));
            });
        } else {
            each_with(values, channels, signal, |value, signal| {
                *value = hold(spec, base + depth * signal);
            });
        }
        choose(spec, values);
    }

    /// Makes values of octaves, and holds all within the range of the spec, whatever the cables say.
    #[inline(always)]
    pub(crate) fn finish(&mut self, channels: usize, frames: Range<usize>) {
        let (spec, in_octaves) = (self.spec, self.is_in_octaves());
        let values = &mut self.values[frames.start * channels..frames.end * channels];
        if in_octaves && self.ramp.is_moving() {
            for frame in values.chunks_exact_mut(channels) {
                let base = self.ramp.step();
                for value in frame {
                    *value = hold(spec, base * exp2(*value));
                }
            }
        } else if in_octaves {
            let base = self.ramp.value();
            for value in &mut *values {
                *value = hold(spec, base * exp2(*value));
            }
        } else {
            for value in &mut *values {
                *value = hold(spec, *value);
            }
        }
        choose(spec, values);
    }

    /// What the module gets.
    #[inline(always)]
    pub(crate) fn signal(&self) -> ParamSignal<'_> {
        match self.mode {
            Mode::Steady => ParamSignal::Steady(self.ramp.value()),
            Mode::Held => ParamSignal::Held(&self.values),
            Mode::Smoothed | Mode::Driven => ParamSignal::Moving(&self.values),
        }
    }
}
