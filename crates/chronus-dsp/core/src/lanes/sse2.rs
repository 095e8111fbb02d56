//! SSE2: four channels a register, on every x86-64.

use core::arch::x86_64::{__m128, __m128d, __m128i};

use super::pair::Pair;
use super::{Doubles, Floats, Ints, Lanes, Mask, V1, methods, operators};

/// Four floats.
#[derive(Clone, Copy)]
pub struct F(V1, __m128);
/// Four whole numbers.
#[derive(Clone, Copy)]
pub struct I(V1, __m128i);
/// Four answers: all bits, or none.
#[derive(Clone, Copy)]
pub struct M(V1, __m128i);
/// Four doubles.
#[derive(Clone, Copy)]
pub struct D(V1, [__m128d; 2]);
/// Four answers about doubles.
#[derive(Clone, Copy)]
pub struct N(V1, [__m128d; 2]);

#[inline(always)]
fn blend(v: V1, mask: __m128i, yes: __m128i, no: __m128i) -> __m128i {
    v.sse2._mm_or_si128(v.sse2._mm_and_si128(mask, yes), v.sse2._mm_andnot_si128(mask, no))
}

#[inline(always)]
fn mask_of(v: V1, answers: __m128) -> __m128i {
    v.sse2._mm_castps_si128(answers)
}

/// The same to both halves.
macro_rules! both {
    ($v:ident.$set:ident.$call:ident($a:expr, $b:expr)) => {{
        let ([a0, a1], [b0, b1]) = ($a, $b);
        [$v.$set.$call(a0, b0), $v.$set.$call(a1, b1)]
    }};
}

operators! { F of f32:
    Add::add = |v, a, b| v.sse._mm_add_ps(a, b);
    Sub::sub = |v, a, b| v.sse._mm_sub_ps(a, b);
    Mul::mul = |v, a, b| v.sse._mm_mul_ps(a, b);
    Div::div = |v, a, b| v.sse._mm_div_ps(a, b);
}
operators! { I of u32:
    BitAnd::bitand = |v, a, b| v.sse2._mm_and_si128(a, b);
    BitOr::bitor = |v, a, b| v.sse2._mm_or_si128(a, b);
    BitXor::bitxor = |v, a, b| v.sse2._mm_xor_si128(a, b);
}
operators! { D of f64:
    Add::add = |v, a, b| both!(v.sse2._mm_add_pd(a, b));
    Sub::sub = |v, a, b| both!(v.sse2._mm_sub_pd(a, b));
    Mul::mul = |v, a, b| both!(v.sse2._mm_mul_pd(a, b));
    Div::div = |v, a, b| both!(v.sse2._mm_div_pd(a, b));
}

impl core::ops::Neg for F {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        let v = self.0;
        F(v, v.sse._mm_xor_ps(self.1, v.sse._mm_set1_ps(-0.0)))
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
        fn at_least(v, a, b) -> F = v.sse._mm_max_ps(a, b);
        fn at_most(v, a, b) -> F = v.sse._mm_min_ps(a, b);
        fn within(v, a, least, most) -> F = v.sse._mm_min_ps(most, v.sse._mm_max_ps(least, a));
        fn magnitude(v, a) -> F = v.sse._mm_andnot_ps(v.sse._mm_set1_ps(-0.0), a);
        fn root(v, a) -> F = v.sse._mm_sqrt_ps(a);
        fn lt(v, a, b) -> M = mask_of(v, v.sse._mm_cmplt_ps(a, b));
        fn le(v, a, b) -> M = mask_of(v, v.sse._mm_cmple_ps(a, b));
        fn eq(v, a, b) -> M = mask_of(v, v.sse._mm_cmpeq_ps(a, b));
        fn bits(v, a) -> I = v.sse2._mm_castps_si128(a);
        fn to_ints_within(v, a) -> I = v.sse2._mm_cvttps_epi32(a);
        fn to_ints(v, a) -> I = {
            // What is too large becomes the least number, whose bits are then turned over.
            let is_over = mask_of(v, v.sse._mm_cmpge_ps(a, v.sse._mm_set1_ps(2_147_483_648.0)));
            let is_number = mask_of(v, v.sse._mm_cmpord_ps(a, a));
            v.sse2._mm_and_si128(v.sse2._mm_xor_si128(v.sse2._mm_cvttps_epi32(a), is_over), is_number)
        };
        fn to_doubles(v, a) -> D = [v.sse2._mm_cvtps_pd(a), v.sse2._mm_cvtps_pd(v.sse._mm_movehl_ps(a, a))];
    }

    #[inline(always)]
    fn like(self, x: f32) -> Self {
        let v = self.0;
        F(v, v.sse._mm_set1_ps(x))
    }

    #[inline(always)]
    fn choose(mask: M, yes: Self, no: Self) -> Self {
        let v = mask.0;
        let (yes, no) = (v.sse2._mm_castps_si128(yes.1), v.sse2._mm_castps_si128(no.1));
        F(v, v.sse2._mm_castsi128_ps(blend(v, mask.1, yes, no)))
    }

    #[inline(always)]
    fn without(self, mask: M) -> Self {
        let v = self.0;
        F(v, v.sse._mm_andnot_ps(v.sse2._mm_castsi128_ps(mask.1), self.1))
    }
}

