//! What becomes of several cables that end at one place: they are added up.
//!
//! Where many of one width do, they are added as they are rendered, four at a time, while they are still in
//! the nearest cache. That is a matter of time, never of bits: sources are added one after another in the
//! order of the cables, whenever that is done.

use core::ops::Range;

use chronus_dsp::{BLOCK_FRAMES, Buffer, CHANNEL_COUNTS, FrameSet, frame_set, mix, silent_buffer};
use pulp::Arch;

use crate::wiring::{Gain, Source};

/// How far a change of patches has come in each frame of the block, from 0 to 1.
pub(crate) type Shares = [f32; BLOCK_FRAMES];

/// As many are added up at once.
pub(crate) const AT_ONCE: usize = 4;

/// The frames that are rendered.
pub(crate) struct Span<'a> {
    pub frames: Range<usize>,
    pub shares: &'a Shares,
}

/// A buffer into which sources are summed, after what the port has at rest; and where it is silent.
pub(crate) struct Mix {
    pub sources: Vec<(Source, Gain)>,
    pub rest: Gain,
    pub buffer: Buffer,
    pub silent: FrameSet,
    /// Whether no cable fades.
    is_steady: bool,
    early: Option<Early>,
}

/// A sum that is made while its sources are rendered.
struct Early {
    /// Where it is made, if its sources have another number of channels than it.
    wide: Option<Buffer>,
    /// Whether anything has been heard in the frames under way.
    is_heard: bool,
}

impl Mix {
    /// Of sources for so many channels, which are all there when it is to be read.
    pub fn new(sources: Vec<(Source, Gain)>, rest: Gain, channels: usize) -> Self {
        let is_steady = rest == Gain::ZERO && sources.iter().all(|(_, gain)| gain.is_steady());
        let (buffer, silent) = (silent_buffer(channels), FrameSet::MAX);
        Self { sources, rest, buffer, silent, is_steady, early: None }
    }

    fn channels(&self) -> usize {
        self.buffer.len() / BLOCK_FRAMES
    }

    /// Has its sources added up as they are rendered, if that is worth while and gives the same bits. They are
    /// all rendered before it is read. Whoever asks then calls [`Mixer::add_part`] for all of them, in order.
    pub fn is_made_early(&mut self) -> bool {
        let Some((first, _)) = self.sources.first() else { return false };
        let wanted = first.channels;
        let are_alike = self.sources.iter().all(|(source, _)| source.channels == wanted);
        if !are_alike || self.sources.len() <= AT_ONCE || !self.is_steady {
            return false;
        }
        let wide = (wanted != self.channels()).then(|| silent_buffer(wanted));
        self.early = Some(Early { wide, is_heard: false });
        true
    }

    fn mark(&mut self, frames: &Range<usize>, is_silent: bool) {
        let set = frame_set(frames);
        self.silent = if is_silent { self.silent | set } else { self.silent & !set };
    }
}

/// Where signals of many channels are added up before they are mixed down, once for all.
pub(crate) struct Mixer {
    arch: Arch,
    wide: [Buffer; CHANNEL_COUNTS.len()],
}

impl Mixer {
    pub fn new() -> Self {
        Self { arch: Arch::new(), wide: CHANNEL_COUNTS.map(silent_buffer) }
    }

    /// Makes the sum in these frames, given the buffers of sources and where they are silent.
    pub fn mix<'a>(
        &mut self,
        mix: &mut Mix,
        find: impl Fn(Source) -> (&'a [f32], FrameSet),
        span: &Span<'_>,
    ) {
        let is_silent = if mix.early.is_some() {
            self.finish(mix, &span.frames)
        } else if mix.is_steady {
            self.sum(&mix.sources, &mut mix.buffer, find, &span.frames)
        } else {
            fade(mix, find, span);
            false
        };
        mix.mark(&span.frames, is_silent);
    }

    /// Adds up sources, those of as many channels as `sum` first. One channel goes to all; many are mixed
    /// down to one. Returns whether the sum is silent.
    fn sum<'a>(
        &mut self,
        sources: &[(Source, Gain)],
        sum: &mut [f32],
        find: impl Fn(Source) -> (&'a [f32], FrameSet),
        frames: &Range<usize>,
    ) -> bool {
        let channels = sum.len() / BLOCK_FRAMES;
        let sum = &mut sum[cut(frames, channels)];
        let arch = self.arch;
        if let [(source, gain)] = sources
            && source.channels != channels
            && gain.to == 1.0
        {
            let (signal, silent) = find(*source);
            let is_silent = silent & frame_set(frames) == frame_set(frames);
            if is_silent {
                sum.fill(0.0);
            } else {
                let signal = &signal[cut(frames, source.channels)];
                convert(arch, sum, channels, signal, source.channels, true);
            }
            return is_silent;
        }
        let mut is_heard = false;
        let mut of = |wanted: usize, into: &mut [f32]| {
            let those = sources.iter().filter(|(source, _)| source.channels == wanted);
            let is_any = add(arch, into, those, &find, frames, true);
            is_heard |= is_any;
            is_any
        };
        let mut begins = !of(channels, sum);
        for (wide, wanted) in self.wide.iter_mut().zip(CHANNEL_COUNTS) {
            let wide = &mut wide[cut(frames, wanted)];
            if wanted != channels && of(wanted, wide) {
                convert(arch, sum, channels, wide, wanted, begins);
                begins = false;
            }
        }
        if begins {
            sum.fill(0.0);
        }
        !is_heard
    }

