//! Sines of phases, by the polynomial of Chronus.

use super::lanes::Lanes;

const QUARTER_TURN: u32 = 1 << 30;

/// The sine of a phase, where 2^32 is one turn: see [`chronus_dsp::math::sine_of_phase`].
#[inline(always)]
pub fn sine<L: Lanes>(l: L, phase: L::U) -> L::F {
    const COEFFICIENTS: [f32; 4] = [-0.598_242_1, 2.550_069_7, -5.167_709_7, core::f32::consts::PI];
    // How far from a quarter of a turn, where the sine is 1 and its own mirror image.
    let quarter = l.each_phase(|_| QUARTER_TURN);
    let from_top = l.abs(l.number_of(l.sub_phases(phase, quarter)));
    let x = l.mul_add(from_top, l.splat(-1.0 / 2_147_483_648.0), l.splat(0.5));
    let x2 = l.mul(x, x);
    let mut sum = l.splat(0.077_560_39);
    for coefficient in COEFFICIENTS {
        sum = l.mul_add(sum, x2, l.splat(coefficient));
    }
    l.mul(sum, x)
}

/// The cosine.
#[inline(always)]
pub fn cosine<L: Lanes>(l: L, phase: L::U) -> L::F {
    sine(l, l.add_phases(phase, l.each_phase(|_| QUARTER_TURN)))
}
