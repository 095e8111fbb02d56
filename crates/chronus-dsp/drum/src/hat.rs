//! A hi-hat: metal and noise above a corner, struck closed or open, and choked.

use super::metal::Squares;
use super::parts::{Filter, Hiss, Strokes, gain_of, loss_of_ms, saturate, silent_below};
use crate::io::Io;
use crate::math::PhaseSteps;
use crate::module::{MIDDLE_C_HZ, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `hat`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "hat",
    summary: "A hi-hat, closed and open; the one cuts the other short.",
    inputs: &[
        PortSpec::trigger("gate", "strikes it closed as it rises through 0.5, as the gate does"),
        PortSpec::trigger("open", "strikes it open as it rises through 0.5"),
        PortSpec::gate("choke", "cuts it short while above 0.5"),
        super::VELOCITY,
    ],
    outputs: &[PortSpec::audio("out", "the hi-hat")],
    params: &[
        super::freq(
            "tune",
            [100.0, 1000.0],
            MIDDLE_C_HZ,
            "frequency of the lowest of its six squares",
        ),
        ParamSpec::number("metal", "", [0.0, 1.0], 0.7, "from noise alone to metal alone")
            .smoothed(10.0),
        super::freq("tone", [1000.0, 16_000.0], 7000.0, "it is heard above it"),
        super::fade("decay", [5.0, 2000.0], 90.0, "until it is 60 dB down when struck closed"),
        super::fade("open_decay", [20.0, 10_000.0], 900.0, "as decay, when struck open"),
        super::GAIN,
    ],
    gate: true,
    ..ModuleSpec::BARE
};

/// The frequencies of the TR-808 (205.3, 304.4, 369.6, 522.7, 540 and 800 Hz) over the lowest,
/// after Kurt James Werner and others, "The TR-808 Cymbal: a Physically-Informed, Circuit-Bendable,
/// Digital Model", 2014.
const RATIOS: [f32; 6] = [1.0, 1.4827, 1.8003, 2.5460, 2.6303, 3.8967];
const DAMPING: f32 = 0.9;
/// These bring the parts, which are faint so high up, to about the same level.
const METAL_LEVEL: f32 = 0.9;
const NOISE_LEVEL: f32 = 0.8;
const CHOKE_MS: f32 = 15.0;

/// See [`SPEC`].
pub struct Hat<const C: usize> {
    rate_hz: u32,
    steps: PhaseSteps,
    closed: Strokes<C>,
    open: Strokes<C>,
    hiss: Hiss,
    squares: Squares<C, 6>,
    filter: Filter<C>,
    level: [f32; C],
    /// Whether it was struck open at last.
    is_open: [bool; C],
}

impl<const C: usize> Hat<C> {
    /// A hi-hat at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            steps: PhaseSteps::new(rate_hz),
            closed: Strokes::NONE,
            open: Strokes::NONE,
            hiss: Hiss::new(rate_hz, 0x6861_7473),
            squares: Squares::START,
            filter: Filter::REST,
            level: [0.0; C],
            is_open: [false; C],
        }
    }

    #[cold]
    fn strike(&mut self, struck: [bool; C], is_open: bool, velocity: &[f32; C]) {
        for c in 0..C {
            if struck[c] {
                self.level[c] = velocity[c].clamp(0.0, 1.0);
                self.is_open[c] = is_open;
            }
        }
    }
}

impl<const C: usize> Module for Hat<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    fn set_gate(&mut self, open: bool) {
        self.closed.set_gate(open);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [tune, metal, tone_hz, decay_ms, open_ms, gain] =
            core::array::from_fn(|param| io.param::<C>(param));
        let ([gate, open, choke, velocity], [out]) = io.ports::<C, 4, 1>();
        let (per_ms, per_hz) = (self.rate_hz as f32 / 1000.0, 1.0 / self.rate_hz as f32);
        let losses =
            |n| [decay_ms.at(n), open_ms.at(n)].map(|ms| ms.map(|ms| loss_of_ms(ms, per_ms)));
        let gains = |n| tone_hz.at(n).map(|hz| gain_of(hz, per_hz));
        let (choke_loss, fades) =
            (loss_of_ms(CHOKE_MS, per_ms), decay_ms.is_moving() | open_ms.is_moving());
        let ([mut closed_loss, mut open_loss], mut corner) = (losses(0), gains(0));
        let mut strides = Squares::strides(&self.steps, tune.at(0), &RATIOS);
        for (n, out) in out.iter_mut().enumerate() {
            if fades {
                [closed_loss, open_loss] = losses(n);
            }
            if tone_hz.is_moving() {
                corner = gains(n);
            }
            if tune.is_moving() {
                strides = Squares::strides(&self.steps, tune.at(n), &RATIOS);
            }
            // Closed comes last: of two strokes in a frame it is the one that is heard.
            for is_open in [true, false] {
                let (struck, any_struck) =
                    if is_open { self.open.next(&open[n]) } else { self.closed.next(&gate[n]) };
                if any_struck {
                    self.strike(struck, is_open, &velocity[n]);
                }
            }
            let (metal, noise) = (metal.at(n), NOISE_LEVEL * self.hiss.sample());
            let squares = self.squares.next(&strides);
            let mut sum = [0.0; C];
            for c in 0..C {
                let [a, b, d, e, f, g] = squares.map(|square| square[c]);
                let clang = METAL_LEVEL * ((a + b) + (d + e) + (f + g));
                sum[c] = metal[c] * clang + (1.0 - metal[c]) * noise;
            }
            let [_, high, _] = self.filter.next(sum, corner, [DAMPING; C]);
            let (gain, mut heard) = (gain.at(n), [0.0; C]);
            for c in 0..C {
                heard[c] = gain[c] * self.level[c] * saturate(high[c]);
                let fading = if self.is_open[c] { open_loss[c] } else { closed_loss[c] };
                let loss = if choke[n][c] > 0.5 { fading.max(choke_loss) } else { fading };
                self.level[c] = silent_below(self.level[c] - loss * self.level[c]);
            }
            *out = heard;
        }
    }
}
