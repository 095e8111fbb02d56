//! The life of a note: attack, decay, sustain and release in straight lines, and an amplifier that
//! follows them.

use crate::math::frames_of_ms;
use crate::module::{Curve, Io, Module, ModuleSpec, Param, ParamSpec, PortSpec};
use crate::smooth::{Ramp, Ramps};

/// The kind `adsr`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "adsr",
    summary: "An envelope of straight lines, and the amplifier that it opens and closes.",
    inputs: &[
        PortSpec::new("in", "the signal to be shaped"),
        PortSpec::new("gate", "opens each channel while above 0.5, as the gate does for all"),
    ],
    outputs: &[
        PortSpec::new("out", "the input times the envelope"),
        PortSpec::new("env", "the envelope itself, from 0 to 1"),
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
    bypass: &[(0, 0)],
    ..ModuleSpec::BARE
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
    levels: Ramps<C>,
    voices: [Voice; C],
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

/// One channel, but for its level.
#[derive(Clone, Copy)]
struct Voice {
    /// Attack, decay, sustain and release as they were last seen, in the units of the spec.
    seen: [f32; 4],
    segment: Segment,
    /// Whether the input `gate` was open in the last frame.
    gate: bool,
}

impl<const C: usize> Adsr<C> {
    /// An envelope at rest.
    pub fn new(rate_hz: u32) -> Self {
        let seen = [ATTACK, DECAY, SUSTAIN, RELEASE].map(|param| SPEC.params[param].default);
        let voice = Voice { seen, segment: Segment::Release, gate: false };
        Self { rate_hz, levels: Ramps::REST, voices: [voice; C], asked: Asked::default() }
    }

    /// Changes channel `c` by what `change` does to its voice and its level.
    fn change(&mut self, c: usize, change: impl FnOnce(&mut Voice, &mut Ramp, u32)) {
        let mut level = self.levels.get(c);
        change(&mut self.voices[c], &mut level, self.rate_hz);
        self.levels.set(c, level);
    }

    fn answer(&mut self) {
        let Asked { opened, closed } = core::mem::take(&mut self.asked);
        for c in 0..C {
            if opened {
                self.change(c, Voice::open);
            }
            if closed {
                self.change(c, Voice::close);
            }
        }
    }

    fn follow_gates(&mut self, gates: &[f32; C]) {
        for c in 0..C {
            let gate = gates[c] > 0.5;
            if gate != self.voices[c].gate {
                self.voices[c].gate = gate;
                self.change(c, if gate { Voice::open } else { Voice::close });
            }
        }
    }

    /// How many of these frames can be stepped through without a look at any channel.
    #[inline(always)]
    fn undisturbed(&self, gates: &[[f32; C]], has_gate: bool) -> usize {
        let steps = self.levels.next_arrival().unwrap_or(usize::MAX).min(gates.len());
        if !has_gate {
            return steps;
        }
        let mut open = [false; C];
        for c in 0..C {
            open[c] = self.voices[c].gate;
        }
        let differs = |gate: &[f32; C]| {
            let mut differs = false;
            for c in 0..C {
                differs |= (gate[c] > 0.5) != open[c];
            }
            differs
        };
        gates[..steps].iter().position(differs).unwrap_or(steps)
    }
}

impl Voice {
    fn frames(&self, param: usize, rate_hz: u32) -> u32 {
        frames_of_ms(self.seen[param], rate_hz)
    }

    /// Takes parameters as they are now; what is under way bends to them without a step.
    fn see(&mut self, params: [f32; 4], level: &mut Ramp, rate_hz: u32) {
        let seen = core::mem::replace(&mut self.seen, params);
        let least = frames_of_ms(SMOOTHING_MS, rate_hz);
        if seen[SUSTAIN] != params[SUSTAIN] {
            match self.segment {
                Segment::Decay => {
                    level.bend(params[SUSTAIN], frames_of_ms(seen[DECAY], rate_hz), least);
                }
                Segment::Sustain => level.go_to(params[SUSTAIN], least),
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
            let least = least.min(level.remaining());
            level.bend(level.target(), self.frames(param, rate_hz), least);
        }
    }

    fn open(&mut self, level: &mut Ramp, rate_hz: u32) {
        self.segment = Segment::Attack;
        level.go_to(1.0, self.frames(ATTACK, rate_hz));
    }

    fn close(&mut self, level: &mut Ramp, rate_hz: u32) {
        if self.segment != Segment::Release {
            self.segment = Segment::Release;
            level.go_to(0.0, self.frames(RELEASE, rate_hz));
        }
    }

    /// The next segment, once the level has arrived.
    fn arrive(&mut self, level: &mut Ramp, rate_hz: u32) {
        match self.segment {
            _ if level.is_moving() => (),
            Segment::Attack => {
                self.segment = Segment::Decay;
                level.go_to(self.seen[SUSTAIN], self.frames(DECAY, rate_hz));
            }
            Segment::Decay => self.segment = Segment::Sustain,
            Segment::Sustain | Segment::Release => (),
        }
    }
}

impl<const C: usize> Module for Adsr<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    fn set_gate(&mut self, open: bool) {
        self.asked.opened |= open;
        self.asked.closed = !open;
    }

    #[inline(always)]
    fn process(&mut self, mut io: Io<'_>) {
        let params = [ATTACK, DECAY, SUSTAIN, RELEASE].map(|param| io.param::<C>(param));
        let any_moving = params.iter().any(Param::is_moving);
        let has_gate = io.is_connected(1);
        let ([input, gates], [out, env]) = io.ports::<C, 2, 2>();
        let mut n = 0;
        while n < out.len() {
            if n == 0 || any_moving {
                let [attack, decay, sustain, release] = params.map(|param| param.at(n));
                for c in 0..C {
                    let now = [attack[c], decay[c], sustain[c], release[c]];
                    if now != self.voices[c].seen {
                        self.change(c, |voice, level, rate_hz| voice.see(now, level, rate_hz));
                    }
                }
            }
            if n == 0 {
                self.answer();
            }
            self.follow_gates(&gates[n]);
            let undisturbed = || self.undisturbed(&gates[n..], has_gate).max(1);
            let end = n + if any_moving { 1 } else { undisturbed() };
            let mut levels = self.levels;
            let frames = out[n..end].iter_mut().zip(&mut env[n..end]).zip(&input[n..end]);
            for ((out, env), input) in frames {
                // Whole frames are read and written, or the compiler would fear that they overlap.
                let (level, mut shaped) = (levels.step(), *input);
                for c in 0..C {
                    shaped[c] *= level[c];
                }
                (*env, *out) = (level, shaped);
            }
            self.levels = levels;
            for c in 0..C {
                if matches!(self.voices[c].segment, Segment::Attack | Segment::Decay) {
                    self.change(c, Voice::arrive);
                }
            }
            n = end;
        }
    }
}
