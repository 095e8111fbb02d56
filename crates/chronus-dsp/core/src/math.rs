//! Arithmetic that gives the same bits on every machine: additions, multiplications and
//! conversions in a fixed order; of one channel (`f32`, `u32`) or of a frame of [lanes](crate::lanes).

use crate::lanes::{Doubles, Floats, Ints};

/// The sine of a phase, where 2^32 is one whole turn: `sin(2 pi phase / 2^32)`.
///
/// The turn is folded onto its quarter -1/4..1/4 by integer arithmetic, without rounding. There an
/// odd polynomial of degree 9 in half turns approximates `sin(pi x)`. Its coefficients minimise the
/// largest relative error (Remez exchange); that error is 5.3e-9 (-165 dB), below the rounding of
/// `f32`.
#[inline(always)]
pub fn sine_of_phase<I: Ints>(phase: I) -> I::Floats {
    sine_of_half_turns(folded_half_turns(phase))
}

/// The half turns from -1/2 to 1/2 that have the sine of this phase.
#[inline(always)]
pub fn folded_half_turns<I: Ints>(phase: I) -> I::Floats {
    const HALF_TURNS: f32 = 1.0 / 2147483648.0;
    let quarter = phase.like(1 << 30);
    // How far from a quarter of a turn, where the sine is 1 and its own mirror image.
    let from_top = phase.minus(quarter);
    let folded = quarter.minus(from_top.magnitude());
    folded.to_floats() * HALF_TURNS
}

/// `sin(pi x)` for x from -1/2 to 1/2.
#[inline(always)]
fn sine_of_half_turns<F: Floats>(x: F) -> F {
    let x2 = x * x;
    let mut sum = x2 * 0.077560387726502781 - 0.59824212684127175;
    sum = sum * x2 + 2.5500697264114101;
    sum = sum * x2 - 5.1677096848034328;
    sum = sum * x2 + 3.1415926368954392;
    sum * x
}

/// Two to the power of `x`, for `x` from -126 to 126 (held there).
///
/// The whole part becomes the exponent of the float; for the rest, within -1/2..1/2, a polynomial of degree 6
/// (the Taylor series, its error at most 1.3e-7 relative, which is 0.0002 cent).
#[inline(always)]
pub fn exp2<F: Floats>(x: F) -> F {
    // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    let x = x.between(-126.0, 126.0);
    let whole = (x + ROUND) - ROUND;
    let rest = x - whole;
    let mut sum = rest * 1.540_353e-4 + 1.333_355_8e-3;
    sum = sum * rest + 9.618_129e-3;
    sum = sum * rest + 5.550_410_9e-2;
    sum = sum * rest + 2.402_265_1e-1;
    sum = sum * rest + 6.931_472e-1;
    sum = sum * rest + 1.0;
    let exponent = whole.to_ints_within();
    sum * exponent.plus(exponent.like(127)).up(23).as_floats()
}

/// The tangent of so many turns, `tan(2 pi turns)`, for 0 to 0.245 turns (held there): what a bilinear
/// filter needs of its frequency over twice the rate.
///
/// As sine over cosine, each by the polynomial of [`sine_of_phase`], which keeps the largest relative error
/// near 2e-7.
#[inline(always)]
pub fn tan_of_turns<F: Floats>(turns: F) -> F {
    let turns = turns.between(0.0, 0.245);
    // A quarter of a turn less the angle is exact where it matters.
    let half_turns = turns * 2.0;
    sine_of_half_turns(half_turns) / sine_of_half_turns(turns.like(0.5) - half_turns)
}

/// The logarithm to base 2 of a positive, normal number.
///
/// The exponent of the float and, for the rest within `sqrt(1/2)..sqrt(2)`, the series of the area
/// hyperbolic tangent up to the ninth power; the error is below 3e-7.
#[inline(always)]
pub fn log2<F: Floats>(x: F) -> F {
    // The bits of sqrt(1/2): taking them away leaves the rest within its range.
    let bits = x.bits();
    let half_root = bits.like(0x3f35_04f3);
    let bits = bits.minus(half_root);
    let exponent = bits.down_signed(23);
    let rest = (bits & 0x007f_ffff).plus(half_root).as_floats();
    let s = (rest - 1.0) / (rest + 1.0);
    let s2 = s * s;
    let mut sum = s2 * 0.320_598_9 + 0.412_198_58;
    sum = sum * s2 + 0.577_078;
    sum = sum * s2 + 0.961_796_7;
    sum = sum * s2 + 2.885_39;
    exponent.to_floats() + s * sum
}

