//! A stereo mixer of eight strips, each with level, pan and mute.

use super::equal_power;
use crate::io::{Io, Param};
use crate::lanes::{Floats, Lanes};
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `mixer`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "mixer",
    summary: "Mixes up to eight signals, mono or stereo, to stereo.",
    inputs: &[
        PortSpec::audio("left_1", LEFT),
        PortSpec::audio("right_1", RIGHT),
        PortSpec::audio("left_2", LEFT),
        PortSpec::audio("right_2", RIGHT),
        PortSpec::audio("left_3", LEFT),
        PortSpec::audio("right_3", RIGHT),
        PortSpec::audio("left_4", LEFT),
        PortSpec::audio("right_4", RIGHT),
        PortSpec::audio("left_5", LEFT),
        PortSpec::audio("right_5", RIGHT),
        PortSpec::audio("left_6", LEFT),
        PortSpec::audio("right_6", RIGHT),
        PortSpec::audio("left_7", LEFT),
        PortSpec::audio("right_7", RIGHT),
        PortSpec::audio("left_8", LEFT),
        PortSpec::audio("right_8", RIGHT),
    ],
    outputs: &[
        PortSpec::audio("left", "the left side of the mix"),
        PortSpec::audio("right", "the right side of the mix"),
    ],
    params: &[
        ParamSpec::number("master", "", [0.0, 2.0], 1.0, "level of the mix").smoothed(10.0),
        level("level_1"),
        pan("pan_1"),
        mute("mute_1"),
        level("level_2"),
        pan("pan_2"),
        mute("mute_2"),
        level("level_3"),
        pan("pan_3"),
        mute("mute_3"),
        level("level_4"),
        pan("pan_4"),
        mute("mute_4"),
        level("level_5"),
        pan("pan_5"),
        mute("mute_5"),
        level("level_6"),
        pan("pan_6"),
        mute("mute_6"),
        level("level_7"),
        pan("pan_7"),
        mute("mute_7"),
        level("level_8"),
        pan("pan_8"),
        mute("mute_8"),
    ],
    bypass: &[(0, 0), (1, 1)],
    ..ModuleSpec::BARE
};

const LEFT: &str = "the left side of this strip, or its signal if it is mono";
const RIGHT: &str = "the right side of this strip; without a cable it is mono";
const STRIPS: usize = 8;
const MASTER: usize = 0;

const fn level(name: &'static str) -> ParamSpec {
    ParamSpec::number(name, "", [0.0, 2.0], 1.0, "level of this strip").smoothed(10.0)
}

const fn pan(name: &'static str) -> ParamSpec {
    ParamSpec::number(
        name,
        "",
        [-1.0, 1.0],
        0.0,
        "-1 is left, 1 is right: a mono strip at equal power, 3 dB down in the middle; of a stereo \
         strip it is the balance, and 0 leaves it as it is",
    )
    .smoothed(10.0)
}

const fn mute(name: &'static str) -> ParamSpec {
    ParamSpec::choice(name, &["off", "on"], "silences this strip").smoothed(10.0)
}

/// See [`SPEC`].
pub struct Mixer<const C: usize>;

impl<const C: usize> Mixer<C> {
    /// A mixer has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

/// One strip: what is wired to it, and how it is set.
struct Strip<'a, const C: usize> {
    is_stereo: bool,
    left: &'a [[f32; C]],
    right: &'a [[f32; C]],
    level: Param<'a, C>,
    pan: Param<'a, C>,
    mute: Param<'a, C>,
}

impl<const C: usize> Strip<'_, C> {
    fn is_moving(&self) -> bool {
        self.level.is_moving() || self.pan.is_moving() || self.mute.is_moving()
    }

    #[inline(always)]
    fn add_to<L: Lanes<C>>(&self, lanes: L, left_out: &mut [[f32; C]], right_out: &mut [[f32; C]]) {
        let is_moving = self.is_moving();
        let (level, pan, mute) = (self.level.on(lanes), self.pan.on(lanes), self.mute.on(lanes));
        let mut gain = gains(self.is_stereo, level.at(0), pan.at(0), mute.at(0));
        for (n, (left_out, right_out)) in left_out.iter_mut().zip(right_out).enumerate() {
            if is_moving {
                gain = gains(self.is_stereo, level.at(n), pan.at(n), mute.at(n));
            }
            let (left, right) = (lanes.load(&self.left[n]), lanes.load(&self.right[n]));
            lanes.store(lanes.load(left_out) + gain[0] * left, left_out);
            lanes.store(lanes.load(right_out) + gain[1] * right, right_out);
        }
    }
}

/// Of the left and the right.
#[inline(always)]
fn gains<F: Floats>(is_stereo: bool, level: F, pan: F, mute: F) -> [F; 2] {
    let one = level.like(1.0);
    let level = level * (one - mute);
    let [left, right] = if is_stereo {
        [(one - pan).at_most(one), (one + pan).at_most(one)]
    } else {
        equal_power(pan * 0.5 + 0.5)
    };
    [level * left, level * right]
}

impl<const C: usize> Kernel<C> for Mixer<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let master = io.param::<C>(MASTER).on(lanes);
        let params: [_; 3 * STRIPS] = core::array::from_fn(|i| io.param::<C>(1 + i));
        let wired: [_; 2 * STRIPS] = core::array::from_fn(|i| io.is_connected(i));
        let (inputs, [left_out, right_out]) = io.ports::<C, { 2 * STRIPS }, 2>();
        left_out.fill([0.0; C]);
        right_out.fill([0.0; C]);
        for i in 0..STRIPS {
            let (left, right) = (2 * i, 2 * i + 1);
            if !wired[left] && !wired[right] {
                continue;
            }
            let [level, pan, mute] = [0, 1, 2].map(|param| params[3 * i + param]);
            let is_stereo = wired[right];
            let (left, right) = (inputs[left], inputs[if is_stereo { right } else { left }]);
            let strip = Strip { is_stereo, left, right, level, pan, mute };
            strip.add_to(lanes, left_out, right_out);
        }
        for n in 0..left_out.len() {
            let level = master.at(n);
            for side in [&mut left_out[n], &mut right_out[n]] {
                lanes.store(lanes.load(side) * level, side);
            }
        }
    }
}
