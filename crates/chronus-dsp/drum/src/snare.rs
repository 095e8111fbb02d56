//! A snare drum: two tones of its skin, and the rattle of the wires.

use super::parts::{Filter, Hiss, Rest, Strokes, driven, gain_of, loss_of_ms, silent_below};
use crate::io::Io;
use crate::math::{PhaseSteps, sine_of_phase};
use crate::module::{MIDDLE_C_HZ, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `snare`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "snare",
    summary: "A snare drum: a skin of two tones, and wires that rattle.",
    inputs: &[super::GATE, super::VELOCITY],
    outputs: &[PortSpec::audio("out", "the drum")],
    params: &[
        super::freq("tune", [80.0, 500.0], MIDDLE_C_HZ, "frequency of the lower tone"),
        ParamSpec::number("tone", "", [0.0, 1.0], 0.35, "from the lower tone alone to the upper")
            .smoothed(10.0),
        super::fade("decay", [10.0, 2000.0], 200.0, "until the lower tone is 60 dB down"),
        ParamSpec::number("snap", "", [0.0, 1.0], 0.5, "from the skin alone to the wires alone")
            .smoothed(10.0),
        super::fade("snap_decay", [10.0, 4000.0], 300.0, "until the wires are 60 dB down"),
        super::freq("colour", [200.0, 8000.0], 1500.0, "the wires are heard above it"),
        super::DRIVE,
        super::GAIN,
    ],
    gate: true,
    ..ModuleSpec::BARE
};

/// How far the upper tone is above the lower: about 330 Hz over 180 Hz, as in the drum machines of
/// 1980.
const UPPER: f32 = 1.83;
/// It fades faster.
const UPPER_LOSS: f32 = 1.6;
const DAMPING: f32 = 1.414;

/// See [`SPEC`].
pub struct Snare<const C: usize> {
    rate_hz: u32,
    steps: PhaseSteps,
    strokes: Strokes<C>,
    hiss: Hiss,
    filter: Filter<C>,
    rest: Rest<C>,
    /// Of the lower and the upper tone.
    phase: [[u32; C]; 2],
    level: [[f32; C]; 2],
    snap: [f32; C],
}

impl<const C: usize> Snare<C> {
    /// A drum at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            steps: PhaseSteps::new(rate_hz),
            strokes: Strokes::NONE,
            hiss: Hiss::new(rate_hz, 0x736e_6172),
            filter: Filter::REST,
            rest: Rest::SILENT,
            phase: [[0; C]; 2],
            level: [[0.0; C]; 2],
            snap: [0.0; C],
        }
    }

    #[cold]
    fn strike(&mut self, struck: [bool; C], velocity: &[f32; C]) {
        for c in 0..C {
            if struck[c] {
                let velocity = velocity[c].clamp(0.0, 1.0);
                self.rest.keep(c);
                for tone in 0..2 {
                    (self.phase[tone][c], self.level[tone][c]) = (0, velocity);
                }
                self.snap[c] = velocity;
            }
        }
    }
}

impl<const C: usize> Module for Snare<C> {
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
        let [tune, tone, decay_ms, snap, snap_ms, colour_hz, drive, gain] =
            core::array::from_fn(|param| io.param::<C>(param));
        let ([gate, velocity], [out]) = io.ports::<C, 2, 1>();
        let per_ms = self.rate_hz as f32 / 1000.0;
        let rest_loss = Rest::<C>::loss(per_ms);
        let losses =
            |n| [decay_ms.at(n), snap_ms.at(n)].map(|ms| ms.map(|ms| loss_of_ms(ms, per_ms)));
        let [mut loss, mut snap_loss] = losses(0);
        let is_moving = decay_ms.is_moving() | snap_ms.is_moving();
        let per_hz = 1.0 / self.rate_hz as f32;
        let gains = |n| colour_hz.at(n).map(|hz| gain_of(hz, per_hz));
        let mut colour = gains(0);
        for (n, out) in out.iter_mut().enumerate() {
            if is_moving {
                [loss, snap_loss] = losses(n);
            }
            if colour_hz.is_moving() {
                colour = gains(n);
            }
            let (struck, any_struck) = self.strokes.next(&gate[n]);
            if any_struck {
                self.strike(struck, &velocity[n]);
            }
            let (tune, tone, noise) = (tune.at(n), tone.at(n), self.hiss.sample());
            let [mut skin, mut wires] = [[0.0; C]; 2];
            for c in 0..C {
                let [low, high] = [0, 1].map(|tone| sine_of_phase(self.phase[tone][c]));
                let [low_level, high_level] = [self.level[0][c], self.level[1][c]];
                skin[c] = (1.0 - tone[c]) * low_level * low + tone[c] * high_level * high;
                wires[c] = self.snap[c] * noise;
                for (i, (ratio, faster)) in
                    [(1.0, 1.0), (UPPER, UPPER_LOSS)].into_iter().enumerate()
                {
                    let step = self.steps.of(ratio * tune[c]);
                    self.phase[i][c] = self.phase[i][c].wrapping_add(step);
                    let level = self.level[i][c];
                    self.level[i][c] = silent_below(level - (faster * loss[c]).min(1.0) * level);
                }
                self.snap[c] = silent_below(self.snap[c] - snap_loss[c] * self.snap[c]);
            }
            let skin = self.rest.join(skin, rest_loss);
            let [_, rattle, _] = self.filter.next(wires, colour, [DAMPING; C]);
            let (snap, drive, gain) = (snap.at(n), drive.at(n), gain.at(n));
            let mut heard = [0.0; C];
            for c in 0..C {
                let sum = (1.0 - snap[c]) * skin[c] + snap[c] * rattle[c];
                heard[c] = gain[c] * driven(sum, drive[c]);
            }
            *out = heard;
        }
    }
}
