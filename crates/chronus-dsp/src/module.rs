//! What a module is: its spec (ports, parameters, gate) as data, and the one trait that all modules
//! implement.

use core::ops::Range;

/// Frames in a block, the unit of rendering.
pub const BLOCK_FRAMES: usize = 64;

/// The signal at one port for one block: one `f32` per frame, nominally within -1..1.
///
/// Mono for now. Cables of many channels change this type and the modules' inner loops, and
/// nothing else.
pub type PortBuffer = [f32; BLOCK_FRAMES];

/// A sound unit: it turns the signals at its inputs into signals at its outputs.
///
/// Its life: built by the [catalog](crate::catalog) for one rate, then `set_param`, `set_gate` and
/// `process` in any order, and `reset` whenever the sound starts afresh. Only construction may
/// allocate.
pub trait Module: Send {
    /// What this module is, the same for every instance.
    fn spec(&self) -> &'static ModuleSpec;

    /// Makes the module as new, with its gate closed and its parameters at once (without
    /// smoothing) where they were last set.
    fn reset(&mut self);

    /// Sets the target of parameter `param` (its position in [`ModuleSpec::params`]); the module
    /// moves there smoothly. `value` is one that [`ParamSpec::accept`] returned.
    ///
    /// # Panics
    /// If the spec has no such parameter.
    fn set_param(&mut self, param: usize, value: f32);

    /// Opens or closes the gate. Opening an open gate triggers again; closing a closed one does
    /// nothing. Modules whose spec has no gate ignore it.
    fn set_gate(&mut self, open: bool) {
        let _ = open;
    }

    /// Renders the frames `io.frames` of the current block. The ranges of successive calls follow
    /// one another without a hole and end at [`BLOCK_FRAMES`], where the next block begins.
    fn process(&mut self, io: Io<'_>);
}

/// The buffers that a module renders from and into.
pub struct Io<'a> {
    /// One buffer per input of the spec; silent where no cable ends.
    pub inputs: &'a [PortBuffer],
    /// One buffer per output of the spec.
    pub outputs: &'a mut [PortBuffer],
    /// The frames of the block to read and write; the others are not to be touched.
    pub frames: Range<usize>,
}

impl<'a> Io<'a> {
    /// The ports by position, and the frames to render.
    ///
    /// # Panics
    /// If the spec does not have exactly `INPUTS` inputs and `OUTPUTS` outputs.
    #[inline]
    pub fn ports<const INPUTS: usize, const OUTPUTS: usize>(
        self,
    ) -> (&'a [PortBuffer; INPUTS], &'a mut [PortBuffer; OUTPUTS], Range<usize>) {
        assert!(self.frames.start <= self.frames.end && self.frames.end <= BLOCK_FRAMES);
        let inputs = self.inputs.try_into().expect("one buffer per input of the spec");
        let outputs = self.outputs.try_into().expect("one buffer per output of the spec");
        (inputs, outputs, self.frames)
    }
}

/// What a kind of module is, as data: enough to check a patch, to validate a message and to print
/// a reference.
#[derive(Debug, PartialEq)]
pub struct ModuleSpec {
    /// The name of the kind in patch files, unique in the catalog.
    pub kind: &'static str,
    /// One sentence for a musician.
    pub summary: &'static str,
    /// The inputs, in the order of [`Io::inputs`].
    pub inputs: &'static [PortSpec],
    /// The outputs, in the order of [`Io::outputs`].
    pub outputs: &'static [PortSpec],
    /// The parameters, in the order that [`Module::set_param`] counts them.
    pub params: &'static [ParamSpec],
    /// Whether it has a gate.
    pub gate: bool,
    /// If the module is bypassed: which input (first) is heard at which output (second), by
    /// position. Outputs that are not named are silent.
    pub bypass: &'static [(usize, usize)],
}

/// An input or output of a module.
#[derive(Debug, PartialEq)]
pub struct PortSpec {
    /// Its name in patch files, unique among the inputs or outputs of the module.
    pub name: &'static str,
    /// What signal goes there.
    pub doc: &'static str,
}

/// A parameter of a module.
#[derive(Debug, PartialEq)]
pub struct ParamSpec {
    /// Its name in patch files and messages, unique in the module.
    pub name: &'static str,
    /// Its unit (`Hz`, `ms`), empty for a plain number.
    pub unit: &'static str,
    /// The least value.
    pub min: f32,
    /// The greatest value.
    pub max: f32,
    /// The value where a patch says nothing.
    pub default: f32,
    /// For an enumeration the names of the values 0, 1, 2, ...; else empty.
    pub choices: &'static [&'static str],
    /// What it does.
    pub doc: &'static str,
}

impl ParamSpec {
    /// The value that the parameter takes when `value` is asked for: within its range, whole if it
    /// is an enumeration. `None` for NaN and infinities, which change nothing.
    pub fn accept(&self, value: f32) -> Option<f32> {
        let whole = |value: f32| if self.choices.is_empty() { value } else { value.round() };
        value.is_finite().then(|| whole(value).clamp(self.min, self.max))
    }

    /// Whether a value must be one of [`choices`](Self::choices).
    pub fn is_enumeration(&self) -> bool {
        !self.choices.is_empty()
    }
}
