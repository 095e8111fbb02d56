//! The life of a note: attack, decay, sustain and release in straight lines, and an amplifier that
//! follows them.

use crate::gate::Orders;
use crate::io::{Io, Param, PortSet};
use crate::lanes::{Floats, Ints, Lanes, Mask};
use crate::math::{frames_of_ms, same};
use crate::module::{Curve, ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;
use crate::smooth::{Ramp, Ramps};

/// The kind `adsr`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "adsr",
    summary: "An envelope of straight lines, and the amplifier that it opens and closes.",
    inputs: &[
        PortSpec::audio("in", "the signal to be shaped"),
        PortSpec::gate("gate", "opens each channel while above 0.5, as the gate does for all"),
    ],
    outputs: &[
        PortSpec::audio("out", "the input times the envelope"),
        PortSpec::control("env", "the envelope itself, from 0 to 1"),
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
    ignores: true,
    ..ModuleSpec::BARE
};

const IN: usize = 0;
const GATE: usize = 1;
const OUT: usize = 0;
const ENV: usize = 1;
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
    /// Attack, decay, sustain and release as they were last seen, in the units of the spec.
    seen: [[f32; C]; 4],
    /// The same, if it is the same in all channels.
    seen_in_all: Option<[f32; 4]>,
    /// All ones where the input `gate` was open in the last frame, else 0.
    gates: [u32; C],
    orders: Orders,
    /// Whether no level moves. Then none will until a gate or a parameter does.
    rests: bool,
    /// Whether any of `gates` is open.
    is_open: bool,
    /// Whether all channels are at rest after their release and all gates were closed: nothing will be
    /// heard until one opens.
    sleeps: bool,
}

/// One channel, but for its level.
#[derive(Clone, Copy)]
struct Voice {
    segment: Segment,
    /// As last seen.
    params: [f32; 4],
}

impl<const C: usize> Adsr<C> {
    /// An envelope at rest.
    pub fn new(rate_hz: u32) -> Self {
        let params = [ATTACK, DECAY, SUSTAIN, RELEASE].map(|param| SPEC.params[param].default);
        Self {
            rate_hz,
            levels: Ramps::REST,
            voices: [Voice { segment: Segment::Release, params }; C],
            seen: params.map(|value| [value; C]),
            seen_in_all: Some(params),
            gates: [0; C],
            orders: Orders::NONE,
            rests: true,
            is_open: false,
            sleeps: true,
        }
    }

    /// Changes channel `c` by what `change` does to its voice and its level.
    fn change(&mut self, c: usize, change: impl FnOnce(&mut Voice, &mut Ramp, u32)) {
        let mut level = self.levels.get(c);
        change(&mut self.voices[c], &mut level, self.rate_hz);
        self.levels.set(c, level);
    }

    /// Takes parameters that are the same in all channels.
    #[inline(always)]
    fn see_in_all(&mut self, params: [f32; 4]) {
        if self.seen_in_all != Some(params) {
            self.see(params.map(|value| [value; C]));
            self.seen_in_all = Some(params);
        }
    }

    /// Takes the parameters as they are now.
    #[inline(always)]
    fn see(&mut self, params: [[f32; C]; 4]) {
        let mut differ = false;
        for (params, seen) in params.iter().zip(&self.seen) {
            differ |= !same(params, seen);
        }
        if differ {
            self.see_changes(params);
        }
    }

    fn see_changes(&mut self, params: [[f32; C]; 4]) {
        (self.seen, self.seen_in_all) = (params, None);
        for c in 0..C {
            let now = params.map(|param| param[c]);
            if now != self.voices[c].params {
                self.change(c, |voice, level, rate_hz| voice.see(now, level, rate_hz));
            }
        }
    }

    /// Answers what the gate was told and the cables say. What opens comes last: it is not for the one to undo the
    /// onset of the other.
    fn answer(&mut self, gates: &[f32; C]) {
        let order = self.orders.take();
        for c in 0..C {
            let gate = open(gates[c]);
            let before = core::mem::replace(&mut self.gates[c], gate);
            if order == Some(false) || gate < before {
                self.change(c, Voice::close);
            }
            if order == Some(true) || gate > before {
                self.change(c, Voice::open);
            }
        }
    }

