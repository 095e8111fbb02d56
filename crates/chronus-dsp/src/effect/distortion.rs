//! Distortion: a bent line between what comes in and what goes out, which adds overtones. It works at
//! four times the rate, so that overtones beyond the range do not fold back as wrong notes.

use super::glide::{Choice, Glide};
use super::halfband::{Down, Up};
use super::line::Line;
use super::{Pole, blend, pieces, silent_below};
use crate::math::{frames_of_ms, gain_of_db, sine_of_phase, tanh};
use crate::module::{Io, Module, ModuleSpec, ParamSpec};

/// The kind `distortion`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "distortion",
    summary: "From warmth to fuzz, about as loud at any drive. It is heard 41 frames late.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        ParamSpec::choice(
            "shape",
            &["soft", "hard", "fold", "tube"],
            "rounded, cut off, folded back, or rounded more on one side, with even harmonics",
        ),
        ParamSpec::number("drive", "dB", [0.0, 48.0], 12.0, "how much louder it meets the shape")
            .smoothed(20.0),
        ParamSpec::number(
            "tone",
            "Hz",
            [200.0, 20_000.0],
            12_000.0,
            "what lies above becomes softer, by 6 dB per octave",
        )
        .smoothed(10.0)
        .exponential(),
        super::mix(1.0),
    ],
    bypass: super::SIDES,
    ..ModuleSpec::BARE
};

const SHAPE: usize = 0;
const DRIVE: usize = 1;
const TONE: usize = 2;
const MIX: usize = 3;
const SHAPES: usize = 4;
const FOLD: usize = 2;
const CHANGE_MS: f32 = 10.0;
/// The filters on both ways take 35 frames and 5 1/2, and half a frame makes it whole.
const LATE_FRAMES: usize = 41;
/// A sine of this amplitude comes out as loud as it went in.
const REFERENCE: f32 = 0.5;
/// How far the tube is off its middle.
const BIAS: f32 = 0.6;
/// A shape that is not even makes something constant, which is taken out again below this corner.
const CONSTANT_HZ: f32 = 8.0;

/// What a shape makes of a signal.
#[inline(always)]
fn bend<const C: usize>(shape: usize, signal: [f32; C]) -> [f32; C] {
    let mut bent = signal;
    for c in 0..C {
        let x = signal[c];
        bent[c] = match shape {
            0 => tanh(x),
            1 => x.clamp(-1.0, 1.0),
            FOLD => fold(x),
            _ => tanh(x + BIAS) - tanh(BIAS),
        };
    }
    bent
}

/// A sine of the signal: 1 for 1, and back again for more.
#[inline(always)]
fn fold(x: f32) -> f32 {
    // Adding and taking away 1.5 * 2^23 rounds to whole turns.
    const ROUND: f32 = 12_582_912.0;
    let turns = 0.25 * x.clamp(-1e6, 1e6);
    let rest = turns - ((turns + ROUND) - ROUND);
    sine_of_phase((rest * 4_294_967_296.0) as i32 as u32)
}

/// By what a bent sine is to be multiplied so that it is as loud as it was.
fn compensation(shape: usize, drive: f32) -> f32 {
    const STEPS: u32 = 16;
    let power = 0.5 * REFERENCE * REFERENCE;
    if shape == FOLD {
        // The mean of the square of a sine of a sine, which swings too fast to be summed up.
        let order_0 = libm::j0f(core::f32::consts::PI * REFERENCE * drive);
        return (power / (0.5 - 0.5 * order_0)).sqrt();
    }
    let (mut sum, mut squares) = (0.0, 0.0);
    for step in 0..STEPS {
        // Half a turn, from the lowest point to the highest.
        let phase = (2 * step + 1) * (0x8000_0000 / (2 * STEPS));
        let sine = sine_of_phase(phase.wrapping_sub(0x4000_0000));
        let [bent] = bend(shape, [drive * REFERENCE * sine]);
        sum += bent;
        squares += bent * bent;
    }
    let mean = sum / STEPS as f32;
    (power / (squares / STEPS as f32 - mean * mean)).sqrt()
}

/// See [`SPEC`].
pub struct Distortion<const C: usize> {
    per_hz: f32,
    shape: Choice,
    /// What the levels were computed for.
    designed: Option<[f32; C]>,
    drive: Glide<C>,
    /// The compensation of each shape, as far as it is aimed at.
    level_ends: [[f32; C]; SHAPES],
    levels: [Glide<C>; SHAPES],
    sides: [Side<C>; 2],
}

struct Side<const C: usize> {
    late: Line<C>,
    up: (Up<C, 36>, Up<C, 12>),
    down: (Down<C, 36>, Down<C, 12>),
    /// Half a frame of delay, at twice the rate.
    half: [f32; C],
    constant: Pole<C>,
    tone: Pole<C>,
}

/// How to bend: the shape that is heard or comes, that which goes, and how much of the latter.
struct Bend<const C: usize> {
    shapes: [usize; 2],
    levels: [[f32; C]; 2],
    going: f32,
    drive: [f32; C],
}

