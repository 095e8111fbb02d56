//! AVX2 and fused arithmetic: eight channels a register. Four stand in it twice.

use core::arch::x86_64::*;

use super::base::single;
use super::pair::{Pair, doubled};
use super::{Doubles, Floats, Ints, Lanes, Mask, V3, methods, operators};
use crate::fused::{Fused, InHardware};

/// Eight floats.
#[derive(Clone, Copy)]
pub struct F(V3, __m256);
/// Eight whole numbers.
#[derive(Clone, Copy)]
pub struct I(V3, __m256i);
/// Eight answers: all bits, or none.
#[derive(Clone, Copy)]
pub struct M(V3, __m256);
/// Eight doubles.
#[derive(Clone, Copy)]
pub struct D(V3, [__m256d; 2]);
/// Eight answers about doubles.
#[derive(Clone, Copy)]
pub struct N(V3, [__m256d; 2]);

/// The same to both halves.
macro_rules! both {
    ($v:ident.$set:ident.$call:ident $(::<$imm:tt>)? ($a:expr, $b:expr)) => {{
        let ([a0, a1], [b0, b1]) = ($a, $b);
        [$v.$set.$call $(::<$imm>)? (a0, b0), $v.$set.$call $(::<$imm>)? (a1, b1)]
    }};
}

operators! { F of f32:
    Add::add = |v, a, b| v.avx._mm256_add_ps(a, b);
    Sub::sub = |v, a, b| v.avx._mm256_sub_ps(a, b);
    Mul::mul = |v, a, b| v.avx._mm256_mul_ps(a, b);
    Div::div = |v, a, b| v.avx._mm256_div_ps(a, b);
}
operators! { I of u32:
    BitAnd::bitand = |v, a, b| v.avx2._mm256_and_si256(a, b);
    BitOr::bitor = |v, a, b| v.avx2._mm256_or_si256(a, b);
    BitXor::bitxor = |v, a, b| v.avx2._mm256_xor_si256(a, b);
}
operators! { D of f64:
    Add::add = |v, a, b| both!(v.avx._mm256_add_pd(a, b));
    Sub::sub = |v, a, b| both!(v.avx._mm256_sub_pd(a, b));
    Mul::mul = |v, a, b| both!(v.avx._mm256_mul_pd(a, b));
    Div::div = |v, a, b| both!(v.avx._mm256_div_pd(a, b));
}

impl core::ops::Neg for F {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        let v = self.0;
        F(v, v.avx._mm256_xor_ps(self.1, v.avx._mm256_set1_ps(-0.0)))
    }
}

impl core::ops::Not for I {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        self ^ u32::MAX
    }
}

#[inline(always)]
fn ones(v: V3) -> __m256 {
    v.avx._mm256_castsi256_ps(v.avx._mm256_set1_epi32(-1))
}

impl Floats for F {
    type Ints = I;
    type Mask = M;
    type Doubles = D;

    methods! {
        fn at_least(v, a, b) -> F = v.avx._mm256_max_ps(a, b);
        fn at_most(v, a, b) -> F = v.avx._mm256_min_ps(a, b);
        fn within(v, a, least, most) -> F =
            v.avx._mm256_min_ps(most, v.avx._mm256_max_ps(least, a));
        fn magnitude(v, a) -> F = v.avx._mm256_andnot_ps(v.avx._mm256_set1_ps(-0.0), a);
        fn root(v, a) -> F = v.avx._mm256_sqrt_ps(a);
        fn lt(v, a, b) -> M = v.avx._mm256_cmp_ps::<_CMP_LT_OQ>(a, b);
        fn le(v, a, b) -> M = v.avx._mm256_cmp_ps::<_CMP_LE_OQ>(a, b);
        fn eq(v, a, b) -> M = v.avx._mm256_cmp_ps::<_CMP_EQ_OQ>(a, b);
        fn bits(v, a) -> I = v.avx._mm256_castps_si256(a);
        fn to_ints_within(v, a) -> I = v.avx._mm256_cvttps_epi32(a);
        fn to_ints(v, a) -> I = {
            // What is too large becomes the least number, whose bits are then turned over.
            let most = v.avx._mm256_set1_ps(2_147_483_648.0);
            let is_over = v.avx._mm256_castps_si256(v.avx._mm256_cmp_ps::<_CMP_GE_OQ>(a, most));
            let is_number = v.avx._mm256_castps_si256(v.avx._mm256_cmp_ps::<_CMP_ORD_Q>(a, a));
            let held = v.avx2._mm256_xor_si256(v.avx._mm256_cvttps_epi32(a), is_over);
            v.avx2._mm256_and_si256(held, is_number)
        };
        fn to_doubles(v, a) -> D = {
            let (low, high) = (v.avx._mm256_castps256_ps128(a), v.avx._mm256_extractf128_ps::<1>(a));
            [v.avx._mm256_cvtps_pd(low), v.avx._mm256_cvtps_pd(high)]
        };
    }