    /// Adds some of the sources of a sum that is made early.
    pub fn add_part<'a>(
        &self,
        mix: &mut Mix,
        part: Range<usize>,
        find: impl Fn(Source) -> (&'a [f32], FrameSet),
        frames: &Range<usize>,
    ) {
        let Mix { sources, buffer, early: Some(early), .. } = mix else { return };
        let sum = early.wide.as_mut().unwrap_or(buffer);
        let channels = sum.len() / BLOCK_FRAMES;
        let (sum, sources) = (&mut sum[cut(frames, channels)], sources[part].iter());
        early.is_heard |= add(self.arch, sum, sources, &find, frames, !early.is_heard);
    }

    /// Ends a sum that was made early; returns whether it is silent.
    fn finish(&self, mix: &mut Mix, frames: &Range<usize>) -> bool {
        let (channels, was_silent) = (mix.channels(), mix.silent & frame_set(frames));
        let Some(early) = &mut mix.early else { return true };
        let is_heard = core::mem::take(&mut early.is_heard);
        let sum = &mut mix.buffer[cut(frames, channels)];
        if !is_heard {
            if was_silent != frame_set(frames) {
                sum.fill(0.0);
            }
        } else if let Some(wide) = &early.wide {
            let wanted = wide.len() / BLOCK_FRAMES;
            convert(self.arch, sum, channels, &wide[cut(frames, wanted)], wanted, true);
        }
        !is_heard
    }
}

/// These frames in a buffer of so many channels.
fn cut(frames: &Range<usize>, channels: usize) -> Range<usize> {
    frames.start * channels..frames.end * channels
}

/// Adds those sources that are not silent to `sum`, or has it begin with them; returns whether there are any. If
/// not, `sum` is as it was.
fn add<'a, 'b>(
    arch: Arch,
    sum: &mut [f32],
    sources: impl Iterator<Item = &'b (Source, Gain)>,
    find: &impl Fn(Source) -> (&'a [f32], FrameSet),
    frames: &Range<usize>,
    begins: bool,
) -> bool {
    let set = frame_set(frames);
    let signals = sources.filter_map(|(source, gain)| {
        let (signal, silent) = find(*source);
        (silent & set != set).then(|| (&signal[cut(frames, source.channels)], gain.to))
    });
    mix::sum(arch, sum, signals, begins)
}

/// Adds a signal of another number of channels to `sum`, or has it begin with it. Between two that are both
/// more than one there are no cables.
fn convert(
    arch: Arch,
    sum: &mut [f32],
    channels: usize,
    signal: &[f32],
    wanted: usize,
    begins: bool,
) {
    match (wanted, channels) {
        (1, _) => mix::add_to_all(arch, sum, channels, signal, begins),
        (_, 1) => mix::add_down(arch, sum, signal, wanted, begins),
        _ if begins => sum.fill(0.0),
        _ => (),
    }
}

/// As [`Mixer::mix`], while patches change: gains move from frame to frame.
fn fade<'a>(mix: &mut Mix, find: impl Fn(Source) -> (&'a [f32], FrameSet), span: &Span<'_>) {
    let channels = mix.channels();
    for frame in span.frames.clone() {
        let at = |gain: Gain| gain.from + (gain.to - gain.from) * span.shares[frame];
        let sum = &mut mix.buffer[frame * channels..][..channels];
        sum.fill(at(mix.rest));
        for (source, gain) in &mix.sources {
            let signal = &find(*source).0[frame * source.channels..][..source.channels];
            let gain = at(*gain);
            if source.channels == channels {
                for (sum, sample) in sum.iter_mut().zip(signal) {
                    *sum += sample * gain;
                }
            } else if let [sample] = signal {
                for sum in sum.iter_mut() {
                    *sum += sample * gain;
                }
            } else {
                sum[0] += signal.iter().sum::<f32>() * gain;
            }
        }
    }
}
