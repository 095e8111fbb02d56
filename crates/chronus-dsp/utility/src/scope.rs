//! An oscilloscope to be put into a cable: it passes the signal on, and its beam makes the picture
//! stand still.

use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `scope`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "scope",
    summary: "Passes a signal on, with a sweep that starts where the signal rises.",
    inputs: &[PortSpec::audio("in", "the signal to be looked at")],
    outputs: &[
        PortSpec::audio("out", "the same signal: the height of the beam"),
        PortSpec::control(
            "sweep",
            "the place of the beam, from 0 at the left to 1, where it waits",
        ),
        PortSpec::trigger("trigger", "1 for a frame as the sweep starts"),
    ],
    params: &[
        ParamSpec::number("time", "ms", [0.1, 5_000.0], 10.0, "how long the beam takes across")
            .exponential(),
        ParamSpec::number(
            "level",
            "",
            [-1.0, 1.0],
            0.0,
            "the beam that waits starts where the signal rises through this",
        ),
        ParamSpec::choice(
            "mode",
            &["auto", "normal", "free"],
            "without a rise the beam starts after its time again, or waits, or never waits",
        ),
    ],
    bypass: &[(0, 0)],
    meters: &[0, 1],
    ..ModuleSpec::BARE
};

const TIME: usize = 0;
const LEVEL: usize = 1;
const MODE: usize = 2;
const NORMAL: f32 = 1.0;
const FREE: f32 = 2.0;

/// See [`SPEC`].
pub struct Scope<const C: usize> {
    frames_per_ms: f64,
    /// The place of the beam; beyond 1 it waits.
    beam: [f64; C],
    /// Whether the signal was above the level in the last frame.
    was_above: [bool; C],
}

impl<const C: usize> Scope<C> {
    /// With the beam waiting.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            frames_per_ms: f64::from(rate_hz) / 1000.0,
            beam: [1.0; C],
            // A signal that is there from the beginning has not risen.
            was_above: [true; C],
        }
    }
}

impl<const C: usize> Module for Scope<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.beam, self.was_above) = ([1.0; C], [true; C]);
    }

    #[inline(always)]
    fn process(&mut self, io: &mut Io<'_>) {
        let [time, level, mode] = [TIME, LEVEL, MODE].map(|param| io.param::<C>(param));
        let frames_per_ms = self.frames_per_ms;
        let ([input], [out, sweep, trigger]) = io.ports::<C, 1, 3>();
        for n in 0..out.len() {
            let (time, level, mode, input) = (time.at(n), level.at(n), mode.at(n), input[n]);
            let [mut place, mut starts] = [[0.0; C]; 2];
            for c in 0..C {
                let step = 1.0 / (f64::from(time[c]) * frames_per_ms).max(1.0);
                let beam = self.beam[c] + step;
                let is_above = input[c] > level[c];
                let rises = is_above && !self.was_above[c];
                // Half a step of grace, so that the rounding of all steps costs no frame.
                let is_across = beam >= 1.0 - 0.5 * step;
                let patience = if mode[c] == FREE { 1.0 } else { 2.0 };
                let is_tired = mode[c] != NORMAL && beam >= patience - 0.5 * step;
                let is_start = is_across && (rises || is_tired);
                self.was_above[c] = is_above;
                self.beam[c] = if is_start { 0.0 } else { beam.min(2.0) };
                place[c] = self.beam[c].min(1.0) as f32;
                starts[c] = if is_start { 1.0 } else { 0.0 };
            }
            (out[n], sweep[n], trigger[n]) = (input, place, starts);
        }
    }
}
