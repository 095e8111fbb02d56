//! Seven saws side by side, a little out of tune with each other: the broad sound of trance.
//!
//! How far the saws lie apart in relation to each other is what Adam Szabo measured at a Roland
//! JP-8000 ("How to Emulate the Super Saw", 2010). What makes seven band-limited saws cheap: edges
//! add up, so all the saws of a side share one trail.

use super::edge::{Edges, Trail, jumped, ramp};
use crate::io::Io;
use crate::lanes::{Floats, Ints, Lanes, Mask};
use crate::math::{PhaseSteps, exp2};
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

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
    step: [[u32; C]; SAWS],
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
    fn steps_of<F: Floats>(&self, freq_hz: F, ratio: &[F; SAWS]) -> [F::Ints; SAWS] {
        /// 0.495 of a turn: a saw jumps once at most from frame to frame.
        const STEP_MAX: f32 = 2_126_008_811.0;
        let mut steps = [self.steps.of(freq_hz); SAWS];
        // A step is below half a turn, and vectors convert only signed numbers.
        let middle = steps[0].to_floats();
        for (step, ratio) in steps.iter_mut().zip(ratio) {
            *step = (middle * *ratio).at_most(ratio.like(STEP_MAX)).to_ints();
        }
        steps
    }

    /// Tells the jumps of one saw on the way to `frame`.
    fn tell_edges(&mut self, frame: usize, saw: usize, edges: &Edges<C>, level: &[f32; C]) {
        for c in edges.channels() {
            for (side, trail) in self.trails.iter_mut().enumerate() {
                if is_heard(saw, side) {
                    let way = (edges.from[c], self.step[saw][c] as i32);
                    trail.ramp_edges((frame, c), way, None, level[c]);
                }
            }
        }
    }

    /// Advances all saws to `frame` and returns what is heard on the left and on the right.
    #[inline(always)]
    fn advance<L: Lanes<C>>(
        &mut self,
        lanes: L,
        frame: usize,
        levels: &Levels<L::Floats>,
    ) -> [L::Floats; 2] {
        let mut plain = [lanes.all(0.0); 2];
        for saw in 0..SAWS {
            let level = if saw == 0 { levels.middle } else { levels.others };
            let from = lanes.load_ints(&self.phase[saw]);
            let step = lanes.load_ints(&self.step[saw]);
            let phase = from.plus(step);
            lanes.store_ints(phase, &mut self.phase[saw]);
            let sample = level * ramp(phase);
            for (side, plain) in plain.iter_mut().enumerate() {
                if is_heard(saw, side) {
                    *plain = *plain + sample;
                }
            }
            let edges = jumped(from, phase, step);
            if edges.any() {
                let edges = Edges::new(lanes, edges, from, lanes.all(0.0));
                self.tell_edges(frame, saw, &edges, &lanes.array(level));
            }
        }
        let ([left, right], [left_plain, right_plain]) = (&mut self.trails, plain);
        [left.pass(lanes, frame, left_plain), right.pass(lanes, frame, right_plain)]
    }
}

/// Whether a saw is heard on the left (side 0) or on the right, at full width.
#[inline(always)]
fn is_heard(saw: usize, side: usize) -> bool {
    saw == 0 || (saw >= RIGHT) == (side == 1)
}

/// By what the frequency of each saw differs from that of the middle.
#[inline(always)]
fn ratios<F: Floats>(detune: F) -> [F; SAWS] {
    let mut ratios = [detune; SAWS];
    for (ratio, offset) in ratios.iter_mut().zip(OFFSETS) {
        *ratio = exp2(detune * (1.0 / 1200.0) * offset);
    }
    ratios
}

/// How loud the saws are.
#[derive(Clone, Copy)]
struct Levels<F> {
    middle: F,
    /// At full width.
    others: F,
    /// What each side hears of its own and of the other.
    own: F,
    other: F,
}

impl<F: Floats> Levels<F> {
    /// Saws that are out of tune add by their powers, so it is these whose sum stays the same.
    #[inline(always)]
    fn of(blend: F, width: F) -> Self {
        let (one, half) = (blend.like(1.0), blend.like(0.5));
        Self {
            middle: (one - blend * (6.0 / 7.0)).root(),
            others: (blend * (1.0 / 7.0) / (width * width + 1.0)).root() * 2.0,
            own: half + width * 0.5,
            other: half - width * 0.5,
        }
    }
}

impl<const C: usize> Kernel<C> for Supersaw<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.is_running = false;
        self.step = [[0; C]; SAWS];
        self.trails.iter_mut().for_each(Trail::reset);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [freq, gain, detune, blend, width] =
            [FREQ, GAIN, DETUNE, BLEND, WIDTH].map(|param| io.param::<C>(param));
        if !self.is_running {
            self.begin(io.param::<C>(SEED).at(0), io.param::<C>(SPREAD).at(0));
        }
        let (freq, gain, detune) = (freq.on(lanes), gain.on(lanes), detune.on(lanes));
        let (blend, width) = (blend.on(lanes), width.on(lanes));
        let frames = io.frames.clone();
        let ([], [left, right]) = io.ports::<C, 0, 2>();
        let mut ratio = ratios(detune.at(0));
        let mut levels = Levels::of(blend.at(0), width.at(0));
        let mut is_told = false;
        for (n, (left, right)) in left.iter_mut().zip(right).enumerate() {
            if blend.is_moving() || width.is_moving() {
                levels = Levels::of(blend.at(n), width.at(n));
            }
            let heard = self.advance(lanes, frames.start + n, &levels);
            let (gain, Levels { own, other, .. }) = (gain.at(n), levels);
            lanes.store(gain * (own * heard[0] + other * heard[1]), left);
            lanes.store(gain * (own * heard[1] + other * heard[0]), right);
            if detune.is_moving() {
                ratio = ratios(detune.at(n));
            }
            // The first frame may go on with steps of the block before.
            if detune.is_moving() || freq.is_moving() || !is_told {
                let steps = self.steps_of(freq.at(n), &ratio);
                for (step, to) in steps.into_iter().zip(&mut self.step) {
                    lanes.store_ints(step, to);
                }
                is_told = true;
            }
        }
    }
}
