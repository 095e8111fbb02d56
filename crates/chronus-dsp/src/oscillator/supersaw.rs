//! Seven saws side by side, a little out of tune with each other: the broad sound of trance.
//!
//! How far the saws lie apart in relation to each other is what Adam Szabo measured at a Roland
//! JP-8000 ("How to Emulate the Super Saw", 2010). What makes seven band-limited saws cheap: edges
//! add up, so all the saws of a side share one trail.

use super::edge::{Trail, jumped, ramp};
use crate::io::Io;
use crate::math::{PhaseSteps, exp2};
use crate::module::{BLOCK_FRAMES, Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `supersaw`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "supersaw",
    summary: "Seven saws, detuned and spread from left to right. It is heard 16 frames late.",
    inputs: &[],
    outputs: &[
        PortSpec::audio("left", "the saw in the middle, and three others"),
        PortSpec::audio("right", "the saw in the middle, and the three that are left"),
    ],
    params: &[
        super::FREQ,
        ParamSpec {
            doc: "level: as loud as a saw of this gain, with peaks up to 2.7 times that",
            ..super::GAIN
        },
        ParamSpec::number(
            "detune",
            "cent",
            [0.0, 100.0],
            20.0,
            "how far the outermost saws are from freq",
        )
        .smoothed(20.0),
        ParamSpec::number(
            "blend",
            "",
            [0.0, 1.0],
            0.7,
            "how much is heard of the detuned six: none at 0, as much as of the one in the middle \
             at 1; the loudness stays",
        )
        .smoothed(20.0),
        ParamSpec::number(
            "width",
            "",
            [0.0, 1.0],
            1.0,
            "how far the six are spread: 0 is mono, at 1 three are left and three right",
        )
        .smoothed(20.0),
        ParamSpec::number(
            "seed",
            "",
            [0.0, 65_535.0],
            0.0,
            "whole; where in their turns the saws begin, taken as the sound starts",
        ),
        ParamSpec::choice(
            "spread",
            &["alike", "different"],
            "whether the saws of all channels begin alike, or those of each channel elsewhere",
        ),
    ],
    tables: &[&super::edge::EDGES],
    ..ModuleSpec::BARE
};

const FREQ: usize = 0;
const GAIN: usize = 1;
const DETUNE: usize = 2;
const BLEND: usize = 3;
const WIDTH: usize = 4;
const SEED: usize = 5;
const SPREAD: usize = 6;
/// Where the saws are: the one in the middle, three on the left, three on the right; in shares of
/// the detuning, in pitch. Each side has its part of those above and below.
const OFFSETS: [f32; SAWS] = [0.0, -1.0, 0.181, 0.565, -0.572, -0.177, 0.977];
const SAWS: usize = 7;
/// The first saw that is not heard on the left.
const RIGHT: usize = 4;

/// See [`SPEC`].
pub struct Supersaw<const C: usize> {
    steps: PhaseSteps,
    /// 2^32 is one turn.
    phase: [[u32; C]; SAWS],
    /// What the phases advance by on the way to the next frame.
    step: [[i32; C]; SAWS],
    /// Whether there was a frame before, and so the phases are set.
    is_running: bool,
    /// What is heard on the left and on the right at full width.
    trails: [Trail<C>; 2],
}

impl<const C: usize> Supersaw<C> {
    /// Saws before their first frame.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            steps: PhaseSteps::new(rate_hz),
            phase: [[0; C]; SAWS],
            step: [[0; C]; SAWS],
            is_running: false,
            trails: [Trail::new(), Trail::new()],
        }
    }

    fn begin(&mut self, seed: [f32; C], spread: [f32; C]) {
        self.is_running = true;
        for (saw, phase) in self.phase.iter_mut().enumerate() {
            for c in 0..C {
                let channel = if spread[c] > 0.5 { c as u32 } else { 0 };
                // The seed has 16 bits.
                let key = seed[c] as u32 | channel << 16 | (saw as u32) << 24;
                phase[c] = crate::math::scramble(key ^ 0x9e37_79b9);
            }
        }
    }

    /// What the phases advance by.
    #[inline(always)]
    fn steps_of(&self, freq_hz: [f32; C], ratio: &[[f32; C]; SAWS]) -> [[i32; C]; SAWS] {
        /// 0.495 of a turn: a saw jumps once at most from frame to frame.
        const STEP_MAX: f32 = 2_126_008_811.0;
        let middle = freq_hz.map(|freq_hz| self.steps.of(freq_hz));
        let mut steps = [[0; C]; SAWS];
        for (step, ratio) in steps.iter_mut().zip(ratio) {
            for c in 0..C {
                // A step is below half a turn, and vectors convert only signed numbers.
                step[c] = (middle[c] as i32 as f32 * ratio[c]).min(STEP_MAX) as i32;
            }
        }
        steps
    }

    /// Tells the jumps of one saw on the way to `frame`.
    fn tell_edges(&mut self, frame: usize, saw: usize, from: [u32; C], level: [f32; C]) {
        for c in 0..C {
            if !jumped(from[c], self.phase[saw][c], self.step[saw][c]) {
                continue;
            }
            for (side, trail) in self.trails.iter_mut().enumerate() {
                if is_heard(saw, side) {
                    let way = (from[c], self.step[saw][c]);
                    trail.ramp_edges((frame, c), way, None, level[c]);
                }
            }
        }
    }

    /// Advances all saws to `frame` and returns what is heard on the left and on the right.
    #[inline(always)]
    fn advance(&mut self, frame: usize, levels: &Levels<C>) -> [[f32; C]; 2] {
        let mut plain = [[0.0; C]; 2];
        for saw in 0..SAWS {
            let level = if saw == 0 { levels.middle } else { levels.others };
            let (from, mut any_edge) = (self.phase[saw], false);
            let mut sample = [0.0; C];
            for c in 0..C {
                self.phase[saw][c] = from[c].wrapping_add(self.step[saw][c] as u32);
                any_edge |= jumped(from[c], self.phase[saw][c], self.step[saw][c]);
                sample[c] = level[c] * ramp(self.phase[saw][c]);
            }
            for (side, plain) in plain.iter_mut().enumerate() {
                for c in 0..C {
                    plain[c] += if is_heard(saw, side) { sample[c] } else { 0.0 };
                }
            }
            if any_edge {
                self.tell_edges(frame, saw, from, level);
            }
        }
        let [left, right] = &mut self.trails;
        [left.pass(frame, plain[0]), right.pass(frame, plain[1])]
    }
}

