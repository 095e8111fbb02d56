//! A bass voice that squelches: one oscillator through a diode ladder, with slides and accents,
//! after the TB-303.

use super::diode_ladder::{DiodeLadder, FEEDBACK_MAX};
use super::parts::{Gates, driven, loss_of_ms, silent_below};
use crate::io::Io;
use crate::math::{PhaseSteps, exp2};
use crate::module::{MIDDLE_C_HZ, Module, ModuleSpec, ParamSpec, PortSpec};
use chronus_dsp_oscillator::edge::{Trail, ramp};

/// The kind `acid`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "acid",
    summary: "A bass voice that squelches: a diode ladder, with slides and accents.",
    inputs: &[
        PortSpec::gate("gate", "plays each channel while above 0.5, as the gate does for all"),
        PortSpec::pitch("pitch", "octaves above middle C"),
        PortSpec::gate("accent", "above 0.5 as a note begins, it is louder, brighter and shorter"),
        PortSpec::gate("slide", "while above 0.5 the pitch glides to where it is to go"),
    ],
    outputs: &[PortSpec::audio("out", "the voice")],
    params: &[
        ParamSpec::number("wave", "", [0.0, 1.0], 0.0, "from a saw to a square").smoothed(5.0),
        ParamSpec::number("tune", "semitones", [-24.0, 24.0], 0.0, "moves the pitch").smoothed(5.0),
        super::freq("cutoff", [30.0, 10_000.0], 250.0, "where the resonance is without envelope"),
        ParamSpec::number("resonance", "", [0.0, 1.0], 0.7, "at 1 the filter rings by itself")
            .smoothed(10.0),
        ParamSpec::number(
            "env",
            "octaves",
            [0.0, 8.0],
            3.5,
            "how far the envelope opens the filter",
        )
        .smoothed(10.0),
        super::fade(
            "decay",
            [30.0, 10_000.0],
            1200.0,
            "until the envelope is down to a thousandth",
        ),
        ParamSpec::number("accent_depth", "", [0.0, 1.0], 0.6, "how much an accent does")
            .smoothed(10.0),
        super::fade("slide_time", [1.0, 2000.0], 80.0, "until a slide is a thousandth away"),
        super::DRIVE,
        super::GAIN,
    ],
    gate: true,
    tables: &[&chronus_dsp_oscillator::edge::EDGES],
    ..ModuleSpec::BARE
};

const ATTACK_MS: f32 = 5.0;
const RELEASE_MS: f32 = 20.0;
/// While it is held, a note fades slowly.
const HELD_MS: f32 = 12_000.0;
/// The envelope of an accented note is no longer than this.
const ACCENT_MS: f32 = 500.0;
/// Accents charge a capacitor, so that one soon after another opens the filter further.
const CHARGE_MS: f32 = 600.0;
const CHARGE_OCTAVES: f32 = 3.0;
/// The oscillator goes into the filter at this level: the more, the sooner the resonance gives way.
const INPUT_LEVEL: f32 = 0.3;
/// Feedback takes away of the low end; so much of that is brought back.
const MAKE_UP: f32 = 0.4;

/// See [`SPEC`].
pub struct Acid<const C: usize> {
    rate_hz: u32,
    steps: PhaseSteps,
    gates: Gates<C>,
    /// 2^32 is one turn.
    phase: [u32; C],
    trail: Trail<C>,
    ladder: DiodeLadder<C>,
    /// Octaves above middle C, on the way to the input.
    pitch: [f32; C],
    /// Whether there was a note, from which the first slide could start.
    has_sounded: [bool; C],
    is_accented: [bool; C],
    envelope: [f32; C],
    charge: [f32; C],
    /// Of the amplifier: how far it is open, and how far a held note has faded.
    open: [f32; C],
    held: [f32; C],
}

