//! What every processor of its family has, known when Chronus is built: SSE2, NEON, or nothing.

use pulp::{Arch, NullaryFnOnce};

use super::pair::{Pair, doubled};
use super::{Lanes, Set};
#[cfg(not(target_arch = "aarch64"))]
use crate::fused::ByDoubles;
use crate::fused::Fused;
#[cfg(target_arch = "aarch64")]
use crate::fused::InHardware;

/// The set of vectors that every processor of the family has.
#[cfg(target_arch = "x86_64")]
pub type Base = super::V1;

/// The set of vectors that every processor of the family has.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone, Copy, Debug)]
pub struct Base;

/// The proof of it.
///
/// # Panics
/// Never on the processors that Chronus is built for.
#[cfg(target_arch = "x86_64")]
pub fn base() -> Base {
    super::V1::try_new().expect("every x86-64 has SSE2")
}

/// The proof of it.
#[cfg(not(target_arch = "x86_64"))]
pub fn base() -> Base {
    Base
}

#[cfg(not(target_arch = "aarch64"))]
type Way = ByDoubles;
#[cfg(target_arch = "aarch64")]
type Way = InHardware;

impl Set for Base {
    type Rows = Self;

    #[inline(always)]
    fn rows(self) -> Self {
        self
    }

    fn of(_arch: Arch) -> Option<Self> {
        Some(base())
    }

    #[inline(always)]
    fn run<W: NullaryFnOnce>(self, work: W) -> W::Output {
        work.call()
    }
}

/// Lanes of one channel.
macro_rules! single {
    ($set:ty, $fused:path) => {
        impl Lanes<1> for $set {
            type Floats = f32;
            type Ints = u32;
            type Mask = bool;
            type Doubles = f64;

            crate::lanes::base::single!(f32, load, store, all);
            crate::lanes::base::single!(u32, load_ints, store_ints, all_ints);
            crate::lanes::base::single!(f64, load_doubles, store_doubles, all_doubles);

            #[inline(always)]
            fn fused(self, a: f32, b: f32, c: f32) -> f32 {
                $fused(a, b, c)
            }
        }
    };
    ($one:ty, $load:ident, $store:ident, $all:ident) => {
        #[inline(always)]
        fn $load(self, frame: &[$one; 1]) -> $one {
            frame[0]
        }

        #[inline(always)]
        fn $store(self, x: $one, frame: &mut [$one; 1]) {
            frame[0] = x;
        }

        #[inline(always)]
        fn $all(self, x: $one) -> $one {
            x
        }
    };
}

pub(crate) use single;

#[cfg(not(target_arch = "x86_64"))]
impl super::Rows for Base {}

single!(Base, Way::fused);
#[cfg(not(target_arch = "x86_64"))]
doubled!(Base: 2 = 2 * 1);
#[cfg(not(target_arch = "x86_64"))]
doubled!(Base: 4 = 2 * 2);
doubled!(Base: 8 = 2 * 4);
doubled!(Base: 16 = 2 * 8);
