//! Arithmetic that gives the same bits on every machine: additions, multiplications and
//! conversions in a fixed order.

/// The sine of a phase, where 2^32 is one whole turn: `sin(2 pi phase / 2^32)`.
///
/// The turn is folded onto its quarter -1/4..1/4 by integer arithmetic, without rounding. There an
/// odd polynomial of degree 9 in half turns approximates `sin(pi x)`. Its coefficients minimise the
/// largest relative error (Remez exchange); that error is 5.3e-9 (-165 dB), below the rounding of
/// `f32`.
#[inline]
pub fn sine_of_phase(phase: u32) -> f32 {
    const HALF_TURNS: f32 = 1.0 / 2147483648.0;
    let signed = phase as i32;
    // The two top bits differ in the second and third quarter, which mirror the first and fourth.
    let mirrored = (signed ^ (signed << 1)) < 0;
    let folded = if mirrored { i32::MIN.wrapping_sub(signed) } else { signed };
    let x = folded as f32 * HALF_TURNS;
    let x2 = x * x;
    let mut sum = 0.077560387726502781;
    sum = sum * x2 - 0.59824212684127175;
    sum = sum * x2 + 2.5500697264114101;
    sum = sum * x2 - 5.1677096848034328;
    sum = sum * x2 + 3.1415926368954392;
    sum * x
}

/// How many frames a time lasts: the nearest whole number, and at least one.
pub fn frames_of_ms(time_ms: f32, rate_hz: u32) -> u32 {
    // A conversion from float to integer saturates, and takes NaN to zero.
    let frames = f64::from(time_ms) * f64::from(rate_hz) / 1000.0 + 0.5;
    (frames as u32).max(1)
}
