//! Two saws and a ladder, whose cutoff rests with its envelope.

use super::edges::Trail;
use super::lanes::{LANES_MAX, Lanes};
use super::{Kind, Lane, levels, step};
use crate::voices::voice::saw::{CUTOFF_HZ, DETUNE, OPENING_OCTAVES, RESONANCE};
use crate::voices::voice::{BLOCK, RATE_HZ, SUSTAIN, Voice};
use chronus_dsp::math::tan_of_turns;
use chronus_dsp::oscillator::edge::DELAY_FRAMES;

/// See the file's head.
pub enum Saw {}

impl Kind for Saw {
    type Of<L: Lanes> = SawLanes<L>;
}

/// The ladder is that of Chronus: four stages with the feedback solved for, and a saturation that two steps of
/// Newton's method find.
#[derive(Clone, Copy)]
pub struct SawLanes<L: Lanes> {
    /// Of the plain ramps, which are as late as their edges.
    late_phase: [L::U; 2],
    step: [L::U; 2],
    level: L::F,
    rise: L::F,
    /// The share of the way to its input that a stage goes in half a frame.
    share: L::F,
    /// What the last stage gives by itself is fed back by so much.
    feedback: L::F,
    /// What goes around at once, and one over 1 and that.
    loop_gain: L::F,
    linear: L::F,
    state: [L::F; 4],
}

/// The ramps, where they are without delay.
pub struct Ramps {
    trail: Trail,
    phase: [[u32; LANES_MAX]; 2],
    step: [[u32; LANES_MAX]; 2],
    height: [f32; LANES_MAX],
}

const LOOP: f32 = 4.0 * RESONANCE;

impl<L: Lanes> SawLanes<L> {
    /// Solves `v + loop_gain * saturated(v) = asked`, and returns `saturated(v)`. `linear` is one over 1 and the gain.
    #[inline(always)]
    fn saturated(l: L, asked: L::F, loop_gain: L::F, linear: L::F) -> L::F {
        let mut v = l.mul(asked, linear);
        for _ in 0..2 {
            // What is rough here, the next step makes good.
            let slope = l.rough_inverse_root(Self::bent(l, v));
            let error = l.sub(l.mul_add(l.mul(loop_gain, v), slope, v), asked);
            let steep = l.mul_add(l.mul(loop_gain, slope), l.mul(slope, slope), l.splat(1.0));
            v = l.sub(v, l.mul(error, l.rough_inverse(steep)));
        }
        l.mul(v, l.inverse_root(Self::bent(l, v)))
    }

    /// Over the root of this, a number is saturated.
    #[inline(always)]
    fn bent(l: L, v: L::F) -> L::F {
        /// One over the square of the level that the saturation approaches.
        const SCALE: f32 = 0.25;
        l.mul_add(l.mul(v, l.splat(SCALE)), v, l.splat(1.0))
    }

    #[inline(always)]
    fn ladder(&mut self, l: L, input: L::F) -> L::F {
        let (g, loop_gain, linear) = (self.share, self.loop_gain, self.linear);
        let [s1, s2, s3, s4] = self.state;
        let ringing = l.mul_add(g, l.mul_add(g, l.mul_add(g, s1, s2), s3), s4);
        let fed = l.sub(input, l.mul(self.feedback, ringing));
        let mut signal = Self::saturated(l, fed, loop_gain, linear);
        for state in &mut self.state {
            let half_way = l.mul(g, l.sub(signal, *state));
            signal = l.add(*state, half_way);
            *state = l.add(signal, half_way);
        }
        signal
    }
}

impl<L: Lanes> Lane<L> for SawLanes<L> {
    type Source = Ramps;

    fn new(l: L, first: usize, voices: usize) -> (Self, Ramps) {
        let times = [1.0, DETUNE];
        let step_of = |times: f32, lane: usize| step(Voice::Saw, first + lane, times);
        let steps = times.map(|times| std::array::from_fn(|lane| step_of(times, lane)));
        let late = times.map(|times| {
            l.each_phase(|lane| {
                step_of(times, lane).wrapping_mul(DELAY_FRAMES as u32).wrapping_neg()
            })
        });
        let cutoff_hz = CUTOFF_HZ * (OPENING_OCTAVES * SUSTAIN).exp2();
        let g = tan_of_turns(cutoff_hz / RATE_HZ as f32 * 0.5);
        let share = g / (1.0 + g);
        let loop_gain = LOOP * share.powi(4);
        let lanes = Self {
            late_phase: late,
            step: steps.map(|steps| l.load_phases(&steps)),
            level: l.splat(SUSTAIN),
            rise: l.splat(1e-9),
            share: l.splat(share),
            feedback: l.splat(LOOP * (1.0 - share)),
            loop_gain: l.splat(loop_gain),
            linear: l.splat(1.0 / (1.0 + loop_gain)),
            state: [l.splat(0.0); 4],
        };
        let mut height = [0.0; LANES_MAX];
        l.store(&mut height, levels(l, first, voices, 0.5));
        let ramps =
            Ramps { trail: Trail::new::<L>(), phase: [[0; LANES_MAX]; 2], step: steps, height };
        (lanes, ramps)
    }

    #[inline(always)]
    fn prepare(
        &mut self,
        l: L,
        ramps: &mut Ramps,
        source: &mut [L::F; BLOCK],
        _: &mut [f32; BLOCK],
    ) {
        let Ramps { trail, phase, step, height } = ramps;
        for (phase, step) in phase.iter_mut().zip(step) {
            for lane in 0..L::COUNT {
                let before = phase[lane].wrapping_sub(step[lane]);
                trail.jump::<L>(lane, before, step[lane], -2.0 * height[lane]);
                phase[lane] = phase[lane].wrapping_add(step[lane].wrapping_mul(BLOCK as u32));
            }
        }
        let scale = l.mul(l.load(&height[..]), l.splat(1.0 / 2_147_483_648.0));
        let [mut a, mut b] = self.late_phase;
        for n in 0..BLOCK {
            let plain = l.add(l.number_of(a), l.number_of(b));
            source[n] = l.mul_add(plain, scale, trail.heard(l, n));
            [a, b] = [l.add_phases(a, self.step[0]), l.add_phases(b, self.step[1])];
        }
        self.late_phase = [a, b];
        trail.end_block::<L>();
    }

    #[inline(always)]
    fn frame(&mut self, l: L, source: L::F) -> L::F {
        let heard = l.mul(self.ladder(l, source), self.level);
        self.level = l.add(self.level, self.rise);
        heard
    }
}
