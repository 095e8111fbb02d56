//! A module with its parameters: where they were set, how they move there smoothly, and what cables
//! make of them.

use core::ops::Range;

use pulp::{Arch, NullaryFnOnce};
use smallvec::SmallVec;

use crate::catalog::CatalogEntry;
use crate::math::{exp2, frames_of_ms};
use crate::module::{
    BLOCK_FRAMES, Buffer, CHANNELS_MAX, Curve, FrameSet, Hints, Io, Module, ModuleSpec, Note,
    ParamSignal, ParamSpec, PortSet, Recording, frame_set, silent_buffer,
};
use crate::smooth::Ramp;
use crate::transport::Transport;

/// As many parameters as a module may have.
pub const PARAMS_MAX: usize = 32;

/// As many inputs as a module may have.
pub const INPUTS_MAX: usize = 16;

/// What an input that rests at 1 reads without a cable.
static ONES: [f32; BLOCK_FRAMES * CHANNELS_MAX] = [1.0; BLOCK_FRAMES * CHANNELS_MAX];

/// A cable that ends at a parameter.
#[derive(Clone, Copy, Debug)]
pub struct Drive<'a> {
    /// The position of the parameter.
    pub param: usize,
    /// How much the signal does, in the unit of the parameter or in octaves: see [`Curve`].
    pub depth: f32,
    /// One value per frame and channel; with one channel it drives all.
    pub signal: &'a [f32],
}

/// Frames of a block that an instance is to render: what it reads and what it writes.
pub struct Turn<'a> {
    /// One buffer per input of the spec; `None` where no cable ends, which rests.
    pub inputs: &'a [Option<&'a [f32]>],
    /// Which of them are there, one bit each; other bits do not matter.
    pub connected: PortSet,
    /// Inputs that are known to be silent in these frames: 0 with a positive sign.
    pub silent_inputs: PortSet,
    /// The cables that end at parameters. One whose signal is silent may be left out.
    pub drives: &'a [Drive<'a>],
    /// One buffer per output of the spec.
    pub outputs: &'a mut [Buffer],
    /// Where each output's buffer is known to be silent. It goes with the buffer, and what is rendered
    /// updates it; none, if nobody keeps account.
    pub silent_frames: &'a mut [FrameSet],
    /// Outputs that nobody reads, now or in the next block; they may be left as they are.
    pub unheard_outputs: PortSet,
    /// The frames to render; they follow those rendered before.
    pub frames: Range<usize>,
    /// The same as a set.
    pub set: FrameSet,
    /// Musical time in these frames.
    pub transport: &'a Transport,
}

/// See the file's head.
pub struct Instance {
    module: Box<dyn Module>,
    channels: usize,
    rate_hz: u32,
    arch: Arch,
    params: Vec<Moving>,
    /// All parameters as far as they rest, ready for the module.
    steady: SmallVec<[ParamSignal<'static>; 4]>,
    /// Whether the ramp of any parameter is under way.
    moves: bool,
    /// Inputs that rest at 1.
    resting_at_one: PortSet,
    /// Whether it may ignore inputs in the next frames.
    dozes: bool,
}

/// A parameter on its way.
struct Moving {
    spec: &'static ParamSpec,
    ramp: Ramp,
    /// The values of this block, as far as it moves.
    values: Buffer,
    mode: Mode,
}

/// How a parameter moves in these frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Steady,
    Smoothed,
    Driven,
    /// Driven by cables that bring the same in all frames; rendered is the first.
    Held,
}

