//! A filter that sings vowels: five resonances where a mouth has them, from one vowel and voice to
//! the next without a seam.
//!
//! The resonances are band-passes side by side ([`svf`](super::svf)), every other one upside down
//! as in Dennis H. Klatt, "Software for a cascade/parallel formant synthesizer" (JASA 67, 1980),
//! since otherwise neighbours cancel between their peaks.

use super::design_glide::DesignGlide;
use super::silent_below;
use super::vowels::{FORMANTS, VOICES, between};
use crate::io::Io;
use crate::lanes::Lanes;
use crate::math::{exp2, tan_of_turns};
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `formant`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "formant",
    summary: "The vowels a, e, i, o, u and all between them, of five voices.",
    inputs: &[PortSpec::audio("in", "the sound of the vocal cords: a saw, a pulse, noise")],
    outputs: &[PortSpec::audio("out", "the vowel")],
    params: &[
        ParamSpec::number(
            "vowel",
            "",
            [0.0, 4.0],
            0.0,
            "0 is a, 1 is e, 2 is i, 3 is o, 4 is u; others lie between",
        )
        .smoothed(20.0),
        ParamSpec::choice("voice", VOICES, "who sings").smoothed(50.0),
        ParamSpec::number(
            "shift",
            "octaves",
            [-1.0, 1.0],
            0.0,
            "moves all resonances: a larger mouth below 0, a smaller one above",
        )
        .smoothed(20.0),
        ParamSpec::number(
            "width",
            "",
            [0.25, 8.0],
            1.0,
            "how wide the resonances are, as a multiple of a mouth's",
        )
        .smoothed(20.0)
        .exponential(),
        ParamSpec::number("mix", "", [0.0, 1.0], 1.0, "0 is the input alone, 1 the vowel alone")
            .smoothed(10.0),
    ],
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const VOWEL: usize = 0;
const VOICE: usize = 1;
const SHIFT: usize = 2;
const WIDTH: usize = 3;
const MIX: usize = 4;
/// How far the first formant is lifted: a low saw then goes out about as loud as it came in.
const LIFT_DB: f32 = 14.0;
const OCTAVES_PER_DB: f32 = 0.166_096_4;
/// Per resonance: the integrators' gain, the damping (one over Q), the level.
const VALUES: usize = 3 * FORMANTS;

/// Vowel, voice, shift and width.
type Design<const C: usize> = [[f32; C]; 4];

/// See [`SPEC`].
pub struct Formants<const C: usize> {
    per_hz: f32,
    glide: DesignGlide<Design<C>, C, VALUES>,
    /// Per resonance what its equations come to: how state and input become the band, and the gain.
    solved: [[[f32; C]; 3]; FORMANTS],
    state: [[[f32; C]; 2]; FORMANTS],
}

impl<const C: usize> Formants<C> {
    /// A mouth at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            per_hz: 1.0 / rate_hz as f32,
            glide: DesignGlide::new(),
            solved: [[[0.0; C]; 3]; FORMANTS],
            state: [[[0.0; C]; 2]; FORMANTS],
        }
    }

    fn begin_cell(&mut self, design: Design<C>) {
        let per_hz = self.per_hz;
        self.glide.begin_cell(design, |[vowel, voice, shift, width]| {
            let mut values = [[0.0; C]; VALUES];
            for c in 0..C {
                let scale = exp2(shift[c]);
                for (i, formant) in between(vowel[c], voice[c]).iter().enumerate() {
                    let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
                    values[3 * i][c] = tan_of_turns(formant.freq_hz * scale * per_hz * 0.5);
                    values[3 * i + 1][c] = width[c] * formant.width_hz / formant.freq_hz;
                    values[3 * i + 2][c] =
                        sign * exp2((formant.level_db + LIFT_DB) * OCTAVES_PER_DB);
                }
            }
            values
        });
    }

    #[inline(always)]
    fn solve<L: Lanes<C>>(&mut self, lanes: L) {
        for (i, [first, second, level]) in self.solved.iter_mut().enumerate() {
            let g = self.glide.value(lanes, 3 * i);
            let damping = self.glide.value(lanes, 3 * i + 1);
            let share = lanes.all(1.0) / (g * (g + damping) + 1.0);
            lanes.store(share, first);
            lanes.store(g * share, second);
            lanes.store(self.glide.value(lanes, 3 * i + 2) * damping, level);
        }
    }
}

impl<const C: usize> Kernel<C> for Formants<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.glide = DesignGlide::new();
        self.state = [[[0.0; C]; 2]; FORMANTS];
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [vowel, voice, shift, width, mix] =
            [VOWEL, VOICE, SHIFT, WIDTH, MIX].map(|param| io.param::<C>(param));
        let (first, mix) = (io.frames.start, mix.on(lanes));
        let ([input], [out]) = io.ports::<C, 1, 1>();
        for (n, (out, input)) in out.iter_mut().zip(input).enumerate() {
            let is_due = self.glide.is_due(first + n);
            if is_due {
                self.begin_cell([vowel.at(n), voice.at(n), shift.at(n), width.at(n)]);
            }
            self.glide.step(lanes);
            if is_due || self.glide.is_moving() {
                self.solve(lanes);
            }
            let (input, mut sung) = (lanes.load(input), lanes.all(0.0));
            for (i, ([first, second, level], [s1, s2])) in
                self.solved.iter().zip(&mut self.state).enumerate()
            {
                let (held, below) = (lanes.load(s1), lanes.load(s2));
                let band = lanes.load(first) * held + lanes.load(second) * (input - below);
                let low = below + self.glide.value(lanes, 3 * i) * band;
                lanes.store(silent_below(band * 2.0 - held), s1);
                lanes.store(silent_below(low * 2.0 - below), s2);
                sung = sung + lanes.load(level) * band;
            }
            lanes.store(input + mix.at(n) * (sung - input), out);
        }
    }
}
