//! What is done to a sound that is there already.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    clippy::inline_always,
    reason = "inner loops count channels across several arrays and must be inlined to become SIMD"
)]

use chronus_dsp_core::entry::CatalogEntry;
use chronus_dsp_core::{io, lanes, math, module, simd, transport};
use chronus_dsp_core::{kernel, kind, plain};

pub mod bitcrusher;
pub mod chorus;
pub mod compressor;
pub mod delay;
pub mod distortion;
pub mod eq;
pub mod flanger;
pub mod limiter;
pub mod phaser;
pub mod reverb;
pub mod ring;
pub mod tremolo;

mod diffuser;
mod glide;
mod halfband;
mod head;
mod line;
mod shape;
mod tank;

use core::ops::Range;

use crate::lanes::{Floats, Ints, Lanes};
use crate::math::tan_of_turns;
use crate::module::{BLOCK_FRAMES, ParamSpec, PortSpec};

/// The inputs of a stereo effect.
const LEFT_IN: PortSpec = PortSpec::audio("left", "the left side, or a signal that has no sides");
const RIGHT_IN: PortSpec = PortSpec::audio("right", "the right side; without a cable as `left`");
/// The outputs of a stereo effect.
const LEFT_OUT: PortSpec = PortSpec::audio("left", "the left side");
const RIGHT_OUT: PortSpec = PortSpec::audio("right", "the right side");
/// What is heard of a stereo effect that is bypassed.
const SIDES: &[(usize, usize)] = &[(0, 0), (1, 1)];

/// How much of an effect is heard.
const fn mix(default: f32) -> ParamSpec {
    let doc = "from the signal as it came (0) to the effect alone (1)";
    ParamSpec::number("mix", "", [0.0, 1.0], default, doc).smoothed(10.0)
}

/// How fast an effect sways.
const fn rate(default: f32, doc: &'static str) -> ParamSpec {
    ParamSpec::number("rate", "Hz", [0.01, 20.0], default, doc).smoothed(20.0).exponential()
}

/// How far the right side sways behind the left one.
const fn width(default: f32) -> ParamSpec {
    let doc = "how far the right side sways behind the left: 1 is half a turn";
    ParamSpec::number("width", "", [0.0, 1.0], default, doc).smoothed(20.0)
}

/// Half a turn of a phase, for [`width`].
const HALF_TURN: f32 = 2_147_483_648.0;

/// What is computed rarely is computed once per cell of this many frames. Cells begin at multiples of
/// this in the block, wherever commands split it.
const CELL_FRAMES: usize = 16;

const _: () = assert!(BLOCK_FRAMES.is_multiple_of(CELL_FRAMES));

/// A part of a cell that is rendered in one go.
struct Piece {
    /// Its frames, counted from the first of the frames to be rendered.
    frames: Range<usize>,
    /// Whether the cell begins here.
    begins: bool,
}

/// The pieces of these frames of a block.
#[inline(always)]
fn pieces(frames: Range<usize>) -> impl Iterator<Item = Piece> {
    let first = frames.start;
    let mut start = first;
    core::iter::from_fn(move || {
        (start < frames.end).then(|| {
            let end = (start + 1).next_multiple_of(CELL_FRAMES).min(frames.end);
            let begins = start.is_multiple_of(CELL_FRAMES);
            let piece = Piece { frames: start - first..end - first, begins };
            start = end;
            piece
        })
    })
}

/// State below this counts as silence, long before it would be denormal.
const SILENCE: f32 = 1e-20;

#[inline(always)]
fn silent_below<F: Floats>(state: F) -> F {
    state.without(state.magnitude().lt(state.like(SILENCE)))
}

/// The signal as it came and the effect, `mix` of it.
#[inline(always)]
fn blend<F: Floats>(dry: F, wet: F, mix: F) -> F {
    dry * (mix.like(1.0) - mix) + wet * mix
}

/// As [`blend`], of frames that are no vectors.
#[inline(always)]
fn blend_each<const C: usize>(dry: [f32; C], wet: [f32; C], mix: [f32; C]) -> [f32; C] {
    let mut out = [0.0; C];
    for c in 0..C {
        out[c] = blend(dry[c], wet[c], mix[c]);
    }
    out
}

/// Keeps what is fed back within -2..2, so that no loop runs away; what lies within -1..1 passes as
/// it is.
#[inline(always)]
fn tame<F: Floats>(signal: F) -> F {
    let beyond = (signal.magnitude() - 1.0).at_least(signal.like(0.0));
    // The slope of the bend is 1 where it begins.
    let bent = beyond / (beyond + 1.0);
    let sign = signal.bits() & (1 << 31);
    signal.between(-1.0, 1.0) + (bent.bits() | sign).as_floats()
}

/// A filter of 6 dB per octave with a trapezoidal integrator, safe to modulate.
#[derive(Clone, Copy)]
struct Pole<const C: usize> {
    state: [f32; C],
}

/// What [`Pole`] needs to know of a corner frequency, given as a share of the rate.
#[inline(always)]
fn pole<F: Floats>(turns_per_frame: F) -> F {
    let g = tan_of_turns(turns_per_frame * 0.5);
    g / (g + 1.0)
}

impl<const C: usize> Pole<C> {
    const REST: Self = Self { state: [0.0; C] };

    /// What lies below the corner; the rest of the signal is what lies above.
    #[inline(always)]
    fn low<L: Lanes<C>>(
        &mut self,
        lanes: L,
        signal: L::Floats,
        coefficient: L::Floats,
    ) -> L::Floats {
        let state = lanes.load(&self.state);
        let step = (signal - state) * coefficient;
        let low = state + step;
        lanes.store(silent_below(low + step), &mut self.state);
        low
    }
}

/// The kinds of this family, in the order of the reference.
pub static KINDS: &[CatalogEntry] = &[
    kernel!(crate::delay, Delay),
    kernel!(crate::chorus, Chorus),
    kernel!(crate::flanger, Flanger),
    kernel!(crate::phaser, Phaser),
    kernel!(crate::tremolo, Tremolo),
    kernel!(crate::ring, Ring),
    kernel!(crate::reverb, Reverb),
    kernel!(crate::distortion, Distortion),
    kind!(crate::bitcrusher, Bitcrusher),
    kernel!(crate::eq, Eq),
    kernel!(crate::compressor, Compressor),
    plain!(crate::limiter, Limiter),
];
