//! The envelope of analog synthesizers: attack, decay and release as a capacitor charges and
//! discharges, and an amplifier that follows them.
//!
//! The attack is a charge towards 1.3 times the peak, cut off there, as in the CEM 3310 of Curtis
//! Electromusic Specialties (data sheet: it heads for 6.5 V and turns at 5 V). Decay and
//! release come closer to their end by the same share in each moment.

use super::gates::Gates;
use crate::io::{Io, Param};
use crate::lanes::{Doubles, Lanes, Mask};
use crate::module::{BLOCK_FRAMES, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `adsr_exp`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "adsr_exp",
    summary: "An envelope of exponential curves, as analog synthesizers have it, which velocity \
              may scale; and the amplifier that it opens and closes.",
    inputs: &[
        super::IN,
        super::GATE,
        PortSpec::control("velocity", "how hard the note is played, 0 to 1, as the gate opens")
            .resting_at_one(),
    ],
    outputs: &[
        PortSpec::audio("out", "the input times the envelope"),
        PortSpec::control("env", "the envelope itself, from 0 to 1"),
    ],
    params: &[
        time("attack", 5.0, "from silence to the peak; from wherever it is, as much less"),
        time("decay", 300.0, "until 99 % of the way from the peak to the sustain level are done"),
        ParamSpec::number("sustain", "", [0.0, 1.0], 0.6, "level while the gate stays open"),
        time("release", 400.0, "until 99 % of the way to silence are done, once the gate closes"),
        ParamSpec::number(
            "sensitivity",
            "",
            [0.0, 1.0],
            0.0,
            "how much velocity does: at 0 nothing, at 1 the peak is the velocity",
        ),
    ],
    gate: true,
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const ATTACK: usize = 0;
const DECAY: usize = 1;
const SUSTAIN: usize = 2;
const RELEASE: usize = 3;
const SENSITIVITY: usize = 4;
/// What the attack heads for, relative to the peak.
const OVERSHOOT: f64 = 1.3;
/// So many time constants take such a charge from 0 to 1: `ln(1.3 / 0.3)`.
const ATTACK_CONSTANTS: f64 = 1.466_337_068_793_427_3;
/// So many leave one hundredth: `ln(100)`.
const FALL_CONSTANTS: f64 = 4.605_170_185_988_091;
/// The peak counts as reached this close to it, so that rounding costs no frame.
const CLOSE: f64 = 1.0 - 1e-9;
/// A release that came down here (-140 dB) is over.
const SILENCE: f64 = 1e-7;
/// Where cables drive the times, they are looked at once in so many frames of the block.
const CELL_FRAMES: usize = 16;

const _: () = assert!(BLOCK_FRAMES.is_multiple_of(CELL_FRAMES));

const fn time(name: &'static str, default: f32, doc: &'static str) -> ParamSpec {
    ParamSpec::number(name, "ms", [0.0, 20_000.0], default, doc).exponential()
}

#[derive(Clone, Copy, PartialEq)]
enum Segment {
    Attack,
    /// Also the sustain, at which the decay arrives.
    Decay,
    /// Also the rest after it.
    Release,
}

/// See [`SPEC`].
pub struct AdsrExp<const C: usize> {
    rate_hz: u32,
    gates: Gates<C>,
    segments: [Segment; C],
    peak: [f64; C],
    level: [f64; C],
    /// Where the level heads, and the share of the way that it goes in each frame.
    target: [f64; C],
    share: [f64; C],
    /// Attack, decay and release as last seen, in ms, and their shares.
    seen: [[f32; C]; 3],
    shares: [[f64; C]; 3],
    sustain: [f32; C],
}

impl<const C: usize> AdsrExp<C> {
    /// An envelope at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            gates: Gates::CLOSED,
            segments: [Segment::Release; C],
            peak: [1.0; C],
            level: [0.0; C],
            target: [0.0; C],
            share: [1.0; C],
            // No time that may be asked for.
            seen: [[-1.0; C]; 3],
            shares: [[1.0; C]; 3],
            sustain: [0.0; C],
        }
    }

    #[inline(never)]
    fn see_times(&mut self, times: [[f32; C]; 3]) {
        for (i, constants) in [ATTACK_CONSTANTS, FALL_CONSTANTS, FALL_CONSTANTS].iter().enumerate()
        {
            for c in 0..C {
                // Channels mostly have the same times, and the exponential is dear.
                if times[i][c] == self.seen[i][c] {
                    continue;
                }
                let frames = f64::from(times[i][c]) * f64::from(self.rate_hz) / 1000.0;
                self.shares[i][c] = if c > 0 && times[i][c] == times[i][c - 1] {
                    self.shares[i][c - 1]
                } else {
                    -libm::expm1(-constants / frames.max(1e-3))
                };
            }
        }
        self.seen = times;
        (0..C).for_each(|c| self.head(c));
    }

    #[inline(never)]
    fn see_sustain(&mut self, sustain: [f32; C]) {
        if sustain != self.sustain {
            self.sustain = sustain;
            (0..C).for_each(|c| self.head(c));
        }
    }

    /// Sets where the level heads in this segment, and how fast.
    fn head(&mut self, c: usize) {
        let peak = self.peak[c];
        (self.target[c], self.share[c]) = match self.segments[c] {
            Segment::Attack => (OVERSHOOT * peak, self.shares[0][c]),
            Segment::Decay => (f64::from(self.sustain[c]) * peak, self.shares[1][c]),
            Segment::Release => (0.0, self.shares[2][c]),
        };
    }

    #[inline(never)]
    fn see_gates(&mut self, cables: &[f32; C], velocity: &[f32; C], sensitivity: [f32; C]) {
        let mut gates = self.gates;
        gates.answer(cables, |c, is_open| {
            if is_open {
                let lost = sensitivity[c] * (1.0 - velocity[c].clamp(0.0, 1.0));
                self.peak[c] = f64::from(1.0 - lost);
            }
            self.segments[c] = match is_open {
                false => Segment::Release,
                // A softer note that follows a louder one comes down from there.
                true if self.level[c] > self.peak[c] => Segment::Decay,
                true => Segment::Attack,
            };
            self.head(c);
        });
        self.gates = gates;
    }

    /// Goes one frame on.
    #[inline(always)]
    fn step<L: Lanes<C>>(&mut self, lanes: L) -> L::Floats {
        let zero = lanes.all_doubles(0.0);
        let (target, share) = (lanes.load_doubles(&self.target), lanes.load_doubles(&self.share));
        let (before, peak) = (lanes.load_doubles(&self.level), lanes.load_doubles(&self.peak));
        let level = before + share * (target - before);
        // Only an attack heads for more than the peak.
        let peaks = peak.lt(target) & !level.lt(peak * CLOSE);
        let is_over = target.eq(zero) & level.lt(lanes.all_doubles(SILENCE));
        let level = L::Doubles::choose(is_over, zero, level);
        lanes.store_doubles(level, &mut self.level);
        if peaks.any() {
            self.turn_at_peaks();
            return lanes.load_doubles(&self.level).to_floats();
        }
        level.to_floats()
    }

    #[inline(never)]
    fn turn_at_peaks(&mut self) {
        for c in 0..C {
            if self.segments[c] == Segment::Attack && self.level[c] >= self.peak[c] * CLOSE {
                self.level[c] = self.peak[c];
                self.segments[c] = Segment::Decay;
                self.head(c);
            }
        }
    }
}

impl<const C: usize> Kernel<C> for AdsrExp<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    fn set_gate(&mut self, open: bool) {
        self.gates.set(open);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let times = [ATTACK, DECAY, RELEASE].map(|param| io.param::<C>(param));
        let [sustain, sensitivity] = [SUSTAIN, SENSITIVITY].map(|param| io.param::<C>(param));
        let is_driven = times.iter().any(Param::is_moving);
        let first = io.frames.start;
        let ([input, cables, velocity], [out, env]) = io.ports::<C, 3, 2>();
        for n in 0..out.len() {
            let is_due = if is_driven { (first + n).is_multiple_of(CELL_FRAMES) } else { n == 0 };
            if is_due || self.seen[0][0] < 0.0 {
                let now = times.map(|time| time.at(n));
                if now != self.seen {
                    self.see_times(now);
                }
            }
            if n == 0 || sustain.is_moving() {
                self.see_sustain(sustain.at(n));
            }
            if self.gates.are_due(lanes, &cables[n]) {
                self.see_gates(&cables[n], &velocity[n], sensitivity.at(n));
            }
            let level = self.step(lanes);
            lanes.store(lanes.load(&input[n]) * level, &mut out[n]);
            lanes.store(level, &mut env[n]);
        }
    }
}