impl Ints for I {
    type Floats = F;
    type Mask = M;
    type Doubles = D;

    methods! {
        fn plus(v, a, b) -> I = v.sse2._mm_add_epi32(a, b);
        fn minus(v, a, b) -> I = v.sse2._mm_sub_epi32(a, b);
        fn times(v, a, b) -> I = {
            // Only every second can be multiplied at once.
            let evens = v.sse2._mm_mul_epu32(a, b);
            let odds = v.sse2._mm_mul_epu32(v.sse2._mm_srli_si128::<4>(a), v.sse2._mm_srli_si128::<4>(b));
            let (evens, odds) =
                (v.sse2._mm_shuffle_epi32::<0b00_00_10_00>(evens), v.sse2._mm_shuffle_epi32::<0b00_00_10_00>(odds));
            v.sse2._mm_unpacklo_epi32(evens, odds)
        };
        fn magnitude(v, a) -> I = {
            let sign = v.sse2._mm_srai_epi32::<31>(a);
            v.sse2._mm_sub_epi32(v.sse2._mm_xor_si128(a, sign), sign)
        };
        fn lt_signed(v, a, b) -> M = v.sse2._mm_cmplt_epi32(a, b);
        fn eq(v, a, b) -> M = v.sse2._mm_cmpeq_epi32(a, b);
        fn as_floats(v, a) -> F = v.sse2._mm_castsi128_ps(a);
        fn to_floats(v, a) -> F = v.sse2._mm_cvtepi32_ps(a);
        fn to_doubles(v, a) -> D =
            [v.sse2._mm_cvtepi32_pd(a), v.sse2._mm_cvtepi32_pd(v.sse2._mm_unpackhi_epi64(a, a))];
    }

    #[inline(always)]
    fn like(self, x: u32) -> Self {
        let v = self.0;
        I(v, v.sse2._mm_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn up(self, bits: u32) -> Self {
        let v = self.0;
        I(v, v.sse2._mm_sll_epi32(self.1, v.sse2._mm_cvtsi32_si128(bits as i32)))
    }

    #[inline(always)]
    fn down(self, bits: u32) -> Self {
        let v = self.0;
        I(v, v.sse2._mm_srl_epi32(self.1, v.sse2._mm_cvtsi32_si128(bits as i32)))
    }

    #[inline(always)]
    fn down_signed(self, bits: u32) -> Self {
        let v = self.0;
        I(v, v.sse2._mm_sra_epi32(self.1, v.sse2._mm_cvtsi32_si128(bits as i32)))
    }

    #[inline(always)]
    fn choose(mask: M, yes: Self, no: Self) -> Self {
        let v = mask.0;
        I(v, blend(v, mask.1, yes.1, no.1))
    }
}

impl core::ops::BitAnd for M {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        let v = self.0;
        M(v, v.sse2._mm_and_si128(self.1, other.1))
    }
}

impl core::ops::BitOr for M {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        let v = self.0;
        M(v, v.sse2._mm_or_si128(self.1, other.1))
    }
}

impl core::ops::Not for M {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        let v = self.0;
        M(v, v.sse2._mm_xor_si128(self.1, v.sse2._mm_set1_epi32(-1)))
    }
}

impl Mask for M {
    const WIDTH: u32 = 4;

    #[inline(always)]
    fn channels(self) -> u32 {
        let v = self.0;
        v.sse._mm_movemask_ps(v.sse2._mm_castsi128_ps(self.1)) as u32
    }

    #[inline(always)]
    fn any(self) -> bool {
        let v = self.0;
        v.sse._mm_movemask_ps(v.sse2._mm_castsi128_ps(self.1)) != 0
    }

