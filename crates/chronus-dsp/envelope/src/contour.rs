//! An envelope of as many stages as one likes, written as a text: levels, times, curves, and where
//! it waits for the gate to close.

use super::gates::Gates;
use super::stages::{self, Stages, Wait};
use super::way::{Bends, Ways};
use crate::io::Io;
use crate::lanes::Lanes;
use crate::module::{ModuleSpec, ParamSpec, PortSpec, TextSpec};
use crate::simd::Kernel;

/// The kind `contour`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "contour",
    summary: "An envelope of up to 16 stages, looping if you like, and its amplifier.",
    inputs: &[super::IN, super::GATE],
    outputs: &[
        PortSpec::audio("out", "the input times the envelope"),
        PortSpec::control("env", "the envelope itself, from -1 to 1"),
        PortSpec::trigger(
            "end",
            "1 for a frame as the last stage ends: a trigger for what comes next",
        ),
    ],
    params: &[
        ParamSpec::number("stretch", "", [0.05, 20.0], 1.0, "multiplies all times").exponential()
    ],
    gate: true,
    bypass: &[(0, 0)],
    texts: &[TextSpec {
        name: "stages",
        default: DEFAULT,
        doc: "stages divided by commas: a level from -1 to 1 and the time to it in ms or s, then \
              `exp` if it is to be fast at first, `log` if slow at first; `hold` stays and `loop` \
              or `loop 2` goes back to the first or second stage until the gate closes, then the \
              rest follows",
        check: |text| stages::read(text).map(drop).map_err(|fault| fault.to_string()),
        shortened: None,
    }],
    ..ModuleSpec::BARE
};

const STRETCH: usize = 0;
const DEFAULT: &str = "1 10ms, 0.3 150ms exp, 0.6 300ms, hold, 0 500ms exp";
/// A time that changes under way makes it no faster than one of this.
const LEAST_MS: f32 = 5.0;

/// See [`SPEC`].
///
/// A stage begins at whatever level the contour is. A time of 0 ms is one frame. Another text is
/// followed from the next stage on.
pub struct Contour<const C: usize> {
    rate_hz: u32,
    stages: Stages,
    gates: Gates<C>,
    is_open: [bool; C],
    /// Whether it holds.
    is_held: [bool; C],
    /// The stage that comes next.
    next: [usize; C],
    /// The time of the stage under way.
    time_ms: [f32; C],
    ways: Ways<C>,
    bend: [f32; C],
    bends: Bends<C>,
    stretch: [f32; C],
}

impl<const C: usize> Contour<C> {
    /// An envelope at rest, with the default stages.
    ///
    /// # Panics
    /// Never: the default stages are right.
    pub fn new(rate_hz: u32) -> Self {
        Self::with(stages::read(DEFAULT).expect("right stages"), rate_hz)
    }

    fn with(stages: Stages, rate_hz: u32) -> Self {
        Self {
            rate_hz,
            stages,
            gates: Gates::CLOSED,
            is_open: [false; C],
            is_held: [false; C],
            next: [usize::MAX; C],
            time_ms: [0.0; C],
            ways: Ways::REST,
            bend: [0.0; C],
            bends: Bends::STRAIGHT,
            stretch: [1.0; C],
        }
    }

    fn frames(&self, time_ms: f32) -> f64 {
        f64::from(time_ms) * f64::from(self.rate_hz) / 1000.0
    }

    /// Begins the next stage of a channel, if there is one.
    fn go_on(&mut self, c: usize) {
        if let Some((before, wait)) = self.stages.wait()
            && self.is_open[c]
            && self.next[c] == before
        {
            match wait {
                Wait::Hold => {
                    self.is_held[c] = true;
                    return;
                }
                Wait::Loop(first) => self.next[c] = first,
            }
        }
        self.is_held[c] = false;
        if let Some(stage) = self.stages.list().get(self.next[c]).copied() {
            self.next[c] += 1;
            (self.time_ms[c], self.bend[c]) = (stage.time_ms, stage.bend);
            self.bends.set(self.bend);
            let frames = self.frames(stage.time_ms * self.stretch[c]);
            self.ways.go_to(c, stage.level, frames, self.frames(LEAST_MS));
        }
    }

    #[inline(never)]
    fn see_gates(&mut self, cables: &[f32; C]) {
        let mut gates = self.gates;
        gates.answer(cables, |c, is_open| {
            let was_open = core::mem::replace(&mut self.is_open[c], is_open);
            let wait = self.stages.wait().map(|(before, _)| before);
            if is_open {
                self.next[c] = 0;
                self.go_on(c);
            } else if let Some(before) = wait
                && was_open
                && self.next[c] <= before
            {
                self.next[c] = before;
                self.go_on(c);
            }
        });
        self.gates = gates;
    }

    #[inline(never)]
    fn see_stretch(&mut self, stretch: [f32; C]) {
        if stretch != self.stretch {
            self.stretch = stretch;
            for c in 0..C {
                self.ways.last(c, self.frames(self.time_ms[c] * stretch[c]));
            }
        }
    }

    /// Goes on where a stage has ended; returns where it was the last.
    #[inline(never)]
    fn arrive(&mut self) -> [f32; C] {
        let mut ended = [0.0; C];
        for c in 0..C {
            if self.ways.take_arrival(c) {
                let is_last = self.next[c] >= self.stages.list().len();
                self.go_on(c);
                let is_over = is_last && self.next[c] >= self.stages.list().len();
                ended[c] = if is_over && !self.is_held[c] { 1.0 } else { 0.0 };
            }
        }
        ended
    }
}

impl<const C: usize> Kernel<C> for Contour<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::with(self.stages, self.rate_hz);
    }

    fn set_gate(&mut self, open: bool) {
        self.gates.set(open);
    }

    fn set_text(&mut self, _text: usize, value: &str) {
        let Ok(stages) = stages::read(value) else { return };
        self.stages = stages;
        for c in 0..C {
            // What is held goes on as the new text has it: at its `hold`, else to its end.
            let last = stages.list().len().saturating_sub(1);
            let before = stages.wait().map_or(last, |(before, _)| before);
            if self.is_held[c] {
                self.next[c] = before;
                self.go_on(c);
            } else if self.is_open[c] && stages.wait().is_some() {
                self.next[c] = self.next[c].min(before);
            }
        }
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let stretch = io.param::<C>(STRETCH);
        let ([input, cables], [out, env, end]) = io.ports::<C, 2, 3>();
        for n in 0..out.len() {
            if n == 0 || stretch.is_moving() {
                self.see_stretch(stretch.at(n));
            }
            if self.gates.are_due(lanes, &cables[n]) {
                self.see_gates(&cables[n]);
            }
            let (level, any_arrived) = self.ways.step(lanes, &self.bends);
            end[n] = if any_arrived { self.arrive() } else { [0.0; C] };
            lanes.store(lanes.load(&input[n]) * level, &mut out[n]);
            lanes.store(level, &mut env[n]);
        }
    }
}
