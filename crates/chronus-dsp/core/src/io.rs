//! What a module gets to render some frames, and what it may say of them.

use core::ops::Range;

use smallvec::SmallVec;

use crate::lanes::Lanes;
use crate::moving::{Moving, ParamSignal};
use crate::signal::{FrameSet, Signal, Signals, frame_set};
use crate::transport::Transport;

/// Ports of a module, one bit each, by position.
pub type PortSet = u32;

/// How a module is wired: the places in the row of signals of what it reads.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// One per input of the spec. Where no cable ends it rests, at [`Signal::AT_ZERO`] or [`Signal::AT_ONE`].
    pub inputs: SmallVec<[u32; 4]>,
    /// Inputs where cables end.
    pub connected: PortSet,
    /// Outputs that nobody reads, now or in the next block; they may be left as they are.
    pub unheard_outputs: PortSet,
    /// The cables that end at parameters.
    pub drives: Vec<Drive>,
}

/// A cable that ends at a parameter.
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    /// The position of the parameter.
    pub param: usize,
    /// How much the signal does, in the unit of the parameter or in octaves: see
    /// [`Curve`](crate::module::Curve).
    pub depth: f32,
    /// The place of its signal. With one channel it drives all.
    pub signal: usize,
}

/// The frames to be rendered. They follow those rendered before.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    /// Their numbers in the block.
    pub frames: Range<usize>,
    /// The same as a set.
    pub set: FrameSet,
    /// Musical time in them.
    pub transport: &'a Transport,
}

impl<'a> Span<'a> {
    /// These frames, at the time of the first of them.
    pub fn new(frames: Range<usize>, transport: &'a Transport) -> Self {
        Self { set: frame_set(&frames), frames, transport }
    }
}

/// What a module renders from and into.
///
/// Some of it may be left undone where signals are silent (0 in all channels, with a positive sign) or held (the same
/// in all frames). A module may take no notice; if it does, that must change no sample: how a block is divided
/// decides what counts as such.
pub struct Io<'a> {
    /// The frames of the block to read and write; the others are not to be touched.
    pub frames: Range<usize>,
    /// Musical time in these frames.
    pub transport: &'a Transport,
    set: FrameSet,
    /// All signals that there are to read.
    signals: &'a Signals<'a>,
    ports: &'a Ports,
    params: Params<'a>,
    /// One per output of the spec.
    outputs: &'a mut [Signal],
    /// Outputs of which the module said what they are.
    known_outputs: PortSet,
    /// Whether the module left all outputs as they were.
    kept: bool,
    /// Whether the module may ignore inputs in the next frames.
    dozes: bool,
}

/// All parameters of a module in the frames to be rendered.
#[derive(Clone, Copy)]
pub(crate) enum Params<'a> {
    /// All rest; one value each.
    Steady(&'a [f32]),
    /// Some move.
    Moving(&'a [Moving]),
}

impl<'a> Params<'a> {
    #[inline(always)]
    fn get(&self, index: usize) -> ParamSignal<'a> {
        match self {
            Self::Steady(values) => ParamSignal::Steady(values[index]),
            Self::Moving(params) => params[index].signal(),
        }
    }
}

/// A parameter in the frames to be rendered, counted from the first of them.
#[derive(Clone, Copy)]
pub struct Param<'a, const C: usize> {
    steady: [f32; C],
    moving: &'a [[f32; C]],
}

/// A [`Param`] as vectors.
#[derive(Clone, Copy)]
pub struct LanesParam<'a, const C: usize, L: Lanes<C>> {
    lanes: L,
    steady: L::Floats,
    moving: &'a [[f32; C]],
}

impl<const C: usize, L: Lanes<C>> LanesParam<'_, C, L> {
    /// The values of all channels in frame `n`.
    #[inline(always)]
    pub fn at(&self, n: usize) -> L::Floats {
        if self.moving.is_empty() { self.steady } else { self.lanes.load(&self.moving[n]) }
    }

    /// Whether it may differ from frame to frame.
    #[inline(always)]
    pub fn is_moving(&self) -> bool {
        !self.moving.is_empty()
    }
}

impl<'a, const C: usize> Param<'a, C> {
    /// As vectors.
    #[inline(always)]
    pub fn on<L: Lanes<C>>(&self, lanes: L) -> LanesParam<'a, C, L> {
        LanesParam { lanes, steady: lanes.load(&self.steady), moving: self.moving }
    }
}

impl<const C: usize> Param<'_, C> {
    /// The values of all channels in frame `n`.
    #[inline(always)]
    pub fn at(&self, n: usize) -> [f32; C] {
        if self.moving.is_empty() { self.steady } else { self.moving[n] }
    }

    /// The value of channel `c` in frame `n`.
    #[inline(always)]
    pub fn of(&self, n: usize, c: usize) -> f32 {
        if self.moving.is_empty() { self.steady[c] } else { self.moving[n][c] }
    }

    /// Whether it may differ from frame to frame.
    #[inline(always)]
    pub fn is_moving(&self) -> bool {
        !self.moving.is_empty()
    }
}

impl<'a> Io<'a> {
    /// Of the ports and parameters of a module. `signals` holds all that it reads; of `outputs` there is one per output
    /// of the spec.
    #[inline(always)]
    pub(crate) fn new(
        span: &Span<'a>,
        signals: &'a Signals<'a>,
        ports: &'a Ports,
        params: Params<'a>,
        outputs: &'a mut [Signal],
    ) -> Self {
        Self {
            frames: span.frames.clone(),
            transport: span.transport,
            set: span.set,
            signals,
            ports,
            params,
            outputs,
            known_outputs: 0,
            kept: false,
            dozes: false,
        }
    }