    #[inline(always)]
    fn all(self) -> bool {
        let v = self.0;
        v.sse._mm_movemask_ps(v.sse2._mm_castsi128_ps(self.1)) == 0b1111
    }
}

impl core::ops::BitAnd for N {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        let v = self.0;
        N(v, both!(v.sse2._mm_and_pd(self.1, other.1)))
    }
}

impl core::ops::BitOr for N {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        let v = self.0;
        N(v, both!(v.sse2._mm_or_pd(self.1, other.1)))
    }
}

impl core::ops::Not for N {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        let v = self.0;
        let ones = v.sse2._mm_castsi128_pd(v.sse2._mm_set1_epi32(-1));
        N(v, both!(v.sse2._mm_xor_pd(self.1, [ones, ones])))
    }
}

impl Mask for N {
    const WIDTH: u32 = 4;

    #[inline(always)]
    fn channels(self) -> u32 {
        let v = self.0;
        let [a, b] = self.1;
        (v.sse2._mm_movemask_pd(a) | v.sse2._mm_movemask_pd(b) << 2) as u32
    }

    #[inline(always)]
    fn any(self) -> bool {
        let v = self.0;
        let [a, b] = self.1;
        v.sse2._mm_movemask_pd(v.sse2._mm_or_pd(a, b)) != 0
    }

    #[inline(always)]
    fn all(self) -> bool {
        let v = self.0;
        let [a, b] = self.1;
        v.sse2._mm_movemask_pd(v.sse2._mm_and_pd(a, b)) == 0b11
    }
}

impl Doubles for D {
    type Floats = F;
    type Ints = I;
    type Mask = N;

    methods! {
        fn within(v, a, least, most) -> D = {
            let held = both!(v.sse2._mm_max_pd(least, a));
            both!(v.sse2._mm_min_pd(most, held))
        };
        fn magnitude(v, a) -> D = both!(v.sse2._mm_andnot_pd([v.sse2._mm_set1_pd(-0.0); 2], a));
        fn root(v, a) -> D = [v.sse2._mm_sqrt_pd(a[0]), v.sse2._mm_sqrt_pd(a[1])];
        fn lt(v, a, b) -> N = both!(v.sse2._mm_cmplt_pd(a, b));
        fn eq(v, a, b) -> N = both!(v.sse2._mm_cmpeq_pd(a, b));
        fn to_floats(v, a) -> F = v.sse._mm_movelh_ps(v.sse2._mm_cvtpd_ps(a[0]), v.sse2._mm_cvtpd_ps(a[1]));
        fn low_bits(v, a) -> I = {
            let (low, high) = (v.sse2._mm_castpd_ps(a[0]), v.sse2._mm_castpd_ps(a[1]));
            v.sse2._mm_castps_si128(v.sse._mm_shuffle_ps::<0b10_00_10_00>(low, high))
        };
        fn to_ints_within(v, a) -> I =
            v.sse2._mm_unpacklo_epi64(v.sse2._mm_cvttpd_epi32(a[0]), v.sse2._mm_cvttpd_epi32(a[1]));
    }

    #[inline(always)]
    fn like(self, x: f64) -> Self {
        let v = self.0;
        D(v, [v.sse2._mm_set1_pd(x); 2])
    }

    #[inline(always)]
    fn choose(mask: N, yes: Self, no: Self) -> Self {
        let v = mask.0;
        let yes = both!(v.sse2._mm_and_pd(mask.1, yes.1));
        let no = both!(v.sse2._mm_andnot_pd(mask.1, no.1));
        D(v, both!(v.sse2._mm_or_pd(yes, no)))
    }
}

/// As [`ByDoubles`](crate::fused::ByDoubles), four at once. It stays a call: a kernel fuses in many places, and the
/// machines that need this are old.
#[inline(never)]
fn fused_of_four([a, b, c]: [F; 3]) -> F {
    let (v, [a, b, c]) = (a.0, [a.to_doubles().1, b.to_doubles().1, c.to_doubles().1]);
    D(v, [fused(v, a[0], b[0], c[0]), fused(v, a[1], b[1], c[1])]).to_floats()
}

