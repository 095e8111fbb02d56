//! What a port carries, and which cables can only be a mistake.

/// What the signal at a port means. Nearly everything may lead to nearly everything, as in any modular; see
/// [`mistake`](Self::mistake).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalKind {
    /// Sound, nominally within -1..1.
    Audio,
    /// How far something is moved, mostly from 0 to 1 or from -1 to 1.
    Control,
    /// Octaves above middle C.
    Pitch,
    /// Open while above 0.5: its level counts.
    Gate,
    /// Its rise through 0.5 counts; what comes out is 1 for an instant.
    Trigger,
}

impl SignalKind {
    /// All, in the order of the reference.
    pub const ALL: [Self; 5] = [Self::Audio, Self::Control, Self::Pitch, Self::Gate, Self::Trigger];

    /// Its name in the reference.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Control => "control",
            Self::Pitch => "pitch",
            Self::Gate => "gate",
            Self::Trigger => "trigger",
        }
    }

    /// Why a cable from an output of this signal to an input for `input` can only be a mistake, if so.
    ///
    /// Audio at a pitch is FM, a gate at a pitch is a jump of an octave, and a slow oscillator may well open
    /// a gate. But a melody never tells when its notes begin.
    pub const fn mistake(self, input: Self) -> Option<&'static str> {
        match (self, input) {
            (Self::Pitch, Self::Gate) => {
                Some("high notes would hold it open, low notes never open it")
            }
            (Self::Pitch, Self::Trigger) => Some("it would not follow the notes"),
            _ => None,
        }
    }
}