impl Instance {
    /// A new module at the default parameters of its kind.
    ///
    /// # Panics
    /// If `channels` is none of [`CHANNEL_COUNTS`](crate::module::CHANNEL_COUNTS).
    pub fn new(entry: &CatalogEntry, rate_hz: u32, channels: usize) -> Self {
        let param = |spec: &'static ParamSpec| Moving {
            spec,
            ramp: Ramp::at(spec.default),
            values: silent_buffer(channels),
            mode: Mode::Steady,
        };
        let mut resting_at_one = 0;
        for (index, _) in entry.spec.inputs.iter().enumerate().filter(|(_, port)| port.rest != 0.0)
        {
            resting_at_one |= 1 << index;
        }
        Self {
            module: entry.construct(rate_hz, channels),
            channels,
            rate_hz,
            arch: Arch::new(),
            params: entry.spec.params.iter().map(param).collect(),
            steady: entry
                .spec
                .params
                .iter()
                .map(|spec| ParamSignal::Steady(spec.default))
                .collect(),
            moves: false,
            resting_at_one,
            dozes: true,
        }
    }

    /// What it is.
    pub fn spec(&self) -> &'static ModuleSpec {
        self.module.spec()
    }

    /// How many channels its ports have.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Sets the target of parameter `param`; it moves there smoothly. `value` is one that
    /// [`ParamSpec::accept`] returned.
    ///
    /// # Panics
    /// If the spec has no such parameter.
    pub fn set_param(&mut self, param: usize, value: f32) {
        let Moving { spec, ramp, .. } = &mut self.params[param];
        if spec.smoothing_ms > 0.0 {
            ramp.follow(value, frames_of_ms(spec.smoothing_ms, self.rate_hz));
        } else {
            ramp.snap_to(value);
        }
        self.settle();
    }

    /// Opens or closes the gate: [`Module::set_gate`].
    pub fn set_gate(&mut self, open: bool) {
        self.module.set_gate(open);
    }

    /// Begins or ends a note: [`Module::note`].
    pub fn note(&mut self, note: Note) {
        self.module.note(note);
    }

    /// As new, with the parameters at once where they were last set.
    pub fn reset(&mut self) {
        self.params.iter_mut().for_each(|param| param.ramp.finish());
        self.settle();
        self.dozes = true;
        self.module.reset();
    }

    /// Sets a text: [`Module::set_text`].
    pub fn set_text(&mut self, text: usize, value: &str) {
        self.module.set_text(text, value);
    }

    /// Gives it its recording: [`Module::set_recording`].
    pub fn set_recording(&mut self, recording: Recording) {
        self.module.set_recording(recording);
    }

    /// Renders these frames; see [`Module::process`]. Inputs without a cable (`None`) rest.
    pub fn process(
        &mut self,
        inputs: &[Option<&[f32]>],
        drives: &[Drive<'_>],
        outputs: &mut [Buffer],
        frames: Range<usize>,
        transport: Transport,
    ) {
        let mut connected = 0;
        for (index, input) in inputs.iter().enumerate() {
            connected |= PortSet::from(input.is_some()) << index;
        }
        self.render(&mut Turn {
            inputs,
            connected,
            silent_inputs: 0,
            drives,
            outputs,
            silent_frames: &mut [],
            unheard_outputs: 0,
            set: frame_set(&frames),
            frames,
            transport: &transport,
        });
    }

    /// Renders frames, as [`process`](Self::process) does, and keeps account of silence.
    pub fn render(&mut self, turn: &mut Turn<'_>) {
        self.turn(turn, Task::Render);
    }

    /// Goes on as if these frames had been rendered, which nobody will read: [`Module::skip`].
    pub fn skip(&mut self, turn: &mut Turn<'_>) {
        self.turn(turn, Task::Skip);
    }

    /// Which inputs need not be rendered for the next frames, given which are silent in all of them or
    /// have no cable: [`Module::ignored_inputs`].
    pub fn ignored_inputs(&self, silent: PortSet) -> PortSet {
        if self.dozes { self.module.ignored_inputs(silent) } else { 0 }
    }

    /// Whether it may ignore any. A gate or a note only wakes it up.
    #[inline(always)]
    pub fn dozes(&self) -> bool {
        self.dozes
    }

    /// Takes over which parameters move, and the values of those that do not.
    fn settle(&mut self) {
        self.moves = false;
        for (steady, param) in self.steady.iter_mut().zip(&self.params) {
            self.moves |= param.ramp.is_moving();
            *steady = ParamSignal::Steady(param.ramp.target());
        }
    }

    // This is done for each module and block, so it counts instructions.
    fn turn(&mut self, turn: &mut Turn<'_>, task: Task) {
        let set = turn.set;
        let mut zero_outputs = 0;
        for silent in turn.silent_frames.iter().rev() {
            zero_outputs = zero_outputs << 1 | PortSet::from(silent & set == set);
        }
        let resting_at_one = self.resting_at_one & !turn.connected;
        let mut io = Io {
            inputs: turn.inputs,
            params: &self.steady,
            outputs: turn.outputs,
            frames: turn.frames.clone(),
            transport: turn.transport,
            hints: Hints {
                silent_inputs: turn.silent_inputs | !turn.connected & !resting_at_one,
                unheard_outputs: turn.unheard_outputs,
                zero_outputs,
                ..Hints::default()
            },
        };
        let hints = if resting_at_one == 0 && turn.drives.is_empty() && !self.moves {
            task.run(&mut *self.module, &mut io);
            io.hints
        } else {
            let rested = self.rest_inputs(turn.inputs);
            io.inputs = &rested[..turn.inputs.len()];
            let (module, params) = (&mut *self.module, &mut self.params[..]);
            let hints = run_moving(module, params, self.channels, self.arch, io, turn.drives, task);
            if self.moves {
                self.settle();
            }
            hints
        };
        self.dozes = hints.dozes;
        if hints.kept {
            return;
        }
        let mut silent_outputs = hints.silent_outputs;
        for silent in turn.silent_frames.iter_mut() {
            *silent = if silent_outputs & 1 != 0 { *silent | set } else { *silent & !set };
            silent_outputs >>= 1;
        }
    }

    /// What inputs read, those that rest at 1 included.
    fn rest_inputs<'a>(&self, inputs: &[Option<&'a [f32]>]) -> [Option<&'a [f32]>; INPUTS_MAX] {
        let ones = &ONES[..BLOCK_FRAMES * self.channels];
        let mut rested = [None; INPUTS_MAX];
        for (index, (rested, input)) in rested.iter_mut().zip(inputs).enumerate() {
            *rested = input.or((self.resting_at_one & (1 << index) != 0).then_some(ones));
        }
        rested
    }
}

