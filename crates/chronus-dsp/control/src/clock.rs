//! Ticks at a steady tempo, its own or that of the beat, straight or with swing.

use super::timing::{Openings, PHASE_START, RESET, beat_in};
use crate::gate::Onsets;
use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec};

/// The kind `clock`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "clock",
    summary: "Ticks for envelopes and sequences, at a tempo of its own or with the transport.",
    inputs: &[PortSpec { doc: "begins a tick at once, the first of a pair in swing", ..RESET }],
    outputs: &[
        PortSpec::gate("gate", "open for the first part of each tick"),
        PortSpec::control("phase", "rises from 0 to 1 from each tick to the next"),
    ],
    params: &[
        ParamSpec::choice(
            "source",
            &["free", "transport"],
            "whether it runs by itself, or with the transport and only while that plays",
        ),
        ParamSpec::number("bpm", "beats/min", [1.0, 1000.0], 120.0, "its tempo, if it runs free")
            .exponential(),
        ParamSpec::number(
            "per_beat",
            "ticks",
            [0.0625, 24.0],
            4.0,
            "ticks in a beat: 4 for sixteenths, 3 for triplets, 0.25 for bars of four",
        )
        .exponential(),
        ParamSpec::number("width", "", [0.05, 0.95], 0.5, "how much of each tick the gate is open"),
        ParamSpec::number(
            "swing",
            "%",
            [50.0, 75.0],
            50.0,
            "where each second tick lies between its neighbours: 50 is straight, 66.7 triplets",
        ),
    ],
    plays: true,
    ..ModuleSpec::BARE
};

const BPM: usize = 1;
const PER_BEAT: usize = 2;
const PARAMS: usize = 5;
/// What lies just below 1.
const BELOW_ONE: f32 = 1.0 - f32::EPSILON / 2.0;

/// See [`SPEC`].
///
/// Its time is counted in pairs of ticks, since swing shifts one of two.
pub struct Clock<const C: usize> {
    /// What the position advances by in a frame at one tick per minute.
    step: f64,
    reset: Openings<C>,
    /// The position in the pair, if it runs free; 2^64 are a pair.
    position: [u64; C],
    /// The beat at which the first pair begins, if it runs with the transport.
    origin: [f64; C],
    onsets: [Onsets; C],
}

impl<const C: usize> Clock<C> {
    /// At its first tick.
    pub fn new(rate_hz: u32) -> Self {
        let step = 9_223_372_036_854_775_808.0 / (60.0 * f64::from(rate_hz));
        let (position, origin, onsets) = ([PHASE_START; C], [0.0; C], [Onsets::CLOSED; C]);
        Self { step, reset: Openings::new(), position, origin, onsets }
    }
}

/// How much of its tick has passed at this share of a pair, of which the first tick takes `swing`.
fn phase_at(share: f64, swing: f64) -> f32 {
    let phase = if share < swing { share / swing } else { (share - swing) / (1.0 - swing) };
    let phase = phase as f32;
    if phase < 1.0 { phase } else { BELOW_ONE }
}

/// What is left of a number above the whole one below it.
fn above_whole(number: f64) -> f64 {
    let rest = number - (number as i64) as f64;
    if rest < 0.0 { rest + 1.0 } else { rest }
}

impl<const C: usize> Module for Clock<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.reset, self.onsets) = (Openings::new(), [Onsets::CLOSED; C]);
        (self.position, self.origin) = ([PHASE_START; C], [0.0; C]);
    }

    fn process(&mut self, io: &mut Io<'_>) {
        const PER_PAIR: f64 = 1.0 / 9_007_199_254_740_992.0;
        let params: [_; PARAMS] = core::array::from_fn(|param| io.param::<C>(param));
        let transport = io.transport;
        let ([reset], [gate, phase]) = io.ports::<C, 1, 2>();
        let (bpm, per_beat) = (params[BPM], params[PER_BEAT]);
        let step_moves = bpm.is_moving() || per_beat.is_moving();
        let step_at = |n| {
            let (bpm, per_beat) = (bpm.at(n).map(f64::from), per_beat.at(n).map(f64::from));
            core::array::from_fn(|c| (bpm[c] * per_beat[c] * self.step) as u64)
        };
        let mut step: [u64; C] = step_at(0);
        for n in 0..gate.len() {
            let [source, _, per_beat, width, swing] =
                params.each_ref().map(|param| param.at(n).map(f64::from));
            if step_moves {
                step = step_at(n);
            }
            let (resets, beat) = (self.reset.of(&reset[n]), beat_in(transport, n));
            for c in 0..C {
                if resets[c] {
                    (self.position[c], self.origin[c]) = (PHASE_START, transport.beat_at(n));
                }
                let follows = source[c] > 0.5;
                let share = if follows {
                    let pairs = 0.5 * per_beat[c] * (beat - self.origin[c]);
                    above_whole(pairs)
                } else {
                    (self.position[c] >> 11) as f64 * PER_PAIR
                };
                let runs = !follows || transport.playing;
                let passed = phase_at(share, 0.01 * swing[c]);
                // A tick that begins within another is parted from it by a frame, and so is one that goes on after
                // a stop that took no time.
                let begins = resets[c]
                    || follows && n == 0 && transport.started
                    || follows && n == 0 && transport.moved && {
                        let pairs_per_frame = 0.5 * per_beat[c] * transport.beats_per_frame();
                        passed < phase_at(above_whole(share - pairs_per_frame), 0.01 * swing[c])
                    };
                let is_open = runs && f64::from(passed) < width[c];
                if begins && is_open {
                    self.onsets[c].strike();
                }
                let is_open = self.onsets[c].next(is_open);
                (gate[n][c], phase[n][c]) = (if is_open { 1.0 } else { 0.0 }, passed);
                self.position[c] = self.position[c].wrapping_add(step[c]);
            }
        }
    }
}
