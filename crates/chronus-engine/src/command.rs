//! What may be applied to an engine, and its form of five words in the command log.

use chronus_dsp::{Note, TEXT_MAX};
use thiserror::Error;

/// Names a module for as long as it exists, whatever else is edited. No two modules of a performance have
/// the same, so a command that is under way never reaches another module than it was meant for.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Handle(pub u32);

/// A parameter by its position in the spec of its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamIndex(pub u16);

/// What the player asked for, understood and checked; it takes effect at one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// Moves a parameter to a value, smoothly. The value is in the unit of its spec.
    SetParam {
        /// Whose parameter.
        module: Handle,
        /// Which one.
        param: ParamIndex,
        /// Where to; the engine holds it within the range of the spec.
        value: f32,
    },
    /// Opens (or triggers again) or closes the gate of a module.
    Gate {
        /// Whose gate.
        module: Handle,
        /// Whether it is open from now on.
        on: bool,
    },
    /// Begins or ends a note of a module that takes notes.
    Note {
        /// Who plays it.
        module: Handle,
        /// What to play.
        note: Note,
    },
    /// Brings a piece of a text; with the last piece the module takes the text.
    Text {
        /// Whose text.
        module: Handle,
        /// The piece.
        piece: TextPiece,
    },
    /// Moves musical time.
    Transport(TransportChange),
    /// Exchanges the patch for the one of this number, which was prepared.
    Edit {
        /// Edits of a performance are counted from 1.
        number: u32,
    },
    /// Puts a module aside that did harm; what it would have got is heard in its place where its kind says
    /// so.
    Bypass {
        /// Which module.
        module: Handle,
    },
    /// Has a module that was put aside play again, as new.
    Enable {
        /// Which module.
        module: Handle,
    },
    /// Fades the output out (`true`) or in again; the modules play on.
    Mute(bool),
    /// Starts the sound afresh: all modules as new with the present controls, open gates
    /// triggered, the output faded in.
    Restart,
}

/// What may be done to musical time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TransportChange {
    /// Runs on, or stops where it is.
    Play(bool),
    /// Another tempo, in beats per minute.
    Tempo(f64),
    /// Goes on from this beat, counted from 0.
    Position(f64),
    /// So many beats in a bar.
    BeatsPerBar(u32),
}

/// As many bytes of a text as fit into one command.
pub const PIECE_BYTES: usize = 24;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPiece {
    /// Which text, by its position in the spec.
    pub text: u8,
    /// How long the whole text is, in bytes; at most [`TEXT_MAX`].
    pub total: u16,
    /// Where in it the piece begins.
    pub start: u16,
    /// Its bytes; those past the end of the text are zero.
    pub bytes: [u8; PIECE_BYTES],
}

impl TextPiece {
    /// A whole text in pieces, in the order in which they must come; at least one.
    ///
    /// # Panics
    /// If the text is longer than [`TEXT_MAX`].
    pub fn all_of(text: u8, value: &str) -> impl Iterator<Item = Self> + '_ {
        assert!(value.len() <= TEXT_MAX, "a text of {} bytes", value.len());
        let starts = (0..value.len().max(1)).step_by(PIECE_BYTES);
        starts.map(move |start| {
            let mut bytes = [0; PIECE_BYTES];
            let rest = &value.as_bytes()[start..];
            let length = rest.len().min(PIECE_BYTES);
            bytes[..length].copy_from_slice(&rest[..length]);
            Self { text, total: value.len() as u16, start: start as u16, bytes }
        })
    }

    /// The bytes that belong to the text.
    pub fn content(&self) -> &[u8] {
        &self.bytes[..usize::from(self.total - self.start).min(PIECE_BYTES)]
    }
}

/// Words in an encoded command: 40 bytes.
pub const COMMAND_WORDS: usize = 5;

// Kinds begin at 1, so that words of zeros are no command.
const SET_PARAM: u64 = 1;
const GATE: u64 = 2;
const MUTE: u64 = 3;
const RESTART: u64 = 4;
const NOTE: u64 = 5;
const TEXT: u64 = 6;
const TRANSPORT: u64 = 7;
const EDIT: u64 = 8;
const BYPASS: u64 = 9;
const ENABLE: u64 = 10;

/// Tempos that a transport takes, in beats per minute.
pub const TEMPOS_BPM: core::ops::RangeInclusive<f64> = 1.0..=1000.0;
/// As many beats as a bar may have.
pub const BEATS_PER_BAR_MAX: u32 = 64;
/// As far as a transport can be moved, in beats.
pub const BEAT_MAX: f64 = 1e9;

