//! What a cable carries: the signal of one block, and what is known of it beforehand.

use core::ops::{Deref, DerefMut, Range};

use crate::spec::{BLOCK_FRAMES, CHANNELS_MAX, PortSpec};

/// The signal at one port for one block, frame after frame, each with all channels of its cable:
/// `BLOCK_FRAMES * channels` values, nominally within -1..1.
///
/// One of 16 channels begins at a page. Then no vector lies across two cache lines, and a processor that
/// compares no more than the place within a page does not take what is read next from one buffer for
/// what was written last to another, and wait: a quarter more voices. Smaller ones lie closer together, so
/// that a fork has fewer pages to copy.
#[derive(Default)]
pub struct Buffer {
    memory: Box<[f32]>,
    start: u32,
    end: u32,
}

const PAGE_BYTES: usize = 4096;

impl Buffer {
    fn silent(samples: usize) -> Self {
        let align = (samples * size_of::<f32>()).next_power_of_two().clamp(64, PAGE_BYTES);
        let memory = vec![0.0; samples + align / size_of::<f32>()].into_boxed_slice();
        let start = memory.as_ptr().align_offset(align).min(memory.len() - samples);
        Self { memory, start: start as u32, end: (start + samples) as u32 }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    #[inline(always)]
    fn deref(&self) -> &[f32] {
        &self.memory[self.start as usize..self.end as usize]
    }
}

impl DerefMut for Buffer {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.start as usize..self.end as usize]
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::silent(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

/// A silent buffer.
pub fn silent_buffer(channels: usize) -> Buffer {
    Buffer::silent(BLOCK_FRAMES * channels)
}

/// Frames of a block, one bit each.
pub type FrameSet = u64;

const _: () = assert!(BLOCK_FRAMES == FrameSet::BITS as usize);

/// These frames of a block.
#[inline]
pub const fn frame_set(frames: &Range<usize>) -> FrameSet {
    if frames.start >= frames.end {
        return 0;
    }
    (FrameSet::MAX >> (BLOCK_FRAMES - (frames.end - frames.start))) << frames.start
}

/// The signal of an output, or of a sum of such, in one block. All those of a patch stand in one row, and what is
/// read is named by its place there.
#[derive(Default)]
pub struct Signal {
    /// One value per frame of the block and channel.
    pub samples: Buffer,
    /// Where it is known to be silent: 0 in all channels, with a positive sign.
    pub silent: FrameSet,
    /// Frames that are known to be the same, each as the others.
    pub held: FrameSet,
}

impl Signal {
    /// The place of a signal that is always silent, whatever the channels.
    pub const AT_ZERO: usize = 0;
    /// The place of one that is always 1.
    pub const AT_ONE: usize = 1;
    /// The place of the first that is not always the same.
    pub const FIRST: usize = 2;

    /// A silent one.
    pub fn silent(channels: usize) -> Self {
        Self { samples: silent_buffer(channels), silent: FrameSet::MAX, held: FrameSet::MAX }
    }

    /// Those with which every row begins: [`AT_ZERO`](Self::AT_ZERO) and [`AT_ONE`](Self::AT_ONE).
    pub fn resting() -> [Self; Self::FIRST] {
        let mut ones = silent_buffer(CHANNELS_MAX);
        ones.fill(1.0);
        [Self::silent(CHANNELS_MAX), Self { samples: ones, silent: 0, held: FrameSet::MAX }]
    }

    /// The place of what an input reads where no cable ends.
    pub fn at_rest(input: &PortSpec) -> usize {
        if input.rest == 0.0 { Self::AT_ZERO } else { Self::AT_ONE }
    }

    /// These frames, if it has `C` channels.
    #[inline(always)]
    pub fn cut<const C: usize>(&self, frames: &Range<usize>) -> &[[f32; C]] {
        &self.samples.as_chunks().0[frames.clone()]
    }

    /// The same, to be changed: see [`frames_mut`](Self::frames_mut).
    #[inline(always)]
    pub fn cut_mut<const C: usize>(&mut self, frames: &Range<usize>) -> &mut [[f32; C]] {
        &mut self.samples.as_chunks_mut().0[frames.clone()]
    }

    /// How many channels it has.
    #[inline(always)]
    pub fn channels(&self) -> usize {
        self.samples.len() / BLOCK_FRAMES
    }

    /// The values of these frames, in all channels.
    #[inline(always)]
    pub fn frames(&self, frames: &Range<usize>) -> &[f32] {
        let channels = self.channels();
        &self.samples[frames.start * channels..frames.end * channels]
    }

    /// The same, to be changed. Whoever does says so: [`changed`](Self::changed).
    #[inline(always)]
    pub fn frames_mut(&mut self, frames: &Range<usize>) -> &mut [f32] {
        let channels = self.channels();
        &mut self.samples[frames.start * channels..frames.end * channels]
    }

    /// Whether it is known to be silent in all these frames.
    #[inline(always)]
    pub fn is_silent(&self, set: FrameSet) -> bool {
        self.silent & set == set
    }

    /// Whether it is known to be the same in all these frames.
    #[inline(always)]
    pub fn is_held(&self, set: FrameSet) -> bool {
        self.held & set == set || self.is_silent(set)
    }

    /// From here on, nothing is known of these frames.
    #[inline(always)]
    pub fn changed(&mut self, set: FrameSet) {
        self.silent &= !set;
        self.held &= !set;
    }

    /// Makes these frames silent, which costs nothing if they are known to be.
    #[inline(always)]
    pub fn silence(&mut self, frames: &Range<usize>) {
        let set = frame_set(frames);
        if !self.is_silent(set) {
            self.frames_mut(frames).fill(0.0);
            self.changed(set);
            self.silent |= set;
        }
    }

    /// Gives all these frames the same values, one per channel, which costs little if they are known to have them.
    #[inline(always)]
    pub fn hold<const C: usize>(&mut self, frames: &Range<usize>, values: &[f32; C]) {
        let set = frame_set(frames);
        let all = self.samples.as_chunks_mut::<C>().0;
        let held = all.get(self.held.trailing_zeros() as usize);
        let are_same = held.is_some_and(|held| same_bits(held, values));
        if are_same && self.held & set == set {
            return;
        }
        all[frames.clone()].fill(*values);
        self.silent &= !set;
        self.held = if are_same { self.held | set } else { set };
    }
}

/// All signals of a patch but those that are being rendered.
#[derive(Clone, Copy)]
pub struct Signals<'a> {
    before: &'a [Signal],
    after: &'a [Signal],
    /// The place of the first of those after.
    second: usize,
}

impl<'a> Signals<'a> {
    /// All of them.
    pub fn all(signals: &'a [Signal]) -> Self {
        Self { before: signals, after: &[], second: signals.len() }
    }

    /// Those at these places apart, to be rendered, from all others.
    #[inline(always)]
    pub fn apart(signals: &'a mut [Signal], own: &Range<usize>) -> (Self, &'a mut [Signal]) {
        let (before, rest) = signals.split_at_mut(own.start);
        let (own, after) = rest.split_at_mut(own.len());
        let second = before.len() + own.len();
        (Self { before, after, second }, own)
    }

    /// The one at this place.
    ///
    /// # Panics
    /// If there is none, or it is being rendered.
    #[inline(always)]
    pub fn at(&self, place: usize) -> &'a Signal {
        match self.before.get(place) {
            Some(signal) => signal,
            None => &self.after[place.wrapping_sub(self.second)],
        }
    }
}

#[inline(always)]
fn same_bits<const C: usize>(a: &[f32; C], b: &[f32; C]) -> bool {
    let mut differing = 0;
    for c in 0..C {
        differing |= a[c].to_bits() ^ b[c].to_bits();
    }
    differing == 0
}