/// Whether a saw is heard on the left (side 0) or on the right, at full width.
#[inline(always)]
fn is_heard(saw: usize, side: usize) -> bool {
    saw == 0 || (saw >= RIGHT) == (side == 1)
}

/// By what the frequency of each saw differs from that of the middle.
#[inline(always)]
fn ratios<const C: usize>(detune: [f32; C]) -> [[f32; C]; SAWS] {
    OFFSETS.map(|offset| detune.map(|cents| exp2(cents * (1.0 / 1200.0) * offset)))
}

/// How loud the saws are.
struct Levels<const C: usize> {
    middle: [f32; C],
    /// At full width.
    others: [f32; C],
    /// What each side hears of its own and of the other.
    own: [f32; C],
    other: [f32; C],
}

/// Saws that are out of tune add by their powers, so it is these whose sum stays the same.
#[inline(always)]
fn levels<const C: usize>(blend: [f32; C], width: [f32; C]) -> Levels<C> {
    let (mut middle, mut others) = ([0.0; C], [0.0; C]);
    let (mut own, mut other) = ([0.0; C], [0.0; C]);
    for c in 0..C {
        middle[c] = (1.0 - blend[c] * (6.0 / 7.0)).sqrt();
        others[c] = 2.0 * (blend[c] * (1.0 / 7.0) / (1.0 + width[c] * width[c])).sqrt();
        own[c] = 0.5 + 0.5 * width[c];
        other[c] = 0.5 - 0.5 * width[c];
    }
    Levels { middle, others, own, other }
}

impl<const C: usize> Module for Supersaw<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.is_running = false;
        self.step = [[0; C]; SAWS];
        self.trails.iter_mut().for_each(Trail::reset);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [freq, gain, detune, blend, width] =
            [FREQ, GAIN, DETUNE, BLEND, WIDTH].map(|param| io.param::<C>(param));
        if !self.is_running {
            self.begin(io.param::<C>(SEED).at(0), io.param::<C>(SPREAD).at(0));
        }
        let frames = io.frames.clone();
        let ([], [left, right]) = io.ports::<C, 0, 2>();
        let mut ratio = ratios(detune.at(0));
        let mut levels_now = levels(blend.at(0), width.at(0));
        let mut step = self.steps_of(freq.at(0), &ratio);
        for n in 0..left.len() {
            if blend.is_moving() || width.is_moving() {
                levels_now = levels(blend.at(n), width.at(n));
            }
            let heard = self.advance(frames.start + n, &levels_now);
            let (gain, [mut l, mut r]) = (gain.at(n), [[0.0; C]; 2]);
            for c in 0..C {
                let (own, other) = (levels_now.own[c], levels_now.other[c]);
                l[c] = gain[c] * (own * heard[0][c] + other * heard[1][c]);
                r[c] = gain[c] * (own * heard[1][c] + other * heard[0][c]);
            }
            (left[n], right[n]) = (l, r);
            if detune.is_moving() {
                ratio = ratios(detune.at(n));
            }
            if detune.is_moving() || freq.is_moving() {
                step = self.steps_of(freq.at(n), &ratio);
            }
            self.step = step;
        }
        if frames.end == BLOCK_FRAMES {
            self.trails.iter_mut().for_each(Trail::end_block);
        }
    }
}
