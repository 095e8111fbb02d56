//! A stick on the rim: two short tones that are overdriven into a crack.

use super::parts::{Filter, Rest, Strokes, driven, gain_of, loss_of_ms, silent_below};
use crate::io::Io;
use crate::math::{PhaseSteps, sine_of_phase};
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `rim`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "rim",
    summary: "A stick on the rim of a drum: a short, hard crack.",
    inputs: &[super::GATE, super::VELOCITY],
    outputs: &[PortSpec::audio("out", "the crack")],
    params: &[
        super::freq(
            "tune",
            [400.0, 6000.0],
            super::C7_HZ,
            "frequency of the upper of its two tones",
        ),
        ParamSpec::number("tone", "", [0.0, 1.0], 0.6, "from the lower tone alone to the upper")
            .smoothed(10.0),
        super::fade("decay", [5.0, 1000.0], 45.0, "until it is 60 dB down"),
        super::freq("body", [50.0, 2000.0], 300.0, "it is heard above it"),
        ParamSpec { default: 0.4, ..super::DRIVE },
        super::GAIN,
    ],
    gate: true,
    ..ModuleSpec::BARE
};

/// The lower tone under the upper: about 455 Hz and 1667 Hz in the machine that made the sound
/// known.
const LOWER: f32 = 0.273;
const DAMPING: f32 = 1.414;

/// See [`SPEC`].
pub struct Rim<const C: usize> {
    rate_hz: u32,
    steps: PhaseSteps,
    strokes: Strokes<C>,
    filter: Filter<C>,
    rest: Rest<C>,
    /// Of the lower and the upper tone.
    phase: [[u32; C]; 2],
    level: [f32; C],
}

impl<const C: usize> Rim<C> {
    /// A rim at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            steps: PhaseSteps::new(rate_hz),
            strokes: Strokes::NONE,
            filter: Filter::REST,
            rest: Rest::SILENT,
            phase: [[0; C]; 2],
            level: [0.0; C],
        }
    }

    #[cold]
    fn strike(&mut self, struck: [bool; C], velocity: &[f32; C]) {
        for c in 0..C {
            if struck[c] {
                self.rest.keep(c);
                (self.phase[0][c], self.phase[1][c]) = (0, 0);
                self.level[c] = velocity[c].clamp(0.0, 1.0);
            }
        }
    }
}

impl<const C: usize> Module for Rim<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    fn set_gate(&mut self, open: bool) {
        self.strokes.set_gate(open);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [tune, tone, decay_ms, body_hz, drive, gain] =
            core::array::from_fn(|param| io.param::<C>(param));
        let ([gate, velocity], [out]) = io.ports::<C, 2, 1>();
        let (per_ms, per_hz) = (self.rate_hz as f32 / 1000.0, 1.0 / self.rate_hz as f32);
        let rest_loss = Rest::<C>::loss(per_ms);
        let losses = |n| decay_ms.at(n).map(|ms| loss_of_ms(ms, per_ms));
        let gains = |n| body_hz.at(n).map(|hz| gain_of(hz, per_hz));
        let (mut loss, mut corner) = (losses(0), gains(0));
        for (n, out) in out.iter_mut().enumerate() {
            if decay_ms.is_moving() {
                loss = losses(n);
            }
            if body_hz.is_moving() {
                corner = gains(n);
            }
            let (struck, any_struck) = self.strokes.next(&gate[n]);
            if any_struck {
                self.strike(struck, &velocity[n]);
            }
            let (tune, tone, mut crack) = (tune.at(n), tone.at(n), [0.0; C]);
            for c in 0..C {
                let [low, high] = [0, 1].map(|i| sine_of_phase(self.phase[i][c]));
                crack[c] = self.level[c] * ((1.0 - tone[c]) * low + tone[c] * high);
                for (i, ratio) in [LOWER, 1.0].into_iter().enumerate() {
                    let step = self.steps.of(ratio * tune[c]);
                    self.phase[i][c] = self.phase[i][c].wrapping_add(step);
                }
                self.level[c] = silent_below(self.level[c] - loss[c] * self.level[c]);
            }
            let (drive, gain) = (drive.at(n), gain.at(n));
            let mut hard = self.rest.join(crack, rest_loss);
            for c in 0..C {
                hard[c] = driven(hard[c], drive[c]);
            }
            let [_, mut heard, _] = self.filter.next(hard, corner, [DAMPING; C]);
            for c in 0..C {
                heard[c] *= gain[c];
            }
            *out = heard;
        }
    }
}
