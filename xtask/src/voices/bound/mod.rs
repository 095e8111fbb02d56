//! The hand-written bound: what a voice costs if nothing is modular. One loop for nothing else, a voice a lane of a
//! vector, its state in registers for a whole block; no library function; with and without fused arithmetic.
//!
//! Kernels have no closures: those would be compiled for the plainest instructions, unless they vanish.

#![expect(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "only what is inlined becomes vectors, and lanes are counted across arrays"
)]

mod edges;
mod fm;
mod held;
mod lanes;
mod pulse;
mod saw;
mod sine;
mod wavetable;

use std::hint::black_box;
use std::marker::PhantomData;

use chronus_dsp::Vectors;
use chronus_os::clock::thread_cpu_ns;

use super::voice::{BLOCK, RATE_HZ, Voice, gain};
use lanes::{Kernel, LANES_MAX, Lanes};

/// A vector of voices of one kind.
trait Lane<L: Lanes>: Copy {
    /// What is too large for registers.
    type Source;

    /// The voices from `first` on, of so many.
    fn new(l: L, first: usize, voices: usize) -> (Self, Self::Source);

    /// Computes for a block what needs no frame before it: the source of each frame. What is heard already may be added
    /// to `sum`.
    #[inline(always)]
    fn prepare(
        &mut self,
        _: L,
        _: &mut Self::Source,
        _source: &mut [L::F; BLOCK],
        _sum: &mut [f32; BLOCK],
    ) {
    }

    /// A frame of all lanes, given what was prepared for it.
    fn frame(&mut self, l: L, source: L::F) -> L::F;
}

/// A kind of voice, for all sets.
trait Kind {
    type Of<L: Lanes>: Lane<L>;
}

/// The level of each lane; those that were not asked for are silent.
#[inline(always)]
fn levels<L: Lanes>(l: L, first: usize, voices: usize, of_voice: f32) -> L::F {
    l.each(|lane| if first + lane < voices { of_voice * gain(voices) } else { 0.0 })
}

/// What the phase of voice `index` advances by in a frame, at so many times its frequency.
fn step(voice: Voice, index: usize, times: f32) -> u32 {
    let freq_hz = f64::from(voice.freq_hz(index)) * f64::from(times);
    (freq_hz / f64::from(RATE_HZ) * 4_294_967_296.0) as u32
}

/// What is heard of all groups in a block.
struct Sum<L: Lanes> {
    /// Lane by lane.
    lanes: [L::F; BLOCK],
    /// All lanes.
    added: [f32; BLOCK],
}

/// Voices that are rendered together, `N` vectors of them.
struct Group<L: Lanes, V: Lane<L>, const N: usize> {
    lanes: [V; N],
    sources: [V::Source; N],
    set: PhantomData<L>,
}

impl<L: Lanes, V: Lane<L>, const N: usize> Group<L, V, N> {
    fn new(l: L, index: usize, voices: usize) -> Self {
        let first = |i: usize| (index * N + i) * L::COUNT;
        let mut sources = Vec::new();
        let lanes = std::array::from_fn(|i| {
            let (lane, source) = V::new(l, first(i), voices);
            sources.push(source);
            lane
        });
        let sources = sources.try_into().unwrap_or_else(|_| unreachable!("one for each vector"));
        Self { lanes, sources, set: PhantomData }
    }

    /// Adds a block to the sum of all groups.
    #[inline(always)]
    fn render(&mut self, l: L, scratch: &mut [[L::F; BLOCK]; N], sum: &mut Sum<L>) {
        let mut lanes = self.lanes;
        for i in 0..N {
            lanes[i].prepare(l, &mut self.sources[i], &mut scratch[i], &mut sum.added);
        }
        for n in 0..BLOCK {
            let mut frame = sum.lanes[n];
            for i in 0..N {
                frame = l.add(frame, lanes[i].frame(l, scratch[i][n]));
            }
            sum.lanes[n] = frame;
        }
        self.lanes = lanes;
    }
}

/// Renders, and measures that: CPU seconds for as many voices as were asked for.
struct Render<'a, K, const N: usize> {
    voices: usize,
    seconds: f64,
    heard: Option<&'a mut Vec<f32>>,
    kind: PhantomData<K>,
}

impl<K: Kind, const N: usize> Kernel for Render<'_, K, N> {
    type Output = f64;

    #[inline(always)]
    fn call<L: Lanes>(mut self, l: L) -> f64 {
        let mut groups: Vec<Group<L, K::Of<L>, N>> = (0..self.voices.div_ceil(N * L::COUNT))
            .map(|index| Group::new(l, index, self.voices))
            .collect();
        let zero = l.splat(0.0);
        let (mut scratch, mut numbers) = ([[zero; BLOCK]; N], [0.0; LANES_MAX]);
        let start = thread_cpu_ns();
        for _ in 0..(self.seconds * f64::from(RATE_HZ) / BLOCK as f64) as usize {
            let mut sum = Sum::<L> { lanes: [zero; BLOCK], added: [0.0; BLOCK] };
            for group in &mut groups {
                group.render(l, &mut scratch, &mut sum);
            }
            let mut block = sum.added;
            for n in 0..BLOCK {
                l.store(&mut numbers, sum.lanes[n]);
                for lane in 0..L::COUNT {
                    block[n] += numbers[lane];
                }
            }
            black_box(&block);
            if let Some(heard) = &mut self.heard {
                heard.extend(block);
            }
        }
        // A group that is not full does more than was asked.
        let share = self.voices as f64 / (groups.len() * N * L::COUNT) as f64;
        (thread_cpu_ns() - start) as f64 / 1e9 * share
    }
}

/// A bound: which voice, with which instructions.
#[derive(Clone, Copy)]
pub struct Bound {
    pub voice: Voice,
    pub set: Vectors,
    pub fused: bool,
    /// Whether the sine of the held voice is turned from frame to frame; else it is a polynomial. The other voices take
    /// what is faster.
    pub turned: bool,
}

impl Bound {
    /// CPU seconds for so many voices and seconds, with the best size of groups.
    pub fn cpu_seconds(self, voices: usize, seconds: f64) -> f64 {
        let of_1 = self.render::<1>(voices, seconds, None);
        let of_2 = self.render::<2>(voices, seconds, None);
        of_1.min(of_2).min(self.render::<4>(voices, seconds, None))
    }

    /// What is heard.
    pub fn sound(self, voices: usize, seconds: f64) -> Vec<f32> {
        let mut heard = Vec::new();
        self.render::<2>(voices, seconds, Some(&mut heard));
        heard
    }

    fn render<const N: usize>(
        self,
        voices: usize,
        seconds: f64,
        heard: Option<&mut Vec<f32>>,
    ) -> f64 {
        match self.voice {
            Voice::Held if self.turned => self.run::<held::Held<true>, N>(voices, seconds, heard),
            Voice::Held => self.run::<held::Held<false>, N>(voices, seconds, heard),
            Voice::Saw => self.run::<saw::Saw, N>(voices, seconds, heard),
            Voice::Fm => self.run::<fm::Fm, N>(voices, seconds, heard),
            Voice::Pulse => self.run::<pulse::Pulse, N>(voices, seconds, heard),
            Voice::Wavetable => self.run::<wavetable::Wavetable, N>(voices, seconds, heard),
        }
    }

    fn run<K: Kind, const N: usize>(
        self,
        voices: usize,
        seconds: f64,
        heard: Option<&mut Vec<f32>>,
    ) -> f64 {
        let render = Render::<K, N> { voices, seconds, heard, kind: PhantomData };
        lanes::run(self.set, self.fused, render)
    }
}
