//! From one signal to another.

use super::equal_power;
use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

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
fn gains<const C: usize>(position: [f32; C], law: [f32; C]) -> [[f32; C]; 2] {
    let [mut of_a, mut of_b] = [[0.0; C]; 2];
    for c in 0..C {
        let [a, b] = equal_power(position[c]);
        // While the law changes, the gains are between.
        of_a[c] = a + law[c] * ((1.0 - position[c]) - a);
        of_b[c] = b + law[c] * (position[c] - b);
    }
    [of_a, of_b]
}

impl<const C: usize> Module for Crossfade<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let (position, law) = (io.param::<C>(POSITION), io.param::<C>(LAW));
        let is_moving = position.is_moving() || law.is_moving();
        let ([a, b], [out]) = io.ports::<C, 2, 1>();
        let mut gain = gains(position.at(0), law.at(0));
        for n in 0..out.len() {
            if is_moving {
                gain = gains(position.at(n), law.at(n));
            }
            let [of_a, of_b] = &gain;
            let mut blend = [0.0; C];
            for c in 0..C {
                blend[c] = of_a[c] * a[n][c] + of_b[c] * b[n][c];
            }
            out[n] = blend;
        }
    }
}
