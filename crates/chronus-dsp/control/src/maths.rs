//! Two signals reckoned with: their sum, difference and product, the lower and the higher of them.

use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `maths`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "maths",
    summary: "Reckons with two signals, each at its own level; all results at once.",
    inputs: &[
        PortSpec::control("a", "the first signal"),
        PortSpec::control("b", "the second; without a cable 0, but 1 in the product"),
    ],
    outputs: &[
        PortSpec::control("sum", "a plus b"),
        PortSpec::control("difference", "a minus b"),
        PortSpec::control("product", "a times b; of two tones, their ring modulation"),
        PortSpec::control("min", "the lower of both at each instant"),
        PortSpec::control("max", "the higher of both; without b, a where it is above 0"),
        PortSpec::control("abs", "a without its sign"),
    ],
    params: &[
        level("level_a", "multiplies a before all else; below 0 it inverts"),
        level("level_b", "multiplies b, if a cable ends there"),
    ],
    bypass: &[(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)],
    ..ModuleSpec::BARE
};

const LEVEL_A: usize = 0;
const LEVEL_B: usize = 1;

const fn level(name: &'static str, doc: &'static str) -> ParamSpec {
    ParamSpec::number(name, "", [-2.0, 2.0], 1.0, doc).smoothed(10.0)
}

/// See [`SPEC`].
pub struct Maths<const C: usize>;

impl<const C: usize> Maths<C> {
    /// It has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

impl<const C: usize> Module for Maths<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let (level_a, level_b) = (io.param::<C>(LEVEL_A), io.param::<C>(LEVEL_B));
        let has_b = io.is_connected(1);
        let ([a, b], [sum, difference, product, min, max, abs]) = io.ports::<C, 2, 6>();
        for n in 0..sum.len() {
            let (mut a, mut b, mut factor) = (a[n], b[n], [1.0; C]);
            let (level_a, level_b) = (level_a.at(n), level_b.at(n));
            for c in 0..C {
                a[c] *= level_a[c];
                b[c] *= level_b[c];
                factor[c] = if has_b { b[c] } else { 1.0 };
            }
            for c in 0..C {
                sum[n][c] = a[c] + b[c];
                difference[n][c] = a[c] - b[c];
                product[n][c] = a[c] * factor[c];
                // Comparisons, because `f32::min` may take either of -0 and 0.
                min[n][c] = if b[c] < a[c] { b[c] } else { a[c] };
                max[n][c] = if b[c] > a[c] { b[c] } else { a[c] };
                abs[n][c] = a[c].abs();
            }
        }
    }
}
