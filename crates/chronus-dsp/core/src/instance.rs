//! A module with its parameters: where they were set, how they move there smoothly, and what cables
//! make of them.

use core::ops::Range;

use pulp::{Arch, NullaryFnOnce};
use smallvec::SmallVec;

use crate::entry::CatalogEntry;
use crate::io::{Drive, Io, Params, PortSet, Ports, Span};
use crate::math::frames_of_ms;
use crate::module::{CHANNELS_MAX, Module, ModuleSpec, Note, ParamSpec, Recording};
use crate::moving::{Mode, Modulation, Moving};
use crate::signal::{FrameSet, Signal, Signals, silent_buffer};
use crate::simd::up_to_avx2;
use crate::smooth::Ramp;
use crate::vectors::Vectors;

/// See the file's head.
pub struct Instance {
    module: Box<dyn Module>,
    channels: usize,
    rate_hz: u32,
    arch: Arch,
    params: Vec<Moving>,
    /// Where all parameters go, or are.
    steady: SmallVec<[f32; 8]>,
    /// The cables that drove parameters in the frames before, if none of those moved.
    held: SmallVec<[HeldDrive; 2]>,
    /// Whether the ramp of any parameter is under way.
    moves: bool,
    /// Whether it may ignore inputs in the next frames.
    dozes: bool,
}

/// A cable that brought the same to a parameter in all frames.
#[derive(Clone, Copy)]
struct HeldDrive {
    param: usize,
    depth: f32,
    channels: usize,
    /// What it brought, in so many channels.
    values: [f32; CHANNELS_MAX],
}

impl Instance {
    /// A new module at the default parameters of its kind, rendered with [`Vectors::chosen`].
    ///
    /// # Panics
    /// If `channels` is none of [`CHANNEL_COUNTS`](crate::module::CHANNEL_COUNTS).
    pub fn new(entry: &CatalogEntry, rate_hz: u32, channels: usize) -> Self {
        Self::on(Vectors::chosen().arch(), entry, rate_hz, channels)
    }

