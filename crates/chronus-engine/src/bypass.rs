//! A module that did harm is put aside: it is not run any more, and its inputs are heard in its place where
//! its kind says so. And the guard that tells when a module yields what nobody should hear.

use chronus_dsp::{CHANNELS_MAX, ModuleSpec, Ports, Signal, Signals, Span};

use crate::command::Handle;

/// No module yields more: 120 dB above full scale, and beyond any pitch, frequency or time.
pub const LEVEL_MAX: f32 = 1e6;

/// What a module yielded that nobody should hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsound {
    /// NaN or infinity.
    NotFinite,
    /// More than [`LEVEL_MAX`].
    Runaway,
}

/// A module, and what was wrong with it.
pub type Finding = (Handle, Unsound);

/// What is wrong with these samples, if anything is.
#[inline]
pub(crate) fn examine(samples: &[f32]) -> Option<Unsound> {
    let (frames, rest) = samples.as_chunks::<CHANNELS_MAX>();
    if !frames.iter().any(are_unsound) && !rest.iter().any(|sample| is_unsound(*sample)) {
        return None;
    }
    Some(tell(samples))
}

/// Whether nobody should hear some of these samples.
#[inline]
pub(crate) fn are_unsound<const N: usize>(samples: &[f32; N]) -> bool {
    // One comparison of whole numbers a sample, which NaN fails too, and no branch: this is done for each module.
    let mut unsound = 0;
    for sample in samples {
        unsound |= u32::from(is_unsound(*sample));
    }
    unsound != 0
}

/// Whether nobody should hear it.
#[inline]
pub(crate) fn is_unsound(sample: f32) -> bool {
    sample.abs().to_bits() > LEVEL_MAX.to_bits()
}

#[cold]
fn tell(samples: &[f32]) -> Unsound {
    let are_finite = samples.iter().all(|sample| sample.is_finite());
    if are_finite { Unsound::Runaway } else { Unsound::NotFinite }
}

/// How a cell passes over its module, and how it comes to do so without a click.
#[derive(Default)]
pub(crate) struct Bypass {
    is_on: bool,
    /// Frames until the change is complete, and of how many.
    fade_left: usize,
    fade_frames: usize,
    /// The last frame of each output before the change.
    last: Vec<f32>,
}

impl Bypass {
    /// Off, for so many channels of all outputs together.
    pub fn for_channels(count: usize) -> Self {
        Self { last: vec![0.0; count], ..Self::default() }
    }

    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Turns it on or off, with `frames` frames to get there from what was rendered `last`, all outputs together.
    pub fn turn(&mut self, on: bool, frames: usize, last: &[f32]) {
        self.is_on = on;
        (self.fade_left, self.fade_frames) = (frames, frames);
        for (kept, sample) in self.last.iter_mut().zip(last) {
            let is_sound = sample.abs() <= LEVEL_MAX;
            *kept = if is_sound { *sample } else { 0.0 };
        }
    }

    /// As it is after a restart: there all at once.
    pub fn settle(&mut self) {
        self.fade_left = 0;
    }

    /// Puts the inputs to the outputs where the kind says so; the other outputs are silent.
    pub fn route(
        spec: &ModuleSpec,
        span: &Span<'_>,
        signals: &Signals<'_>,
        ports: &Ports,
        outputs: &mut [Signal],
    ) {
        for (index, output) in outputs.iter_mut().enumerate() {
            let route = spec.bypass.iter().find(|(_, output)| *output == index);
            let input = route.filter(|(input, _)| ports.connected & (1 << input) != 0);
            let heard = input.map(|&(input, _)| signals.at(ports.inputs[input] as usize));
            match heard.filter(|signal| !signal.is_silent(span.set)) {
                Some(signal) => {
                    output.frames_mut(&span.frames).copy_from_slice(signal.frames(&span.frames));
                    output.changed(span.set);
                }
                None => output.silence(&span.frames),
            }
        }
    }

    /// Leads from what was heard before the last change to what is heard now.
    #[inline]
    pub fn fade(&mut self, outputs: &mut [Signal], span: &Span<'_>) {
        if self.fade_left > 0 {
            self.fade_on(outputs, span);
        }
    }

    #[cold]
    fn fade_on(&mut self, outputs: &mut [Signal], span: &Span<'_>) {
        let count = span.frames.len().min(self.fade_left);
        let mut last = &self.last[..];
        for output in outputs {
            let channels = output.channels();
            let (from, rest) = last.split_at(channels);
            last = rest;
            for at in 0..count {
                let share = (self.fade_left - at - 1) as f32 / self.fade_frames as f32;
                let frame = span.frames.start + at;
                let frame = output.frames_mut(&(frame..frame + 1));
                for (sample, from) in frame.iter_mut().zip(from) {
                    *sample = from * share + *sample * (1.0 - share);
                }
            }
            output.changed(span.set);
        }
        self.fade_left -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_should_hear_is_told_apart() {
        assert_eq!(examine(&[0.0, -1.0, LEVEL_MAX, -LEVEL_MAX]), None);
        assert_eq!(examine(&[0.0, 1.1e6]), Some(Unsound::Runaway));
        assert_eq!(examine(&[f32::NAN, 2e6]), Some(Unsound::NotFinite));
        assert_eq!(examine(&[0.0, f32::NEG_INFINITY]), Some(Unsound::NotFinite));
    }
}
