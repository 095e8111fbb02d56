//! AVX-512: sixteen channels a register. Fewer are left to AVX2, which such a machine has as well.

use core::arch::x86_64::*;

use super::{Doubles, Floats, Ints, Lanes, Mask, V4, methods, operators};

/// Sixteen floats.
#[derive(Clone, Copy)]
pub struct F(V4, __m512);
/// Sixteen whole numbers.
#[derive(Clone, Copy)]
pub struct I(V4, __m512i);
/// Sixteen answers, one bit each.
#[derive(Clone, Copy)]
pub struct M(V4, __mmask16);
/// Sixteen doubles.
#[derive(Clone, Copy)]
pub struct D(V4, [__m512d; 2]);
/// Sixteen answers about doubles.
#[derive(Clone, Copy)]
pub struct N(V4, [__mmask8; 2]);

/// The same to both halves.
macro_rules! both {
    ($v:ident.$set:ident.$call:ident $(::<$imm:tt>)? ($a:expr, $b:expr)) => {{
        let ([a0, a1], [b0, b1]) = ($a, $b);
        [$v.$set.$call $(::<$imm>)? (a0, b0), $v.$set.$call $(::<$imm>)? (a1, b1)]
    }};
}

operators! { F of f32:
    Add::add = |v, a, b| v.avx512f._mm512_add_ps(a, b);
    Sub::sub = |v, a, b| v.avx512f._mm512_sub_ps(a, b);
    Mul::mul = |v, a, b| v.avx512f._mm512_mul_ps(a, b);
    Div::div = |v, a, b| v.avx512f._mm512_div_ps(a, b);
}
operators! { I of u32:
    BitAnd::bitand = |v, a, b| v.avx512f._mm512_and_si512(a, b);
    BitOr::bitor = |v, a, b| v.avx512f._mm512_or_si512(a, b);
    BitXor::bitxor = |v, a, b| v.avx512f._mm512_xor_si512(a, b);
}
operators! { D of f64:
    Add::add = |v, a, b| both!(v.avx512f._mm512_add_pd(a, b));
    Sub::sub = |v, a, b| both!(v.avx512f._mm512_sub_pd(a, b));
    Mul::mul = |v, a, b| both!(v.avx512f._mm512_mul_pd(a, b));
    Div::div = |v, a, b| both!(v.avx512f._mm512_div_pd(a, b));
}

impl core::ops::Neg for F {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        let v = self.0;
        F(v, v.avx512dq._mm512_xor_ps(self.1, v.avx512f._mm512_set1_ps(-0.0)))
    }
}

impl core::ops::Not for I {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        self ^ u32::MAX
    }
}

impl Floats for F {
    type Ints = I;
    type Mask = M;
    type Doubles = D;

    methods! {
        fn at_least(v, a, b) -> F = v.avx512f._mm512_max_ps(a, b);
        fn at_most(v, a, b) -> F = v.avx512f._mm512_min_ps(a, b);
        fn within(v, a, least, most) -> F =
            v.avx512f._mm512_min_ps(most, v.avx512f._mm512_max_ps(least, a));
        fn magnitude(v, a) -> F = v.avx512f._mm512_abs_ps(a);
        fn root(v, a) -> F = v.avx512f._mm512_sqrt_ps(a);
        fn lt(v, a, b) -> M = v.avx512f._mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b);
        fn le(v, a, b) -> M = v.avx512f._mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b);
        fn eq(v, a, b) -> M = v.avx512f._mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b);
        fn bits(v, a) -> I = v.avx512f._mm512_castps_si512(a);
        fn to_ints_within(v, a) -> I = v.avx512f._mm512_cvttps_epi32(a);
        fn to_ints(v, a) -> I = {
            let most = v.avx512f._mm512_set1_ps(2_147_483_648.0);
            let is_over = v.avx512f._mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, most);
            let is_number = v.avx512f._mm512_cmp_ps_mask::<_CMP_ORD_Q>(a, a);
            let (whole, most) =
                (v.avx512f._mm512_cvttps_epi32(a), v.avx512f._mm512_set1_epi32(i32::MAX));
            let held = v.avx512f._mm512_mask_blend_epi32(is_over, whole, most);
            v.avx512f._mm512_maskz_mov_epi32(is_number, held)
        };
        fn to_doubles(v, a) -> D = {
            let low = v.avx512f._mm512_castps512_ps256(a);
            let high = v.avx512dq._mm512_extractf32x8_ps::<1>(a);
            [v.avx512f._mm512_cvtps_pd(low), v.avx512f._mm512_cvtps_pd(high)]
        };
    }

    #[inline(always)]
    fn like(self, x: f32) -> Self {
        F(self.0, self.0.avx512f._mm512_set1_ps(x))
    }

    #[inline(always)]
    fn choose(mask: M, yes: Self, no: Self) -> Self {
        F(mask.0, mask.0.avx512f._mm512_mask_blend_ps(mask.1, no.1, yes.1))
    }

    #[inline(always)]
    fn without(self, mask: M) -> Self {
        let v = self.0;
        F(v, v.avx512f._mm512_maskz_mov_ps(!mask.1, self.1))
    }
}

