//! A cowbell: two squares that do not agree, through a band.

use super::metal::Squares;
use super::parts::{Filter, Strokes, driven, gain_of, loss_of_ms, silent_below};
use crate::io::Io;
use crate::math::PhaseSteps;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `cowbell`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "cowbell",
    summary: "A cowbell: two tones that do not agree.",
    inputs: &[super::GATE, super::VELOCITY],
    outputs: &[PortSpec::audio("out", "the bell")],
    params: &[
        super::freq(
            "tune",
            [100.0, 2000.0],
            super::C5_HZ,
            "frequency of the lower of its two tones",
        ),
        super::freq("tone", [200.0, 8000.0], 1400.0, "frequency that is heard best"),
        ParamSpec::number(
            "ping",
            "",
            [0.0, 1.0],
            0.5,
            "how much of the level is in the first moment",
        )
        .smoothed(10.0),
        super::fade("decay", [20.0, 5000.0], 500.0, "until it is 60 dB down"),
        super::DRIVE,
        super::GAIN,
    ],
    gate: true,
    ..ModuleSpec::BARE
};

/// 540 and 800 Hz, as in the TR-808.
const RATIOS: [f32; 2] = [1.0, 1.481_5];
const PING_MS: f32 = 40.0;
const DAMPING: f32 = 0.8;
/// A square of amplitude 1 is more than a band of it.
const LEVEL: f32 = 0.75;

/// See [`SPEC`].
pub struct Cowbell<const C: usize> {
    rate_hz: u32,
    steps: PhaseSteps,
    strokes: Strokes<C>,
    squares: Squares<C, 2>,
    filter: Filter<C>,
    /// Of the first moment, and of the rest.
    level: [[f32; C]; 2],
}

impl<const C: usize> Cowbell<C> {
    /// A bell at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            steps: PhaseSteps::new(rate_hz),
            strokes: Strokes::NONE,
            squares: Squares::START,
            filter: Filter::REST,
            level: [[0.0; C]; 2],
        }
    }

    #[cold]
    fn strike(&mut self, struck: [bool; C], velocity: &[f32; C]) {
        for c in 0..C {
            if struck[c] {
                let velocity = velocity[c].clamp(0.0, 1.0);
                (self.level[0][c], self.level[1][c]) = (velocity, velocity);
            }
        }
    }
}

impl<const C: usize> Module for Cowbell<C> {
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
        let [tune, tone_hz, ping, decay_ms, drive, gain] =
            core::array::from_fn(|param| io.param::<C>(param));
        let ([gate, velocity], [out]) = io.ports::<C, 2, 1>();
        let (per_ms, per_hz) = (self.rate_hz as f32 / 1000.0, 1.0 / self.rate_hz as f32);
        let ping_loss = loss_of_ms(PING_MS, per_ms);
        let losses = |n| decay_ms.at(n).map(|ms| loss_of_ms(ms, per_ms));
        let gains = |n| tone_hz.at(n).map(|hz| gain_of(hz, per_hz));
        let (mut loss, mut centre) = (losses(0), gains(0));
        let mut strides = Squares::strides(&self.steps, tune.at(0), &RATIOS);
        for (n, out) in out.iter_mut().enumerate() {
            if decay_ms.is_moving() {
                loss = losses(n);
            }
            if tone_hz.is_moving() {
                centre = gains(n);
            }
            if tune.is_moving() {
                strides = Squares::strides(&self.steps, tune.at(n), &RATIOS);
            }
            let (struck, any_struck) = self.strokes.next(&gate[n]);
            if any_struck {
                self.strike(struck, &velocity[n]);
            }
            let [low, mut sum] = self.squares.next(&strides);
            for c in 0..C {
                sum[c] += low[c];
            }
            let [_, _, band] = self.filter.next(sum, centre, [DAMPING; C]);
            let (ping, drive, gain) = (ping.at(n), drive.at(n), gain.at(n));
            let mut heard = [0.0; C];
            for c in 0..C {
                let [first, rest] = [self.level[0][c], self.level[1][c]];
                let level = LEVEL * (ping[c] * first + (1.0 - ping[c]) * rest);
                heard[c] = gain[c] * driven(level * band[c], drive[c]);
                self.level[0][c] = silent_below(first - ping_loss.max(loss[c]) * first);
                self.level[1][c] = silent_below(rest - loss[c] * rest);
            }
            *out = heard;
        }
    }
}
