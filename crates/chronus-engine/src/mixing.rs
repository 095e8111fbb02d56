//! What becomes of several cables that end at one place: they are added up.
//!
//! First come those of as many channels as the place, then those of more or less, in the order of the cables.
//! Each of more is mixed down and added; those of one are added up first, and the sum goes to all channels.
//!
//! Where several of one width end, they are added as they are rendered, while they are still in the nearest cache.
//! That is a matter of time, never of bits: the order is the same, whenever it is done.

use core::ops::Range;

use chronus_dsp::{BLOCK_FRAMES, Signal, Signals, Span, Vectors, mix};
use pulp::Arch;

use crate::routing::{Gain, Source, Sum};

/// How far a change of patches has come in each frame of the block, from 0 to 1.
pub(crate) type Shares = [f32; BLOCK_FRAMES];

/// A signal, and how much of it is heard.
type Heard = (usize, Gain);

/// A sum laid out: into which signal what is added up.
pub(crate) struct Mix {
    pub signal: usize,
    /// First those with as many channels.
    sources: Vec<Heard>,
    /// How many of them have.
    as_wide: usize,
    rest: Gain,
    channels: usize,
    /// Whether no cable fades.
    is_steady: bool,
    /// If it is made while its sources are rendered: whether anything has been heard in the frames under way.
    early: Option<bool>,
}

impl Mix {
    /// A sum whose sources are all there when it is to be read; or that is made by [`Mixer::add_part`] before, of
    /// all of them, in order.
    pub fn new(
        sum: &Sum,
        signal: usize,
        place: impl Fn(&Source) -> usize,
        is_made_early: bool,
    ) -> Self {
        let is_as_wide = |source: &Source| source.channels == sum.channels;
        let (as_wide, others): (Vec<_>, Vec<_>) =
            sum.sources.iter().partition(|(source, _)| is_as_wide(source));
        let sources = as_wide.iter().chain(&others);
        Self {
            signal,
            sources: sources.map(|(source, gain)| (place(source), *gain)).collect(),
            as_wide: as_wide.len(),
            rest: sum.rest,
            channels: sum.channels,
            is_steady: sum.is_steady(),
            early: is_made_early.then_some(false),
        }
    }
}

/// Where sums are made.
pub(crate) struct Mixer {
    arch: Arch,
    /// The sum of signals of one channel, before it goes to all.
    single: [f32; BLOCK_FRAMES],
}

impl Mixer {
    pub fn new() -> Self {
        Self { arch: Vectors::chosen().arch(), single: [0.0; BLOCK_FRAMES] }
    }

    /// Makes a sum in these frames.
    pub fn mix(&mut self, mix: &mut Mix, signals: &mut [Signal], span: &Span<'_>, shares: &Shares) {
        let (signals, sum) = apart(signals, mix.signal);
        let is_silent = if let Some(is_heard) = &mut mix.early {
            !core::mem::take(is_heard)
        } else if mix.is_steady {
            !self.sum(mix, sum.frames_mut(&span.frames), &signals, span)
        } else {
            fade(mix, sum, &signals, span, shares);
            false
        };
        if is_silent {
            sum.silence(&span.frames);
        } else {
            sum.changed(span.set);
        }
    }

    /// Adds up all sources; returns whether any is heard.
    fn sum(&mut self, mix: &Mix, sum: &mut [f32], signals: &Signals<'_>, span: &Span<'_>) -> bool {
        let arch = self.arch;
        let (as_wide, others) = mix.sources.split_at(mix.as_wide);
        let mut is_heard =
            !as_wide.is_empty() && mix::sum(arch, sum, audible(as_wide, signals, span), true);
        let others = audible(others, signals, span);
        if mix.channels == 1 {
            is_heard |= mix::sum_down(arch, sum, others, !is_heard);
        } else {
            let single = &mut self.single[span.frames.clone()];
            if mix::sum(arch, single, others, true) {
                mix::add_to_all(arch, sum, mix.channels, single, !is_heard);
                is_heard = true;
            }
        }
        is_heard
    }

    /// Adds some of the sources of a sum that is made early.
    pub fn add_part(
        &self,
        mix: &mut Mix,
        part: Range<usize>,
        signals: &mut [Signal],
        span: &Span<'_>,
    ) {
        let Some(is_heard) = &mut mix.early else { return };
        let (signals, signal) = apart(signals, mix.signal);
        let sum = signal.frames_mut(&span.frames);
        let sources = audible(&mix.sources[part], &signals, span);
        *is_heard |= if mix.as_wide > 0 {
            mix::sum(self.arch, sum, sources, !*is_heard)
        } else {
            mix::sum_down(self.arch, sum, sources, !*is_heard)
        };
        // Until it is finished, what was known of it is no longer true.
        if *is_heard {
            signal.changed(span.set);
        }
    }
}

/// One signal apart from all others.
fn apart(signals: &mut [Signal], place: usize) -> (Signals<'_>, &mut Signal) {
    let (signals, own) = Signals::apart(signals, &(place..place + 1));
    (signals, &mut own[0])
}

/// Those sources that are not silent in these frames, with their levels.
fn audible<'a, 'b>(
    sources: impl IntoIterator<Item = &'b Heard>,
    signals: &Signals<'a>,
    span: &Span<'_>,
) -> impl Iterator<Item = mix::Source<'a>> {
    sources.into_iter().filter_map(|&(signal, gain)| {
        let signal = signals.at(signal);
        (!signal.is_silent(span.set)).then(|| (signal.frames(&span.frames), gain.to))
    })
}

/// As [`Mixer::mix`], while patches change: gains move from frame to frame.
fn fade(mix: &Mix, into: &mut Signal, signals: &Signals<'_>, span: &Span<'_>, shares: &Shares) {
    for frame in span.frames.clone() {
        let at = |gain: Gain| gain.from + (gain.to - gain.from) * shares[frame];
        let frame = frame..frame + 1;
        let sum = into.frames_mut(&frame);
        sum.fill(at(mix.rest));
        for &(source, gain) in &mix.sources {
            let signal = signals.at(source).frames(&frame);
            let gain = at(gain);
            if signal.len() == sum.len() {
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
