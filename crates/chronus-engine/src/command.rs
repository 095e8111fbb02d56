//! What may be applied to an engine, and its form of five words in the command log.

use chronus_dsp::Note;
use thiserror::Error;

/// A module by its position in the patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleIndex(pub u16);

/// A parameter by its position in the spec of its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamIndex(pub u16);

/// What the player asked for, understood and checked; it takes effect at one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// Moves a parameter to a value, smoothly. The value is in the unit of its spec.
    SetParam {
        /// Whose parameter.
        module: ModuleIndex,
        /// Which one.
        param: ParamIndex,
        /// Where to; the engine holds it within the range of the spec.
        value: f32,
    },
    /// Opens (or triggers again) or closes the gate of a module.
    Gate {
        /// Whose gate.
        module: ModuleIndex,
        /// Whether it is open from now on.
        on: bool,
    },
    /// Begins or ends a note of a module that takes notes.
    Note {
        /// Who plays it.
        module: ModuleIndex,
        /// What to play.
        note: Note,
    },
    /// Fades the output out (`true`) or in again; the modules play on.
    Mute(bool),
    /// Starts the sound afresh: all modules as new with the present controls, open gates
    /// triggered, the output faded in.
    Restart,
}

/// Words in an encoded command: 40 bytes.
pub const COMMAND_WORDS: usize = 5;

// Kinds begin at 1, so that words of zeros are no command.
const SET_PARAM: u64 = 1;
const GATE: u64 = 2;
const MUTE: u64 = 3;
const RESTART: u64 = 4;
const NOTE: u64 = 5;

/// Why words are not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The first word names no kind.
    #[error("{0} is not a kind of command; 1 to 5 are")]
    UnknownKind(u64),
    /// A value is NaN or infinite.
    #[error("a value must be finite")]
    NotFinite,
    /// A word holds more than its field may.
    #[error("word {0} of the command holds more than its field")]
    OutOfRange(usize),
    /// A word that must be zero is not.
    #[error("word {0} of the command should be zero")]
    Padding(usize),
}

impl Command {
    /// Five words: the kind, then its fields, then zeros.
    pub fn encode(&self) -> [u64; COMMAND_WORDS] {
        match *self {
            Self::SetParam { module, param, value } => {
                [SET_PARAM, u64::from(module.0), u64::from(param.0), u64::from(value.to_bits()), 0]
            }
            Self::Gate { module, on } => [GATE, u64::from(module.0), u64::from(on), 0, 0],
            Self::Note { module, note } => [
                NOTE,
                u64::from(module.0),
                u64::from(note.on) | u64::from(note.id) << 32,
                u64::from(note.key.to_bits()),
                u64::from(note.velocity.to_bits()),
            ],
            Self::Mute(muted) => [MUTE, u64::from(muted), 0, 0, 0],
            Self::Restart => [RESTART, 0, 0, 0, 0],
        }
    }

    /// The command that [`encode`](Self::encode) made these words of.
    ///
    /// # Errors
    /// If no command encodes to these words, or if it would set a value that is not finite.
    pub fn decode(words: [u64; COMMAND_WORDS]) -> Result<Self, DecodeError> {
        let index =
            |word: usize| u16::try_from(words[word]).map_err(|_| DecodeError::OutOfRange(word));
        let flag = |word: usize| match words[word] {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::OutOfRange(word)),
        };
        let finite = |word: usize| {
            let bits = u32::try_from(words[word]).map_err(|_| DecodeError::OutOfRange(word))?;
            Some(f32::from_bits(bits))
                .filter(|value| value.is_finite())
                .ok_or(DecodeError::NotFinite)
        };
        let (command, used) = match words[0] {
            SET_PARAM => {
                let (module, param) = (ModuleIndex(index(1)?), ParamIndex(index(2)?));
                (Self::SetParam { module, param, value: finite(3)? }, 4)
            }
            GATE => (Self::Gate { module: ModuleIndex(index(1)?), on: flag(2)? }, 3),
            NOTE => {
                let (on, id) = (words[2] & 0xffff_ffff, (words[2] >> 32) as u32);
                if on > 1 {
                    return Err(DecodeError::OutOfRange(2));
                }
                let note = Note { on: on == 1, key: finite(3)?, velocity: finite(4)?, id };
                (Self::Note { module: ModuleIndex(index(1)?), note }, 5)
            }
            MUTE => (Self::Mute(flag(1)?), 2),
            RESTART => (Self::Restart, 1),
            kind => return Err(DecodeError::UnknownKind(kind)),
        };
        match (used..COMMAND_WORDS).find(|&word| words[word] != 0) {
            Some(word) => Err(DecodeError::Padding(word)),
            None => Ok(command),
        }
    }
}