impl Ints for I {
    type Floats = F;
    type Mask = M;
    type Doubles = D;

    methods! {
        fn plus(v, a, b) -> I = v.avx512f._mm512_add_epi32(a, b);
        fn minus(v, a, b) -> I = v.avx512f._mm512_sub_epi32(a, b);
        fn times(v, a, b) -> I = v.avx512f._mm512_mullo_epi32(a, b);
        fn magnitude(v, a) -> I = v.avx512f._mm512_abs_epi32(a);
        fn lt_signed(v, a, b) -> M = v.avx512f._mm512_cmplt_epi32_mask(a, b);
        fn eq(v, a, b) -> M = v.avx512f._mm512_cmpeq_epi32_mask(a, b);
        fn as_floats(v, a) -> F = v.avx512f._mm512_castsi512_ps(a);
        fn to_floats(v, a) -> F = v.avx512f._mm512_cvtepi32_ps(a);
        fn to_doubles(v, a) -> D = {
            let low = v.avx512f._mm512_castsi512_si256(a);
            let high = v.avx512f._mm512_extracti64x4_epi64::<1>(a);
            [v.avx512f._mm512_cvtepi32_pd(low), v.avx512f._mm512_cvtepi32_pd(high)]
        };
    }

    #[inline(always)]
    fn like(self, x: u32) -> Self {
        I(self.0, self.0.avx512f._mm512_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn up(self, bits: u32) -> Self {
        let count = self.0.sse2._mm_cvtsi32_si128(bits as i32);
        I(self.0, self.0.avx512f._mm512_sll_epi32(self.1, count))
    }

    #[inline(always)]
    fn down(self, bits: u32) -> Self {
        let count = self.0.sse2._mm_cvtsi32_si128(bits as i32);
        I(self.0, self.0.avx512f._mm512_srl_epi32(self.1, count))
    }

    #[inline(always)]
    fn down_signed(self, bits: u32) -> Self {
        let count = self.0.sse2._mm_cvtsi32_si128(bits as i32);
        I(self.0, self.0.avx512f._mm512_sra_epi32(self.1, count))
    }

    #[inline(always)]
    fn choose(mask: M, yes: Self, no: Self) -> Self {
        I(mask.0, mask.0.avx512f._mm512_mask_blend_epi32(mask.1, no.1, yes.1))
    }
}

impl core::ops::BitAnd for M {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        M(self.0, self.1 & other.1)
    }
}

impl core::ops::BitOr for M {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        M(self.0, self.1 | other.1)
    }
}

impl core::ops::Not for M {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        M(self.0, !self.1)
    }
}

impl Mask for M {
    const WIDTH: u32 = 16;

    #[inline(always)]
    fn channels(self) -> u32 {
        u32::from(self.1)
    }

    #[inline(always)]
    fn any(self) -> bool {
        self.1 != 0
    }

    #[inline(always)]
    fn all(self) -> bool {
        self.1 == __mmask16::MAX
    }
}

impl core::ops::BitAnd for N {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        N(self.0, [self.1[0] & other.1[0], self.1[1] & other.1[1]])
    }
}

impl core::ops::BitOr for N {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        N(self.0, [self.1[0] | other.1[0], self.1[1] | other.1[1]])
    }
}

impl core::ops::Not for N {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        N(self.0, [!self.1[0], !self.1[1]])
    }
}

impl Mask for N {
    const WIDTH: u32 = 16;

