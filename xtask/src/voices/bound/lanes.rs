//! Vectors of voices, one a lane, of exactly the width of a set of instructions. A kernel that is written over
//! these leaves the compiler no choice of how wide it computes.

use chronus_dsp::Vectors;
#[cfg(target_arch = "x86_64")]
use pulp::bytemuck::cast;

/// As many lanes as the widest set has.
pub const LANES_MAX: usize = 16;

/// A set of vector instructions, with or without fused arithmetic.
pub trait Lanes: Copy {
    /// A number for each lane.
    type F: Copy;
    /// A whole number for each lane. Phases are such, where 2^32 is one turn.
    type U: Copy;
    /// How many lanes there are.
    const COUNT: usize;
    /// Whether there are fast approximations.
    const IS_ROUGH: bool;

    /// Runs a kernel, compiled for these instructions.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;

    fn splat(self, value: f32) -> Self::F;
    /// The first [`COUNT`](Self::COUNT) numbers.
    fn load(self, numbers: &[f32]) -> Self::F;
    fn store(self, numbers: &mut [f32], lanes: Self::F);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once if the arithmetic is fused.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// `1 / sqrt(a)`, to some 12 bits where the set has a faster way than to divide; see [`IS_ROUGH`](Self::IS_ROUGH).
    fn rough_inverse_root(self, a: Self::F) -> Self::F;
    /// `1 / a`, as [`rough_inverse_root`](Self::rough_inverse_root).
    fn rough_inverse(self, a: Self::F) -> Self::F;

    /// `1 / sqrt(a)`, to some 22 bits at least: one step of Newton's method further, if it was rough.
    #[inline(always)]
    fn inverse_root(self, a: Self::F) -> Self::F {
        let rough = self.rough_inverse_root(a);
        if !Self::IS_ROUGH {
            return rough;
        }
        let half = self.mul(self.splat(0.5), self.mul(a, rough));
        self.mul(rough, self.sub(self.splat(1.5), self.mul(half, rough)))
    }

    fn load_phases(self, phases: &[u32]) -> Self::U;
    fn add_phases(self, a: Self::U, b: Self::U) -> Self::U;
    fn sub_phases(self, a: Self::U, b: Self::U) -> Self::U;
    /// As signed numbers.
    fn number_of(self, phase: Self::U) -> Self::F;
    /// The nearest whole number, which has 31 bits and a sign.
    fn phase_of(self, number: Self::F) -> Self::U;

    fn store_phases(self, phases: &mut [u32], lanes: Self::U);

    /// A number for each lane, computed one by one.
    #[inline(always)]
    fn each(self, mut of_lane: impl FnMut(usize) -> f32) -> Self::F {
        let mut numbers = [0.0; LANES_MAX];
        for lane in 0..Self::COUNT {
            numbers[lane] = of_lane(lane);
        }
        self.load(&numbers)
    }

    /// A phase for each lane, as [`each`](Self::each).
    #[inline(always)]
    fn each_phase(self, mut of_lane: impl FnMut(usize) -> u32) -> Self::U {
        let mut phases = [0; LANES_MAX];
        for lane in 0..Self::COUNT {
            phases[lane] = of_lane(lane);
        }
        self.load_phases(&phases)
    }
}

/// What is compiled for each set.
pub trait Kernel {
    type Output;

    fn call<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// Runs a kernel with this set, fused or not.
///
/// # Panics
/// If the machine does not have the set, or no fused arithmetic in it.
pub fn run<K: Kernel>(set: Vectors, fused: bool, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        use pulp::x86::{V1, V3, V4};
        const GONE: &str = "sets are asked for only where they are";
        match (set, fused) {
            (Vectors::Sse2, false) => Sse2::<false>(V1::try_new().expect(GONE)).run(kernel),
            (Vectors::Avx2, false) => Avx2::<false>(V3::try_new().expect(GONE)).run(kernel),
            (Vectors::Avx2, true) => Avx2::<true>(V3::try_new().expect(GONE)).run(kernel),
            (Vectors::Avx512, false) => Avx512::<false>(V4::try_new().expect(GONE)).run(kernel),
            (Vectors::Avx512, true) => Avx512::<true>(V4::try_new().expect(GONE)).run(kernel),
            _ => panic!("no bound is written for {set}"),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    if fused {
        Arrays::<true>(set.arch()).run(kernel)
    } else {
        Arrays::<false>(set.arch()).run(kernel)
    }
}

/// Runs a kernel inside what an architecture dispatches to.
struct Dispatched<L, K> {
    lanes: L,
    kernel: K,
}

impl<L: Lanes, K: Kernel> pulp::NullaryFnOnce for Dispatched<L, K> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.kernel.call(self.lanes)
    }
}

