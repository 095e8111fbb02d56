//! Twice as many channels as a register holds: two of them, or of pairs, beside each other.

use core::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

use super::{Doubles, Floats, Ints, Mask};

/// The first half of the channels, and the second.
#[derive(Clone, Copy)]
pub struct Pair<T>(pub T, pub T);

macro_rules! operators {
    ($($trait:ident::$name:ident),*) => {$(
        impl<T: $trait<Output = T>> $trait for Pair<T> {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                Self(self.0.$name(other.0), self.1.$name(other.1))
            }
        }
    )*};
    (with $one:ident: $($trait:ident::$name:ident),*) => {$(
        impl<T: $trait<$one, Output = T>> $trait<$one> for Pair<T> {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: $one) -> Self {
                Self(self.0.$name(other), self.1.$name(other))
            }
        }
    )*};
}

operators!(Add::add, Sub::sub, Mul::mul, Div::div, BitAnd::bitand, BitOr::bitor, BitXor::bitxor);
operators!(with f32: Add::add, Sub::sub, Mul::mul, Div::div);
operators!(with f64: Add::add, Sub::sub, Mul::mul, Div::div);
operators!(with u32: BitAnd::bitand, BitOr::bitor, BitXor::bitxor);

impl<T: Neg<Output = T>> Neg for Pair<T> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl<T: Not<Output = T>> Not for Pair<T> {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        Self(!self.0, !self.1)
    }
}

/// Methods that do to the pair what they do to each half.
macro_rules! halves {
    ($(fn $name:ident(self $(, $other:ident: $type:ty)*) -> $result:ty;)*) => {$(
        #[inline(always)]
        fn $name(self $(, $other: $type)*) -> $result {
            Pair(self.0.$name($($other.0),*), self.1.$name($($other.1),*))
        }
    )*};
    (of $one:ty) => {
        #[inline(always)]
        fn like(self, x: $one) -> Self {
            Pair(self.0.like(x), self.1.like(x))
        }

        #[inline(always)]
        fn choose(mask: Self::Mask, yes: Self, no: Self) -> Self {
            Pair(T::choose(mask.0, yes.0, no.0), T::choose(mask.1, yes.1, no.1))
        }
    };
}

impl<T: Floats> Floats for Pair<T> {
    type Ints = Pair<T::Ints>;
    type Mask = Pair<T::Mask>;
    type Doubles = Pair<T::Doubles>;

    #[inline(always)]
    fn without(self, mask: Self::Mask) -> Self {
        Pair(self.0.without(mask.0), self.1.without(mask.1))
    }

    halves!(of f32);
    halves! {
        fn at_least(self, other: Self) -> Self;
        fn at_most(self, other: Self) -> Self;
        fn within(self, least: Self, most: Self) -> Self;
        fn magnitude(self) -> Self;
        fn root(self) -> Self;
        fn lt(self, other: Self) -> Self::Mask;
        fn le(self, other: Self) -> Self::Mask;
        fn eq(self, other: Self) -> Self::Mask;
        fn bits(self) -> Self::Ints;
        fn to_ints(self) -> Self::Ints;
        fn to_ints_within(self) -> Self::Ints;
        fn to_doubles(self) -> Self::Doubles;
    }
}

impl<T: Ints> Ints for Pair<T> {
    type Floats = Pair<T::Floats>;
    type Mask = Pair<T::Mask>;
    type Doubles = Pair<T::Doubles>;

    halves!(of u32);
    halves! {
        fn plus(self, other: Self) -> Self;
        fn minus(self, other: Self) -> Self;
        fn times(self, other: Self) -> Self;
        fn magnitude(self) -> Self;
        fn lt_signed(self, other: Self) -> Self::Mask;
        fn eq(self, other: Self) -> Self::Mask;
        fn as_floats(self) -> Self::Floats;
        fn to_floats(self) -> Self::Floats;
        fn to_doubles(self) -> Self::Doubles;
    }