    #[inline(always)]
    fn channels(self) -> u32 {
        u32::from(self.1[0]) | u32::from(self.1[1]) << 8
    }

    #[inline(always)]
    fn any(self) -> bool {
        self.1[0] | self.1[1] != 0
    }

    #[inline(always)]
    fn all(self) -> bool {
        self.1[0] & self.1[1] == __mmask8::MAX
    }
}

impl Doubles for D {
    type Floats = F;
    type Ints = I;
    type Mask = N;

    methods! {
        fn within(v, a, least, most) -> D = {
            let held = both!(v.avx512f._mm512_max_pd(least, a));
            both!(v.avx512f._mm512_min_pd(most, held))
        };
        fn magnitude(v, a) -> D =
            [v.avx512f._mm512_abs_pd(a[0]), v.avx512f._mm512_abs_pd(a[1])];
        fn root(v, a) -> D =
            [v.avx512f._mm512_sqrt_pd(a[0]), v.avx512f._mm512_sqrt_pd(a[1])];
        fn lt(v, a, b) -> N = both!(v.avx512f._mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b));
        fn eq(v, a, b) -> N = both!(v.avx512f._mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b));
        fn to_floats(v, a) -> F = {
            let [low, high] = [v.avx512f._mm512_cvtpd_ps(a[0]), v.avx512f._mm512_cvtpd_ps(a[1])];
            v.avx512dq._mm512_insertf32x8::<1>(v.avx512f._mm512_castps256_ps512(low), high)
        };
        fn low_bits(v, a) -> I = {
            let [low, high] = a.map(
                #[inline(always)]
                |half| v.avx512f._mm512_cvtepi64_epi32(v.avx512f._mm512_castpd_si512(half)),
            );
            v.avx512f._mm512_inserti64x4::<1>(v.avx512f._mm512_castsi256_si512(low), high)
        };
        fn to_ints_within(v, a) -> I = {
            let [low, high] =
                [v.avx512f._mm512_cvttpd_epi32(a[0]), v.avx512f._mm512_cvttpd_epi32(a[1])];
            v.avx512f._mm512_inserti64x4::<1>(v.avx512f._mm512_castsi256_si512(low), high)
        };
    }

    #[inline(always)]
    fn like(self, x: f64) -> Self {
        D(self.0, [self.0.avx512f._mm512_set1_pd(x); 2])
    }

    #[inline(always)]
    fn choose(mask: N, yes: Self, no: Self) -> Self {
        let (v, [m0, m1]) = (mask.0, mask.1);
        let ([a0, a1], [b0, b1]) = (yes.1, no.1);
        let low = v.avx512f._mm512_mask_blend_pd(m0, b0, a0);
        D(v, [low, v.avx512f._mm512_mask_blend_pd(m1, b1, a1)])
    }
}

impl Lanes<16> for V4 {
    type Floats = F;
    type Ints = I;
    type Mask = M;
    type Doubles = D;

    #[inline(always)]
    fn load(self, frame: &[f32; 16]) -> F {
        F(self, pulp::cast(*frame))
    }

    #[inline(always)]
    fn store(self, x: F, frame: &mut [f32; 16]) {
        *frame = pulp::cast(x.1);
    }

    #[inline(always)]
    fn all(self, x: f32) -> F {
        F(self, self.avx512f._mm512_set1_ps(x))
    }

    #[inline(always)]
    fn fused(self, a: F, b: F, c: F) -> F {
        F(self, self.avx512f._mm512_fmadd_ps(a.1, b.1, c.1))
    }

    #[inline(always)]
    fn load_ints(self, frame: &[u32; 16]) -> I {
        I(self, pulp::cast(*frame))
    }

    #[inline(always)]
    fn store_ints(self, x: I, frame: &mut [u32; 16]) {
        *frame = pulp::cast(x.1);
    }

    #[inline(always)]
    fn all_ints(self, x: u32) -> I {
        I(self, self.avx512f._mm512_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn load_doubles(self, frame: &[f64; 16]) -> D {
        D(self, pulp::cast(*frame))
    }

    #[inline(always)]
    fn store_doubles(self, x: D, frame: &mut [f64; 16]) {
        *frame = pulp::cast(x.1);
    }

    #[inline(always)]
    fn all_doubles(self, x: f64) -> D {
        D(self, [self.avx512f._mm512_set1_pd(x); 2])
    }
}