/// A set of x86: its name, the type of pulp that stands for it, how many lanes it has, the types of their numbers,
/// and what pulp calls the operations.
#[cfg(target_arch = "x86_64")]
macro_rules! x86 {
    (
        $set:ident, $token:ident, $count:literal, $f:ident, $u:ident,
        $splat:ident $add:ident $sub:ident $mul:ident $div:ident $sqrt:ident $abs:ident
        $add_phases:ident $sub_phases:ident $number_of:ident $phase_of:ident,
        |$self:ident, $a:ident, $b:ident, $c:ident| $mul_add:expr,
        $is_rough:literal, |$root_self:ident, $x:ident| $inverse_root:expr, $inverse:expr
    ) => {
        /// See [`Lanes`].
        #[derive(Clone, Copy)]
        struct $set<const FUSED: bool>(pulp::x86::$token);

        impl<const FUSED: bool> Lanes for $set<FUSED> {
            type F = pulp::$f;
            type U = pulp::$u;
            const COUNT: usize = $count;
            const IS_ROUGH: bool = $is_rough;

            #[inline(always)]
            fn run<K: Kernel>(self, kernel: K) -> K::Output {
                self.0.vectorize(Dispatched { lanes: self, kernel })
            }

            #[inline(always)]
            fn splat(self, value: f32) -> Self::F {
                self.0.$splat(value)
            }

            #[inline(always)]
            fn load(self, numbers: &[f32]) -> Self::F {
                cast(*numbers.first_chunk::<$count>().expect("a number for each lane"))
            }

            #[inline(always)]
            fn store(self, numbers: &mut [f32], lanes: Self::F) {
                *numbers.first_chunk_mut::<$count>().expect("a number for each lane") = cast(lanes);
            }

            #[inline(always)]
            fn add(self, a: Self::F, b: Self::F) -> Self::F {
                self.0.$add(a, b)
            }

            #[inline(always)]
            fn sub(self, a: Self::F, b: Self::F) -> Self::F {
                self.0.$sub(a, b)
            }

            #[inline(always)]
            fn mul(self, a: Self::F, b: Self::F) -> Self::F {
                self.0.$mul(a, b)
            }

            #[inline(always)]
            fn mul_add(self, $a: Self::F, $b: Self::F, $c: Self::F) -> Self::F {
                let $self = self.0;
                if FUSED { $mul_add } else { $self.$add($self.$mul($a, $b), $c) }
            }

            #[inline(always)]
            fn abs(self, a: Self::F) -> Self::F {
                self.0.$abs(a)
            }

            #[inline(always)]
            fn rough_inverse_root(self, $x: Self::F) -> Self::F {
                let $root_self = self;
                $inverse_root
            }

            #[inline(always)]
            fn rough_inverse(self, $x: Self::F) -> Self::F {
                let $root_self = self;
                $inverse
            }

            #[inline(always)]
            fn load_phases(self, phases: &[u32]) -> Self::U {
                cast(*phases.first_chunk::<$count>().expect("a phase for each lane"))
            }

            #[inline(always)]
            fn store_phases(self, phases: &mut [u32], lanes: Self::U) {
                *phases.first_chunk_mut::<$count>().expect("a phase for each lane") = cast(lanes);
            }

            #[inline(always)]
            fn add_phases(self, a: Self::U, b: Self::U) -> Self::U {
                self.0.$add_phases(a, b)
            }

            #[inline(always)]
            fn sub_phases(self, a: Self::U, b: Self::U) -> Self::U {
                self.0.$sub_phases(a, b)
            }

            #[inline(always)]
            fn number_of(self, phase: Self::U) -> Self::F {
                self.0.$number_of(cast(phase))
            }

            #[inline(always)]
            fn phase_of(self, number: Self::F) -> Self::U {
                cast(self.0.$phase_of(number))
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
x86!(
    Sse2, V1, 4, f32x4, u32x4,
    splat_f32x4 add_f32x4 sub_f32x4 mul_f32x4 div_f32x4 sqrt_f32x4 abs_f32x4
    wrapping_add_u32x4 wrapping_sub_u32x4 convert_i32x4_to_f32x4 convert_f32x4_to_i32x4,
    |v1, a, b, c| v1.add_f32x4(v1.mul_f32x4(a, b), c),
    false, |set, x| set.0.div_f32x4(set.splat(1.0), set.0.sqrt_f32x4(x)),
    set.0.div_f32x4(set.splat(1.0), x)
);
#[cfg(target_arch = "x86_64")]
x86!(
    Avx2, V3, 8, f32x8, u32x8,
    splat_f32x8 add_f32x8 sub_f32x8 mul_f32x8 div_f32x8 sqrt_f32x8 abs_f32x8
    wrapping_add_u32x8 wrapping_sub_u32x8 convert_i32x8_to_f32x8 convert_f32x8_to_i32x8,
    |v3, a, b, c| v3.mul_add_f32x8(a, b, c),
    true, |set, x| cast(set.0.avx._mm256_rsqrt_ps(cast(x))),
    cast(set.0.avx._mm256_rcp_ps(cast(x)))
);
#[cfg(target_arch = "x86_64")]
x86!(
    Avx512, V4, 16, f32x16, u32x16,
    splat_f32x16 add_f32x16 sub_f32x16 mul_f32x16 div_f32x16 sqrt_f32x16 abs_f32x16
    wrapping_add_u32x16 wrapping_sub_u32x16 convert_i32x16_to_f32x16 convert_f32x16_to_i32x16,
    |v4, a, b, c| v4.mul_add_f32x16(a, b, c),
    true, |set, x| cast(set.0.avx512f._mm512_rsqrt14_ps(cast(x))),
    cast(set.0.avx512f._mm512_rcp14_ps(cast(x)))
);

/// What other processors have: four numbers in a row, which the compiler knows how to put into a vector.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone, Copy)]
struct Arrays<const FUSED: bool>(pulp::Arch);

#[cfg(not(target_arch = "x86_64"))]
impl<const FUSED: bool> Lanes for Arrays<FUSED> {
    type F = [f32; 4];
    type U = [u32; 4];
    const COUNT: usize = 4;
    const IS_ROUGH: bool = false;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        self.0.dispatch(Dispatched { lanes: self, kernel })
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        [value; 4]
    }

    #[inline(always)]
    fn load(self, numbers: &[f32]) -> Self::F {
        *numbers.first_chunk().expect("a number for each lane")
    }

    #[inline(always)]
    fn store(self, numbers: &mut [f32], lanes: Self::F) {
        *numbers.first_chunk_mut().expect("a number for each lane") = lanes;
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        use chronus_dsp::fused::{Fused, InHardware};
        let one = |i: usize| {
            if FUSED { InHardware::fused(a[i], b[i], c[i]) } else { a[i] * b[i] + c[i] }
        };
        std::array::from_fn(one)
    }

    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        a.map(f32::abs)
    }

    #[inline(always)]
    fn rough_inverse_root(self, a: Self::F) -> Self::F {
        a.map(|a| 1.0 / a.sqrt())
    }

    #[inline(always)]
    fn rough_inverse(self, a: Self::F) -> Self::F {
        a.map(|a| 1.0 / a)
    }

    #[inline(always)]
    fn load_phases(self, phases: &[u32]) -> Self::U {
        *phases.first_chunk().expect("a phase for each lane")
    }

    #[inline(always)]
    fn store_phases(self, phases: &mut [u32], lanes: Self::U) {
        *phases.first_chunk_mut().expect("a phase for each lane") = lanes;
    }

    #[inline(always)]
    fn add_phases(self, a: Self::U, b: Self::U) -> Self::U {
        std::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }

    #[inline(always)]
    fn sub_phases(self, a: Self::U, b: Self::U) -> Self::U {
        std::array::from_fn(|i| a[i].wrapping_sub(b[i]))
    }

    #[inline(always)]
    fn number_of(self, phase: Self::U) -> Self::F {
        phase.map(|phase| phase as i32 as f32)
    }

    #[inline(always)]
    fn phase_of(self, number: Self::F) -> Self::U {
        number.map(|number| number as i32 as u32)
    }
}