    /// Takes account of what the module has said. Returns whether it may ignore inputs in the next frames.
    #[inline(always)]
    pub(crate) fn close(self) -> bool {
        if !self.kept {
            let mut known_outputs = self.known_outputs;
            for output in self.outputs {
                if known_outputs & 1 == 0 {
                    output.changed(self.set);
                }
                known_outputs >>= 1;
            }
        }
        self.dozes
    }

    /// The frames to be rendered of all ports, by position, with `C` channels.
    ///
    /// # Panics
    /// If the spec does not have exactly `INPUTS` inputs and `OUTPUTS` outputs, or the buffers do
    /// not have `C` channels.
    #[inline(always)]
    #[expect(clippy::type_complexity, reason = "two arrays of slices")]
    pub fn ports<const C: usize, const INPUTS: usize, const OUTPUTS: usize>(
        &mut self,
    ) -> ([&'a [[f32; C]]; INPUTS], [&mut [[f32; C]]; OUTPUTS]) {
        let (frames, signals) = (self.frames.clone(), self.signals);
        let inputs: &[u32; INPUTS] =
            self.ports.inputs[..].try_into().expect("one signal per input of the spec");
        let outputs: &mut [Signal; OUTPUTS] =
            (&mut *self.outputs).try_into().expect("one signal per output of the spec");
        // Not `map`, which becomes a call of its own.
        let mut cut_inputs = [&[][..]; INPUTS];
        for (cut, place) in cut_inputs.iter_mut().zip(inputs) {
            *cut = signals.at(*place as usize).cut(&frames);
        }
        let mut cut_outputs: [&mut [[f32; C]]; OUTPUTS] = core::array::from_fn(|_| &mut [][..]);
        for (cut, output) in cut_outputs.iter_mut().zip(outputs) {
            *cut = output.cut_mut(&frames);
        }
        (cut_inputs, cut_outputs)
    }

    /// The frames to be rendered of one input, as in [`ports`](Self::ports).
    #[inline(always)]
    pub fn input<const C: usize>(&self, index: usize) -> &'a [[f32; C]] {
        self.signal(index).cut(&self.frames)
    }

    /// The frames to be rendered of one output.
    #[inline(always)]
    pub fn output<const C: usize>(&mut self, index: usize) -> &mut [[f32; C]] {
        self.outputs[index].cut_mut(&self.frames)
    }

    /// Parameter `index` in the frames to be rendered.
    ///
    /// # Panics
    /// If the spec has no such parameter, or the module does not have `C` channels.
    #[inline(always)]
    pub fn param<const C: usize>(&self, index: usize) -> Param<'a, C> {
        match self.params.get(index) {
            ParamSignal::Steady(value) => Param { steady: [value; C], moving: &[] },
            ParamSignal::Held(values) => {
                let steady = *values.first_chunk().expect("one value per channel");
                Param { steady, moving: &[] }
            }
            ParamSignal::Moving(signal) => {
                Param { steady: [0.0; C], moving: &signal.as_chunks::<C>().0[self.frames.clone()] }
            }
        }
    }

    /// The value of parameter `index`, if it is one in all channels and all frames to be rendered.
    #[inline(always)]
    pub fn steady(&self, index: usize) -> Option<f32> {
        match self.params.get(index) {
            ParamSignal::Steady(value) => Some(value),
            ParamSignal::Held(_) | ParamSignal::Moving(_) => None,
        }
    }

    #[inline(always)]
    fn signal(&self, index: usize) -> &'a Signal {
        self.signals.at(self.ports.inputs[index] as usize)
    }

    /// Whether a cable ends at input `index`.
    pub fn is_connected(&self, index: usize) -> bool {
        self.ports.connected & (1 << index) != 0
    }

    /// Whether input `index` is known to be silent in these frames: 0 in all channels.
    #[inline(always)]
    pub fn is_silent(&self, index: usize) -> bool {
        self.signal(index).is_silent(self.set)
    }

    /// Whether input `index` is known to be the same in all these frames.
    #[inline(always)]
    pub fn is_held(&self, index: usize) -> bool {
        self.signal(index).is_held(self.set)
    }

    /// Whether anybody reads output `index`. If not, it need not be written.
    #[inline(always)]
    pub fn is_heard(&self, index: usize) -> bool {
        self.ports.unheard_outputs & (1 << index) == 0
    }

    /// Says that all outputs are as they were, and silent where they were.
    pub fn keep_outputs(&mut self) {
        self.kept = true;
    }

    /// Says that inputs may be ignored in the next frames: else nobody asks
    /// [`Module::ignored_inputs`](crate::Module::ignored_inputs).
    #[inline(always)]
    pub fn doze(&mut self) {
        self.dozes = true;
    }

    /// Makes output `index` silent in these frames, which costs nothing if it was, and lets those who
    /// read it know.
    #[inline(always)]
    pub fn silence(&mut self, index: usize) {
        self.outputs[index].silence(&self.frames);
        self.known_outputs |= 1 << index;
    }

    /// Gives output `index` the same values in all these frames, one per channel, and lets those who read it know.
    /// It costs little if it has them.
    #[inline(always)]
    pub fn hold<const C: usize>(&mut self, index: usize, values: &[f32; C]) {
        self.outputs[index].hold(&self.frames, values);
        self.known_outputs |= 1 << index;
    }
}
