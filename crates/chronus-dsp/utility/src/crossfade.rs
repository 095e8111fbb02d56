//! From one signal to another.

use super::equal_power;
use crate::io::Io;
use crate::lanes::{Floats, Lanes};
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `crossfade`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "crossfade",
    summary: "Fades from one signal to another.",
    inputs: &[
        PortSpec::audio("a", "heard alone at position 0"),
        PortSpec::audio("b", "heard alone at position 1"),
    ],
    outputs: &[PortSpec::audio("out", "the blend")],
    params: &[
        ParamSpec::number("position", "", [0.0, 1.0], 0.5, "0 is a, 1 is b").smoothed(10.0),
        ParamSpec::choice(
            "law",
            &["power", "linear"],
            "equal power suits different signals, linear those that are alike and add up",
        )
        .smoothed(10.0),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const POSITION: usize = 0;
const LAW: usize = 1;

/// See [`SPEC`].
pub struct Crossfade<const C: usize>;

impl<const C: usize> Crossfade<C> {
    /// A crossfade has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

#[inline(always)]
fn gains<F: Floats>(position: F, law: F) -> [F; 2] {
    let [a, b] = equal_power(position);
    // While the law changes, the gains are between.
    [a + law * ((position.like(1.0) - position) - a), b + law * (position - b)]
}

impl<const C: usize> Kernel<C> for Crossfade<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let (position, law) = (io.param::<C>(POSITION).on(lanes), io.param::<C>(LAW).on(lanes));
        let is_moving = position.is_moving() || law.is_moving();
        let ([a, b], [out]) = io.ports::<C, 2, 1>();
        let mut gain = gains(position.at(0), law.at(0));
        for (n, ((a, b), out)) in a.iter().zip(b).zip(out).enumerate() {
            if is_moving {
                gain = gains(position.at(n), law.at(n));
            }
            lanes.store(gain[0] * lanes.load(a) + gain[1] * lanes.load(b), out);
        }
    }
}