    #[inline(always)]
    fn like(self, x: f32) -> Self {
        F(self.0, self.0.avx._mm256_set1_ps(x))
    }

    #[inline(always)]
    fn choose(mask: M, yes: Self, no: Self) -> Self {
        F(mask.0, mask.0.avx._mm256_blendv_ps(no.1, yes.1, mask.1))
    }

    #[inline(always)]
    fn without(self, mask: M) -> Self {
        F(self.0, self.0.avx._mm256_andnot_ps(mask.1, self.1))
    }
}

impl Ints for I {
    type Floats = F;
    type Mask = M;
    type Doubles = D;

    methods! {
        fn plus(v, a, b) -> I = v.avx2._mm256_add_epi32(a, b);
        fn minus(v, a, b) -> I = v.avx2._mm256_sub_epi32(a, b);
        fn times(v, a, b) -> I = v.avx2._mm256_mullo_epi32(a, b);
        fn magnitude(v, a) -> I = v.avx2._mm256_abs_epi32(a);
        fn lt_signed(v, a, b) -> M =
            v.avx._mm256_castsi256_ps(v.avx2._mm256_cmpgt_epi32(b, a));
        fn eq(v, a, b) -> M = v.avx._mm256_castsi256_ps(v.avx2._mm256_cmpeq_epi32(a, b));
        fn as_floats(v, a) -> F = v.avx._mm256_castsi256_ps(a);
        fn to_floats(v, a) -> F = v.avx._mm256_cvtepi32_ps(a);
        fn to_doubles(v, a) -> D = {
            let high = v.avx2._mm256_extracti128_si256::<1>(a);
            let low = v.avx._mm256_castsi256_si128(a);
            [v.avx._mm256_cvtepi32_pd(low), v.avx._mm256_cvtepi32_pd(high)]
        };
    }

    #[inline(always)]
    fn like(self, x: u32) -> Self {
        I(self.0, self.0.avx._mm256_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn up(self, bits: u32) -> Self {
        let count = self.0.sse2._mm_cvtsi32_si128(bits as i32);
        I(self.0, self.0.avx2._mm256_sll_epi32(self.1, count))
    }

    #[inline(always)]
    fn down(self, bits: u32) -> Self {
        let count = self.0.sse2._mm_cvtsi32_si128(bits as i32);
        I(self.0, self.0.avx2._mm256_srl_epi32(self.1, count))
    }

    #[inline(always)]
    fn down_signed(self, bits: u32) -> Self {
        let count = self.0.sse2._mm_cvtsi32_si128(bits as i32);
        I(self.0, self.0.avx2._mm256_sra_epi32(self.1, count))
    }

    #[inline(always)]
    fn choose(mask: M, yes: Self, no: Self) -> Self {
        let v = mask.0;
        let mask = v.avx._mm256_castps_si256(mask.1);
        I(v, v.avx2._mm256_blendv_epi8(no.1, yes.1, mask))
    }
}

impl core::ops::BitAnd for M {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        M(self.0, self.0.avx._mm256_and_ps(self.1, other.1))
    }
}

impl core::ops::BitOr for M {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        M(self.0, self.0.avx._mm256_or_ps(self.1, other.1))
    }
}

impl core::ops::Not for M {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        M(self.0, self.0.avx._mm256_xor_ps(self.1, ones(self.0)))
    }
}

impl Mask for M {
    const WIDTH: u32 = 8;

    #[inline(always)]
    fn channels(self) -> u32 {
        self.0.avx._mm256_movemask_ps(self.1) as u32
    }

