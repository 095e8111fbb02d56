//! Multiply and add with one rounding, which takes one instruction on most machines: those with AVX2 or NEON.
//! Others compute the same bits from numbers of twice the width.
//!
//! A kernel fuses with [`Lanes::fused`](crate::lanes::Lanes::fused), which takes the way that its set of vectors has.

use pulp::Arch;

/// A way to fuse a multiplication and an addition. All give the same bits, but for which NaN it is.
pub trait Fused: Send + 'static {
    /// `a * b + c`, rounded once.
    fn fused(a: f32, b: f32, c: f32) -> f32;
}

/// Whether [`InHardware`] is one instruction in what `arch` dispatches to.
pub fn is_in_hardware(arch: Arch) -> bool {
    !matches!(arch, Arch::Scalar)
}

/// An instruction where there is one; elsewhere a slow call.
pub enum InHardware {}

impl Fused for InHardware {
    #[inline(always)]
    #[expect(clippy::disallowed_methods, reason = "here it is meant to round once")]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// With the arithmetic that every machine has.
pub enum ByDoubles {}

impl Fused for ByDoubles {
    /// The product of two `f32` is exact in `f64`, and its sum with the third is rounded to odd: an `f64` that way
    /// rounds to the right `f32` (Sylvie Boldo and Guillaume Melquiond, "Emulation of FMA and correctly rounded
    /// sums: proved algorithms using rounding to odd", 2008). What the sum has lost is found as by Donald Knuth.
    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
        let sum = product + c;
        let of_c = sum - product;
        let lost = (product - (sum - of_c)) + (c - of_c);
        let bits = sum.to_bits();
        // Of two numbers around the exact sum, one is odd: this, or its neighbour on the side of what was lost. Where
        // the sum is no finite number, what was lost is none at all.
        let away = if (lost > 0.0) == (sum > 0.0) { 1 } else { u64::MAX };
        let is_between = lost.abs() > 0.0;
        let odd = if is_between && bits & 1 == 0 { bits.wrapping_add(away) } else { bits };
        f64::from_bits(odd) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_same(a: f32, b: f32, c: f32) {
        let [hardware, doubles] = [InHardware::fused(a, b, c), ByDoubles::fused(a, b, c)];
        let same = hardware.to_bits() == doubles.to_bits() || hardware.is_nan() && doubles.is_nan();
        assert!(same, "{a:e} * {b:e} + {c:e}: {hardware:e} in hardware, {doubles:e} by doubles");
    }

    #[test]
    fn both_ways_give_the_same_bits_whether_denormals_are_flushed_or_not() {
        assert_same_by_chance();
        // Of this thread alone, as threads that render do.
        chronus_os::float::flush_denormals();
        assert_same_by_chance();
    }

    fn assert_same_by_chance() {
        let mut seed = 1_u64;
        let mut random = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 32) as u32
        };
        for _ in 0..1_000_000 {
            let [a, b, c] = [(); 3].map(|()| f32::from_bits(random()));
            assert_same(a, b, c);
            // Of like size, where roundings are close to call.
            let near =
                |bits: u32, exponent: u32| f32::from_bits(bits & 0x807f_ffff | exponent << 23);
            let [a, b] = [near(a.to_bits(), 120 + random() % 14), near(b.to_bits(), 127)];
            assert_same(a, b, near(c.to_bits(), 100 + random() % 54));
            // What is all but taken away again.
            assert_same(a, b, -(a * b));
            assert_same(a, b, -f32::from_bits((a * b).to_bits() + random() % 3));
        }
    }

    #[test]
    fn both_ways_agree_at_the_edges() {
        let edges = [0.0, 1.0, 1.5, f32::EPSILON, f32::MIN_POSITIVE, 1e-45, 3e38, f32::MAX];
        let edges =
            edges.into_iter().chain([f32::INFINITY, f32::NAN, 1.0 + f32::EPSILON, 16_777_217.0]);
        let edges: Vec<f32> = edges.flat_map(|edge| [edge, -edge]).collect();
        for a in &edges {
            for b in &edges {
                for c in &edges {
                    assert_same(*a, *b, *c);
                }
            }
        }
    }

    #[test]
    fn what_an_f64_can_not_hold_decides_which_way_to_round() {
        // The product is a little less than half of what the next number differs by.
        let (a, b, c) =
            (f32::EPSILON / 2.0 * (1.0 + f32::EPSILON), 1.0 - f32::EPSILON, 1.0 + f32::EPSILON);
        assert_eq!(ByDoubles::fused(a, b, c), c);
        let rounded_twice = (f64::from(a) * f64::from(b) + f64::from(c)) as f32;
        assert!(rounded_twice > c, "this is where it matters");
    }
}