    /// For how many of these frames no gate opens or closes.
    #[inline(always)]
    fn gates_hold<L: Lanes<C>>(&self, lanes: L, gates: &[[f32; C]]) -> usize {
        let (ones, zero) = (lanes.all_ints(u32::MAX), lanes.all_ints(0));
        let (half, were_open) = (lanes.all(0.5), lanes.load_ints(&self.gates));
        for (n, gates) in gates.iter().enumerate() {
            let are_open = L::Ints::choose(lanes.load(gates).gt(half), ones, zero);
            if !Ints::eq(are_open, were_open).all() {
                return n;
            }
        }
        gates.len()
    }

    /// Takes what is new in frame `n`. Returns before which frame something may be again, and when some channel
    /// arrives, counted from `n`.
    #[inline(always)]
    fn next_change<L: Lanes<C>>(
        &mut self,
        lanes: L,
        params: &Params<'_, C>,
        n: usize,
        gates: Gates<'_, C>,
        frames: usize,
    ) -> (usize, Option<usize>) {
        match params {
            Params::InAll(params) if n == 0 => self.see_in_all(*params),
            Params::Each(params, is_moving) if n == 0 || *is_moving => {
                let [attack, decay, sustain, release] = params;
                self.see([attack.at(n), decay.at(n), sustain.at(n), release.at(n)]);
            }
            Params::InAll(_) | Params::Each(..) => (),
        }
        if gates.are_heard {
            self.answer(&gates.frames[n]);
        } else if self.orders.are_due() || n == 0 && !same(&self.gates, &[0; C]) {
            self.answer(&[0.0; C]);
        }
        let arrival = self.levels.next_arrival();
        let mut end = frames.min(n + arrival.unwrap_or(usize::MAX - n));
        if matches!(params, Params::Each(_, true)) || self.orders.are_due() {
            end = n + 1;
        } else if gates.are_heard && !gates.are_held {
            end = n + 1 + self.gates_hold(lanes, &gates.frames[n + 1..end]);
        }
        (end, arrival)
    }

    /// Goes on to the next segments, and finds out whether there will be any.
    fn arrive(&mut self) {
        for c in 0..C {
            if matches!(self.voices[c].segment, Segment::Attack | Segment::Decay) {
                self.change(c, Voice::arrive);
            }
        }
    }

    #[inline(always)]
    fn find_rest(&mut self) {
        self.rests = self.levels.next_arrival().is_none();
        self.is_open = !same(&self.gates, &[0; C]);
        self.sleeps = self.rests
            && !self.is_open
            && same(self.levels.targets(), &[0.0; C])
            && self.voices.iter().all(|voice| voice.segment == Segment::Release);
    }

    /// Whether it rests throughout these frames, unless a parameter says otherwise.
    #[inline(always)]
    fn goes_on_resting<L: Lanes<C>>(&self, lanes: L, io: &mut Io<'_>, has_gate: bool) -> bool {
        if !self.rests || self.orders.are_due() {
            return false;
        }
        if has_gate {
            let frames = if io.is_held(GATE) { 1 } else { io.frames.len() };
            return self.gates_hold(lanes, &io.ports::<C, 2, 2>().0[GATE][..frames]) == frames;
        }
        !self.is_open
    }
}

/// What the cable at the input `gate` brings.
#[derive(Clone, Copy)]
struct Gates<'a, const C: usize> {
    frames: &'a [[f32; C]],
    are_heard: bool,
    /// Whether all frames are the same.
    are_held: bool,
}

/// Attack, decay, sustain and release.
enum Params<'a, const C: usize> {
    /// The same in all channels and frames.
    InAll([f32; 4]),
    /// One for each channel, and whether they move from frame to frame.
    Each([Param<'a, C>; 4], bool),
}

impl<'a, const C: usize> Params<'a, C> {
    #[inline(always)]
    fn of(io: &Io<'a>) -> Self {
        let steady = (io.steady(ATTACK), io.steady(DECAY), io.steady(SUSTAIN), io.steady(RELEASE));
        if let (Some(attack), Some(decay), Some(sustain), Some(release)) = steady {
            return Self::InAll([attack, decay, sustain, release]);
        }
        let params = [io.param(ATTACK), io.param(DECAY), io.param(SUSTAIN), io.param(RELEASE)];
        let is_moving = params.iter().any(Param::is_moving);
        Self::Each(params, is_moving)
    }
}

/// All ones for an open gate.
#[inline(always)]
fn open(gate: f32) -> u32 {
    if gate > 0.5 { u32::MAX } else { 0 }
}

impl Voice {
    fn frames(&self, param: usize, rate_hz: u32) -> u32 {
        frames_of_ms(self.params[param], rate_hz)
    }

    /// Takes parameters as they are now; what is under way bends to them without a step.
    fn see(&mut self, params: [f32; 4], level: &mut Ramp, rate_hz: u32) {
        let seen = core::mem::replace(&mut self.params, params);
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
                level.go_to(self.params[SUSTAIN], self.frames(DECAY, rate_hz));
            }
            Segment::Decay => self.segment = Segment::Sustain,
            Segment::Sustain | Segment::Release => (),
        }
    }
}