/// What is to be done with some frames.
#[derive(Clone, Copy)]
enum Task {
    Render,
    Skip,
}

impl Task {
    #[inline(always)]
    fn run(self, module: &mut dyn Module, io: &mut Io<'_>) {
        match self {
            Self::Render => module.process(io),
            Self::Skip => module.skip(io),
        }
    }
}

/// Does the task with parameters that move.
fn run_moving(
    module: &mut dyn Module,
    params: &mut [Moving],
    channels: usize,
    arch: Arch,
    io: Io<'_>,
    drives: &[Drive<'_>],
    task: Task,
) -> Hints {
    let frames = io.frames.clone();
    arch.dispatch(MoveParams { params, channels, drives, frames: &frames });
    let mut signals = [ParamSignal::Steady(0.0); PARAMS_MAX];
    for (signal, param) in signals.iter_mut().zip(&*params) {
        *signal = param.signal(channels, frames.start);
    }
    let mut io = Io { params: &signals[..params.len()], ..io };
    task.run(module, &mut io);
    io.hints
}

/// Renders all parameters in these frames, each as far as it moves.
struct MoveParams<'a, 'b> {
    params: &'a mut [Moving],
    channels: usize,
    drives: &'a [Drive<'b>],
    frames: &'a Range<usize>,
}

impl NullaryFnOnce for MoveParams<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { params, channels, drives, frames } = self;
        for (index, param) in params.iter_mut().enumerate() {
            let (mut is_driven, mut is_held) = (false, true);
            for drive in drives.iter().filter(|drive| drive.param == index) {
                is_driven = true;
                is_held = is_held && !param.ramp.is_moving() && drive.is_held(channels, frames);
            }
            param.mode = match (is_driven, is_held) {
                (true, true) => Mode::Held,
                (true, false) => Mode::Driven,
                (false, _) if param.ramp.is_moving() => Mode::Smoothed,
                (false, _) => Mode::Steady,
            };
            let frames = match param.mode {
                Mode::Steady => continue,
                Mode::Held => frames.start..frames.start + 1,
                Mode::Smoothed | Mode::Driven => frames.clone(),
            };
            param.begin(channels, frames.clone());
            if param.mode != Mode::Smoothed {
                for drive in drives.iter().filter(|drive| drive.param == index) {
                    param.drive(drive, channels, frames.clone());
                }
                param.finish(channels, frames);
            }
        }
    }
}

