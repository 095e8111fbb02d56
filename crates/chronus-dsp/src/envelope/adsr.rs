//! The life of a note: attack, decay, sustain and release in straight lines, and an amplifier that
//! follows them.

use crate::math::frames_of_ms;
use crate::module::{Io, Module, ModuleSpec, ParamSpec, PortSpec};
use crate::smooth::Ramp;

/// The kind `adsr`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "adsr",
    summary: "An envelope of straight lines, and the amplifier that it opens and closes.",
    inputs: &[PortSpec { name: "in", doc: "the signal to be shaped" }],
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
            choices: &[],
            doc: "level while the gate stays open",
        },
        time("release", 200.0, "from wherever it is to silence, once the gate closes"),
    ],
    gate: true,
    bypass: &[(0, 0)],
};

const ATTACK: usize = 0;
const DECAY: usize = 1;
const SUSTAIN: usize = 2;
const RELEASE: usize = 3;
/// A parameter that changes while it is heard moves the level no faster than over this time.
const SMOOTHING_MS: f32 = 5.0;

const fn time(name: &'static str, default: f32, doc: &'static str) -> ParamSpec {
    ParamSpec { name, unit: "ms", min: 0.0, max: 20_000.0, default, choices: &[], doc }
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
pub struct Adsr {
    rate_hz: u32,
    attack_frames: u32,
    decay_frames: u32,
    release_frames: u32,
    sustain: f32,
    segment: Segment,
    level: Ramp,
}

impl Adsr {
    /// An envelope at its default parameters, at rest.
    pub fn new(rate_hz: u32) -> Self {
        let frames_of = |param: usize| frames_of_ms(SPEC.params[param].default, rate_hz);
        Self {
            rate_hz,
            attack_frames: frames_of(ATTACK),
            decay_frames: frames_of(DECAY),
            release_frames: frames_of(RELEASE),
            sustain: SPEC.params[SUSTAIN].default,
            segment: Segment::Release,
            level: Ramp::at(0.0),
        }
    }

    fn set_sustain(&mut self, sustain: f32) {
        if sustain == self.sustain {
            return;
        }
        self.sustain = sustain;
        let smoothing_frames = frames_of_ms(SMOOTHING_MS, self.rate_hz);
        match self.segment {
            Segment::Decay => self.level.bend(sustain, self.decay_frames, smoothing_frames),
            Segment::Sustain => self.level.go_to(sustain, smoothing_frames),
            Segment::Attack | Segment::Release => (),
        }
    }

    /// Gives the segment under way, which was `segment`, its new length without a jump.
    fn stretch(&mut self, segment: Segment, length: u32) {
        if self.segment == segment {
            let least = frames_of_ms(SMOOTHING_MS, self.rate_hz).min(self.level.remaining());
            self.level.bend(self.level.target(), length, least);
        }
    }

    fn arrive(&mut self) {
        match self.segment {
            Segment::Attack => {
                self.segment = Segment::Decay;
                self.level.go_to(self.sustain, self.decay_frames);
            }
            Segment::Decay => self.segment = Segment::Sustain,
            Segment::Sustain | Segment::Release => (),
        }
    }
}

impl Module for Adsr {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.segment = Segment::Release;
        self.level.snap_to(0.0);
    }

    fn set_param(&mut self, param: usize, value: f32) {
        let frames = frames_of_ms(value, self.rate_hz);
        match param {
            ATTACK => {
                self.attack_frames = frames;
                self.stretch(Segment::Attack, frames);
            }
            DECAY => {
                self.decay_frames = frames;
                self.stretch(Segment::Decay, frames);
            }
            SUSTAIN => self.set_sustain(value),
            RELEASE => {
                self.release_frames = frames;
                self.stretch(Segment::Release, frames);
            }
            _ => panic!("adsr has no parameter {param}"),
        }
    }

    fn set_gate(&mut self, open: bool) {
        if open {
            self.segment = Segment::Attack;
            self.level.go_to(1.0, self.attack_frames);
        } else if self.segment != Segment::Release {
            self.segment = Segment::Release;
            self.level.go_to(0.0, self.release_frames);
        }
    }

    fn process(&mut self, io: Io<'_>) {
        let ([input], [out, env], frames) = io.ports();
        for frame in frames {
            let level = self.level.step();
            env[frame] = level;
            out[frame] = input[frame] * level;
            if !self.level.is_moving() {
                self.arrive();
            }
        }
    }
}
