//! Distortion: a bent line between what comes in and what goes out, which adds overtones. It works at
//! four times the rate, so that overtones beyond the range do not fold back as wrong notes.

use super::glide::{Choice, Glide};
use super::halfband::{Down, Up};
use super::line::Line;
use super::shape::{NAMES, SHAPES, bend, compensation};
use super::{Pole, blend_each, pieces, pole, silent_below};
use crate::io::Io;
use crate::math::{frames_of_ms, gain_of_db};
use crate::module::{Module, ModuleSpec, ParamSpec};

/// The kind `distortion`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "distortion",
    summary: "From warmth to fuzz, about as loud at any drive. It is heard 41 frames late.",
    inputs: &[super::LEFT_IN, super::RIGHT_IN],
    outputs: &[super::LEFT_OUT, super::RIGHT_OUT],
    params: &[
        ParamSpec::choice(
            "shape",
            &NAMES,
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
const CHANGE_MS: f32 = 10.0;
/// The filters on both ways take 35 frames and 5 1/2, and half a frame makes it whole.
const LATE_FRAMES: usize = 41;
/// A shape that is not even makes something constant, which is taken out again below this corner.
const CONSTANT_HZ: f32 = 8.0;

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
        self.late.push_each(frame);
        let mut halves = self.up.0.process(frame);
        for half in &mut halves {
            let [first, second] = self.up.1.process(*half);
            let bent = self.down.1.process([bend.apply(first), bend.apply(second)]);
            *half = core::mem::replace(&mut self.half, bent);
        }
        let mut wet = self.down.0.process(halves);
        let still = self.constant.low_of_each(wet, constant);
        for c in 0..C {
            wet[c] -= still[c];
        }
        [dry, self.tone.low_of_each(wet, tone)]
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
    fn process(&mut self, io: &mut Io<'_>) {
        let [shape, drive_db] = [SHAPE, DRIVE].map(|param| io.param::<C>(param));
        let [tone_hz, mix] = [TONE, MIX].map(|param| io.param::<C>(param));
        let (frames, is_stereo) = (io.frames.clone(), io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let per_hz = self.per_hz;
        let constant = [pole(CONSTANT_HZ * per_hz); C];
        let pole_of = |tone_hz: f32| pole(tone_hz * per_hz);
        let mut tone = tone_hz.at(0).map(pole_of);
        for piece in pieces(frames) {
            if piece.begins || self.drive.is_fresh() {
                let n = piece.frames.start;
                // The first channel says the shape for all.
                self.begin_cell(shape.at(n)[0] as usize, drive_db.at(n));
            }
            for n in piece.frames {
                if tone_hz.is_moving() {
                    tone = tone_hz.at(n).map(pole_of);
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
                out_left[n] = blend_each(dry, wet, mix);
                out_right[n] = out_left[n];
                if is_stereo {
                    let [dry, wet] = self.sides[1].process(right[n], &bend, [constant, tone]);
                    out_right[n] = blend_each(dry, wet, mix);
                }
            }
        }
    }
}
