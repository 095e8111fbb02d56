//! A frame of all channels as one vector, whatever the machine calls it: what kernels are written with.
//!
//! A kernel is generic over its number of channels and over [`Lanes`], a proof that the machine has a certain set of
//! vectors. Through it frames are loaded ([`Lanes::load`]), computed with ([`Floats`], [`Ints`], [`Doubles`]) and stored.
//! So it is the kernel that says what is computed beside what: a loop over `[f32; 16]` leaves that to the compiler,
//! which now and then joins several frames and turns them inside out.
//!
//! All sets give the same bits, but for which NaN it is: there is no operation here whose result may differ.

#![allow(
    clippy::return_self_not_must_use,
    clippy::wildcard_imports,
    reason = "all operations return what they compute; the names of intrinsics are long enough"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod base;
mod pair;
mod single;
#[cfg(target_arch = "x86_64")]
mod sse2;
#[cfg(test)]
mod tests;

use core::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

use pulp::{Arch, NullaryFnOnce};

pub use base::{Base, base};
#[cfg(target_arch = "x86_64")]
pub use pulp::x86::{V1, V3, V4};

/// A proof that the machine has a set of vectors, as what is compiled for it needs.
pub trait Set: Copy + Send + Sync + 'static {
    /// What reads tables with these vectors.
    type Rows: Rows;

    /// The proof of it.
    fn rows(self) -> Self::Rows;

    /// The proof, if what is dispatched through `arch` has this set.
    fn of(arch: Arch) -> Option<Self>;

    /// Calls what is inlined into it, compiled for this set.
    fn run<W: NullaryFnOnce>(self, work: W) -> W::Output;
}

#[cfg(target_arch = "x86_64")]
impl Set for V3 {
    type Rows = Self;

    #[inline(always)]
    fn rows(self) -> Self {
        self
    }

    fn of(arch: Arch) -> Option<Self> {
        match arch {
            Arch::V3(v3) => Some(v3),
            Arch::V4(v4) => Some(*v4),
            _ => None,
        }
    }

    #[inline(always)]
    fn run<W: NullaryFnOnce>(self, work: W) -> W::Output {
        self.vectorize(work)
    }
}

#[cfg(target_arch = "x86_64")]
impl Set for V4 {
    type Rows = V3;

    #[inline(always)]
    fn rows(self) -> V3 {
        *self
    }

    fn of(arch: Arch) -> Option<Self> {
        match arch {
            Arch::V4(v4) => Some(v4),
            _ => None,
        }
    }

    #[inline(always)]
    fn run<W: NullaryFnOnce>(self, work: W) -> W::Output {
        self.vectorize(work)
    }
}

/// A way to compute with frames of `C` channels.
pub trait Lanes<const C: usize>: Set {
    /// A frame of samples.
    type Floats: Floats<Ints = Self::Ints, Mask = Self::Mask, Doubles = Self::Doubles>;
    /// A frame of whole numbers.
    type Ints: Ints<Floats = Self::Floats, Mask = Self::Mask, Doubles = Self::Doubles>;
    /// An answer for each channel.
    type Mask: Mask;
    /// A frame in double precision.
    type Doubles: Doubles<Floats = Self::Floats, Ints = Self::Ints>;

    /// A frame from memory.
    fn load(self, frame: &[f32; C]) -> Self::Floats;
    /// A frame into memory.
    fn store(self, x: Self::Floats, frame: &mut [f32; C]);
    /// The same in all channels.
    fn all(self, x: f32) -> Self::Floats;
    /// `a * b + c`, rounded once: one instruction where there is one, a slow way with the same bits elsewhere.
    fn fused(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// As [`load`](Self::load).
    fn load_ints(self, frame: &[u32; C]) -> Self::Ints;
    /// As [`store`](Self::store).
    fn store_ints(self, x: Self::Ints, frame: &mut [u32; C]);
    /// As [`all`](Self::all).
    fn all_ints(self, x: u32) -> Self::Ints;
    /// As [`load`](Self::load).
    fn load_doubles(self, frame: &[f64; C]) -> Self::Doubles;
    /// As [`store`](Self::store).
    fn store_doubles(self, x: Self::Doubles, frame: &mut [f64; C]);
    /// As [`all`](Self::all).
    fn all_doubles(self, x: f64) -> Self::Doubles;

    /// A frame as an array: for what is done channel by channel.
    #[inline(always)]
    fn array(self, x: Self::Floats) -> [f32; C] {
        let mut array = [0.0; C];
        self.store(x, &mut array);
        array
    }

    /// As [`array`](Self::array).
    #[inline(always)]
    fn array_of_ints(self, x: Self::Ints) -> [u32; C] {
        let mut array = [0; C];
        self.store_ints(x, &mut array);
        array
    }
}

/// Vectors of two rows of four samples, side by side: a table is read at two places at once, four samples in a row each.
pub trait Rows: Lanes<8> {
    /// Both rows.
    #[inline(always)]
    fn load_rows(self, first: &[f32; 4], second: &[f32; 4]) -> Self::Floats {
        let mut both = [0.0; 8];
        both[..4].copy_from_slice(first);
        both[4..].copy_from_slice(second);
        self.load(&both)
    }

