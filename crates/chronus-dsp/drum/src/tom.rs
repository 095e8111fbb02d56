//! A tom: a drum head of two tones, whose pitch falls a little as it is struck.

use super::parts::{Rest, Strokes, driven, loss_of_ms, silent_below};
use crate::io::Io;
use crate::math::{PhaseSteps, exp2, sine_of_phase};
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `tom`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "tom",
    summary: "A tom: a drum head of two tones that falls a little as it is struck.",
    inputs: &[super::GATE, super::VELOCITY],
    outputs: &[PortSpec::audio("out", "the drum")],
    params: &[
        super::freq("tune", [40.0, 800.0], super::C3_HZ, "frequency at which it rings"),
        ParamSpec::number("sweep", "octaves", [0.0, 3.0], 0.5, "how far above it is struck"),
        super::fade("sweep_time", [5.0, 1000.0], 150.0, "until the sweep is down to a thousandth"),
        super::fade("decay", [20.0, 10_000.0], 700.0, "until it is 60 dB down"),
        ParamSpec::number("tone", "", [0.0, 1.0], 0.25, "from the lower tone alone to the upper")
            .smoothed(10.0),
        super::DRIVE,
        super::GAIN,
    ],
    gate: true,
    ..ModuleSpec::BARE
};

/// The second mode of an ideal round membrane over its first: the quotient of the first zeros of
/// the Bessel functions of order 1 and 0.
const UPPER: f32 = 1.593_4;
/// It fades faster.
const UPPER_LOSS: f32 = 2.5;

/// See [`SPEC`].
pub struct Tom<const C: usize> {
    rate_hz: u32,
    steps: PhaseSteps,
    strokes: Strokes<C>,
    rest: Rest<C>,
    /// Of the lower and the upper tone.
    phase: [[u32; C]; 2],
    level: [[f32; C]; 2],
    /// Where the sweep is, from 1 to 0.
    sweep: [f32; C],
}

impl<const C: usize> Tom<C> {
    /// A drum at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            steps: PhaseSteps::new(rate_hz),
            strokes: Strokes::NONE,
            rest: Rest::SILENT,
            phase: [[0; C]; 2],
            level: [[0.0; C]; 2],
            sweep: [0.0; C],
        }
    }

    #[cold]
    fn strike(&mut self, struck: [bool; C], velocity: &[f32; C]) {
        for c in 0..C {
            if struck[c] {
                self.rest.keep(c);
                for tone in 0..2 {
                    self.phase[tone][c] = 0;
                    self.level[tone][c] = velocity[c].clamp(0.0, 1.0);
                }
                self.sweep[c] = 1.0;
            }
        }
    }
}

impl<const C: usize> Module for Tom<C> {
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
        let [tune, depth, sweep_ms, decay_ms, tone, drive, gain] =
            core::array::from_fn(|param| io.param::<C>(param));
        let ([gate, velocity], [out]) = io.ports::<C, 2, 1>();
        let per_ms = self.rate_hz as f32 / 1000.0;
        let rest_loss = Rest::<C>::loss(per_ms);
        let losses =
            |n| [sweep_ms.at(n), decay_ms.at(n)].map(|ms| ms.map(|ms| loss_of_ms(ms, per_ms)));
        let [mut sweep_loss, mut loss] = losses(0);
        for (n, out) in out.iter_mut().enumerate() {
            if sweep_ms.is_moving() || decay_ms.is_moving() {
                [sweep_loss, loss] = losses(n);
            }
            let (struck, any_struck) = self.strokes.next(&gate[n]);
            if any_struck {
                self.strike(struck, &velocity[n]);
            }
            let (tune, depth, tone, mut body) = (tune.at(n), depth.at(n), tone.at(n), [0.0; C]);
            for c in 0..C {
                let freq_hz = tune[c] * exp2(depth[c] * self.sweep[c]);
                let modes = [(1.0 - tone[c], 1.0, 1.0), (tone[c], UPPER, UPPER_LOSS)];
                for (i, (share, ratio, faster)) in modes.into_iter().enumerate() {
                    let level = self.level[i][c];
                    body[c] += share * level * sine_of_phase(self.phase[i][c]);
                    self.phase[i][c] =
                        self.phase[i][c].wrapping_add(self.steps.of(ratio * freq_hz));
                    self.level[i][c] = silent_below(level - (faster * loss[c]).min(1.0) * level);
                }
                self.sweep[c] = silent_below(self.sweep[c] - sweep_loss[c] * self.sweep[c]);
            }
            let body = self.rest.join(body, rest_loss);
            let (drive, gain, mut heard) = (drive.at(n), gain.at(n), [0.0; C]);
            for c in 0..C {
                heard[c] = gain[c] * driven(body[c], drive[c]);
            }
            *out = heard;
        }
    }
}