/// So many decibels as a factor.
#[inline(always)]
pub fn gain_of_db<F: Floats>(db: F) -> F {
    // The logarithm of 10 to base 2, over 20.
    exp2(db * 0.166_096_4)
}

/// The hyperbolic tangent: a line that bends to -1 and 1.
///
/// Lambert's continued fraction, cut off at the seventh power; its error is below 1e-4, and where it
/// would reach 1 it stays there.
#[inline(always)]
pub fn tanh<F: Floats>(x: F) -> F {
    let x = x.between(-4.98, 4.98);
    let x2 = x * x;
    let above = x * (x2 * (x2 * (x2 + 378.0) + 17_325.0) + 135_135.0);
    let below = x2 * (x2 * (x2 * 28.0 + 3_150.0) + 62_370.0) + 135_135.0;
    (above / below).between(-1.0, 1.0)
}

/// As `as u32`: without what is behind the point, held within what 32 bits without a sign can say.
#[inline(always)]
pub fn to_unsigned<F: Floats>(x: F) -> F::Ints {
    let top = x.like(2_147_483_648.0);
    let x = x.at_least(x.like(0.0));
    // Vectors convert only signed numbers.
    let is_less = x.lt(top);
    let rest = F::choose(is_less, x, x - top).to_ints();
    rest.plus(F::Ints::choose(is_less, rest.like(0), rest.like(1 << 31)))
}

/// What the phase of an oscillator advances by in one frame, where 2^32 is one turn.
#[derive(Clone, Copy, Debug)]
pub struct PhaseSteps {
    per_hz: f64,
    freq_max_hz: f32,
}

impl PhaseSteps {
    /// A frequency closer to half the rate than this is held back, so that no alias folds down.
    const FREQ_MAX_OF_RATE: f32 = 0.49;

    /// For this rate.
    pub fn new(rate_hz: u32) -> Self {
        let freq_max_hz = Self::FREQ_MAX_OF_RATE * rate_hz as f32;
        Self { per_hz: 4_294_967_296.0 / f64::from(rate_hz), freq_max_hz }
    }

    /// The step of a frequency of at least 0: the nearest whole number.
    #[inline(always)]
    pub fn of<F: Floats>(&self, freq_hz: F) -> F::Ints {
        // Adding 1.5 * 2^52 leaves the nearest whole number in the low bits, which vectors can do.
        const ROUND: f64 = 6_755_399_441_055_744.0;
        let held_hz = freq_hz.at_most(freq_hz.like(self.freq_max_hz));
        (held_hz.to_doubles() * self.per_hz + ROUND).low_bits()
    }

    /// A step of [`of`](Self::of) times `1 + by`: negative if that is, and held so that no step is
    /// as long as half a turn, however far it is modulated.
    #[inline(always)]
    pub fn modulated<F: Floats>(step: F::Ints, by: F) -> F::Ints {
        // 0.495 of a turn. A step that is not modulated is below it and stays as it is.
        const STEP_MAX: f64 = 2_126_008_811.0;
        let step = step.to_doubles() * (by.to_doubles() + 1.0);
        let held = step.between(-STEP_MAX, STEP_MAX);
        // What is no number holds the phase still.
        F::Doubles::choose(step.eq(step), held, step.like(0.0)).to_ints_within()
    }
}

/// Whether all channels are equal, without a branch for each.
#[inline(always)]
pub fn same<T: Copy + PartialEq, const C: usize>(a: &[T; C], b: &[T; C]) -> bool {
    let mut differ = false;
    for c in 0..C {
        differ |= a[c] != b[c];
    }
    !differ
}

/// How many frames a time lasts: the nearest whole number, and at least one.
pub fn frames_of_ms(time_ms: f32, rate_hz: u32) -> u32 {
    // A conversion from float to integer saturates, and takes NaN to zero.
    let frames = f64::from(time_ms) * f64::from(rate_hz) / 1000.0 + 0.5;
    (frames as u32).max(1)
}

