//! An envelope for what is struck: up and down again, once per trigger or over and over.

use super::gates::Gates;
use super::way::{Bends, Ways};
use crate::io::Io;
use crate::lanes::Lanes;
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;

/// The kind `ad`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "ad",
    summary: "Attack and decay, for drums and plucks, or looping; and the amplifier that it opens.",
    inputs: &[super::IN, super::GATE],
    outputs: &[
        PortSpec::audio("out", "the input times the envelope"),
        PortSpec::control("env", "the envelope itself, from 0 to 1"),
        PortSpec::trigger("end", "1 for a frame as the decay ends: a trigger for what comes next"),
    ],
    params: &[
        ParamSpec::number(
            "attack",
            "ms",
            [0.0, 20_000.0],
            1.0,
            "from wherever it is to the peak; 0 jumps there",
        )
        .exponential(),
        ParamSpec::number("decay", "ms", [0.0, 20_000.0], 250.0, "from the peak to silence")
            .exponential(),
        ParamSpec::number(
            "curve",
            "",
            [-1.0, 1.0],
            0.5,
            "0 is straight; at 1 both are fast at first, falling by 60 dB; below 0 slow at first",
        )
        .smoothed(20.0),
        ParamSpec::choice(
            "mode",
            &["trigger", "gate", "loop"],
            "once, however long the gate; or staying at the peak while the gate is open; or \
             again and again while it is",
        ),
    ],
    gate: true,
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
};

const ATTACK: usize = 0;
const DECAY: usize = 1;
const CURVE: usize = 2;
const MODE: usize = 3;
const GATE_MODE: f32 = 1.0;
const LOOP_MODE: f32 = 2.0;
/// A time that changes under way makes it no faster than one of this.
const LEAST_MS: f32 = 5.0;

#[derive(Clone, Copy, PartialEq)]
enum Segment {
    Rest,
    Attack,
    Peak,
    Decay,
}

/// See [`SPEC`].
///
/// A segment takes its whole time from whatever level it starts at. A time of 0 ms is one frame.
pub struct Ad<const C: usize> {
    rate_hz: u32,
    gates: Gates<C>,
    is_open: [bool; C],
    segments: [Segment; C],
    /// Whether any of them may be at its peak.
    any_peak: bool,
    ways: Ways<C>,
    bends: Bends<C>,
    /// Attack and decay as they were last seen, in ms.
    seen: [[f32; C]; 2],
}

impl<const C: usize> Ad<C> {
    /// An envelope at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            gates: Gates::CLOSED,
            is_open: [false; C],
            segments: [Segment::Rest; C],
            any_peak: false,
            ways: Ways::REST,
            bends: Bends::STRAIGHT,
            seen: [[0.0; C]; 2],
        }
    }

    fn frames(&self, time_ms: f32) -> f64 {
        f64::from(time_ms) * f64::from(self.rate_hz) / 1000.0
    }

    fn go(&mut self, c: usize, segment: Segment) {
        self.segments[c] = segment;
        let (level, time) = match segment {
            Segment::Attack => (1.0, ATTACK),
            Segment::Decay => (0.0, DECAY),
            Segment::Rest | Segment::Peak => return,
        };
        let frames = self.frames(self.seen[time][c]);
        self.ways.go_to(c, level, frames, self.frames(LEAST_MS));
    }

    #[inline(never)]
    fn see_times(&mut self, times: [[f32; C]; 2]) {
        if times == self.seen {
            return;
        }
        self.seen = times;
        for c in 0..C {
            let time = if self.segments[c] == Segment::Attack { ATTACK } else { DECAY };
            self.ways.last(c, self.frames(times[time][c]));
        }
    }

    #[inline(never)]
    fn see_gates(&mut self, cables: &[f32; C]) {
        let mut gates = self.gates;
        gates.answer(cables, |c, is_open| {
            self.is_open[c] = is_open;
            if is_open {
                self.go(c, Segment::Attack);
            }
        });
        self.gates = gates;
    }

    /// Leaves the peak where nothing holds the level there.
    #[inline(never)]
    fn leave_peaks(&mut self, mode: [f32; C]) {
        for c in 0..C {
            let is_held = self.is_open[c] && mode[c] == GATE_MODE;
            if self.segments[c] == Segment::Peak && !is_held {
                self.go(c, Segment::Decay);
            }
        }
        self.any_peak = self.segments.contains(&Segment::Peak);
    }

    /// Goes on where a segment has ended; returns where a decay has.
    #[inline(never)]
    fn arrive(&mut self, mode: [f32; C]) -> [f32; C] {
        let mut ended = [0.0; C];
        for c in 0..C {
            if !self.ways.take_arrival(c) {
                continue;
            }
            if self.segments[c] == Segment::Attack {
                self.segments[c] = Segment::Peak;
                self.any_peak = true;
                continue;
            }
            ended[c] = 1.0;
            let again = self.is_open[c] && mode[c] == LOOP_MODE;
            self.go(c, if again { Segment::Attack } else { Segment::Rest });
        }
        ended
    }
}

impl<const C: usize> Kernel<C> for Ad<C> {
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
        let [attack, decay, curve, mode] =
            [ATTACK, DECAY, CURVE, MODE].map(|param| io.param::<C>(param));
        let is_driven = attack.is_moving() || decay.is_moving();
        let ([input, cables], [out, env, end]) = io.ports::<C, 2, 3>();
        for n in 0..out.len() {
            if n == 0 || is_driven {
                self.see_times([attack.at(n), decay.at(n)]);
            }
            if self.gates.are_due(lanes, &cables[n]) {
                self.see_gates(&cables[n]);
            }
            if self.any_peak {
                self.leave_peaks(mode.at(n));
            }
            if n == 0 || curve.is_moving() {
                self.bends.set(curve.at(n));
            }
            let (level, any_arrived) = self.ways.step(lanes, &self.bends);
            end[n] = if any_arrived { self.arrive(mode.at(n)) } else { [0.0; C] };
            lanes.store(lanes.load(&input[n]) * level, &mut out[n]);
            lanes.store(level, &mut env[n]);
        }
    }
}
