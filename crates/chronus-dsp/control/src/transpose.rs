//! A pitch moved by octaves, semitones and cents; without a cable, a pitch that stays.

use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `transpose`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "transpose",
    summary: "Moves a pitch by octaves, semitones and cents; without a cable, a pitch that stays.",
    inputs: &[PortSpec::pitch("in", "the pitch, in octaves above middle C")],
    outputs: &[PortSpec::pitch("out", "the pitch moved, in octaves above middle C")],
    params: &[
        ParamSpec::number("octaves", "octaves", [-5.0, 5.0], 0.0, "rounded to whole octaves"),
        ParamSpec::number(
            "semitones",
            "semitones",
            [-36.0, 36.0],
            0.0,
            "rounded to whole semitones, so that a cable moves it in steps",
        ),
        ParamSpec::number("cents", "cents", [-100.0, 100.0], 0.0, "fine tuning").smoothed(10.0),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const OCTAVES: usize = 0;
const SEMITONES: usize = 1;
const CENTS: usize = 2;

/// See [`SPEC`].
pub struct Transpose<const C: usize>;

impl<const C: usize> Transpose<C> {
    /// It has no state; the rate does not matter to it.
    pub fn new(_rate_hz: u32) -> Self {
        Self
    }
}

/// In octaves. There is one division, so that whole semitones are exactly the pitch of their key.
fn moved(octaves: f32, semitones: f32, cents: f32) -> f32 {
    let whole = octaves.round_ties_even() * 12.0 + semitones.round_ties_even();
    (whole + cents * 0.01) / 12.0
}

impl<const C: usize> Module for Transpose<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {}

    fn process(&mut self, io: &mut Io<'_>) {
        let [octaves, semitones, cents] =
            [OCTAVES, SEMITONES, CENTS].map(|param| io.param::<C>(param));
        let ([input], [out]) = io.ports::<C, 1, 1>();
        let is_moving = octaves.is_moving() || semitones.is_moving() || cents.is_moving();
        let moved_at = |n| {
            let (octaves, semitones, cents) = (octaves.at(n), semitones.at(n), cents.at(n));
            core::array::from_fn(|c| moved(octaves[c], semitones[c], cents[c]))
        };
        let mut moved: [f32; C] = moved_at(0);
        for (n, out) in out.iter_mut().enumerate() {
            if is_moving {
                moved = moved_at(n);
            }
            for c in 0..C {
                out[c] = input[n][c] + moved[c];
            }
        }
    }
}
