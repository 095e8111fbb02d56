//! A bass drum: a sine whose pitch falls as it is struck, with the click of the beater.

use super::parts::{Hiss, Rest, Strokes, driven, loss_of_ms, silent_below};
use crate::io::Io;
use crate::math::{PhaseSteps, exp2, sine_of_phase};
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `kick`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "kick",
    summary: "A bass drum, from a short thud to a long boom.",
    inputs: &[super::GATE, super::VELOCITY],
    outputs: &[PortSpec::audio("out", "the drum")],
    params: &[
        super::freq("tune", [20.0, 200.0], super::C2_HZ, "frequency at which it rings"),
        ParamSpec::number("sweep", "octaves", [0.0, 6.0], 2.5, "how far above it is struck"),
        super::fade("sweep_time", [5.0, 1000.0], 80.0, "until the sweep is down to a thousandth"),
        super::fade("decay", [20.0, 10_000.0], 600.0, "until it is 60 dB down"),
        ParamSpec::number("click", "", [0.0, 1.0], 0.3, "level of the beater").smoothed(10.0),
        super::freq("tone", [200.0, 16_000.0], 4_000.0, "the beater is dull below, sharp above"),
        super::DRIVE,
        super::GAIN,
    ],
    gate: true,
    ..ModuleSpec::BARE
};

const CLICK_MS: f32 = 12.0;

/// See [`SPEC`].
pub struct Kick<const C: usize> {
    rate_hz: u32,
    steps: PhaseSteps,
    strokes: Strokes<C>,
    hiss: Hiss,
    rest: Rest<C>,
    phase: [u32; C],
    level: [f32; C],
    /// Where the sweep is, from 1 to 0.
    sweep: [f32; C],
    click: [f32; C],
    /// The beater behind its low-pass.
    dull: [f32; C],
}

impl<const C: usize> Kick<C> {
    /// A drum at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            steps: PhaseSteps::new(rate_hz),
            strokes: Strokes::NONE,
            hiss: Hiss::new(rate_hz, 0x6b69_636b),
            rest: Rest::SILENT,
            phase: [0; C],
            level: [0.0; C],
            sweep: [0.0; C],
            click: [0.0; C],
            dull: [0.0; C],
        }
    }

    #[cold]
    fn strike(&mut self, struck: [bool; C], velocity: &[f32; C]) {
        for c in 0..C {
            if struck[c] {
                let velocity = velocity[c].clamp(0.0, 1.0);
                self.rest.keep(c);
                (self.phase[c], self.level[c], self.sweep[c]) = (0, velocity, 1.0);
                // A harder stroke is sharper, not only louder.
                self.click[c] = velocity * velocity;
            }
        }
    }
}

impl<const C: usize> Module for Kick<C> {
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
        let [tune, depth, sweep_ms, decay_ms, click, tone_hz, drive, gain] =
            core::array::from_fn(|param| io.param::<C>(param));
        let ([gate, velocity], [out]) = io.ports::<C, 2, 1>();
        let per_ms = self.rate_hz as f32 / 1000.0;
        let turns_per_hz = core::f32::consts::TAU / self.rate_hz as f32;
        let (rest_loss, click_loss) = (Rest::<C>::loss(per_ms), loss_of_ms(CLICK_MS, per_ms));
        let losses =
            |n| [sweep_ms.at(n), decay_ms.at(n)].map(|ms| ms.map(|ms| loss_of_ms(ms, per_ms)));
        let [mut sweep_loss, mut loss] = losses(0);
        let is_moving = sweep_ms.is_moving() | decay_ms.is_moving();
        for (n, out) in out.iter_mut().enumerate() {
            if is_moving {
                [sweep_loss, loss] = losses(n);
            }
            let (struck, any_struck) = self.strokes.next(&gate[n]);
            if any_struck {
                self.strike(struck, &velocity[n]);
            }
            let (tune, depth, tone_hz) = (tune.at(n), depth.at(n), tone_hz.at(n));
            let (noise, mut body) = (self.hiss.sample(), [0.0; C]);
            for c in 0..C {
                body[c] = self.level[c] * sine_of_phase(self.phase[c]);
                let step = self.steps.of(tune[c] * exp2(depth[c] * self.sweep[c]));
                self.phase[c] = self.phase[c].wrapping_add(step);
                self.level[c] = silent_below(self.level[c] - loss[c] * self.level[c]);
                self.sweep[c] = silent_below(self.sweep[c] - sweep_loss[c] * self.sweep[c]);
                // A low-pass of 6 dB per octave, close enough to its frequency for a beater.
                let x = tone_hz[c] * turns_per_hz;
                let dull = self.dull[c] + x / (1.0 + x) * (self.click[c] * noise - self.dull[c]);
                self.dull[c] = silent_below(dull);
                self.click[c] = silent_below(self.click[c] - click_loss * self.click[c]);
            }
            let body = self.rest.join(body, rest_loss);
            let (click, drive, gain) = (click.at(n), drive.at(n), gain.at(n));
            let mut heard = [0.0; C];
            for c in 0..C {
                heard[c] = gain[c] * driven(body[c] + click[c] * self.dull[c], drive[c]);
            }
            *out = heard;
        }
    }
}