    #[inline(always)]
    fn any(self) -> bool {
        self.0.avx._mm256_movemask_ps(self.1) != 0
    }

    #[inline(always)]
    fn all(self) -> bool {
        self.0.avx._mm256_movemask_ps(self.1) == 0xff
    }
}

impl core::ops::BitAnd for N {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        let v = self.0;
        N(v, both!(v.avx._mm256_and_pd(self.1, other.1)))
    }
}

impl core::ops::BitOr for N {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        let v = self.0;
        N(v, both!(v.avx._mm256_or_pd(self.1, other.1)))
    }
}

impl core::ops::Not for N {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        let v = self.0;
        let ones = v.avx._mm256_castps_pd(ones(v));
        N(v, both!(v.avx._mm256_xor_pd(self.1, [ones, ones])))
    }
}

impl Mask for N {
    const WIDTH: u32 = 8;

    #[inline(always)]
    fn channels(self) -> u32 {
        let (v, [a, b]) = (self.0, self.1);
        (v.avx._mm256_movemask_pd(a) | v.avx._mm256_movemask_pd(b) << 4) as u32
    }

    #[inline(always)]
    fn any(self) -> bool {
        let (v, [a, b]) = (self.0, self.1);
        v.avx._mm256_movemask_pd(v.avx._mm256_or_pd(a, b)) != 0
    }

    #[inline(always)]
    fn all(self) -> bool {
        let (v, [a, b]) = (self.0, self.1);
        v.avx._mm256_movemask_pd(v.avx._mm256_and_pd(a, b)) == 0b1111
    }
}

impl Doubles for D {
    type Floats = F;
    type Ints = I;
    type Mask = N;

    methods! {
        fn within(v, a, least, most) -> D = {
            let held = both!(v.avx._mm256_max_pd(least, a));
            both!(v.avx._mm256_min_pd(most, held))
        };
        fn magnitude(v, a) -> D =
            both!(v.avx._mm256_andnot_pd([v.avx._mm256_set1_pd(-0.0); 2], a));
        fn root(v, a) -> D = [v.avx._mm256_sqrt_pd(a[0]), v.avx._mm256_sqrt_pd(a[1])];
        fn lt(v, a, b) -> N = both!(v.avx._mm256_cmp_pd::<_CMP_LT_OQ>(a, b));
        fn eq(v, a, b) -> N = both!(v.avx._mm256_cmp_pd::<_CMP_EQ_OQ>(a, b));
        fn to_floats(v, a) -> F = {
            let [low, high] = [v.avx._mm256_cvtpd_ps(a[0]), v.avx._mm256_cvtpd_ps(a[1])];
            v.avx._mm256_insertf128_ps::<1>(v.avx._mm256_castps128_ps256(low), high)
        };
        fn low_bits(v, a) -> I = {
            let (low, high) = (v.avx._mm256_castpd_ps(a[0]), v.avx._mm256_castpd_ps(a[1]));
            let mixed = v.avx._mm256_shuffle_ps::<0b10_00_10_00>(low, high);
            v.avx2._mm256_permute4x64_epi64::<0b11_01_10_00>(v.avx._mm256_castps_si256(mixed))
        };
        fn to_ints_within(v, a) -> I = {
            let [low, high] = [v.avx._mm256_cvttpd_epi32(a[0]), v.avx._mm256_cvttpd_epi32(a[1])];
            v.avx2._mm256_inserti128_si256::<1>(v.avx._mm256_castsi128_si256(low), high)
        };
    }

    #[inline(always)]
    fn like(self, x: f64) -> Self {
        D(self.0, [self.0.avx._mm256_set1_pd(x); 2])
    }

    #[inline(always)]
    fn choose(mask: N, yes: Self, no: Self) -> Self {
        let (v, [m0, m1]) = (mask.0, mask.1);
        let ([a0, a1], [b0, b1]) = (yes.1, no.1);
        D(v, [v.avx._mm256_blendv_pd(b0, a0, m0), v.avx._mm256_blendv_pd(b1, a1, m1)])
    }
}

impl Lanes<8> for V3 {
    type Floats = F;
    type Ints = I;
    type Mask = M;
    type Doubles = D;

    #[inline(always)]
    fn load(self, frame: &[f32; 8]) -> F {
        F(self, pulp::cast(*frame))
    }

