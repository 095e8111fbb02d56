//! Hands that clap: bursts of noise one after another, and the room after the last.

use super::parts::{Filter, Hiss, Strokes, driven, gain_of, loss_of_ms, silent_below};
use crate::io::Io;
use crate::math::frames_of_ms;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `clap`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "clap",
    summary: "Several pairs of hands that clap, not quite at once.",
    inputs: &[super::GATE, super::VELOCITY],
    outputs: &[PortSpec::audio("out", "the clap")],
    params: &[
        super::freq("tone", [300.0, 6000.0], super::C6_HZ, "frequency that is heard best"),
        ParamSpec::number("q", "", [0.5, 10.0], 1.5, "how narrow it is around it").smoothed(10.0),
        ParamSpec::number("hands", "", [1.0, 8.0], 4.0, "how many bursts there are; rounded"),
        ParamSpec::number("spacing", "ms", [2.0, 50.0], 10.0, "from one burst to the next"),
        super::fade("decay", [10.0, 5000.0], 350.0, "until the room after the last is 60 dB down"),
        super::DRIVE,
        super::GAIN,
    ],
    gate: true,
    ..ModuleSpec::BARE
};

/// A burst but for the last fades by 60 dB within so many spacings.
const BURST_SPACINGS: f32 = 2.5;
/// A band of the noise is weaker than the whole; this makes it as loud as the other drums.
const LEVEL: f32 = 2.4;

/// See [`SPEC`].
pub struct Clap<const C: usize> {
    rate_hz: u32,
    strokes: Strokes<C>,
    hiss: Hiss,
    filter: Filter<C>,
    velocity: [f32; C],
    level: [f32; C],
    /// Bursts that are still to come.
    bursts: [u32; C],
    /// Frames until the next of them.
    wait: [u32; C],
}

impl<const C: usize> Clap<C> {
    /// Hands at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            strokes: Strokes::NONE,
            hiss: Hiss::new(rate_hz, 0x636c_6170),
            filter: Filter::REST,
            velocity: [0.0; C],
            level: [0.0; C],
            bursts: [0; C],
            wait: [0; C],
        }
    }

    /// Begins strokes, and the bursts of those begun.
    #[inline(always)]
    fn strike(
        &mut self,
        struck: [bool; C],
        velocity: &[f32; C],
        hands: [f32; C],
        spacing: [u32; C],
    ) {
        for c in 0..C {
            if struck[c] {
                self.velocity[c] = velocity[c].clamp(0.0, 1.0);
                (self.bursts[c], self.wait[c]) = ((hands[c] + 0.5) as u32, 0);
            }
            let begins = self.bursts[c] > 0 && self.wait[c] == 0;
            if begins {
                self.bursts[c] -= 1;
                self.level[c] = self.velocity[c];
                self.wait[c] = spacing[c];
            }
            self.wait[c] = self.wait[c].saturating_sub(1);
        }
    }
}

impl<const C: usize> Module for Clap<C> {
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
        let [tone_hz, q, hands, spacing_ms, decay_ms, drive, gain] =
            core::array::from_fn(|param| io.param::<C>(param));
        let ([gate, velocity], [out]) = io.ports::<C, 2, 1>();
        let rate_hz = self.rate_hz;
        let (per_ms, per_hz) = (rate_hz as f32 / 1000.0, 1.0 / rate_hz as f32);
        let times = |n| {
            (
                spacing_ms.at(n).map(|ms| frames_of_ms(ms, rate_hz)),
                spacing_ms.at(n).map(|ms| loss_of_ms(BURST_SPACINGS * ms, per_ms)),
                decay_ms.at(n).map(|ms| loss_of_ms(ms, per_ms)),
            )
        };
        let gains = |n| tone_hz.at(n).map(|hz| gain_of(hz, per_hz));
        let (mut time, mut centre) = (times(0), gains(0));
        for (n, out) in out.iter_mut().enumerate() {
            if spacing_ms.is_moving() | decay_ms.is_moving() {
                time = times(n);
            }
            if tone_hz.is_moving() {
                centre = gains(n);
            }
            let (spacing, burst_loss, room_loss) = time;
            let (struck, any_struck) = self.strokes.next(&gate[n]);
            if any_struck || self.bursts.iter().any(|bursts| *bursts > 0) {
                self.strike(struck, &velocity[n], hands.at(n), spacing);
            }
            let noise = [self.hiss.sample(); C];
            let (q, drive, gain) = (q.at(n), drive.at(n), gain.at(n));
            let [_, _, band] = self.filter.next(noise, centre, q.map(|q| 1.0 / q));
            let mut heard = [0.0; C];
            for c in 0..C {
                heard[c] = gain[c] * driven(LEVEL * self.level[c] * band[c], drive[c]);
                let loss = if self.bursts[c] > 0 { burst_loss[c] } else { room_loss[c] };
                self.level[c] = silent_below(self.level[c] - loss * self.level[c]);
            }
            *out = heard;
        }
    }
}