    /// The first samples of all four first rows and those of all four second rows, then the second samples, and so on.
    #[inline(always)]
    fn columns(self, rows: [Self::Floats; 4]) -> [Self::Floats; 4] {
        let [a, b, c, d] = rows;
        let rows = [self.array(a), self.array(b), self.array(c), self.array(d)];
        let mut columns = [a; 4];
        for (tap, column) in columns.iter_mut().enumerate() {
            let mut samples = [0.0; 8];
            for (i, row) in rows.iter().enumerate() {
                (samples[i], samples[4 + i]) = (row[tap], row[4 + tap]);
            }
            *column = self.load(&samples);
        }
        columns
    }
}

/// Single-precision numbers, one per channel. Arithmetic rounds each operation, and with a number means that in all
/// channels.
pub trait Floats:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f32, Output = Self>
    + Sub<f32, Output = Self>
    + Mul<f32, Output = Self>
    + Div<f32, Output = Self>
    + Neg<Output = Self>
{
    /// See [`Lanes::Ints`].
    type Ints: Ints<Floats = Self, Mask = Self::Mask, Doubles = Self::Doubles>;
    /// See [`Lanes::Mask`].
    type Mask: Mask;
    /// See [`Lanes::Doubles`].
    type Doubles: Doubles<Floats = Self, Ints = Self::Ints>;

    /// This number in as many channels as `self` has.
    fn like(self, x: f32) -> Self;
    /// The greater one; `other` where they are equal or either is NaN.
    fn at_least(self, other: Self) -> Self;
    /// The lesser one; `other` where they are equal or either is NaN.
    fn at_most(self, other: Self) -> Self;
    /// Held between the two, as [`f32::clamp`] does: NaN stays.
    fn within(self, least: Self, most: Self) -> Self;
    /// Without its sign.
    fn magnitude(self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// Where it is less than the other; not where either is NaN, as with the next two.
    fn lt(self, other: Self) -> Self::Mask;
    /// Where it is less or equal.
    fn le(self, other: Self) -> Self::Mask;
    /// Where they are equal; -0 equals 0.
    fn eq(self, other: Self) -> Self::Mask;
    /// `yes` where the mask says so, else `no`.
    fn choose(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// 0 where the mask says so, else itself.
    fn without(self, mask: Self::Mask) -> Self;
    /// The bits, as [`f32::to_bits`].
    fn bits(self) -> Self::Ints;
    /// Without what is behind the point, as signed numbers: as `as i32`, so it saturates and NaN becomes 0.
    fn to_ints(self) -> Self::Ints;
    /// The same, faster, for what lies within -2^31 and 2^31 and is a number.
    fn to_ints_within(self) -> Self::Ints;
    /// In double precision.
    fn to_doubles(self) -> Self::Doubles;

    /// Where it is greater than the other; not where either is NaN.
    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }

    /// Held between two numbers: NaN stays.
    #[inline(always)]
    fn between(self, least: f32, most: f32) -> Self {
        self.within(self.like(least), self.like(most))
    }
}

/// Whole numbers of 32 bits, one per channel; whether they have a sign is a matter of the operation. They wrap around.
pub trait Ints:
    Copy
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + BitAnd<u32, Output = Self>
    + BitOr<u32, Output = Self>
    + BitXor<u32, Output = Self>
    + Not<Output = Self>
{
    /// See [`Lanes::Floats`].
    type Floats: Floats<Ints = Self, Mask = Self::Mask, Doubles = Self::Doubles>;
    /// See [`Lanes::Mask`].
    type Mask: Mask;
    /// See [`Lanes::Doubles`].
    type Doubles: Doubles<Ints = Self, Floats = Self::Floats>;

    /// This number in as many channels as `self` has.
    fn like(self, x: u32) -> Self;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The difference.
    fn minus(self, other: Self) -> Self;
    /// The lower half of the product.
    fn times(self, other: Self) -> Self;
    /// Shifted up by so many bits, less than 32.
    fn up(self, bits: u32) -> Self;
    /// Shifted down by so many bits, less than 32; zeros come in from above.
    fn down(self, bits: u32) -> Self;
    /// Shifted down as signed numbers.
    fn down_signed(self, bits: u32) -> Self;
    /// Signed numbers without their signs; the least stays as it is.
    fn magnitude(self) -> Self;
    /// Where it is less, as signed numbers.
    fn lt_signed(self, other: Self) -> Self::Mask;
    /// Where they are the same.
    fn eq(self, other: Self) -> Self::Mask;
    /// `yes` where the mask says so, else `no`.
    fn choose(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// The number with these bits, as [`f32::from_bits`].
    fn as_floats(self) -> Self::Floats;
    /// Signed numbers, rounded.
    fn to_floats(self) -> Self::Floats;
    /// Signed numbers, exactly.
    fn to_doubles(self) -> Self::Doubles;
}

/// Yes or no, one per channel.
pub trait Mask: Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> {
    /// Whether any channel says yes.
    fn any(self) -> bool;
    /// Whether all do.
    fn all(self) -> bool;
    /// Those that do, one bit each, the first channel lowest. Bits above those of the channels mean nothing.
    fn channels(self) -> u32;
    /// How many channels there are, those that mean nothing among them.
    const WIDTH: u32;
}

/// Double-precision numbers, one per channel.
pub trait Doubles:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// See [`Lanes::Floats`].
    type Floats: Floats<Doubles = Self, Ints = Self::Ints>;
    /// See [`Lanes::Ints`].
    type Ints: Ints<Doubles = Self, Floats = Self::Floats>;
    /// An answer for each channel, about doubles.
    type Mask: Mask;

    /// This number in as many channels as `self` has.
    fn like(self, x: f64) -> Self;
    /// Held between the two, as [`f64::clamp`] does: NaN stays.
    fn within(self, least: Self, most: Self) -> Self;
    /// Without its sign.
    fn magnitude(self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// Where it is less than the other; not where either is NaN.
    fn lt(self, other: Self) -> Self::Mask;
    /// Where they are equal.
    fn eq(self, other: Self) -> Self::Mask;
    /// `yes` where the mask says so, else `no`.
    fn choose(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// In single precision, rounded.
    fn to_floats(self) -> Self::Floats;
    /// The lower halves of the bits.
    fn low_bits(self) -> Self::Ints;
    /// Without what is behind the point, for what lies within -2^31 and 2^31 and is a number.
    fn to_ints_within(self) -> Self::Ints;

    /// Held between two numbers: NaN stays.
    #[inline(always)]
    fn between(self, least: f64, most: f64) -> Self {
        self.within(self.like(least), self.like(most))
    }
}

/// Operators for vectors of one register or more, `$(token, registers...)`: with another, and with a number.
#[cfg(target_arch = "x86_64")]
macro_rules! operators {
    ($type:ident of $one:ty: $($trait:ident::$name:ident = |$v:ident, $a:ident, $b:ident| $body:expr;)*) => {$(
        impl core::ops::$trait for $type {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                let ($v, $a, $b) = (self.0, self.1, other.1);
                Self($v, $body)
            }
        }

        impl core::ops::$trait<$one> for $type {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: $one) -> Self {
                core::ops::$trait::$name(self, self.like(other))
            }
        }
    )*};
}

/// Methods of vectors: `|token, registers...| result`.
#[cfg(target_arch = "x86_64")]
macro_rules! methods {
    ($(fn $name:ident($v:ident, $a:ident $(, $b:ident)*) -> $result:ident = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self $(, $b: Self)*) -> $result {
            let ($v, $a) = (self.0, self.1);
            $(let $b = $b.1;)*
            $result($v, $body)
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
pub(crate) use {methods, operators};