/// Scatters the bits of a number, one to one: each bit that goes in changes about half of those that
/// come out. Found by Chris Wellons ("lowbias32", hash-prospector, 2018).
#[inline(always)]
pub fn scramble<I: Ints>(mut bits: I) -> I {
    bits = (bits ^ bits.down(16)).times(bits.like(0x7feb_352d));
    bits = (bits ^ bits.down(15)).times(bits.like(0x846c_a68b));
    bits ^ bits.down(16)
}

/// Scattered bits as a number, evenly from -1 to 1.
#[inline(always)]
pub fn unit_of<I: Ints>(bits: I) -> I::Floats {
    bits.to_floats() * (1.0 / 2147483648.0)
}

/// A die whose throws are computed from their numbers: the same in every process, and in any order.
#[derive(Clone, Copy, Debug)]
pub struct Die {
    before: u32,
    after: u32,
}

impl Die {
    /// The die of a `seed` of 16 bits and a channel; another is independent of it.
    pub fn new(seed: f32, channel: usize) -> Self {
        let before = scramble((seed as u32 | (channel as u32) << 16) ^ 0x9e37_79b9);
        Self { before, after: scramble(before ^ 0x85eb_ca6b) }
    }

    /// 32 random bits for each number. They are scrambled twice, so that different dice do not
    /// throw the same at another time.
    pub fn throw(&self, number: u32) -> u32 {
        scramble(scramble(number.wrapping_add(self.before)) ^ self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::{exp2, log2, tan_of_turns, tanh, to_unsigned};

    #[test]
    fn numbers_without_a_sign_are_those_of_the_language() {
        let numbers = [0.0, -0.0, 0.99, 1.0, 12_345.6, 2_147_483_520.0, 2_147_483_648.0, 3e9];
        let others = [4_294_967_040.0, 4_294_967_296.0, 1e20, -1.0, -1e20, f32::INFINITY, f32::NAN];
        for x in numbers.into_iter().chain(others) {
            assert_eq!(to_unsigned(x), x as u32, "{x}");
        }
    }

    #[test]
    fn the_tangent_is_within_a_hundred_thousandth() {
        for step in 0..=2450 {
            let turns = step as f32 * 1e-4;
            let exact = libm::tan(core::f64::consts::TAU * f64::from(turns));
            let error = f64::from(tan_of_turns(turns)) - exact;
            assert!(error.abs() <= 1e-5 * exact + 1e-12, "{turns} turns: {error}");
        }
    }

    #[test]
    fn exp2_is_within_a_thousandth_of_a_cent() {
        let mut worst = 0.0_f64;
        for step in -40_000..=40_000 {
            let x = step as f32 * 3e-4;
            let cents = 1200.0 * (libm::log2(f64::from(exp2(x))) - f64::from(x));
            worst = worst.max(cents.abs());
        }
        assert!(worst < 1e-3, "{worst} cent");
        assert_eq!([exp2(0.0), exp2(1.0), exp2(-3.0), exp2(10.0)], [1.0, 2.0, 0.125, 1024.0]);
        assert!(exp2(f32::INFINITY).is_finite() && exp2(-1e9) > 0.0);
    }

    #[test]
    fn log2_is_within_a_millionth() {
        let mut worst = 0.0_f64;
        for step in -60_000..=60_000 {
            let x = exp2(step as f32 * 2e-3);
            let error = f64::from(log2(x)) - libm::log2(f64::from(x));
            // As good as f32 can say it, for numbers far from 1.
            worst = worst.max(error.abs() / libm::log2(f64::from(x)).abs().max(1.0));
        }
        assert!(worst < 3e-7, "{worst}");
        assert_eq!([log2(1.0), log2(2.0), log2(0.125), log2(1024.0)], [0.0, 1.0, -3.0, 10.0]);
    }

    #[test]
    fn tanh_is_within_a_ten_thousandth_and_never_beyond_1() {
        let mut worst = 0.0_f64;
        for step in -10_000..=10_000 {
            let x = step as f32 * 1e-3;
            let error = f64::from(tanh(x)) - libm::tanh(f64::from(x));
            worst = worst.max(error.abs());
            assert!(tanh(x).abs() <= 1.0 && tanh(-x) == -tanh(x), "{x}");
        }
        assert!(worst < 1e-4, "{worst}");
        assert_eq!([tanh(0.0), tanh(f32::MAX), tanh(-1e9)], [0.0, 1.0, -1.0]);
    }
}
