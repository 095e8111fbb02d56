//! A slow oscillator, in Hz or in step with the beat, that moves parameters: waves, random steps
//! and random curves.

use super::random::SEED;
use super::timing::{Openings, PHASE_START, RESET, TURN, beat_in, fixed};
use crate::io::Io;
use crate::lanes::{Floats, Ints, Lanes};
use crate::math::{Die, sine_of_phase, unit_of};
use crate::module::{BLOCK_FRAMES, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `lfo`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "lfo",
    summary: "A slow oscillator that moves parameters, free or in step with the beat.",
    inputs: &[PortSpec { doc: "begins the turn, and the random series, anew", ..RESET }],
    outputs: &[PortSpec::control("out", "offset plus depth times the shape")],
    params: &[
        ParamSpec::choice(
            "shape",
            &["sine", "triangle", "saw-up", "saw-down", "square", "random", "smooth-random"],
            "course of a turn; random is a new value each turn, smooth-random glides between such",
        ),
        ParamSpec::number("freq", "Hz", [0.001, 100.0], 1.0, "turns per second, unless in step")
            .smoothed(5.0)
            .exponential(),
        ParamSpec::choice("sync", &["free", "beats"], "by freq, or in step with the beat"),
        ParamSpec::number("beats", "beats", [0.0625, 64.0], 4.0, "how long a turn is in step")
            .exponential(),
        ParamSpec::number("phase", "turns", [0.0, 1.0], 0.0, "how far on it is").smoothed(10.0),
        ParamSpec::number("depth", "", [-1.0, 1.0], 1.0, "how far it swings; below 0, upside down")
            .smoothed(10.0),
        ParamSpec::number("offset", "", [-1.0, 1.0], 0.0, "is added").smoothed(10.0),
        ParamSpec::choice(
            "polarity",
            &["bipolar", "unipolar"],
            "whether the shape lies within -1 and 1, or within 0 and 1",
        ),
        SEED,
        ParamSpec::number(
            "spread",
            "turns",
            [0.0, 1.0],
            0.0,
            "how far apart the channels are in all; above 0, each has a random series of its own",
        )
        .smoothed(10.0),
    ],
    ..ModuleSpec::BARE
};

/// The input.
const RESETS: usize = 0;
const SHAPE: usize = 0;
const FREQ: usize = 1;
const SYNC: usize = 2;
const PHASE: usize = 4;
const DEPTH: usize = 5;
const OFFSET: usize = 6;
const POLARITY: usize = 7;
const SPREAD: usize = 9;
const PARAMS: usize = 10;

/// See [`SPEC`].
pub struct Lfo<const C: usize> {
    /// What the phase advances by in a frame at 1 Hz.
    step_per_hz: f64,
    reset: Openings<C>,
    /// Turns since the beginning.
    turns: [u32; C],
    /// Where in its turn it is, if free; 2^64 are a turn, so that the slowest is in tune.
    phase: [u64; C],
    /// The beat at which the first turn begins, if in step.
    origin: [f64; C],
}

impl<const C: usize> Lfo<C> {
    /// At the beginning of its first turn.
    pub fn new(rate_hz: u32) -> Self {
        let step_per_hz = TURN * TURN / f64::from(rate_hz);
        let (turns, phase, origin) = ([0; C], [PHASE_START; C], [0.0; C]);
        Self { step_per_hz, reset: Openings::new(), turns, phase, origin }
    }