    /// The same, for any machine: see [`CatalogEntry::construct`].
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn on(arch: Arch, entry: &CatalogEntry, rate_hz: u32, channels: usize) -> Self {
        let param = |spec: &'static ParamSpec| Moving {
            spec,
            ramp: Ramp::at(spec.default),
            values: silent_buffer(channels),
            mode: Mode::Steady,
        };
        Self {
            module: entry.construct(arch, rate_hz, channels),
            channels,
            rate_hz,
            arch,
            params: entry.spec.params.iter().map(param).collect(),
            steady: entry.spec.params.iter().map(|spec| spec.default).collect(),
            held: SmallVec::new(),
            moves: false,
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

    /// Renders these frames; see [`Module::process`]. `signals` holds all that it reads, each at the place that
    /// `ports` says; of `outputs` there is one per output of the spec.
    #[inline(always)]
    pub fn render(
        &mut self,
        span: &Span<'_>,
        signals: &Signals<'_>,
        ports: &Ports,
        outputs: &mut [Signal],
    ) {
        self.turn(Task::Render, span, signals, ports, outputs);
    }

    /// Goes on as if these frames had been rendered, which nobody will read: [`Module::skip`], or rendered all the
    /// same where that would cost no less.
    pub fn skip(
        &mut self,
        span: &Span<'_>,
        signals: &Signals<'_>,
        ports: &Ports,
        outputs: &mut [Signal],
    ) {
        let task = if self.spec().skips { Task::Skip } else { Task::Render };
        self.turn(task, span, signals, ports, outputs);
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
        self.held.clear();
        for (steady, param) in self.steady.iter_mut().zip(&self.params) {
            self.moves |= param.ramp.is_moving();
            *steady = param.ramp.target();
        }
    }

    // This is done for each module and block, so it counts instructions.
    #[inline(always)]
    fn turn(
        &mut self,
        task: Task,
        span: &Span<'_>,
        signals: &Signals<'_>,
        ports: &Ports,
        outputs: &mut [Signal],
    ) {
        let is_driven = ports.drives.iter().any(|drive| drive.is_heard(signals, span.set));
        self.dozes = if self.moves | is_driven {
            self.turn_moving(task, span, signals, ports, outputs)
        } else {
            let mut io = Io::new(span, signals, ports, Params::Steady(&self.steady), outputs);
            task.run(&mut *self.module, &mut io);
            io.close()
        };
    }

    /// As [`turn`](Self::turn), while parameters move. Returns whether it dozes.
    #[inline(never)]
    fn turn_moving(
        &mut self,
        task: Task,
        span: &Span<'_>,
        signals: &Signals<'_>,
        ports: &Ports,
        outputs: &mut [Signal],
    ) -> bool {
        // What notes do to pitches: nothing changes until the next one.
        if self.moves || !self.goes_on_held(&ports.drives, signals, span.set) {
            self.move_params(&ports.drives, signals, span);
        }
        let mut io = Io::new(span, signals, ports, Params::Moving(&self.params), outputs);
        task.run(&mut *self.module, &mut io);
        let dozes = io.close();
        if self.moves {
            self.settle();
        }
        dozes
    }

    /// Whether the same cables drive the same parameters as in the frames before, and bring the same.
    fn goes_on_held(&self, drives: &[Drive], signals: &Signals<'_>, set: FrameSet) -> bool {
        let mut held = self.held.iter();
        let mut is_next = |drive: &Drive| {
            let Some(HeldDrive { param, depth, channels, values }) = held.next() else {
                return false;
            };
            let signal = signals.at(drive.signal);
            let is_same = drive.param == *param && drive.depth.to_bits() == depth.to_bits();
            is_same && signal.channels() == *channels && signal.is_held(set) && {
                let first = set.trailing_zeros() as usize;
                same_bits(signal.frames(&(first..first + 1)), values)
            }
        };
        let mut heard = drives.iter().filter(|drive| drive.is_heard(signals, set));
        !self.held.is_empty() && heard.all(&mut is_next) && held.next().is_none()
    }

    fn move_params(&mut self, drives: &[Drive], signals: &Signals<'_>, span: &Span<'_>) {
        let (params, channels) = (&mut self.params[..], self.channels);
        up_to_avx2(self.arch, MoveParams { params, channels, drives, signals, span });
        self.held.clear();
        let is_held = |param: &Moving| matches!(param.mode, Mode::Steady | Mode::Held);
        let mut heard = drives.iter().filter(|drive| drive.is_heard(signals, span.set));
        if self.moves || !self.params.iter().all(is_held) || heard.clone().count() > HELD_MAX {
            return;
        }
        self.held.extend(heard.by_ref().map(|drive| {
            let (signal, first) = (signals.at(drive.signal), span.frames.start);
            let mut values = [0.0; CHANNELS_MAX];
            values[..signal.channels()].copy_from_slice(signal.frames(&(first..first + 1)));
            let (param, depth, channels) = (drive.param, drive.depth, signal.channels());
            HeldDrive { param, depth, channels, values }
        }));
    }
}

/// As many held drives are kept: what there is room for without allocating.
const HELD_MAX: usize = 2;

/// Whether bits are the same, as far as the first goes.
#[inline(always)]
fn same_bits(frame: &[f32], values: &[f32; CHANNELS_MAX]) -> bool {
    fn differing(a: &[f32], b: &[f32]) -> u32 {
        a.iter().zip(b).fold(0, |all, (a, b)| all | (a.to_bits() ^ b.to_bits()))
    }
    match <&[f32; CHANNELS_MAX]>::try_from(frame) {
        Ok(frame) => differing(frame, values) == 0,
        Err(_) => differing(frame, values) == 0,
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

/// Renders all parameters in these frames, each as far as it moves.
struct MoveParams<'a> {
    params: &'a mut [Moving],
    channels: usize,
    drives: &'a [Drive],
    signals: &'a Signals<'a>,
    span: &'a Span<'a>,
}

impl NullaryFnOnce for MoveParams<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { params, channels, drives, signals, span } = self;
        for (index, param) in params.iter_mut().enumerate() {
            let (mut is_driven, mut is_held) = (false, true);
            // A silent cable leaves its parameter alone.
            let drives = || {
                let heard = drives.iter().filter(|drive| drive.is_heard(signals, span.set));
                heard.filter(|drive| drive.param == index)
            };
            for drive in drives() {
                is_driven = true;
                is_held = is_held
                    && !param.ramp.is_moving()
                    && is_held_in(signals.at(drive.signal), span);
            }
            param.mode = match (is_driven, is_held) {
                (true, true) => Mode::Held,
                (true, false) => Mode::Driven,
                (false, _) if param.ramp.is_moving() => Mode::Smoothed,
                (false, _) => Mode::Steady,
            };
            let Range { start, end } = span.frames;
            // Which are read, and where values go.
            let (from, frames) = match param.mode {
                Mode::Steady => continue,
                Mode::Held => (start..start + 1, 0..1),
                Mode::Smoothed | Mode::Driven => (start..end, start..end),
            };
            let signal_of = |drive: &Drive| {
                let signal = signals.at(drive.signal);
                Modulation {
                    depth: drive.depth,
                    frames: signal.frames(&from),
                    channels: signal.channels(),
                }
            };
            let mut signals = drives().map(signal_of);
            match (signals.next(), signals.next()) {
                (Some(only), None) if !param.ramp.is_moving() => {
                    param.follow(&only, channels, frames);
                }
                _ => {
                    param.begin(channels, frames.clone());
                    if param.mode != Mode::Smoothed {
                        for signal in drives().map(signal_of) {
                            param.drive(&signal, channels, frames.clone());
                        }
                        param.finish(channels, frames);
                    }
                }
            }
        }
    }
}

impl Drive {
    #[inline(always)]
    fn is_heard(&self, signals: &Signals<'_>, set: FrameSet) -> bool {
        !signals.at(self.signal).is_silent(set)
    }
}

/// Whether the signal is the same in all these frames.
#[inline(always)]
fn is_held_in(signal: &Signal, span: &Span<'_>) -> bool {
    if signal.is_held(span.set) {
        return true;
    }
    let (channels, signal) = (signal.channels(), signal.frames(&span.frames));
    // Each frame is compared with the next; in pieces, of which the first tells most of the time.
    let (earlier, later) = (&signal[..signal.len() - channels], &signal[channels..]);
    earlier.chunks(256).zip(later.chunks(256)).all(|(earlier, later)| {
        let differing = |(a, b): (&f32, &f32)| a.to_bits() ^ b.to_bits();
        earlier.iter().zip(later).map(differing).fold(0, |all, bits| all | bits) == 0
    })
}