/// Why words are not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The first word names no kind.
    #[error("{0} is not a kind of command; 1 to 10 are")]
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
            Self::Text { module, piece } => {
                let place = u64::from(piece.text) << 8
                    | u64::from(piece.total) << 16
                    | u64::from(piece.start) << 32;
                let words = piece.bytes.as_chunks::<8>().0;
                let [a, b, c] = [0, 1, 2].map(|word| u64::from_le_bytes(words[word]));
                [TEXT | place, u64::from(module.0), a, b, c]
            }
            Self::Transport(change) => {
                let (kind, value) = match change {
                    TransportChange::Play(on) => (0, u64::from(on)),
                    TransportChange::Tempo(bpm) => (1, bpm.to_bits()),
                    TransportChange::Position(beat) => (2, beat.to_bits()),
                    TransportChange::BeatsPerBar(beats) => (3, u64::from(beats)),
                };
                [TRANSPORT, kind, value, 0, 0]
            }
            Self::Edit { number } => [EDIT, u64::from(number), 0, 0, 0],
            Self::Bypass { module } => [BYPASS, u64::from(module.0), 0, 0, 0],
            Self::Enable { module } => [ENABLE, u64::from(module.0), 0, 0, 0],
            Self::Mute(muted) => [MUTE, u64::from(muted), 0, 0, 0],
            Self::Restart => [RESTART, 0, 0, 0, 0],
        }
    }

    /// The command that [`encode`](Self::encode) made these words of.
    ///
    /// # Errors
    /// If no command encodes to these words, or if it would set a value that is not finite.
    pub fn decode(words: [u64; COMMAND_WORDS]) -> Result<Self, DecodeError> {
        let words = Words(words);
        let (command, used) = match words.0[0] & 0xff {
            TEXT => (words.text()?, COMMAND_WORDS),
            _ => match words.0[0] {
                SET_PARAM => {
                    let (module, param) = (Handle(words.small(1)?), ParamIndex(words.small(2)?));
                    (Self::SetParam { module, param, value: words.float(3)? }, 4)
                }
                GATE => (Self::Gate { module: Handle(words.small(1)?), on: words.flag(2)? }, 3),
                NOTE => {
                    let (on, id) = (words.0[2] & 0xffff_ffff, (words.0[2] >> 32) as u32);
                    if on > 1 {
                        return Err(DecodeError::OutOfRange(2));
                    }
                    let (key, velocity) = (words.float(3)?, words.float(4)?);
                    let note = Note { on: on == 1, key, velocity, id };
                    (Self::Note { module: Handle(words.small(1)?), note }, 5)
                }
                TRANSPORT => (Self::Transport(words.transport()?), 3),
                EDIT => (Self::Edit { number: words.small(1)? }, 2),
                BYPASS => (Self::Bypass { module: Handle(words.small(1)?) }, 2),
                ENABLE => (Self::Enable { module: Handle(words.small(1)?) }, 2),
                MUTE => (Self::Mute(words.flag(1)?), 2),
                RESTART => (Self::Restart, 1),
                kind => return Err(DecodeError::UnknownKind(kind)),
            },
        };
        match (used..COMMAND_WORDS).find(|&word| words.0[word] != 0) {
            Some(word) => Err(DecodeError::Padding(word)),
            None => Ok(command),
        }
    }
}

/// The words of a command, of which fields are read.
struct Words([u64; COMMAND_WORDS]);

impl Words {
    fn small<T: TryFrom<u64>>(&self, word: usize) -> Result<T, DecodeError> {
        T::try_from(self.0[word]).map_err(|_| DecodeError::OutOfRange(word))
    }

    fn flag(&self, word: usize) -> Result<bool, DecodeError> {
        match self.0[word] {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::OutOfRange(word)),
        }
    }

    fn float(&self, word: usize) -> Result<f32, DecodeError> {
        let value = f32::from_bits(self.small(word)?);
        if value.is_finite() { Ok(value) } else { Err(DecodeError::NotFinite) }
    }

    fn text(&self) -> Result<Command, DecodeError> {
        let word = self.0[0];
        let (text, total, start) = ((word >> 8) as u8, (word >> 16) as u16, (word >> 32) as u16);
        let begins_a_piece = usize::from(start).is_multiple_of(PIECE_BYTES);
        let is_inside = start < total || (start, total) == (0, 0);
        if word >> 48 != 0 || usize::from(total) > TEXT_MAX || !is_inside || !begins_a_piece {
            return Err(DecodeError::OutOfRange(0));
        }
        let mut bytes = [0; PIECE_BYTES];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(&self.0[2..]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let piece = TextPiece { text, total, start, bytes };
        if bytes[piece.content().len()..].iter().any(|byte| *byte != 0) {
            return Err(DecodeError::Padding(COMMAND_WORDS - 1));
        }
        Ok(Command::Text { module: Handle(self.small(1)?), piece })
    }

    fn transport(&self) -> Result<TransportChange, DecodeError> {
        let number = |range: core::ops::RangeInclusive<f64>| {
            let value = f64::from_bits(self.0[2]);
            let fits = range.contains(&value);
            if fits { Ok(value) } else { Err(DecodeError::OutOfRange(2)) }
        };
        Ok(match self.0[1] {
            0 => TransportChange::Play(self.flag(2)?),
            1 => TransportChange::Tempo(number(TEMPOS_BPM)?),
            2 => TransportChange::Position(number(0.0..=BEAT_MAX)?),
            3 => match self.small(2)? {
                beats @ 1..=BEATS_PER_BAR_MAX => TransportChange::BeatsPerBar(beats),
                _ => return Err(DecodeError::OutOfRange(2)),
            },
            _ => return Err(DecodeError::OutOfRange(1)),
        })
    }
}