#[inline(always)]
fn fused(v: V1, a: __m128d, b: __m128d, c: __m128d) -> __m128d {
    let (one, zero) = (v.sse2._mm_set1_epi64x(1), v.sse2._mm_setzero_pd());
    let product = v.sse2._mm_mul_pd(a, b);
    let sum = v.sse2._mm_add_pd(product, c);
    let of_c = v.sse2._mm_sub_pd(sum, product);
    let lost = v.sse2._mm_add_pd(
        v.sse2._mm_sub_pd(product, v.sse2._mm_sub_pd(sum, of_c)),
        v.sse2._mm_sub_pd(c, of_c),
    );
    let bits = v.sse2._mm_castpd_si128(sum);
    let differ = v.sse2._mm_xor_pd(v.sse2._mm_cmpgt_pd(lost, zero), v.sse2._mm_cmpgt_pd(sum, zero));
    // 1 where both are positive or neither is, else -1.
    let away = v.sse2._mm_or_si128(v.sse2._mm_castpd_si128(differ), one);
    let is_between =
        v.sse2._mm_cmpgt_pd(v.sse2._mm_andnot_pd(v.sse2._mm_set1_pd(-0.0), lost), zero);
    // All bits where the last is 0.
    let is_even = v.sse2._mm_sub_epi64(v.sse2._mm_and_si128(bits, one), one);
    let change = v
        .sse2
        ._mm_and_si128(v.sse2._mm_and_si128(v.sse2._mm_castpd_si128(is_between), is_even), away);
    v.sse2._mm_castsi128_pd(v.sse2._mm_add_epi64(bits, change))
}

impl Lanes<4> for V1 {
    type Floats = F;
    type Ints = I;
    type Mask = M;
    type Doubles = D;

    #[inline(always)]
    fn load(self, frame: &[f32; 4]) -> F {
        let v = self;
        F(v, pulp::cast(*frame))
    }

    #[inline(always)]
    fn store(self, x: F, frame: &mut [f32; 4]) {
        *frame = pulp::cast(x.1);
    }

    #[inline(always)]
    fn all(self, x: f32) -> F {
        let v = self;
        F(v, v.sse._mm_set1_ps(x))
    }

    #[inline(always)]
    fn fused(self, a: F, b: F, c: F) -> F {
        fused_of_four([a, b, c])
    }

    #[inline(always)]
    fn load_ints(self, frame: &[u32; 4]) -> I {
        let v = self;
        I(v, pulp::cast(*frame))
    }

    #[inline(always)]
    fn store_ints(self, x: I, frame: &mut [u32; 4]) {
        *frame = pulp::cast(x.1);
    }

    #[inline(always)]
    fn all_ints(self, x: u32) -> I {
        let v = self;
        I(v, v.sse2._mm_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn load_doubles(self, frame: &[f64; 4]) -> D {
        let v = self;
        D(v, pulp::cast(*frame))
    }

    #[inline(always)]
    fn store_doubles(self, x: D, frame: &mut [f64; 4]) {
        *frame = pulp::cast(x.1);
    }

    #[inline(always)]
    fn all_doubles(self, x: f64) -> D {
        let v = self;
        D(v, [v.sse2._mm_set1_pd(x); 2])
    }
}

impl super::Rows for V1 {
    #[inline(always)]
    fn load_rows(self, first: &[f32; 4], second: &[f32; 4]) -> Pair<F> {
        Pair(Lanes::<4>::load(self, first), Lanes::<4>::load(self, second))
    }

    #[inline(always)]
    fn columns(self, [a, b, c, d]: [Pair<F>; 4]) -> [Pair<F>; 4] {
        let first = columns([a.0, b.0, c.0, d.0]);
        let second = columns([a.1, b.1, c.1, d.1]);
        [
            Pair(first[0], second[0]),
            Pair(first[1], second[1]),
            Pair(first[2], second[2]),
            Pair(first[3], second[3]),
        ]
    }
}

/// Rows as columns.
#[inline(always)]
fn columns([a, b, c, d]: [F; 4]) -> [F; 4] {
    let v = a.0;
    let (ab_low, ab_high) = (v.sse._mm_unpacklo_ps(a.1, b.1), v.sse._mm_unpackhi_ps(a.1, b.1));
    let (cd_low, cd_high) = (v.sse._mm_unpacklo_ps(c.1, d.1), v.sse._mm_unpackhi_ps(c.1, d.1));
    [
        F(v, v.sse._mm_movelh_ps(ab_low, cd_low)),
        F(v, v.sse._mm_movehl_ps(cd_low, ab_low)),
        F(v, v.sse._mm_movelh_ps(ab_high, cd_high)),
        F(v, v.sse._mm_movehl_ps(cd_high, ab_high)),
    ]
}