impl<const C: usize> Kernel<C> for Adsr<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        *self = Self::new(self.rate_hz);
    }

    fn set_gate(&mut self, open: bool) {
        self.orders.set(open);
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        if io.frames.is_empty() {
            return;
        }
        let has_gate = io.is_connected(GATE) && !io.is_silent(GATE);
        let rests = self.goes_on_resting(lanes, io, has_gate);
        if rests && self.sleeps {
            io.doze();
            io.silence(OUT);
            return io.silence(ENV);
        }
        let params = Params::of(io);
        let (hears_in, tells_env) = (!io.is_silent(IN), io.is_heard(ENV));
        let are_held = io.is_held(GATE);
        if !hears_in {
            io.silence(OUT);
        }
        let ([input, frames], [out, env]) = io.ports::<C, 2, 2>();
        let gates = Gates { frames, are_heard: has_gate, are_held };
        // Whether it is known that nothing changes in any frame.
        let settled = match &params {
            Params::InAll(params) => rests && self.seen_in_all == Some(*params),
            Params::Each(..) => false,
        };
        let mut n = 0;
        while n < out.len() {
            let (mut end, mut arrival) = (out.len(), None);
            if !settled {
                (end, arrival) = self.next_change(lanes, &params, n, gates, out.len());
            }
            let env = tells_env.then_some(&mut env[n..end]);
            let (input, out) = (&input[n..end], hears_in.then_some(&mut out[n..end]));
            if arrival.is_none() {
                rest(lanes, self.levels.targets(), input, out, env);
            } else {
                shape(lanes, &mut self.levels, input, out, env);
            }
            if arrival == Some(end - n) {
                self.arrive();
            }
            n = end;
        }
        if !settled {
            self.find_rest();
        }
    }

    fn ignored_inputs(&self, silent: PortSet) -> PortSet {
        let sleeps = self.sleeps && !self.orders.are_due() && silent & (1 << GATE) != 0;
        PortSet::from(sleeps) << IN
    }
}

/// Frames of an envelope at rest.
#[inline(always)]
fn rest<const C: usize, L: Lanes<C>>(
    lanes: L,
    level: &[f32; C],
    input: &[[f32; C]],
    out: Option<&mut [[f32; C]]>,
    env: Option<&mut [[f32; C]]>,
) {
    if let Some(env) = env {
        env.fill(*level);
    }
    let Some(out) = out else { return };
    let level = lanes.load(level);
    if level.eq(lanes.all(0.0)).all() {
        // What is silent is so with a positive sign, whatever comes in.
        return out.fill([0.0; C]);
    }
    // Several at a time, which leaves less to count.
    let ((outs, out), (inputs, input)) = (out.as_chunks_mut::<4>(), input.as_chunks::<4>());
    for (out, input) in outs.iter_mut().zip(inputs) {
        for n in 0..out.len() {
            lanes.store(lanes.load(&input[n]) * level, &mut out[n]);
        }
    }
    for (out, input) in out.iter_mut().zip(input) {
        lanes.store(lanes.load(input) * level, out);
    }
}

/// Frames of an envelope under way, up to the next arrival.
#[inline(always)]
fn shape<const C: usize, L: Lanes<C>>(
    lanes: L,
    levels: &mut Ramps<C>,
    input: &[[f32; C]],
    out: Option<&mut [[f32; C]]>,
    env: Option<&mut [[f32; C]]>,
) {
    let mut course = levels.course(lanes);
    match (out, env) {
        (Some(out), None) => {
            for (out, input) in out.iter_mut().zip(input) {
                lanes.store(lanes.load(input) * course.step(), out);
            }
        }
        (Some(out), Some(env)) => {
            for ((out, env), input) in out.iter_mut().zip(env).zip(input) {
                let level = course.step();
                lanes.store(level, env);
                lanes.store(lanes.load(input) * level, out);
            }
        }
        (None, Some(env)) => {
            for env in env {
                lanes.store(course.step(), env);
            }
        }
        (None, None) => (),
    }
    levels.advance(lanes, input.len());
}
