//! What becomes of several cables that end at one place: they are added up.
//!
//! First come those of as many channels as the place, then those of more or less, in the order of the cables.
//! Each of more is mixed down and added; those of one are added up first, and the sum goes to all channels.
//!
//! Where several of one width end, they are added as they are rendered, while they are still in the nearest cache.
//! That is a matter of time, never of bits: the order is the same, whenever it is done.

use core::ops::Range;

use chronus_dsp::{BLOCK_FRAMES, Buffer, FrameSet, mix, silent_buffer};
use pulp::Arch;

use crate::wiring::{Gain, Source};

/// How far a change of patches has come in each frame of the block, from 0 to 1.
pub(crate) type Shares = [f32; BLOCK_FRAMES];

/// The frames that are rendered.
pub(crate) struct Span<'a> {
    pub frames: Range<usize>,
    /// The same as a set.
    pub set: FrameSet,
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
    /// Whether any source has as many channels.
    has_as_wide: bool,
    /// If it is made while its sources are rendered: whether anything has been heard in the frames under way.
    early: Option<bool>,
}

impl Mix {
    /// Of sources for so many channels, which are all there when it is to be read.
    pub fn new(sources: Vec<(Source, Gain)>, rest: Gain, channels: usize) -> Self {
        let is_steady = rest == Gain::ZERO && sources.iter().all(|(_, gain)| gain.is_steady());
        let has_as_wide = sources.iter().any(|(source, _)| source.channels == channels);
        let (buffer, silent) = (silent_buffer(channels), FrameSet::MAX);
        Self { sources, rest, buffer, silent, is_steady, has_as_wide, early: None }
    }

    fn channels(&self) -> usize {
        self.buffer.len() / BLOCK_FRAMES
    }

    /// Has its sources added up as they are rendered, if that is worth while and gives the same bits. They are
    /// all rendered before it is read. Returns how many are added at once: whoever asks calls
    /// [`Mixer::add_part`] for all of them, in order.
    pub fn make_early(&mut self) -> Option<usize> {
        let [(first, _), _, ..] = self.sources[..] else { return None };
        let (wanted, channels) = (first.channels, self.channels());
        let are_alike = self.sources.iter().all(|(source, _)| source.channels == wanted);
        let at_once = if wanted > channels { 1 } else { AT_ONCE };
        let is_worth_while = wanted >= channels && self.sources.len() > at_once;
        let is_early = are_alike && is_worth_while && self.is_steady;
        self.early = is_early.then_some(false);
        is_early.then_some(at_once)
    }

    /// The source, if the sum is nothing else.
    pub fn direct(&self) -> Option<Source> {
        let [(source, gain)] = self.sources[..] else { return None };
        let is_as_wide = source.channels == self.channels();
        (self.is_steady && is_as_wide && gain.to == 1.0).then_some(source)
    }
}

/// Of signals as wide as their sum, so many are added at once.
const AT_ONCE: usize = 4;

/// Where sums are made.
pub(crate) struct Mixer {
    arch: Arch,
    /// The sum of signals of one channel, before it goes to all.
    single: Buffer,
}

impl Mixer {
    pub fn new() -> Self {
        Self { arch: Arch::new(), single: silent_buffer(1) }
    }

    /// Makes the sum in these frames, given the buffers of sources and where they are silent.
    pub fn mix<'a>(
        &mut self,
        mix: &mut Mix,
        find: impl Fn(Source) -> (&'a [f32], FrameSet),
        span: &Span<'_>,
    ) {
        let is_silent = if mix.early.is_some() {
            mix.finish(span)
        } else if mix.is_steady {
            self.sum(mix, &find, span)
        } else {
            fade(mix, find, span);
            false
        };
        mix.silent = if is_silent { mix.silent | span.set } else { mix.silent & !span.set };
    }

    /// Adds up all sources; returns whether the sum is silent.
    fn sum<'a>(
        &mut self,
        mix: &mut Mix,
        find: &impl Fn(Source) -> (&'a [f32], FrameSet),
        span: &Span<'_>,
    ) -> bool {
        let (channels, arch) = (mix.channels(), self.arch);
        let sum = &mut mix.buffer[cut(&span.frames, channels)];
        let as_wide = |it: &&(Source, Gain)| it.0.channels == channels;
        let those = mix.sources.iter().filter(as_wide);
        let mut is_heard = mix.has_as_wide && mix::sum(arch, sum, audible(those, find, span), true);
        let others = audible(mix.sources.iter().filter(|it| !as_wide(it)), find, span);
        if channels == 1 {
            is_heard |= mix::sum_down(arch, sum, others, !is_heard);
        } else {
            let single = &mut self.single[span.frames.clone()];
            if mix::sum(arch, single, others, true) {
                mix::add_to_all(arch, sum, channels, single, !is_heard);
                is_heard = true;
            }
        }
        if !is_heard {
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
        span: &Span<'_>,
    ) {
        let (channels, has_as_wide) = (mix.channels(), mix.has_as_wide);
        let Mix { sources, buffer, early: Some(is_heard), .. } = mix else { return };
        let sum = &mut buffer[cut(&span.frames, channels)];
        let sources = audible(&sources[part], &find, span);
        *is_heard |= if has_as_wide {
            mix::sum(self.arch, sum, sources, !*is_heard)
        } else {
            mix::sum_down(self.arch, sum, sources, !*is_heard)
        };
    }
}

impl Mix {
    /// Ends a sum that was made early; returns whether it is silent.
    fn finish(&mut self, span: &Span<'_>) -> bool {
        let was_silent = self.silent & span.set == span.set;
        let is_heard = self.early.as_mut().is_some_and(core::mem::take);
        if !is_heard && !was_silent {
            let channels = self.channels();
            self.buffer[cut(&span.frames, channels)].fill(0.0);
        }
        !is_heard
    }
}

/// Those sources that are not silent in these frames, with their levels.
fn audible<'a, 'b>(
    sources: impl IntoIterator<Item = &'b (Source, Gain)>,
    find: &impl Fn(Source) -> (&'a [f32], FrameSet),
    span: &Span<'_>,
) -> impl Iterator<Item = mix::Source<'a>> {
    sources.into_iter().filter_map(|(source, gain)| {
        let (signal, silent) = find(*source);
        let is_silent = silent & span.set == span.set;
        (!is_silent).then(|| (&signal[cut(&span.frames, source.channels)], gain.to))
    })
}

/// These frames in a buffer of so many channels.
fn cut(frames: &Range<usize>, channels: usize) -> Range<usize> {
    frames.start * channels..frames.end * channels
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