    /// Whatever is wanted, channel by channel.
    fn each(&mut self, io: &mut Io<'_>) {
        let params: [_; PARAMS] = core::array::from_fn(|param| io.param::<C>(param));
        let transport = io.transport;
        let ([reset], [out]) = io.ports::<C, 1, 1>();
        let step_per_hz = self.step_per_hz;
        let step_at = |n| steps(step_per_hz, params[FREQ].at(n));
        let ahead_at = |n| aheads(params[PHASE].at(n), params[SPREAD].at(n));
        let (mut step, mut ahead) = (step_at(0), ahead_at(0));
        let (step_moves, ahead_moves) =
            (params[FREQ].is_moving(), params[PHASE].is_moving() || params[SPREAD].is_moving());
        for (n, out) in out.iter_mut().enumerate() {
            let [shape, _, sync, beats, _, depth, offset, polarity, seed, spread] =
                params.each_ref().map(|param| param.at(n));
            if step_moves {
                step = step_at(n);
            }
            if ahead_moves {
                ahead = ahead_at(n);
            }
            let (resets, beat) = (self.reset.of(&reset[n]), beat_in(transport, n));
            for c in 0..C {
                if resets[c] {
                    (self.turns[c], self.phase[c]) = (0, PHASE_START);
                    self.origin[c] = transport.beat_at(n);
                }
                let position = if sync[c] > 0.5 {
                    fixed((beat - self.origin[c]) / f64::from(beats[c]))
                } else {
                    u64::from(self.turns[c]) << 32 | self.phase[c] >> 32
                };
                let die = || Die::new(seed[c], if spread[c] > 0.0 { c } else { 0 });
                let wave = shape_at(shape[c], position.wrapping_add(ahead[c]), die);
                let wave = if polarity[c] > 0.5 { 0.5 + 0.5 * wave } else { wave };
                out[c] = offset[c] + depth[c] * wave;
                let (phase, is_over) = self.phase[c].overflowing_add(step[c]);
                self.phase[c] = phase;
                self.turns[c] = self.turns[c].wrapping_add(u32::from(is_over));
            }
        }
    }

    /// Frames of channels that are free, go at these steps, and of which none begins anew.
    #[inline(always)]
    fn all<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>, wave: u32, step: &[u64; C]) {
        let [depth, offset, polarity] = [DEPTH, OFFSET, POLARITY].map(|param| io.param::<C>(param));
        let (depth, offset, polarity) = (depth.on(lanes), offset.on(lanes), polarity.on(lanes));
        let ahead = aheads(io.param::<C>(PHASE).at(0), io.param::<C>(SPREAD).at(0));
        let ahead = Phases::load(lanes, &ahead).lower;
        let ([_], [out]) = io.ports::<C, 1, 1>();
        if !out.is_empty() {
            self.reset = Openings::new();
        }
        let mut phases = Phases::load(lanes, &self.phase);
        let step = Phases::load(lanes, step);
        let half = lanes.all(0.5);
        for (n, out) in out.iter_mut().enumerate() {
            let wave = wave_at(wave, phases.upper.plus(ahead));
            let is_unipolar = polarity.at(n).gt(half);
            let wave = L::Floats::choose(is_unipolar, half + wave * 0.5, wave);
            lanes.store(offset.at(n) + depth.at(n) * wave, out);
            phases.advance(&step);
        }
        let before = core::mem::replace(&mut self.phase, phases.array(lanes));
        for c in 0..C {
            // No more than one can be over.
            self.turns[c] = self.turns[c].wrapping_add(u32::from(self.phase[c] < before[c]));
        }
    }
}

/// What phases advance by in a frame, of which `step_per_hz` is that at 1 Hz.
fn steps<const C: usize>(step_per_hz: f64, freq_hz: [f32; C]) -> [u64; C] {
    freq_hz.map(|hz| (f64::from(hz) * step_per_hz) as u64)
}

/// How far on the channels are.
fn aheads<const C: usize>(phase: [f32; C], spread: [f32; C]) -> [u64; C] {
    let share = |c| f64::from(spread[c]) * c as f64 / C as f64;
    core::array::from_fn(|c| fixed(f64::from(phase[c]) + share(c)))
}