impl<const C: usize> Bend<C> {
    #[inline(always)]
    fn apply(&self, mut signal: [f32; C]) -> [f32; C] {
        for c in 0..C {
            signal[c] *= self.drive[c];
        }
        let mut out = bend(self.shapes[0], signal);
        for c in 0..C {
            out[c] *= self.levels[0][c];
        }
        if self.going > 0.0 {
            let old = bend(self.shapes[1], signal);
            for c in 0..C {
                out[c] += self.going * (old[c] * self.levels[1][c] - out[c]);
            }
        }
        out
    }
}

impl<const C: usize> Side<C> {
    fn new() -> Self {
        Self {
            late: Line::new(LATE_FRAMES),
            up: (Up::new(), Up::new()),
            down: (Down::new(), Down::new()),
            half: [0.0; C],
            constant: Pole::REST,
            tone: Pole::REST,
        }
    }

    fn reset(&mut self) {
        self.late.reset();
        self.up.0.reset();
        self.up.1.reset();
        self.down.0.reset();
        self.down.1.reset();
        (self.half, self.constant, self.tone) = ([0.0; C], Pole::REST, Pole::REST);
    }

    /// The signal as it came, late, and what became of it.
    #[inline(always)]
    fn process(
        &mut self,
        frame: [f32; C],
        bend: &Bend<C>,
        [constant, tone]: [[f32; C]; 2],
    ) -> [[f32; C]; 2] {
        let frame = frame.map(silent_below);
        let dry = self.late.frame(LATE_FRAMES);
        self.late.push(frame);
        let mut halves = self.up.0.process(frame);
        for half in &mut halves {
            let [first, second] = self.up.1.process(*half);
            let bent = self.down.1.process([bend.apply(first), bend.apply(second)]);
            *half = core::mem::replace(&mut self.half, bent);
        }
        let mut wet = self.down.0.process(halves);
        let still = self.constant.low(wet, constant);
        for c in 0..C {
            wet[c] -= still[c];
        }
        [dry, self.tone.low(wet, tone)]
    }
}

impl<const C: usize> Distortion<C> {
    /// A silent distortion.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            per_hz: 1.0 / rate_hz as f32,
            shape: Choice::new(frames_of_ms(CHANGE_MS, rate_hz)),
            designed: None,
            drive: Glide::REST,
            level_ends: [[1.0; C]; SHAPES],
            levels: [Glide::REST; SHAPES],
            sides: [Side::new(), Side::new()],
        }
    }

    #[inline(always)]
    fn begin_cell(&mut self, shape: usize, drive_db: [f32; C]) {
        self.shape.aim(shape);
        let drive = drive_db.map(gain_of_db);
        if self.designed != Some(drive) {
            self.designed = Some(drive);
            for (shape, ends) in self.level_ends.iter_mut().enumerate() {
                for c in 0..C {
                    let is_known = c > 0 && drive[c] == drive[c - 1];
                    ends[c] = if is_known { ends[c - 1] } else { compensation(shape, drive[c]) };
                }
            }
        }
        self.drive.aim(drive);
        for (level, end) in self.levels.iter_mut().zip(&self.level_ends) {
            level.aim(*end);
        }
    }
}

impl<const C: usize> Module for Distortion<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.shape.reset();
        (self.designed, self.drive) = (None, Glide::REST);
        self.levels = [Glide::REST; SHAPES];
        self.sides.iter_mut().for_each(Side::reset);
    }

    #[inline(always)]
    fn process(&mut self, mut io: Io<'_>) {
        let [shape, drive_db] = [SHAPE, DRIVE].map(|param| io.param::<C>(param));
        let [tone_hz, mix] = [TONE, MIX].map(|param| io.param::<C>(param));
        let (frames, is_stereo) = (io.frames.clone(), io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let per_hz = self.per_hz;
        let constant = [Pole::<C>::coefficient(CONSTANT_HZ * per_hz); C];
        let pole = |tone_hz: f32| Pole::<C>::coefficient(tone_hz * per_hz);
        let mut tone = tone_hz.at(0).map(pole);
        for piece in pieces(frames) {
            if piece.begins || self.drive.is_fresh() {
                let n = piece.frames.start;
                // The first channel says the shape for all.
                self.begin_cell(shape.at(n)[0] as usize, drive_db.at(n));
            }
            for n in piece.frames {
                if tone_hz.is_moving() {
                    tone = tone_hz.at(n).map(pole);
                }
                let levels = self.levels.each_mut().map(Glide::step);
                let shapes = [self.shape.to, self.shape.from];
                let bend = Bend {
                    shapes,
                    levels: shapes.map(|shape| levels[shape]),
                    going: self.shape.step(),
                    drive: self.drive.step(),
                };
                let mix = mix.at(n);
                let [dry, wet] = self.sides[0].process(left[n], &bend, [constant, tone]);
                out_left[n] = blend(dry, wet, mix);
                out_right[n] = out_left[n];
                if is_stereo {
                    let [dry, wet] = self.sides[1].process(right[n], &bend, [constant, tone]);
                    out_right[n] = blend(dry, wet, mix);
                }
            }
        }
    }
}
