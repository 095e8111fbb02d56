//! Noise, white or pink. A frame's chance is computed from its number and the seed, so it is the same
//! in every process.

use crate::io::Io;
use crate::math::{scramble, unit_of};
use crate::module::{Curve, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `noise`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "noise",
    summary: "Noise, white or pink.",
    inputs: &[],
    outputs: &[PortSpec::audio("out", "the noise")],
    params: &[
        ParamSpec {
            doc: "amplitude: white lies evenly within -gain and gain; pink is rarely beyond",
            ..super::GAIN
        },
        ParamSpec {
            choices: &["white", "pink"],
            ..choice("colour", 1.0, "equal power per Hz, or per octave from about 10 Hz up")
        },
        choice("seed", 65_535.0, "whole; another number is other noise"),
        ParamSpec {
            choices: &["alike", "different"],
            ..choice("spread", 1.0, "whether all channels have the same noise, or each its own")
        },
    ],
    ..ModuleSpec::BARE
};

const GAIN: usize = 0;
const COLOUR: usize = 1;
const SEED: usize = 2;
const SPREAD: usize = 3;
/// With it pink noise peaks about as high as white.
const PINK_LEVEL: f32 = 0.11;

const fn choice(name: &'static str, max: f32, doc: &'static str) -> ParamSpec {
    ParamSpec {
        name,
        unit: "",
        min: 0.0,
        max,
        default: 0.0,
        smoothing_ms: 0.0,
        curve: Curve::Linear,
        choices: &[],
        doc,
    }
}

/// See [`SPEC`].
pub struct Noise<const C: usize> {
    /// How many frames were rendered: the noise begins anew after 2^32, a day at 48 kHz.
    frame: u32,
    pink: Pink<C>,
}

impl<const C: usize> Noise<C> {
    /// Noise from its beginning.
    pub fn new(_rate_hz: u32) -> Self {
        Self { frame: 0, pink: Pink::new() }
    }
}

/// Two words per channel, from the seed and, if the channels are to differ, their numbers.
fn keys<const C: usize>(seed: [f32; C], spread: [f32; C]) -> [[u32; C]; 2] {
    let mut keys = [[0; C]; 2];
    for c in 0..C {
        let channel = if spread[c] > 0.5 { c as u32 } else { 0 };
        // The seed has 16 bits.
        let key = seed[c] as u32 | channel << 16;
        keys[0][c] = scramble(key ^ 0x9e37_79b9);
        keys[1][c] = scramble(keys[0][c] ^ 0x85eb_ca6b);
    }
    keys
}

/// The filter of Paul Kellet ("refined", musicdsp.org, 1999): within 0.05 dB of -3 dB per octave from
/// 9 Hz at a rate of 44.1 kHz. Since that slope looks the same at all scales, it serves every rate;
/// only the frequency where it begins goes along.
struct Pink<const C: usize> {
    poles: [[f32; C]; 6],
    last: [f32; C],
}

impl<const C: usize> Pink<C> {
    const POLES: [(f32, f32); 6] = [
        (0.99886, 0.0555179),
        (0.99332, 0.0750759),
        (0.96900, 0.1538520),
        (0.86650, 0.3104856),
        (0.55000, 0.5329522),
        (-0.7616, -0.0168980),
    ];

    fn new() -> Self {
        Self { poles: [[0.0; C]; 6], last: [0.0; C] }
    }

    #[inline(always)]
    fn filter(&mut self, white: [f32; C]) -> [f32; C] {
        let mut sum = [0.0; C];
        for (state, (pole, gain)) in self.poles.iter_mut().zip(Self::POLES) {
            for c in 0..C {
                state[c] = pole * state[c] + gain * white[c];
                sum[c] += state[c];
            }
        }
        for c in 0..C {
            sum[c] += 0.5362 * white[c] + 0.115926 * self.last[c];
        }
        self.last = white;
        sum
    }
}

impl<const C: usize> Module for Noise<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.frame = 0;
        self.pink = Pink::new();
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [gain, colour, seed, spread] =
            [GAIN, COLOUR, SEED, SPREAD].map(|param| io.param::<C>(param));
        let ([], [out]) = io.ports::<C, 0, 1>();
        let [mut before, mut after] = keys(seed.at(0), spread.at(0));
        for (n, out) in out.iter_mut().enumerate() {
            if seed.is_moving() || spread.is_moving() {
                [before, after] = keys(seed.at(n), spread.at(n));
            }
            let mut white = [0.0; C];
            for c in 0..C {
                // Scrambled twice, so that different keys are not the same noise at another time.
                let chance = scramble(self.frame.wrapping_add(before[c])) ^ after[c];
                white[c] = unit_of(scramble(chance));
            }
            let pink = self.pink.filter(white);
            let (gain, colour) = (gain.at(n), colour.at(n));
            for c in 0..C {
                let pink = PINK_LEVEL * pink[c];
                out[c] = gain[c] * if colour[c] > 0.5 { pink } else { white[c] };
            }
            self.frame = self.frame.wrapping_add(1);
        }
    }
}