    #[inline(always)]
    fn store(self, x: F, frame: &mut [f32; 8]) {
        *frame = pulp::cast(x.1);
    }

    #[inline(always)]
    fn all(self, x: f32) -> F {
        F(self, self.avx._mm256_set1_ps(x))
    }

    #[inline(always)]
    fn fused(self, a: F, b: F, c: F) -> F {
        F(self, self.fma._mm256_fmadd_ps(a.1, b.1, c.1))
    }

    #[inline(always)]
    fn load_ints(self, frame: &[u32; 8]) -> I {
        I(self, pulp::cast(*frame))
    }

    #[inline(always)]
    fn store_ints(self, x: I, frame: &mut [u32; 8]) {
        *frame = pulp::cast(x.1);
    }

    #[inline(always)]
    fn all_ints(self, x: u32) -> I {
        I(self, self.avx._mm256_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn load_doubles(self, frame: &[f64; 8]) -> D {
        D(self, pulp::cast(*frame))
    }

    #[inline(always)]
    fn store_doubles(self, x: D, frame: &mut [f64; 8]) {
        *frame = pulp::cast(x.1);
    }

    #[inline(always)]
    fn all_doubles(self, x: f64) -> D {
        D(self, [self.avx._mm256_set1_pd(x); 2])
    }
}

/// Both halves are the same.
impl Lanes<4> for V3 {
    type Floats = F;
    type Ints = I;
    type Mask = M;
    type Doubles = D;

    #[inline(always)]
    fn load(self, frame: &[f32; 4]) -> F {
        let half = pulp::cast(*frame);
        F(self, self.avx._mm256_set_m128(half, half))
    }

    #[inline(always)]
    fn store(self, x: F, frame: &mut [f32; 4]) {
        *frame = pulp::cast(self.avx._mm256_castps256_ps128(x.1));
    }

    #[inline(always)]
    fn all(self, x: f32) -> F {
        F(self, self.avx._mm256_set1_ps(x))
    }

    #[inline(always)]
    fn fused(self, a: F, b: F, c: F) -> F {
        F(self, self.fma._mm256_fmadd_ps(a.1, b.1, c.1))
    }

    #[inline(always)]
    fn load_ints(self, frame: &[u32; 4]) -> I {
        let half = pulp::cast(*frame);
        I(self, self.avx._mm256_set_m128i(half, half))
    }

    #[inline(always)]
    fn store_ints(self, x: I, frame: &mut [u32; 4]) {
        *frame = pulp::cast(self.avx._mm256_castsi256_si128(x.1));
    }

    #[inline(always)]
    fn all_ints(self, x: u32) -> I {
        I(self, self.avx._mm256_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn load_doubles(self, frame: &[f64; 4]) -> D {
        D(self, [pulp::cast(*frame); 2])
    }

    #[inline(always)]
    fn store_doubles(self, x: D, frame: &mut [f64; 4]) {
        *frame = pulp::cast(x.1[0]);
    }

    #[inline(always)]
    fn all_doubles(self, x: f64) -> D {
        D(self, [self.avx._mm256_set1_pd(x); 2])
    }
}

single!(V3, InHardware::fused);
doubled!(V3: 16 = 2 * 8);

impl super::Rows for V3 {
    #[inline(always)]
    fn load_rows(self, first: &[f32; 4], second: &[f32; 4]) -> F {
        let (first, second): (__m128, __m128) = (pulp::cast(*first), pulp::cast(*second));
        F(self, self.avx._mm256_insertf128_ps::<1>(self.avx._mm256_castps128_ps256(first), second))
    }

    #[inline(always)]
    fn columns(self, [a, b, c, d]: [F; 4]) -> [F; 4] {
        // Vectors of 256 bits are two of 128, but for what moves between them.
        let v = self.avx;
        let (ab_low, ab_high) = (v._mm256_unpacklo_ps(a.1, b.1), v._mm256_unpackhi_ps(a.1, b.1));
        let (cd_low, cd_high) = (v._mm256_unpacklo_ps(c.1, d.1), v._mm256_unpackhi_ps(c.1, d.1));
        [
            F(self, v._mm256_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low)),
            F(self, v._mm256_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low)),
            F(self, v._mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high)),
            F(self, v._mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high)),
        ]
    }
}
