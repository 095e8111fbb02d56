//! A pulse with PWM, as the difference of two ramps, and the low output of a state-variable filter.

use super::edges::Trail;
use super::lanes::{LANES_MAX, Lanes};
use super::{Kind, Lane, levels, step};
use crate::voices::voice::pulse::{CUTOFF_HZ, Q, SWING, SWING_HZ, WIDTH};
use crate::voices::voice::{BLOCK, RATE_HZ, SUSTAIN, Voice, swing_phase};
use chronus_dsp::math::{sine_of_phase, tan_of_turns};

/// See the file's head.
pub enum Pulse {}

impl Kind for Pulse {
    type Of<L: Lanes> = PulseLanes<L>;
}

/// The filter and the envelope.
#[derive(Clone, Copy)]
pub struct PulseLanes<L: Lanes> {
    level: L::F,
    rise: L::F,
    a: [L::F; 3],
    state: [L::F; 2],
}

/// The ramps, whose jumps are the edges.
pub struct Ramps {
    trail: Trail,
    /// Of the frame before this block.
    rise: [u32; LANES_MAX],
    fall: [u32; LANES_MAX],
    step: [u32; LANES_MAX],
    /// Of the oscillator that swings, and how far it comes in a block.
    swing: [u32; LANES_MAX],
    swing_step: u32,
    height: [f32; LANES_MAX],
}

/// The width as a phase.
fn width_at(swing: u32) -> u32 {
    ((WIDTH + SWING * sine_of_phase(swing)) * 4_294_967_296.0) as u32
}

impl<L: Lanes> Lane<L> for PulseLanes<L> {
    type Source = Ramps;

    fn new(l: L, first: usize, voices: usize) -> (Self, Ramps) {
        let g = tan_of_turns(CUTOFF_HZ / RATE_HZ as f32 * 0.5);
        let a1 = 1.0 / (1.0 + g * (g + 1.0 / Q));
        let lanes = Self {
            level: l.splat(SUSTAIN),
            rise: l.splat(1e-9),
            a: [a1, g * a1, g * g * a1].map(|a| l.splat(a)),
            state: [l.splat(0.0); 2],
        };
        let step = std::array::from_fn(|lane| step(Voice::Pulse, first + lane, 1.0));
        // In the first frame it is at its rising edge.
        let rise = step.map(|step| (1_u32 << 31).wrapping_sub(step));
        let swing =
            std::array::from_fn(|lane| (swing_phase(first + lane) * 4_294_967_296.0) as u32);
        let fall = std::array::from_fn(|lane| rise[lane].wrapping_sub(width_at(swing[lane])));
        let mut height = [0.0; LANES_MAX];
        l.store(&mut height, levels(l, first, voices, 1.0));
        let swing_step = SWING_HZ * BLOCK as f32 / RATE_HZ as f32 * 4_294_967_296.0;
        let swing_step = swing_step as u32;
        (lanes, Ramps { trail: Trail::new::<L>(), rise, fall, step, swing, swing_step, height })
    }

    #[inline(always)]
    fn prepare(
        &mut self,
        l: L,
        ramps: &mut Ramps,
        source: &mut [L::F; BLOCK],
        _: &mut [f32; BLOCK],
    ) {
        let Ramps { trail, rise, fall, step, swing, swing_step, height } = ramps;
        let mut fall_step = [0; LANES_MAX];
        for lane in 0..L::COUNT {
            swing[lane] = swing[lane].wrapping_add(*swing_step);
            // To where the width is at the end of this block it goes in a straight line.
            let width = rise[lane].wrapping_sub(fall[lane]);
            let wider = (width_at(swing[lane]) as i64 - i64::from(width)) / BLOCK as i64;
            fall_step[lane] = step[lane].wrapping_sub(wider as u32);
            trail.jump::<L>(lane, rise[lane], step[lane], 2.0 * height[lane]);
            trail.jump::<L>(lane, fall[lane], fall_step[lane], -2.0 * height[lane]);
        }
        let scale = l.mul(l.load(&height[..]), l.splat(1.0 / 2_147_483_648.0));
        let (mut up, mut down) = (l.load_phases(rise), l.load_phases(fall));
        let (up_step, down_step) = (l.load_phases(step), l.load_phases(&fall_step));
        for n in 0..BLOCK {
            up = l.add_phases(up, up_step);
            down = l.add_phases(down, down_step);
            let plain = l.mul(l.sub(l.number_of(down), l.number_of(up)), scale);
            trail.add_plain(l, n, plain);
            source[n] = trail.heard(l, n);
        }
        l.store_phases(rise, up);
        l.store_phases(fall, down);
        trail.end_block::<L>();
    }

    #[inline(always)]
    fn frame(&mut self, l: L, source: L::F) -> L::F {
        let ([a1, a2, a3], [s1, s2]) = (self.a, self.state);
        let v3 = l.sub(source, s2);
        let v1 = l.mul_add(a1, s1, l.mul(a2, v3));
        let v2 = l.add(l.mul_add(a2, s1, s2), l.mul(a3, v3));
        self.state = [l.sub(l.add(v1, v1), s1), l.sub(l.add(v2, v2), s2)];
        let heard = l.mul(v2, self.level);
        self.level = l.add(self.level, self.rise);
        heard
    }
}