impl<const C: usize> Acid<C> {
    /// A voice at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            steps: PhaseSteps::new(rate_hz),
            gates: Gates::CLOSED,
            phase: [0; C],
            trail: Trail::new(),
            ladder: DiodeLadder::REST,
            pitch: [0.0; C],
            has_sounded: [false; C],
            is_accented: [false; C],
            envelope: [0.0; C],
            charge: [0.0; C],
            open: [0.0; C],
            held: [0.0; C],
        }
    }

    #[cold]
    fn strike(&mut self, struck: [bool; C], accent: &[f32; C]) {
        for c in 0..C {
            if struck[c] {
                (self.envelope[c], self.held[c]) = (1.0, 1.0);
                self.is_accented[c] = accent[c] > 0.5;
            }
        }
    }

    /// Moves the pitch by its part `glide` towards `target` where it slides, or all the way.
    #[inline(always)]
    fn slide(&mut self, target: &[f32; C], slide: &[f32; C], glide: [f32; C], open: [bool; C]) {
        for c in 0..C {
            let way = target[c] - self.pitch[c];
            // A millionth of an octave is near enough.
            let slides = slide[c] > 0.5 && self.has_sounded[c] && way.abs() > 1e-6;
            self.pitch[c] = if slides { self.pitch[c] + glide[c] * way } else { target[c] };
            self.has_sounded[c] |= open[c];
        }
    }

    /// The oscillator at `frame` of the block: a saw, or the difference of two, half a turn apart.
    #[inline(always)]
    fn oscillate(&mut self, frame: usize, step: [u32; C], wave: [f32; C]) -> [f32; C] {
        const HALF: u32 = 1 << 31;
        let (mut plain, mut any_edge) = ([0.0; C], false);
        let before = self.phase;
        for c in 0..C {
            self.phase[c] = before[c].wrapping_add(step[c]);
            any_edge |= ((self.phase[c] ^ before[c]) as i32) < 0;
            let [rise, fall] = [ramp(self.phase[c]), ramp(self.phase[c].wrapping_add(HALF))];
            plain[c] = (1.0 - 2.0 * wave[c]) * rise + wave[c] * fall;
        }
        if any_edge {
            for c in 0..C {
                let step = step[c] as i32;
                let behind = before[c].wrapping_add(HALF);
                self.trail.ramp_edges((frame, c), (before[c], step), None, 1.0 - 2.0 * wave[c]);
                self.trail.ramp_edges((frame, c), (behind, step), None, wave[c]);
            }
        }
        self.trail.pass_each(frame, plain)
    }

    /// Moves the envelopes on, and returns how many octaves they open the filter by.
    #[inline(always)]
    fn unfold(
        &mut self,
        env: [f32; C],
        depth: [f32; C],
        losses: [[f32; C]; 2],
        charge: f32,
    ) -> [f32; C] {
        let mut octaves = [0.0; C];
        for c in 0..C {
            let envelope = self.envelope[c];
            let accent = if self.is_accented[c] { depth[c] * envelope } else { 0.0 };
            self.charge[c] = silent_below(self.charge[c] + charge * (accent - self.charge[c]));
            octaves[c] = env[c] * envelope + CHARGE_OCTAVES * self.charge[c];
            let loss = losses[usize::from(self.is_accented[c])][c];
            self.envelope[c] = silent_below(envelope - loss * envelope);
        }
        octaves
    }
}

impl<const C: usize> Module for Acid<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    fn set_gate(&mut self, open: bool) {
        self.gates.set_gate(open);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [wave, tune, cutoff_hz, resonance, env, decay_ms, depth, slide_ms, drive, gain] =
            core::array::from_fn(|param| io.param::<C>(param));
        let frames = io.frames.clone();
        let ([gate, pitch, accent, slide], [out]) = io.ports::<C, 4, 1>();
        let (per_ms, per_hz) = (self.rate_hz as f32 / 1000.0, 1.0 / self.rate_hz as f32);
        let [attack, release, held, charge] =
            [ATTACK_MS, RELEASE_MS, HELD_MS, CHARGE_MS].map(|ms| loss_of_ms(ms, per_ms));
        let losses = |n| {
            let decay_ms = decay_ms.at(n);
            [decay_ms, decay_ms.map(|ms| ms.min(ACCENT_MS)), slide_ms.at(n)]
                .map(|ms| ms.map(|ms| loss_of_ms(ms, per_ms)))
        };
        let [mut decay, mut accented, mut glide] = losses(0);
        for (n, out) in out.iter_mut().enumerate() {
            if decay_ms.is_moving() || slide_ms.is_moving() {
                [decay, accented, glide] = losses(n);
            }
            let (struck, any_struck, open) = self.gates.next(&gate[n]);
            if any_struck {
                self.strike(struck, &accent[n]);
            }
            self.slide(&pitch[n], &slide[n], glide, open);
            let (tune, depth, resonance) = (tune.at(n), depth.at(n), resonance.at(n));
            let mut step = [0; C];
            for c in 0..C {
                step[c] = self.steps.of(MIDDLE_C_HZ * exp2(self.pitch[c] + tune[c] / 12.0));
            }
            let tone = self.oscillate(frames.start + n, step, wave.at(n));
            let octaves = self.unfold(env.at(n), depth, [decay, accented], charge);
            let (mut peak_hz, cutoff_hz) = ([0.0; C], cutoff_hz.at(n));
            for c in 0..C {
                peak_hz[c] = cutoff_hz[c] * exp2(octaves[c]);
            }
            let feedback = resonance.map(|resonance| FEEDBACK_MAX * resonance);
            let quiet = tone.map(|tone| INPUT_LEVEL * tone);
            let filtered = self.ladder.next(quiet, peak_hz, feedback, per_hz);
            let (drive, gain, mut heard) = (drive.at(n), gain.at(n), [0.0; C]);
            for c in 0..C {
                let (way, part) = if open[c] { (1.0, attack) } else { (0.0, release) };
                self.open[c] = silent_below(self.open[c] + part * (way - self.open[c]));
                self.held[c] = silent_below(self.held[c] - held * self.held[c]);
                let louder = if self.is_accented[c] { 1.0 + depth[c] } else { 1.0 };
                let level = self.open[c] * self.held[c] * louder * (1.0 + MAKE_UP * feedback[c]);
                heard[c] = gain[c] * driven(level * filtered[c] / INPUT_LEVEL, drive[c]);
            }
            *out = heard;
        }
    }
}