/// The shape at a position, within -1 and 1.
fn shape_at(shape: f32, position: u64, die: impl Fn() -> Die) -> f32 {
    let (turn, phase) = ((position >> 32) as u32, position as u32);
    match shape as u32 {
        wave if wave < WAVES => wave_at(wave, phase),
        5 => unit_of(die().throw(turn)),
        _ => {
            let die = die();
            let [from, to] = [turn, turn.wrapping_add(1)].map(|turn| unit_of(die.throw(turn)));
            let x = phase as f32 * (1.0 / 4_294_967_296.0);
            // Flat where one curve meets the next.
            from + (to - from) * (x * x * (3.0 - 2.0 * x))
        }
    }
}

/// So many shapes are alike in every turn.
const WAVES: u32 = 5;

/// One of those at a phase.
#[inline(always)]
fn wave_at<I: Ints>(wave: u32, phase: I) -> I::Floats {
    const QUARTER: f32 = 1.0 / 1_073_741_824.0;
    const HALF_TURN: u32 = 1 << 31;
    let none = phase.like(0);
    match wave {
        0 => sine_of_phase(phase),
        1 => {
            // As the sine is folded: the second and third quarter mirror the others.
            let mirrored = (phase ^ phase.up(1)).lt_signed(none);
            let other = phase.like(HALF_TURN).minus(phase);
            I::choose(mirrored, other, phase).to_floats() * QUARTER
        }
        2 => unit_of(phase ^ HALF_TURN),
        3 => -unit_of(phase ^ HALF_TURN),
        _ => {
            let one = unit_of(none).like(1.0);
            I::Floats::choose(phase.lt_signed(none), -one, one)
        }
    }
}

/// Where a channel is in its turns, if free, on all lanes: the upper and the lower half of its phase.
struct Phases<I> {
    upper: I,
    lower: I,
}

impl<I: Ints> Phases<I> {
    /// Goes on by a step.
    #[inline(always)]
    fn advance(&mut self, by: &Self) {
        let (none, one, top) = (self.upper.like(0), self.upper.like(1), self.upper.like(1 << 31));
        let lower = self.lower.plus(by.lower);
        let carries = (lower ^ top).lt_signed(self.lower ^ top);
        let upper = self.upper.plus(by.upper).plus(I::choose(carries, one, none));
        (self.upper, self.lower) = (upper, lower);
    }

    #[inline(always)]
    fn load<const C: usize>(lanes: impl Lanes<C, Ints = I>, phases: &[u64; C]) -> Self {
        let (mut upper, mut lower) = ([0; C], [0; C]);
        for c in 0..C {
            (upper[c], lower[c]) = ((phases[c] >> 32) as u32, phases[c] as u32);
        }
        Self { upper: lanes.load_ints(&upper), lower: lanes.load_ints(&lower) }
    }

    #[inline(always)]
    fn array<const C: usize>(self, lanes: impl Lanes<C, Ints = I>) -> [u64; C] {
        let [upper, lower] = [lanes.array_of_ints(self.upper), lanes.array_of_ints(self.lower)];
        core::array::from_fn(|c| u64::from(upper[c]) << 32 | u64::from(lower[c]))
    }
}

impl<const C: usize> Kernel<C> for Lfo<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.reset = Openings::new();
        (self.turns, self.phase, self.origin) = ([0; C], [PHASE_START; C], [0.0; C]);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let rests = [FREQ, PHASE, SPREAD].iter().all(|param| !io.param::<C>(*param).is_moving());
        let shape = io.steady(SHAPE).map(|shape| shape as u32).filter(|shape| *shape < WAVES);
        let is_free = io.steady(SYNC).is_some_and(|sync| sync <= 0.5);
        let step = steps(self.step_per_hz, io.param::<C>(FREQ).at(0));
        // Less than a turn in a block.
        let is_slow = step.iter().all(|step| *step < u64::MAX / BLOCK_FRAMES as u64);
        match shape {
            Some(wave) if rests && is_free && is_slow && io.is_silent(RESETS) => {
                self.all(lanes, io, wave, &step);
            }
            _ => self.each(io),
        }
    }
}
