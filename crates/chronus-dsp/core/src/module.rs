//! What a module is: the one trait that all modules implement, beside its spec.

use crate::io::{Io, PortSet};
pub use crate::recording::Recording;
pub use crate::spec::{
    BLOCK_FRAMES, CHANNEL_COUNTS, CHANNELS_MAX, Curve, MIDDLE_C_HZ, ModuleSpec, ParamSpec,
    PortSpec, RecordingSpec, TEXT_MAX, TextSpec,
};

/// A sound unit: it turns the signals at its inputs into signals at its outputs.
///
/// Its life: built by the [catalog](mod@crate::entry) for one rate and one number of channels, then
/// `set_gate` and `process` in any order, and `reset` whenever the sound starts afresh. Only
/// construction may allocate. Smoothing and modulation of parameters are not its business: it gets
/// their values frame by frame ([`Instance`](crate::Instance)).
pub trait Module: Send {
    /// What this module is, the same for every instance.
    fn spec(&self) -> &'static ModuleSpec;

    /// Makes the module as new, with its gate closed.
    fn reset(&mut self);

    /// Opens or closes the gate of all channels. Opening an open gate triggers again; closing a
    /// closed one does nothing. Modules whose spec has no gate ignore it.
    fn set_gate(&mut self, open: bool) {
        let _ = open;
    }

    /// Begins or ends a note. Modules whose spec takes no notes ignore it.
    fn note(&mut self, note: Note) {
        let _ = note;
    }

    /// Takes a text (a pattern, a scale) that the `check` of its [`TextSpec`] found right. It must not
    /// allocate. Modules whose spec has no texts ignore it.
    fn set_text(&mut self, text: usize, value: &str) {
        let _ = (text, value);
    }

    /// Takes the recording that it is to play, as its spec has prepared it, before the first frame. Modules whose spec has none ignore
    /// it.
    fn set_recording(&mut self, recording: Recording) {
        let _ = recording;
    }

    /// Renders the frames `io.frames` of the current block. The ranges of successive calls follow
    /// one another without a hole and end at [`BLOCK_FRAMES`], where the next block begins. How a
    /// block is divided changes no sample.
    fn process(&mut self, io: &mut Io<'_>);

    /// Which inputs the next frames do not depend on, given which are silent in all of them. It is asked when
    /// the module is new and after it said [`Io::doze`]. Nothing that
    /// `process` does before the gate, a note or another input says otherwise may depend on them.
    fn ignored_inputs(&self, silent: PortSet) -> PortSet {
        let _ = silent;
        0
    }

    /// Does to the state what `process` would, for frames whose outputs nobody will read; it may leave
    /// them as they are, and should say so: [`Io::keep_outputs`]. Only those whose spec says that it
    /// [`skips`](ModuleSpec::skips) are asked to.
    fn skip(&mut self, io: &mut Io<'_>) {
        let _ = io;
        unreachable!("{} does not skip", self.spec().kind);
    }
}

/// What is to become of a note.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    /// Whether it begins or ends.
    pub on: bool,
    /// Its pitch as a MIDI note number; 60 is middle C, and fractions are microtones.
    pub key: f32,
    /// How hard it is played, 0 to 1.
    pub velocity: f32,
    /// Which note this is, if several may sound at one pitch; 0 if the key says it.
    pub id: u32,
}

/// The id that means every note that is held, where a note ends.
pub const ALL_NOTES: u32 = u32::MAX;

impl Note {
    /// Whether both are about the same note.
    pub fn is_same(&self, other: &Self) -> bool {
        if other.id == ALL_NOTES || self.id == ALL_NOTES {
            return true;
        }
        if self.id == 0 { other.id == 0 && self.key == other.key } else { self.id == other.id }
    }
}
