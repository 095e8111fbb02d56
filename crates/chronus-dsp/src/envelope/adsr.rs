//! The life of a note: attack, decay, sustain and release in straight lines, and an amplifier that
//! follows them.

use crate::math::frames_of_ms;
use crate::module::{Curve, Io, Module, ModuleSpec, ParamSpec, PortSpec};
use crate::smooth::Ramp;

/// The kind `adsr`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "adsr",
    summary: "An envelope of straight lines, and the amplifier that it opens and closes.",
    inputs: &[
        PortSpec { name: "in", doc: "the signal to be shaped" },
        PortSpec {
            name: "gate",
            doc: "opens each channel while above 0.5, as the gate does for all",
        },
    ],
    outputs: &[
        PortSpec { name: "out", doc: "the input times the envelope" },
        PortSpec { name: "env", doc: "the envelope itself, from 0 to 1" },
    ],
    params: &[
        time("attack", 10.0, "from wherever it is to the peak; 0 jumps there"),
        time("decay", 100.0, "from the peak to the sustain level"),
        ParamSpec {
            name: "sustain",
            unit: "",
            min: 0.0,
            max: 1.0,
            default: 0.7,
            smoothing_ms: 0.0,
            curve: Curve::Linear,
            choices: &[],
            doc: "level while the gate stays open",
        },
        time("release", 200.0, "from wherever it is to silence, once the gate closes"),
    ],
    gate: true,
    notes: false,
    bypass: &[(0, 0)],
};

const ATTACK: usize = 0;
const DECAY: usize = 1;
const SUSTAIN: usize = 2;
const RELEASE: usize = 3;
/// A parameter that changes while it is heard moves the level no faster than over this time.
const SMOOTHING_MS: f32 = 5.0;

const fn time(name: &'static str, default: f32, doc: &'static str) -> ParamSpec {
    ParamSpec {
        name,
        unit: "ms",
        min: 0.0,
        max: 20_000.0,
        default,
        smoothing_ms: 0.0,
        curve: Curve::Exponential,
        choices: &[],
        doc,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Segment {
    Attack,
    Decay,
    Sustain,
    /// Also the rest after it, at level 0.
    Release,
}

/// See [`SPEC`].
///
/// A segment takes its whole time from whatever level it starts at. A time of 0 ms is one frame.
pub struct Adsr<const C: usize> {
    rate_hz: u32,
    voices: [Envelope; C],
    asked: Asked,
}

/// What the gate was told since the last frame. It waits for that frame, because only then are the
/// parameters known that were set at the same time.
#[derive(Clone, Copy, Default)]
struct Asked {
    opened: bool,
    /// Closed, after any opening.
    closed: bool,
}

/// The envelope of one channel.
#[derive(Clone, Copy)]
struct Envelope {
    /// Attack, decay, sustain and release as they were last seen, in the units of the spec.
    seen: [f32; 4],
    segment: Segment,
    level: Ramp,
    /// Whether the input `gate` was open in the last frame.
    gate: bool,
}

impl<const C: usize> Adsr<C> {
    /// An envelope at rest.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz, voices: [Envelope::new(); C], asked: Asked::default() }
    }

    fn answer(&mut self) {
        let Asked { opened, closed } = core::mem::take(&mut self.asked);
        for voice in &mut self.voices {
            if opened {
                voice.open(self.rate_hz);
            }
            if closed {
                voice.close(self.rate_hz);
            }
        }
    }
}

impl Envelope {
    fn new() -> Self {
        let seen = [ATTACK, DECAY, SUSTAIN, RELEASE].map(|param| SPEC.params[param].default);
        Self { seen, segment: Segment::Release, level: Ramp::at(0.0), gate: false }
    }

    fn frames(&self, param: usize, rate_hz: u32) -> u32 {
        frames_of_ms(self.seen[param], rate_hz)
    }

    /// Takes parameters as they are now; what is under way bends to them without a step.
    fn see(&mut self, params: [f32; 4], rate_hz: u32) {
        let seen = core::mem::replace(&mut self.seen, params);
        if seen == params {
            return;
        }
        let least = frames_of_ms(SMOOTHING_MS, rate_hz);
        if seen[SUSTAIN] != params[SUSTAIN] {
            match self.segment {
                Segment::Decay => {
                    self.level.bend(params[SUSTAIN], frames_of_ms(seen[DECAY], rate_hz), least);
                }
                Segment::Sustain => self.level.go_to(params[SUSTAIN], least),
                Segment::Attack | Segment::Release => (),
            }
        }
        let param = match self.segment {
            Segment::Attack => ATTACK,
            Segment::Decay => DECAY,
            Segment::Sustain => return,
            Segment::Release => RELEASE,
        };
        if seen[param] != params[param] {
            let length = self.frames(param, rate_hz);
            let least = least.min(self.level.remaining());
            self.level.bend(self.level.target(), length, least);
        }
    }

    fn open(&mut self, rate_hz: u32) {
        self.segment = Segment::Attack;
        self.level.go_to(1.0, self.frames(ATTACK, rate_hz));
    }

    fn close(&mut self, rate_hz: u32) {
        if self.segment != Segment::Release {
            self.segment = Segment::Release;
            self.level.go_to(0.0, self.frames(RELEASE, rate_hz));
        }
    }

    fn follow_gate(&mut self, gate: bool, rate_hz: u32) {
        if gate == self.gate {
            return;
        }
        self.gate = gate;
        if gate { self.open(rate_hz) } else { self.close(rate_hz) }
    }

    fn step(&mut self, rate_hz: u32) -> f32 {
        let level = self.level.step();
        if !self.level.is_moving() {
            match self.segment {
                Segment::Attack => {
                    self.segment = Segment::Decay;
                    self.level.go_to(self.seen[SUSTAIN], self.frames(DECAY, rate_hz));
                }
                Segment::Decay => self.segment = Segment::Sustain,
                Segment::Sustain | Segment::Release => (),
            }
        }
        level
    }
}

impl<const C: usize> Module for Adsr<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.asked = Asked::default();
        for voice in &mut self.voices {
            *voice = Envelope { seen: voice.seen, ..Envelope::new() };
        }
    }

    fn set_gate(&mut self, open: bool) {
        self.asked.opened |= open;
        self.asked.closed = !open;
    }

    fn process(&mut self, mut io: Io<'_>) {
        let rate_hz = self.rate_hz;
        let params = [ATTACK, DECAY, SUSTAIN, RELEASE].map(|param| io.param::<C>(param));
        let any_moving = params.iter().any(super::super::module::Param::is_moving);
        let has_gate = io.is_connected(1);
        let ([input, gate], [out, env]) = io.ports::<C, 2, 2>();
        for n in 0..out.len() {
            if n == 0 || any_moving {
                let [attack, decay, sustain, release] = params.map(|param| param.at(n));
                for (c, voice) in self.voices.iter_mut().enumerate() {
                    voice.see([attack[c], decay[c], sustain[c], release[c]], rate_hz);
                }
            }
            if n == 0 {
                self.answer();
            }
            for (c, voice) in self.voices.iter_mut().enumerate() {
                if has_gate {
                    voice.follow_gate(gate[n][c] > 0.5, rate_hz);
                }
                let level = voice.step(rate_hz);
                env[n][c] = level;
                out[n][c] = input[n][c] * level;
            }
        }
    }
}