    #[inline(always)]
    fn up(self, bits: u32) -> Self {
        Pair(self.0.up(bits), self.1.up(bits))
    }

    #[inline(always)]
    fn down(self, bits: u32) -> Self {
        Pair(self.0.down(bits), self.1.down(bits))
    }

    #[inline(always)]
    fn down_signed(self, bits: u32) -> Self {
        Pair(self.0.down_signed(bits), self.1.down_signed(bits))
    }
}

impl<T: Mask> Mask for Pair<T> {
    const WIDTH: u32 = 2 * T::WIDTH;

    #[inline(always)]
    fn channels(self) -> u32 {
        self.0.channels() | self.1.channels() << T::WIDTH
    }

    #[inline(always)]
    fn any(self) -> bool {
        (self.0 | self.1).any()
    }

    #[inline(always)]
    fn all(self) -> bool {
        (self.0 & self.1).all()
    }
}

impl<T: Doubles> Doubles for Pair<T> {
    type Floats = Pair<T::Floats>;
    type Ints = Pair<T::Ints>;
    type Mask = Pair<T::Mask>;

    halves!(of f64);
    halves! {
        fn within(self, least: Self, most: Self) -> Self;
        fn magnitude(self) -> Self;
        fn root(self) -> Self;
        fn lt(self, other: Self) -> Self::Mask;
        fn eq(self, other: Self) -> Self::Mask;
        fn to_floats(self) -> Self::Floats;
        fn low_bits(self) -> Self::Ints;
        fn to_ints_within(self) -> Self::Ints;
    }
}

/// [`Lanes`](super::Lanes) of twice as many channels as the set has already.
macro_rules! doubled {
    ($set:ty: $all:literal = 2 * $half:literal) => {
        impl crate::lanes::Lanes<$all> for $set {
            type Floats = Pair<<Self as crate::lanes::Lanes<$half>>::Floats>;
            type Ints = Pair<<Self as crate::lanes::Lanes<$half>>::Ints>;
            type Mask = Pair<<Self as crate::lanes::Lanes<$half>>::Mask>;
            type Doubles = Pair<<Self as crate::lanes::Lanes<$half>>::Doubles>;

            crate::lanes::pair::doubled!(f32, Floats, load, store, all, $all, $half);
            crate::lanes::pair::doubled!(u32, Ints, load_ints, store_ints, all_ints, $all, $half);
            crate::lanes::pair::doubled!(
                f64,
                Doubles,
                load_doubles,
                store_doubles,
                all_doubles,
                $all,
                $half
            );

            #[inline(always)]
            fn fused(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
                Pair(
                    crate::lanes::Lanes::<$half>::fused(self, a.0, b.0, c.0),
                    crate::lanes::Lanes::<$half>::fused(self, a.1, b.1, c.1),
                )
            }
        }
    };
    ($one:ty, $type:ident, $load:ident, $store:ident, $same:ident, $all:literal, $half:literal) => {
        #[inline(always)]
        fn $load(self, frame: &[$one; $all]) -> Self::$type {
            let (halves, _) = frame.as_chunks::<$half>();
            Pair(
                crate::lanes::Lanes::<$half>::$load(self, &halves[0]),
                crate::lanes::Lanes::<$half>::$load(self, &halves[1]),
            )
        }

        #[inline(always)]
        fn $store(self, x: Self::$type, frame: &mut [$one; $all]) {
            let (halves, _) = frame.as_chunks_mut::<$half>();
            crate::lanes::Lanes::<$half>::$store(self, x.0, &mut halves[0]);
            crate::lanes::Lanes::<$half>::$store(self, x.1, &mut halves[1]);
        }

        #[inline(always)]
        fn $same(self, x: $one) -> Self::$type {
            let half = crate::lanes::Lanes::<$half>::$same(self, x);
            Pair(half, half)
        }
    };
}

pub(crate) use doubled;
