//! Distortion: a bent line between what comes in and what goes out, which adds overtones. It works at
//! four times the rate, so that overtones beyond the range do not fold back as wrong notes.

use super::glide::{Choice, Glide};
use super::halfband::{Down, Up};
use super::line::Line;
use super::shape::{NAMES, SHAPES, bend, compensation};
use super::{Pole, blend, pieces, pole, silent_below};
use crate::io::Io;
use crate::lanes::{Floats, Lanes};
use crate::math::{frames_of_ms, gain_of_db};
use crate::module::{ModuleSpec, ParamSpec};
use crate::simd::Kernel;

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
struct Bend<F> {
    shapes: [usize; 2],
    levels: [F; 2],
    going: f32,
    drive: F,
}

impl<F: Floats> Bend<F> {
    #[inline(always)]
    fn apply(&self, signal: F) -> F {
        let signal = signal * self.drive;
        let mut out = bend(self.shapes[0], signal) * self.levels[0];
        if self.going > 0.0 {
            let old = bend(self.shapes[1], signal) * self.levels[1];
            out = out + (old - out) * self.going;
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
    fn process<L: Lanes<C>>(
        &mut self,
        lanes: L,
        frame: L::Floats,
        bend: &Bend<L::Floats>,
        [constant, tone]: [L::Floats; 2],
    ) -> [L::Floats; 2] {
        let frame = silent_below(frame);
        let dry = lanes.load(&self.late.frame(LATE_FRAMES));
        self.late.push(lanes, frame);
        let mut halves = self.up.0.process(lanes, frame);
        for half in &mut halves {
            let [first, second] = self.up.1.process(lanes, *half);
            let bent = self.down.1.process(lanes, [bend.apply(first), bend.apply(second)]);
            *half = lanes.load(&self.half);
            lanes.store(bent, &mut self.half);
        }
        let wet = self.down.0.process(lanes, halves);
        let wet = wet - self.constant.low(lanes, wet, constant);
        [dry, self.tone.low(lanes, wet, tone)]
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
    fn begin_cell<L: Lanes<C>>(&mut self, lanes: L, shape: usize, drive_db: L::Floats) {
        self.shape.aim(shape);
        let drive = gain_of_db(drive_db);
        self.design(lanes.array(drive));
        self.drive.aim(lanes, drive);
        for (level, end) in self.levels.iter_mut().zip(&self.level_ends) {
            level.aim(lanes, lanes.load(end));
        }
    }

    fn design(&mut self, drive: [f32; C]) {
        if self.designed == Some(drive) {
            return;
        }
        self.designed = Some(drive);
        for (shape, ends) in self.level_ends.iter_mut().enumerate() {
            for c in 0..C {
                let is_known = c > 0 && drive[c] == drive[c - 1];
                ends[c] = if is_known { ends[c - 1] } else { compensation(shape, drive[c]) };
            }
        }
    }
}

impl<const C: usize> Kernel<C> for Distortion<C> {
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
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [shape, drive_db] = [SHAPE, DRIVE].map(|param| io.param::<C>(param));
        let [tone_hz, mix] = [TONE, MIX].map(|param| io.param::<C>(param));
        let (drive_db, tone_hz, mix) = (drive_db.on(lanes), tone_hz.on(lanes), mix.on(lanes));
        let (frames, is_stereo) = (io.frames.clone(), io.is_connected(1));
        let ([left, right], [out_left, out_right]) = io.ports::<C, 2, 2>();
        let per_hz = self.per_hz;
        let constant = lanes.all(pole(CONSTANT_HZ * per_hz));
        let mut tone = pole(tone_hz.at(0) * per_hz);
        for piece in pieces(frames) {
            if piece.begins || self.drive.is_fresh() {
                let n = piece.frames.start;
                // The first channel says the shape for all.
                self.begin_cell(lanes, shape.at(n)[0] as usize, drive_db.at(n));
            }
            for n in piece.frames {
                if tone_hz.is_moving() {
                    tone = pole(tone_hz.at(n) * per_hz);
                }
                let mut levels = [constant; SHAPES];
                for (level, glide) in levels.iter_mut().zip(&mut self.levels) {
                    *level = glide.step(lanes);
                }
                let shapes = [self.shape.to, self.shape.from];
                let bend = Bend {
                    shapes,
                    levels: [levels[shapes[0]], levels[shapes[1]]],
                    going: self.shape.step(),
                    drive: self.drive.step(lanes),
                };
                let mix = mix.at(n);
                let heard = if is_stereo { [&left[n], &right[n]] } else { [&left[n]; 2] };
                for (side, to) in [&mut out_left[n], &mut out_right[n]].into_iter().enumerate() {
                    if side == 0 || is_stereo {
                        let signal = lanes.load(heard[side]);
                        let [dry, wet] =
                            self.sides[side].process(lanes, signal, &bend, [constant, tone]);
                        lanes.store(blend(dry, wet, mix), to);
                    }
                }
                if !is_stereo {
                    out_right[n] = out_left[n];
                }
            }
        }
    }
}