impl Drive<'_> {
    /// Whether the signal is the same in all these frames.
    #[inline(always)]
    fn is_held(&self, channels: usize, frames: &Range<usize>) -> bool {
        let channels = if self.signal.len() == BLOCK_FRAMES { 1 } else { channels };
        let signal = &self.signal[frames.start * channels..frames.end * channels];
        // Each frame is compared with the next; in pieces, of which the first tells most of the time.
        let (earlier, later) = (&signal[..signal.len() - channels], &signal[channels..]);
        earlier.chunks(256).zip(later.chunks(256)).all(|(earlier, later)| {
            let differing = |(a, b): (&f32, &f32)| a.to_bits() ^ b.to_bits();
            earlier.iter().zip(later).map(differing).fold(0, |all, bits| all | bits) == 0
        })
    }
}

/// Does something to each frame of a signal, given the value of a signal of one channel there.
#[inline(always)]
fn spread(
    values: &mut [f32],
    channels: usize,
    signal: &[f32],
    mut change: impl FnMut(&mut f32, f32),
) {
    match channels {
        16 => spread_to::<16>(values, signal, change),
        8 => spread_to::<8>(values, signal, change),
        4 => spread_to::<4>(values, signal, change),
        _ => values.iter_mut().zip(signal).for_each(|(value, signal)| change(value, *signal)),
    }
}

#[inline(always)]
fn spread_to<const C: usize>(
    values: &mut [f32],
    signal: &[f32],
    mut change: impl FnMut(&mut f32, f32),
) {
    for (frame, signal) in values.as_chunks_mut::<C>().0.iter_mut().zip(signal) {
        for value in frame {
            change(value, *signal);
        }
    }
}

impl Moving {
    fn is_in_octaves(&self) -> bool {
        self.spec.curve == Curve::Exponential
    }

    /// The values as far as they were set; where cables add octaves to them, 0 instead.
    #[inline(always)]
    fn begin(&mut self, channels: usize, frames: Range<usize>) {
        let in_octaves = self.is_in_octaves();
        let values = &mut self.values[frames.start * channels..frames.end * channels];
        if self.mode != Mode::Smoothed && in_octaves {
            values.fill(0.0);
        } else if self.ramp.is_moving() {
            for frame in values.chunks_exact_mut(channels) {
                frame.fill(self.ramp.step());
            }
        } else {
            values.fill(self.ramp.value());
        }
    }

    #[inline(always)]
    fn drive(&mut self, drive: &Drive<'_>, channels: usize, frames: Range<usize>) {
        let Range { start, end } = frames;
        let values = &mut self.values[start * channels..end * channels];
        if drive.signal.len() == BLOCK_FRAMES {
            let signal = &drive.signal[start..end];
            spread(values, channels, signal, |value, signal| *value += drive.depth * signal);
        } else {
            let signal = &drive.signal[start * channels..end * channels];
            for (value, signal) in values.iter_mut().zip(signal) {
                *value += drive.depth * signal;
            }
        }
    }

    /// Makes values of octaves, and holds all within the range of the spec, whatever the cables say.
    #[inline(always)]
    fn finish(&mut self, channels: usize, frames: Range<usize>) {
        let (spec, in_octaves) = (self.spec, self.is_in_octaves());
        let values = &mut self.values[frames.start * channels..frames.end * channels];
        // NaN, which a cable may bring, becomes the least value.
        let hold = |value: f32| value.max(spec.min).min(spec.max);
        if in_octaves && self.ramp.is_moving() {
            for frame in values.chunks_exact_mut(channels) {
                let base = self.ramp.step();
                for value in frame {
                    *value = hold(base * exp2(*value));
                }
            }
        } else if in_octaves {
            let base = self.ramp.value();
            for value in &mut *values {
                *value = hold(base * exp2(*value));
            }
        } else {
            for value in &mut *values {
                *value = hold(*value);
            }
        }
        if spec.is_enumeration() {
            for value in values {
                *value = value.round_ties_even();
            }
        }
    }

    /// What the module gets.
    #[inline(always)]
    fn signal(&self, channels: usize, start: usize) -> ParamSignal<'_> {
        match self.mode {
            Mode::Steady => ParamSignal::Steady(self.ramp.value()),
            Mode::Held => ParamSignal::Held(&self.values[start * channels..][..channels]),
            Mode::Smoothed | Mode::Driven => ParamSignal::Moving(&self.values),
        }
    }
}
