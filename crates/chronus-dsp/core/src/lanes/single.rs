//! One channel: plain numbers.

use super::{Doubles, Floats, Ints, Mask};

impl Mask for bool {
    const WIDTH: u32 = 1;

    #[inline(always)]
    fn channels(self) -> u32 {
        u32::from(self)
    }

    #[inline(always)]
    fn any(self) -> bool {
        self
    }

    #[inline(always)]
    fn all(self) -> bool {
        self
    }
}

impl Floats for f32 {
    type Ints = u32;
    type Mask = bool;
    type Doubles = f64;

    #[inline(always)]
    fn like(self, x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        if self < other { self } else { other }
    }

    #[inline(always)]
    fn within(self, least: Self, most: Self) -> Self {
        let held = if least > self { least } else { self };
        if most < held { most } else { held }
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn lt(self, other: Self) -> bool {
        self < other
    }

    #[inline(always)]
    fn le(self, other: Self) -> bool {
        self <= other
    }

    #[inline(always)]
    fn eq(self, other: Self) -> bool {
        self == other
    }

    #[inline(always)]
    fn choose(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }

    #[inline(always)]
    fn without(self, mask: bool) -> Self {
        if mask { 0.0 } else { self }
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        self.to_bits()
    }

    #[inline(always)]
    fn to_ints(self) -> u32 {
        self as i32 as u32
    }

    #[inline(always)]
    fn to_ints_within(self) -> u32 {
        self as i32 as u32
    }

    #[inline(always)]
    fn to_doubles(self) -> f64 {
        f64::from(self)
    }
}

impl Ints for u32 {
    type Floats = f32;
    type Mask = bool;
    type Doubles = f64;

    #[inline(always)]
    fn like(self, x: u32) -> Self {
        x
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }

    #[inline(always)]
    fn up(self, bits: u32) -> Self {
        self << bits
    }

    #[inline(always)]
    fn down(self, bits: u32) -> Self {
        self >> bits
    }

    #[inline(always)]
    fn down_signed(self, bits: u32) -> Self {
        (self as i32 >> bits) as u32
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        (self as i32).wrapping_abs() as u32
    }

    #[inline(always)]
    fn lt_signed(self, other: Self) -> bool {
        (self as i32) < other as i32
    }

    #[inline(always)]
    fn eq(self, other: Self) -> bool {
        self == other
    }

    #[inline(always)]
    fn choose(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }

    #[inline(always)]
    fn as_floats(self) -> f32 {
        f32::from_bits(self)
    }

    #[inline(always)]
    fn to_floats(self) -> f32 {
        self as i32 as f32
    }

    #[inline(always)]
    fn to_doubles(self) -> f64 {
        f64::from(self as i32)
    }
}

impl Doubles for f64 {
    type Floats = f32;
    type Ints = u32;
    type Mask = bool;

    #[inline(always)]
    fn like(self, x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn within(self, least: Self, most: Self) -> Self {
        let held = if least > self { least } else { self };
        if most < held { most } else { held }
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn lt(self, other: Self) -> bool {
        self < other
    }

    #[inline(always)]
    fn eq(self, other: Self) -> bool {
        self == other
    }

    #[inline(always)]
    fn choose(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }

    #[inline(always)]
    fn to_floats(self) -> f32 {
        self as f32
    }

    #[inline(always)]
    fn low_bits(self) -> u32 {
        self.to_bits() as u32
    }

    #[inline(always)]
    fn to_ints_within(self) -> u32 {
        self as i32 as u32
    }
}
